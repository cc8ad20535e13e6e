"""BSRNN as the paper reads: a loop over bands, batch-first RNNs, one channel at a time; what benchmarks compare with.

It is written for a reader and not for speed, but does no needless work: the LSTMs are PyTorch's own (oneDNN on a CPU),
and no tensor is computed twice. :func:`load` gives it the weights of a :class:`bsrnn.BSRNN`; then both give one output.

Axes: B items (batch times channels) · F bins · T frames · K bands · G bins of a band · N features · L samples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

import bsrnn
from bsrnn.models.bsrnn import EPS


class Residual(nn.Module):
    """Normalisation over a sequence -> bidirectional LSTM -> linear -> add the input, (sequences, steps, N)."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, features, EPS)
        self.rnn = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm(x.transpose(1, 2)).transpose(1, 2)  # GroupNorm wants (sequences, N, steps)
        return x + self.linear(self.rnn(normal)[0])


class TextbookBSRNN(nn.Module):
    """One target; GroupNorm with one group everywhere, as in the authors' public code.

    Args:
        config: its ``normalisation`` must be "group"; a single target.
    """

    def __init__(self, config: bsrnn.config.ModelConfig):
        super().__init__()
        self.config = config
        self.widths = bsrnn.band_widths(config.band_split, config.n_fft, config.sample_rate)
        n, hidden = config.features, config.mlp_hidden
        self.split_norm = nn.ModuleList(nn.GroupNorm(1, 2 * g, EPS) for g in self.widths)
        self.split_linear = nn.ModuleList(nn.Linear(2 * g, n) for g in self.widths)
        self.time = nn.ModuleList(Residual(n, config.lstm_hidden) for _ in range(config.modules))
        self.band = nn.ModuleList(Residual(n, config.lstm_hidden) for _ in range(config.modules))
        self.mask_norm = nn.ModuleList(nn.GroupNorm(1, n, EPS) for _ in self.widths)
        sizes = [n, *[hidden] * config.mlp_layers]
        self.mask_hidden = nn.ModuleList(
            nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)) for _ in self.widths
        )
        self.mask_output = nn.ModuleList(nn.Linear(hidden, 4 * g) for g in self.widths)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def estimate(self, spectrogram: Tensor) -> Tensor:
        """Mixture (B, F, T) complex -> estimate (B, F, T) complex."""
        bands = spectrogram.split(self.widths, dim=1)  # K times (B, G, T)
        features = []
        for x, norm, linear in zip(bands, self.split_norm, self.split_linear, strict=True):
            parts = torch.cat([x.real, x.imag], 1)  # (B, 2G, T)
            features.append(linear(norm(parts).transpose(1, 2)))  # (B, T, N)
        z = torch.stack(features, 1)  # (B, K, T, N)
        b, k, t, n = z.shape
        for time, band in zip(self.time, self.band, strict=True):
            z = time(z.reshape(b * k, t, n)).view(b, k, t, n)
            z = band(z.transpose(1, 2).reshape(b * t, k, n)).view(b, t, k, n).transpose(1, 2)
        estimates = []
        for i, x in enumerate(bands):
            y = self.mask_norm[i](z[:, i].transpose(1, 2)).transpose(1, 2)  # (B, T, N)
            for layer in self.mask_hidden[i]:
                y = torch.tanh(layer(y))
            real, imaginary = functional.glu(self.mask_output[i](y)).chunk(2, -1)  # (B, T, G) each
            estimates.append(torch.complex(real, imaginary).transpose(1, 2) * x)
        return torch.cat(estimates, 1)

    def stft(self, audio: Tensor) -> Tensor:
        """(B, L) -> (B, F, T) complex."""
        n_fft, hop = self.config.n_fft, self.config.hop_samples
        return torch.stft(audio, n_fft, hop, window=self.window, return_complex=True)

    def istft(self, spectrogram: Tensor, samples: int) -> Tensor:
        """(B, F, T) complex -> (B, L)."""
        return torch.istft(spectrogram, self.config.n_fft, self.config.hop_samples, window=self.window, length=samples)

    def forward(self, mixture: Tensor) -> Tensor:
        """Mixture (B, C, L) -> estimate (B, 1, C, L); the channels are separate items."""
        audio = mixture.flatten(0, 1)
        return self.istft(self.estimate(self.stft(audio)), audio.shape[-1]).view(mixture.shape)[:, None]

    def loss(self, mixture: Tensor, target: Tensor) -> Tensor:
        """Equation 1 with means, of mixtures (B, C, L) and targets (B, 1, C, L)."""
        wanted = self.stft(target.flatten(0, 2))
        estimate = self.estimate(self.stft(mixture.flatten(0, 1)))
        audio = self.istft(estimate, mixture.shape[-1])
        error = estimate - wanted
        return error.real.abs().mean() + error.imag.abs().mean() + (audio - target.flatten(0, 2)).abs().mean()


def load(model: bsrnn.BSRNN) -> TextbookBSRNN:
    """The textbook model with the weights of ours."""
    if len(model.config.targets) != 1 or model.config.normalisation != "group":
        raise ValueError(f"got {model.config}: expected one target and normalisation 'group'")
    twin = TextbookBSRNN(model.config).to(model.window.device)
    with torch.no_grad():
        mask = model.masks[0]
        band = 0
        for index, (_, _, count) in enumerate(model.split.runs):
            for inside in range(count):
                _norm(twin.split_norm[band], model.split.norm[index], inside)
                _linear(twin.split_linear[band], model.split.linear[index], inside)
                _norm(twin.mask_norm[band], mask.norm, band)
                for mine, ours in zip(twin.mask_hidden[band], mask.hidden, strict=True):
                    _linear(mine, ours, band)
                _linear(twin.mask_output[band], mask.output[index], inside)
                band += 1
        for time, across, module in zip(twin.time, twin.band, model.core, strict=True):
            for mine, ours in ((time, module.time), (across, module.band)):
                mine.norm.weight.copy_(ours.weight)
                mine.norm.bias.copy_(ours.bias)
                mine.rnn.load_state_dict(ours.rnn.state_dict())
                mine.linear.load_state_dict(ours.linear.state_dict())
    return twin.train(model.training)


def _norm(mine: nn.GroupNorm, ours: nn.Module, band: int) -> None:
    mine.weight.copy_(ours.weight[band, 0, 0])
    mine.bias.copy_(ours.bias[band, 0, 0])


def _linear(mine: nn.Linear, ours: nn.Module, band: int) -> None:
    mine.weight.copy_(ours.weight[band].T)
    mine.bias.copy_(ours.bias[band, 0])
