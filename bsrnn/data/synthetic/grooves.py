"""Styles: tempo, metre, drum patterns, line-ups. All ours.

A pattern has one digit a sixteenth, 0 to 9: how likely the drum is to strike there (9: always). Sixteen digits are a
bar of 4/4, twelve one of 3/4, or of 6/8: then the accents lie so.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """``line_up``: families of timbres to draw the accompaniment from."""

    tempo: tuple[float, float]  # beats a minute
    kick: str
    snare: str
    tops: tuple[str, ...]
    line_up: tuple[str, ...]
    swing: float = 0.0  # the most that off-beats are late, in beats
    machine: float = 0.1  # probability of a computed kit
    synth_bass: float = 0.15
    rap: float = 0.05

    @property
    def beats(self) -> int:
        """Quarter notes a bar."""
        return len(self.kick) // 4


_BAND = ("distorted guitar", "clean guitar", "organ", "lead guitar", "piano")
_POP = ("piano", "synth pad", "clean guitar", "synth pluck", "synth lead", "acoustic guitar", "strings")
_CLUB = ("synth chords", "synth pluck", "synth pad", "synth lead")
_ACOUSTIC = ("acoustic guitar", "piano", "solo strings", "strings", "free reeds", "pipes")

STYLES = {
    "rock": Style((95, 160), "9002003070500020", "0000900101009001", ("eighths", "ride", "quarters"), _BAND),
    "pop": Style(
        (84, 132),
        "9000003040700020",
        "0000900000009000",
        ("eighths", "sixteenths", "offbeats"),
        _POP,
        machine=0.4,
        synth_bass=0.4,
    ),
    "dance": Style(
        (116, 136),
        "9000900090009000",
        "0000900000009000",
        ("offbeats", "sixteenths", "eighths"),
        _CLUB,
        machine=0.85,
        synth_bass=0.85,
    ),
    "hiphop": Style(
        (72, 104),
        "9003002040502010",
        "0000900100109002",
        ("eighths", "sixteenths", "loose"),
        ("electric piano", "synth pad", "piano", "strings", "brass", "saxes"),
        0.14,
        0.6,
        0.5,
        0.65,
    ),
    "ballad": Style(
        (60, 88),
        "9000000050300000",
        "0000000090000000",
        ("eighths", "quarters", "none"),
        ("piano", "strings", "acoustic guitar", "synth pad", "solo strings"),
    ),
    "funk": Style(
        (92, 120),
        "9003002004500300",
        "0000900201019003",
        ("sixteenths", "eighths"),
        ("clean guitar", "electric piano", "brass", "organ", "saxes"),
        0.08,
        0.1,
        0.25,
        0.1,
    ),
    "metal": Style(
        (110, 180),
        "9060907090609070",
        "0000900000009000",
        ("eighths", "quarters", "ride"),
        ("distorted guitar", "distorted guitar", "lead guitar", "strings"),
    ),
    "punk": Style(
        (150, 180),
        "9000005090000050",
        "0000900000009000",
        ("eighths", "ride"),
        ("distorted guitar", "distorted guitar", "clean guitar", "organ"),
    ),
    "folk": Style((76, 132), "9000000070000010", "0000600000006000", ("loose", "quarters", "none"), _ACOUSTIC, 0.1),
    "country": Style(
        (84, 140),
        "9000000090000000",
        "0000900100009001",
        ("eighths", "loose"),
        ("acoustic guitar", "clean guitar", "solo strings", "piano", "free reeds"),
        0.12,
    ),
    "disco": Style(
        (108, 128),
        "9000900090009000",
        "0000900000009000",
        ("offbeats", "sixteenths"),
        ("strings", "clean guitar", "brass", "electric piano", "synth chords"),
        0.0,
        0.4,
        0.4,
    ),
    "reggae": Style(
        (66, 92),
        "1000000090000000",
        "0000000090000000",
        ("eighths", "loose"),
        ("organ", "clean guitar", "brass", "piano"),
        0.16,
        0.15,
        0.2,
        0.1,
    ),
    "trap": Style(
        (64, 82),
        "9003000010300205",
        "0000000090000000",
        ("rolls", "sixteenths"),
        ("synth pluck", "synth pad", "electric piano", "mallets", "pipes"),
        0.0,
        0.95,
        0.85,
        0.6,
    ),
    "shuffle": Style(
        (88, 138),
        "9000000290000020",
        "0000900000009000",
        ("eighths", "ride"),
        ("organ", "clean guitar", "brass", "piano", "lead guitar", "free reeds"),
        0.167,
    ),
    "latin": Style(
        (84, 124),
        "9000003090000030",
        "1002001000109000",
        ("sixteenths", "eighths", "loose"),
        ("piano", "brass", "acoustic guitar", "pipes", "plucked world", "mallets"),
    ),
    "synthwave": Style(
        (80, 124), "9000000090000000", "0000900000009000", ("eighths", "sixteenths"), _CLUB, 0.0, 0.95, 0.95
    ),
    "techno": Style(
        (120, 150),
        "9000900090009000",
        "0000200000002000",
        ("offbeats", "sixteenths", "loose"),
        ("synth chords", "synth pluck", "synth lead", "orchestra hit"),
        0.0,
        1.0,
        0.95,
        0.02,
    ),
    "breaks": Style(
        (150, 178),
        "9000003000900000",
        "0000900201029000",
        ("eighths", "sixteenths", "ride"),
        _CLUB,
        0.0,
        0.5,
        0.85,
        0.15,
    ),
    "lofi": Style(
        (64, 92),
        "9000003000902000",
        "0000900000009000",
        ("eighths", "loose"),
        ("electric piano", "piano", "clean guitar", "mallets", "saxes"),
        0.15,
        0.4,
        0.3,
        0.2,
    ),
    "jazz": Style(
        (84, 176),
        "5000000030000020",
        "0010010000100200",
        ("ride", "ride", "loose"),
        ("piano", "saxes", "brass", "clean guitar", "double reeds"),
        0.167,
    ),
    "soul": Style(
        (68, 112),
        "9000003020700000",
        "0000900000009001",
        ("eighths", "sixteenths"),
        ("electric piano", "organ", "brass", "strings", "clean guitar"),
        0.12,
        0.2,
        0.2,
    ),
    "waltz": Style((76, 168), "900000000000", "000050005000", ("quarters", "eighths", "none"), _ACOUSTIC, 0.1),
    "six-eight": Style(
        (60, 108),
        "900000003020",
        "000000900000",
        ("eighths", "quarters"),
        ("piano", "clean guitar", "organ", "strings", "acoustic guitar"),
    ),
    "cinematic": Style(
        (60, 116),
        "9000000030000000",
        "0000000050000000",
        ("none", "quarters", "loose"),
        ("strings", "brass", "synth pad", "solo strings", "double reeds", "mallets"),
    ),
}
