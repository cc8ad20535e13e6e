"""A fifth instrument on real recordings: a band split for the guitar, folds of eight songs, and their spectra.

The profile ``guitar`` (:mod:`bsrnn.study.profiles`) holds the split against V7. It is an illustration: eight songs, two
artists, small models, so that it carries no claim. :mod:`bsrnn.data.fretsonfire` makes the folder of songs.

Every song is held out once in four folds over songs (one song of each artist a fold) and once in two folds over artists
(one artist trains, the other is scored).

``python -m bsrnn.study.guitar`` measures the spectra that stand beside the runs, should they not be there.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

from bsrnn.bands import widths_from_steps
from bsrnn.config import DataConfig
from bsrnn.data import fretsonfire, songs
from bsrnn.data.songs import Song
from bsrnn.runtime import paths, terminal
from bsrnn.runtime.files import read_json, write_json

TARGET: Final = "guitar"
SONG_FOLDS = 4

# Ours, from the instrument alone and fixed before any training: (upper_hz, width_hz) as in bsrnn.bands
GUITAR_STEPS = (
    (400, 50),  # the open strings' fundamentals, 82 to 330 Hz: two bins of 2048 samples a band
    (1200, 100),  # fundamentals up to the last frets of the highest string, about 1.2 kHz
    (4000, 200),  # first harmonics and the pick's attack
    (8000, 500),  # what a guitar's loudspeaker still passes
    (16_000, 4000),  # next to nothing
)
WIDTHS = tuple(widths_from_steps(GUITAR_STEPS))  # in bins


# ---- folds ----


@dataclass(frozen=True)
class Fold:
    """Which songs are scored, while all others train; ``kind`` is "songs" or "artists"."""

    id: str
    kind: str
    test: tuple[str, ...]


def artist(song: str) -> str:
    """Of "artist - song"."""
    return song.split(" - ")[0]


def folds(names: Sequence[str]) -> list[Fold]:
    """Four folds over songs, each with every fourth song of each artist held out, then a fold for each artist."""
    by_artist: dict[str, list[str]] = {}
    for name in sorted(names):
        by_artist.setdefault(artist(name), []).append(name)
    tests = [(f"songs-{k + 1}", "songs", [own[k::SONG_FOLDS] for own in by_artist.values()]) for k in range(SONG_FOLDS)]
    tests += [(f"artist-{name.lower().replace(' ', '-')}", "artists", [own]) for name, own in by_artist.items()]
    return [Fold(fold_id, kind, tuple(sorted(sum(parts, [])))) for fold_id, kind, parts in tests]


FOLDS = tuple(folds(list(fretsonfire.SONGS)))


# ---- spectra ----

THIRDS_HZ = tuple(round(1000 * 2 ** (k / 3), 1) for k in range(-14, 14))  # centres of third octaves, 39 Hz to 20 kHz
SPECTRA_VERSION = 1  # raise it when the numbers change for the same songs


def spectra_path() -> Path:
    """Of the long-term spectra of the recorded songs."""
    deciding = json.dumps([SPECTRA_VERSION, sorted(fretsonfire.SONGS.items()), THIRDS_HZ])
    return paths.results(TARGET) / f"spectra.{hashlib.sha256(deciding.encode()).hexdigest()[:12]}.json"


def spectra() -> dict:
    """Share of each third octave in the power of guitar and rest over whole songs, in dB; from its JSON where it is.

    Raises:
        DataError: the songs are not here.
    """
    path = spectra_path()
    if not path.is_file():
        recorded = songs.load(DataConfig(source=TARGET), None, targets=(TARGET,))
        rows = [_spectra_of(song) for song in tqdm(recorded, "spectra", unit="song")]
        write_json(path, {"centres_hz": THIRDS_HZ, "songs": rows})
    return read_json(path)


def _spectra_of(song: Song) -> dict:
    row = {"song": song.name, "artist": artist(song.name), "seconds": song.frames / song.sample_rate}
    return row | {"guitar_db": _thirds(song.read(TARGET)), "rest_db": _thirds(song.residual(TARGET))}


def _thirds(audio: np.ndarray) -> list[float]:
    """(C, L) -> the power in each third octave, in dB of the whole."""
    import torch  # only here: the command line reads the folds and need not wait for it

    n_fft = 8192
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(torch.from_numpy(audio), n_fft, n_fft // 2, window=window, return_complex=True)
    power = spectrum.abs().square().sum((0, 2), dtype=torch.float64).numpy()  # (F,)
    hz = np.arange(len(power)) * fretsonfire.RATE / n_fft
    parts = [power[(hz >= c * 2 ** (-1 / 6)) & (hz < c * 2 ** (1 / 6))].sum() for c in THIRDS_HZ]
    return [round(float(10 * np.log10(part / power.sum() + 1e-12)), 2) for part in parts]


def main() -> int:
    """The command; 0, or 1 with one line on standard error."""
    with terminal.Command("bsrnn.study.guitar") as command:
        spectra()
        print(spectra_path())
    return command.code


if __name__ == "__main__":
    sys.exit(main())
