"""Folders of music: which of their files are read, which is a song's mixture, and what is passed over.

Stems that ``bsrnn separate`` has written are no songs, wherever they lie.
Passed over without a word are only what other systems leave beside files (``._*``, ``.DS_Store``) and what a killed
process of ours left (``.NAME.HEX.partial``). All else that is not read is counted and named in one line.
Links are followed; a folder that two ways lead to is read once.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bsrnn.audio.kinds import READABLE, UNREAD, to_wav
from bsrnn.audio.origin import of_stem
from bsrnn.runtime.system_errors import obstacle
from bsrnn.runtime.terminal import counted

OURS = re.compile(r"\..*\.partial(\..*)?")
MIXTURES = ("mixture", "mix", "mixdown", "master", "fullmix", "mainmix", "stereomix", "finalmix")
STEMS = ("vocals", "vocal", "voice", "drums", "bass", "other", "guitar", "guitars", "piano", "keys", "synth", "strings",
         "accompaniment", "instrumental", "percussion", "no_vocals")  # fmt: skip
NAMED = 5  # files of each sort that a line names


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over without a word."""
    return name.startswith("._") or name == ".DS_Store" or OURS.fullmatch(name) is not None


def stem_name(name: str) -> str:
    """A stem's name as songs are compared by it: letters of one size, and accents spelt one way."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def is_mixture(name: str) -> bool:
    """Whether people call a song's mixture so."""
    return re.sub(r"[\s_-]", "", stem_name(name)) in MIXTURES


def mixture_among(files: Iterable[Path]) -> Path | None:
    """The mixture whose stems the other files are, in a folder of which it is not known that it holds one song.

    "mixture" is one in any case; "mix", "master" and the like only beside a file that is named as stems are, since an
    album may have a song of that name.
    """
    files = list(files)
    plain = [path for path in files if stem_name(path.stem) == "mixture"]
    if not plain and any(stem_name(path.stem) in STEMS for path in files):
        plain = [path for path in files if is_mixture(path.stem)]
    return plain[0] if plain else None


@dataclass(frozen=True)
class Listing:
    """What lies in one folder, hidden things apart, each sorted by name."""

    files: list[Path] = field(default_factory=list)  # of sound that is read
    unread: list[Path] = field(default_factory=list)  # of sound of another kind
    other: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def listing(folder: Path) -> Listing:
    """Look into a folder.

    Raises:
        OSError: it cannot be read.
    """
    result = Listing()
    for path in sorted(folder.iterdir()):
        if hidden(path.name):
            continue
        suffix = path.suffix.lower()
        if path.is_dir():
            result.folders.append(path)
        elif suffix in READABLE:  # links that lead nowhere too: opening says what is wrong with them
            result.files.append(path)
        else:
            (result.unread if suffix in UNREAD else result.other).append(path)
    return result


@dataclass(frozen=True)
class Below:
    """What lies in a folder and below it: songs, files of several places for one, and what is not read."""

    songs: list[Path] = field(default_factory=list)
    mixtures: set[Path] = field(default_factory=set)  # those of the songs that have their stems beside them
    stems: list[Path] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)  # by `bsrnn separate`
    unread: list[Path] = field(default_factory=list)
    other: list[Path] = field(default_factory=list)
    twice: list[Path] = field(default_factory=list)  # links to folders that are read already
    closed: dict[Path, str] = field(default_factory=dict)  # folders that cannot be read -> why

    def passed_over(self, folder: Path) -> str:
        """In one line, how many files are passed over and which; "" if none is."""
        sorts = (  # the words for one of them and for several
            (self.stems, "stem beside a mixture", "stems beside a mixture", ""),
            (self.written, "file that bsrnn separate has written", "files that bsrnn separate has written", ""),
            (self.unread, "sound file of a kind that is not read", "sound files of a kind that is not read",
             "convert with "),
            (self.other, "file that is not a sound file", "files that are not sound files", ""),
            (self.twice, "link to a folder that is read already", "links to folders that are read already", ""),
        )  # fmt: skip
        parts = []
        for paths, one, several, convert in sorts:
            if paths:
                names = ", ".join(str(path.relative_to(folder)) for path in paths[:NAMED])
                names += ", ..." if len(paths) > NAMED else ""
                names += f"; {convert}`{to_wav(paths[0])}`" if convert else ""
                parts.append(f"{counted(len(paths), one, several)} ({names})")
        return f"{folder}: passed over {', '.join(parts)}" if parts else ""


def below(folder: Path, skip: Callable[[Path], bool] = lambda path: False) -> Below:
    """Every song in a folder and below it; where one has a mixture, the files beside it are its stems.

    Folders for which ``skip`` holds are not looked into.
    """
    result = Below()
    for place in _listings(folder, skip, result):
        written = [path for path in place.files if of_stem(path)]
        result.written.extend(written)
        files = [path for path in place.files if path not in written]
        mixture = mixture_among(files)
        if mixture:
            result.mixtures.add(mixture)
            result.stems.extend(path for path in files if stem_name(path.stem) != stem_name(mixture.stem))
        result.songs.extend(path for path in files if not mixture or stem_name(path.stem) == stem_name(mixture.stem))
        result.unread.extend(place.unread)
        result.other.extend(place.other)
    return result


def _listings(folder: Path, skip: Callable[[Path], bool], result: Below) -> Iterator[Listing]:
    waiting, seen = [folder], set()
    while waiting:
        place = waiting.pop()
        try:
            status = place.stat()
            inside = listing(place)
        except OSError as error:
            result.closed[place] = f"{place}: cannot be read: {obstacle(error, expected='a folder of songs')}"
            continue
        if (status.st_dev, status.st_ino) in seen:
            result.twice.append(place)
            continue
        seen.add((status.st_dev, status.st_ino))
        yield inside
        waiting.extend(path for path in reversed(inside.folders) if not skip(path))
