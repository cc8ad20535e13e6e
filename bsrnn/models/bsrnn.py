"""The band-split RNN (section II, figure 1): band split, band and sequence modelling, mask estimation.

Axes, everywhere in this package:
    B batch · S targets · C channels · F bins · T frames · K subbands · G bins of a subband · N features · L samples

The channels of a stereo song are separate items (paper): they are folded into the batch, and ``B`` below counts both;
the channels of an item stay neighbours in it, and only the stereo module (`TransformAverageConcatenate`, an option)
lets them see each other. Between the modules Z lies as (T, B, K, N), so that the RNN over time reads it without a copy.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from bsrnn.audio.shapes import check_channels_first
from bsrnn.bands import band_widths, equal_runs
from bsrnn.config import ModelConfig
from bsrnn.errors import DataError
from bsrnn.models.base import Separator

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
        return torch.baddbmm(self.bias, x.flatten(1, 2), self.weight).unflatten(1, x.shape[1:3])


class BandSplit(nn.Module):
    """Figure 1B: each subband's real and imaginary parts -> normalisation -> linear layer to N features."""

    def __init__(self, widths: list[int], config: ModelConfig):
        super().__init__()
        self.runs = equal_runs(widths)
        mode, eps = config.normalisation, config.normalisation_eps
        self.norm = nn.ModuleList(BandNorm(k, 2 * g, mode, eps) for _, g, k in self.runs)
        self.linear = nn.ModuleList(BandLinear(k, 2 * g, config.features) for _, g, k in self.runs)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(B, F, T) complex -> Z (T, B, K, N)."""
        parts = torch.view_as_real(spectrogram)  # (B, F, T, 2)
        bands = []
        for (first, g, k), norm, linear in zip(self.runs, self.norm, self.linear, strict=True):
            x = parts[:, first : first + k * g].unflatten(1, (k, g))  # (B, k, G, T, 2)
            x = x.permute(1, 3, 0, 4, 2).flatten(3)  # (k, T, B, 2G), real parts before imaginary ones
            bands.append(linear(norm(x)))  # (k, T, B, N)
        return torch.cat(bands).permute(1, 2, 0, 3).contiguous()  # (T, B, K, N)


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
        return x + project(self.linear, self.rnn(normal)[0])


class TransformAverageConcatenate(nn.Module):
    """TAC, the stereo module of the replication's oBSRNN: every channel of an item sees the mean of all of them.

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
        apart = z.unflatten(1, (-1, channels))  # (T, items, C, K, N)
        each = functional.prelu(self.transform(apart), self.slope)  # (T, items, C, K, H)
        mean = functional.prelu(self.average(each.mean(2, keepdim=True)), self.slope)
        # the layer over [each, mean], in two parts: the mean's is the same for every channel
        of_each, of_mean = self.concatenate.weight.chunk(2, 1)
        y = functional.linear(each, of_each) + functional.linear(mean, of_mean, self.concatenate.bias)
        return z + functional.prelu(y, self.slope).flatten(1, 2)


class HeadMap(nn.Module):
    """A linear layer for each head -> PReLU -> normalisation over the subbands and features of a frame.

    Slopes are a head's own, the affine map is of each head, subband and feature.
    """

    def __init__(self, bands: int, inputs: int, heads: int, outputs: int, eps: float = EPS):
        super().__init__()
        self.eps = eps
        self.linear = nn.Linear(inputs, heads * outputs)
        self.slope = nn.Parameter(torch.full((heads, 1), 0.25))
        self.weight = nn.Parameter(torch.ones(bands, heads, outputs))
        self.bias = nn.Parameter(torch.zeros(bands, heads, outputs))

    def forward(self, z: Tensor) -> Tensor:  # (T, B, K, inputs) -> (T, B, K, heads, outputs)
        x = self.linear(z).unflatten(3, self.weight.shape[1:])
        x = torch.where(x > 0, x, self.slope * x)
        return torch.addcmul(self.bias, standardise(x, (2, 4), self.eps), self.weight).to(x.dtype)


class FrameAttention(nn.Module):
    """Attention over frames, from the replication's oBSRNN: every frame looks at every other, all subbands together."""

    def __init__(self, bands: int, config: ModelConfig):
        super().__init__()
        n, heads, eps = config.features, config.attention_heads, config.normalisation_eps
        self.query = HeadMap(bands, n, heads, config.attention_features, eps)
        self.key = HeadMap(bands, n, heads, config.attention_features, eps)
        self.value = HeadMap(bands, n, heads, n // heads, eps)
        self.output = HeadMap(bands, n, 1, n, eps)

    def forward(self, z: Tensor) -> Tensor:  # (T, B, K, N)
        of_frames = [m(z).permute(1, 3, 0, 2, 4).flatten(3) for m in (self.query, self.key, self.value)]  # (B, h, T, .)
        mixed = functional.scaled_dot_product_attention(*of_frames)  # (B, h, T, K N/h)
        mixed = mixed.unflatten(3, (z.shape[2], -1)).permute(2, 0, 3, 1, 4).flatten(3)  # (T, B, K, N)
        return z + self.output(mixed).flatten(3)


class BandSequence(nn.Module):
    """Figure 1C: one RNN along frames, shared by the subbands, then one along subbands, shared by the frames.

    Replication's oBSRNN: then the stereo module, then attention over frames.
    """

    def __init__(self, bands: int, config: ModelConfig):
        super().__init__()
        n, hidden, eps = config.features, config.lstm_hidden, config.normalisation_eps
        self.time = ResidualRNN(n, hidden, eps)
        self.band = ResidualRNN(n, hidden, eps)
        self.stereo = TransformAverageConcatenate(n, config.tac_factor * n) if config.tac_factor else None
        self.attention = FrameAttention(bands, config) if config.attention_heads else None

    def forward(self, z: Tensor, channels: int = 1) -> Tensor:  # (T, B, K, N), an item's channels in a row
        t, b, k, n = z.shape
        z = self.time(z.view(t, b * k, n)).view(t, b, k, n)
        across = z.permute(2, 0, 1, 3).reshape(k, t * b, n)
        z = self.band(across).view(k, t, b, n).permute(1, 2, 0, 3).contiguous()
        z = self.stereo(z, channels) if self.stereo else z
        return self.attention(z) if self.attention else z


class MaskEstimator(nn.Module):
    """Figure 1D: per subband, normalisation -> MLP with tanh -> gated linear unit -> complex mask."""

    def __init__(self, widths: list[int], config: ModelConfig):
        super().__init__()
        self.runs = equal_runs(widths)
        bands, n, hidden = len(widths), config.features, config.mlp_hidden
        self.norm = BandNorm(bands, n, config.normalisation, config.normalisation_eps)
        sizes = [n, *[hidden] * config.mlp_layers]
        self.hidden = nn.ModuleList(BandLinear(bands, a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.output = nn.ModuleList(BandLinear(k, hidden, 4 * g) for _, g, k in self.runs)

    def forward(self, z: Tensor) -> Tensor:
        """Z (T, B, K, N) -> mask (B, F, T) complex."""
        x = self.norm(z.permute(2, 0, 1, 3)).to(self.hidden[0].weight.dtype)  # (K, T, B, N)
        for layer in self.hidden:
            x = torch.tanh(layer(x))  # (K, T, B, 4N)
        masks, first_band = [], 0
        for (_, g, k), output in zip(self.runs, self.output, strict=True):
            # the gate halves 4G outputs: 2G values times the sigmoid of 2G, real parts before imaginary ones
            y = functional.glu(output(x[first_band : first_band + k]))  # (k, T, B, 2G)
            y = y.unflatten(3, (2, g)).permute(2, 0, 4, 1, 3)  # (B, k, G, T, 2)
            masks.append(torch.view_as_complex(y.float().contiguous()).flatten(1, 2))  # (B, kG, T)
            first_band += k
        return torch.cat(masks, 1)


class BSRNN(Separator):
    """Band-split RNN for one target, or for several over one shared encoder.

    Args:
        config: see :class:`bsrnn.config.ModelConfig`. At the paper's size (N 128, 12 modules, V7) it has 25.6 M
            parameters, 36.4 M with two mask layers.
    """

    config: ModelConfig

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.widths = band_widths(config.band_split, config.n_fft, config.sample_rate, config.band_edges)
        self.split = BandSplit(self.widths, config)
        self.core = nn.Sequential(*(BandSequence(len(self.widths), config) for _ in range(config.modules)))
        self.masks = nn.ModuleList(MaskEstimator(self.widths, config) for _ in config.targets)

    def estimate_both(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """What the loss compares: the masked spectrograms (B, S, C, F, T), and the signals (B, S, C, L) of them."""
        spectrograms = self.estimate(self.stft(mixture))
        return spectrograms, self.istft(spectrograms, mixture.shape[-1])

    def estimate(self, spectrogram: Tensor) -> Tensor:
        """Mixture spectrogram (B, C, F, T) -> estimated spectrograms (B, S, C, F, T): mask times mixture."""
        items = spectrogram.flatten(0, 1)  # channels are items of their own
        z = self.split(items)  # (T, BC, K, N)
        y = z.to(next(self.core.parameters()).dtype)  # see compute_in
        for module in self.core:
            y = module(y, spectrogram.shape[1])
        z = y.to(z.dtype)
        estimates = torch.stack([mask(z) * items for mask in self.masks], 1)  # (BC, S, F, T)
        return estimates.unflatten(0, spectrogram.shape[:2]).transpose(1, 2)  # (B, S, C, F, T)

    def forward(self, mixture: Tensor) -> Tensor:
        """Mixture (B, C, L) -> estimates (B, S, C, L), S in the order of ``config.targets``.

        Raises:
            DataError (a ValueError): not (B, C, L), or not longer than half an STFT window.
        """
        check_channels_first(mixture.shape, "a mixture", "(batch, channels, samples)")
        if mixture.shape[-1] <= self.config.n_fft // 2:
            raise DataError(
                f"got a mixture of shape {tuple(mixture.shape)}, expected more than {self.config.n_fft // 2} samples; "
                "bsrnn.separate takes songs of any length"
            )
        return self.istft(self.estimate(self.stft(mixture)), mixture.shape[-1])

    def compute_in(self, dtype: torch.dtype) -> Self:
        """Put the RNNs and the mask MLPs into a dtype, in place: nearly all of the work.

        STFTs, statistics, the band split, the masks and their product with the mixture stay in float32.
        """
        self.core.to(dtype)
        for mask in self.masks:
            mask.hidden.to(dtype)
            mask.output.to(dtype)
        return self
