"""A model that changes nothing, or does what it is told: stands in for a BSRNN."""

import torch

from bsrnn.config import ModelConfig


class Fake(torch.nn.Module):
    """(B, C, L) -> (B, S, C, L), by ``change`` or by copying the mixture for each target; notes what it was given."""

    def __init__(self, change=None, targets=("a",), sample_rate=100, n_fft=4):
        super().__init__()
        widths = (1,) * (n_fft // 2 + 1)
        self.config = ModelConfig(targets, widths, sample_rate, n_fft, hop_samples=n_fft // 2)
        self.register_buffer("window", torch.ones(4))
        self.change = change or (lambda x: torch.stack([x] * len(targets), 1))
        self.seen = []

    def forward(self, mixture):
        self.seen.append(mixture.shape)
        return self.change(mixture)
