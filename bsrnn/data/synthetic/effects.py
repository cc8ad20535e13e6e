"""Effects of the mixing desk, (2, L) -> (2, L) float. Levels in dB, times in seconds, frequencies in Hz. All ours."""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, sosfilt

from bsrnn.data.synthetic.soundfont import SAMPLE_RATE


def place(bus: np.ndarray, sound: np.ndarray, start_seconds: float, gain: float = 1.0) -> None:
    """Add a sound (2, l) to a bus (2, L) from ``start_seconds`` on; what lies beyond the end is lost."""
    start = int(start_seconds * SAMPLE_RATE)
    if 0 <= start < bus.shape[1]:
        length = min(sound.shape[1], bus.shape[1] - start)
        bus[:, start : start + length] += gain * sound[:, :length]


def pan_gains(position: float) -> np.ndarray:
    """(2, 1) gains of equal power; -1 left, 0 centre (unit gains), 1 right."""
    angle = (np.clip(position, -1, 1) + 1) * np.pi / 4
    return np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])


def pan(mono: np.ndarray, position: float) -> np.ndarray:
    """(L,) -> (2, L)"""
    return pan_gains(position) * mono


def active_rms(sound: np.ndarray) -> float:
    """RMS over the 0.1 s windows within 30 dB of the loudest, so that rests do not count; 0 for silence."""
    window = SAMPLE_RATE // 10
    windows = sound[:, : sound.shape[1] // window * window].reshape(2, -1, window)
    power = (windows**2).mean((0, 2))
    if power.size == 0 or power.max() < 1e-12:
        return 0.0
    return float(np.sqrt(power[power > 1e-3 * power.max()].mean()))


def band_pass(sound: np.ndarray, low_hz: float, high_hz: float, order: int = 2) -> np.ndarray:
    return sosfilt(butter(order, [low_hz, high_hz], "band", fs=SAMPLE_RATE, output="sos"), sound)


def low_pass(sound: np.ndarray, cutoff_hz: float, order: int = 2) -> np.ndarray:
    return sosfilt(butter(order, min(cutoff_hz, 20000), fs=SAMPLE_RATE, output="sos"), sound)


def high_pass(sound: np.ndarray, cutoff_hz: float, order: int = 2) -> np.ndarray:
    return sosfilt(butter(order, cutoff_hz, "high", fs=SAMPLE_RATE, output="sos"), sound)


def saturate(sound: np.ndarray, drive: float) -> np.ndarray:
    """Soft clipping that keeps the peak; ``drive`` 1 is gentle, 10 an overdriven amplifier."""
    peak = np.abs(sound).max()
    return sound if peak == 0 else np.tanh(sound / peak * drive) * (peak / np.tanh(drive))


def chorus(sound: np.ndarray, rng: np.random.Generator, depth_seconds: float = 0.0025, mix: float = 0.5) -> np.ndarray:
    """A copy whose delay swings, each channel its own way: widens."""
    time = np.arange(sound.shape[1])
    out = sound.copy()
    for channel in (0, 1):
        rate_hz, phase = rng.uniform(0.3, 1.1), rng.uniform(0, 2 * np.pi)
        swing = 1 + np.sin(2 * np.pi * rate_hz * time / SAMPLE_RATE + phase)
        delay = (0.006 + depth_seconds * swing) * SAMPLE_RATE
        out[channel] = (1 - mix / 2) * sound[channel] + mix * np.interp(time - delay, time, sound[channel])
    return out


def double(sound: np.ndarray, delay_seconds: float) -> np.ndarray:
    """Right channel late by some milliseconds: a doubled guitar."""
    shift = int(delay_seconds * SAMPLE_RATE)
    out = sound.copy()
    out[1, shift:] = sound[1, : sound.shape[1] - shift]
    out[1, :shift] = 0
    return out


def room_response(
    rng: np.random.Generator, decay_seconds: float, predelay_seconds: float, bright_hz: float
) -> np.ndarray:
    """Impulse response of a room, (2, l) of unit energy a channel: decaying noise, highs faster; early reflections."""
    time = np.arange(int(1.1 * decay_seconds * SAMPLE_RATE)) / SAMPLE_RATE
    decay = 10 ** (-3 * time / decay_seconds)  # -60 dB after decay_seconds
    noise = rng.standard_normal((2, len(time))) * decay
    low = low_pass(noise, 900, order=1)
    tail = band_pass(low + (noise - low) * decay**0.8, 160, bright_hz)
    response = np.concatenate([np.zeros((2, int(predelay_seconds * SAMPLE_RATE))), tail], 1)
    loudest = np.abs(response).max()
    for _ in range(8):
        response[:, int(rng.uniform(0.004, 0.045) * SAMPLE_RATE)] += 0.4 * loudest * rng.standard_normal(2)
    return response / np.sqrt((response**2).sum(1, keepdims=True))


def echo(sound: np.ndarray, delay_seconds: float, gain: float) -> np.ndarray:
    """One repeat, darker, on the other side."""
    shift = min(int(delay_seconds * SAMPLE_RATE), sound.shape[1])
    repeat = np.zeros_like(sound)
    repeat[:, shift:] = gain * sound[::-1, : sound.shape[1] - shift]
    return sound + low_pass(repeat, 3500, order=1)


def limiter_gain(mixture: np.ndarray, threshold: float) -> np.ndarray:
    """(L,) gains that hold a mixture (2, L) below ``threshold``.

    Applied to every stem alike, so that limited stems still sum to the limited mixture.
    """
    window = int(0.01 * SAMPLE_RATE) | 1  # samples, odd: one in the middle
    peak = maximum_filter1d(np.abs(mixture).max(0), window)
    need = np.minimum(1.0, threshold / np.maximum(peak, 1e-9))
    return uniform_filter1d(need, window)
