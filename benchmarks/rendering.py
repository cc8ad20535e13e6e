"""The embedded songs: core time to render one, space on the disk, time to read a stretch of one."""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import measure
from bsrnn.audio import files as audio
from bsrnn.config import DataConfig
from bsrnn.data.synthetic import ensure

STRETCH_SECONDS = 3


def rendering(options) -> dict:
    """A song of each generator version: core seconds, megabytes, and reading 3 s of a FLAC stem against a wav."""
    config = {
        version: DataConfig(
            "embedded", train_songs=options.rounds, generator_version=version, song_seconds=5.0 if options.toy else 30.0
        )
        for version in (1, 2)
    }
    result, stems = {}, {}
    with tempfile.TemporaryDirectory() as root:
        for version, data in config.items():
            seconds = []
            for songs in range(1, options.rounds + 1):
                begun = time.process_time()
                folder = ensure(data, Path(root), ("train",), limit=songs, jobs=1, progress=False)
                seconds.append(time.process_time() - begun)
            files = [path for path in folder.rglob("*.*") if path.suffix in audio.FORMATS]
            result[f"core_seconds_a_song_version_{version}"] = measure.spread(seconds)
            result[f"megabytes_a_song_version_{version}"] = sum(p.stat().st_size for p in files) / 1e6 / options.rounds
            stems[version] = [path for path in files if path.stem != "mixture"]
        taken = measure.alternate({"wav": lambda: _read(stems[1]), "flac": lambda: _read(stems[2])}, options.rounds)
    return result | {
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
