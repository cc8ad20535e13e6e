"""Computing runs: what is written, what is kept, what is made again, and scores that can be checked by hand."""

import json
from dataclasses import replace

import made_songs
import numpy as np
import pytest

import bsrnn
from bsrnn import baselines, checkpoint, config, recipes
from bsrnn.audio import files as audio
from bsrnn.config import DataConfig, MixingConfig, ModelConfig, SeparateConfig, TrainConfig
from bsrnn.data import songs
from bsrnn.errors import ConfigError
from bsrnn.report import manifest
from bsrnn.runtime import files, provenance
from bsrnn.study import compute, profiles, results, runs
from bsrnn.study.profiles import Profile
from bsrnn.tool import chosen_models
from bsrnn.train import Trainer
from bsrnn.workflow import replay

RATE = 44100
MODEL = ModelConfig(n_fft=2048, hop_samples=1024, features=4, modules=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven songs with vocals and drums; five are for training."""
    return made_songs.of_noise(tmp_path_factory.mktemp("songs"), 7, "drums")


@pytest.fixture
def grid(folder, tmp_path, monkeypatch):
    """The runs of a profile on those songs, in a root of their own."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    train = TrainConfig(batch_items=2, schedule="cosine", max_items=4, validate_items=2, patience=0, loader_workers=0)
    profile = Profile(
        "mine", data=DataConfig(source="folder", folder=str(folder)), model=MODEL, train=train, targets=("vocals",),
        mixing=MixingConfig(chunk_seconds=0.5), separate=SeparateConfig(1.0, 1.0), validate=SeparateConfig(1.0, 1.0),
        table_one=(), finetuned=(), hops=(0.5, 1.0),
    )  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, "mine", profile)
    return runs.grid("mine")


def test_a_result_holds_settings_history_and_scores_that_the_library_gives_again(grid):
    run = grid["vocals-s0"]
    result = compute.compute(run)
    assert runs.load(run) == json.loads(json.dumps(result)) and result["key"] == run.key
    assert [entry["items"] for entry in result["training"]["history"]] == [2, 4]
    assert result["training"]["parameters"] == bsrnn.load(run.weights_folder()).count_parameters()
    assert result["config"]["train"]["max_items"] == 4 and result["code"] == provenance.code_state()
    [song] = songs.load(run.profile.data, "test")
    [row] = result["scores"]["songs"]
    estimate = bsrnn.separate(bsrnn.load(run.weights_folder()), song.read("mixture"), RATE, 1.0, 1.0)["vocals"]
    assert row["usdr"] == pytest.approx(bsrnn.usdr(song.read("vocals"), estimate), abs=1e-9)
    assert result["scores"]["summary"]["usdr_mean"] == row["usdr"]


def test_a_finished_run_is_read_a_lost_result_scored_again_and_lost_weights_trained_again(grid, monkeypatch, capsys):
    run, hop = grid["vocals-s0"], grid["vocals-hop0.5-s0"]
    first = compute.compute(run)
    fits = []
    monkeypatch.setattr(recipes, "Trainer", lambda *a, **k: fits.append(1) or Trainer(*a, **k))
    assert compute.compute(run) == files.read_json(run.result_path())
    run.result_path().unlink()
    assert compute.compute(run)["training"] == first["training"]
    assert not fits
    weights = (run.weights_folder() / "model.safetensors").read_bytes()
    for path in run.weights_folder().iterdir():
        path.unlink()
    compute.compute(hop)
    assert fits == [1] and "training them again" in capsys.readouterr().err
    assert (run.weights_folder() / "model.safetensors").read_bytes() == weights


def test_a_run_that_has_been_computed_under_another_name_is_not_computed_again(grid, monkeypatch):
    run = grid["vocals-s0"]
    twin = replace(run, id="vocals-again-s0", change="again")
    monkeypatch.setattr(compute, "planned", lambda name: {each.id: each for each in (run, twin)})
    first = json.loads(json.dumps(compute.compute(run)))
    monkeypatch.setattr(recipes, "Trainer", None)
    assert (
        compute.compute(twin)
        == first | {"id": "vocals-again-s0", "change": "again", "copied_from": "vocals-s0"}
        == runs.load(twin)
    )
    weights = [each.weights_folder() / "model.safetensors" for each in (run, twin)]
    assert weights[0] != weights[1] and weights[0].read_bytes() == weights[1].read_bytes()  # for what starts from them
    other = replace(twin, id="vocals-s1", seed=1)
    with pytest.raises(TypeError):  # there is no Trainer to train it
        compute.compute(other)


def _staying_silent(monkeypatch, seeds):
    """Trainings with these seeds end at silence; the list holds the seeds of all that were trained."""
    trained, train = [], recipes.train_model

    def train_model(settings, seed, folder, *rest):
        trained.append(seed)
        result = train(settings, seed, folder, *rest) | {"best": 0.05 if seed in seeds else 1.5}
        files.write_json(folder / "training.json", result)
        return result

    monkeypatch.setattr(compute.recipes, "train_model", train_model)
    monkeypatch.setattr(compute, "validation_scores", lambda *_: np.array([0.05, -0.02, 0.0]))
    return trained


def test_a_training_that_stayed_silent_is_trained_again_with_another_seed_and_listed(grid, monkeypatch, capsys):
    run = grid["vocals-s0"]
    trained = _staying_silent(monkeypatch, {0, 100})
    result = compute.compute(run)
    assert trained == [0, 100, 200] and result["training"]["seed"] == 200 and result["training"]["best"] == 1.5
    assert result["training"]["silent"] == [{"seed": 0, "best": 0.05}, {"seed": 100, "best": 0.05}]
    assert "run 'vocals-s0' with seed 100 stayed silent: training it again" in capsys.readouterr().err
    assert bsrnn.load(run.weights_folder()) and files.read_json(run.weights_folder() / "settings.json")["seed"] == 200
    assert replay.replay("mine") == ([], ["vocals-s0: replayed 2 step(s)"])  # with the seed that was kept
    run.result_path().unlink()
    assert compute.compute(run)["training"] == result["training"] and trained == [0, 100, 200, 200]  # read, not trained


@pytest.mark.parametrize(
    ("scores", "silent"),
    [
        ([0.05, -0.05, 0.0], True),
        ([0.45, -0.4, None], True),  # as trainings of the earlier grid that never took off
        ([0.45, 0.3], False),
        ([0.2], False),
        ([-0.25], False),
        ([2.0, -2.0], False),
        ([None], False),
        ([], False),
    ],
)
def test_silent_is_what_scores_so_in_the_mean_and_on_no_song_otherwise(scores, silent):
    assert results.is_silence(scores) == silent


def test_a_training_whose_songs_cancel_to_0_db_has_no_other_try(grid, monkeypatch):
    run = grid["vocals-s0"]
    trained = _staying_silent(monkeypatch, {0})
    monkeypatch.setattr(compute, "validation_scores", lambda *_: np.array([3.0, -3.1]))
    result = compute.compute(run)["training"]
    assert trained == [0] and (result["seed"], result["silent"], result["best"]) == (0, [], 0.05)


def test_after_as_many_tries_as_the_profile_has_a_silent_training_stays(grid, monkeypatch):
    run = grid["vocals-s0"]
    trained = _staying_silent(monkeypatch, {0, 100, 200})
    result = compute.compute(run)["training"]
    assert trained == [0, 100, 200] and (result["seed"], len(result["silent"])) == (200, 2)
    once = replace(run, id="vocals-once-s0", profile=replace(run.profile, more_tries=0))
    result = compute.compute(once)["training"]
    assert (result["seed"], result["silent"], result["best"]) == (0, [], 0.05)


def test_a_run_whose_start_has_no_result_names_the_command(grid):
    with pytest.raises(runs.MissingResult, match="`bsrnn run vocals-s0 --profile mine`"):
        compute.compute(grid["vocals-hop1-s0"])


def test_first_steps_are_computed_again_and_a_difference_is_a_problem(grid):
    run = grid["vocals-s0"]
    result = compute.compute(run)
    assert len(result["training"]["first_losses"]) == 2  # of two steps in all
    assert replay.replay("mine") == ([], ["vocals-s0: replayed 2 step(s)"])
    assert replay.replay("mine", steps=0) == ([], [])
    result["training"]["first_losses"][1] *= 1.01
    files.write_json(run.result_path(), result)
    assert replay.replay("mine", steps=1)[0] == []
    [problem] = replay.replay("mine")[0]
    assert problem.startswith("differs: step 1 of run vocals-s0 had the loss")
    del result["training"]["first_losses"]
    files.write_json(run.result_path(), result)
    assert replay.replay("mine") == ([], ["not replayed, computed before first losses were recorded: vocals-s0"])


@pytest.mark.parametrize(("unlabelled", "pools"), [("both", "signals"), ("none", "signals"), ("none", "mixes")])
def test_a_finetuning_is_computed_again_from_its_start(grid, folder, tmp_path, monkeypatch, unlabelled, pools):
    profile = grid["vocals-s0"].profile
    train = replace(profile.train, learning_rate=1e-4)
    finetune = config.FinetuneConfig(train=train, unlabelled=unlabelled, pools=pools)
    monkeypatch.setitem(profiles.PROFILES, "mine", replace(profile, finetuned=("vocals",), finetune=finetune))
    music = audio.read(folder / "song1" / "vocals.wav") + audio.read(folder / "song1" / "drums.wav")
    audio.write(tmp_path / "data" / "unlabelled" / "music.wav", music, RATE)
    start, finetuned = (runs.get("mine", f"vocals{name}-s0") for name in ("", "-finetuned"))
    for run in (start, finetuned):
        compute.compute(run)
    said = ["vocals-s0: replayed 2 step(s)", "vocals-finetuned-s0: replayed 2 step(s)"]
    assert replay.replay("mine") == ([], said)
    result = files.read_json(finetuned.result_path())
    result["training"]["first_losses"][0] *= 1.01
    files.write_json(finetuned.result_path(), result)
    assert [line[:40] for line in replay.replay("mine")[0]] == ["differs: step 0 of run vocals-finetuned-"]
    (start.weights_folder() / "model.safetensors").unlink()
    assert replay.replay("mine")[1][1].endswith("their songs or starts are not on this machine: vocals-finetuned-s0")


def test_no_song_is_rendered_for_a_replay(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    run = runs.get("tiny", "vocals-s0")
    assert not replay.songs_are_here(run)
    result = {"training": {"first_losses": [1.0]}, "device": "CPU"}
    files.write_json(run.result_path(), result)
    assert replay.replay("tiny") == ([], ["not replayed, their songs or starts are not on this machine: vocals-s0"])
    assert not (tmp_path / "data").exists()


def test_estimators_without_a_network_hear_songs_at_their_models_rate(tmp_path, monkeypatch):
    """A filter of songs of 48 kHz parts two tones, as at 44.1 kHz."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    scores = {}
    for rate in (RATE, 48000):
        folder = made_songs.of_tones(tmp_path / str(rate), 4, rate)
        profile = Profile(
            "mine", data=DataConfig(source="folder", folder=str(folder)), targets=("piano",), table_one=(),
            splits=(("piano", (8, 16, 1001)),), finetuned=(), hops=(), crossed=(),
            model=replace(MODEL, targets=("piano",), band_split=(8, 16, 1001), sample_rate=rate),
        )  # fmt: skip
        monkeypatch.setitem(profiles.PROFILES, "mine", profile)
        scored = compute.compute(runs.grid("mine")["piano-baselines-s0"])["scores"]
        scores[rate] = {method: found["summary"]["usdr_mean"] for method, found in scored.items()}
    assert scores[RATE]["wiener"] > 10 > 1 > scores[RATE]["mixture"]
    for method, score in scores[RATE].items():
        assert scores[48000][method] == pytest.approx(score, abs=0.5)


def test_baselines_stand_in_their_order_on_songs_whose_vocals_come_and_go(grid):
    scores = compute.compute(grid["vocals-baselines-s0"])["scores"]
    usdr = {method: part["summary"]["usdr_mean"] for method, part in scores.items()}
    assert usdr["silence"] == pytest.approx(0, abs=1e-6)
    assert usdr["mixture"] == pytest.approx(scores["mixture"]["summary"]["usdr_mixture_mean"])
    assert usdr["mixture"] < usdr["wiener"] <= usdr["wiener_oracle"] + 1e-6
    assert usdr["wiener_oracle"] < usdr["ratio_mask"]


def test_the_wiener_gain_is_the_least_squares_gain_of_each_frequency(grid):
    """Against a slow search over gains on one song's spectrogram."""
    [song] = songs.load(grid["vocals-s0"].profile.data, "test")
    gains = baselines.wiener_gains([song], "vocals", MODEL)[:, 0].numpy()
    x, y = (baselines._stft(song.read(stem), MODEL).numpy() for stem in ("mixture", "vocals"))
    candidates = np.linspace(0, 1, 1001)
    for bin in (3, 40, 500):
        errors = [np.sum(np.abs(y[:, bin] - gain * x[:, bin]) ** 2) for gain in candidates]
        assert gains[bin] == pytest.approx(candidates[int(np.argmin(errors))], abs=1e-3)


def test_the_published_model_is_the_trained_one_in_half_precision_with_a_card(grid):
    run = grid["vocals-s0"]
    result = compute.compute(run)
    [folder] = compute.publish("mine")
    assert folder == run.result_path().parents[1] / "checkpoints" / "vocals"
    trained, published = bsrnn.load(run.weights_folder()), bsrnn.load(folder)
    for name, value in trained.state_dict().items():
        np.testing.assert_allclose(published.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    card = (folder / "README.md").read_text()
    assert f"uSDR {result['scores']['summary']['usdr_mean']:.2f} dB" in card and run.key in card


def test_what_is_published_beside_lies_apart_and_has_seen_the_items_of_its_start_too(grid, monkeypatch):
    profile = grid["vocals-s0"].profile
    tuned = config.FinetuneConfig(train=replace(profile.train, max_items=6, validate_items=6), unlabelled="none")
    beside = replace(profile, finetuned=("vocals",), finetune=tuned, beside=("vocals-control-s0", "vocals-not-here-s0"))
    monkeypatch.setitem(profiles.PROFILES, "mine", beside)
    for name in ("vocals-s0", "vocals-control-s0"):
        compute.compute(runs.get("mine", name))
    own, other = compute.publish("mine")
    assert own.parts[-2:] == ("checkpoints", "vocals") and other.parts[-2:] == ("other-checkpoints", "vocals-control")
    assert len(results.models_together("mine", "vocals")) == 1
    assert [checkpoint.info_of(folder)["items"] for folder in (own, other)] == [4, 4 + 6]
    assert results.trained_model("mine", "vocals").config == MODEL and set(manifest.checkpoints("mine")) == {
        "vocals", "vocals-control",
    }  # fmt: skip


def test_what_is_published_together_lies_with_the_best_model_and_separates_with_it(grid, monkeypatch):
    profile = grid["vocals-s0"].profile
    of_hops = SeparateConfig(segment_seconds=3.0, hop_seconds=1.5)
    settings = replace(profile, seeds=(0, 1), separate=of_hops)
    settings = replace(settings, together=("vocals-s0", "vocals-s1"))  # one of them is the best
    monkeypatch.setitem(profiles.PROFILES, "mine", settings)
    compute.compute(runs.get("mine", "vocals-s0"))
    assert [folder.name for folder in compute.publish("mine")] == ["vocals"]  # the other one has no result yet
    assert len(results.models_together("mine", "vocals")) == 1
    compute.compute(runs.get("mine", "vocals-s1"))
    best = results.Study("mine").best_models()["vocals"]
    own, other = compute.publish("mine")
    assert own.name == "vocals" and other.name == {"vocals-s0": "vocals-s1", "vocals-s1": "vocals-s0"}[best.id]
    together = results.models_together("mine", "vocals")
    assert [checkpoint.info_of(folder)["id"] for folder in (own, other)] == [best.id, other.name]
    assert chosen_models.members(own.parent) == [own, other]
    mixture = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 4000)).astype(np.float32)
    got, *alone = (
        bsrnn.separate(models, mixture, 44100, 0.1, 0.1)["vocals"]
        for models in (together, bsrnn.load(own), bsrnn.load(other))
    )
    np.testing.assert_allclose(got, np.mean(alone, axis=0), atol=1e-7)
    assert np.abs(alone[0] - alone[1]).max() > 1e-5


def test_a_run_is_published_in_one_place():
    with pytest.raises(ConfigError, match="vocals-s1 in together and in beside: expected each run in one of them"):
        replace(profiles.TINY, together=("vocals-s0", "vocals-s1"), beside=("vocals-s1",))
