"""A score: what :mod:`composition <bsrnn.data.synthetic.composition>` writes and ``performance`` plays. All ours.

A song is 4/4 throughout. Positions inside a bar are beats, positions in a song are seconds, pitches are MIDI numbers.
"""

from dataclasses import dataclass, field

import numpy as np

from bsrnn.data.synthetic.singer import Syllable
from bsrnn.data.synthetic.splits import Kit, VoiceKind


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

    role: str
    source: int | str  # a preset's program or a computed waveform
    notes: tuple[Note, ...]


@dataclass
class Score:
    """A composed song; what is drawn from the pool stands beside the notes."""

    style: str
    bpm: float
    key: int  # 0 = C
    minor: bool
    tune: float  # semitones off concert pitch
    progressions: tuple[tuple[int, ...], ...]
    kit: Kit
    voice: VoiceKind
    bass_source: int | str
    sections: list[Section]
    hits: list[Hit] = field(default_factory=list)
    bass: list[Note] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    lead: list[Syllable] = field(default_factory=list)
    harmony: list[Syllable] = field(default_factory=list)

    @property
    def bar_seconds(self) -> float:
        return 240 / self.bpm

    @property
    def bars(self) -> int:
        return self.sections[-1].bar + self.sections[-1].bars

    def section(self, bar: int) -> Section:
        return next(s for s in self.sections if s.bar <= bar < s.bar + s.bars)


def draw(rng: np.random.Generator, options):
    """One of ``options``, whatever their type (``Generator.choice`` would turn tuples into arrays)."""
    return options[int(rng.integers(len(options)))]
