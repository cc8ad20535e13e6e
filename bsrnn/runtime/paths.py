"""Where things lie. Everything hangs on the project root, so that notebooks run from any folder."""

import os
from argparse import ArgumentTypeError
from pathlib import Path

from bsrnn.errors import ConfigError

MARK = "_config.yml"  # Jupyter Book's settings, at the root of a clone


def expanded(text: str) -> str:
    """A place as a user writes it, with ~ and $VARIABLES filled in, where nothing of that very name is there.

    The shell does so before we see it, but not within quotes, after --out=, in makefiles or a container's settings.

    Raises:
        ArgumentTypeError: nothing at all, as of a variable that is not set; it would stand for the working folder.
    """
    if not text:
        raise ArgumentTypeError("got nothing, expected a place (is a variable empty?); the working folder is .")
    if not (text.startswith("~") or "$" in text) or os.path.lexists(text):
        return text
    return os.path.expanduser(os.path.expandvars(text))


def place(text: str) -> Path:
    """A place as a user writes it, see :func:`expanded`."""
    return Path(expanded(text))


def enclosing(folder: Path) -> Path | None:
    """The project that a folder lies in, if any."""
    here = folder.resolve()
    projects = (above for above in (here, *here.parents) if (above / MARK).is_file() and (above / "bsrnn").is_dir())
    return next(projects, None)


def package() -> Path:
    """The folder of this package, in a clone or among the installed ones."""
    return Path(__file__).resolve().parents[1]


def root() -> Path:
    """Project root: ``BSRNN_ROOT`` if set, else upwards from the working folder to ``_config.yml``.

    papermill runs a notebook in the caller's folder and Jupyter Book in ``book/``; both find the same root.

    Raises:
        ConfigError: there is none, or ``BSRNN_ROOT`` names another folder.
    """
    if given := os.environ.get("BSRNN_ROOT"):
        folder = Path(os.path.realpath(place(given)))
        if not os.path.isfile(folder / MARK):
            raise ConfigError(f"got BSRNN_ROOT {given!r}: expected the folder of a clone, which holds {MARK}; correct "
                              "it, or unset it and go into your clone")  # fmt: skip
        return folder
    here = Path.cwd().resolve()
    if project := enclosing(here):
        return project
    raise ConfigError(
        f"no project root at or above {here}: expected a folder that holds _config.yml and bsrnn/; "
        "go into your clone or set BSRNN_ROOT to it"
    )


def data() -> Path:
    """Rendered and downloaded audio: ``BSRNN_DATA`` if set (a big disk elsewhere), else ``<root>/data``.

    Raises:
        ConfigError: no project, or ``BSRNN_DATA`` names a file.
    """
    given = os.environ.get("BSRNN_DATA")
    if not given:
        return root() / "data"
    folder = Path(os.path.realpath(place(given)))
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"got BSRNN_DATA {given!r}, which is a file: expected a folder for the songs")
    return folder


def unlabelled() -> Path:
    """A user's own unlabelled music, for finetuning on real songs; the embedded set brings its own."""
    return data() / "unlabelled"


def shown(path: Path) -> str:
    """A path as a message names it: from the project's root where it lies below, else whole."""
    return path.relative_to(root()).as_posix() if path.is_relative_to(root()) else str(path)


def results(profile: str) -> Path:
    """Runs, tables, figures and checkpoints of one profile."""
    return root() / "results" / profile


def published() -> Path:
    """Numbers of the paper and of others, as CSV files with their sources."""
    return root() / "data" / "published"
