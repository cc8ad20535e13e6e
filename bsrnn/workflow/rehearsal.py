"""A rehearsal of the profile `paper`: every run once, models at full size, two steps each, on made-up songs.

It shows that data, runs, figures, chapters and book fit together before anybody waits for days, and what it measures
says how long that will be. What is smaller than in `paper` is in :data:`bsrnn.study.profiles.REHEARSAL`: batch 1 of
1 s items, songs of noise. Work goes with the number of items and their length, so time and memory are scaled by the
work counted in :mod:`bsrnn.study.costs`.
"""

import os
from pathlib import Path

import numpy as np

from bsrnn import config
from bsrnn.audio import files as audio
from bsrnn.data.musdb import MUSDB_VALIDATION
from bsrnn.errors import ConfigError
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.study import costs, profiles, runs

NAME = profiles.REHEARSAL.name
RATE = 44100


def prepare(profile_name: str) -> str:
    """Make the songs and point BSRNN_DATA to them, for this process and all that it starts; the profile to run.

    Raises:
        ConfigError: a profile other than `paper`.
    """
    if profile_name != "paper":
        raise ConfigError(f"got --rehearse for profile {profile_name!r}: only paper is rehearsed, the others are small")
    folder = paths.data() / NAME
    os.environ["BSRNN_DATA"] = str(folder)
    make_songs(folder)
    return NAME


def make_songs(folder: Path) -> None:
    """MUSDB18-HQ's layout below ``folder``, and unlabelled music: noise, another for each stem; what is there stays."""
    data = profiles.REHEARSAL.data
    train = [f"Made up - Song {number}" for number in range(data.train_songs)]
    songs = [("train", name, 3.0) for name in train]  # longer than an item
    songs += [("train", name, data.song_seconds) for name in MUSDB_VALIDATION[: data.valid_songs]]
    songs += [("test", f"Made up - Test {number}", data.song_seconds) for number in range(data.test_songs)]
    for number, (split, name, seconds) in enumerate(songs):
        generator = np.random.default_rng(number)
        samples = round(seconds * RATE)
        stems = {stem: 0.1 * generator.standard_normal((2, samples)).astype(np.float32) for stem in config.TARGETS}
        for stem, sound in {**stems, "mixture": np.asarray(sum(stems.values()))}.items():
            _write(folder / "musdb18hq" / split / name / f"{stem}.wav", sound)
    music = 0.1 * np.random.default_rng(99).standard_normal((2, 3 * RATE)).astype(np.float32)
    _write(folder / "unlabelled" / "music.wav", music)


def _write(path: Path, sound: np.ndarray) -> None:
    if not path.is_file():
        audio.write(path, sound, RATE, "PCM_16")


def projection(results: Path, processes: int = 1) -> list[tuple[str, float, float]]:
    """(run of `paper`, seconds, GB of one process) for each run that was rehearsed.

    Args:
        results: folder of the rehearsal's results. processes: that will train a model together, on as many devices of
            the kind that the rehearsal ran on; what they exchange is not counted.
    """
    rehearsed, rows = runs.grid(NAME), []
    for run in runs.grid("paper").values():
        small, found = rehearsed.get(run.id), next((results / "runs").glob(f"{run.id}.*.json"), None)
        if small is None or found is None:
            continue
        result, seconds = read_json(found), 0.0
        if result["training"]:
            more = costs.work(run)[0] / costs.work(small)[0]
            seconds += result["training"]["seconds"] * more / processes
        if scoring := costs.work(small)[1]:
            seconds += result["score_seconds"] * costs.work(run)[1] / scoring
        else:  # no network: the metrics take the time
            seconds += costs.of_run(run).seconds
        memory = result["memory_gb"]
        if run.kind != "baselines":
            memory *= costs.scored_gb(run) / costs.scored_gb(small)
        if result["training"]:
            more = costs.learning_gb(run, processes) / costs.learning_gb(small)
            memory = max(memory, result["training"]["memory_gb"] * more)
        rows.append((run.id, seconds, memory))
    return rows


def report(device: str = "cpu", processes: int = 1) -> str:
    """The projection as text, a line a run and their sum."""
    rows = projection(paths.results(NAME), processes)
    lines = [f"profile paper on {device} x {processes}, projected from two steps a run:", ""]
    lines += [f"{'run':28} {'hours':>10} {'GB':>6}"]
    lines += [f"{id:28} {seconds / 3600:10.1f} {memory:6.1f}" for id, seconds, memory in rows]
    total, most = sum(row[1] for row in rows) / 3600, max((row[2] for row in rows), default=0.0)
    lines += [f"{'sum; most memory of one':28} {total:10.1f} {most:6.1f}", ""]
    lines += ["At most: a training ends earlier where its validation gets no better for ten epochs."]
    return "\n".join(lines)
