"""BSRNN as the paper reads: a loop over bands, batch-first RNNs, one channel at a time.

It is written for a reader and not for speed, but does no needless work: the LSTMs are PyTorch's own (oneDNN on a CPU),
and no tensor is computed twice. :func:`load` gives it the weights of a :class:`bsrnn.BSRNN`; then both give one output.
The tests hold the library's model against it, and benchmarks/ its speed.

Axes: B items (batch times channels) · S targets · F bins · T frames · K bands · G bins of a band · N features ·
L samples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

import bsrnn
from bsrnn.models.layers import EPS


class Norm(nn.Module):
    """Normalisation of (B, T, features): "group" over frames and features of an item, "layer" over features alone."""

    def __init__(self, features: int, kind: str = "group"):
        super().__init__()
        self.group = kind == "group"
        self.norm = nn.GroupNorm(1, features, EPS) if self.group else nn.LayerNorm(features, EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2) if self.group else self.norm(x)  # GroupNorm: features first


class Residual(nn.Module):
    """Normalisation over a sequence -> bidirectional LSTM -> linear -> add the input, (sequences, steps, N)."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.norm = Norm(features)
        self.rnn = nn.LSTM(features, hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.rnn(self.norm(x))[0])


class BandMask(nn.Module):
    """A band's part of the mask of one target: its features (B, T, N) -> complex (B, G, T)."""

    def __init__(self, config: bsrnn.config.ModelConfig, width: int):
        super().__init__()
        sizes = [config.features, *[config.mlp_hidden] * config.mlp_layers]
        self.norm = Norm(config.features, config.normalisation)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.output = nn.Linear(config.mlp_hidden, 4 * width)

    def forward(self, z: Tensor) -> Tensor:
        y = self.norm(z)
        for layer in self.hidden:
            y = torch.tanh(layer(y))
        real, imaginary = functional.glu(self.output(y)).chunk(2, -1)  # (B, T, G) each
        return torch.complex(real, imaginary).transpose(1, 2)


class TextbookBSRNN(nn.Module):
    """The paper's network, without the stereo module and the attention of later ones."""

    def __init__(self, config: bsrnn.config.ModelConfig):
        super().__init__()
        self.config = config
        self.widths = bsrnn.band_widths(config.band_split, config.n_fft, config.sample_rate)
        self.split_norm = nn.ModuleList(Norm(2 * g, config.normalisation) for g in self.widths)
        self.split_linear = nn.ModuleList(nn.Linear(2 * g, config.features) for g in self.widths)
        self.time = nn.ModuleList(Residual(config.features, config.lstm_hidden) for _ in range(config.modules))
        self.band = nn.ModuleList(Residual(config.features, config.lstm_hidden) for _ in range(config.modules))
        self.masks = nn.ModuleList(  # of each target, of each band
            nn.ModuleList(BandMask(config, g) for g in self.widths) for _ in config.targets
        )
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def estimate(self, spectrogram: Tensor) -> Tensor:
        """Mixture (B, F, T) complex -> estimates (B, S, F, T) complex."""
        bands = spectrogram.split(self.widths, dim=1)  # K times (B, G, T)
        features = []
        for x, norm, linear in zip(bands, self.split_norm, self.split_linear, strict=True):
            parts = torch.cat([x.real, x.imag], 1)  # (B, 2G, T)
            features.append(linear(norm(parts.transpose(1, 2))))  # (B, T, N)
        z = torch.stack(features, 1)  # (B, K, T, N)
        b, k, t, n = z.shape
        for time, band in zip(self.time, self.band, strict=True):
            z = time(z.reshape(b * k, t, n)).view(b, k, t, n)
            z = band(z.transpose(1, 2).reshape(b * t, k, n)).view(b, t, k, n).transpose(1, 2)
        estimates = []
        for masks in self.masks:
            parts = [mask(z[:, i]) * x for i, (mask, x) in enumerate(zip(masks, bands, strict=True))]
            estimates.append(torch.cat(parts, 1))
        return torch.stack(estimates, 1)

    def stft(self, audio: Tensor) -> Tensor:
        """(B, L) -> (B, F, T) complex."""
        n_fft, hop = self.config.n_fft, self.config.hop_samples
        return torch.stft(audio, n_fft, hop, window=self.window, return_complex=True)

    def istft(self, spectrogram: Tensor, samples: int) -> Tensor:
        """(B, F, T) complex -> (B, L)."""
        return torch.istft(spectrogram, self.config.n_fft, self.config.hop_samples, window=self.window, length=samples)

    def forward(self, mixture: Tensor) -> Tensor:
        """Mixture (batch, C, L) -> estimates (batch, S, C, L); the channels are separate items."""
        batch, channels, samples = mixture.shape
        estimates = self.estimate(self.stft(mixture.flatten(0, 1)))  # (batch C, S, F, T)
        audio = self.istft(estimates.flatten(0, 1), samples)
        return audio.view(batch, channels, -1, samples).transpose(1, 2)

    def loss(self, mixture: Tensor, targets: Tensor) -> Tensor:
        """Equation 1 with means, of mixtures (batch, C, L) and targets (batch, S, C, L)."""
        wanted = targets.transpose(1, 2).flatten(0, 2)  # (batch C S, L), as the estimates lie
        estimates = self.estimate(self.stft(mixture.flatten(0, 1))).flatten(0, 1)
        error = estimates - self.stft(wanted)
        audio_error = self.istft(estimates, mixture.shape[-1]) - wanted
        return error.real.abs().mean() + error.imag.abs().mean() + audio_error.abs().mean()


def load(model: bsrnn.BSRNN) -> TextbookBSRNN:
    """The textbook model with the weights of ours."""
    if model.config.tac_factor or model.config.attention_heads:
        raise ValueError(f"got {model.config}: expected neither stereo module nor attention")
    twin = TextbookBSRNN(model.config).to(model.window.device)
    places = [(run, inside) for run, (_, _, count) in enumerate(model.split.runs) for inside in range(count)]
    with torch.no_grad():
        for band, (run, inside) in enumerate(places):
            _norm(twin.split_norm[band], model.split.norm[run], inside)
            _linear(twin.split_linear[band], model.split.linear[run], inside)
            for masks, estimator in zip(twin.masks, model.masks, strict=True):
                _norm(masks[band].norm, estimator.norm, band)
                for mine, ours in zip(masks[band].hidden, estimator.hidden, strict=True):
                    _linear(mine, ours, band)
                _linear(masks[band].output, estimator.output[run], inside)
        for time, across, module in zip(twin.time, twin.band, model.core, strict=True):
            for mine, ours in ((time, module.time), (across, module.band)):
                mine.norm.norm.weight.copy_(ours.weight)
                mine.norm.norm.bias.copy_(ours.bias)
                mine.rnn.load_state_dict(ours.rnn.state_dict())
                mine.linear.load_state_dict(ours.linear.state_dict())
    return twin.train(model.training)


def _norm(mine: Norm, ours: nn.Module, band: int) -> None:
    mine.norm.weight.copy_(ours.weight[band, 0, 0])
    mine.norm.bias.copy_(ours.bias[band, 0, 0])


def _linear(mine: nn.Linear, ours: nn.Module, band: int) -> None:
    mine.weight.copy_(ours.weight[band].T)
    mine.bias.copy_(ours.bias[band, 0])
