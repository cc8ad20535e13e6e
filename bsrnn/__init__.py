"""Music source separation with the band-split RNN: the library behind the book."""

from bsrnn.bands import band_widths
from bsrnn.checkpoint import load
from bsrnn.config import ModelConfig
from bsrnn.metrics import csdr, usdr
from bsrnn.models.bsrnn import BSRNN
from bsrnn.separation import separate

__version__ = "0.1.0"
__all__ = ["BSRNN", "ModelConfig", "band_widths", "csdr", "load", "separate", "usdr"]
