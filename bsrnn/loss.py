"""Equation 1, what is learnt from, and its gradients over a batch."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from bsrnn.config import LossConfig
from bsrnn.errors import ConfigError
from bsrnn.models.base import Separator
from bsrnn.models.bsrnn import BSRNN
from bsrnn.runtime import distributed
from bsrnn.runtime.captured import Captured
from bsrnn.runtime.threads import on_each_core


def objective(model: Separator, mixture: Tensor, targets: Tensor, config: LossConfig = LossConfig()) -> Tensor:
    """Equation 1: L1 of real part + L1 of imaginary part + L1 of the waveform; a scalar.

    Args:
        mixture: (B, C, L). targets: (B, S, C, L).
    """
    return distance(model, model.estimate_both(mixture), targets, config)


def distance(model: Separator, estimates: tuple[Tensor, Tensor], targets: Tensor, config: LossConfig) -> Tensor:
    """Equation 1 of what ``model.estimate_both`` gave, the spectrograms and the signals of its estimates; a scalar."""
    spectral_weight = weight_of_plain_stft(config, model.window)
    estimate, signals = estimates
    if estimate.shape[:3] != targets.shape[:3]:
        got, expected = tuple(targets.shape), tuple(estimate.shape[:3])
        raise ValueError(f"got targets of shape {got}, expected (B, S, C, L) with (B, S, C) {expected}")
    error = torch.view_as_real(estimate - model.stft(targets)).abs()  # (B, S, C, F, T, 2)
    waveform_error = (signals - targets).abs()  # (B, S, C, L)
    if config.reduction == "sum":
        return spectral_weight * error.sum() + config.waveform_weight * waveform_error.sum()
    # the mean over both parts is half of the sum of their means
    return 2 * spectral_weight * error.mean() + config.waveform_weight * waveform_error.mean()


def weight_of_plain_stft(config: LossConfig, window: Tensor) -> float | Tensor:
    """What an error of torch's STFT, with this window (n_fft,), weighs: another scale of it is another weight."""
    unit = config.stft_scale == "unit"
    return config.spectral_weight / window.square().sum().sqrt() if unit else config.spectral_weight


class Estimate(nn.Module):
    """BSRNN between the STFTs as a module, which is what is recorded: the same kernels for any batch of a shape.
    Torch's inverse STFT cannot be recorded, it looks at its window's sum."""

    def __init__(self, model: BSRNN):
        super().__init__()
        self.model = model

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Mixture spectrogram (B, C, F, T) -> estimated spectrograms (B, S, C, F, T)."""
        return self.model.estimate(spectrogram)


class Objective(nn.Module):
    """The loss as a module, which is what DistributedDataParallel wraps.

    Args:
        recorded: BSRNN's kernels are recorded, for batches of one shape on a GPU (:mod:`bsrnn.runtime.captured`).
        precision: "bfloat16": products inside the model are computed in it, and on a CPU its LSTMs; weights, STFTs and
            the loss stay in float32. bfloat16 has float32's range, so that no loss need be scaled. Some CPUs cannot:
            see :func:`bsrnn.runtime.precision.usable_dtype`.

    Raises:
        ConfigError: unknown precision.
    """

    def __init__(self, model: Separator, loss: LossConfig, precision: str = "float32", recorded: bool = False):
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ConfigError(f"unknown precision {precision!r}: expected 'float32' or 'bfloat16'")
        self.model, self.loss, self.in_bfloat16 = model, loss, precision == "bfloat16"
        self.recorded = Captured(Estimate(model)) if recorded and isinstance(model, BSRNN) else None

    def forward(self, mixture: Tensor, targets: Tensor) -> Tensor:
        """(B, C, L), (B, S, C, L) -> a scalar."""
        kept = self.recorded is None  # a recording casts the weights anew each time
        with torch.autocast(mixture.device.type, torch.bfloat16, enabled=self.in_bfloat16, cache_enabled=kept):
            if self.recorded is None:
                return objective(self.model, mixture, targets, self.loss)
            spectrograms = self.recorded(self.model.stft(mixture))
            estimates = spectrograms, self.model.istft(spectrograms, mixture.shape[-1])
            return distance(self.model, estimates, targets, self.loss)


def gradients(learner: nn.Module, mixture: Tensor, targets: Tensor, loss: LossConfig, micro_items: int = 0) -> Tensor:
    """Gradients of a whole batch's loss, a few items at a time; that loss, a scalar, the same in every process.

    The items of a batch do not touch each other, so the pieces change nothing but the order of sums; a model whose
    items do (`Separator.items_apart`) takes a batch whole.

    Args:
        learner: an :class:`Objective`, wrapped by :func:`bsrnn.runtime.distributed.wrap`; its device takes each piece.
        mixture: (B, C, L), this process's share. targets: (B, S, C, L). micro_items: of a piece; 0: all.
    """
    device, apart = next(learner.parameters()).device, getattr(getattr(learner, "model", None), "items_apart", True)
    size = micro_items if micro_items and apart else len(mixture)
    pieces = list(zip(mixture.split(size), targets.split(size), strict=True))
    value = torch.zeros((), device=device)

    def part_of(mixtures: Tensor, wanted: Tensor) -> Tensor:
        share = distributed.size() if loss.reduction == "sum" else len(mixtures) / len(mixture)
        return share * learner(mixtures.to(device), wanted.to(device))

    if distributed.size() == 1 and device.type == "cpu":
        for piece in pieces:
            value += _gradients_on_each_core(part_of, list(learner.parameters()), piece, apart)
        return value
    for number, piece in enumerate(pieces, start=1):
        # processes meet once a batch, in the last backward pass, which gives every one the mean of all gradients
        wrapped = learner if isinstance(learner, nn.parallel.DistributedDataParallel) else None
        with wrapped.no_sync() if wrapped and number < len(pieces) else nullcontext():
            part = part_of(*piece)
            part.backward()
        value += part.detach()
    return distributed.total(value) / distributed.size()


def _gradients_on_each_core(
    part_of: Callable[[Tensor, Tensor], Tensor],
    parameters: list[nn.Parameter],
    piece: tuple[Tensor, Tensor],
    apart: bool,
) -> Tensor:
    """Add the gradients of a piece, computed in threads and summed in their order; its part of the loss.

    ``apart`` False: by one thread.
    """

    def loss_and_gradients(mixtures: Tensor, targets: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        part = part_of(mixtures, targets)
        return part.detach(), torch.autograd.grad(part, parameters)

    value = torch.zeros(())
    for part, of_part in on_each_core(loss_and_gradients, *piece) if apart else [loss_and_gradients(*piece)]:
        value += part
        for parameter, gradient in zip(parameters, of_part, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
    return value
