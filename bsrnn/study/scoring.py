"""Scoring a run: its model on held-out songs, estimators without a network, a teacher's labels."""

import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from torch import Tensor
from tqdm import tqdm

from bsrnn import baselines, checkpoint, metrics
from bsrnn.data import songs
from bsrnn.data.songs import Song
from bsrnn.errors import ConfigError, DataError
from bsrnn.models.base import Separator, as_list, targets_of
from bsrnn.recipes import unlabelled_of
from bsrnn.runtime import paths
from bsrnn.separation import separate
from bsrnn.study import label_quality
from bsrnn.study.profiles import Profile
from bsrnn.study.runs import Run, load


def score(run: Run, device: str) -> dict:
    """What belongs into the run's JSON: ``scores``; ``new`` for a training or the estimators without a network where
    songs of new timbres are a test of their own."""
    by_kind = {"baselines": _score_baselines, "real": _score_real, "teacher": _score_teacher}
    result = {"scores": by_kind.get(run.kind, _score_model)(run, device)}
    if run.kind in ("train", "finetune", "baselines") and run.profile.data.new_songs:
        scored = _score_baselines if run.kind == "baselines" else _score_model
        result["new"] = scored(run, device, "test-new")
    return result


def _score_model(run: Run, device: str, split: str = "test") -> dict:
    if run.kind == "separate" and (run.profile, run.target) == (run.its_start.profile, run.its_start.target):
        return load(run.its_start)["scores"]  # the base was scored under these very conditions
    model = checkpoint.load(run.weights_folder()).to(device)
    return score_model(model, run.profile, split, label=f"{run.id}, {split}")[run.target]


def _score_teacher(run: Run, device: str) -> dict:
    """A model before its finetuning: its labels of the unlabelled songs."""
    model = checkpoint.load(run.weights_folder()).to(device)
    unlabelled = unlabelled_of(run.profile).songs
    return {
        "chunks": label_quality.judge_songs(model, unlabelled, run.target, run.profile.mixing, run.profile.activity)
    }


def score_model(
    model: Separator | Sequence[Separator], profile: Profile, split: str = "test", label: str = "evaluate"
) -> dict[str, dict]:
    """Score a model, or several together, on whole songs, song by song: target -> ``songs`` (a row each) and
    ``summary``. Of a target that several separate, the mean of their estimates is scored.

    Raises:
        ConfigError: models of several sample rates.
    """
    models = as_list(model)
    rows: dict[str, list[dict]] = {target: [] for target in targets_of(models)}
    found = songs.load(profile.data, split, targets=tuple(rows), sample_rate=common_rate(models))
    for song in tqdm(found, desc=f"{label}: scoring", unit="song", mininterval=2, dynamic_ncols=True):
        mixture = song.read("mixture")
        begun = time.monotonic()
        estimates = separate(models, mixture, song.sample_rate, **asdict(profile.separate))
        seconds = round(time.monotonic() - begun, 2)
        for target, estimate in estimates.items():
            scored = metrics.score(song.read(target), mixture, estimate, song.sample_rate)
            rows[target].append(_row(song) | scored | {"seconds": seconds})
    return {target: _with_summary(part) for target, part in rows.items()}


def common_rate(models: Sequence[Separator]) -> int:
    """The sample rate of models that are scored together; ConfigError where they differ: songs are read at one."""
    rates = sorted({model.config.sample_rate for model in models})
    if len(rates) != 1:
        raise ConfigError(f"got models of {' and '.join(map(str, rates))} Hz: expected one rate; score them one by one")
    return rates[0]


def _score_baselines(run: Run, device: str, split: str = "test") -> dict:
    """Every method of bsrnn.baselines on the songs of a split: method -> songs and summary."""
    gains, rate = _wiener_gains(run), run.profile.model.sample_rate
    rows: dict[str, list] = {method: [] for method in baselines.METHODS}
    test_songs = songs.load(run.profile.data, split, targets=(run.target,), sample_rate=rate)
    for song in tqdm(test_songs, desc=f"{run.id}, {split}: scoring", unit="song", mininterval=2, dynamic_ncols=True):
        estimates = baselines.estimates(song, run.target, gains, run.profile.model)
        for method, row in _scored(song, run.target, estimates).items():
            rows[method].append(row)
    return {method: _with_summary(found) for method, found in rows.items()}


def _score_real(run: Run, device: str) -> dict:
    """The model beside mixture and oracle on the real recording of the stempeg wheel."""
    song = songs.musdb_clip(paths.data() / "real")
    if song is None:
        raise DataError(f"run {run.id!r} needs the real recording, which could not be read; see the line above")
    estimates = baselines.estimates(song, run.target, _wiener_gains(run), run.profile.model)
    model = checkpoint.load(run.weights_folder()).to(device)
    separated = separate(model, song.read("mixture"), song.sample_rate, **asdict(run.profile.separate))
    estimates["model"] = separated[run.target]
    return {method: _with_summary([row]) for method, row in _scored(song, run.target, estimates).items()}


def _wiener_gains(run: Run) -> Tensor:
    """Of the training songs."""
    rate = run.profile.model.sample_rate
    train_songs = songs.load(run.profile.data, "train", targets=(run.target,), sample_rate=rate)
    return baselines.wiener_gains(train_songs, run.target, run.profile.model)


def _scored(song: Song, target: str, estimates: dict[str, np.ndarray]) -> dict[str, dict]:
    """The row of each method's estimate (C, L)."""
    mixture, reference = song.read("mixture"), song.read(target)
    return {
        method: _row(song) | metrics.score(reference, mixture, estimate, song.sample_rate)
        for method, estimate in estimates.items()
    }


def _with_summary(rows: list[dict]) -> dict:
    return {"songs": rows, "summary": metrics.aggregate(rows)}


def _row(song: Song) -> dict:
    return {
        "song": song.name,
        "timbre": song.info.get("timbre"),
        "song_seconds": round(song.frames / song.sample_rate, 2),
    }
