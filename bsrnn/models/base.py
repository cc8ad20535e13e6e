"""What training, separation and checkpoints ask of every model: BSRNN, and the earlier systems of
:mod:`bsrnn.models.other_systems`.

Axes as in :mod:`bsrnn.models.bsrnn`.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from bsrnn.config import ModelConfig, PeerConfig


class Separator(nn.Module, ABC):
    """A model of mixture (B, C, L) -> estimates (B, S, C, L), with the STFT that its loss is computed on.

    ``items_apart``: whether the items of a batch leave each other alone in training, so that it may be taken in pieces.
    A subclass also has ``forward``.
    """

    items_apart = True
    widths: list[int] = []  # of the subbands, in bins; none
    window: Tensor  # of the STFT

    def __init__(self, config: ModelConfig | PeerConfig):
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    @abstractmethod
    def estimate_both(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """What the loss compares: the STFTs (B, S, C, F, T) of the estimates, and the estimates (B, S, C, L)."""

    @abstractmethod
    def compute_in(self, dtype: torch.dtype) -> Self:
        """Do nearly all of the work in a dtype; the model itself, changed in place."""

    def stft(self, audio: Tensor) -> Tensor:
        """(B.., L) -> (B.., F, T) complex, at least one axis before L.

        Centred frames, reflected edges (paper: not given; torch's defaults).
        """
        flat = audio.reshape(-1, audio.shape[-1])  # (all before L, L)
        spectrogram = torch.stft(
            flat, self.config.n_fft, self.config.hop_samples, window=self.window, return_complex=True
        )
        return spectrogram.unflatten(0, audio.shape[:-1])  # (B.., F, T)

    def istft(self, spectrogram: Tensor, samples: int) -> Tensor:
        """(B.., F, T) complex -> (B.., L): the inverse of :meth:`stft` to float precision."""
        flat = spectrogram.flatten(0, -3)  # (all before F, F, T)
        audio = torch.istft(flat, self.config.n_fft, self.config.hop_samples, window=self.window, length=samples)
        return audio.unflatten(0, spectrogram.shape[:-2])  # (B.., L)

    def count_parameters(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())


def as_list(models: Separator | Sequence[Separator]) -> list[Separator]:
    """Of one model or several."""
    return list(models) if isinstance(models, Sequence) else [models]


def targets_of(models: Sequence[Separator]) -> dict[str, int]:
    """Each target in the models' order, and how many of them separate it."""
    return dict(Counter(target for model in models for target in model.config.targets))
