"""Which models ``bsrnn separate`` and ``bsrnn evaluate`` take, and what is said of them.

A folder of models is taken as a whole: where several in it separate one stem, the result is the mean of their
estimates. Models that are given one by one give each stem once.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bsrnn import checkpoint
from bsrnn.errors import ConfigError
from bsrnn.models.base import Separator, targets_of
from bsrnn.runtime import hub, paths
from bsrnn.runtime.system_errors import reading
from bsrnn.tool import cards


def default() -> Path:
    """The models of this project's own results: in the clone around the working folder, or around this package.

    Raises:
        ConfigError: there is no clone, as after `pip install` from elsewhere, or BSRNN_ROOT names none.
    """
    clone = paths.root() if os.environ.get("BSRNN_ROOT") else paths.enclosing(Path.cwd())
    for root in (clone, paths.enclosing(paths.package())):
        if root and (folder := root / "results" / "small" / "checkpoints").is_dir():
            return folder
    raise ConfigError("no --model, and no results of this project here: expected --model DIR_OR_HUB_ID, or a clone of "
                      "the project around the working folder")  # fmt: skip


def members(name: str | Path) -> list[Path]:
    """The folder of a model, the folders of all models in a folder, or the local copy of a model of the Hub.

    A folder without any is given back as it is: to load it says what is missing. One with a file of a model counts as
    a model; hidden ones do not count.

    Raises:
        DataError: the system forbids to look.
    """
    folder = hub.locate(name)
    with reading(folder, "a model"):
        if not folder.is_dir() or _begun(folder):
            return [folder]
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_dir())
        return [path for path in inside if _begun(path)] or [folder]


def _begun(folder: Path) -> bool:
    return (folder / checkpoint.CONFIG).is_file() or (folder / checkpoint.WEIGHTS).is_file()


def each_once(found: Mapping[str, Sequence[Path]]) -> dict[Path, str]:
    """Name -> its :func:`members`, turned round: folder -> the name that it was given by.

    Each model once, by whatever path. One that is given by itself, too, belongs to the folder that it lies in.
    """
    in_folders = {os.path.realpath(path) for inside in found.values() if len(inside) > 1 for path in inside}
    first: dict[str, tuple[Path, str]] = {}
    for name, inside in found.items():
        for path in inside:
            place = os.path.realpath(path)
            if len(inside) > 1 or place not in in_folders:
                first.setdefault(place, (path, name))
    return dict(first.values())


def label(names: Collection[str]) -> str:
    """What OUT/MODEL is called: the models' names; a folder "checkpoints" is called after the one above."""
    parts = [Path(hub.plain_name(name)).absolute() for name in names]
    return "+".join(part.parent.name if part.name == "checkpoints" else part.name for part in parts)


def each_stem_once(models: Mapping[Path, Separator], given_as: Mapping[Path, str]) -> None:
    """Models in one folder are meant together, and may separate one stem; those that are given one by one may not.

    models: by folder. given_as: folder -> the name that it was given by.

    Raises:
        ConfigError: two names have models of one stem.
    """
    together: dict[str, list[Separator]] = {}
    for folder, model in models.items():
        together.setdefault(given_as[folder], []).append(model)
    first: dict[str, str] = {}
    for name, group in together.items():
        for stem in targets_of(group):
            if first.setdefault(stem, name) != name:
                raise ConfigError(f"{first[stem]} and {name} both separate {stem!r}: expected each stem once; leave "
                                  "one out, or give a folder with both, for the mean of their estimates")  # fmt: skip


def describe(models: Mapping[Path, Separator], stems: Collection[str]) -> list[str]:
    """A line for each model, and one for each of some stems that several of them separate."""
    counted = targets_of(list(models.values()))
    shared = [f"{stem}: the mean of the estimates of {number} models"
              for stem, number in counted.items() if number > 1 and stem in stems]  # fmt: skip
    return [cards.describe(folder) for folder in models] + shared
