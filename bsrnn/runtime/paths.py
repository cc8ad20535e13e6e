"""Where things lie. Everything hangs on the project root, so that notebooks run from any folder."""

import os
from pathlib import Path

from bsrnn.errors import ConfigError


def root() -> Path:
    """Project root: ``BSRNN_ROOT`` if set, else upwards from the working folder to ``_config.yml``.

    papermill runs a notebook in the caller's folder and Jupyter Book in ``book/``; both find the same root.
    """
    if given := os.environ.get("BSRNN_ROOT"):
        return Path(given).resolve()
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "_config.yml").is_file() and (folder / "bsrnn").is_dir():
            return folder
    raise ConfigError(
        f"no project root at or above {here}: expected a folder that holds _config.yml and bsrnn/; "
        "go into your clone or set BSRNN_ROOT to it"
    )


def data() -> Path:
    """Rendered and downloaded audio: ``BSRNN_DATA`` if set (a big disk elsewhere), else ``<root>/data``."""
    given = os.environ.get("BSRNN_DATA")
    return Path(given).resolve() if given else root() / "data"


def results(profile: str) -> Path:
    """Runs, tables, figures and checkpoints of one profile."""
    return root() / "results" / profile


def published() -> Path:
    """Numbers of the paper and of others, as CSV files with their sources."""
    return root() / "data" / "published"
