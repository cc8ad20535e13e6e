"""The embedded data set on disk: ``<split>/<song>/{mixture,vocals,drums,bass,other}.flac``, as MUSDB18-HQ's in wav.

FLAC: many songs in little space, sample for sample the same.
"""

import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from bsrnn.config import DataConfig
from bsrnn.data.synthetic.harmony import SPLITS
from bsrnn.data.synthetic.rendering import mixture_of, render_song
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE, soundfont_path
from bsrnn.errors import DataError
from bsrnn.runtime import processes
from bsrnn.runtime.files import atomic_folder
from bsrnn.runtime.limits import named
from bsrnn.runtime.locks import alone

UNFINISHED = ".*.partial"  # a song folder that is being written, which whoever looks for songs passes over
STALE_SECONDS = 900  # one this old was left by a process that was killed: a song takes some seconds


def data_folder(root: Path, config: DataConfig) -> Path:
    """``<root>/embedded/v2-s0-30s``: everything that decides a song but for its split and number."""
    return Path(root) / "embedded" / f"v{config.generator_version}-s{config.seed}-{config.song_seconds:g}s"


def song_folder(root: Path, config: DataConfig, split: str, index: int) -> Path:
    """Where a song lies, rendered or not. Profiles of different sizes share songs: each takes the first n."""
    named("split", split, SPLITS)
    return data_folder(root, config) / split / f"{split}-{index:04d}"


def count(config: DataConfig, split: str) -> int:
    """Number of songs of a split.

    Raises:
        ConfigError: unknown split.
    """
    counts = {
        "train": config.train_songs,
        "valid": config.valid_songs,
        "test": config.test_songs,
        "test-new": config.new_songs,
        "unlabelled-matched": config.unlabelled_songs,
        "train-amateurs": config.amateur_songs,
    }
    return named("split", split, counts)


def ensure(
    config: DataConfig,
    root: Path,
    splits: Iterable[str] = ("train", "valid", "test"),
    *,
    limit: int | None = None,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Render the songs that are missing; returns the folder of the data set.

    A song's folder appears only when it is whole: the next call goes on where one was interrupted. Of several at once
    one renders and the others wait, or all would render the same songs.
    ``limit``: only the first so many songs of each split. ``jobs``: processes, by default one a core.
    """
    wanted = [
        (song_folder(root, config, split, index), split, index)
        for split in tuple(splits)
        for index in range(count(config, split) if limit is None else min(limit, count(config, split)))
    ]
    folder = data_folder(root, config)
    if all(path.is_dir() for path, *_ in wanted):
        return folder
    soundfont_path()  # complain here, not in a worker
    with alone(folder / ".rendering.lock"):
        for split in {split for _, split, _ in wanted}:
            _sweep(folder / split)
        how = config.song_seconds, config.seed
        tasks = [(*song, *how) for song in wanted if not song[0].is_dir()]
        with tqdm(total=len(tasks), desc="rendering songs", unit="song", disable=not progress) as bar:
            processes.share_out(_render, tasks, jobs or processes.cores(), bar.update)
    return folder


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for left in [*folder.glob(UNFINISHED), *folder.glob(".unfinished-*")]:  # an older version's name
        try:
            old = time.time() - left.stat().st_mtime > STALE_SECONDS
        except FileNotFoundError:  # its process has just finished it
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)


def _render(path: Path, split: str, index: int, seconds: float, seed: int) -> None:
    """Render one song into the folder ``path``."""
    if path.is_dir():  # another process was faster
        return
    stems, metadata = render_song(split, index, seconds=seconds, seed=seed)
    try:
        with atomic_folder(path) as unfinished:
            for name, sound in {"mixture": mixture_of(stems), **stems}.items():
                _write(unfinished / f"{name}.flac", sound)
            (unfinished / "song.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"cannot write {path}: {error}") from error


def _write(path: Path, sound: np.ndarray) -> None:
    """(2, L) float on the 16-bit grid -> 16-bit FLAC, exactly."""
    soundfile.write(path, np.rint(sound.T * 2**15).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")
