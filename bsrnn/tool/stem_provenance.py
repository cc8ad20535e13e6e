"""Whose stems a file holds: a line in the header of every file that ``bsrnn separate`` writes.

By it stems are told from songs, those of one song from those of another, and finished ones from those of other models
or settings. It goes where the file goes, and names no folder of the machine: that is in it as a hash alone.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import soundfile
import torch

import bsrnn
from bsrnn.models.base import Separator
from bsrnn.runtime.system_errors import reading

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


@dataclass(frozen=True)
class Song:
    """A song's file that is to be separated; it is read for its hash when that is asked for, and once."""

    path: Path
    made_with: str

    @cached_property
    def origin(self) -> Origin:
        """What its stems will say; DataError if the file cannot be read."""
        with reading(self.path, "audio"), open(self.path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
        place = hashlib.sha256(os.fsencode(os.path.realpath(self.path))).hexdigest()[:DIGITS]
        return Origin(self.path.name, place, content, self.made_with)


def of_stem(path: Path) -> tuple[Origin, int] | None:
    """What a stem's file says of itself, and its length in samples; None: ``bsrnn separate`` did not write it."""
    try:
        with open(path, "rb") as file, soundfile.SoundFile(file) as sound:
            comment, frames = sound.comment, sound.frames
        if not comment.startswith(MARK):
            return None
        values = json.loads(comment.removeprefix(MARK))
        return Origin(**{name: str(values[name]) for name in Origin.__dataclass_fields__}), frames
    except (OSError, soundfile.SoundFileError, ValueError, KeyError, TypeError):
        return None  # another program's file, whatever it is


def made_with(models: Sequence[Separator], settings: dict) -> str:
    """Hash of the models' weights and settings and of all options that decide the samples."""
    digest = hashlib.sha256(json.dumps([bsrnn.__version__, settings], sort_keys=True, default=str).encode())
    for model in models:
        digest.update(repr(model.config).encode())
        for name, value in model.state_dict().items():
            digest.update(name.encode() + value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:DIGITS]

