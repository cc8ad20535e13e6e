"""The embedded songs: core time to render one, space on the disk, time to read a stretch of one."""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import measure
from bsrnn.audio import files as audio
from bsrnn.config import DataConfig
from bsrnn.data.synthetic import ensure

STRETCH_SECONDS = 3


def rendering(options) -> dict:
    """A song: core seconds, megabytes, and reading 3 s of a FLAC stem against the same in a wav."""
    config = DataConfig("embedded", train_songs=options.rounds, song_seconds=5.0 if options.toy else 30.0)
    seconds = []
    with tempfile.TemporaryDirectory() as root:
        for songs in range(1, options.rounds + 1):
            begun = time.process_time()
            folder = ensure(config, Path(root), ("train",), limit=songs, jobs=1, progress=False)
            seconds.append(time.process_time() - begun)
        files = sorted(folder.rglob("*.flac"))
        stems = {"flac": [path for path in files if path.stem != "mixture"], "wav": []}
        for path in stems["flac"]:
            stems["wav"].append(path.with_suffix(".wav"))
            audio.write(stems["wav"][-1], audio.read(path), audio.info(path).sample_rate, "PCM_16")
        taken = measure.alternate({kind: partial(_read, paths) for kind, paths in stems.items()}, options.rounds)
        megabytes = sum(path.stat().st_size for path in files) / 1e6 / options.rounds
    return {
        "core_seconds_a_song": measure.spread(seconds),
        "megabytes_a_song": megabytes,
        "milliseconds_a_stretch": {name: 1e3 * float(np.median(values)) for name, values in taken.items()},
        "reading_flac_vs_wav": measure.ratio(taken, "flac", "wav"),
    }


def _read(stems: list[Path]) -> None:
    """A stretch of one stem, the place drawn at random."""
    generator = np.random.default_rng()
    path = stems[int(generator.integers(len(stems)))]
    header = audio.info(path)
    samples = min(STRETCH_SECONDS * header.sample_rate, header.frames)
    audio.read(path, int(generator.integers(header.frames - samples + 1)), samples)
