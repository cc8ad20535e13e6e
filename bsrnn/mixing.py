"""On-the-fly mixing (section IV-A): training items from salient segments of unrelated songs.

Item ``i`` of a set depends on (seed, i) alone: any number of loader workers gives the same items, a killed training
resumes at item ``i``, and two runs with one seed see the same data in the same order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import fft
from torch import Tensor
from torch.utils.data import Dataset

from bsrnn.activity import Segments
from bsrnn.config import ActivityConfig, MixingConfig, ModelConfig, PeerConfig
from bsrnn.data.songs import Song
from bsrnn.errors import ConfigError, DataError
from bsrnn.runtime.terminal import say

OCTAVES_HZ = 50.0 * 2.0 ** np.arange(10)  # where the level of a tone curve is drawn; straight lines between them


def read_chunk(song: Song, stem: str, start: int, samples: int) -> np.ndarray:
    """``samples`` samples from ``start``, (C, samples); zeros where the song has ended."""
    audio = song.read(stem, start, max(0, min(samples, song.frames - start)))
    return np.pad(audio, ((0, 0), (0, samples - audio.shape[1])))


def gain(config: MixingConfig, generator: np.random.Generator) -> float:
    """A random amplitude factor: the energy changes by a uniform -10 to 10 dB, or the source is dropped.

    Both numbers are always drawn, so that dropping one source does not shift the draws of the next.
    """
    level_db = generator.uniform(-config.gain_db, config.gain_db)
    kept = generator.random() >= config.drop_probability
    return 10 ** (level_db / 20) if kept else 0.0


def tone(config: MixingConfig, generator: np.random.Generator) -> np.ndarray | None:
    """A random tone curve: level in dB at each of ``OCTAVES_HZ``, a random walk from octave to octave; None for none.

    It is drawn from a child of ``generator``, so that no other draw is shifted. Source: ours; a random equaliser a
    source is a habit of those who train for other people's records.
    """
    if not config.tone_db:
        return None
    steps = generator.spawn(1)[0].uniform(-config.tone_db, config.tone_db, len(OCTAVES_HZ))
    return np.cumsum(steps)


def with_tone(audio: np.ndarray, curve_db: np.ndarray | None, sample_rate: int) -> np.ndarray:
    """A signal (C, L) through a tone curve of :func:`tone`, with the energy that it had; itself where there is none.

    Zero phase, in the frequency domain: what a filter would move over an end of the signal comes back at the other.
    """
    energy = np.sum(np.square(audio, dtype=np.float64))
    if curve_db is None or not energy:
        return audio
    length = audio.shape[-1]
    frequency = np.maximum(fft.rfftfreq(length, 1 / sample_rate), OCTAVES_HZ[0])
    gains = 10 ** (np.interp(np.log2(frequency), np.log2(OCTAVES_HZ), curve_db) / 20)
    toned = fft.irfft(fft.rfft(audio) * gains.astype(np.float32), length)
    now = np.sum(np.square(toned, dtype=np.float64))
    return toned * np.float32(np.sqrt(energy / now)) if now else audio


def normalise_peak(mixture: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide both by the larger of their largest absolute values; silence stays silence."""
    peak = max(np.abs(mixture).max(), np.abs(targets).max())
    return (mixture / peak, targets / peak) if peak > 0 else (mixture, targets)


def drawn_channels(config: MixingConfig, generator: np.random.Generator) -> slice:
    """Which of a song's two channels an item has: both, or one of them by chance, which halves what it costs."""
    if config.item_channels == "both":
        return slice(0, 2)
    first = int(generator.integers(2))
    return slice(first, first + 1)


def check_channels(config: MixingConfig, model: ModelConfig | PeerConfig) -> None:
    """Raise ConfigError where a model that compares channels would see one of them."""
    if config.item_channels == "one" and not model.channels_apart:
        raise ConfigError(
            "item_channels 'one' leaves a model with a stereo module, or a stereo system, half of its input: set "
            "mixing.item_channels to both"
        )


class RandomMixes(Dataset):
    """Training items: (mixture (C, L), targets (S, C, L)) float32, C 2 or, with ``item_channels`` "one", 1.

    Args:
        segments: salient segments of every source that is mixed, see :func:`index_sources`.
        targets: sources whose signals are wanted, in this order.
        items: how many items there are.
        seed: of the set.
    """

    def __init__(
        self,
        segments: Mapping[str, Segments],
        targets: Sequence[str],
        config: MixingConfig,
        items: int,
        seed: int,
        sample_rate: int = 44100,
    ):
        if unknown := [target for target in targets if target not in segments]:
            raise ConfigError(f"unknown target {', '.join(unknown)}: the songs have {', '.join(segments)}")
        self.segments, self.targets, self.config = segments, tuple(targets), config
        self.items, self.seed = items, seed
        self.samples, self.sample_rate = round(config.chunk_seconds * sample_rate), sample_rate

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        generator = np.random.default_rng((self.seed, index))
        drawn = {
            source: (*segments.draw(self.samples, generator), gain(self.config, generator))
            for source, segments in self.segments.items()
        }
        channels = drawn_channels(self.config, generator)  # last, so that it shifts no other draw
        signals: dict[str, np.ndarray] = {}
        for source, (song, start, factor) in drawn.items():
            curve = tone(self.config, generator)
            if factor:
                chunk = read_chunk(song, source, start, self.samples)[channels]
                signals[source] = factor * with_tone(chunk, curve, self.sample_rate)
            else:  # a dropped source is not read: most of an item's time goes into files
                signals[source] = np.zeros((2, self.samples), np.float32)[channels]
        mixture = np.sum(list(signals.values()), axis=0)
        targets = np.stack([signals[target] for target in self.targets])
        mixture, targets = normalise_peak(mixture, targets)
        return torch.from_numpy(mixture.astype(np.float32)), torch.from_numpy(targets.astype(np.float32))


def index_sources(
    songs: Sequence[Song], config: ActivityConfig = ActivityConfig(), targets: Sequence[str] = ()
) -> dict[str, Segments]:
    """Salient segments of every stem that any of the songs has, by stem name.

    A stem that is silent everywhere is left out, with a line on standard error; but not one of ``targets``.

    Raises:
        DataError: a target, or every stem, is silent everywhere.
    """
    names = sorted({stem for song in songs for stem in song.stems})
    found = {}
    for name in names:
        try:
            found[name] = Segments([song for song in songs if name in song.stems], name, config)
        except DataError as error:
            if name in targets or (name == names[-1] and not found):
                raise
            say("left out of the mixes", str(error))
    return found
