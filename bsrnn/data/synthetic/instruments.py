"""Instruments that are computed, not sampled: oscillators, plucked strings, drums. (L,) float out, all ours."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.signal import lfilter

from bsrnn.data.synthetic.effects import band_pass, high_pass, low_pass
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE

Pitch = TypeVar("Pitch", float, np.ndarray)
DRUMS = ("kick", "snare", "clap", "hat", "open", "ride", "crash", "tom high", "tom low", "shaker")
DRUM_LEVELS = {
    "kick": 1.0,
    "snare": 1.0,
    "clap": 0.7,
    "hat": 0.2,
    "open": 0.18,
    "ride": 0.18,
    "crash": 0.25,
    "tom high": 0.9,
    "tom low": 0.9,
    "shaker": 0.15,
}


def hertz(pitch: Pitch) -> Pitch:
    """MIDI number -> Hz."""
    return 440 * 2 ** ((pitch - 69) / 12)


@dataclass(frozen=True)
class Patch:
    """A synthesiser's settings; times in seconds."""

    waveform: str  # "saw", "square" or "fm"
    attack: float
    decay: float
    sustain: float
    release: float
    detune_semitones: float
    oscillators: int
    cutoff_hz: float
    sweep: float  # the filter opens this many times wider at the onset
    sweep_seconds: float
    fm_ratio: float = 2.0
    fm_index: float = 3.0


def draw_patch(waveform: str, manner: str, rng: np.random.Generator) -> Patch:
    """A sound for ``manner``: "pad", "pluck", "chord", "lead" or "bass"."""
    bass, pad, pluck = manner == "bass", manner == "pad", manner == "pluck"
    return Patch(
        waveform=waveform,
        attack=0.25 if pad else 0.005,
        decay=rng.uniform(0.12, 0.6),
        sustain=0.15 if pluck else rng.uniform(0.5, 0.9),
        release=0.5 if pad else 0.06 if bass else 0.12,
        detune_semitones=rng.choice([0.0, 0.08]) if bass else rng.uniform(0.06, 0.18),
        oscillators=int(rng.choice([1, 2])) if bass else 1 if manner == "lead" else 4,
        cutoff_hz=rng.uniform(150, 600) if bass else rng.uniform(700, 3500),
        sweep=rng.uniform(3, 12) if bass else rng.uniform(1.5, 6),
        sweep_seconds=rng.uniform(0.05, 0.6),
        fm_ratio=float(rng.choice([0.5, 1.0, 1.0, 2.0] if bass else [1.0, 2.0, 3.0, 3.5])),
        fm_index=rng.uniform(1.0, 5.0),
    )


def envelope(length: int, patch: Patch, seconds: float) -> np.ndarray:
    """Attack, decay, sustain; after ``seconds`` the release."""
    time = np.arange(length) / SAMPLE_RATE
    body = patch.sustain + (1 - patch.sustain) * np.exp(-np.maximum(time - patch.attack, 0) / patch.decay)
    tail = np.exp(-3 * np.maximum(time - seconds, 0) / patch.release)
    return np.minimum(time / patch.attack, 1) * body * tail


def _saw(phase: np.ndarray, step: float) -> np.ndarray:
    """Sawtooth without audible aliases: a parabola rounds its jump (PolyBLEP). ``phase`` in periods, 0 to 1."""
    after, before = phase < step, phase > 1 - step
    wave = 2 * phase - 1
    wave[after] += (phase[after] / step - 1) ** 2
    wave[before] -= ((phase[before] - 1) / step + 1) ** 2
    return wave


def oscillate(patch: Patch, frequency_hz: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """Detuned oscillators of a patch, summed, unfiltered."""
    out = np.zeros(length)
    for _ in range(patch.oscillators):
        step = frequency_hz * 2 ** (rng.uniform(-1, 1) * patch.detune_semitones / 12) / SAMPLE_RATE
        phase = (rng.random() + np.arange(length) * step) % 1
        if patch.waveform == "fm":
            index = patch.fm_index * np.exp(-np.arange(length) / SAMPLE_RATE / patch.sweep_seconds) + 0.4
            out += np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * patch.fm_ratio * phase))
            continue
        wave = _saw(phase, step)
        out += wave - _saw((phase + 0.5) % 1, step) if patch.waveform == "square" else wave
    return out / np.sqrt(patch.oscillators)


def synth_note(patch: Patch, pitch: float, velocity: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """One note: oscillators, a low-pass that closes, envelope."""
    frequency_hz = hertz(pitch)
    length = int((seconds + patch.release) * SAMPLE_RATE)
    raw = oscillate(patch, frequency_hz, length, rng)
    cutoff_hz = patch.cutoff_hz * (1 + frequency_hz / 400)
    closing = np.exp(-np.arange(length) / SAMPLE_RATE / patch.sweep_seconds)
    # fading between two fixed filters sounds like one that moves, at a fraction of the cost
    sound = low_pass(raw, cutoff_hz) * (1 - closing) + low_pass(raw, min(16000, cutoff_hz * patch.sweep)) * closing
    return velocity * sound * envelope(length, patch, seconds)


def string_note(pitch: float, velocity: float, seconds: float, damping: float, rng: np.random.Generator) -> np.ndarray:
    """One plucked string (Karplus-Strong); ``damping`` 0 bright to 1 dull."""
    period = SAMPLE_RATE / hertz(pitch) - 0.5  # the averaging filter delays by half a sample
    whole = int(period)
    part = period - whole
    length = int((seconds + 0.15) * SAMPLE_RATE)
    pluck = lfilter([1 - damping], [1, -damping], rng.uniform(-1, 1, whole))
    excitation = np.zeros(max(length, whole))
    excitation[:whole] = pluck - np.roll(pluck, int(whole * rng.uniform(0.1, 0.3)) + 1)  # where it is plucked
    loop = np.zeros(whole + 3)
    loop[0] = 1
    loop[whole:] -= 0.498 * np.array([1 - part, 1, part])
    time = np.arange(len(excitation)) / SAMPLE_RATE
    return velocity * lfilter([1.0], loop, excitation) * np.exp(-40 * np.maximum(time - seconds, 0))


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _kick(rng: np.random.Generator, deep: bool) -> np.ndarray:
    time = _time(0.8 if deep else 0.5)
    end_hz = rng.uniform(38, 46) if deep else rng.uniform(47, 65)
    fall = 1 + rng.uniform(2, 6) * np.exp(-time / rng.uniform(0.02, 0.05))
    body = np.sin(2 * np.pi * np.cumsum(end_hz * fall) / SAMPLE_RATE)
    body *= np.exp(-time / (rng.uniform(0.25, 0.4) if deep else rng.uniform(0.08, 0.2)))
    click = low_pass(rng.standard_normal(400), rng.uniform(2500, 8000)) * np.linspace(1, 0, 400)
    body[:400] += rng.uniform(0.2, 0.7) * click
    return np.tanh(rng.uniform(1, 2.5) * body)


def _snare(rng: np.random.Generator, deep: bool) -> np.ndarray:
    time = _time(0.4)
    pitch_hz = rng.uniform(205, 260) if deep else rng.uniform(150, 200)
    tone = np.sin(2 * np.pi * pitch_hz * time + 2 * np.exp(-60 * time)) + 0.6 * np.sin(3.26 * np.pi * pitch_hz * time)
    wires = band_pass(rng.standard_normal(len(time)), rng.uniform(800, 2000), rng.uniform(7000, 13000))
    return rng.uniform(0.4, 0.9) * tone * np.exp(-time / 0.05) + 1.1 * wires * np.exp(
        -time / (rng.uniform(0.04, 0.09) if deep else rng.uniform(0.1, 0.18))
    )


def _cymbal(rng: np.random.Generator, seconds: float, decay_seconds: float, low_hz: float, deep: bool) -> np.ndarray:
    """Inharmonic square waves and noise, high-passed."""
    time = _time(seconds)
    ratios = (1, 1.342, 1.231, 1.693, 1.958, 2.781) if deep else (1, 1.483, 1.932, 2.546, 2.63, 3.897, 4.41)
    base_hz = rng.uniform(300, 900)
    metal = sum(np.sign(np.sin(2 * np.pi * base_hz * r * time + rng.uniform(0, 2 * np.pi))) for r in ratios)
    sound = high_pass(0.25 * metal + rng.uniform(0.5, 1.5) * rng.standard_normal(len(time)), low_hz, order=3)
    return low_pass(sound, rng.uniform(9000, 15000)) * np.exp(-time / decay_seconds) * np.minimum(time / 0.0008, 1)


def _clap(rng: np.random.Generator) -> np.ndarray:
    time = _time(0.3)
    sound = np.zeros(len(time))
    for start in (0.0, 0.011, 0.021, 0.030):  # several hands
        offset = int(start * SAMPLE_RATE)
        rest = len(time) - offset
        sound[offset:] += rng.standard_normal(rest) * np.exp(-time[:rest] / (0.008 if start < 0.03 else 0.09))
    return band_pass(sound, 900, 9000)


def _tom(rng: np.random.Generator, pitch_hz: float) -> np.ndarray:
    time = _time(0.6)
    fall = rng.uniform(0.85, 1.15) * (1 + 0.5 * np.exp(-time / 0.04))
    skin = np.sin(2 * np.pi * np.cumsum(pitch_hz * fall) / SAMPLE_RATE) * np.exp(-time / 0.18)
    return skin + 0.08 * rng.standard_normal(len(time)) * np.exp(-time / 0.03)


def drum_sounds(character: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One sound (L,) for each of :data:`DRUMS`; ``character``: "tight" or "deep", whose ranges do not meet."""
    deep = character == "deep"
    shake = _time(0.09)
    sounds = {
        "kick": _kick(rng, deep),
        "snare": _snare(rng, deep),
        "clap": _clap(rng),
        "hat": _cymbal(rng, 0.15, rng.uniform(0.02, 0.045), rng.uniform(4500, 7000), deep),
        "open": _cymbal(rng, 0.7, rng.uniform(0.12, 0.25), 5000, deep),
        "ride": _cymbal(rng, 1.2, rng.uniform(0.25, 0.45), 3500, deep),
        "crash": _cymbal(rng, 2.2, rng.uniform(0.4, 0.8), 2000, deep),
        "tom high": _tom(rng, 230 if deep else 190),
        "tom low": _tom(rng, 85 if deep else 110),
        "shaker": band_pass(rng.standard_normal(len(shake)), 4500, 12000) * np.hanning(len(shake)),
    }
    return {name: sounds[name] / np.abs(sounds[name]).max() * DRUM_LEVELS[name] for name in DRUMS}
