"""The band-split RNN (section II, figure 1): band split, band and sequence modelling, mask estimation.

Axes, everywhere in this package:
    B batch · S targets · C channels · F bins · T frames · K subbands · N features · L samples
    and of a run of subbands of one width: k how many they are, G bins of each

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
from bsrnn.models.layers import BandLinear, BandNorm, ResidualRNN
from bsrnn.models.obsrnn import FrameAttention, TransformAverageConcatenate


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
        z = self.time(z.view(t, b * k, n)).view(t, b, k, n)  # as (T, BK, N)
        across = z.permute(2, 0, 1, 3).reshape(k, t * b, n)  # (K, TB, N)
        z = self.band(across).view(k, t, b, n).permute(1, 2, 0, 3).contiguous()  # (T, B, K, N)
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
        items = spectrogram.flatten(0, 1)  # (BC, F, T): channels are items of their own
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
