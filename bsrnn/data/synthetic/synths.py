"""Synthesisers and a plucked string. (L,) float out, all ours.

A patch is drawn once a part: oscillators, a resonant low-pass that moves, an envelope. "additive" and "ring" sound in
the songs of "test-new" alone.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.signal import lfilter

from bsrnn.data.synthetic.desk import equalise, resonant_low_pass
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE

Pitch = TypeVar("Pitch", float, np.ndarray)
WAVEFORMS = ("saw", "pulse", "triangle", "fm", "supersaw", "acid", "sub", "additive", "ring")


def hertz(pitch: Pitch) -> Pitch:
    """MIDI number -> Hz."""
    return 440 * 2 ** ((pitch - 69) / 12)


@dataclass(frozen=True)
class Patch:
    """A synthesiser's settings; times in seconds."""

    waveform: str
    attack: float
    decay: float
    sustain: float
    release: float
    detune_semitones: float
    oscillators: int
    cutoff_octaves: float  # of the low-pass above the note, once it has closed
    resonance: float
    sweep_octaves: float  # by which it opens at the onset
    sweep_seconds: float
    pulse_width: float
    fm_ratio: float
    fm_index: float
    harmonics: tuple[float, ...]  # levels of the additive waveform's partials


def draw_patch(waveform: str, manner: str, draws: Draws) -> Patch:
    """A sound; ``manner`` is one of parts.MANNERS, or "bass"."""
    held, short = manner == "held", manner in ("arpeggio", "stab", "picked")
    many = {"supersaw": (5, 6, 7), "acid": (1,), "sub": (1,), "fm": (1,), "additive": (1,), "ring": (1,)}
    return Patch(
        waveform=waveform,
        attack=draws("pad attack, s") if held else draws("attack, s"),
        decay=draws("decay, s"),
        sustain=draws("sustain") * (0.4 if short else 1),
        release=draws("release, s"),
        detune_semitones=draws("detune, semitones"),
        oscillators=draws.pick(many.get(waveform, (1, 2, 2, 3))),
        cutoff_octaves=draws("cutoff, octaves"),
        resonance=draws("resonance"),
        sweep_octaves=draws("sweep, octaves") + (1.5 if waveform == "acid" else 0),
        sweep_seconds=draws("sweep, s"),
        pulse_width=draws("pulse width"),
        fm_ratio=draws.pick((0.5, 1.0, 1.0, 1.41, 2.0, 3.0, 3.5, 7.0)),
        fm_index=draws("FM index"),
        harmonics=tuple(draws.rng.random(9) ** 2 / np.arange(1, 10) ** 0.3),
    )


def _saw(phase: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Sawtooth without audible aliases (PolyBLEP); ``phase`` in periods, ``step`` of it a sample."""
    after, before = phase < step, phase > 1 - step
    wave = 2 * phase - 1
    wave[after] += (phase[after] / step[after] - 1) ** 2
    wave[before] -= ((phase[before] - 1) / step[before] + 1) ** 2
    return wave


def _waveform(patch: Patch, phase: np.ndarray, step: np.ndarray) -> np.ndarray:
    """One oscillator over its phase (periods, from 0)."""
    wrapped = phase % 1
    match patch.waveform:
        case "fm":
            time = np.arange(len(phase)) / SAMPLE_RATE
            index = patch.fm_index * (0.15 + np.exp(-time / patch.sweep_seconds))
            return np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * patch.fm_ratio * phase))
        case "pulse":
            return _saw(wrapped, step) - _saw((phase + patch.pulse_width) % 1, step)
        case "triangle":
            return 1 - 4 * np.abs(wrapped - 0.5)
        case "sub":
            return np.sin(2 * np.pi * phase) + 0.15 * np.sin(4 * np.pi * phase)
        case "additive":
            partials = (
                level * np.sin(2 * np.pi * k * phase)
                for k, level in enumerate(patch.harmonics, 1)
                if k * step.max() < 0.45
            )
            return sum(partials, start=np.zeros(len(phase)))
        case "ring":
            return np.sin(2 * np.pi * phase) * np.sin(2 * np.pi * (1 + 0.41 * patch.fm_ratio) * phase)
    return _saw(wrapped, step)


def synth_note(patch: Patch, pitch: float, seconds: float, rng: np.random.Generator, slide: float = 0.0) -> np.ndarray:
    """One note of unit velocity. ``slide``: semitones from which it glides to its pitch within 80 ms."""
    length = int((seconds + patch.release) * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    bend = slide * np.exp(-time / 0.03) if slide else np.zeros(length)
    sound = np.zeros(length)
    for _ in range(patch.oscillators):
        detune = rng.uniform(-1, 1) * patch.detune_semitones if patch.oscillators > 1 else 0.0
        step = hertz(pitch + detune + bend) / SAMPLE_RATE
        sound += _waveform(patch, rng.random() + np.cumsum(step), step)
    sound /= np.sqrt(patch.oscillators)
    if patch.waveform not in ("fm", "sub", "ring"):
        # fading between two fixed filters sounds like one that moves, at a fraction of the cost
        closed_hz = min(hertz(pitch) * 2**patch.cutoff_octaves, 16000)
        open_hz = min(closed_hz * 2**patch.sweep_octaves, 17000)
        closing = np.exp(-time / patch.sweep_seconds)
        closed = equalise(sound, resonant_low_pass(closed_hz, patch.resonance))
        sound = closed + closing * (equalise(sound, resonant_low_pass(open_hz, patch.resonance)) - closed)
    body = patch.sustain + (1 - patch.sustain) * np.exp(-np.maximum(time - patch.attack, 0) / patch.decay)
    released = np.exp(-4 * np.maximum(time - seconds, 0) / patch.release)
    return sound * np.minimum(time / patch.attack, 1) * body * released


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
