"""Whose stems a file holds: a line in the header of every file that ``bsrnn separate`` writes.

By it stems are told from songs, those of one song from those of another, and finished ones from those of other models
or settings. It goes where the file goes, and names no folder of the machine: that is in it as a hash alone.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import soundfile

MARK = "bsrnn separate "
DIGITS = 16  # of each hash


@dataclass(frozen=True)
class Origin:
    """Where stems come from: the song's file name, hashes of where it lay and of its bytes, and what separated it."""

    song: str
    place: str
    content: str
    made_with: str

    def same_song(self, other: "Origin") -> bool:
        """The same bytes, wherever they lie, or a newer version in the same place."""
        return self.content == other.content or self.place == other.place

    def comment(self) -> str:
        """As a line of ASCII."""
        return MARK + json.dumps(asdict(self), sort_keys=True)


def of_stem(path: Path) -> tuple[Origin, int] | None:
    """What a stem's file says of itself, and its length in samples; None: ``bsrnn separate`` did not write it."""
    try:
        if not path.is_file():  # opening a pipe would wait for its writer
            return None
        with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
            comment, frames = sound.comment, sound.frames
        if not comment.startswith(MARK):
            return None
        values = json.loads(comment.removeprefix(MARK))
        return Origin(**{name: str(values[name]) for name in Origin.__dataclass_fields__}), frames
    except (OSError, soundfile.SoundFileError, ValueError, KeyError, TypeError):
        return None  # another program's file, whatever it is
