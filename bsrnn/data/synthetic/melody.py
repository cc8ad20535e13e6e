"""Lines of the voices: sung, held, spoken to a beat, with melismas; harmonies and a choir's chords. All ours."""

from dataclasses import dataclass

import numpy as np

from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Note, Score
from bsrnn.data.synthetic.singer import Syllable
from bsrnn.data.synthetic.timbres import CONSONANTS, VOWELS

# Manner -> lengths of syllables in beats, and how often
LENGTHS = {
    "sung": ((0.25, 0.5, 0.75, 1, 1.5, 2), (0.16, 0.42, 0.08, 0.19, 0.09, 0.06)),
    "rap": ((0.25, 0.5, 1 / 3), (0.6, 0.3, 0.1)),
    "held": ((1, 1.5, 2, 3), (0.4, 0.2, 0.3, 0.1)),
}


@dataclass(frozen=True)
class Manner:
    """How one song's lead is sung."""

    name: str
    density: float
    rests: float
    pauses: float
    melismas: float
    off: float  # semitones, standard deviation of a note's pitch


@dataclass(frozen=True)
class Sung:
    """One note of a phrase."""

    beat: float
    beats: float
    place: int  # index into the scale's notes in the singer's range
    turns: tuple[int, ...] = ()  # places of a melisma


def _draw_manner(score: Score, draws: Draws) -> Manner:
    rap = draws.rng.random() < score.style.rap
    name = "rap" if rap else draws.pick(("sung", "sung", "sung", "held"))
    return Manner(
        name,
        draws("syllable density"),
        draws.rng.uniform(0.03, 0.3),
        draws("pause chance"),
        draws("melisma chance"),
        0.6 if rap else draws("intonation, semitones"),
    )


def _phrase(
    manner: Manner, span: list[int], place: int, chord: set[int], beats: int, rng: np.random.Generator
) -> tuple[list[Sung], int]:
    """A bar of melody, and the place where it ends."""
    lengths, weights = LENGTHS[manner.name]
    notes, beat, reach = [], float(rng.choice((0, 0, 0.5, 1))), 1 if manner.name == "rap" else 2
    while beat < beats - 0.2:
        length = min(float(rng.choice(lengths, p=weights)) / manner.density, beats - beat)
        if rng.random() >= manner.rests:
            place = int(np.clip(place + rng.integers(-reach, reach + 1), 0, len(span) - 1))
            if beat % 2 == 0 and rng.random() < 0.6:  # strong beats like chord tones
                tones = [i for i, pitch in enumerate(span) if pitch % 12 in chord]
                place = min(tones, key=lambda i: abs(i - place), default=place)
            melisma = length >= 0.75 and rng.random() < manner.melismas
            steps = rng.integers(-2, 3, rng.integers(1, 5)) if melisma else ()
            turns = tuple(int(np.clip(place + step, 0, len(span) - 1)) for step in steps)
            notes.append(Sung(beat, length, place, turns))
        beat += length
    return notes, place


def write_vocals(score: Score, seconds: float, draws: Draws) -> None:
    """Lead and harmony, syllable by syllable; melodies come back with their sections, with changes."""
    rng, manner = draws.rng, _draw_manner(score, draws)
    low = score.voice.centre[0] - 7
    span = [pitch for pitch in range(low, low + 18) if (pitch - score.key) % 12 in score.scale]
    # a language of its own: some vowels and consonants are common, others rare
    vowel_weights, consonant_weights = rng.dirichlet(np.ones(len(VOWELS))), rng.dirichlet(np.ones(len(CONSONANTS)))
    bare = rng.uniform(0.02, 0.25)
    phrases: dict[tuple[str, int], list[Sung]] = {}
    place = len(span) // 2
    for bar, section in score.sounding("vocals"):
        if bar > section.bar and rng.random() < manner.pauses:
            continue
        key = (section.name, bar % 4)
        if key not in phrases or rng.random() < 0.3:
            chord = {pitch % 12 for pitch in score.chord(bar, section)[:3]}
            phrases[key], place = _phrase(manner, span, place, chord, score.beats, rng)
        for note in phrases[key]:
            start, length = score.time(bar, note.beat, rng), note.beats * 60 / score.bpm
            if start < 0.05 or start + length > seconds:
                continue
            consonant = "" if rng.random() < bare else draws.pick(CONSONANTS, consonant_weights)
            vowel, velocity = draws.pick(VOWELS, vowel_weights), rng.uniform(0.5, 1)
            sung = span[note.place] + score.tune + rng.normal(0, manner.off)
            turns = [(k + 1) * length / (len(note.turns) + 1) for k in range(len(note.turns))]
            pitches = [span[turn] + score.tune for turn in note.turns]
            if manner.name == "rap":  # speech falls
                turns, pitches = [0.4 * length], [sung - rng.uniform(0.5, 3)]
            score.lead.append(
                Syllable(
                    start, 0.96 * length, sung, consonant, vowel, velocity, tuple(zip(turns, pitches, strict=True))
                )
            )
            if section.name == "chorus":
                above = span[min(note.place + 2, len(span) - 1)] + score.tune
                late = max(0.05, start + rng.normal(0, 0.02))
                score.harmony.append(Syllable(late, 0.94 * length, above, consonant, vowel, 0.9 * velocity))
    _write_choir(score, draws)


def _write_choir(score: Score, draws: Draws) -> None:
    """Held chords under choruses and contrasts, for songs that have a choir."""
    for bar, section in score.sounding("vocals"):
        if section.name != "verse":
            chord = score.chord(bar, section)[:3]
            start = score.time(bar, 0, draws.rng)
            score.choir += [Note(start, 0.95 * score.bar_seconds, 55 + (pitch - 55) % 12, 0.8) for pitch in chord]
