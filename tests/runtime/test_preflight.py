"""Before hours of work: what a command will need at its end is tried, and all that is wrong is said at once."""

import dataclasses
import errno
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import bsrnn
from bsrnn import checkpoint, cli, config, recipes, train
from bsrnn.audio import files as audio
from bsrnn.config import ModelConfig
from bsrnn.data import synthetic
from bsrnn.errors import BSRNNError, ConfigError, DataError, SeveralErrors
from bsrnn.runtime import files, preflight
from bsrnn.study import compute, needs, profiles, runs, scoring
from bsrnn.tool import score_files
from bsrnn.workflow import compare, curve

RATE = 44100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five songs of a second: three for training."""
    root = tmp_path_factory.mktemp("songs")
    for index in range(5):
        for stem in ("vocals", "drums"):
            noise = np.random.default_rng(index).uniform(-0.3, 0.3, (2, RATE))
            audio.write(root / f"song{index}" / f"{stem}.wav", noise.astype(np.float32), RATE)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    tiny = bsrnn.BSRNN(ModelConfig(targets=("vocals",), band_split="v1", features=4, modules=1))
    return checkpoint.save(tiny, tmp_path_factory.mktemp("model"))


def said(capsys, command):
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith(f"bsrnn {command}: ") for line in lines)
    return [line.removeprefix(f"bsrnn {command}: ") for line in lines]


def os_error(path):
    raise OSError(errno.EACCES, "denied", path)


def test_one_error_is_raised_as_it_is_and_several_as_a_line_each():
    def fails(kind, text):
        raise kind(text)

    with pytest.raises(DataError, match="^a$"), preflight.all_at_once() as check:
        assert check(fails, DataError, "a") is None and check(max, 1, 2) == 2
        check(fails, DataError, "a")
    with pytest.raises(BSRNNError, match="^a\nb$"), preflight.all_at_once() as check:
        for text in "aba":
            check(fails, ConfigError, text)
    with pytest.raises(BSRNNError, match="^/x: no permission; .*\n/y: no perm"), preflight.all_at_once() as check:
        for path in ("/x", "/y"):
            check(os_error, path)
    with pytest.raises(BSRNNError, match="^a\nb\nc$"), preflight.all_at_once() as check:
        check(fails, SeveralErrors, [DataError("a"), DataError("b")])
        check(fails, DataError, "b")
        check(fails, DataError, "c")
    with pytest.raises(ZeroDivisionError), preflight.all_at_once() as check:
        check(lambda: 1 / 0)


def test_a_place_is_tried_and_left_as_it_was(tmp_path):
    preflight.place(tmp_path / "a" / "b", "scores.json")
    preflight.place(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BSRNNError, match="cannot make the folder: a name in it is too long"):
        preflight.place(tmp_path / ("x" * 300))
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "scores.csv").mkdir()
    for path, message in (("file/a", "cannot make the folder: a part of the path is a file"),
                          ("file", "cannot make the folder: a part of the path is a file"),
                          ("circle/a", "links lead in a circle"), ("nowhere", "no such file or folder"),
                          ("a/" + "x" * 300, "is too long")):  # fmt: skip
        with pytest.raises(BSRNNError, match=f"^{tmp_path}/{path}: .*{message}"):
            preflight.place(tmp_path / path)
    with pytest.raises(BSRNNError, match="scores.csv: cannot be written: a folder is there"):
        preflight.place(tmp_path, "scores.json", "scores.csv")


def test_a_disk_that_is_full_or_read_only(tmp_path, monkeypatch):
    for number, message in ((errno.ENOSPC, "the disk is full"), (errno.EROFS, "the disk is read-only")):

        def refuse(number=number, **_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(preflight.tempfile, "TemporaryFile", refuse)
        with pytest.raises(BSRNNError, match=f"{tmp_path}: cannot be written into: {message}"):
            preflight.place(tmp_path)


def test_the_room_that_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5e9}))
    preflight.room(tmp_path / "new" / "folder", 5e9, "this")
    with pytest.raises(BSRNNError, match="5.0 GB are free on this disk, but this takes about 6.0 GB; free some"):
        preflight.room(tmp_path / "new" / "folder", 6e9, "this")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("cpu", "cuda", "cuda:1"):
        preflight.device(name)
    with pytest.raises(ConfigError, match="got --device cuda:2, but torch can use 2 GPU"):
        preflight.device("cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="got --device cuda, but torch can use 0 GPU"):
        preflight.device("cuda")


def test_training_says_all_at_once_and_writes_nothing(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "train_model", None)  # it must not come so far
    songs = shutil.copytree(folder, tmp_path / "songs")
    broken = songs / "song0" / "drums.wav"
    broken.write_bytes(b"no audio")
    (tmp_path / "file").touch()
    arguments = ["train", "--data", str(songs), "--profile", "tiny", "--out", str(tmp_path / "file" / "m")]
    assert cli.main(arguments) == 1
    lines = said(capsys, "train")
    assert len(lines) == 2 and "cannot make the folder" in lines[0] and f"{broken}: not readable as audio" in lines[1]
    assert cli.main([*arguments, "--set", "train.speed=1"]) == 1
    lines = said(capsys, "train")
    assert len(lines) == 2 and "there is no 'speed'" in lines[0] and "cannot make the folder" in lines[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "songs"]


def test_a_broken_song_of_any_split_is_said_before_a_training(folder, tmp_path, capsys):
    for index in range(5):
        songs = shutil.copytree(folder, tmp_path / f"songs{index}")
        (songs / f"song{index}" / "vocals.wav").write_bytes(b"")
        assert cli.main(["train", "--data", str(songs), "--profile", "tiny", "-o", str(tmp_path / "m")]) == 1
        assert "vocals.wav: an empty file" in said(capsys, "train")[0]
        assert not (tmp_path / "m").exists()


def test_a_model_that_no_training_made_is_not_replaced(folder, model, tmp_path, capsys):
    """An imported one, or one of the Hub; as the start of a finetuning, too."""
    other = shutil.copytree(model, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in other.iterdir()}
    for command in (["train"], ["finetune", "--from", str(other), "--unlabelled", "none"]):
        assert cli.main([*command, "--data", str(folder), "--profile", "tiny", "-o", str(other)]) == 1
        assert "holds config.json and model.safetensors, which no training here has made" in said(capsys, command[0])[0]
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before


def test_finetuning_says_all_at_once(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "finetune_model", None)
    arguments = ["finetune", "--from", str(tmp_path / "x"), "--unlabelled", str(tmp_path / "y"), "--data", str(folder)]
    (tmp_path / "out" / "model.safetensors").mkdir(parents=True)
    assert cli.main([*arguments, "--set", "train.max_items=9", "-o", str(tmp_path / "out")]) == 1
    lines = said(capsys, "finetune")
    for words in ("finetuning's own is finetune.train", "no model in", "y: no such folder", "a folder is there"):
        assert sum(words in line for line in lines) == 1


def test_an_evaluation_says_all_before_it_scores(folder, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scoring, "score_model", None)
    (tmp_path / "scores.csv").mkdir()
    arguments = ["evaluate", "--model", str(tmp_path / "none"), "--data", str(folder), "--profile", "tiny"]
    assert cli.main([*arguments, "-o", str(tmp_path)]) == 1
    lines = said(capsys, "evaluate")
    assert len(lines) == 2 and "no model in" in lines[0] and "scores.csv: cannot be written: a folder" in lines[1]
    arguments[2] = str(model)
    assert cli.main([*arguments, "--split", "nope", "-o", str(tmp_path / "new")]) == 1
    assert "unknown split 'nope'" in said(capsys, "evaluate")[0] and not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["scores.json", "scores.csv"])
def test_scores_of_something_else_are_not_replaced(folder, model, tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    arguments = ["evaluate", "--model", str(model), "--data", str(folder), "--profile", "tiny", "-o", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert f"{name} is there already, is not of this command, and would be replaced" in said(capsys, "evaluate")[0]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}
    (tmp_path / name).unlink()
    assert [cli.main(arguments), cli.main(arguments)] == [0, 0]  # its own ones are


def test_settings_of_something_else_are_not_replaced(folder, tmp_path, capsys):
    (tmp_path / "settings.json").write_text('{"theme": "dark"}')
    assert cli.main(["train", "--data", str(folder), "--profile", "tiny", "-o", str(tmp_path)]) == 1
    assert "settings.json is of no training, and would be replaced: choose another --out" in said(capsys, "train")[0]
    assert (tmp_path / "settings.json").read_text() == '{"theme": "dark"}'


def test_names_that_are_no_utf8_come_out_in_the_scores(tmp_path):
    scores = {"vocals": {"songs": [{"song": os.fsdecode(b"caf\xe9"), "usdr": 1.0}], "summary": {}}}
    score_files.write(tmp_path, scores, {"model": "m"})
    assert (tmp_path / "scores.csv").read_text("utf-8") == "target,song,usdr\nvocals,caf\\udce9,1.0\n"
    assert files.read_json(tmp_path / "scores.json")["scores"] == scores


def test_an_import_replaces_nothing_and_says_all_at_once(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert cli.main(["import", str(tmp_path / "none.ckpt"), "-o", str(tmp_path)]) == 1
    lines = said(capsys, "import")
    assert len(lines) == 2 and "none.ckpt: cannot be read: no such file" in lines[0]
    assert "holds a README.md already, which would be replaced" in lines[1]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_run_is_tried_before_it_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.setattr(compute, "compute", None)
    (tmp_path / "results").touch()
    assert cli.main(["run", "vocals-hop0.5-s0", "--profile", "quick"]) == 1
    lines = said(capsys, "run")
    assert "cannot make the folder" in lines[0] and "no result of run 'vocals-s0'" in lines[-1]


def test_rendering_is_tried_only_where_songs_are_missing(tmp_path, monkeypatch, capsys):
    data = profiles.profile("tiny").data
    (tmp_path / "file").touch()
    monkeypatch.setattr(synthetic, "ensure", None)
    assert cli.main(["data", "--profile", "tiny", "-o", str(tmp_path / "file")]) == 1
    assert "cannot make the folder" in said(capsys, "data")[0]
    for index in range(synthetic.count(data, "test")):
        synthetic.song_folder(tmp_path, data, "test", index).mkdir(parents=True)
    monkeypatch.setattr(preflight, "place", None)
    needs.rendering(data, ["test"], tmp_path)


def test_a_training_finds_room_for_the_songs_that_it_renders_with_the_test_songs_where_it_is_scored(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("BSRNN_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100e6))
    monkeypatch.setattr(synthetic, "ensure", None)
    wanted = runs.get("small", "vocals-both-long-s0")
    counts = {"train": 216, "train-amateurs": 216, "valid": 12, "test": 50, "test-new": 16}
    assert {split: synthetic.count(wanted.profile.data, split) for split in counts} == counts
    with pytest.raises(BSRNNError) as trained, preflight.all_at_once() as check:
        needs.training(check, wanted.profile, tmp_path / "model")
    with pytest.raises(BSRNNError) as computed:
        needs.run(dataclasses.replace(wanted, folder=tmp_path / "results"), "cpu")
    recording = dataclasses.replace(runs.get("small", "vocals-real-s0"), start=None, folder=tmp_path / "results")
    needs.run(recording, "cpu")  # which takes no song
    for error, songs in (trained, 444), (computed, 510):
        assert str(error.value).count("rendering") == 1
        assert f"rendering {songs} songs takes about {songs * 30 * needs.RENDERED / 1e9:.1f} GB" in str(error.value)


def test_verify_replaces_its_own_findings_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bsrnn.workflow.verify.verify", lambda profile: [])
    monkeypatch.setattr("bsrnn.workflow.verify.notes", lambda profile: [])
    arguments = ["verify", "--profile", "tiny", "--replay", "0", "--out", str(tmp_path / "found.txt")]
    (tmp_path / "found.txt").write_text("mine")
    assert cli.main(arguments) == 1 and "found.txt is there already" in said(capsys, "verify")[0]
    assert (tmp_path / "found.txt").read_text() == "mine"
    (tmp_path / "found.txt").unlink()
    assert [cli.main(arguments), cli.main(arguments)] == [0, 0]
    assert (tmp_path / "found.txt").read_text().startswith("bsrnn verify --profile tiny:\nresults/tiny: every run")


def test_verify_tries_its_file_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bsrnn.workflow.verify.verify", None)
    assert cli.main(["verify", "--profile", "tiny", "-o", str(tmp_path)]) == 1
    assert "a folder is there, and no file" in said(capsys, "verify")[0]


def test_artifacts_say_what_is_missing_before_anything_is_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.setattr(compute, "publish", None)
    assert cli.main(["artifacts", "--profile", "tiny"]) == 1
    [line] = said(capsys, "artifacts")
    assert "profile 'tiny' lacks 17 result(s)" in line and [path.name for path in tmp_path.iterdir()] == ["_config.yml"]


@pytest.mark.parametrize("command", sorted(cli.EPILOG))
def test_what_an_interruption_says_is_true_of_each_command(command, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    needed = {"finetune": ["--from", "x", "--unlabelled", "y"], "evaluate": ["--model", "x"], "separate": ["x"],
              "import": ["x", "-o", "y"], "run": ["x"], "curve": ["x"],
              "compare": ["--set", "model.features=8"]}  # fmt: skip
    modules = {"compare": compare, "curve": curve}
    place, name = (modules[command], "run") if command in modules else (cli, f"_{command}")
    monkeypatch.setattr(place, name, interrupted)
    assert cli.main([command, *needed.get(command, ())]) == 130
    line = said(capsys, command)[0]
    goes_on = command in ("train", "finetune", "run", "compare")
    assert line.startswith("interrupted; ") and ("goes on where the training was" in line) == goes_on
    assert not goes_on or train.SAVE_SECONDS <= 60


def test_the_room_for_a_training(folder, tmp_path, monkeypatch):
    """Five weeks into a training is no time to learn that its states do not fit."""
    profile = profiles.profile("tiny")
    profile = dataclasses.replace(profile, data=config.DataConfig(source="folder", folder=str(folder)))
    parameters = train.new_model(profile.model, 0).count_parameters()
    usage = type("Usage", (), {"free": 44 * parameters - 1})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    def tried():
        with preflight.all_at_once() as check:
            needs.training(check, profile, tmp_path / "m")

    with pytest.raises(BSRNNError, match="are free on this disk, but this training takes about"):
        tried()
    (tmp_path / "m").mkdir()
    for name, free in (("settings.json", 16 * parameters), ("training.json", 0)):
        (tmp_path / "m" / name).touch()
        usage.free = free
        tried()
