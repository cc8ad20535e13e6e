"""What the replication's oBSRNN (arXiv 2603.09187) adds to the band-split RNN: a stereo module, attention over frames.

Axes as in :mod:`bsrnn.models.bsrnn`, and here ``H`` hidden features of the stereo module, ``A`` heads of the attention,
``E`` features of a head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bsrnn.config import ModelConfig
from bsrnn.models.layers import EPS, standardise


class TransformAverageConcatenate(nn.Module):
    """TAC, the stereo module: every channel of an item sees the mean of all of them.

    Transform each channel -> average over the channels -> concatenate to each -> N features, added to the input. The
    order of the channels does not matter, and their number is free: one channel is its own mean.
    """

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.transform = nn.Linear(features, hidden)
        self.average = nn.Linear(hidden, hidden)
        self.concatenate = nn.Linear(2 * hidden, features)
        self.slope = nn.Parameter(torch.tensor([0.25]))  # one PReLU for the three layers (replication)

    def forward(self, z: Tensor, channels: int) -> Tensor:  # (T, B, K, N), an item's channels in a row
        apart = z.unflatten(1, (-1, channels))  # (T, B/C, C, K, N)
        each = functional.prelu(self.transform(apart), self.slope)  # (T, B/C, C, K, H)
        mean = functional.prelu(self.average(each.mean(2, keepdim=True)), self.slope)  # (T, B/C, 1, K, H)
        # the layer over [each, mean], in two parts: the mean's is the same for every channel
        of_each, of_mean = self.concatenate.weight.chunk(2, 1)
        y = functional.linear(each, of_each) + functional.linear(mean, of_mean, self.concatenate.bias)
        return z + functional.prelu(y, self.slope).flatten(1, 2)  # (T, B/C, C, K, N) -> (T, B, K, N)


class HeadMap(nn.Module):
    """A linear layer for each head -> PReLU -> normalisation over the subbands and features of a frame.

    Slopes are a head's own, the affine map is of each head, subband and feature. ``outputs``: E.
    """

    def __init__(self, bands: int, inputs: int, heads: int, outputs: int, eps: float = EPS):
        super().__init__()
        self.eps = eps
        self.linear = nn.Linear(inputs, heads * outputs)
        self.slope = nn.Parameter(torch.full((heads, 1), 0.25))
        self.weight = nn.Parameter(torch.ones(bands, heads, outputs))
        self.bias = nn.Parameter(torch.zeros(bands, heads, outputs))

    def forward(self, z: Tensor) -> Tensor:  # (T, B, K, inputs) -> (T, B, K, A, E)
        x = self.linear(z).unflatten(3, self.weight.shape[1:])  # (T, B, K, A, E)
        x = torch.where(x > 0, x, self.slope * x)
        return torch.addcmul(self.bias, standardise(x, (2, 4), self.eps), self.weight).to(x.dtype)


class FrameAttention(nn.Module):
    """Attention over frames: every frame looks at every other, all subbands together."""

    def __init__(self, bands: int, config: ModelConfig):
        super().__init__()
        n, heads, eps = config.features, config.attention_heads, config.normalisation_eps
        self.query = HeadMap(bands, n, heads, config.attention_features, eps)
        self.key = HeadMap(bands, n, heads, config.attention_features, eps)
        self.value = HeadMap(bands, n, heads, n // heads, eps)
        self.output = HeadMap(bands, n, 1, n, eps)

    def forward(self, z: Tensor) -> Tensor:  # (T, B, K, N)
        maps = self.query, self.key, self.value
        of_frames = [head_map(z).permute(1, 3, 0, 2, 4).flatten(3) for head_map in maps]  # each (B, A, T, KE)
        mixed = functional.scaled_dot_product_attention(*of_frames)  # (B, A, T, KE), E of the values: N/A
        mixed = mixed.unflatten(3, (z.shape[2], -1))  # (B, A, T, K, E)
        mixed = mixed.permute(2, 0, 3, 1, 4).flatten(3)  # (T, B, K, N)
        return z + self.output(mixed).flatten(3)  # one head of N: (T, B, K, 1, N) -> (T, B, K, N)
