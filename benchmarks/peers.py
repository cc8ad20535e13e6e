"""Other systems' separators with random weights, from their own packages: torchaudio, openunmix, BS-RoFormer.

Install the last with ``pip install BS-RoFormer``, the others with the extra ``peers``; what is missing is left out and
named.
"""

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

PACKAGES = {"Hybrid Demucs, four stems": "torchaudio", "Open-Unmix, one stem": "openunmix",
            "BS-RoFormer, one stem": "bs_roformer"}  # fmt: skip


def missing() -> list[str]:
    """Peers whose package is not installed."""
    return [name for name, package in PACKAGES.items() if importlib.util.find_spec(package) is None]


def separators(toy: bool = False) -> dict[str, Callable[[Tensor], Tensor]]:
    """Name -> mixture (B, 2, L) at 44.1 kHz to what the system gives for it."""
    makers = {"torchaudio": _hybrid_demucs, "openunmix": _open_unmix, "bs_roformer": _bs_roformer}
    found = {}
    for name, package in PACKAGES.items():
        if name not in missing():
            torch.manual_seed(0)
            found[name] = makers[package](toy)
    return found


def _hybrid_demucs(toy: bool) -> Callable[[Tensor], Tensor]:
    from torchaudio.models import HDemucs, hdemucs_high

    names = ["drums", "bass", "other", "vocals"]
    model = HDemucs(names, channels=4) if toy else hdemucs_high(names)
    return model.eval()


def _open_unmix(toy: bool) -> Callable[[Tensor], Tensor]:
    from openunmix.model import OpenUnmix, Separator

    hidden = 16 if toy else 512
    model = OpenUnmix(nb_bins=2049, nb_channels=2, hidden_size=hidden, max_bin=1487)
    # as umxhq separates one target: no Wiener filter over several
    return Separator({"vocals": model}, niter=0, residual=False, sample_rate=44100.0, n_fft=4096, n_hop=1024).eval()


def _bs_roformer(toy: bool) -> Callable[[Tensor], Tensor]:
    from bs_roformer import BSRoformer

    size = {"dim": 32, "depth": 1} if toy else {"dim": 384, "depth": 12}  # the size of its published vocals model
    return BSRoformer(stereo=True, time_transformer_depth=1, freq_transformer_depth=1, flash_attn=True, **size).eval()
