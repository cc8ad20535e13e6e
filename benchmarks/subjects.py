"""What is measured: models of the paper's size with random weights, and clips of noise."""

from dataclasses import replace

import torch

import bsrnn
from bsrnn.runtime.precision import fast_dtype
from bsrnn.study import profiles
from bsrnn.train import new_model

RATE, SECONDS = 44100, 3
PAPER = replace(profiles.PAPER.model, mlp_layers=2)  # 36.4 M parameters, as the authors' code has it


def paper_model(options, **changes) -> bsrnn.BSRNN:
    """The paper's model with random weights; a toy one with ``--toy``, for trying the script."""
    size = {"features": 8, "modules": 1} if options.toy else {}
    return new_model(replace(PAPER, **(size | changes)), 0).eval()


def in_bfloat16(model: bsrnn.BSRNN) -> bsrnn.BSRNN:
    """A copy whose RNN core runs in bfloat16, as bsrnn.load(dtype="bfloat16") gives it."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.compute_in(torch.bfloat16).eval()


def arithmetics() -> dict[str, torch.dtype]:
    """Short name -> dtype that this processor computes in: an emulated bfloat16 would take hours and tell nothing."""
    return {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if fast_dtype() == "bfloat16" else {})


def without_bfloat16(*keys: str) -> dict[str, list[str]]:
    """What a benchmark says of ``keys`` that need bfloat16: nothing where it is there, else that they are left out."""
    return {} if "bf16" in arithmetics() else {"left_out": list(keys)}


def clip(batch: int = 1, seconds: float = SECONDS) -> torch.Tensor:
    """Noise, (B, 2, L): the time of none of these depends on what is heard."""
    return 0.1 * torch.randn(batch, 2, round(seconds * RATE), generator=torch.Generator().manual_seed(1))
