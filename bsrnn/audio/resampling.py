"""Resampling by a windowed sinc, of a whole signal or of any stretch of it: cut anywhere, the samples are the same.

The kernel is that of torchaudio.functional.resample with the settings that its tutorial calls "kaiser_best". It is flat
to 0.88 of the lower Nyquist frequency, halves at 0.95 of it and is at least 120 dB down beyond 1.02 of it (tested). It
is computed here, since torchaudio has to fit torch's build and would need 8 GB of memory for 44101 to 44100 Hz.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np
import torch

from bsrnn.errors import ConfigError

WIDTH, ROLLOFF, BETA = 64, 0.9475937167399596, 14.769656459379492  # zero crossings a side, cutoff, Kaiser window
DENSE = 1 << 21  # largest kernel, in values, that is laid out for a matrix product; rarer rates take the slower way
PIECE = 1 << 21  # values that one step gathers: bounds the memory, whatever is asked for

Read = Callable[[int, int], np.ndarray]  # (first sample, samples) -> (C, samples)


def resampled_frames(frames: int, from_rate: int, to_rate: int) -> int:
    """Length of a signal after resampling: ceil(frames to_rate / from_rate), as torchaudio."""
    return -(-frames * to_rate // from_rate)


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample (C, L) -> (C, ceil(L to_rate / from_rate)) float32.

    Raises:
        ConfigError: a rate that is not a positive whole number.
    """
    audio = np.asarray(audio, dtype=np.float32)
    frames = audio.shape[-1]
    count = resampled_frames(frames, from_rate, to_rate) if _reduced(from_rate, to_rate) else 0
    return stretch(lambda start, wanted: audio[:, start : start + wanted], frames, 0, count, from_rate, to_rate)


def stretch(read: Read, frames: int, start: int, count: int, from_rate: int, to_rate: int) -> np.ndarray:
    """Samples ``start`` to ``start + count`` of the resampled signal -> (C, count) float32.

    Args:
        read: gives a stretch of the signal as it is; asked once, for the wanted stretch and the kernel's margin.
        frames: length of the signal as it is; beyond its ends it is taken as zero.
    """
    orig, new = _reduced(from_rate, to_rate)
    if orig == new:
        return np.ascontiguousarray(read(start, count), dtype=np.float32)
    if count <= 0:
        return read(0, 0).astype(np.float32)
    margin = _margin(orig, new)
    low = (start // new) * orig - margin
    high = -(-(start + count) // new) * orig + margin + 1
    if new * (2 * margin + orig) > DENSE:  # blocks of `orig` samples are long: read no more than is needed
        low, high = start * orig // new - margin, (start + count - 1) * orig // new + margin + 2
    inside = max(low, 0), max(min(high, frames), max(low, 0))
    audio = np.pad(read(inside[0], inside[1] - inside[0]), ((0, 0), (inside[0] - low, high - inside[1])))
    if new * (2 * margin + orig) > DENSE:
        return _by_sample(audio.astype(np.float32, copy=False), low, start, count, orig, new)
    return _by_block(audio.astype(np.float32, copy=False), orig, new)[:, start % new :][:, :count]


def resample_blocks(blocks: Iterable[np.ndarray], frames: int, from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Resample a signal of ``frames`` samples that comes in blocks (..., l); gives blocks as soon as they are whole.

    What is given out, put together, is :func:`resample` of what came in; memory holds one block and the margin.
    """
    orig, new = _reduced(from_rate, to_rate)
    if orig == new:
        yield from blocks
        return
    total, margin = resampled_frames(frames, from_rate, to_rate), _margin(orig, new)
    kept, first, given = None, 0, 0  # the samples from `first` on; how many have been given out
    for block in blocks:
        if not block.size:
            continue
        shape, block = block.shape[:-1], block.reshape(-1, block.shape[-1])
        kept = block if kept is None else np.concatenate([kept, block], -1)
        end = first + kept.shape[-1]
        # an output at position p needs the samples up to p + margin + 1
        ready = total if end >= frames else max(given, (end - margin - 2) * new // orig)
        if ready > given:
            view, origin = kept, first
            out = stretch(lambda s, n, v=view, o=origin: v[:, s - o : s - o + n], end, given, ready - given,
                          from_rate, to_rate)  # fmt: skip
            yield out.reshape(*shape, ready - given)
            given = ready
        reach = max(first, (given // new) * orig - margin - 1)
        kept, first = kept[:, reach - first :], reach


def _reduced(from_rate: int, to_rate: int) -> tuple[int, int]:
    for rate in (from_rate, to_rate):
        if not isinstance(rate, int | np.integer) or rate < 1:
            raise ConfigError(f"got a sample rate of {rate!r} Hz: expected a positive whole number")
    divisor = math.gcd(int(from_rate), int(to_rate))
    return int(from_rate) // divisor, int(to_rate) // divisor


def _margin(orig: int, new: int) -> int:
    """Samples that the kernel reaches to either side."""
    return math.ceil(WIDTH * orig / (min(orig, new) * ROLLOFF))


def _kernel(distance: np.ndarray, orig: int, new: int) -> np.ndarray:
    """The windowed sinc at ``distance``, in samples of the signal as it is; float32."""
    cutoff = min(orig, new) * ROLLOFF / orig
    x = torch.from_numpy(distance * cutoff)
    window = torch.special.i0(BETA * torch.sqrt(torch.clamp(1 - (x / WIDTH) ** 2, min=0)))  # numpy's takes a minute
    return (cutoff / np.i0(BETA) * torch.sinc(x) * window * (x.abs() < WIDTH)).float().numpy()


@lru_cache(maxsize=8)
def _block_kernel(orig: int, new: int) -> np.ndarray:
    """(2 margin + orig, new): from one block of input and its margins to one block of output."""
    margin = _margin(orig, new)
    taps = np.arange(-margin, orig + margin)[:, None]
    return _kernel(taps - np.arange(new) * orig / new, orig, new)


def _by_block(audio: np.ndarray, orig: int, new: int) -> np.ndarray:
    """Whole blocks: the signal in windows, one every ``orig`` samples, times the kernel."""
    kernel = _block_kernel(orig, new)
    windows = np.lib.stride_tricks.sliding_window_view(audio, len(kernel), axis=-1)[:, ::orig]  # (C, blocks, taps)
    step = max(1, PIECE // (len(audio) * len(kernel)))
    parts = [
        np.ascontiguousarray(windows[:, at : at + step]) @ kernel  # (C, step, new)
        for at in range(0, windows.shape[1], step)
    ]
    return np.concatenate(parts, 1).reshape(len(audio), -1)


@lru_cache(maxsize=2)
def _phases(orig: int, new: int) -> np.ndarray:
    """(new, 2 margin + 2): the kernel for each place that an output can have between two samples."""
    margin = _margin(orig, new)
    fraction = (np.arange(new) * orig % new)[:, None] / new
    return _kernel(np.arange(-margin, margin + 2) - fraction, orig, new)


def _by_sample(audio: np.ndarray, low: int, start: int, count: int, orig: int, new: int) -> np.ndarray:
    """Each output by itself; ``audio`` begins at sample ``low`` of the signal."""
    phases, margin = _phases(orig, new), _margin(orig, new)
    windows = np.lib.stride_tricks.sliding_window_view(audio, phases.shape[1], axis=-1)  # (C, places, taps)
    step, parts = max(1, PIECE // (len(audio) * phases.shape[1])), []
    for at in range(start, start + count, step):
        outputs = np.arange(at, min(at + step, start + count))
        gathered = windows[:, outputs * orig // new - margin - low]  # (C, outputs, taps)
        parts.append(np.einsum("cot,ot->co", gathered, phases[outputs % new]))
    return np.concatenate(parts, 1)
