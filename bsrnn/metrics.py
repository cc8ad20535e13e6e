"""Scores: uSDR, cSDR and leakage of one song, and what is said about a set of songs.

Arrays are (C, L), NumPy or torch; energies are summed in float64. The rules are those of the paper's section IV-D
(uSDR: MDX 2021; cSDR: BSSEval v4 as museval computes it) where it gives them; what is ours says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bsrnn.audio.shapes import Audio, as_array, check_channels_first
from bsrnn.errors import DataError

EPS = 1e-7  # MDX 2021
SILENCE_DB = -60.0  # ours: a frame whose RMS lies below is silent for the leakage; the SAD's floor 1e-3, read as RMS
LEAKAGE_FLOOR_DB = -120.0  # ours: stands for an estimate that is silent, too
BLOCK = 1 << 20  # samples summed at a time, so that no float64 copy of a whole song is made


class Leakage(NamedTuple):
    """What an estimate holds where its target is silent."""

    db: float | None  # RMS over all such frames, dB re full scale, at least LEAKAGE_FLOOR_DB; None where there are none
    silent_frames: int
    frames: int


def usdr(reference: Audio, estimate: Audio, eps: float = EPS) -> float:
    """Signal-to-noise ratio of a whole song in dB (MDX 2021 "SDR"; the paper's uSDR for one song).

    10 log10((sum reference^2 + eps) / (sum (reference - estimate)^2 + eps)), over channels and samples.

    Args:
        reference: (C, L).
        estimate: (C, L).
        eps: keeps the ratio finite; with it, silence against silence is 0 dB.

    Raises:
        DataError: shapes differ or are not (C, L); values that are not finite.
    """
    reference, estimate = _pair(reference, estimate, "estimate")
    signal, error = _energy(reference), _energy(reference, estimate)
    _check_finite(signal + error)
    return float(10 * np.log10((signal + eps) / (error + eps)))


def csdr_frames(
    references: Mapping[str, Audio],
    estimates: Mapping[str, Audio],
    sample_rate: int = 44100,
    window_seconds: float = 1.0,
) -> dict[str, np.ndarray]:
    """BSSEval v4 SDR of each frame in dB, as museval gives it -> name -> (frames,) float64.

    museval's rules, all kept:

    - frames do not overlap; a last partial one is left out, unless it is the only one;
    - a frame is silent for a stem when the *sum over its channels* is zero at each sample (so a left channel that
      is the negative of the right counts as silent);
    - a frame in which any reference or any estimate is silent is NaN for every stem.

    So a stem's score depends on the set of stems scored with it. SDR = 10 log10(sum s^2 / sum (s - e)^2): museval's
    distortion filters cancel in it. Two differences, both where museval has no score to compare with: it refuses a song
    with a wholly silent stem (here: all NaN), and a perfect estimate, here inf, gets some 200 dB of rounding noise.

    Args:
        references: name -> (C, L), all of one shape.
        estimates: the same names -> (C, L).
        sample_rate: Hz.
        window_seconds: length of a frame.

    Raises:
        DataError: names or shapes differ, values that are not finite, or a frame shorter than one sample.
    """
    pairs = _pairs(references, estimates)
    for pair in pairs.values():
        _check_finite(_energy(*pair))
    bounds = _frames(next(iter(pairs.values()))[0].shape[1], sample_rate, window_seconds)
    frames = {name: np.full(len(bounds), np.nan) for name in pairs}
    for index, bound in enumerate(bounds):
        cut = {name: [signal[:, bound].astype(np.float64) for signal in pair] for name, pair in pairs.items()}
        if any(not signal.sum(axis=0).any() for pair in cut.values() for signal in pair):
            continue
        for name, (reference, estimate) in cut.items():
            error = ((reference - estimate) ** 2).sum()
            frames[name][index] = 10 * np.log10((reference**2).sum() / error) if error > 0 else np.inf
    return frames


def csdr(
    references: Mapping[str, Audio],
    estimates: Mapping[str, Audio],
    sample_rate: int = 44100,
    window_seconds: float = 1.0,
) -> dict[str, float]:
    """Median over the kept frames of :func:`csdr_frames` (NumPy's median: the mean of two middle values), in dB.

    NaN where no frame is kept. Raises as :func:`csdr_frames`.
    """
    return {
        name: _median_of_kept(frames)
        for name, frames in csdr_frames(references, estimates, sample_rate, window_seconds).items()
    }


def silent_leakage(
    reference: Audio,
    estimate: Audio,
    sample_rate: int = 44100,
    window_seconds: float = 1.0,
    silence_db: float = SILENCE_DB,
) -> Leakage:
    """RMS of the estimate over the frames in which the target's RMS is below ``silence_db`` (ours); dB re full scale.

    uSDR hardly sees what is left of other sources in a target's rests, and cSDR drops most of those frames; listeners
    notice it. Frames as in :func:`csdr_frames`; powers are averaged over all silent frames, then taken to dB.

    Raises:
        DataError: shapes differ or are not (C, L); values that are not finite.
    """
    reference, estimate = _pair(reference, estimate, "estimate")
    _check_finite(_energy(reference, estimate))
    bounds = _frames(reference.shape[1], sample_rate, window_seconds)
    silent = [bound for bound in bounds if _db(_power(reference[:, bound])) < silence_db]
    if not silent:
        return Leakage(None, 0, len(bounds))
    power = float(np.mean([_power(estimate[:, bound]) for bound in silent]))
    return Leakage(_db(power), len(silent), len(bounds))


def score(reference: Audio, mixture: Audio, estimate: Audio, sample_rate: int = 44100) -> dict[str, float | int | None]:
    """All scores of one target in one song, ready for JSON (None: no value).

    cSDR is scored over the set {target, residual}, with residual = mixture - target and the estimate's residual
    = mixture - estimate: what can be scored when a single target was trained. A frame that one of these four leaves
    silent is dropped for both. In particular the mixture itself, or silence, has no cSDR as an estimate, and a
    perfect estimate (infinite) has none either.

    Args:
        reference: the target, (C, L).
        mixture: (C, L).
        estimate: (C, L).
        sample_rate: Hz.

    Returns:
        usdr; usdr_mixture, of the mixture taken as the estimate; csdr; csdr_frames_kept of csdr_frames;
        leakage_db over silent_frames (see :func:`silent_leakage`). usdr, usdr_mixture and csdr are None for a wholly
        silent reference: :func:`aggregate` leaves such songs out and counts them.

    Raises:
        DataError: shapes differ or are not (C, L); values that are not finite.
    """
    reference, estimate = _pair(reference, estimate, "estimate")
    reference, mixture = _pair(reference, mixture, "mixture")
    whole = usdr(reference, estimate)  # first, since it refuses what is not finite
    audible = bool(reference.any())
    frames = csdr_frames(
        {"target": reference, "residual": mixture - reference},
        {"target": estimate, "residual": mixture - estimate},
        sample_rate,
    )["target"]
    median = _median_of_kept(frames)
    leakage = silent_leakage(reference, estimate, sample_rate)
    return {
        "usdr": whole if audible else None,
        "usdr_mixture": usdr(reference, mixture) if audible else None,
        "csdr": median if np.isfinite(median) else None,
        "csdr_frames_kept": int(np.count_nonzero(~np.isnan(frames))),
        "csdr_frames": len(frames),
        "leakage_db": leakage.db,
        "silent_frames": leakage.silent_frames,
    }


def aggregate(per_song: Sequence[Mapping[str, Any]]) -> dict[str, float | int | None]:
    """Mean and median over songs of each score of :func:`score`, never under one key.

    The paper reports ``usdr_mean`` and ``csdr_median``. For each of usdr, usdr_mixture, csdr and leakage_db:
    ``<score>_mean`` and ``<score>_median`` over the songs that have a value (None where none has) and
    ``<score>_songs``, how many have. Also ``songs``, ``songs_silent`` (wholly silent reference, hence excluded), and
    the sums of csdr_frames_kept, csdr_frames and silent_frames.
    """
    result: dict[str, float | int | None] = {
        "songs": len(per_song),
        "songs_silent": sum(song["usdr"] is None for song in per_song),
    }
    for key in ("usdr", "usdr_mixture", "csdr", "leakage_db"):
        values = [song[key] for song in per_song if song[key] is not None]
        result[f"{key}_songs"] = len(values)
        result[f"{key}_mean"] = float(np.mean(values)) if values else None
        result[f"{key}_median"] = float(np.median(values)) if values else None
    for key in ("csdr_frames_kept", "csdr_frames", "silent_frames"):
        result[key] = int(sum(song[key] for song in per_song))
    return result


def _frames(length: int, sample_rate: int, window_seconds: float) -> list[slice]:
    """museval's framing with hop = window."""
    window = int(window_seconds * sample_rate)
    if window < 1:
        raise DataError(
            f"frames of {window_seconds} s at {sample_rate} Hz hold no sample, expected at least one; use longer frames"
        )
    count = length // window if window < length else min(length, 1)
    return [slice(index * window, min((index + 1) * window, length)) for index in range(count)]


def _energy(signal: np.ndarray, other: np.ndarray | None = None) -> float:
    """Sum of squares of ``signal``, or of ``signal - other``."""
    total = 0.0
    for start in range(0, signal.shape[1], BLOCK):
        block = signal[:, start : start + BLOCK].astype(np.float64)
        with np.errstate(invalid="ignore"):  # inf - inf: the caller sees a sum that is not finite
            if other is not None:
                block -= other[:, start : start + BLOCK]
            total += float((block * block).sum())
    return total


def _check_finite(energy: float) -> None:
    if not np.isfinite(energy):
        raise DataError(
            "reference or estimate holds values that are not finite, expected audio; look for a training "
            "that diverged or a damaged file"
        )


def _power(signal: np.ndarray) -> float:
    return _energy(signal) / max(signal.size, 1)


def _db(power: float) -> float:
    return max(float(10 * np.log10(power)), LEAKAGE_FLOOR_DB) if power > 0 else LEAKAGE_FLOOR_DB


def _median_of_kept(frames: np.ndarray) -> float:
    kept = frames[~np.isnan(frames)]
    return float(np.median(kept)) if len(kept) else float("nan")


def _pair(reference: Audio, other: Audio, what: str) -> tuple[np.ndarray, np.ndarray]:
    reference, other = as_array(reference), as_array(other)
    check_channels_first(reference.shape, "a reference")
    if reference.shape != other.shape:
        raise DataError(
            f"reference of shape {reference.shape} and {what} of shape {other.shape}, expected one shape "
            "(channels, samples); cut both to the same samples and channels"
        )
    return reference, other


def _pairs(references: Mapping[str, Audio], estimates: Mapping[str, Audio]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not references or set(references) != set(estimates):
        raise DataError(
            f"references {sorted(references)} and estimates {sorted(estimates)}, expected the same names, "
            "at least one; give an estimate for each reference"
        )
    pairs = {name: _pair(references[name], estimates[name], f"estimate {name!r}") for name in references}
    shapes = {name: reference.shape for name, (reference, _) in pairs.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"references of shapes {shapes}, expected one shape; cut all to the same samples and channels")
    return pairs
