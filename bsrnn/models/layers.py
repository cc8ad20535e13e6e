"""What the band-split RNN is built of: normalisations, linear layers of each subband, the residual RNN.

Axes as in :mod:`bsrnn.models.bsrnn`.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional

from bsrnn.config import ModelConfig

EPS = ModelConfig().normalisation_eps  # of every normalisation, unless set otherwise: float32's (authors' code)


def standardise(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    """``x`` minus its mean over ``axes``, over its standard deviation; at least in float32, whatever ``x`` is."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    x = x - _mean(x, axes)
    return x * torch.rsqrt(_mean(x.square(), axes) + eps)


def _mean(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    for axis in sorted(axes, reverse=True):  # one at a time: a tenth of the time of torch.var_mean over two
        x = x.mean(axis, keepdim=True)
    return x


def project(layer: nn.Linear, x: Tensor) -> Tensor:
    """``layer(x)`` of x (steps, sequences, inputs).

    On a CPU as a convolution with a kernel of one: oneDNN does these, and on some processors in half of MKL's time.
    """
    if x.device.type != "cpu":
        return layer(x)
    images = x[:, None].permute(0, 3, 1, 2)  # (steps, inputs, 1, sequences), inputs last in memory as they are
    return functional.conv2d(images, layer.weight[:, :, None, None], layer.bias).permute(0, 2, 3, 1)[:, 0]


class BandNorm(nn.Module):
    """Normalisation with an affine map of its own for each of K subbands.

    ``mode`` "group": mean and variance over frames and features (authors' code: GroupNorm with one group).
    "layer": over the features of each frame (the letter of the paper: "layer normalisation").
    """

    def __init__(self, bands: int, features: int, mode: str, eps: float = EPS):
        super().__init__()
        self.axes, self.eps = (1, 3) if mode == "group" else (3,), eps
        self.weight = nn.Parameter(torch.ones(bands, 1, 1, features))
        self.bias = nn.Parameter(torch.zeros(bands, 1, 1, features))

    def forward(self, x: Tensor) -> Tensor:  # (K, T, B, features)
        return torch.addcmul(self.bias, standardise(x, self.axes, self.eps), self.weight)


class BandLinear(nn.Module):
    """A linear layer of its own for each of K subbands, as one batched product."""

    def __init__(self, bands: int, inputs: int, outputs: int):
        super().__init__()
        bound = inputs**-0.5  # what nn.Linear draws from, for each subband alone
        self.weight = nn.Parameter(torch.empty(bands, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(bands, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:  # (K, T, B, inputs) -> (K, T, B, outputs)
        flat = torch.baddbmm(self.bias, x.flatten(1, 2), self.weight)  # (K, TB, outputs)
        return flat.unflatten(1, x.shape[1:3])


class ResidualRNN(nn.Module):
    """Figure 1C, one block: group normalisation -> bidirectional LSTM -> linear -> add the input."""

    def __init__(self, features: int, hidden: int, eps: float = EPS):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.rnn = nn.LSTM(features, hidden, bidirectional=True)
        self.linear = nn.Linear(2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:  # (steps, sequences, N)
        # one group: statistics of each sequence over its steps and features (authors' code)
        normal = torch.addcmul(self.bias, standardise(x, (0, 2), self.eps), self.weight).to(x.dtype)
        # on a GPU autocast has float16 alone for LSTMs, in which small gradients vanish: they stay in x's own type
        with torch.autocast("cuda", enabled=False) if x.is_cuda else nullcontext():
            states = self.rnn(normal)[0]
        return x + project(self.linear, states)
