"""Arithmetic is a matter of the machine: what was asked for, what it got, and that every processor does every run."""

import json
from dataclasses import replace

import made_songs
import numpy as np
import pytest
from places import REPOSITORY

from bsrnn import checkpoint, cli, config, recipes, train
from bsrnn.audio import files as audio
from bsrnn.config import DataConfig, MixingConfig, ModelConfig, SeparateConfig, TrainConfig
from bsrnn.runtime import files, precision
from bsrnn.study import compute, profiles, runs
from bsrnn.study.profiles import Profile
from bsrnn.train import Trainer
from bsrnn.workflow import replay, verify

RATE = 44100
GOT = {"asked": "bfloat16", "got": precision.fast_dtype()}

pytestmark = pytest.mark.precision


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven songs with vocals and other; five are for training."""
    return made_songs.of_noise(tmp_path_factory.mktemp("songs"), 7, "other")


@pytest.fixture
def claims(folder, tmp_path, monkeypatch):
    """The runs of the claims' profile as it stands, but for two steps each on made-up songs."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.delenv("BSRNN_DATA", raising=False)
    full = profiles.SMALL
    steps = {"max_items": 2, "validate_items": 2}
    tuning = replace(full.finetune.train, batch_items=1, **steps)
    profile = replace(
        full, data=DataConfig(source="folder", folder=str(folder)), train=replace(full.train, **steps),
        finetune=replace(full.finetune, train=tuning), seeds=(0,), details=(), peers=(), scale=(),
        few_songs=0, waiting=(), finetuned=("vocals",), variants=(),
        more_tries=0,  # after two steps every model is silent
    )  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, "small", profile)
    mixture = sum(audio.read(folder / "song1" / f"{stem}.wav") for stem in ("vocals", "other"))
    audio.write(tmp_path / "data" / "unlabelled" / "music.wav", mixture, RATE)
    return runs.grid("small")


def recorded(run):
    return files.read_json(run.result_path())


def test_the_claims_trainings_run_and_verify_on_this_processor_and_say_in_what(claims, capsys):
    start, tuned = claims["vocals-s0"], claims["vocals-finetuned-s0"]
    for run in (start, tuned):
        assert cli.main(["run", run.id, "--profile", "small"]) == 0
        said = capsys.readouterr().err
        assert said.count("computing in float32 instead") == (GOT["got"] == "float32")
        result = recorded(run)
        assert result["training"]["arithmetic"] == GOT and len(result["training"]["first_losses"]) == 2
        assert result["config"]["train"]["precision"] == "bfloat16"
        assert np.isfinite(result["scores"]["summary"]["usdr_mean"])
    replayed = ["vocals-s0: replayed 2 step(s)", "vocals-finetuned-s0: replayed 2 step(s)"]
    assert replay.replay("small") == ([], replayed)
    assert cli.main(["verify", "--profile", "small", "--replay", "2"]) == 1  # the other runs are missing
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("missing: ", "note: ")) for line in lines) and f"note: {replayed[0]}" in lines


def test_what_another_processor_recorded_agrees_within_rounding_and_no_further(claims, monkeypatch):
    """Recorded in bfloat16 (where this processor has it: really so), replayed in float32; 1 % off may be rounding."""
    run = claims["vocals-s0"]
    result = compute.compute(run)
    result["training"]["arithmetic"] = {"asked": "bfloat16", "got": "bfloat16"}
    files.write_json(run.result_path(), result)
    monkeypatch.setattr(replay, "fast_dtype", lambda: "float32")
    assert replay.replay("small") == ([], ["vocals-s0: replayed 2 step(s)"])
    result["training"]["first_losses"][1] *= 1.01
    files.write_json(run.result_path(), result)
    assert replay.replay("small")[0] == []
    result["training"]["first_losses"][1] *= 1.02
    files.write_json(run.result_path(), result)
    [problem] = replay.replay("small")[0]
    assert problem.startswith("differs: step 1 of run vocals-s0 had the loss")
    assert "replayed in float32 instead of bfloat16" in problem


def test_what_was_recorded_before_is_taken_for_what_was_asked(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    grid = runs.grid("small")
    names = ("vocals-s0", "vocals-umx-s0", "drums-finetuned-s0")
    assert [replay.began_in(runs.load(grid[name])) for name in names] == ["bfloat16", "float32", "bfloat16"]
    changed = runs.load(grid["vocals-s0"])
    changed["training"]["arithmetic"] = {"asked": "bfloat16", "got": "float32", "began": "bfloat16"}
    assert replay.began_in(changed) == "bfloat16"


@pytest.mark.parametrize(
    ("asked", "before", "fast", "expected"),
    [
        ("float32", {}, "bfloat16", {"got": "float32"}),
        ("bfloat16", {}, "bfloat16", {"got": "bfloat16"}),
        ("bfloat16", {}, "float32", {"got": "float32"}),
        # what is gone on with keeps its arithmetic, where this machine has it
        ("bfloat16", {"asked": "bfloat16", "got": "float32"}, "bfloat16", {"got": "float32"}),
        ("bfloat16", {"asked": "bfloat16", "got": "bfloat16"}, "float32", {"got": "float32", "began": "bfloat16"}),
        ("bfloat16", {"asked": "bfloat16", "got": "float32", "began": "bfloat16"}, "bfloat16",
         {"got": "float32", "began": "bfloat16"}),
        # unless another is asked for now
        ("float32", {"asked": "bfloat16", "got": "bfloat16"}, "bfloat16", {"got": "float32", "began": "bfloat16"}),
    ],
)  # fmt: skip
def test_what_a_training_gets(monkeypatch, asked, before, fast, expected):
    monkeypatch.setattr(train, "fast_dtype", lambda device: fast)
    assert train.arithmetic(asked, before, "cpu") == {"asked": asked} | expected


def test_a_process_without_bfloat16_takes_all_others_to_float32(monkeypatch, capsys):
    monkeypatch.setattr(train, "fast_dtype", lambda device: "bfloat16")
    monkeypatch.setattr(train.distributed, "all_agree", lambda value: False)
    assert train.arithmetic("bfloat16", {}, "cpu") == {"asked": "bfloat16", "got": "float32"}
    assert "computing in float32 instead" in capsys.readouterr().err
    monkeypatch.setattr(train.distributed, "rank", lambda: 1)
    assert train.arithmetic("bfloat16", {}, "cpu")["got"] == "float32" and capsys.readouterr().err == ""


@pytest.fixture
def small(folder):
    """A profile of four steps of a tiny model."""
    steps = TrainConfig(batch_items=1, max_items=4, validate_items=4, patience=0, loader_workers=0)
    return Profile(
        "mine", data=DataConfig(source="folder", folder=str(folder)), targets=("vocals",), train=steps,
        model=ModelConfig(n_fft=2048, hop_samples=1024, features=4, modules=1),
        mixing=MixingConfig(chunk_seconds=0.5), validate=SeparateConfig(3.0, 3.0),
    )  # fmt: skip


def precise(profile, precision):
    return replace(profile, train=replace(profile.train, precision=precision))


def test_bfloat16_asked_for_by_name_is_trained_in_float32_with_one_line_where_it_is_emulated(
    small, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(profiles.PROFILES, "quick", small)
    command = ["train", "--data", small.data.folder, "--set", "train.precision=bfloat16", "--out", str(tmp_path / "a")]
    monkeypatch.setattr(train, "fast_dtype", lambda device: "float32")
    monkeypatch.setattr(precision, "bfloat16_cost", lambda: 7.6)
    assert cli.main(command) == 0
    said = capsys.readouterr().err
    assert said.count("bfloat16 would be emulated on this machine and take 8 times as long as float32") == 1
    trained = files.read_json(tmp_path / "a" / "training.json")
    assert trained["arithmetic"] == {"asked": "bfloat16", "got": "float32"}
    recipes.train_model(precise(small, "float32"), 0, tmp_path / "b")
    one, other = (checkpoint.read_tensors(tmp_path / name / "model.safetensors") for name in "ab")
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


class Killed(Exception):
    """Stands for the process's end."""


@pytest.mark.skipif(not precision.trains_in_bfloat16(), reason="torch cannot train in bfloat16 on this processor")
def test_a_training_begun_in_bfloat16_ends_on_a_processor_without_it(small, tmp_path, monkeypatch):
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)  # a resume file after each step
    monkeypatch.setattr(train, "fast_dtype", lambda device: "bfloat16")
    step, done = Trainer.step, []

    def killed(*arguments):
        if len(done) == 2:
            raise Killed
        done.append(arguments)
        return step(*arguments)

    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(Killed):
        recipes.train_model(precise(small, "bfloat16"), 0, tmp_path)
    monkeypatch.setattr(Trainer, "step", step)
    monkeypatch.setattr(train, "fast_dtype", lambda device: "float32")
    trained = recipes.train_model(precise(small, "bfloat16"), 0, tmp_path)
    assert trained["items"] == 4
    assert trained["arithmetic"] == {"asked": "bfloat16", "got": "float32", "began": "bfloat16"}


def test_a_folder_of_a_version_that_noted_the_precision_is_gone_on_with(small, tmp_path):
    settings = config.settings_of(precise(small, "bfloat16"), "train", 0)
    assert "precision" not in json.dumps(settings)
    settings["train"]["precision"] = "bfloat16"
    files.write_json(tmp_path / "settings.json", settings)
    assert recipes.train_model(precise(small, "bfloat16"), 0, tmp_path)["items"] == 4


def test_verifying_notes_the_runs_that_did_not_get_what_they_asked_for(claims):
    for got, expected in (("float32", ["vocals-s0"]), ("bfloat16", [])):
        training = {"arithmetic": {"asked": "bfloat16", "got": got}}
        files.write_json(claims["vocals-s0"].result_path(), {"training": training})
        said = "trained in float32, as their machine has no bfloat16, which the profile asks for: "
        assert verify.notes("small") == [said + ", ".join(expected)] * bool(expected)
