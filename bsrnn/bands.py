"""Band splits: which frequency bins form a subband. First the paper's (section V-A), then splits by a rule (ours).

A scheme of the paper is a list of steps ``(upper_hz, width_hz)``: up to ``upper_hz`` in subbands of ``width_hz``; what
lies above the last step is one more subband. `V1` merges that remainder into its last 1 kHz band.

The others follow from a rule or from data, to hold against V7, which was made by hand. They fill the spectrum exactly,
with at least one bin a band; 41 bands by default, V7's number, so that two splits differ in where their bands lie and
in nothing that a step costs. Edges lie at the nearest bin; where a rule wants bands narrower than a bin, they get one
bin each, from low to high, and what follows makes room.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from bsrnn.errors import ConfigError, DataError
from bsrnn.runtime.limits import named

Steps = Sequence[tuple[float, float]]

# paper, section V-A; the numbers of subbands that it implies: 22 19 14 23 28 26 41, 30 for bass, 55 for drums
SCHEMES: dict[str, Steps] = {
    "v1": ((21_000, 1000),),
    "v2": ((16_000, 1000), (20_000, 2000)),
    "v3": ((8000, 1000), (16_000, 2000), (20_000, 4000)),
    "v4": ((1000, 100), (8000, 1000), (16_000, 2000), (20_000, 4000)),
    "v5": ((1000, 100), (16_000, 1000), (20_000, 2000)),
    "v6": ((1000, 100), (4000, 500), (8000, 1000), (16_000, 2000), (20_000, 4000)),
    "v7": ((1000, 100), (4000, 250), (8000, 500), (16_000, 1000), (20_000, 2000)),
    "bass": ((500, 50), (1000, 100), (4000, 500), (8000, 1000), (16_000, 2000)),
    "drums": ((1000, 50), (2000, 100), (4000, 250), (8000, 500), (16_000, 1000)),
}
SCHEMES["vocals"] = SCHEMES["other"] = SCHEMES["v7"]  # paper: V7 is what vocals and other use
# replication, one encoder for all targets: the drums' with two more bands of 2 kHz, K 57
SCHEMES["simo"] = (*SCHEMES["drums"], (20_000, 2000))
DERIVED = ("uniform41", "mel41", "notes41", "energy41")  # ours, as many bands as V7, from a rule or from data
BANDS = 41  # V7's
A4_HZ, A4_KEY = 440.0, 69  # equal temperament's anchor, and its number in MIDI
BLOCK_FRAMES = 1024  # of an STFT at once: 12 s at a hop of 512

# `equal_energy_widths(mean_power(songs, "vocals"))` of the 108 training songs of profile `small`: the 18 bins from 190
# to 580 Hz are bands of their own, and all above 5.3 kHz is one
ENERGY41_VOCALS = (
    *(7, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 11, 22, 16, 10),
    *(8, 6, 5, 4, 5, 7, 8, 12, 24, 67, 778),
)


def band_widths(
    scheme: str | Sequence[int], n_fft: int = 2048, sample_rate: int = 44100, edges: str = "floor"
) -> list[int]:
    """Bins of every subband, from low to high; they add up to ``n_fft // 2 + 1``.

    Args:
        scheme: a name in `SCHEMES` (``"v1"`` to ``"v7"``, ``"vocals"``, ``"bass"``, ``"drums"``, ``"other"``,
            ``"simo"``) or `DERIVED`, or widths in bins, which are checked and given back.
        n_fft: STFT window in samples.
        sample_rate: Hz.
        edges: ``"floor"`` (authors' code: a width in Hz becomes floor(width * bins / Nyquist) bins, so that edges creep
            down: V7's nominal 1 kHz lies at 861 Hz) or ``"nearest"`` (ours: every edge at the bin nearest to it).
            Names in `DERIVED` and widths in bins know nearest edges alone.

    Raises:
        ConfigError: unknown scheme or rule, or widths that do not fill the spectrum exactly.

    Source: section V-A; the paper does not say how Hz become bins.
    """
    bins = n_fft // 2 + 1
    if not isinstance(scheme, str):
        return check_widths(scheme, bins)
    if scheme in DERIVED:
        return list(derived_widths(scheme, n_fft, sample_rate))
    if scheme not in SCHEMES:
        names = ", ".join((*SCHEMES, *DERIVED))
        raise ConfigError(f"unknown band split {scheme!r}: expected one of {names}, or widths in bins")
    return widths_from_steps(SCHEMES[scheme], n_fft, sample_rate, edges)


def widths_from_steps(steps: Steps, n_fft: int = 2048, sample_rate: int = 44100, edges: str = "floor") -> list[int]:
    """Bins of every subband of a split of your own, given as ``(upper_hz, width_hz)`` steps; see `band_widths`."""
    bins, nyquist = n_fft // 2 + 1, sample_rate / 2
    uppers_hz, lower_hz = [], 0.0
    for upper_hz, width_hz in steps:
        count = (upper_hz - lower_hz) / width_hz if width_hz > 0 else 0
        if count < 1 or abs(count - round(count)) > 1e-6:
            raise ConfigError(
                f"step ({upper_hz:g}, {width_hz:g}) Hz does not fit: {lower_hz:g} to {upper_hz:g} Hz is not a "
                "whole number of such subbands"
            )
        uppers_hz += [lower_hz + width_hz * (i + 1) for i in range(round(count))]
        lower_hz = upper_hz
    if edges == "floor":
        lowers_hz = [0.0, *uppers_hz[:-1]]
        widths = [
            math.floor((high - low) * bins / nyquist + 1e-9) for low, high in zip(lowers_hz, uppers_hz, strict=True)
        ]
    elif edges == "nearest":
        at = [0, *(round(hz * n_fft / sample_rate) for hz in uppers_hz)]
        widths = [high - low for low, high in zip(at, at[1:], strict=False)]
    else:
        raise ConfigError(f"unknown rule for band edges {edges!r}: expected 'floor' or 'nearest'")
    return check_widths([*widths, bins - sum(widths)], bins)


def check_widths(widths: Sequence[int], bins: int) -> list[int]:
    """``widths`` as a list if they are positive and fill ``bins`` exactly, else ConfigError."""
    widths = list(widths)
    if any(int(width) != width or width < 1 for width in widths) or sum(widths) != bins:
        raise ConfigError(
            f"band split does not fill the spectrum: {len(widths)} widths {widths} add up to {sum(widths)}, "
            f"expected positive whole numbers that add up to {bins} bins"
        )
    return [int(width) for width in widths]


def equal_runs(widths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Neighbouring subbands of equal width, as ``(first bin, width, count)``: they are computed together."""
    runs: list[tuple[int, int, int]] = []
    first_bin = 0
    for width in widths:
        if runs and runs[-1][1] == width:
            runs[-1] = (runs[-1][0], width, runs[-1][2] + 1)
        else:
            runs.append((first_bin, width, 1))
        first_bin += width
    return runs


# ---- splits by a rule ----


def uniform_widths(bands: int = BANDS, n_fft: int = 2048, sample_rate: int = 44100) -> list[int]:
    """Bands as equal as whole bins allow; ``sample_rate`` plays no part. Raises ConfigError as :func:`mel_widths`."""
    bins = _bins_for(bands, n_fft, sample_rate)
    return _between([bins * band / bands for band in range(1, bands)], bins)


def mel_widths(bands: int = BANDS, n_fft: int = 2048, sample_rate: int = 44100) -> list[int]:
    """Bands of equal width in mel, ``2595 log10(1 + f / 700)`` (O'Shaughnessy), never narrower than the one below.

    The edges' nearest bins give widths such as 5, 4, 6; they are sorted, which moves no edge of the 41 by more than
    0.65 bins from where it belongs.

    Raises:
        ConfigError: fewer than one band, more bands than bins, or a window or sample rate that is not positive.
    """
    bins = _bins_for(bands, n_fft, sample_rate)
    top = math.log1p(sample_rate / 2 / 700)
    edges_hz = [700 * math.expm1(top * band / bands) for band in range(1, bands)]
    return sorted(_between([hz * bins / (sample_rate / 2) for hz in edges_hz], bins))


def note_widths(bands: int = BANDS, n_fft: int = 2048, sample_rate: int = 44100) -> list[int]:
    """Bands of whole semitones, each edge midway (on the logarithmic scale) between two notes of equal temperament.

    As fine as ``bands`` allow: of ``s`` semitones each from the lowest note up to a switch, and of ``s + 1`` above,
    with the least s, and then the highest switch, that give this very number. Low down, where notes lie closer than
    bins, each bin is a band. 41 bands: whole tones, later minor thirds.

    Raises:
        ConfigError: as :func:`mel_widths`, or more bands than semitones.
    """
    bins = _bins_for(bands, n_fft, sample_rate)
    if bands == 1:
        return [bins]
    most = len(_note_edges(1, 10**6, n_fft, sample_rate)) + 1
    if bands > most:
        raise ConfigError(
            f"got {bands} bands along notes: with a window of {n_fft} samples at {sample_rate} Hz semitones give "
            f"{most}; ask for fewer, or for a longer window"
        )
    top = _key(sample_rate / 2)
    for semitones in range(1, math.ceil(top - _key(sample_rate / n_fft / 4)) + 1):
        for switch in range(math.ceil(top), math.floor(_key(sample_rate / n_fft / 4)) - 1, -1):
            edges = _note_edges(semitones, switch, n_fft, sample_rate)
            if len(edges) == bands - 1:
                return check_widths(np.diff([0, *edges, bins]).tolist(), bins)
    raise ConfigError(f"no split along notes has exactly {bands} bands; try one more, or one less")


def _note_edges(semitones: int, switch: int, n_fft: int, sample_rate: int) -> list[int]:
    """Bins at which bands begin: edges half a semitone above A4 and every so many; above the switch, one more."""
    low, high = _key(sample_rate / n_fft / 4), _key(sample_rate / 2)
    key = A4_KEY + 0.5 - semitones * math.ceil((A4_KEY + 0.5 - low) / semitones)
    edges = set()
    while key < high:
        edges.add(round(A4_HZ * 2 ** ((key - A4_KEY) / 12) * n_fft / sample_rate))
        key += semitones + (key > switch)
    return sorted(edge for edge in edges if 0 < edge < n_fft // 2 + 1)


def _key(hz: float) -> float:
    """MIDI's number of a frequency, with fractions."""
    return A4_KEY + 12 * math.log2(hz / A4_HZ)


def equal_energy_widths(power: Sequence[float] | np.ndarray, bands: int = BANDS) -> list[int]:
    """Bands that hold as equal shares of a long-term power spectrum (F,) as whole bins allow.

    Of all splits the one with the least sum of squared band energies, found exactly (dynamic programming over edges):
    where single bins hold more than their band's share, they are bands of their own, and the others share what is left
    evenly. No bin moved over an edge would make two neighbours more equal. A flat spectrum gives equal widths.

    Raises:
        ConfigError: fewer than one band, more bands than bins, or power that is not finite, negative, or all zero.
    """
    power = np.asarray(power, dtype=np.float64)
    if power.ndim != 1 or not np.isfinite(power).all() or (power < 0).any() or not power.sum() > 0:
        raise ConfigError(f"got power of shape {power.shape}: expected (F,) numbers, none negative and not all zero")
    bins = _bins_for(bands, 2 * (len(power) - 1) or 1, 1, len(power))
    energy = np.concatenate([[0.0], np.cumsum(power / power.sum())])  # below each edge
    cost = (energy[None] - energy[:, None]) ** 2  # (from edge, to edge)
    cost[np.tril_indices(bins + 1)] = np.inf  # a band has at least one bin
    best, came_from = cost[0], []
    for _ in range(bands - 1):
        sums = best[:, None] + cost
        came_from.append(sums.argmin(0))
        best = sums.min(0)
    edges = [bins]
    for before in reversed(came_from):
        edges.append(int(before[edges[-1]]))
    return check_widths(np.diff([0, *edges[::-1]]).tolist(), bins)


def mean_power(songs: Iterable, target: str, n_fft: int = 2048, hop_samples: int = 512) -> np.ndarray:
    """Long-term power of a stem, (F,), adding up to 1: the mean over songs of each one's own share a bin.

    Hann windows, both channels, whole frames only; read in blocks, so that a song's length costs no memory. Songs in
    which the stem is silent, or shorter than a window, are passed over.

    Args:
        songs: :class:`bsrnn.data.songs.Song` or what reads like it. target: a stem, or "mixture".

    Raises:
        DataError: no song is left.
    """
    import torch

    window = torch.hann_window(n_fft)
    step = BLOCK_FRAMES * hop_samples
    total, counted = np.zeros(n_fft // 2 + 1), 0
    for song in songs:
        power = np.zeros_like(total)
        for start in range(0, song.frames - n_fft + 1, step):
            block = song.read(target, start, min(step + n_fft - hop_samples, song.frames - start))
            spectrogram = torch.stft(
                torch.from_numpy(block), n_fft, hop_samples, window=window, center=False, return_complex=True
            )  # (C, F, T)
            power += spectrogram.abs().double().square().sum((0, 2)).numpy()
        if power.sum() > 0:
            total, counted = total + power / power.sum(), counted + 1
    if not counted:
        raise DataError(f"no song in which {target!r} is heard for {n_fft} samples: expected one at least")
    return total / counted


@cache
def derived_widths(name: str, n_fft: int = 2048, sample_rate: int = 44100) -> tuple[int, ...]:
    """Widths of ``uniform41``, ``mel41``, ``notes41`` or ``energy41``, :data:`ENERGY41_VOCALS`.

    Raises:
        ConfigError: unknown name, fewer bins than bands, or ``energy41`` at a resolution that it was not computed for.
    """
    rules = {"uniform41": uniform_widths, "mel41": mel_widths, "notes41": note_widths, "energy41": _energy_widths}
    return tuple(named("derived band split", name, rules)(BANDS, n_fft, sample_rate))


def _energy_widths(bands: int, n_fft: int, sample_rate: int) -> Sequence[int]:
    if (n_fft, sample_rate) != (2048, 44100):
        raise ConfigError(
            f"band split 'energy41' at n_fft {n_fft}, {sample_rate} Hz: its widths were computed for 2048 at 44100 Hz; "
            "compute others with bsrnn.bands.equal_energy_widths and set them as widths in bins"
        )
    return ENERGY41_VOCALS


def _bins_for(bands: int, n_fft: int, sample_rate: float, bins: int = 0) -> int:
    """The number of bins, if so many bands are possible."""
    bins = bins or n_fft // 2 + 1
    if not (n_fft >= 1 and sample_rate > 0 and 1 <= bands <= bins):
        raise ConfigError(
            f"got {bands} bands, n_fft {n_fft}, {sample_rate:g} Hz: expected a positive window and rate, and from one "
            f"band to as many as there are bins, {bins}"
        )
    return bins


def _between(edges: Sequence[float], bins: int) -> list[int]:
    """Widths of bands with these edges, in bins with fractions, at the nearest bins that leave every band one."""
    at, bands = [0], len(edges) + 1
    for number, edge in enumerate(edges, start=1):
        at.append(min(max(round(edge), at[-1] + 1), bins - (bands - number)))
    return check_widths(np.diff([*at, bins]).tolist(), bins)
