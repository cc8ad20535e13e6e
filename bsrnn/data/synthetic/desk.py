"""The mixing desk, (2, L) -> (2, L) float. Levels in dB, times in seconds. All ours.

Filters are biquads of the "Cookbook formulae for audio EQ biquad filter coefficients" (Robert Bristow-Johnson).
"""

from collections.abc import Iterable

import numpy as np
from scipy.signal import oaconvolve, sosfilt

from bsrnn.data.synthetic import effects
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE

HOP = 256  # samples between two values of a gain curve


def _section(b: Iterable[float], a: Iterable[float]) -> np.ndarray:
    """Coefficients as one row of second-order sections."""
    b, a = np.array(tuple(b)), np.array(tuple(a))
    return np.concatenate([b, a])[None] / a[0]


def _turn(hz: float, q: float) -> tuple[float, float]:
    """cos(w) and alpha of the cookbook."""
    turn = 2 * np.pi * min(hz, 0.45 * SAMPLE_RATE) / SAMPLE_RATE
    return np.cos(turn), np.sin(turn) / (2 * q)


def bell(hz: float, gain_db: float, q: float) -> np.ndarray:
    """Section of a peaking filter."""
    (cosine, alpha), amp = _turn(hz, q), 10 ** (gain_db / 40)
    return _section((1 + alpha * amp, -2 * cosine, 1 - alpha * amp), (1 + alpha / amp, -2 * cosine, 1 - alpha / amp))


def shelf(hz: float, gain_db: float, high: bool) -> np.ndarray:
    """Section of a shelving filter with slope 1: all above ``hz`` (``high``), or below, by ``gain_db``."""
    (cosine, alpha), amp = _turn(hz, 0.7071), 10 ** (gain_db / 40)
    sign, root = (1 if high else -1), 2 * np.sqrt(amp) * alpha
    return _section(
        (
            amp * (amp + 1 + sign * (amp - 1) * cosine + root),
            -sign * 2 * amp * (amp - 1 + sign * (amp + 1) * cosine),
            amp * (amp + 1 + sign * (amp - 1) * cosine - root),
        ),
        (
            amp + 1 - sign * (amp - 1) * cosine + root,
            sign * 2 * (amp - 1 - sign * (amp + 1) * cosine),
            amp + 1 - sign * (amp - 1) * cosine - root,
        ),
    )


def resonant_low_pass(hz: float, q: float) -> np.ndarray:
    """Section of a low-pass with a peak of ``q`` at its cutoff."""
    cosine, alpha = _turn(hz, q)
    return _section(((1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2), (1 + alpha, -2 * cosine, 1 - alpha))


def equalise(sound: np.ndarray, *sections: np.ndarray) -> np.ndarray:
    """The sound through filter sections, one after the other."""
    return sosfilt(np.concatenate(sections), sound)


def draw_tone(draws: Draws) -> list[np.ndarray]:
    """Sections of a channel strip: two shelves and a bell."""
    return [
        shelf(180, draws("low shelf, dB"), high=False),
        bell(draws("bell, Hz"), draws("bell, dB"), draws("bell Q")),
        shelf(4500, draws("high shelf, dB"), high=True),
    ]


def level_db(sound: np.ndarray) -> np.ndarray:
    """RMS of every ``HOP`` samples over the channels of (C, L), in dB, (frames,)."""
    channels, length = sound.shape
    count = -(-length // HOP)
    padded = np.pad(sound, ((0, 0), (0, count * HOP - length)))
    return 10 * np.log10((padded.reshape(channels, count, HOP) ** 2).mean((0, 2)) + 1e-10)


def compressor_gain(sound: np.ndarray, below_loudest_db: float, ratio: float, release: float = 0.15) -> np.ndarray:
    """(L,) gains that take away 1 - 1 / ``ratio`` of what lies above a threshold; fast attack, slow release."""
    levels = level_db(sound)
    excess = np.maximum(levels - (np.percentile(levels, 99) + below_loudest_db), 0) * (1 - 1 / ratio)
    attack_pole, release_pole = (np.exp(-HOP / SAMPLE_RATE / seconds) for seconds in (0.008, release))
    reduction, followed = 0.0, np.empty(len(excess))
    for frame, wanted in enumerate(excess.tolist()):
        pole = attack_pole if wanted > reduction else release_pole
        reduction = pole * reduction + (1 - pole) * wanted
        followed[frame] = reduction
    return per_sample(10 ** (-followed / 20), sound.shape[1])


def per_sample(track: np.ndarray, length: int) -> np.ndarray:
    """A track of one value every ``HOP`` samples -> (length,)."""
    return np.interp(np.arange(length), (np.arange(len(track)) + 0.5) * HOP, track)


def ducking(times: Iterable[float], depth_db: float, recovery: float, length: int) -> np.ndarray:
    """(length,) gains of a compressor that listens to a kick: down at each of ``times``, back after ``recovery``."""
    frames = np.arange(-(-length // HOP)) * HOP / SAMPLE_RATE
    since = np.full(len(frames), np.inf)
    for time in times:
        after = frames - time
        since = np.where(after >= 0, np.minimum(since, after), since)
    return per_sample(10 ** (-depth_db * np.exp(-3 * since / recovery) / 20), length)


def crush(sound: np.ndarray, bits: float, hold: int = 1) -> np.ndarray:
    """Fewer bits, and every ``hold``-th sample held: a sampler of the eighties."""
    peak = np.abs(sound).max()
    if peak == 0:
        return sound
    held = np.repeat(sound[:, ::hold], hold, axis=1)[:, : sound.shape[1]]
    steps = 2 ** (bits - 1) / peak
    return np.rint(held * steps) / steps


def widen(sound: np.ndarray, width: float) -> np.ndarray:
    """Scales what differs between the channels: 0 is mono, 1 leaves the sound."""
    middle, side = (sound[0] + sound[1]) / 2, width * (sound[0] - sound[1]) / 2
    return np.stack([middle + side, middle - side])


def room(draws: Draws, decay: float) -> np.ndarray:
    """Impulse response, (2, l) of unit energy a channel: pre-delay, early reflections, decaying noise, dull or bright.

    ``decay``: seconds to -60 dB.
    """
    response = effects.room_response(draws.rng, decay, draws("pre-delay, s"), draws("room brightness, Hz"))
    early = draws("early reflections") * np.abs(response).max()
    for _ in range(int(draws.rng.integers(3, 12))):
        at = int(draws.rng.uniform(0.003, 0.06) * SAMPLE_RATE)
        if at < response.shape[1]:
            response[:, at] += early * draws.rng.standard_normal(2)
    return response / np.sqrt((response**2).sum(1, keepdims=True))


def channel(sections: list[np.ndarray], response: np.ndarray, wet: float) -> np.ndarray:
    """Impulse response (2, l) of a channel strip: the sound and ``wet`` times its room, through filter sections."""
    kernel = wet * response
    kernel = np.pad(kernel, ((0, 0), (0, max(0, 4096 - kernel.shape[1]))))
    kernel[:, 0] += 1
    return equalise(kernel, *sections)


def convolve(sound: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The sound through a kernel (2, l), cut at its length; in single precision: the rest is below 16 bits."""
    return oaconvolve(sound.astype(np.float32), kernel.astype(np.float32), axes=1)[:, : sound.shape[1]]


def amplify(sound: np.ndarray, kind: str, draws: Draws) -> np.ndarray:
    """A guitar amplifier: "" none, "clean", "overdriven" or "distorted", which ends in a loudspeaker."""
    if not kind:
        return sound
    if kind != "distorted":
        return effects.saturate(sound, draws.rng.uniform(0.6, 2) if kind == "clean" else draws.rng.uniform(1, 6))
    sound = effects.saturate(effects.high_pass(sound, draws.rng.uniform(60, 250), order=1), draws("guitar drive"))
    return effects.band_pass(sound, 80, draws("cabinet, Hz"))
