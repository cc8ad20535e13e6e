"""Before hours of work: what a command will need at its end is tried, and all that is wrong is said at once."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from bsrnn.errors import BSRNNError, ConfigError, SeveralErrors
from bsrnn.runtime.system_errors import obstacle, of_a_path, reading, writing

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
NAME_BYTES = 255  # of a file, on nearly every disk


class Checks:
    """Collects what is wrong; called with a function and its arguments, gives its result, or None where it fails."""

    def __init__(self):
        self.errors: list[BSRNNError] = []

    def __call__(
        self, check: Callable[Arguments, Result], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Result | None:
        try:
            return check(*args, **named)
        except BSRNNError as error:
            self.errors += error.errors if isinstance(error, SeveralErrors) else [error]
        except OSError as error:
            if not of_a_path(error):
                raise
            self.errors.append(BSRNNError(f"{error.filename}: {obstacle(error)}"))
        return None


@contextmanager
def all_at_once() -> Iterator[Checks]:
    """Checks that go on after the first error.

    Raises:
        BSRNNError: one error as it is, several as :class:`bsrnn.errors.SeveralErrors`.
    """
    checks = Checks()
    yield checks
    different = list({str(error): error for error in checks.errors}.values())
    if len(different) == 1:
        raise different[0]
    if different:
        raise SeveralErrors(different)


def place(path: Path, *files: str) -> None:
    """BSRNNError unless a folder can be made at ``path``, and files of these names in it; nothing is left there."""
    verb = "cannot be written into" if os.path.isdir(path) else "cannot make the folder"
    with writing(path, verb):
        above = _nearest(path)
        for name in path.parts[len(above.parts) :]:
            if len(os.fsencode(name)) > NAME_BYTES:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        with tempfile.TemporaryFile(dir=above, prefix=".", suffix=".partial") as file:
            file.write(b"\0")
            file.flush()
    for name in files:
        if os.path.isdir(path / name):
            raise BSRNNError(f"{path / name}: cannot be written: a folder is there, and no file; move it away, or "
                             "choose another --out")  # fmt: skip


def ours(path: Path, mark: str) -> None:
    """ConfigError for a file that is there and lacks the ``mark`` by which ours are known: it would be replaced."""
    if path.is_file():
        with reading(path):
            known = mark.encode() in path.read_bytes()
        if not known:
            raise ConfigError(f"{path} is there already, is not of this command, and would be replaced: choose another "
                              "--out, or move it away")  # fmt: skip


def _nearest(path: Path) -> Path:
    """The folder itself, or the first above it that is there; OSError where something else is in the way."""
    while True:
        try:
            os.lstat(path)
            break
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
    if not stat.S_ISDIR(os.stat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return path


def room(path: Path, needed: float, what: str) -> None:
    """BSRNNError if the disk of ``path`` has fewer than ``needed`` bytes free."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    with reading(path):
        free = shutil.disk_usage(path).free
    if free < needed:
        raise BSRNNError(f"{path}: {_size(free)} are free on this disk, but {what} takes about "
                         f"{_size(needed)}; free some space, or choose a place on another disk")  # fmt: skip


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def device(name: str) -> None:
    """ConfigError for a GPU that is not there."""
    if not name.startswith("cuda"):
        return
    import torch

    count = torch.cuda.device_count()
    if count == 0 or (torch.device(name).index or 0) >= count:
        raise ConfigError(f"got --device {name}, but torch can use {count} GPU(s) here; choose one of them, or cpu")
