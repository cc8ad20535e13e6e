"""Which code computed a number: the commit that this package lies in, and whether the package differs from it."""

import subprocess
from functools import cache

from bsrnn.runtime import paths


@cache  # of what runs, should a file change while it does
def code_state() -> dict[str, str | bool | None]:
    """``{"commit": hash, "dirty": whether a file of bsrnn/ is changed or new}``; both None outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--", ".") if commit else None
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(paths.package()), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
