"""Source activity detection, SAD (section IV-A): which six seconds of a stem are worth training on.

A track is cut into chunks of ``segment_seconds / chunks`` (0.6 s). A segment of ten chunks is salient when more than
half of them lie above the track's threshold, the larger of the 15 % quantile of its chunk energies and 1e-3.

What the paper leaves open, and our choice: *energy* is the RMS of a chunk over both channels (replication), so that
1e-3 is a gate at -60 dBFS; every chunk counts once in the quantile although segments overlap; what is left after the
last whole chunk is not used, and a track shorter than a segment is one segment.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from bsrnn.config import ActivityConfig
from bsrnn.data.songs import Song
from bsrnn.errors import DataError
from bsrnn.runtime.terminal import say

ENERGIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rms": lambda x: np.sqrt(np.mean(np.square(x, dtype=np.float64), axis=(0, 2))),
    "mean": lambda x: np.mean(np.square(x, dtype=np.float64), axis=(0, 2)),
    "sum": lambda x: np.sum(np.square(x, dtype=np.float64), axis=(0, 2)),
}


def chunk_samples(sample_rate: int, config: ActivityConfig) -> int:
    """Samples of one chunk."""
    return round(config.segment_seconds / config.chunks * sample_rate)


def chunk_energies(song: Song, stem: str, config: ActivityConfig = ActivityConfig()) -> np.ndarray:
    """Energy of every whole chunk of a stem, (chunks,); silent chunks get ``config.floor``.

    The stem is read a minute at a time, so that memory does not grow with its length.
    """
    samples = min(chunk_samples(song.sample_rate, config), song.frames)
    count = song.frames // samples if samples else 0
    block = max(1, 60 * song.sample_rate // samples) if samples else 1
    energies = []
    for first in range(0, count, block):
        here = min(block, count - first)
        audio = song.read(stem, first * samples, here * samples)  # (C, here * samples)
        energies.append(ENERGIES[config.energy](audio.reshape(len(audio), here, samples)))
    return np.maximum(np.concatenate(energies), config.floor) if energies else np.zeros(0)


def threshold(energies: np.ndarray, config: ActivityConfig = ActivityConfig()) -> float:
    """The track's threshold: max(quantile of its chunk energies, minimum).

    A track shorter than a segment has too few chunks for a quantile; its threshold is the minimum (ours).
    """
    if len(energies) < config.chunks:
        return config.minimum
    return max(float(np.quantile(energies, config.quantile)), config.minimum)


def salient_chunks(energies: np.ndarray, config: ActivityConfig = ActivityConfig()) -> np.ndarray:
    """Index of the first chunk of every salient segment, (segments,)."""
    if not len(energies):
        return np.zeros(0, int)
    length = min(config.chunks, len(energies))
    hop = max(1, round(config.chunks * (1 - config.overlap)))
    active = energies > threshold(energies, config)
    starts = np.arange(0, len(energies) - length + 1, hop)
    share = np.array([active[start : start + length].mean() for start in starts])
    return starts[share > config.active_share]


def salient_segments(song: Song, stem: str, config: ActivityConfig = ActivityConfig()) -> np.ndarray:
    """First sample of every salient segment of a stem, (segments,)."""
    return salient_chunks(chunk_energies(song, stem, config), config) * chunk_samples(song.sample_rate, config)


class Segments:
    """The salient segments of one stem over many songs.

    Args:
        songs: only those that have the stem count.
        stem: a stem's name, or ``"mixture"``.
        skip_unreadable: a song that cannot be read to its end is named on standard error and passed over.

    Attributes:
        songs, starts: those with salient segments, and the first sample of each segment.
        silent: names of songs without one. unreadable: file -> what is wrong with it.

    Raises:
        DataError: no song has a salient segment of this stem, or one cannot be read.
    """

    def __init__(
        self,
        songs: Sequence[Song],
        stem: str,
        config: ActivityConfig = ActivityConfig(),
        skip_unreadable: bool = False,
    ):
        self.stem = stem
        self.seconds = config.segment_seconds
        self.unreadable: dict[str, str] = {}
        broken: set[int] = set()

        def segments(song: Song) -> np.ndarray:
            try:
                return salient_segments(song, stem, config)
            except DataError as error:
                if not skip_unreadable:
                    raise
                say("passed over", str(error))
                self.unreadable[str(song.mixture or song.name)] = str(error)
                broken.add(id(song))
                return np.zeros(0, int)

        with ThreadPoolExecutor(2) as pool:  # reading files is what takes the time
            finding = pool.map(segments, songs)
            found = list(tqdm(finding, f"salient segments of {stem}", len(songs), unit="song", delay=5))
        kept = [(song, starts) for song, starts in zip(songs, found, strict=True) if len(starts)]
        others = broken | {id(song) for song, _ in kept}
        self.silent = [song.name for song in songs if id(song) not in others]
        if not kept:
            raise DataError(
                f"no salient segment of {stem!r} in {len(songs)} songs: every one is silent or below the gate "
                f"(more than {config.active_share:.0%} of a segment's chunks above {config.minimum:g}); "
                "check the files, or lower activity.minimum"
            )
        self.songs = [song for song, _ in kept]
        self.starts = [starts for _, starts in kept]

    def __len__(self) -> int:
        return sum(map(len, self.starts))

    def draw(self, samples: int, generator: np.random.Generator) -> tuple[Song, int]:
        """A random song, and the first of ``samples`` samples inside a random salient segment of it (fig. 2)."""
        song, start, offset = self.draw_within(samples, generator)
        return song, start + offset

    def draw_within(self, samples: int, generator: np.random.Generator) -> tuple[Song, int, int]:
        """The same, in parts: song, first sample of the segment, and how far into it the samples begin."""
        which = int(generator.integers(len(self.songs)))
        song, starts = self.songs[which], self.starts[which]
        start = int(starts[generator.integers(len(starts))])
        segment = min(round(self.seconds * song.sample_rate), song.frames - start)  # shorter in a short song
        room = max(0, segment - samples)
        return song, start, int(generator.integers(room + 1))
