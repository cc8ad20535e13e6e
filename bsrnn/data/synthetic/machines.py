"""Drums that are computed: four kinds of machines for every song, two that "test-new" alone has. All ours.

"sine" is analogue (a falling sine, square-wave cymbals), "fm" bends its sines, "noise" is filtered noise throughout,
"hard" overdrives. Held back: "modal" adds up the modes of struck membranes and plates, "chip" is a game console.
"""

from typing import NamedTuple

import numpy as np

from bsrnn.data.synthetic.effects import band_pass, high_pass, low_pass
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE

MACHINES = ("sine", "fm", "noise", "hard", "modal", "chip")
MEMBRANE = (1.0, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501)  # modes of an ideal circular membrane


class Drum(NamedTuple):
    """One of a kit."""

    keys: tuple[int, ...]  # of the General MIDI drum map, to choose a recording from
    pan: float  # -1 left, 1 right
    level: float  # largest sample of the computed sound


DRUMS = {
    "kick": Drum((35, 36), 0.0, 1.0),
    "snare": Drum((38, 40), 0.05, 0.95),
    "clap": Drum((39,), 0.1, 0.7),
    "rim": Drum((37,), 0.1, 0.5),
    "hat": Drum((42, 44), 0.35, 0.2),
    "open": Drum((46,), 0.35, 0.18),
    "ride": Drum((51, 53, 59), -0.4, 0.18),
    "crash": Drum((49, 52, 57), 0.5, 0.25),
    "tom high": Drum((48, 50), 0.3, 0.85),
    "tom low": Drum((41, 45), -0.4, 0.9),
    "shaker": Drum((69, 70, 82), -0.5, 0.15),
    "tambourine": Drum((54,), 0.6, 0.18),
    "bongo high": Drum((60, 62, 63), 0.45, 0.5),
    "bongo low": Drum((61, 64), -0.45, 0.5),
    "cowbell": Drum((56,), -0.3, 0.25),
    "claves": Drum((75, 76), 0.3, 0.3),
}


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _skin(machine: str, hz: float, decay: float, rng: np.random.Generator) -> np.ndarray:
    """A struck skin: kick, tom, bongo."""
    time = _time(min(5 * decay + 0.05, 1.6))
    if machine == "modal":
        modes = [
            rng.uniform(0.3, 1) * np.sin(2 * np.pi * hz * ratio * time) * np.exp(-time * ratio / decay)
            for ratio in MEMBRANE
        ]
        return sum(modes, start=np.zeros(len(time)))
    if machine == "chip":
        steps = np.exp(-time / (0.6 * decay))
        return np.sign(np.sin(2 * np.pi * np.cumsum(hz * (1 + 4 * np.floor(6 * steps) / 6)) / SAMPLE_RATE)) * steps
    fall = 1 + rng.uniform(0.5, 6) * np.exp(-time / rng.uniform(0.008, 0.06))
    phase = 2 * np.pi * np.cumsum(hz * fall) / SAMPLE_RATE
    bend = rng.uniform(1, 5) * np.exp(-time / (0.4 * decay)) * np.sin(rng.uniform(1.2, 3) * phase)
    body = np.sin(phase + (bend if machine == "fm" else 0)) * np.exp(-time / decay)
    click = low_pass(rng.standard_normal(500), rng.uniform(1500, 9000)) * np.linspace(1, 0, 500) ** 2
    body[:500] += rng.uniform(0.0, 0.9) * click
    if machine == "noise":
        body += 0.3 * low_pass(rng.standard_normal(len(time)), rng.uniform(300, 2500)) * np.exp(-time / (0.3 * decay))
    return np.tanh(rng.uniform(2.5, 9) * body) if machine == "hard" else body


def _snare(machine: str, draws: Draws) -> np.ndarray:
    rng, hz, decay = draws.rng, draws("snare, Hz"), draws("snare decay, s")
    time = _time(min(6 * decay + 0.1, 1.0))
    if machine == "chip":
        held = np.repeat(rng.choice((-1.0, 1.0), len(time) // 6 + 1), 6)[: len(time)]
        return held * np.exp(-time / decay)
    if machine == "modal":
        tone = _skin("modal", hz, decay, rng)[: len(time)]
        tone = np.pad(tone, (0, len(time) - len(tone)))
    else:
        index = rng.uniform(1, 4) if machine == "fm" else 0.0
        tone = np.sin(2 * np.pi * hz * time + 2 * np.exp(-60 * time) + index * np.sin(3.3 * np.pi * hz * time))
        tone = (tone + 0.6 * np.sin(3.26 * np.pi * hz * time)) * np.exp(-time / rng.uniform(0.02, 0.12))
    wires = band_pass(rng.standard_normal(len(time)), rng.uniform(500, 2500), rng.uniform(5000, 14000))
    share = rng.uniform(0.7, 1) if machine == "noise" else rng.uniform(0.3, 0.85)
    sound = (1 - share) * tone + 1.4 * share * wires * np.exp(-time / decay)
    return np.tanh(rng.uniform(2, 6) * sound) if machine == "hard" else sound


def _metal(machine: str, decay: float, low_hz: float, rng: np.random.Generator) -> np.ndarray:
    """A cymbal, hat or ride."""
    time = _time(min(4.5 * decay + 0.03, 2.5))
    noise = rng.standard_normal(len(time))
    if machine == "chip":
        sound = np.repeat(rng.choice((-1.0, 1.0), len(time) // 2 + 1), 2)[: len(time)]
    elif machine == "modal":
        partials = rng.uniform(low_hz, 14000, 40)
        sound = (
            sum(
                np.sin(2 * np.pi * hz * time + rng.uniform(0, 6.28)) * np.exp(-time * hz / 6000 / decay / 2)
                for hz in partials
            )
            / 4
        )
    elif machine == "fm":
        base, ratio = rng.uniform(800, 2500), rng.uniform(1.3, 2.9)
        sound = np.sin(2 * np.pi * base * time + 9 * np.sin(2 * np.pi * base * ratio * time)) + 0.4 * noise
    elif machine == "noise":
        sound = noise
    else:
        ratios, base = rng.uniform(1, 4.6, 6), rng.uniform(250, 900)
        metal = sum(np.sign(np.sin(2 * np.pi * base * r * time + rng.uniform(0, 6.28))) for r in ratios)
        sound = 0.25 * metal + rng.uniform(0.2, 1.5) * noise
    sound = low_pass(high_pass(sound, low_hz, order=3), rng.uniform(8500, 16000))
    return sound * np.exp(-time / decay) * np.minimum(time / 0.0008, 1)


def _clap(rng: np.random.Generator) -> np.ndarray:
    time = _time(0.35)
    sound = np.zeros(len(time))
    starts = np.cumsum(rng.uniform(0.006, 0.016, int(rng.integers(2, 6)))) - 0.006
    for start in starts:  # several hands
        offset = int(start * SAMPLE_RATE)
        rest = len(time) - offset
        decay = rng.uniform(0.04, 0.12) if start == starts[-1] else 0.008
        sound[offset:] += rng.standard_normal(rest) * np.exp(-time[:rest] / decay)
    return band_pass(sound, rng.uniform(600, 1200), rng.uniform(4000, 11000))


def _blip(hz: float, decay: float, ratio: float) -> np.ndarray:
    """Two partials that ring: cowbell, claves, rim."""
    time = _time(6 * decay)
    return (np.sin(2 * np.pi * hz * time) + np.sin(2 * np.pi * hz * ratio * time)) * np.exp(-time / decay)


def _shaken(rng: np.random.Generator, seconds: float, low_hz: float) -> np.ndarray:
    time = _time(seconds)
    return band_pass(rng.standard_normal(len(time)), low_hz, rng.uniform(10000, 15000)) * np.hanning(len(time))


def machine_sounds(machine: str, draws: Draws) -> dict[str, np.ndarray]:
    """One sound (L,) for each of :data:`DRUMS`, at its level."""
    rng = draws.rng
    low_hz, hat = draws("hat band, Hz"), draws("hat decay, s")
    tom_hz = rng.uniform(70, 130)
    sounds = {
        "kick": _skin(machine, draws("kick, Hz"), draws("kick decay, s"), rng),
        "snare": _snare(machine, draws),
        "clap": _clap(rng),
        "rim": _blip(rng.uniform(900, 2200), rng.uniform(0.006, 0.02), rng.uniform(1.3, 2.2)),
        "hat": _metal(machine, hat, low_hz, rng),
        "open": _metal(machine, rng.uniform(0.08, 0.4), low_hz, rng),
        "ride": _metal(machine, rng.uniform(0.2, 0.6), 0.7 * low_hz, rng),
        "crash": _metal(machine, draws("crash decay, s"), rng.uniform(1200, 3000), rng),
        "tom high": _skin(machine, tom_hz * rng.uniform(1.6, 2.4), rng.uniform(0.08, 0.3), rng),
        "tom low": _skin(machine, tom_hz, rng.uniform(0.1, 0.4), rng),
        "shaker": _shaken(rng, rng.uniform(0.05, 0.12), 4500),
        "tambourine": _shaken(rng, rng.uniform(0.1, 0.3), 6500),
        "bongo high": _skin(machine, rng.uniform(300, 450), rng.uniform(0.04, 0.12), rng),
        "bongo low": _skin(machine, rng.uniform(180, 280), rng.uniform(0.06, 0.16), rng),
        "cowbell": _blip(rng.uniform(500, 800), rng.uniform(0.04, 0.12), rng.uniform(1.4, 1.6)),
        "claves": _blip(rng.uniform(1800, 2800), rng.uniform(0.01, 0.03), rng.uniform(1.0, 1.1)),
    }
    return {name: sounds[name] / np.abs(sounds[name]).max() * drum.level for name, drum in DRUMS.items()}
