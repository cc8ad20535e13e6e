"""Composition: a style and a pool become sections, chords and notes. Nothing here sounds yet. All ours."""

from dataclasses import replace

import numpy as np

from bsrnn.config import TARGETS
from bsrnn.data.synthetic.accompaniment import PartWriter
from bsrnn.data.synthetic.score import Hit, Note, Part, Score, Section, draw
from bsrnn.data.synthetic.singer import Syllable
from bsrnn.data.synthetic.splits import Pool
from bsrnn.data.synthetic.styles import BASS_PATTERNS, STYLES, Style

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PASSAGE_SECONDS = 6.0  # passages without a target last this long at least: finetuning looks at 3 s chunks

# Section -> which targets sound (probabilities; vocals, drums, bass, other)
SOUNDING = {
    "intro": (0, 0.5, 0.5, 1),
    "verse": (1, 0.93, 0.92, 0.92),
    "chorus": (1, 1, 1, 1),
    "break": (0.6, 0, 0.4, 1),
    "instrumental": (0, 1, 1, 1),
    "beat": (0.6, 1, 0.6, 0),
    "a cappella": (1, 0, 0, 0),
    "duet": (1, 0.2, 0, 1),
    "drum solo": (0, 1, 0, 0),
    "bass solo": (0, 0, 1, 0),
    "without bass": (1, 0.6, 0, 1),
}
CONTRASTS = {
    "break": 0.24,
    "instrumental": 0.22,
    "beat": 0.18,
    "a cappella": 0.1,
    "duet": 0.1,
    "drum solo": 0.04,
    "bass solo": 0.04,
    "without bass": 0.08,
}
# What song number i has for certain. Seven, so that even and odd test songs meet all of them
FEATURES = ("a cappella", "instrumental", "", "drum solo", "plain", "bass solo", "")
SECTION_DB = {"verse": -1.5, "chorus": 1.0, "intro": -2.0, "break": -2.5, "duet": -2.5}


def draw_form(bars: int, bar_seconds: float, feature: str, rng: np.random.Generator) -> list[Section]:
    """Sections that fill ``bars``: verses and choruses, and between them contrasts.

    ``feature``: a contrast that the song is to have if it is long enough, "plain" for none at all, "" for what comes.
    """
    names, weights = list(CONTRASTS), np.array(list(CONTRASTS.values()))
    passage_bars = int(np.ceil(PASSAGE_SECONDS / bar_seconds))
    plain, slot = feature == "plain", int(rng.integers(1, 3))
    sections: list[Section] = []
    bar, previous = 0, ""
    while bar < bars:
        if feature in CONTRASTS and len(sections) == slot:
            name = feature
        elif bar == 0 and not plain and rng.random() < 0.4:
            name = "intro"
        elif plain or previous in CONTRASTS or rng.random() < 0.6:
            name = "chorus" if previous == "verse" else "verse"
        else:
            name = str(rng.choice(names, p=weights / weights.sum()))
        full = name in ("verse", "chorus")
        length = min(max(passage_bars, 4 if full and bar_seconds < 2.6 else 2), bars - bar)
        chances = (1, 1, 1, 1) if plain else SOUNDING[name]
        sounds = tuple(t for t, chance in zip(TARGETS, chances, strict=True) if rng.random() < chance)
        sections.append(Section(name, bar, length, sounds))
        bar, previous = bar + length, name
    silent = [t for t in TARGETS if not any(t in s.sounds for s in sections)]
    if silent:  # no stem of a song may be silent throughout: its score would be undefined
        at = next((i for i, s in enumerate(sections) if s.name in ("verse", "chorus")), len(sections) - 1)
        sections[at] = replace(sections[at], sounds=(*sections[at].sounds, *silent))
    return sections


class Composer:
    """Writes the lines of one song. Each line has its own generator, so that changing one leaves the others."""

    def __init__(self, pool: Pool, seconds: float, index: int, rng: np.random.Generator):
        form_rng, *self._rngs = rng.spawn(5)
        self.pool, self.seconds = pool, seconds
        name = draw(form_rng, pool.styles)
        self.style: Style = STYLES[name]
        bpm = form_rng.uniform(*self.style.tempo)
        bars = int(np.ceil(seconds * bpm / 240))
        kits = pool.electronic_kits if form_rng.random() < self.style.electronic else pool.acoustic_kits
        synth_bass = form_rng.random() < self.style.synth_bass
        basses = [b for b in pool.basses if isinstance(b, str) == synth_bass]
        self.swing = draw(form_rng, self.style.swing)
        self.score = Score(
            style=name,
            bpm=bpm,
            key=int(form_rng.integers(12)),
            minor=bool(form_rng.random() < 0.5),
            tune=form_rng.uniform(-0.25, 0.25),
            progressions=(draw(form_rng, pool.progressions), draw(form_rng, pool.progressions)),
            kit=draw(form_rng, kits),
            voice=draw(form_rng, pool.voices),
            bass_source=draw(form_rng, basses),
            sections=draw_form(bars, 240 / bpm, FEATURES[index % len(FEATURES)], form_rng),
        )
        self.scale = MINOR if self.score.minor else MAJOR

    def compose(self) -> Score:
        for write, rng in zip((self._drums, self._bass, self._other, self._vocals), self._rngs, strict=True):
            write(rng)
        return self.score

    def _bars(self, target: str):
        """(bar, section) of every bar in which a target sounds."""
        for bar in range(self.score.bars):
            section = self.score.section(bar)
            if target in section.sounds:
                yield bar, section

    def time(self, bar: int, beat: float, rng: np.random.Generator) -> float:
        """Seconds, with swing and a human's 5 ms."""
        offbeat = self.swing if 0.4 < beat % 1 < 0.6 else 0
        return max(0.0, (bar * 4 + beat + offbeat) * 60 / self.score.bpm + rng.normal(0, 0.005))

    def chord(self, bar: int, section: Section) -> list[int]:
        """Root, third, fifth and seventh as semitones above C."""
        degree = self.score.progressions[section.name == "chorus"][bar % 4]
        steps = (degree + k for k in (0, 2, 4, 6))
        return [self.score.key + self.scale[s % 7] + 12 * (s // 7) for s in steps]

    def _drums(self, rng: np.random.Generator) -> None:  # noqa: C901 -- every song hangs on the order of its draws
        style, hits = self.style, self.score.hits
        kicks = draw(rng, style.kick), draw(rng, style.kick)  # verse, chorus
        tops = draw(rng, ("hat", "hat", "ride", "shaker")), draw(rng, ("hat", "hat", "open", "ride"))
        step = draw(rng, style.hat_steps)
        ghost_chance, fills, empty_chance = rng.uniform(0, 0.5), draw(rng, (True, True, False)), draw(rng, (0, 0, 0.08))

        def hit(drum: str, bar: int, beat: float, velocity: float) -> None:
            hits.append(Hit(self.time(bar, beat, rng), drum, velocity))

        for bar, section in self._bars("drums"):
            chorus, last = section.name == "chorus", bar == section.bar + section.bars - 1
            fill = fills and last
            if bar == section.bar:
                hit("crash", bar, 0, 0.9)
            elif rng.random() < empty_chance:
                continue
            for beat in kicks[chorus]:
                hit("kick", bar, beat, rng.uniform(0.8, 1))
            for beat in style.backbeat:
                if not (fill and beat == 3):
                    hit("clap" if style.clap and bar % 2 else "snare", bar, beat, rng.uniform(0.8, 1))
            if rng.random() < ghost_chance:
                hit("snare", bar, draw(rng, (0.75, 1.75, 2.25, 3.75)), rng.uniform(0.2, 0.4))
            for beat in np.arange(0, 3 if fill else 4, step):
                if rng.random() < 0.94:
                    top = tops[chorus] if tops[chorus] != "open" or beat % 1 == 0.5 else "hat"  # opens off the beat
                    hit(top, bar, beat, (0.75 if beat % 1 == 0 else 0.5) * rng.uniform(0.8, 1.1))
            if fill:
                for beat in (3, 3.25, 3.5, 3.75):
                    hit(draw(rng, ("snare", "tom high", "tom low")), bar, beat, rng.uniform(0.6, 1))

    def _bass(self, rng: np.random.Generator) -> None:
        patterns = draw(rng, BASS_PATTERNS), draw(rng, BASS_PATTERNS)
        articulation = rng.uniform(0.45, 0.98)
        rest_chance = draw(rng, (0.0, 0.06, 0.15))
        for bar, section in self._bars("bass"):
            pattern, root = patterns[section.name == "chorus"], self.chord(bar, section)[0] % 12 + 28
            keep = len(pattern)
            if rng.random() < rest_chance and bar > section.bar:
                keep = int(rng.integers(0, 2))  # one note and silence, or nothing
            for beat, until in list(zip(pattern, (*pattern[1:], 4), strict=True))[:keep]:
                jump = draw(rng, (0, 0, 0, 0, 7, 12, -1 if until == 4 else 0))
                seconds = (until - beat) * 60 / self.score.bpm * articulation
                self.score.bass.append(Note(self.time(bar, beat, rng), seconds, root + jump, rng.uniform(0.7, 1)))

    def _other(self, rng: np.random.Generator) -> None:
        count = min(int(rng.integers(2, 4)), len(self.style.parts))
        rest_chance = draw(rng, (0.0, 0.05, 0.12))
        resting = {bar for bar in range(self.score.bars) if rng.random() < rest_chance}  # the whole band stops
        for number, role in enumerate(map(str, rng.permutation(self.style.parts)[:count])):
            writer = PartWriter(role, self.score, self.scale, self.style.sevenths, self.time, rng)
            density = rng.uniform(0.5, 1)
            phrases = rng.random(16) < density  # two bars each
            notes = []
            for bar, section in self._bars("other"):
                first = bar == section.bar
                if (bar in resting and not first) or (number > 0 and not phrases[bar // 2 % 16]):
                    continue
                notes += writer.bar(bar, section, self.chord(bar, section))
            self.score.parts.append(Part(role, draw(rng, self.pool.sources[role]), tuple(notes)))

    def _vocals(self, rng: np.random.Generator) -> None:
        score, pool = self.score, self.pool
        low, rap = score.voice.centre[0] - 7, rng.random() < self.style.rap
        span = [m for m in range(low, low + 18) if (m - score.key) % 12 in self.scale]
        rest_chance, pause_chance = rng.uniform(0.05, 0.3), draw(rng, (0.0, 0.1, 0.25))
        phrases: dict[tuple[str, int], list[tuple[float, float, int]]] = {}
        place = len(span) // 2
        for bar, section in self._bars("vocals"):
            if bar > section.bar and rng.random() < pause_chance:
                continue
            key = (section.name, bar % 4)
            if key not in phrases or rng.random() < 0.3:  # melodies come back, with changes
                chord = {m % 12 for m in self.chord(bar, section)[:3]}
                phrases[key], place = self._phrase(span, place, chord, rap, rest_chance, rng)
            for beat, beats, at in phrases[key]:
                start, seconds = self.time(bar, beat, rng), beats * 60 / score.bpm
                if start < 0.05 or start + seconds > self.seconds:
                    continue
                chorus = section.name == "chorus"
                consonant = "" if rng.random() < 0.08 else draw(rng, pool.consonants)
                vowel, velocity = draw(rng, pool.vowels), rng.uniform(0.65, 1) * (1.15 if chorus else 1)
                score.lead.append(Syllable(start, 0.96 * seconds, span[at] + score.tune, consonant, vowel, velocity))
                if chorus:
                    pitch = span[min(at + 2, len(span) - 1)] + score.tune
                    late = max(0.05, start + rng.normal(0, 0.012))
                    score.harmony.append(Syllable(late, 0.94 * seconds, pitch, consonant, vowel, 0.9 * velocity))

    @staticmethod
    def _phrase(
        span: list[int], place: int, chord: set[int], rap: bool, rest_chance: float, rng: np.random.Generator
    ) -> tuple[list[tuple[float, float, int]], int]:
        """A bar of melody as (beat, beats, index into ``span``), and where it ends."""
        notes, beat, reach = [], float(rng.choice((0, 0.5, 1))), 1 if rap else 2
        while beat < 3.75:
            if rap:
                beats = float(rng.choice((0.25, 0.25, 0.5)))
            else:
                beats = float(rng.choice((0.25, 0.5, 0.75, 1, 1.5, 2), p=(0.16, 0.42, 0.08, 0.19, 0.09, 0.06)))
            beats = min(beats, 4 - beat)
            if rng.random() >= rest_chance:
                place = int(np.clip(place + rng.integers(-reach, reach + 1), 0, len(span) - 1))
                if beat % 2 == 0 and rng.random() < 0.6:  # strong beats like chord tones
                    tones = [i for i, m in enumerate(span) if m % 12 in chord]
                    place = min(tones, key=lambda i: abs(i - place), default=place)
                notes.append((beat, beats, place))
            beat += beats
        return notes, place
