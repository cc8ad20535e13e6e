"""The embedded songs against two real recordings: what was measured on them lies in the 5-95 % range of the songs.

The recordings are "Falcon 69" by The Easton Ellises, the clip in the stempeg wheel as ``bsrnn.data.musdb`` cuts it
(measured with the functions below), and "80s Rock" by Music Delta, a MUSDB18 preview (mixture, oracle, centroid and
rolloff only, measured when the generator was first drafted; it comes with no package).
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy.signal import istft, stft

from bsrnn.config import TARGETS
from bsrnn.data.synthetic import SAMPLE_RATE, mixture_of, render_song

SONGS = 16  # two rounds of form.FEATURES and two more
CLIP_SECONDS = 6  # length of the real clips
FREQUENCIES = np.fft.rfftfreq(2048, 1 / SAMPLE_RATE)

REAL = {  # value -> target -> recordings; "near": within 20 dB
    "SDR of the mixture, dB": {
        "vocals": (-7.13, -1.6),
        "drums": (-4.10, -4.2),
        "bass": (-2.98, -6.8),
        "other": (-5.49, -7.8),
    },
    "SDR of the ratio mask, dB": {
        "vocals": (7.59, 12.6),
        "drums": (8.90, 10.0),
        "bass": (7.61, 7.7),
        "other": (5.90, 8.2),
    },
    "centroid, Hz": {"vocals": (2438,), "drums": (3947, 2500), "bass": (876,), "other": (1767,)},
    "95 % rolloff, Hz": {"vocals": (8096,), "drums": (11520,), "bass": (3596,), "other": (4910, 4400)},
    "share of windows above -60 dBFS": {"vocals": (1.0,), "drums": (1.0,), "bass": (1.0,), "other": (1.0,)},
    "share of windows near the loudest": {"vocals": (0.818,), "drums": (1.0,), "bass": (1.0,), "other": (1.0,)},
}


def spectrum(sound: np.ndarray) -> np.ndarray:
    return stft(sound, SAMPLE_RATE, nperseg=2048, noverlap=1536)[2]


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    return 10 * np.log10(((reference**2).sum() + 1e-7) / (((reference - estimate) ** 2).sum() + 1e-7))


def window_rms(sound: np.ndarray) -> np.ndarray:
    """RMS of each 0.5 s."""
    size = SAMPLE_RATE // 2
    return np.sqrt((sound[:, : sound.shape[1] // size * size].reshape(2, -1, size) ** 2).mean((0, 2)))


def measured(stems: dict[str, np.ndarray]) -> dict[tuple[str, str], list[float]]:
    """Every value of ``REAL``, (value, target) -> values; those of activity one a clip of 6 s, like the real ones."""
    mixture = mixture_of(stems)
    spectra = {name: spectrum(stems[name]) for name in TARGETS}
    mixed, total = spectrum(mixture), sum(np.abs(x) for x in spectra.values()) + 1e-9
    out = {}
    for name in TARGETS:
        magnitude = np.abs(spectra[name])
        masked = istft(mixed * (magnitude / total), SAMPLE_RATE, nperseg=2048, noverlap=1536)[1]
        average = magnitude.mean((0, 2))
        cumulated = np.cumsum(average)
        out["SDR of the mixture, dB", name] = [sdr(stems[name], mixture)]
        out["SDR of the ratio mask, dB", name] = [sdr(stems[name], masked[:, : mixture.shape[1]])]
        out["centroid, Hz", name] = [(FREQUENCIES * average).sum() / average.sum()]
        out["95 % rolloff, Hz", name] = [FREQUENCIES[np.searchsorted(cumulated, 0.95 * cumulated[-1])]]
        rms = window_rms(stems[name])
        clips = rms[: len(rms) // (2 * CLIP_SECONDS) * 2 * CLIP_SECONDS].reshape(-1, 2 * CLIP_SECONDS)
        out["share of windows above -60 dBFS", name] = list((clips > 1e-3).mean(1))
        loud = clips[clips.max(1) > 1e-3]  # relative to silence nothing is loud
        out["share of windows near the loudest", name] = list((loud > 0.1 * loud.max(1, keepdims=True)).mean(1))
        out["share of the song", name] = [(rms > 1e-3).mean()]
    return out


def thirty_db(stems: dict[str, np.ndarray]) -> dict[tuple[str, str], int]:
    """How many 3 s chunks, a second apart, the rules of the paper's finetuning find: target absent, target alone."""
    mixture, out = mixture_of(stems), {}

    def energies(sound: np.ndarray) -> np.ndarray:
        seconds = (sound[:, : sound.shape[1] // SAMPLE_RATE * SAMPLE_RATE] ** 2).reshape(2, -1, SAMPLE_RATE).sum((0, 2))
        return np.convolve(seconds, np.ones(3), "valid") + 1e-9

    whole = energies(mixture)
    for name in TARGETS:
        out["absent", name] = int((10 * np.log10(whole / energies(stems[name])) > 30).sum())
        out["alone", name] = int((10 * np.log10(whole / energies(mixture - stems[name])) > 30).sum())
    return out


def examine(index: int) -> tuple[dict, dict]:
    """Both of a training song of 30 s."""
    stems, _ = render_song("train", index)
    return measured(stems), thirty_db(stems)


@pytest.mark.timeout(900)
def test_songs_resemble_real_recordings_and_have_passages_for_the_30_db_rules():
    """One test, because rendering the songs costs most."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        values, chunks = zip(*pool.map(examine, range(SONGS)), strict=True)
    outside = []
    for value, targets in REAL.items():
        for target, real in targets.items():
            low, high = np.percentile(np.concatenate([v[value, target] for v in values]), [5, 95])
            songs = f"songs {low:.3g} to {high:.3g}"
            outside += [f"{value} of {target}: real {x}, {songs}" for x in real if not low <= x <= high]
    assert not outside, "\n".join(outside)

    for target in TARGETS:
        shares = [v["share of the song", target][0] for v in values]
        assert 0.5 < np.median(shares) < 0.95, (target, shares)  # rests enough for SAD, none too many
        assert sum(c["absent", target] > 0 for c in chunks) >= SONGS // 4, target
        assert sum(c["alone", target] > 0 for c in chunks) >= 1, target
    assert sum(c["alone", "vocals"] > 0 for c in chunks) >= 2
