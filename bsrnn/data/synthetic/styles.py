"""Styles: tempo, drum patterns and line-ups. Positions are in beats of a 4/4 bar. All ours."""

from dataclasses import dataclass

EIGHTHS = (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5)
BASS_PATTERNS = (EIGHTHS, (0, 1.5, 2, 3.5), (0, 0.75, 1.5, 2.5, 3), (0, 2), (0, 1, 2, 3), (0, 0.5, 2, 2.5))
CHORD_PATTERNS = ((0, 1.5, 2.5), (0, 1, 2, 3), (0.5, 1.5, 2.5, 3.5), EIGHTHS, (0, 0.75, 1.5, 2.5, 3.25))
STRUMS = (0, 1, 1.5, 2.5, 3, 3.5)


@dataclass(frozen=True)
class Style:
    """A style; ``kick`` holds the pattern of verses and one of choruses to choose from, ``parts`` roles of "other"."""

    tempo: tuple[float, float]  # beats a minute
    kick: tuple[tuple[float, ...], tuple[float, ...]]
    parts: tuple[str, ...]
    backbeat: tuple[float, ...] = (1, 3)
    hat_steps: tuple[float, ...] = (0.25, 0.5, 0.5, 1)
    swing: tuple[float, ...] = (0.0,)  # delay of the off-beats, in beats
    electronic: float = 0.0  # probability of a drum machine
    clap: bool = False
    synth_bass: float = 0.2  # probability, where the pool has both
    rap: float = 0.0  # probability of narrow, fast vocal lines
    sevenths: bool = False


STYLES = {
    "rock": Style(
        (105, 150), ((0, 2, 2.5), (0, 1.5, 2)), ("distorted guitar", "clean guitar", "organ", "lead"), electronic=0.05
    ),
    "pop": Style(
        (92, 124), ((0, 1.5, 2.5), (0, 2)), ("piano", "pad", "clean guitar", "pluck", "lead"), electronic=0.4, clap=True
    ),
    "dance": Style(
        (118, 132),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
        ("chords", "pluck", "pad", "lead"),
        electronic=0.85,
        clap=True,
        synth_bass=0.9,
    ),
    "hiphop": Style(
        (76, 98),
        ((0, 0.75, 2.5), (0, 1.75, 2.25, 3.5)),
        ("electric piano", "pad", "lead", "strings"),
        swing=(0.0, 0.06, 0.14),
        electronic=0.7,
        clap=True,
        synth_bass=0.6,
        rap=0.5,
        sevenths=True,
    ),
    "ballad": Style(
        (62, 84), ((0, 2.5), (0, 2)), ("piano", "strings", "acoustic guitar"), backbeat=(2,), hat_steps=(0.5,)
    ),
    "funk": Style(
        (96, 116),
        ((0, 0.75, 1.5, 2.75), (0, 1.75, 2.5, 3.25)),
        ("clean guitar", "electric piano", "brass", "organ"),
        swing=(0.0, 0.06),
        sevenths=True,
    ),
    "metal": Style(
        (120, 168), (EIGHTHS, (0, 0.25, 0.5, 1.5, 2, 2.25, 2.5, 3.5)), ("distorted guitar", "lead", "strings")
    ),
    "folk": Style((84, 120), ((0, 2), (0, 2, 3.5)), ("acoustic guitar", "piano", "wind", "strings"), swing=(0.0, 0.1)),
    "disco": Style(
        (110, 126),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
        ("strings", "clean guitar", "brass", "chords"),
        hat_steps=(0.5,),
        electronic=0.6,
        clap=True,
        synth_bass=0.5,
    ),
    "reggae": Style(
        (68, 88),
        ((2,), (0, 2)),
        ("organ", "clean guitar", "brass", "pluck"),
        backbeat=(2,),
        hat_steps=(0.5,),
        swing=(0.1, 0.16),
        electronic=0.2,
    ),
    "trap": Style(
        (66, 78),
        ((0, 0.75, 2.25), (0, 1.5, 2.75, 3.5)),
        ("pluck", "pad", "electric piano", "lead"),
        backbeat=(2,),
        hat_steps=(0.125, 0.25),
        electronic=1.0,
        clap=True,
        synth_bass=0.8,
        rap=0.6,
    ),
    "shuffle": Style(
        (96, 132),
        ((0, 2), (0, 1.5, 2, 3.5)),
        ("organ", "clean guitar", "brass", "piano"),
        hat_steps=(0.5,),
        swing=(0.16,),
        sevenths=True,
    ),
    "latin": Style(
        (92, 118),
        ((0, 1.5, 2, 3.5), (0, 1.5, 3)),
        ("piano", "brass", "acoustic guitar", "wind"),
        backbeat=(3,),
        hat_steps=(0.25, 0.5),
        sevenths=True,
    ),
    "synthwave": Style(
        (84, 118),
        ((0, 2), (0, 1, 2, 3)),
        ("pad", "pluck", "chords", "lead"),
        hat_steps=(0.5,),
        electronic=1.0,
        synth_bass=0.9,
    ),
}
