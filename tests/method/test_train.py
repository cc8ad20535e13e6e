"""The training loop: closed forms of loss and schedule, resuming, determinism, and that it learns."""

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from whole_training import fit

from bsrnn import checkpoint, recipes
from bsrnn.audio.files import write
from bsrnn.config import DataConfig, LossConfig, MixingConfig, ModelConfig, SeparateConfig, TrainConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.loss import Objective, gradients, objective
from bsrnn.metrics import usdr
from bsrnn.runtime import precision
from bsrnn.runtime.files import read_json
from bsrnn.runtime.locks import alone
from bsrnn.study.profiles import Profile
from bsrnn.train import ItemSource, TrainingError, learning_rate, new_model, validation_usdr

RATE = 44100
MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
TRAIN = TrainConfig(batch_items=2, schedule="cosine", max_items=12, validate_items=4, patience=0, loader_workers=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four songs of 7 s: a low tone and a high tone, both with noise of their own."""
    root = tmp_path_factory.mktemp("songs")
    seconds = np.arange(7 * RATE) / RATE
    for index in range(4):
        generator = np.random.default_rng(index)
        for stem, hz in (("low", 200 + 40 * index), ("high", 5000 + 500 * index)):
            audio = 0.2 * np.sin(2 * math.pi * hz * seconds) + 0.01 * generator.standard_normal((2, len(seconds)))
            write(root / f"song{index}" / f"{stem}.wav", audio.astype(np.float32), RATE)
    return root


@pytest.fixture
def profile(folder):
    return Profile(
        "tests",
        data=DataConfig(source="folder", folder=str(folder)),
        model=MODEL,
        train=TRAIN,
        mixing=MixingConfig(chunk_seconds=0.5),
        targets=("low",),
        validate=SeparateConfig(segment_seconds=1.0, hop_seconds=1.0),
        separate=SeparateConfig(1.0, 1.0),
    )


class Repeat(ItemSource):
    """The same batch for ever, and a note of which items were asked for."""

    def __init__(self, mixture, targets, steps=10_000):
        self.batch, self.steps, self.first = (mixture, targets), steps, []

    def batches(self, first_item):
        self.first.append(first_item)
        return iter([self.batch] * self.steps)


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_the_loss_is_equation_one():
    """A model that gives zeros leaves the mean absolute values of the target: real, imaginary and waveform."""
    model = new_model(MODEL, 0)
    for output in model.masks[0].output:
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.zeros_(output.bias)
    mixture, target = torch.randn(1, 2, 2000), torch.randn(1, 1, 2, 2000)
    spectrogram = torch.stft(target.view(2, 2000), 512, 256, window=torch.hann_window(512), return_complex=True)
    parts = [spectrogram.real.abs(), spectrogram.imag.abs(), target.abs()]
    means = sum(part.mean() for part in parts)
    torch.testing.assert_close(objective(model, mixture, target), means)
    sums = parts[0].sum() + parts[1].sum() + 3 * parts[2].sum()
    torch.testing.assert_close(objective(model, mixture, target, LossConfig(1.0, 3.0, "sum")), sums)


def test_an_stft_over_its_windows_energy_has_the_energy_of_a_noise():
    """The closed form, and what it is for: spectrum and waveform of a noise then weigh 1.4 to 1."""
    model = new_model(MODEL, 0)
    for output in model.masks[0].output:
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.zeros_(output.bias)
    target = torch.randn(1, 1, 2, 20_000, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(512)
    spectrogram = torch.stft(target.view(2, -1), 512, 256, window=window, return_complex=True)
    energy = float((window**2).sum())
    assert energy == pytest.approx(3 / 8 * 512)
    assert (spectrogram.abs() ** 2 / energy).mean() == pytest.approx(1, abs=0.05)
    spectral = (spectrogram.real.abs().mean() + spectrogram.imag.abs().mean()) / energy**0.5
    assert spectral / target.abs().mean() == pytest.approx(2**0.5, abs=0.05)
    for loss, expected in (
        (LossConfig(stft_scale="unit"), spectral + target.abs().mean()),
        (LossConfig(2.0, 0.0, "sum", "unit"), 2 * spectral * spectrogram.numel()),
    ):
        torch.testing.assert_close(objective(model, target[:, 0], target, loss), expected, rtol=1e-5, atol=0)


class Steps(ItemSource):
    """Four batches of noise, of which the second is not finite."""

    def batches(self, first_item):
        generator = torch.Generator().manual_seed(0)
        made = [(torch.randn(2, 2, 4000, generator=generator), torch.randn(2, 1, 2, 4000, generator=generator))
                for _ in range(4)]  # fmt: skip
        made[1][0].fill_(math.nan)
        return iter(made)


def test_the_average_of_the_weights_by_hand_is_what_is_validated_and_kept(tmp_path):
    """It changes no step; a step that is skipped does not move it."""
    seen = {0.0: [], 0.75: []}
    for decay, weights_seen in seen.items():
        model = new_model(MODEL, 0)

        def validate(judged, weights_seen=weights_seen):
            weights_seen.append(weights(judged).clone())
            return float(len(weights_seen))

        config = replace(TRAIN, max_items=8, validate_items=2, ema_decay=decay)
        fit(model, Steps(), validate, config, tmp_path / str(decay))
        assert torch.equal(weights(model), weights_seen[-1])
        assert torch.equal(weights(checkpoint.load(tmp_path / str(decay))), weights_seen[-1])
    first, after_skip, second, third = seen[0.0]
    assert torch.equal(first, after_skip) and not torch.equal(first, second)
    after_second = 0.75 * first + 0.25 * second
    expected = [first, first, after_second, 0.75 * after_second + 0.25 * third]
    torch.testing.assert_close(torch.stack(seen[0.75]), torch.stack(expected), rtol=0, atol=3e-7)  # of steps of 1e-3
    assert not torch.equal(seen[0.75][-1], third)


def test_learning_rates_of_the_paper_and_of_the_fixed_budget():
    paper = TrainConfig()
    assert learning_rate(319_999, paper) == 1e-3
    assert learning_rate(320_000, paper) == pytest.approx(0.98e-3)
    assert learning_rate(16_000_000 - 1, paper) == pytest.approx(1e-3 * 0.98**49)
    cosine = TrainConfig(schedule="cosine", max_items=100)
    assert [learning_rate(items, cosine) for items in (0, 50, 100)] == pytest.approx([1e-3, 5e-4, 0.0])


def test_the_first_weights_come_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = new_model(MODEL, 1), new_model(MODEL, 1), new_model(MODEL, 2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_one_item_of_three_seconds_is_learnt_above_15_db(tmp_path):
    """Two sources at one pitch that take turns: a gain for each frequency, the same at all times, cannot part them."""
    seconds = np.arange(3 * RATE) / RATE
    turns = np.convolve(np.sin(2 * math.pi * seconds) > 0, np.full(2000, 1 / 2000), "same")  # soft edges of 45 ms
    low = turns * np.sin(2 * math.pi * 220 * seconds)
    high = (1 - turns) * np.sign(np.sin(2 * math.pi * 220 * seconds))
    target = torch.from_numpy(np.stack([low, 0.7 * low]).astype(np.float32))
    mixture = target + torch.from_numpy(np.stack([0.4 * high, 0.4 * high]).astype(np.float32))
    model = new_model(ModelConfig(targets=("low",), features=8, modules=1), 0)
    config = TrainConfig(
        batch_items=1, learning_rate=1e-2, schedule="cosine", max_items=30, validate_items=30, patience=0
    )

    def score(model):
        with torch.inference_mode():
            return usdr(target, model(mixture[None])[0, 0])

    assert score(model) < 3
    fit(model, Repeat(mixture[None], target[None, None]), score, config, tmp_path)
    assert score(model) > 15


def test_a_seeded_training_gives_the_same_weights_twice_bit_for_bit(profile, tmp_path):
    for name in "ab":
        recipes.train_model(profile, 3, tmp_path / name)
    one, two = (checkpoint.load(tmp_path / name) for name in "ab")
    assert torch.equal(weights(one), weights(two))
    recipes.train_model(profile, 4, tmp_path / "c")
    assert not torch.equal(weights(one), weights(checkpoint.load(tmp_path / "c")))


@pytest.mark.precision
@pytest.mark.skipif(not precision.trains_in_bfloat16(), reason="torch cannot train in bfloat16 on this processor")
def test_in_bfloat16_the_gradients_point_where_they_did_and_the_loss_is_float32():
    found = {}
    for dtype in ("float32", "bfloat16"):
        model = new_model(MODEL, 0)
        generator = torch.Generator().manual_seed(0)
        mixture, targets = torch.randn(2, 2, 8000, generator=generator), torch.randn(2, 1, 2, 8000, generator=generator)
        value = gradients(Objective(model, LossConfig(), dtype), mixture, targets, LossConfig())
        assert value.dtype == torch.float32
        found[dtype] = value, torch.cat([p.grad.flatten() for p in model.parameters()])
    (exact, one), (fast, other) = found.values()
    assert fast == pytest.approx(exact.item(), rel=1e-3) and not torch.equal(one, other)
    assert torch.nn.functional.cosine_similarity(one, other, 0) > 0.99


def test_unknown_precisions_are_named(tmp_path):
    source = Repeat(torch.zeros(2, 2, 8000), torch.zeros(2, 1, 2, 8000))
    with pytest.raises(ConfigError, match="got train.precision 'float16'"):
        fit(new_model(MODEL, 0), source, lambda model: 0.0, replace(TRAIN, precision="float16"), tmp_path)


class Killed(Exception):
    """Stands for the process's end."""


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_a_killed_training_goes_on_to_the_same_weights(profile, tmp_path, monkeypatch, after):
    recipes.train_model(profile, 0, tmp_path / "whole")
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)  # a resume file after each step
    steps = []

    def failing(*arguments, **named):
        steps.append(1)
        if len(steps) == after + 1:
            raise Killed
        return objective(*arguments, **named)

    monkeypatch.setattr("bsrnn.loss.objective", failing)
    with pytest.raises(Killed):
        recipes.train_model(profile, 0, tmp_path / "killed")
    assert not (tmp_path / "killed" / "training.json").exists()
    resumed = recipes.train_model(profile, 0, tmp_path / "killed")
    assert len(steps) == 6 + 1  # none was done twice, but for the one that was cut off
    whole = recipes.train_model(profile, 0, tmp_path / "whole")  # read back
    assert [entry["loss"] for entry in resumed["history"]] == [entry["loss"] for entry in whole["history"]]
    assert torch.equal(weights(checkpoint.load(tmp_path / "killed")), weights(checkpoint.load(tmp_path / "whole")))
    assert not (tmp_path / "killed" / "resume").exists()


def test_what_others_have_put_beside_resume_files_stays(profile, tmp_path):
    """A folder of a user's that is called resume, too."""
    names = ("cv.doc", "2024.safetensors", "000000000004.safetensors.bak")
    (tmp_path / "m" / "resume").mkdir(parents=True)
    for name in names:
        (tmp_path / "m" / "resume" / name).write_text("mine")
    recipes.train_model(profile, 0, tmp_path / "m")
    assert {path.name: path.read_text() for path in (tmp_path / "m" / "resume").iterdir()} == dict.fromkeys(
        names, "mine"
    )


RECIPE = {
    "one channel": {"mixing": MixingConfig(chunk_seconds=0.5, item_channels="one")},
    "unit": {"loss": LossConfig(stft_scale="unit")},
    "average": {"train": replace(TRAIN, ema_decay=0.75)},
    "last": {"train": replace(TRAIN, ema_decay=0.75, kept_weights="last")},
}


@pytest.mark.parametrize("name", RECIPE)
def test_a_killed_training_goes_on_to_the_same_weights_with_each_part_of_the_recipe(
    profile, tmp_path, monkeypatch, name
):
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    changed, steps = replace(profile, **RECIPE[name]), []
    recipes.train_model(profile, 0, tmp_path / "plain")
    whole = recipes.train_model(changed, 0, tmp_path / "whole")

    def failing(*arguments, **named):
        steps.append(1)
        if len(steps) == 4:
            raise Killed
        return objective(*arguments, **named)

    monkeypatch.setattr("bsrnn.loss.objective", failing)
    with pytest.raises(Killed):
        recipes.train_model(changed, 0, tmp_path / "killed")
    resumed = recipes.train_model(changed, 0, tmp_path / "killed")
    assert len(steps) == 6 + 1
    assert [entry["valid_usdr"] for entry in resumed["history"]] == [entry["valid_usdr"] for entry in whole["history"]]
    info = read_json(tmp_path / "whole" / "config.json")["info"]
    assert info["item_channels"] == ("one" if name == "one channel" else "both")
    killed, unbroken, plain = (weights(checkpoint.load(tmp_path / of)) for of in ("killed", "whole", "plain"))
    assert torch.equal(killed, unbroken) and not torch.equal(killed, plain)


def test_settings_that_cannot_be_used_do_not_take_the_folder(profile, tmp_path):
    changed = replace(profile, model=replace(MODEL, tac_factor=1), **RECIPE["one channel"])
    with pytest.raises(ConfigError, match="set mixing.item_channels to both"):
        recipes.train_model(changed, 0, tmp_path / "new")
    assert not (tmp_path / "new" / "settings.json").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "truncated or corrupt"),
        (lambda path: checkpoint.write_tensors(path, {"model.x": torch.zeros(1)}), "holds tensors alone"),
    ],
)
def test_of_two_resume_files_a_newest_that_is_not_whole_is_passed_over(
    profile, tmp_path, monkeypatch, capsys, spoil, words
):
    recipes.train_model(profile, 0, tmp_path / "whole")
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    monkeypatch.setattr("bsrnn.resume.remove", lambda folder: None)
    recipes.train_model(profile, 0, tmp_path / "cut")
    files = sorted((tmp_path / "cut" / "resume").iterdir())
    assert [int(path.stem) for path in files] == [10, 12]
    spoil(files[-1])
    (tmp_path / "cut" / "training.json").unlink()
    recipes.train_model(profile, 0, tmp_path / "cut")
    assert words in capsys.readouterr().err
    assert torch.equal(weights(checkpoint.load(tmp_path / "cut")), weights(checkpoint.load(tmp_path / "whole")))


def test_two_trainings_never_write_into_one_folder_together(profile, tmp_path, capsys):
    """The second waits, and finds the first one's work done."""
    order = []

    def second():
        with alone(tmp_path / "one" / ".lock"):
            order.append(recipes.train_model(profile, 0, tmp_path / "one"))

    with alone(tmp_path / "one" / ".lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
        first = recipes.train_model(profile, 0, tmp_path / "one")
    thread.join(60)
    assert order == ["first", first]
    assert "another process is at work on this" in capsys.readouterr().err


def test_the_first_losses_are_kept_through_a_restart(profile, tmp_path, monkeypatch):
    """For `bsrnn verify` to compute them again."""
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    monkeypatch.setattr("bsrnn.resume.remove", lambda folder: None)
    whole = recipes.train_model(profile, 0, tmp_path)
    (tmp_path / "training.json").unlink()
    assert recipes.train_model(profile, 0, tmp_path)["first_losses"] == whole["first_losses"]
    model, mixes = new_model(MODEL, 0), recipes.supervised(profile, 0)
    assert whole["first_losses"][0] == objective(model, *next(mixes.batches(0))).item()
    assert len(whole["first_losses"]) == 3


def test_the_best_model_is_kept_and_patience_ends_the_training(tmp_path):
    scores = iter([1.0, 3.0, 2.0, 2.5, 9.0])
    kept = []

    def validate(model):
        kept.append(weights(model).clone())
        return next(scores)

    model = new_model(MODEL, 0)
    source = Repeat(torch.randn(2, 2, 4000), torch.randn(2, 1, 2, 4000))
    config = replace(TRAIN, max_items=1000, validate_items=2, patience=2)
    progress = fit(model, source, validate, config, tmp_path)
    assert (progress.items, progress.best, progress.best_items) == (8, 3.0, 4)
    assert torch.equal(weights(model), kept[1])
    assert torch.equal(weights(checkpoint.load(tmp_path)), kept[1])


def test_the_last_weights_are_kept_where_a_training_asks_for_them(tmp_path):
    kept, scores = [], iter([1.0, 3.0, 2.0])

    def validate(model):
        kept.append(weights(model).clone())
        return next(scores)

    source, model = Repeat(torch.randn(2, 2, 4000), torch.randn(2, 1, 2, 4000)), new_model(MODEL, 0)
    config = replace(TRAIN, max_items=6, validate_items=2, kept_weights="last")
    progress = fit(model, source, validate, config, tmp_path)
    assert (progress.items, progress.best, progress.best_items) == (6, 2.0, 6)
    assert torch.equal(weights(model), kept[2]) and not torch.equal(kept[1], kept[2])
    assert checkpoint.info_of(tmp_path)["valid_usdr"] == 2.0
    with pytest.raises(ConfigError, match="got kept_weights 'last' with patience 2: expected patience 0"):
        replace(config, patience=2)


def test_a_step_that_is_not_finite_is_skipped_and_too_many_stop_with_the_batch_saved(tmp_path):
    model = new_model(MODEL, 0)
    before = weights(model).clone()
    bad = torch.full((2, 2, 4000), float("nan"))
    config = replace(TRAIN, max_items=1000, max_bad_steps=3)
    with pytest.raises(TrainingError, match="3 steps in a row with a non-finite loss"):
        fit(model, Repeat(bad, torch.zeros(2, 1, 2, 4000)), lambda model: 0.0, config, tmp_path)
    assert torch.equal(weights(model), before)
    saved = checkpoint.read_tensors(tmp_path / "bad_batch.safetensors")
    assert saved["mixture"].shape == (2, 2, 4000) and saved["mixture"].isnan().all()


def test_validation_leaves_silent_references_out_and_refuses_only_silence(profile, tmp_path):
    from bsrnn.data import songs

    model = new_model(MODEL, 0).eval()
    audio = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) * 0.1
    for name, low in (("a", audio), ("b", 0 * audio)):
        write(tmp_path / name / "low.wav", low, RATE)
        write(tmp_path / name / "high.wav", audio[:, ::-1].copy(), RATE)
    both = songs.read_songs(tmp_path)
    config = SeparateConfig(1.0, 1.0)
    assert validation_usdr(model, both, config) == validation_usdr(model, both[:1], config)
    with pytest.raises(DataError, match="low is silent"):
        validation_usdr(model, both[1:], config)


def test_training_on_a_target_that_no_song_has_names_song_and_stems(profile, tmp_path):
    model = replace(profile.model, targets=("piano",))
    with pytest.raises(DataError, match="lacks the stem 'piano', it has 'high', 'low'"):
        recipes.train_model(replace(profile, model=model), 0, tmp_path)


def test_a_full_disk_while_training_is_one_clear_error_and_the_training_goes_on_later(profile, tmp_path, monkeypatch):
    import errno
    import os

    real, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BSRNNError, match="disk full"):
        recipes.train_model(profile, 0, tmp_path / "full")
    recipes.train_model(profile, 0, tmp_path / "full")
    recipes.train_model(profile, 0, tmp_path / "whole")
    assert torch.equal(weights(checkpoint.load(tmp_path / "full")), weights(checkpoint.load(tmp_path / "whole")))
