"""Music source separation with the band-split RNN: the library behind the book.

A name is looked up when it is first used: torch takes seconds to import, and a command line that is asked for --help,
or interrupted, should not have to wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bsrnn.bands import band_widths
    from bsrnn.checkpoint import load
    from bsrnn.config import ModelConfig
    from bsrnn.metrics import csdr, usdr
    from bsrnn.models.bsrnn import BSRNN
    from bsrnn.separation import separate

__version__ = "0.1.0"
__all__ = ["BSRNN", "ModelConfig", "band_widths", "csdr", "load", "separate", "usdr"]
_HOMES = {
    "BSRNN": "bsrnn.models.bsrnn",
    "ModelConfig": "bsrnn.config",
    "band_widths": "bsrnn.bands",
    "csdr": "bsrnn.metrics",
    "load": "bsrnn.checkpoint",
    "separate": "bsrnn.separation",
    "usdr": "bsrnn.metrics",
}


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'bsrnn' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
