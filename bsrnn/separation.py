"""Separation of whole songs: overlapping segments, each sample read once (section IV-C).

Segments of T seconds start every P seconds. The signal is padded by T - P zeros in front, so that each sample lies in
T / P segments (the text's L - P does not give this). Each segment fades linearly in and out (paper: window not given;
replication: linear), and the sum is divided by the summed fades: a model that changes nothing gives back its input
for any T and P.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bsrnn.audio.resampling import Read, resample_whole
from bsrnn.audio.shapes import as_array, check_channels_first
from bsrnn.config import Fade, SeparateConfig
from bsrnn.errors import DataError
from bsrnn.models.base import Separator, as_list, targets_of
from bsrnn.runtime.threads import in_threads


def fade(samples: int, window: Fade = "triangle") -> Tensor:
    """Weight of a segment in the overlap-add, (samples,), nowhere zero.

    Args:
        window: "triangle" (ours, after the replication's linear fade), "tenth": linear over a tenth of the segment at
            each end (replication), "flat": none.
    """
    ramp = torch.arange(1, samples + 1, dtype=torch.float32)
    triangle = torch.minimum(ramp, ramp.flip(0)) / ((samples + 1) / 2)
    steepness = {"triangle": 1.0, "tenth": 5.0, "flat": math.inf}  # a half to a tenth
    return (steepness[window] * triangle).clamp(max=1)


def separate_blocks(
    model: Separator, read: Read, samples: int, channels: int, settings: SeparateConfig
) -> Iterator[np.ndarray]:
    """Estimates in order, block by block, (S, C, l) each; together they have ``samples`` samples.

    Memory holds one batch of segments, whatever the song's length: ``read`` is asked for each stretch as it is needed.
    ``settings.peak`` is not looked at: nobody knows the peak of a song that is still being read.

    Raises:
        ConfigError: a segment or hop that cannot work.
    """
    segment, hop = settings.samples(model.config)
    device, weight = model.window.device, fade(segment, settings.window)
    first = hop - segment  # sample at which the first segment starts: T - P zeros before the song
    starts = range(first, samples, hop)
    total = torch.zeros(len(model.config.targets), channels, segment)  # of the samples from `position` on
    weights = torch.zeros(segment)
    heard = np.zeros((channels, segment), np.float32)  # the segment before the first
    for index in range(0, len(starts), settings.batch_segments):
        batch_starts, segments = starts[index : index + settings.batch_segments], []
        for start in batch_starts:  # each sample is read once
            new = _read_padded(read, start + segment - hop, hop, samples, channels)
            heard = np.concatenate([heard[:, hop:], new], -1)
            segments.append(heard)
        batch = torch.from_numpy(np.stack(segments))
        estimates = in_threads(model, batch.to(device)).float().cpu()  # (segments, S, C, segment)
        for start, estimate in zip(batch_starts, estimates, strict=True):
            total += estimate * weight
            weights += weight
            # the first hop is whole now: no later segment reaches it
            done = (total[..., :hop] / weights[:hop]).numpy()
            yield done[..., max(0, -start) : max(0, min(hop, samples - start))]
            total = torch.cat([total[..., hop:], total.new_zeros(*total.shape[:-1], hop)], -1)
            weights = torch.cat([weights[hop:], weights.new_zeros(hop)])


def _read_padded(read: Read, start: int, length: int, samples: int, channels: int) -> np.ndarray:
    """(C, length) from ``start``, which may be negative, with zeros outside the song."""
    low, high = max(0, start), min(samples, start + length)
    audio = read(low, high - low) if high > low else np.zeros((channels, 0), np.float32)
    return np.pad(audio, ((0, 0), (low - start, start + length - max(low, high)))).astype(np.float32)


def add_up(estimates: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Estimates (S, C, L) that add up to the mixture (C, L): each gets the S-th part of what all of them leave of it.

    No estimates with that sum lie nearer to the given ones (in squares; Wisdom et al. 2019, "Differentiable
    consistency constraints for improved deep speech enhancement", the projection with equal weights). It is right
    only of stems that together are the whole song.
    """
    return estimates + (mixture - estimates.sum(0)) / len(estimates)


def separate(  # noqa: PLR0913 -- settings with defaults
    model: Separator | Sequence[Separator],
    mixture,
    sample_rate: int,
    segment_seconds: float = 3.0,
    hop_seconds: float = 0.5,
    batch_segments: int = 8,
    window: Fade = "triangle",
    peak: bool = False,
) -> dict[str, np.ndarray]:
    """Separate a song in memory.

    Args:
        model: from :func:`bsrnn.load`; or several, of one target each or of more: of a target that several separate
            the result is the mean of their estimates.
        mixture: (C, L) array or tensor, L from 0 on; every channel is separated on its own.
        sample_rate: Hz; another rate than the model's is resampled there and back.
        segment_seconds: T. Shorter is faster to start, longer sees more context.
        hop_seconds: P. The cost goes with T / P (Table II).
        batch_segments: segments a forward pass; more is faster on a GPU and takes more memory.
        window: see :func:`fade`.
        peak: scale the mixture to peak 1 before the model, and the estimates back, as training scales its items.

    Returns:
        target name -> estimate (C, L) float32.

    Raises:
        DataError (a ValueError): not (C, L) floats, the axes the other way round (more than 16 channels, or more
            than samples), or not all finite. ConfigError: a segment, hop or rate that cannot work.
    """
    models = as_list(model)
    wrong = [one for one in models if not (isinstance(one, torch.nn.Module) and hasattr(one, "config"))]
    if wrong or not models:
        got = f"a model of type {type(wrong[0]).__name__}" if wrong else "no model"
        raise DataError(f"got {got}, expected what bsrnn.load gives, or a list of such; it comes first")
    mixture = as_array(mixture)
    check_channels_first(mixture.shape, "a mixture")
    if mixture.dtype.kind != "f":
        raise DataError(
            f"got a mixture of type {mixture.dtype}, expected floats between -1 and 1; divide 16 bit integers by 32768"
        )
    mixture = mixture.astype(np.float32, copy=False)
    if bad := mixture.size - np.count_nonzero(np.isfinite(mixture)):
        raise DataError(f"got a mixture with {bad} samples that are not finite; numpy.nan_to_num makes them zero")
    settings = SeparateConfig(segment_seconds, hop_seconds, batch_segments, window)
    loudest = float(np.abs(mixture).max(initial=0.0)) if peak else 0.0
    scaled = mixture / loudest if loudest > 0 else mixture
    found: dict[str, list[np.ndarray]] = {target: [] for target in targets_of(models)}
    for one in models:
        for name, audio in _separated(one, scaled, sample_rate, settings):
            found[name].append(audio * loudest if loudest > 0 else audio)
    return {name: np.mean(audios, axis=0) if len(audios) > 1 else audios[0] for name, audios in found.items()}


def _separated(
    model: Separator, mixture: np.ndarray, sample_rate: int, settings: SeparateConfig
) -> Iterator[tuple[str, np.ndarray]]:
    """Each target's name and estimate (C, L)."""
    rate, samples = model.config.sample_rate, mixture.shape[1]
    inside = resample_whole(mixture, sample_rate, rate)
    blocks = separate_blocks(
        model, lambda start, length: inside[:, start : start + length], inside.shape[1], len(inside), settings
    )
    empty = np.zeros((len(model.config.targets), len(inside), 0), np.float32)
    estimates = np.concatenate([empty, *blocks], axis=-1)  # (S, C, L)
    for name, audio in zip(model.config.targets, estimates, strict=True):
        back = resample_whole(audio, rate, sample_rate)[:, :samples]
        yield name, np.pad(back, ((0, 0), (0, samples - back.shape[1])))
