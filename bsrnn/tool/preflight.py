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

import torch

from bsrnn import checkpoint
from bsrnn.config import DataConfig, Profile
from bsrnn.data import songs
from bsrnn.errors import BSRNNError, ConfigError, SeveralErrors
from bsrnn.models.other_systems import build
from bsrnn.runtime.system_errors import obstacle, of_a_path, reading, writing
from bsrnn.study import runs
from bsrnn.study.runs import Run

Arguments, Result = ParamSpec("Arguments"), TypeVar("Result")
# a training's files, in float32 copies of its model: three resume files of weights and two moments each, two models
STATES, STATES_GOING_ON = 11, 4  # a training that goes on has most of them already
NAME_BYTES = 255  # of a file, on nearly every disk
RENDERED = 5 * 44100 * 2 * 2  # bytes a second: four stems and their mixture, stereo, 16 bit
ON_DISK = ("folder", "musdb18hq")  # data that lie there as they are read: to look at them costs no rendering


class Checks:
    """Collects what is wrong; called with a function and its arguments, gives its result, or None where it fails."""

    def __init__(self):
        self.errors: list[BSRNNError] = []

    def __call__(self, check: Callable[Arguments, Result], *args: Arguments.args) -> Result | None:
        try:
            return check(*args)
        except BSRNNError as error:
            self.errors.append(error)
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
    count = torch.cuda.device_count()
    if count == 0 or (torch.device(name).index or 0) >= count:
        raise ConfigError(f"got --device {name}, but torch can use {count} GPU(s) here; choose one of them, or cpu")


def data(settings: DataConfig, split: str | None, targets: tuple[str, ...]) -> None:
    """DataError unless every song of a split (None: of all) can be read, and there are some.

    What is rendered or decoded first is left to the command itself.
    """
    if settings.source in ON_DISK:
        songs.load(settings, split, targets=targets)


def rendering(settings: DataConfig, root: Path, splits: list[str]) -> None:
    """BSRNNError unless the embedded songs that are missing below ``root`` can be written there."""
    from bsrnn.data.synthetic import count, song_folder  # its dependencies are an extra

    missing = sum(not song_folder(root, settings, split, index).is_dir()
                  for split in splits for index in range(count(settings, split)))  # fmt: skip
    if missing:
        place(root)
        room(root, missing * settings.song_seconds * RENDERED, f"rendering {missing} songs")


def own_folder(folder: Path) -> None:
    """ConfigError for a folder with a model that no training has put there: its own folder has a settings.json, too."""
    there = [name for name in (checkpoint.CONFIG, checkpoint.WEIGHTS) if (folder / name).exists()]
    if there and not (folder / "settings.json").exists():
        raise ConfigError(f"{folder} holds {' and '.join(there)}, which no training here has made and which would be "
                          "replaced: choose another --out")  # fmt: skip


def training(check: Checks, profile: Profile | None, folder: Path) -> None:
    """All that a training needs until its end; where its profile is wrong (None), the folder alone."""
    check(own_folder, folder)
    check(place, folder, checkpoint.CONFIG, checkpoint.WEIGHTS, "settings.json", "training.json")
    if profile is None:
        return
    for split in (None, "valid"):  # all: what fails to be read is said once, whatever its split
        check(data, profile.data, split, profile.model.targets)
    parameters = check(_parameters, profile)
    if parameters and not (folder / "training.json").is_file():
        states = STATES_GOING_ON if (folder / "settings.json").is_file() else STATES
        check(room, folder, states * 4 * parameters, "this training")


def run(wanted: Run, device_name: str) -> None:
    """All that a run needs until its result is written; nothing where it is there.

    Raises:
        BSRNNError: all that is wrong, at once.
    """
    path = wanted.result_path()
    if path.is_file():
        return
    with all_at_once() as check:
        check(device, device_name)
        check(place, path.parent, path.name)
        if wanted.start:
            check(runs.load, wanted.start)
        if wanted.kind in ("train", "finetune"):
            training(check, wanted.profile, wanted.weights_folder())
        check(data, wanted.profile.data, None, (wanted.target,))  # it is scored at the end, on the test songs


def _parameters(profile: Profile) -> int:
    """Of the model, from its shapes alone."""
    with torch.device("meta"):
        return build(profile.model).count_parameters()
