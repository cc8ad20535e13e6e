"""Resampling by libsoxr at its "VHQ" quality, of a whole signal, of a stream of blocks, or of any stretch of a signal.

A stretch is resampled with a margin around it, cut where samples of both rates fall together, so that it equals the
same samples of the whole: to the bit at the usual rates, to 5e-5 at rates such as 44101 Hz (tested).
"""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import soxr

from bsrnn.audio.shapes import as_array, check_channels_first
from bsrnn.errors import ConfigError

QUALITY = "VHQ"  # flat to 0.01 dB up to 0.9 of the lower Nyquist frequency, 110 dB down beyond it (tested)
MARGIN = 1024  # samples of the lower rate that the filter may reach to either side

Read = Callable[[int, int], np.ndarray]  # (first sample, samples) -> (C, samples)


def resampled_frames(frames: int, from_rate: int, to_rate: int) -> int:
    """Length of a signal after resampling: ceil(frames to_rate / from_rate), as torchaudio."""
    return -(-frames * to_rate // from_rate)


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample (C, L) -> (C, ceil(L to_rate / from_rate)) float32.

    Raises:
        ConfigError: a rate that is not a positive whole number. DataError: not (C, L), or the axes the other way round.
    """
    audio = as_array(audio).astype(np.float32, copy=False)
    check_channels_first(audio.shape, "audio")
    return resample_whole(audio, from_rate, to_rate)


def resample_whole(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """As :func:`resample`, of what is known to be (C, L) float32, and may have fewer samples than channels."""
    blocks = list(resample_blocks([audio], audio.shape[-1], from_rate, to_rate))
    return np.concatenate(blocks, -1) if blocks else audio[:, :0]


def stretch(read: Read, frames: int, start: int, count: int, from_rate: int, to_rate: int) -> np.ndarray:
    """Samples ``start`` to ``start + count`` of the resampled signal -> (C, count) float32.

    Args:
        read: gives a stretch of the signal as it is; asked once, for the wanted stretch and the filter's margin.
        frames: length of the signal as it is; beyond its ends it is taken as zero.
    """
    orig, new = _reduced(from_rate, to_rate)
    if orig == new:
        return np.ascontiguousarray(read(start, count), dtype=np.float32)
    if count <= 0:
        return read(0, 0).astype(np.float32)
    margin = math.ceil(MARGIN * max(1, orig / new))
    low = max(0, start * orig // new - margin) // orig * orig  # a sample of either rate lies there
    high = min(frames, -(-(start + count) * orig // new) + margin)
    first = start - low // orig * new
    part = resample_whole(read(low, high - low).astype(np.float32, copy=False), orig, new)[:, first : first + count]
    return np.ascontiguousarray(part)


def resample_blocks(blocks: Iterable[np.ndarray], frames: int, from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Resample a signal of ``frames`` samples that comes in blocks (..., l); gives blocks as soon as they are whole.

    What is given out, put together, is :func:`resample` of what came in; memory holds a block and the filter's reach.
    """
    orig, new = _reduced(from_rate, to_rate)
    if orig == new:
        yield from blocks
        return
    wanted, stream, shape, given_out = resampled_frames(frames, orig, new), None, (), 0
    for block in blocks:
        shape, flat = block.shape[:-1], block.reshape(math.prod(block.shape[:-1]), block.shape[-1])
        stream = stream or soxr.ResampleStream(orig, new, len(flat), "float32", QUALITY)
        part = stream.resample_chunk(np.ascontiguousarray(flat.T), last=False).T[:, : wanted - given_out]
        given_out += part.shape[1]
        if part.size:
            yield np.ascontiguousarray(part).reshape(*shape, part.shape[1])
    if stream and given_out < wanted:
        last = stream.resample_chunk(np.zeros((0, math.prod(shape)), np.float32), last=True).T
        last = last[:, : wanted - given_out]
        missing = wanted - given_out - last.shape[1]  # libsoxr rounds the length, we round it up
        yield np.pad(last, ((0, 0), (0, missing))).reshape(*shape, wanted - given_out)


def _reduced(from_rate: int, to_rate: int) -> tuple[int, int]:
    for rate in (from_rate, to_rate):
        if not isinstance(rate, int | np.integer) or rate < 1:
            raise ConfigError(f"got a sample rate of {rate!r} Hz: expected a positive whole number")
    divisor = math.gcd(int(from_rate), int(to_rate))
    return int(from_rate) // divisor, int(to_rate) // divisor
