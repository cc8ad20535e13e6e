"""Every drawn parameter: its range, and where that is from. A song's draws are recorded beside it, in song.json.

Sources: "ours" is what we take real pop, rock, electronic, hip-hop and folk records to span, by the habits of the
trade; measured it is against two real recordings only (test_realism.py), and what amateurs span was chosen with the
spectra of ten clips of MIR-1K in view (results/pilots/spectra.csv). Prame 1994 and 1997 (JASA 96 and 102): vibrato of
singers, 6 Hz on average, 0.3 to 1.2 semitones deep. Friberg and Sundstrom 2002 (Music Perception 19): the long eighth
of swing is 1 to 3.5 times the short one. Klatt and Klatt 1990 (JASA 87): the breathier a voice, the stronger its first
harmonic. The kinds of voices in ``timbres`` follow Peterson and Barney 1952 (JASA 24): formants of men lie some 15 %
below those of women, of children as much above.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Range:
    """Where a parameter is drawn from, uniformly or on a log scale."""

    low: float
    high: float
    source: str = "ours"
    log: bool = False


@dataclass(frozen=True)
class Chance:
    """How often something is done at all."""

    probability: float
    source: str = "ours"


RANGES = {
    # the whole song
    "tempo place": Range(0, 1, "ours: within the style's, 60 to 180 beats a minute over all styles"),
    "tuning, semitones": Range(-0.5, 0.5, "ours: old records and tapes run a quarter tone off"),
    "swing place": Range(0, 1, "Friberg and Sundstrom 2002: off-beats late by up to a sixth of a beat, ratio 2"),
    "human timing, s": Range(0.0, 0.015, "ours: quantised to loose"),
    "loudness swing": Range(0.0, 1.8, "ours: share of form.KINDS' 2 to 3 dB between verse and chorus"),
    # singers
    "vibrato rate, Hz": Range(4.0, 7.5, "Prame 1994, widened by 1 Hz for pop"),
    "vibrato depth, semitones": Range(0.05, 1.2, "Prame 1997", log=True),
    "vibrato delay, s": Range(0.05, 0.6),
    "glide, s": Range(0.006, 0.09, "ours: stepped to portamento", log=True),
    "scoop, semitones": Range(0.0, 1.8, "ours: notes begun below"),
    "intonation, semitones": Range(0.0, 0.35, "ours: corrected to amateur; standard deviation over notes"),
    "jitter": Range(0.015, 0.12, log=True),
    "formant balance": Range(0.91, 1.09, "ours: speakers' formants differ by a tenth beside the tract's length"),
    "formant bandwidth": Range(0.7, 1.9),
    "spectral tilt, dB/octave": Range(0.5, 8.5, "ours: pressed to breathy"),
    "breath": Range(0.004, 0.12, log=True),
    "voiced up to, Hz": Range(3000, 11000, log=True),
    "singer's formant, dB": Range(-3.0, 11.0),
    "sibilance": Range(0.35, 1.9),
    "rasp": Range(0.15, 0.8, "ours: of raspy voices; depth of every second glottal pulse"),
    "voice drive": Range(1.0, 5.0, "ours: saturated microphones", log=True),
    "syllable density": Range(0.6, 1.6, "ours: held notes to chatter"),
    "pause chance": Range(0.0, 0.35),
    "melisma chance": Range(0.0, 0.3),
    "vocal compression": Range(0.0, 0.75, "ours: share of level differences taken away; 0.75 is a ratio of 4"),
    "vocal air, dB": Range(-2.0, 13.0, "ours: dull to bright microphones and desks"),
    "amateur's fundamental, dB": Range(0.0, 14.0, "ours, after Klatt and Klatt 1990: above the other harmonics"),
    "amateur's tilt, dB/octave": Range(0.5, 6.5, "ours: beside the voice's own; soft singing has few overtones"),
    "amateur's compression": Range(0.0, 0.3),
    "proximity, dB": Range(-3.0, 7.0, "ours: directional microphones close to the mouth, below 250 Hz"),
    "amateur's treble, dB": Range(-9.0, 4.0, "ours: dynamic microphones and phones, from 2 kHz on"),
    "double delay, s": Range(0.012, 0.045, "ours: automatic double tracking"),
    "harmony level": Range(0.12, 0.6, log=True),
    "echo level": Range(0.08, 0.4),
    # drums
    "drum tuning, semitones": Range(-4.0, 4.0),
    "drum decay": Range(0.35, 1.3, "ours: dampened to ringing; of each drum's own"),
    "machine share": Range(0.0, 1.0, "ours: recorded to computed, layered between"),
    "cymbal level, dB": Range(-9.0, 5.0),
    "kick, Hz": Range(36, 75, "ours: 808 to small acoustic kicks", log=True),
    "kick decay, s": Range(0.06, 0.8, log=True),
    "snare, Hz": Range(130, 330, log=True),
    "snare decay, s": Range(0.04, 0.28, log=True),
    "hat band, Hz": Range(3000, 9000, log=True),
    "hat decay, s": Range(0.012, 0.07, log=True),
    "crash decay, s": Range(0.25, 1.3, log=True),
    "drum width": Range(0.0, 1.0),
    "parallel compression": Range(0.1, 1.2, "ours: level of the crushed copy"),
    "bits": Range(5, 11, "ours: of samplers and their imitations"),
    "drum drive": Range(1.0, 4.0, log=True),
    "drum shade, dB": Range(-10.0, 2.0, "ours: microphones and tape, from 2 kHz on"),
    "ghost chance": Range(0.0, 0.6),
    # bass
    "bass drive": Range(0.6, 12.0, "ours: clean to fuzz", log=True),
    "bass drive blend": Range(0.0, 0.95),
    "bass treble, dB": Range(-3.0, 13.0),
    "bass articulation": Range(0.3, 1.0, "ours: staccato to legato"),
    "slide chance": Range(0.0, 0.35),
    # synthesisers
    "cutoff, octaves": Range(0.3, 5.5, "ours: above the note"),
    "resonance": Range(0.6, 7.0, "ours: Q", log=True),
    "sweep, octaves": Range(0.0, 4.0),
    "sweep, s": Range(0.03, 1.2, log=True),
    "attack, s": Range(0.002, 0.03, log=True),
    "pad attack, s": Range(0.05, 0.6, log=True),
    "decay, s": Range(0.08, 1.5, log=True),
    "sustain": Range(0.0, 0.95),
    "release, s": Range(0.04, 0.5, log=True),
    "detune, semitones": Range(0.02, 0.35, log=True),
    "FM index": Range(0.5, 7.0, log=True),
    "pulse width": Range(0.08, 0.5),
    # other instruments
    "brightness, dB": Range(-6.0, 14.0, "ours: from 1 kHz on; the soundfont's samples are dull"),
    "guitar drive": Range(3.0, 25.0, "ours: crunch to high gain", log=True),
    "cabinet, Hz": Range(3000, 8000, "ours: where a guitar loudspeaker ends", log=True),
    "part level, dB": Range(-9.0, 0.0),
    "part density": Range(0.35, 1.0),
    "part pan": Range(0.0, 0.9),
    # rooms and the desk
    "room decay, s": Range(0.15, 0.9, "ours: booth to live room", log=True),
    "hall decay, s": Range(0.6, 3.5, "ours: plate to church", log=True),
    "pre-delay, s": Range(0.001, 0.08),
    "room brightness, Hz": Range(2500, 12000, log=True),
    "early reflections": Range(0.0, 0.8),
    "wet vocals": Range(0.0, 0.4),
    "wet drums": Range(0.0, 0.35),
    "wet bass": Range(0.0, 0.15),
    "wet other": Range(0.0, 0.35),
    "low shelf, dB": Range(-6.0, 6.0),
    "bell, dB": Range(-6.0, 6.0),
    "bell, Hz": Range(150, 6000, log=True),
    "bell Q": Range(0.5, 2.5, log=True),
    "high shelf, dB": Range(-6.0, 6.0),
    "sidechain, dB": Range(2.0, 14.0, "ours: of bass and other under the kick"),
    "sidechain, s": Range(0.08, 0.35),
    # mastering
    "master tilt, dB": Range(-5.0, 5.0),
    "bus threshold, dB": Range(-14.0, -2.0, "ours: below the loudest"),
    "bus ratio": Range(1.2, 4.0),
    "limiter push, dB": Range(0.0, 10.0, "ours: unlimited to the loudness war"),
    "tape drive": Range(0.3, 1.6, "ours: gentle saturation of the sum"),
    "stereo width": Range(0.4, 1.3),
    "bandwidth, Hz": Range(6500, 15000, "ours: cassettes, shellac, low-rate codecs", log=True),
}

CHANCES = {
    "vibrato": Chance(0.75),
    "double": Chance(0.25),
    "harmony": Chance(0.4),
    "choir": Chance(0.16),
    "echo": Chance(0.3),
    "autotune": Chance(0.12),
    "voice drive": Chance(0.3),
    "telephone": Chance(0.05),
    "percussion": Chance(0.4),
    "parallel compression": Chance(0.35),
    "bit crusher": Chance(0.1),
    "drum drive": Chance(0.35),
    "gated": Chance(0.08),
    "fills": Chance(0.7),
    "synth bass": Chance(0.35),
    "bass chorus": Chance(0.2),
    "sevenths": Chance(0.35),
    "foreign part": Chance(0.3, "ours: an instrument that the style would not ask for"),
    "sidechain": Chance(0.2),
    "bus compressor": Chance(0.6),
    "limiter": Chance(0.7),
    "tape": Chance(0.3),
    "narrow band": Chance(0.15),
    "mono": Chance(0.08, "ours: records to 1968, and phones"),
}


class Draws:
    """Draws parameters by name and keeps what it drew: ``record`` holds name -> values, shared between branches."""

    def __init__(self, rng: np.random.Generator, record: dict[str, list[float]] | None = None):
        self.rng = rng
        self.record: dict[str, list[float]] = {} if record is None else record

    def __call__(self, name: str) -> float:
        """A value of ``RANGES[name]``."""
        span = RANGES[name]
        place = self.rng.random()
        value = span.low * (span.high / span.low) ** place if span.log else span.low + place * (span.high - span.low)
        self.record.setdefault(name, []).append(round(float(value), 5))
        return float(value)

    def chance(self, name: str) -> bool:
        """Whether ``CHANCES[name]`` comes true."""
        happens = bool(self.rng.random() < CHANCES[name].probability)
        self.record.setdefault(f"{name}?", []).append(float(happens))
        return happens

    def pick(self, options: Sequence, weights: Sequence[float] | np.ndarray | None = None):
        """One of ``options``, whatever their type."""
        if weights is None:
            return options[int(self.rng.integers(len(options)))]
        shares = np.cumsum(weights) / np.sum(weights)
        return options[min(int(np.searchsorted(shares, self.rng.random(), side="right")), len(options) - 1)]

    def branch(self, rng: np.random.Generator) -> "Draws":
        """Draws of another line: a generator of its own, one record."""
        return Draws(rng, self.record)
