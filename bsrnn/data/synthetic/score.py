"""A score: what ``composing`` writes and ``drums``, ``tones`` and ``singing`` play."""

from dataclasses import dataclass, field

import numpy as np

from bsrnn.data.synthetic.grooves import STYLES, Style
from bsrnn.data.synthetic.harmony import MODES
from bsrnn.data.synthetic.singer import Syllable
from bsrnn.data.synthetic.timbres import DrumKit, Family, VoiceKind


@dataclass(frozen=True)
class Section:
    name: str
    bar: int  # first
    bars: int
    sounds: tuple[str, ...]  # targets


@dataclass(frozen=True)
class Note:
    start: float  # seconds
    seconds: float
    pitch: float
    velocity: float  # 0 to 1
    slide: float = 0.0  # semitones from which it glides to its pitch


@dataclass(frozen=True)
class Hit:
    start: float  # seconds
    drum: str
    velocity: float


@dataclass(frozen=True)
class Part:
    """One instrument of "other"."""

    name: str  # of its family
    family: Family
    manner: str
    source: int | str
    notes: tuple[Note, ...]


@dataclass
class Score:
    """Positions inside a bar are quarter notes, positions in a song are seconds, pitches are MIDI numbers."""

    style_name: str
    bpm: float  # quarter notes a minute
    key: int  # 0 = C
    mode: str
    tune: float  # semitones off concert pitch
    swing: float  # how late off-beats are, in quarter notes
    human: float  # standard deviation of onsets, in seconds
    progressions: tuple[tuple[int, ...], tuple[int, ...]]  # of verses and of choruses, scale degrees
    tones: int  # of a chord: 3, or 4 with sevenths
    kit: DrumKit
    voice: VoiceKind
    bass_source: int | str
    sections: list[Section]
    hits: list[Hit] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    lead: list[Syllable] = field(default_factory=list)
    harmony: list[Syllable] = field(default_factory=list)
    choir: list[Note] = field(default_factory=list)

    @property
    def style(self) -> Style:
        return STYLES[self.style_name]

    @property
    def beats(self) -> int:
        """Quarter notes a bar."""
        return self.style.beats

    @property
    def bar_seconds(self) -> float:
        return self.beats * 60 / self.bpm

    @property
    def bars(self) -> int:
        return self.sections[-1].bar + self.sections[-1].bars

    @property
    def scale(self) -> tuple[int, ...]:
        return MODES[self.mode]

    def sounding(self, target: str):
        """(bar, section) of every bar in which a target sounds."""
        for section in self.sections:
            if target in section.sounds:
                for bar in range(section.bar, section.bar + section.bars):
                    yield bar, section

    def time(self, bar: int, beat: float, rng: np.random.Generator) -> float:
        """Seconds, with swing and a human's deviation."""
        late = self.swing if 0.4 < beat % 1 < 0.6 else 0.0
        return max(0.0, (bar * self.beats + beat + late) * 60 / self.bpm + rng.normal(0, self.human))

    def chord(self, bar: int, section: Section) -> list[int]:
        """Root, third, fifth and seventh as semitones above C."""
        progression = self.progressions[section.name == "chorus"]
        degree = progression[bar % len(progression)]
        steps = (degree + k for k in (0, 2, 4, 6))
        return [self.key + self.scale[s % 7] + 12 * (s // 7) for s in steps]
