"""Accompaniment: how the instruments of "other" play over chords, in a manner each. All ours."""

import numpy as np

from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Note, Part, Score, Section
from bsrnn.data.synthetic.timbres import Pool

MANNERS = ("held", "comp", "arpeggio", "stab", "strum", "picked", "oom-pah", "power", "riff", "solo", "counter")
Placed = tuple[float, int, float]  # beat, pitch, beats


class PartWriter:
    """Writes one instrument bar by bar. What makes it recognisable (rhythm, order, motif) is drawn once."""

    def __init__(self, manner: str, octave: int, score: Score, rng: np.random.Generator):
        self.manner, self.octave, self.score, self.rng = manner, octave, score, rng
        beats = score.beats
        density = rng.uniform(0.2, 0.55)
        self.rhythm = sorted(
            {float(rng.choice((0, 0.5)))}
            | {at / 4 for at in range(4 * beats) if rng.random() < density * (0.3 if at % 2 else 1)}
        )
        self.step = float(rng.choice((0.25, 0.5, 0.5, 1 / 3)))
        self.order = tuple(rng.permutation(6)) if rng.random() < 0.4 else (0, 1, 2, 3, 2, 1)
        self.motif = [(float(at), int(rng.integers(-2, 6))) for at in np.arange(0, beats, 0.5) if rng.random() < 0.6]
        self.length = rng.uniform(0.3, 1.0)  # share of the time to the next note
        self.velocity, self.spread = rng.uniform(0.55, 0.95), rng.uniform(0.0, 0.3)
        self.strum = rng.uniform(0.005, 0.03)  # beats between two strings

    def bar(self, bar: int, section: Section) -> list[Note]:
        """One bar's notes."""
        chord = self.score.chord(bar, section)
        voicing = sorted(self.octave + (pitch - self.octave) % 12 for pitch in chord[: self.score.tones])
        seconds, notes = 60 / self.score.bpm, []
        for beat, pitch, beats in self._placed(voicing, chord[0] % 12):
            velocity = float(np.clip(self.velocity * (1 - self.spread * self.rng.random()), 0.1, 1))
            start = self.score.time(bar, beat, self.rng)
            notes.append(Note(start, beats * seconds, float(np.clip(pitch, 28, 98)), velocity))
        return notes

    def _placed(self, voicing: list[int], root: int) -> list[Placed]:
        write = {
            "held": self._held,
            "arpeggio": self._arpeggio,
            "strum": self._strums,
            "picked": self._picked,
            "oom-pah": self._oom_pah,
            "riff": self._riff,
            "solo": self._solo,
            "counter": self._counter,
        }
        if self.manner in write:
            return write[self.manner](voicing)
        tones = [root + 40 + interval for interval in (0, 7, 12)] if self.manner == "power" else voicing
        rhythm = list(np.arange(0, self.score.beats, 0.5)) if self.manner == "power" else self.rhythm
        shortened = 0.4 if self.manner == "stab" else 1.0
        ends = zip(rhythm, (*rhythm[1:], self.score.beats), strict=True)
        return [
            (beat, pitch, max(0.1, (until - beat) * self.length * shortened)) for beat, until in ends for pitch in tones
        ]

    def _held(self, voicing: list[int]) -> list[Placed]:
        return [(0, pitch, self.score.beats - 0.05) for pitch in voicing]

    def _arpeggio(self, voicing: list[int]) -> list[Placed]:
        ladder = [*voicing[:3], *(pitch + 12 for pitch in voicing[:3])]
        beats = np.arange(0, self.score.beats, self.step)
        length = self.step * (0.5 + self.length)
        return [
            (float(beat), ladder[self.order[k % 6]], length) for k, beat in enumerate(beats) if self.rng.random() < 0.9
        ]

    def _strums(self, voicing: list[int]) -> list[Placed]:
        strings = [voicing[0] - 12, *voicing]
        placed = []
        for number, beat in enumerate(self.rhythm):
            order = strings if number % 2 == 0 else strings[::-1]  # down and up
            placed += [(beat + self.strum * k, pitch, 0.9) for k, pitch in enumerate(order)]
        return placed

    def _picked(self, voicing: list[int]) -> list[Placed]:
        low = [(float(beat), voicing[0] - 12 * (beat % 2 == 0), 0.9) for beat in range(self.score.beats)]
        high = [
            (beat + 0.5, voicing[1 + self.order[beat % 6] % (len(voicing) - 1)], 0.5)
            for beat in range(self.score.beats)
        ]
        return low + high

    def _oom_pah(self, voicing: list[int]) -> list[Placed]:
        placed = [(0.0, voicing[0] - 12, 0.9)]
        for beat in range(1, self.score.beats):
            low = self.score.beats == 4 and beat == 2
            placed += [(float(beat), voicing[2] - 12, 0.9)] if low else [(float(beat), p, 0.5) for p in voicing]
        return placed

    def _riff(self, voicing: list[int]) -> list[Placed]:
        scale, key = self.score.scale, self.score.key
        base = self.octave + (key - self.octave) % 12
        placed = []
        for beat, degree in self.motif:
            placed.append((beat, base + scale[degree % 7] + 12 * (degree // 7), 0.5 * (0.4 + self.length)))
        return placed

    def _solo(self, voicing: list[int]) -> list[Placed]:
        if self.rng.random() < 0.35:
            return []
        notes, beat = [], float(self.rng.choice((0, 0.5, 1)))
        scale, base = self.score.scale, self.octave + (self.score.key - self.octave) % 12
        degree = int(self.rng.integers(0, 8))
        while beat < self.score.beats - 0.1:
            beats = float(self.rng.choice((0.25, 0.5, 0.5, 1, 1.5)))
            degree = int(np.clip(degree + self.rng.integers(-3, 4), -2, 11))
            if self.rng.random() < 0.8:
                notes.append((beat, base + scale[degree % 7] + 12 * (degree // 7), 0.95 * beats))
            beat += beats
        return notes

    def _counter(self, voicing: list[int]) -> list[Placed]:
        half = self.score.beats / 2
        return [
            (at * half, int(self.rng.choice(voicing)) + 12 * int(self.rng.random() < 0.3), 0.95 * half)
            for at in (0, 1)
            if self.rng.random() < 0.85
        ]


def write_parts(score: Score, pool: Pool, draws: Draws) -> None:
    """Two to four instruments, mostly of the style's line-up; all but the first rest in some phrases of two bars."""
    rng = draws.rng
    names = [name for name in dict.fromkeys(score.style.line_up) if name in pool.families]
    chosen = [str(name) for name in rng.permutation(names)[: int(rng.integers(2, 5))]]
    if not chosen or draws.chance("foreign part"):
        chosen.append(draws.pick(tuple(pool.families)))
    rests = rng.choice((0.0, 0.05, 0.12))
    resting = {bar for bar in range(score.bars) if rng.random() < rests}  # the whole band stops
    for number, name in enumerate(chosen):
        family = pool.families[name]
        manner = draws.pick(family.manners)
        if number == 0 and manner in ("solo", "counter"):  # chords need someone to play them
            manner = draws.pick(family.manners[:1] if family.manners[0] not in ("solo", "counter") else ("riff",))
        writer = PartWriter(manner, draws.pick(family.octaves), score, rng)
        phrases = rng.random(64) < draws("part density")
        notes: list[Note] = []
        for bar, section in score.sounding("other"):
            first = bar == section.bar
            if (bar in resting and not first) or (number > 0 and not phrases[bar // 2 % 64]):
                continue
            notes += writer.bar(bar, section)
        score.parts.append(Part(name, family, manner, draws.pick(family.sources), tuple(notes)))
