"""Which sounds belong to which songs, so that nothing leaks from training into "new timbre" test songs. All ours.

A :class:`Pool` names what a song may draw. Training songs, validation songs, "seen" test songs and unlabelled songs
share the timbres of ``FAMILIAR``; "new" test songs have those of ``NEW``. The shifted songs, unlabelled and test, have
familiar timbres in other styles, and are mastered. The two share no preset, no recording inside
the soundfont, no drum kit, voice, vowel or consonant, synthesiser waveform, style or progression.
"""

from dataclasses import dataclass, replace

from bsrnn.errors import ConfigError

SPLITS = (
    "train",
    "valid",
    "test",
    "unlabelled-matched",
    "unlabelled-shifted",
    "test-shifted",
    "test-new",
)  # add at the end only; "test-new": generator version 2
TIMBRES = ("seen", "new")


@dataclass(frozen=True)
class Kit:
    """A drum kit: recordings for some drums, computed sounds of one character for all."""

    name: str
    character: str  # of the computed sounds, see instruments.drum_sounds
    samples: dict[str, tuple[int, tuple[int, ...]]]  # drum -> (program of the drum bank, keys to choose from)
    synthetic_share: tuple[float, float]  # range, 0 to 1, where a drum has both


@dataclass(frozen=True)
class VoiceKind:
    """A kind of singer."""

    name: str
    formant_scale: tuple[float, float]  # of an adult female vocal tract
    centre: tuple[int, int]  # MIDI numbers


@dataclass(frozen=True)
class Pool:
    """What the songs of one kind draw from. A source is a preset's program (int) or a computed waveform (str)."""

    styles: tuple[str, ...]
    progressions: tuple[tuple[int, int, int, int], ...]  # scale degrees, a bar each
    acoustic_kits: tuple[Kit, ...]
    electronic_kits: tuple[Kit, ...]
    voices: tuple[VoiceKind, ...]
    vowels: tuple[str, ...]
    consonants: tuple[str, ...]
    basses: tuple[int | str, ...]
    sources: dict[str, tuple[int | str, ...]]  # role in "other" -> sources
    string_damping: tuple[float, float]
    mastered: bool = False  # EQ and limiter over the mixture


def _recorded(program: int, **drums: tuple[int, ...]) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {drum.replace("_", " "): (program, keys) for drum, keys in drums.items()}


_ALL_DRUMS = {
    "kick": (35, 36),
    "snare": (38, 40),
    "clap": (39,),
    "hat": (42, 44),
    "open": (46,),
    "ride": (51,),
    "crash": (49, 57),
    "tom_high": (48, 50),
    "tom_low": (41, 45),
    "shaker": (70, 82),
}

FAMILIAR_KITS = (
    Kit("standard", "tight", _recorded(0, **_ALL_DRUMS), (0.1, 0.5)),
    Kit("room", "tight", _recorded(8, **_ALL_DRUMS), (0.1, 0.5)),
    Kit("jazz", "tight", _recorded(32, **_ALL_DRUMS), (0.0, 0.4)),
)
FAMILIAR_MACHINES = (
    Kit("machine", "tight", {}, (1.0, 1.0)),
    Kit(
        "hybrid",
        "tight",
        _recorded(0, clap=(39,), hat=(42, 44), open=(46,), crash=(49, 57), shaker=(70, 82)),
        (0.5, 0.9),
    ),
)
# The kits of the soundfont share recordings (hats, cymbals, toms), so a new kit takes only what is its own
NEW_KITS = (
    Kit("brush", "deep", _recorded(40, snare=(38,)), (0.1, 0.5)),
    Kit("orchestra", "deep", _recorded(48, kick=(36,)), (0.3, 0.8)),
)
NEW_MACHINES = (
    Kit("808", "deep", _recorded(25, kick=(36,), snare=(38,), hat=(42,), open=(46,), tom_low=(41,)), (0.2, 0.7)),
    Kit("deep machine", "deep", {}, (1.0, 1.0)),
)

FAMILIAR = Pool(
    styles=("rock", "pop", "dance", "hiphop", "ballad", "funk"),
    progressions=((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 4, 3), (5, 4, 3, 4), (0, 2, 3, 4), (0, 5, 1, 4)),
    acoustic_kits=FAMILIAR_KITS,
    electronic_kits=FAMILIAR_MACHINES,
    voices=(
        VoiceKind("soprano", (0.97, 1.04), (64, 69)),
        VoiceKind("tenor", (0.84, 0.89), (53, 58)),
        VoiceKind("baritone", (0.78, 0.83), (48, 52)),
    ),
    vowels=("a", "e", "i", "o", "u"),
    consonants=("s", "t", "k", "d", "b", "m", "n", "l", "h"),
    basses=(32, 33, 35, 36, "saw"),
    sources={
        "piano": (0, 1, 3),
        "electric piano": (4,),
        "organ": (16, 19),
        "clean guitar": (27, 28),
        "strings": (48, 49, 44),
        "brass": (61, 62, 63),
        "wind": (73, 65, 40, 68, 22),
        "pad": (89, 90, 95, 97),
        "lead": (81, 56, "saw"),
        "distorted guitar": (29, 30),
        "acoustic guitar": (25, 24, "string"),
        "pluck": ("saw",),
        "chords": ("saw",),
    },
    string_damping=(0.2, 0.4),
)

NEW = Pool(
    styles=("metal", "folk", "disco", "reggae"),
    progressions=((1, 4, 0, 5), (0, 4, 3, 3), (3, 0, 4, 5), (0, 6, 3, 0)),
    acoustic_kits=NEW_KITS,
    electronic_kits=NEW_MACHINES,
    voices=(VoiceKind("mezzo", (0.91, 0.96), (59, 63)), VoiceKind("child", (1.07, 1.16), (70, 73))),
    vowels=("ae", "eh", "schwa", "ih", "uh"),
    consonants=("sh", "f", "z", "v", "p", "g", "r", "w", "y"),
    basses=(34, 37, "fm", "square"),
    sources={
        "piano": (6, 11, 12),
        "electric piano": (5,),
        "organ": (17, 18),
        "clean guitar": (26,),
        "strings": (50, 42),
        "brass": (57, 60),
        "wind": (71, 66, 74, 69),
        "pad": (91, 98),
        "lead": (80, 79, "square"),
        "distorted guitar": ("string",),
        "acoustic guitar": (105, 107, 46, "string"),
        "pluck": ("square", "fm"),
        "chords": ("square", "fm"),
    },
    string_damping=(0.45, 0.7),
)

VALID = replace(FAMILIAR, progressions=((3, 4, 5, 4), (0, 3, 5, 4), (5, 0, 4, 3), (3, 5, 4, 0)))
SHIFTED = replace(
    FAMILIAR,
    styles=("trap", "shuffle", "latin", "synthwave"),
    progressions=((5, 1, 4, 0), (0, 1, 3, 0), (5, 4, 5, 3), (0, 4, 1, 3)),
    mastered=True,
)


def timbre_of(split: str, index: int) -> str:
    """ "new" for every second test song (odd index), else "seen"."""
    return "new" if split == "test" and index % 2 else "seen"


def pool_of(split: str, timbre: str) -> Pool:
    """What a song of this split and timbre draws from. Only test songs have new timbres."""
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}: choose from {', '.join(SPLITS)}")
    if timbre not in TIMBRES:
        raise ConfigError(f"unknown timbre {timbre!r}: choose from {', '.join(TIMBRES)}")
    if timbre == "new":
        if split != "test":
            raise ConfigError(f"only test songs may have new timbres, not {split}")
        return NEW
    return {"valid": VALID, "unlabelled-shifted": SHIFTED, "test-shifted": SHIFTED}.get(split, FAMILIAR)
