"""The semi-supervised sampler: the energy rules on constructed cases, pools, self-boosting, resuming."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bsrnn import checkpoint, songs, stages
from bsrnn.audio import write
from bsrnn.config import (
    DataConfig,
    FinetuneConfig,
    MixingConfig,
    ModelConfig,
    Profile,
    SeparateConfig,
    TrainConfig,
)
from bsrnn.errors import ConfigError
from bsrnn.finetune import SemiSupervised, classify
from bsrnn.train import new_model

RATE = 44100
MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
TRAIN = TrainConfig(batch_items=2, schedule="cosine", max_items=8, validate_items=4, patience=0, loader_workers=0)


def chunk(level, seed=0):
    return level * torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 2, 4410)))


def is_multiple(one, other):
    return np.allclose(one, one[0, 0] / other[0, 0] * other, atol=1e-5)


class Teacher(torch.nn.Module):
    """Separates by a rule of the test's."""

    def __init__(self, rule):
        super().__init__()
        self.rule, self.config, self.window = rule, MODEL, torch.zeros(1)

    def forward(self, mixture):
        return self.rule(mixture)[:, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    for index in range(4):
        generator = np.random.default_rng(index)
        for stem, level in (("low", 0.1), ("high", 0.05)):
            audio = level * generator.standard_normal((2, 7 * RATE)).astype(np.float32)
            write(root / f"song{index}" / f"{stem}.wav", audio, RATE)
    return root


@pytest.fixture(scope="module")
def labelled(folder):
    return songs.read_songs(folder)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    root = tmp_path_factory.mktemp("music")
    for index in range(3):
        audio = np.random.default_rng(10 + index).standard_normal((2, 8 * RATE)).astype(np.float32)
        write(root / f"music{index}.flac", 0.1 * audio, RATE, subtype="PCM_16")
    (root / "broken.wav").write_bytes(b"RIFF but not audio")
    return songs.read_mixtures(root)


def sampler(labelled, unlabelled, rule, **settings):
    config = FinetuneConfig(train=TRAIN, **settings)
    mixing = MixingConfig(chunk_seconds=0.25, gain_db=0.0, drop_probability=0.0)
    return SemiSupervised(labelled, unlabelled, "low", Teacher(rule), 0.0, config, mixing)


@pytest.mark.parametrize(
    ("target_level", "residual_level", "expected"),
    [
        (1.0, 1.0, "pseudo"),  # both are there
        (0.0, 1.0, "clean_residual"),  # the target is absent
        (1.0, 0.0, "clean_target"),  # all else is absent
        (0.01, 1.0, "clean_residual"),  # target 40 dB down
        (0.1, 1.0, "pseudo"),  # 20 dB down
        (1.0, 0.01, "clean_target"),
        (0.0, 0.0, "pseudo"),  # silence says nothing
    ],
)
def test_the_energy_rules(target_level, residual_level, expected):
    target, residual = chunk(target_level, 0), chunk(residual_level, 1)
    assert classify(target + residual, target) == [expected]


def test_exactly_thirty_decibels_are_not_more_than_thirty():
    """Powers of two keep the ratio exact: 1024 to 1 is a little more than 30 dB, and 30.103 dB itself."""
    mixture = torch.ones(1, 2, 64, dtype=torch.float64)
    estimate = mixture / 32  # energy down by 1024
    exact = float(10 * torch.log10(torch.tensor(1024.0, dtype=torch.float64)))
    assert classify(mixture, estimate) == ["clean_residual"]
    assert classify(mixture, estimate, exact + 1e-6) == ["pseudo"]
    assert classify(mixture, mixture / 32**0.9) == ["pseudo"]
    both = classify(torch.cat([mixture, mixture]), torch.cat([estimate, mixture - estimate]))
    assert both == ["clean_residual", "clean_target"]


def test_pools_hold_clean_signals_then_what_the_teacher_makes_of_the_unlabelled(labelled, unlabelled):
    def rule(mixture):  # of the first chunk nothing is target, of the second all, of the third a half
        return mixture * torch.tensor([0.0, 1.0, 0.5])[: len(mixture), None, None]

    source = sampler(labelled, unlabelled, rule)
    targets, residuals = source.pools(3, np.random.default_rng(1))
    assert len(targets) == 3 + 2 and len(residuals) == 3 + 2
    assert dict(source.counts) == {"labelled": 3, "clean_residual": 1, "clean_target": 1, "pseudo": 1}
    np.testing.assert_array_equal(targets[4], residuals[4])  # a half each
    # the chunk that is all target came in whole: it lies in an unlabelled file, sample by sample
    whole = [song.read("mixture") for song in unlabelled]
    starts = [np.flatnonzero(audio[0] == targets[3][0, 0]) for audio in whole]
    found = [(audio, start) for audio, at in zip(whole, starts, strict=True) for start in at]
    assert any(np.array_equal(audio[:, start : start + 11025], targets[3]) for audio, start in found)


def test_the_control_draws_the_same_labelled_signals_and_never_asks_the_teacher(labelled, unlabelled):
    def refuse(mixture):
        raise AssertionError("the control has no unlabelled songs")

    control = sampler(labelled, [], refuse).pools(2, np.random.default_rng(4))
    finetuned = sampler(labelled, unlabelled, torch.zeros_like).pools(2, np.random.default_rng(4))
    for mine, theirs in zip(control, finetuned, strict=True):
        for one, other in zip(mine, theirs, strict=False):
            np.testing.assert_array_equal(one, other)


def test_a_batch_mixes_a_target_and_a_residual_of_the_pools_and_depends_on_seed_and_item(labelled, unlabelled):
    source = sampler(labelled, unlabelled, lambda mixture: mixture / 2)
    mixture, target = source.batch(6, 2)
    assert mixture.shape == (2, 2, 11025) and target.shape == (2, 1, 2, 11025)
    again = sampler(labelled, unlabelled, lambda mixture: mixture / 2).batch(6, 2)
    assert torch.equal(mixture, again[0]) and torch.equal(target, again[1])
    assert not torch.equal(mixture, source.batch(8, 2)[0])
    targets, residuals = source.pools(2, np.random.default_rng((0, 6)))
    for mixed, wanted in zip(mixture.numpy(), target[:, 0].numpy(), strict=True):
        peak = max(np.abs(mixed).max(), np.abs(wanted).max())
        assert peak == pytest.approx(1)
        scales = [wanted[0, 0] / signal[0, 0] for signal in targets]
        assert any(
            np.allclose(wanted, scale * signal, atol=1e-6) for scale, signal in zip(scales, targets, strict=True)
        )
        rest = mixed - wanted
        scales = [rest[0, 0] / signal[0, 0] for signal in residuals]
        assert any(
            np.allclose(rest, scale * signal, atol=1e-5) for scale, signal in zip(scales, residuals, strict=True)
        )


@pytest.mark.parametrize("self_boosting", [True, False])
def test_a_better_student_and_no_other_becomes_the_teacher(labelled, self_boosting):
    teacher, student = new_model(MODEL, 0), new_model(MODEL, 1)
    config = FinetuneConfig(train=TRAIN, unlabelled="none", self_boosting=self_boosting)
    source = SemiSupervised(labelled, [], "low", teacher, 2.0, config, MixingConfig(chunk_seconds=0.25))
    assert source.validated(student, 2.0)["teacher_replaced"] is False  # equal is not better
    assert torch.equal(teacher.core[0].time.linear.weight, new_model(MODEL, 0).core[0].time.linear.weight)
    entry = source.validated(student, 2.5)
    assert entry["teacher_replaced"] is self_boosting
    assert entry["teacher_usdr"] == (2.5 if self_boosting else 2.0)
    same = all(torch.equal(a, b) for a, b in zip(teacher.parameters(), student.parameters(), strict=True))
    assert same is self_boosting


class Killed(Exception):
    """Stands for the process's end."""


def test_a_killed_finetuning_goes_on_to_the_same_weights(folder, unlabelled, tmp_path, monkeypatch):
    """Killed after its teacher may have been replaced: what the teacher knows must come back, too."""
    profile = Profile(
        "tests",
        data=DataConfig(source="folder", folder=str(folder)),
        model=MODEL,
        mixing=MixingConfig(chunk_seconds=0.25),
        targets=("low",),
        finetune=FinetuneConfig(train=replace(TRAIN, learning_rate=1e-2)),
        validate=SeparateConfig(1.0, 1.0),
    )
    checkpoint.save(new_model(MODEL, 0), tmp_path / "start")

    def finetune(name):
        return stages.finetune_model(profile, "low", 0, tmp_path / "start", unlabelled, tmp_path / name)

    whole = finetune("whole")
    assert any(entry["teacher_replaced"] for entry in whole["history"])
    monkeypatch.setattr("bsrnn.train.SAVE_SECONDS", -1)
    real, asked = SemiSupervised.ask_teacher, []

    def failing(self, mixtures):
        asked.append(1)
        if len(asked) == 4:
            raise Killed
        return real(self, mixtures)

    monkeypatch.setattr(SemiSupervised, "ask_teacher", failing)
    with pytest.raises(Killed):
        finetune("killed")
    resumed = finetune("killed")
    for name in ("valid_usdr", "loss", "counts", "teacher_replaced"):
        assert [entry[name] for entry in resumed["history"]] == [entry[name] for entry in whole["history"]]
    for one, other in zip(
        checkpoint.load(tmp_path / "whole").parameters(), checkpoint.load(tmp_path / "killed").parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_finetuning_a_target_that_the_start_does_not_separate(folder, unlabelled, tmp_path):
    checkpoint.save(new_model(MODEL, 0), tmp_path / "start")
    profile = Profile("tests", data=DataConfig(source="folder", folder=str(folder)), model=MODEL)
    with pytest.raises(ConfigError, match="cannot finetune 'high': the model in .* separates low"):
        stages.finetune_model(profile, "high", 0, tmp_path / "start", unlabelled, tmp_path / "out")


def test_unreadable_files_are_named_and_passed_over(unlabelled, tmp_path, capsys):
    assert [song.name for song in unlabelled] == ["music0", "music1", "music2"]
    write(tmp_path / "good.wav", np.zeros((2, 100), np.float32), RATE)
    write(tmp_path / "slow.wav", np.zeros((2, 100), np.float32), 22050)
    assert [song.name for song in songs.read_mixtures(tmp_path)] == ["good"]
    assert "slow.wav: mixture has 22050 Hz, expected the model's 44100 Hz" in capsys.readouterr().err
