"""Where the stems of each song go: the songs of one call, and of earlier ones, never meet in one folder.

A song is called after its file. Where that folder holds what is not this song's, it gets its ending (song.mp3 beside
song.wav), the folders above it (cd2/01 beside 01), or a part of its hash.
"""

import os
import unicodedata
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from bsrnn.audio.kinds import FORMATS
from bsrnn.audio.origin import Origin, of_stem
from bsrnn.errors import DataError
from bsrnn.runtime.system_errors import reading
from bsrnn.tool.stem_provenance import Song

STRANGERS = "files that `bsrnn separate` did not write, or not this version of it"


@dataclass(frozen=True)
class Place:
    """A song's folder for its stems; whether all of them are there; what a user should know of it, or ""."""

    folder: Path
    finished: bool
    note: str


class Places:
    """Gives away the folders below ``root``, to one song after the other.

    Args:
        root: OUT/MODEL.
        files: names of every song's stems.
        inputs: (device, inode) of every file that is to be separated: none of them is written over.
    """

    def __init__(self, root: Path, files: list[str], inputs: Set[tuple[int, int]] = frozenset()):
        self.root, self.files, self.inputs = root, files, inputs
        self._given: dict[tuple[str, ...], str] = {}  # parts of a folder's name -> the song's file
        self._above: dict[tuple[str, ...], str] = {}  # the same of these folders and all above them
        self._folded_files = {_folded(Path(file)) for file in files}

    def give(self, song: Song, name: Path, frames: int) -> Place:
        """A folder for the stems of a song of so many samples, which is called ``name`` by itself.

        Raises:
            DataError: the song or the folder cannot be read, or every name is another's.
        """
        if not name.parts or ".." in name.parts:  # of files called "..wav" and "...wav"
            name = Path(song.path.name)
        with reading(self.root / name, "a folder for stems"):
            rival = self._rival(name, song)
            names = [] if rival else [name]
            names += [other for other in alternatives(song, name, rival) if not self._rival(other, song)]
            if not names:
                raise DataError(f"{song.path}: {self.root / name} and folders of like names hold other files; choose "
                                "another --out")  # fmt: skip
            chosen = next((other for other in names if self._stems(other)), names[0])
            parts = _folded(chosen)
            self._given[parts] = song.path.name
            self._above |= {parts[:count]: song.path.name for count in range(1, len(parts) + 1)}
            folder, stems = self.root / chosen, self._stems(chosen)
            finished = all(self._is_whole(stems.get(file), song, frames) for file in self.files)
            note = f"its stems go to {folder}, since {self.root / name} holds {rival}" if chosen != name else ""
            if not note and set(self.files) & set(stems) and not finished:
                note = f"its stems in {folder}, of an older version of it or of other settings, are replaced"
            return Place(folder, finished, note)

    def _rival(self, name: Path, song: Song) -> str:
        """What a folder holds that is not this song's, in words; "" if nothing."""
        if given := self._given_to(_folded(name)):
            return f"those of {given}"
        folder = self.root / name
        above = [folder, *folder.parents][: len(name.parts)]
        if any(path.exists() and not path.is_dir() for path in above):
            return STRANGERS
        stems = self._stems(name)
        for file in self.files:
            if self._is_input(folder / file) or (file not in stems and os.path.lexists(folder / file)
                                                 and not (folder / file).is_dir()):  # fmt: skip
                return STRANGERS
        others = [origin.song for origin, _ in stems.values() if not origin.same_song(song.origin)]
        return f"those of {others[0]}" if others else ""

    def _stems(self, name: Path) -> dict[str, tuple[Origin, int]]:
        """The stems that lie in a folder, by file name: whose they are, and their lengths in samples."""
        folder = self.root / name
        names = os.listdir(folder) if folder.is_dir() else []
        found = {file: of_stem(folder / file) for file in names if Path(file).suffix in FORMATS}
        return {file: stem for file, stem in found.items() if stem}

    def _is_input(self, path: Path) -> bool:
        return path.exists() and file_identity(path) in self.inputs

    def _is_whole(self, stem: tuple[Origin, int] | None, song: Song, frames: int) -> bool:
        if stem is None:
            return False
        origin, length = stem
        same = (origin.content, origin.made_with) == (song.origin.content, song.made_with)
        return same and length == frames

    def _given_to(self, parts: tuple[str, ...]) -> str | None:
        """The song that has a folder, or whose stem is called like it or like one above it, or the other way round."""
        for count in range(1, len(parts)):
            if parts[:count] in self._given and parts[count : count + 1] in self._folded_files:
                return self._given[parts[:count]]
        below = (self._above[parts + file] for file in self._folded_files if parts + file in self._above)
        return self._given.get(parts) or next(below, None)


def file_identity(path: Path) -> tuple[int, int]:
    """(device, inode): the same for one file by whatever path or link; OSError where the system forbids to look."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def alternatives(song: Song, name: Path, rival: str) -> Iterator[Path]:
    """Other names for a song, the plainest first, where ``rival`` says what lies in the folder ``name``."""
    path = Path(os.path.abspath(song.path))
    with_ending = name.with_name(path.name)
    another_ending = not rival.endswith(path.suffix)  # song.mp3 says more than album/song where song.wav has the name
    if another_ending:
        yield with_ending
    own = path.parent.parts if path.stem == "mixture" else (*path.parent.parts, path.stem)
    for count in range(len(name.parts) + 1, len(own)):
        yield Path(*own[-count:])
    if not another_ending:
        yield with_ending
    if rival:
        yield name.with_name(f"{name.name} {song.origin.content[:8]}")


def _folded(name: Path) -> tuple[str, ...]:
    """A name's parts, alike where a disk that does not tell capital letters or spellings apart takes them for one."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in name.parts)
