"""What ``bsrnn separate`` writes into each stem's header (:mod:`bsrnn.audio.origin`): whose it is, and how made."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

import bsrnn
from bsrnn.audio.origin import DIGITS, Origin
from bsrnn.models.base import Separator
from bsrnn.runtime.system_errors import reading


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


def made_with(models: Sequence[Separator], settings: dict) -> str:
    """Hash of the models' weights and settings and of all options that decide the samples."""
    digest = hashlib.sha256(json.dumps([bsrnn.__version__, settings], sort_keys=True, default=str).encode())
    for model in models:
        digest.update(repr(model.config).encode())
        for name, value in model.state_dict().items():
            digest.update(name.encode() + value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:DIGITS]
