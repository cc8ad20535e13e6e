"""What sounds, and what is held back for the songs of "test-new". All ours.

``WIDE`` is the pool of every split but "test-new", whose songs draw from ``HELD_BACK``, and "train-amateurs", whose
``AMATEURS`` are the wide pool, sung at home. ``WIDE`` and ``HELD_BACK`` share no preset, no recording inside the
soundfont, no drum synthesis, no kind of voice and no synthesiser waveform. Numbers are General MIDI programs; presets
that share a recording lie on the same side.
"""

from dataclasses import dataclass, replace

CONSONANTS = ("s", "sh", "f", "z", "v", "t", "k", "p", "d", "b", "g", "h", "m", "n", "l", "r", "w", "y")
VOWELS = ("a", "e", "i", "o", "u", "ae", "eh", "schwa", "ih", "uh")


@dataclass(frozen=True)
class VoiceKind:
    """A kind of singer."""

    name: str
    formant_scale: tuple[float, float]  # of an adult female vocal tract
    centre: tuple[int, int]  # MIDI numbers


@dataclass(frozen=True)
class Family:
    """Instruments that are played alike. ``octaves``: MIDI numbers where voicings begin; ``amplifier``: what follows
    the instrument: "", "clean", "overdriven" or "distorted"."""

    sources: tuple[int | str, ...]
    manners: tuple[str, ...]  # see parts.MANNERS
    octaves: tuple[int, ...] = (48, 60)
    amplifier: str = ""


@dataclass(frozen=True)
class DrumKit:
    """A kit: ``program`` of the drum bank (None: computed alone), ``machines`` of machines.MACHINES to choose from."""

    name: str
    program: int | None
    machines: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    voices: tuple[VoiceKind, ...]
    phonations: tuple[str, ...]  # see singing.PHONATIONS
    choirs: tuple[int, ...]
    kits: tuple[DrumKit, ...]
    basses: tuple[int | str, ...]
    families: dict[str, Family]
    amateurs: bool = False  # singers without training, recorded without a producer


_CHORDAL = ("held", "comp", "arpeggio", "stab")
_TUNEFUL = ("solo", "counter", "riff")
_SYNTHS = ("saw", "pulse", "triangle", "fm", "supersaw")
_MACHINES = ("sine", "fm", "noise", "hard")

WIDE = Pool(
    voices=(
        VoiceKind("bass-baritone", (0.76, 0.80), (45, 49)),
        VoiceKind("baritone", (0.78, 0.84), (48, 53)),
        VoiceKind("tenor", (0.83, 0.90), (53, 59)),
        VoiceKind("alto", (0.89, 0.97), (55, 61)),
        VoiceKind("mezzo", (0.92, 1.00), (59, 65)),
        VoiceKind("soprano", (0.96, 1.06), (63, 70)),
        VoiceKind("child", (1.07, 1.19), (66, 72)),
    ),
    phonations=("modal", "modal", "modal", "breathy", "raspy", "pressed", "whisper"),
    choirs=(52, 53),
    kits=tuple(
        DrumKit(name, program, _MACHINES)
        for name, program in (
            ("standard", 0),
            ("room", 8),
            ("power", 16),
            ("electronic", 24),
            ("808", 25),
            ("jazz", 32),
            ("brush", 40),
            ("standard", 0),
            ("room", 8),
        )
    )
    + tuple(DrumKit(f"{name} machine", None, (name,)) for name in _MACHINES),
    basses=(32, 33, 34, 35, 36, 38, 39, 87, "saw", "pulse", "triangle", "fm", "supersaw", "acid", "sub"),
    families={
        "piano": Family((0, 1, 2, 3), (*_CHORDAL, "riff", "picked", "oom-pah")),
        "electric piano": Family((4, 7), _CHORDAL, amplifier="clean"),
        "organ": Family((16, 19), ("held", "comp", "stab"), amplifier="overdriven"),
        "free reeds": Family((20, 21, 22, 23), ("held", "comp", "solo", "oom-pah")),
        "mallets": Family((8, 9, 10, 11, 108, 112), ("arpeggio", "riff", "comp"), (60, 72)),
        "acoustic guitar": Family((24, 25, "string"), ("strum", "picked", "arpeggio", "oom-pah"), (43, 48)),
        "clean guitar": Family((27, 28), ("comp", "strum", "arpeggio", "riff"), (48, 52), "clean"),
        "distorted guitar": Family((29, 30, "saw"), ("power", "power", "riff", "solo"), (40, 45), "distorted"),
        "lead guitar": Family((27, 29, 30), ("solo", "counter"), (55, 60), "distorted"),
        "strings": Family((44, 48, 49, 51), ("held", "stab", "counter", "arpeggio")),
        "solo strings": Family((40, 41, 110), _TUNEFUL, (57, 64)),
        "pizzicato": Family((45, 107, 114), ("arpeggio", "riff", "comp"), (55, 60)),
        "brass": Family((57, 58, 59, 60, 61, 62, 63), ("stab", "comp", "counter", "held")),
        "saxes": Family((64, 65, 67), _TUNEFUL, (53, 60)),
        "double reeds": Family((68, 69, 70, 109), _TUNEFUL, (60,)),
        "pipes": Family((73, 75, 77, 78), _TUNEFUL, (65, 72)),
        "synth lead": Family((80, 81, 82, 83, 84, 86, *_SYNTHS), (*_TUNEFUL, "arpeggio"), (60, 67)),
        "synth pad": Family((51, 88, 89, 90, 92, 93, 94, 95, 97, 99, *_SYNTHS), ("held", "held", "comp")),
        "synth pluck": Family((*_SYNTHS, "string", 98, 100), ("arpeggio", "riff", "stab", "comp"), (48, 60, 72)),
        "synth chords": Family(("supersaw", "saw", "pulse"), ("stab", "comp", "held")),
        "plucked world": Family((15, 104, 107), ("arpeggio", "riff", "strum"), (48, 55)),
        "orchestra hit": Family((55,), ("stab",), (48,)),
    },
)

HELD_BACK = Pool(
    voices=(VoiceKind("deep bass", (0.69, 0.735), (40, 43)), VoiceKind("small child", (1.23, 1.32), (73, 76))),
    phonations=("modal", "breathy", "raspy", "pressed"),
    choirs=(),
    kits=(DrumKit("membranes", None, ("modal",)), DrumKit("chip", None, ("chip",))),
    basses=(37, 43, "additive", "ring"),
    families={
        "piano": Family((6,), (*_CHORDAL, "riff")),
        "electric piano": Family((5,), _CHORDAL, amplifier="clean"),
        "organ": Family((17, 18), ("held", "comp", "stab"), amplifier="overdriven"),
        "mallets": Family((12, 13, 14), ("arpeggio", "riff", "comp"), (60, 72)),
        "acoustic guitar": Family((46, 105, 106), ("strum", "picked", "arpeggio"), (43, 48)),
        "clean guitar": Family((26,), ("comp", "strum", "arpeggio", "riff"), (48, 52), "clean"),
        "distorted guitar": Family(("additive",), ("power", "riff", "solo"), (40, 45), "distorted"),
        "strings": Family((50,), ("held", "stab", "counter")),
        "solo strings": Family((42,), _TUNEFUL, (50, 57)),
        "brass": Family((56,), (*_TUNEFUL, "stab")),
        "saxes": Family((66, 71), _TUNEFUL, (53, 60)),
        "pipes": Family((72, 74, 79), _TUNEFUL, (65, 72)),
        "synth lead": Family(("additive", "ring"), (*_TUNEFUL, "arpeggio"), (60, 67)),
        "synth pad": Family(("additive", 96), ("held", "held", "comp")),
        "synth pluck": Family(("additive", "ring"), ("arpeggio", "riff", "stab", "comp"), (48, 60, 72)),
        "synth chords": Family(("additive",), ("stab", "comp", "held")),
    },
)


# They neither press nor whisper: both are manners, and have their place in the wide pool
AMATEURS = replace(WIDE, phonations=("modal", "modal", "modal", "breathy", "raspy"), choirs=(), amateurs=True)


def pool_of(split: str) -> Pool:
    """What the songs of a split draw from."""
    return {"test-new": HELD_BACK, "train-amateurs": AMATEURS}.get(split, WIDE)
