"""Band splits: which frequency bins form a subband (section V-A).

A scheme is a list of steps ``(upper_hz, width_hz)``: up to ``upper_hz`` in subbands of ``width_hz``; what lies above
the last step is one more subband. `V1` merges that remainder into its last 1 kHz band.
"""

import math
from collections.abc import Sequence

from bsrnn.errors import ConfigError

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
DERIVED = ("uniform41", "mel41", "notes41", "energy41")  # ours, as many bands as V7: bsrnn.derived_bands


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
        from bsrnn import derived_bands  # which builds on this module

        return list(derived_bands.by_name(scheme, n_fft, sample_rate))
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
    runs, first_bin = [], 0
    for width in widths:
        if runs and runs[-1][1] == width:
            runs[-1] = (runs[-1][0], width, runs[-1][2] + 1)
        else:
            runs.append((first_bin, width, 1))
        first_bin += width
    return runs
