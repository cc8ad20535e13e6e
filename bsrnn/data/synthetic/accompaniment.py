"""Accompaniment: chords, arpeggios, riffs and solos, an instrument of "other" at a time. All ours."""

from collections.abc import Callable

import numpy as np

from bsrnn.data.synthetic.score import Note, Score, Section, draw
from bsrnn.data.synthetic.styles import CHORD_PATTERNS, STRUMS


class PartWriter:
    """Writes one instrument of "other" bar by bar, in the manner of its role. ``time``: (bar, beat, rng) -> seconds."""

    def __init__(
        self,
        role: str,
        score: Score,
        scale: tuple[int, ...],
        sevenths: bool,
        time: Callable[..., float],
        rng: np.random.Generator,
    ):
        self.role, self.score, self.scale, self.tones, self.time, self.rng = role, score, scale, 3 + sevenths, time, rng
        self.pattern = draw(rng, CHORD_PATTERNS)
        self.octave = draw(rng, (48, 60))
        self.order = rng.permutation(4)  # of an arpeggio
        self.strummed = rng.random() < 0.6
        self.length = rng.uniform(0.4, 0.95)  # share of the time to the next chord
        self.velocity = rng.uniform(0.6, 0.95)

    def bar(self, bar: int, section: Section, chord: list[int]) -> list[Note]:
        """One bar over a chord (root, third, fifth, seventh)."""
        voicing = sorted(self.octave + (pitch - self.octave) % 12 for pitch in chord[: self.tones])
        beat_seconds = 60 / self.score.bpm
        notes = []
        for beat, pitch, beats in self._notes(voicing, chord[0] % 12, section):
            velocity = float(np.clip(self.velocity * self.rng.uniform(0.8, 1.05), 0.1, 1))
            start = self.time(bar, beat, self.rng)
            notes.append(Note(start, beats * beat_seconds, float(np.clip(pitch, 28, 98)), velocity))
        return notes

    def _notes(self, voicing: list[int], root: int, section: Section) -> list[tuple[float, int, float]]:
        """(beat, pitch, beats)"""
        arpeggio = [*voicing[:3], voicing[0] + 12]
        match self.role:
            case "pad" | "strings" | "organ":
                return [(0, pitch, 3.95) for pitch in voicing]
            case "acoustic guitar" if self.strummed:
                return [(b + 0.02 * j, p, 0.9) for b in STRUMS for j, p in enumerate([voicing[0] - 12, *voicing])]
            case "acoustic guitar":
                return [(b, arpeggio[self.order[int(2 * b) % 4]], 0.8) for b in np.arange(0, 4, 0.5)]
            case "pluck":
                steps = [b for b in np.arange(0, 4, 0.25) if self.rng.random() < 0.85]
                return [(b, arpeggio[self.order[int(4 * b) % 4]] + 12, 0.22) for b in steps]
            case "distorted guitar":
                power = [root + 40 + interval for interval in (0, 7, 12)]
                if section.name == "chorus":
                    return [(0, pitch, 3.9) for pitch in power]
                return [(b, pitch, 0.9 * self.length) for b in np.arange(0, 4, 0.5) for pitch in power]
            case "lead" | "wind":
                return self._solo() if self.rng.random() < (0.4 if section.name == "verse" else 0.8) else []
        strum = 0.012 if self.role == "clean guitar" else 0.0
        ends = zip(self.pattern, (*self.pattern[1:], 4), strict=True)
        return [(b + strum * j, p, (until - b) * self.length) for b, until in ends for j, p in enumerate(voicing)]

    def _solo(self) -> list[tuple[float, int, float]]:
        notes, beat = [], 0.0
        key, scale = self.score.key, self.scale
        while beat < 3.9:
            beats = float(self.rng.choice((0.5, 0.5, 1, 1.5)))
            degree = int(self.rng.integers(0, 9))
            if self.rng.random() < 0.75:
                notes.append((beat, 60 + key % 12 + scale[degree % 7] + 12 * (degree // 7), 0.95 * beats))
            beat += beats
        return notes
