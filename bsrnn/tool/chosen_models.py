"""Which models ``bsrnn separate`` takes, and what is said of them.

A folder of models is taken as a whole: where several in it separate one stem, the mean of their estimates is written.
Models that are given one by one give each stem once.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bsrnn import checkpoint
from bsrnn.errors import ConfigError
from bsrnn.models.base import Separator, targets_of
from bsrnn.runtime import hub, paths
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


def folders(name: str | Path) -> list[Path]:
    """The folder of a model, the folders of all models in a folder, or the local copy of a model of the Hub.

    Raises:
        DataError: none is there.
    """
    folder = hub.locate(name)
    if (folder / checkpoint.CONFIG).is_file() or not folder.is_dir():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{checkpoint.CONFIG}"))
    return found or [folder]  # which then says what is missing


def once(names: list[str]) -> list[str]:
    """Each model once, by whatever path it is given."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(os.path.realpath(name) if os.path.isdir(name) else name, name)
    return list(first.values())


def label(names: list[str]) -> str:
    """What OUT/MODEL is called: the models' names; a folder "checkpoints" is called after the one above."""
    parts = [Path(hub.plain_name(name)).absolute() for name in names]
    return "+".join(part.parent.name if part.name == "checkpoints" else part.name for part in parts)


def each_stem_once(models: Mapping[Path, Separator], given_as: Mapping[Path, str]) -> None:
    """Models in one folder are meant together, and may separate one stem; those that are given one by one may not.

    models: by folder. given_as: folder -> the name that it was given by.

    Raises:
        ConfigError: models of two names separate one stem.
    """
    together: dict[str, list[Separator]] = {}
    for folder, model in models.items():
        together.setdefault(given_as[folder], []).append(model)
    stems = [stem for group in together.values() for stem in targets_of(group)]
    if len(set(stems)) < len(stems):
        raise ConfigError(f"the models separate {', '.join(stems)}: expected each stem once; leave one model out, or "
                          "give a folder with both: of one stem it writes the mean of their estimates")  # fmt: skip


def describe(models: Mapping[Path, Separator]) -> list[str]:
    """A line for each model, and one for each stem that several of them separate."""
    shared = [f"{stem}: the mean of the estimates of {number} models"
              for stem, number in targets_of(list(models.values())).items() if number > 1]  # fmt: skip
    return [cards.describe(folder) for folder in models] + shared
