"""What a result says of how it was computed: the commit that this package lies in, whether the package differs from
it, and how much memory it took."""

import subprocess
import sys
from functools import cache

import torch

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


def peak_memory_gb(device: str) -> float:
    """The most memory that this process has held, in GB: of the GPU, or of the machine."""
    if device.startswith("cuda"):
        return round(torch.cuda.max_memory_allocated() / 1e9, 2)
    try:
        import resource  # not on Windows
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)
