"""What is heard and seen of songs: which part of them, as which tracks, and their spectrograms. All audio is (C, L)."""

import io
from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.image import imsave

EXCERPT_SECONDS = 20.0
GRID_SECONDS = 0.5  # an excerpt begins at a multiple of it, and a track is active in so long a chunk or not
ACTIVE_DB = -30.0  # of a chunk, below the track's loudest
OPENING_SECONDS, GAP_SECONDS = 5.0, 1.0  # of an excerpt's beginning, and the longest silence in it
LOOK_SECONDS = 0.1  # the step at which silences are looked for
FLOOR_DB = -80.0  # of a spectrogram, below its loudest bin
N_FFT = 2048
PICTURE_SIZE = (128, 600)  # rows and columns of a player's spectrogram
LOWEST_HZ, HIGHEST_HZ = 50.0, 16_000.0  # of its rows, equal steps of pitch
TICKS_HZ = {"100 Hz": 100.0, "1 kHz": 1000.0, "10 kHz": 10_000.0}


def tracks(
    mixture: np.ndarray, true: Mapping[str, np.ndarray], estimated: Mapping[str, np.ndarray], rest: bool = True
) -> dict[str, np.ndarray]:
    """A song as the tracks of a player, by label: mixture, then of each target truth, estimate and what it leaves out.

    Args:
        mixture: (C, L). true, estimated: target -> (C, L); a target may lack either. rest: False: without the last.
    """
    labelled = {"mixture": mixture}
    for target in dict.fromkeys([*true, *estimated]):
        if target in true:
            labelled[f"true {target}"] = true[target]
        if target in estimated:
            labelled[f"estimated {target}"] = estimated[target]
            if rest:
                labelled[f"mixture minus estimated {target}"] = mixture - estimated[target]
    return labelled


def fullest(sounds: Mapping[str, np.ndarray], sample_rate: int, seconds: float = EXCERPT_SECONDS) -> slice:
    """The part of a song in which the track that rests most rests least; among equals, in which it is loudest.

    Parts that open with sound (:func:`opens`) go before all others: a listener switches tracks in the first seconds.
    A track counts as active in a chunk of half a second that is at most 30 dB below its loudest one; a silent track
    does not count. (C, L) a track, all of one length -> a slice of their samples, the whole of shorter ones.
    """
    total = next(iter(sounds.values())).shape[1]
    length, step = min(round(seconds * sample_rate), total), round(GRID_SECONDS * sample_rate)
    starts = np.arange(0, total - length + 1, step)
    energies = _chunk_energies(sounds, step)
    energies = energies[energies.any(axis=1)]
    if not len(energies):
        return slice(0, length)
    active = energies >= energies.max(axis=1, keepdims=True) * 10 ** (ACTIVE_DB / 10)
    chunks = [slice(start // step, -(-(start + length) // step)) for start in starts]  # that a part has some of
    shares = np.array([active[:, of_part].mean(axis=1) for of_part in chunks])  # (parts, tracks)
    heard = np.array([energies[:, of_part].sum(axis=1) for of_part in chunks])
    least_active, least_loud = shares.min(axis=1), (heard / heard.max(axis=0)).min(axis=1)
    sounding = _sounding(sounds, sample_rate)
    looks, wide = starts / sample_rate / LOOK_SECONDS, max(1.0, length / sample_rate / LOOK_SECONDS)
    opening = np.array([_opens(sounding[round(look) : round(look + wide)]) for look in looks])
    best = int(starts[np.lexsort((-starts, least_loud, least_active, opening))[-1]])  # the first of equals
    return slice(best, best + length)


def opens(sounds: Mapping[str, np.ndarray], sample_rate: int) -> bool:
    """Whether all tracks together sound within the first half second, and rest for no second of the first five.

    They sound where they are at most 30 dB below their loudest tenth of a second.
    """
    return _opens(_sounding(sounds, sample_rate))


def _sounding(sounds: Mapping[str, np.ndarray], sample_rate: int) -> np.ndarray:
    """For each tenth of a second, whether the tracks together sound."""
    energy = _chunk_energies(sounds, max(1, round(LOOK_SECONDS * sample_rate))).sum(axis=0)
    return (energy > 0) & (energy >= energy.max() * 10 ** (ACTIVE_DB / 10))


def _opens(sounding: np.ndarray) -> bool:
    begin = sounding[: round(OPENING_SECONDS / LOOK_SECONDS)]
    most = round(GAP_SECONDS / LOOK_SECONDS) - 1  # whole tenths that a second without sound holds at least
    rests = np.convolve(~begin, np.ones(most, int))  # silent ones among the last so many
    return bool(begin[: round(GRID_SECONDS / LOOK_SECONDS)].any() and rests.max(initial=0) < most)


def fullness(sounds: Mapping[str, np.ndarray], sample_rate: int) -> float:
    """Share of the half seconds in which the track that rests most is active, 0 to 1; see :func:`fullest`."""
    energies = _chunk_energies(sounds, round(GRID_SECONDS * sample_rate))
    loudest = energies.max(axis=1, keepdims=True)
    return float(((energies >= loudest * 10 ** (ACTIVE_DB / 10)) & (loudest > 0)).mean(axis=1).min())


def _chunk_energies(sounds: Mapping[str, np.ndarray], step: int) -> np.ndarray:
    """(tracks, chunks) of ``step`` samples, the last one of what is left."""
    squares = [np.square(sound, dtype=np.float64).sum(0) for sound in sounds.values()]
    return np.array([np.add.reduceat(square, np.arange(0, len(square), step)) for square in squares])


def level_db(mono: np.ndarray, hop_samples: int = 1024) -> np.ndarray:
    """Hann-windowed power spectrogram in dB, (F, T), of (L,)."""
    mono = np.pad(mono, (0, max(0, N_FFT - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, N_FFT)[::hop_samples]  # (T, N_FFT)
    spectrum = np.fft.rfft(frames * np.hanning(N_FFT + 1)[:-1], axis=1).T
    return 10 * np.log10(np.square(np.abs(spectrum)) + 1e-10)


def picture(level: np.ndarray, sample_rate: int, top_db: float) -> bytes:
    """A spectrogram of :func:`level_db`, (F, T), as a JPEG whose rows are equal steps of pitch.

    ``top_db``: the level that is white; 80 dB below it is black.
    """
    rows, columns = PICTURE_SIZE
    hertz = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2), rows)
    bins = np.clip(np.round(hertz * N_FFT / sample_rate).astype(int), 0, len(level) - 1)
    frames = np.linspace(0, level.shape[1] - 1, min(columns, level.shape[1])).round().astype(int)
    buffer = io.BytesIO()
    shown = level[np.ix_(bins, frames)]
    imsave(buffer, shown, vmin=top_db + FLOOR_DB, vmax=top_db, cmap=matplotlib.colormaps["magma"], origin="lower",
           format="jpg", pil_kwargs={"quality": 65})  # fmt: skip
    return buffer.getvalue()


def ticks(sample_rate: int) -> list[dict]:
    """Where in a picture some frequencies lie: {"label", "height"}, the height as a share from below."""
    span = np.log(min(HIGHEST_HZ, sample_rate / 2) / LOWEST_HZ)
    heights = {label: float(np.log(hertz / LOWEST_HZ) / span) for label, hertz in TICKS_HZ.items()}
    return [{"label": label, "height": round(height, 4)} for label, height in heights.items() if height < 1]
