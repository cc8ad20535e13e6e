"""Earlier systems as peers of BSRNN: their networks from their own packages, trained from scratch by the same loop.

Everything around a network is BSRNN's: songs, items, equation 1, optimiser, separation. So a difference in score is the
network's. Each is the published one with another size, where `bsrnn.config.PEERS` says so.

- "hdemucs", Hybrid Demucs (Défossez, ISMIR workshop 2021, arXiv:2111.03600): two U-Nets, over the waveform and its
  STFT, which meet. Code: torchaudio (this part MIT).
- "umx", Open-Unmix (Stöter et al., JOSS 4(41), 2019): three bidirectional LSTMs over the magnitudes of all frequencies,
  which give a real mask; the phase is the mixture's. Code: openunmix (MIT). One network a target. Its inputs are not
  standardised by statistics of the songs, but start at mean 0 and scale 1 (ours): they are learnt, and a batch norm
  follows.
- "convtasnet", Conv-TasNet (Luo and Mesgarani, IEEE/ACM TASLP 27(8), 2019): a learnt filterbank in the STFT's place,
  masks from dilated convolutions. Code: torchaudio (BSD-2-Clause). It is mono, so the channels of a song are items.
- "convtasnet-stft": the same convolutions, but over the magnitudes of an STFT, as Heitkaemper et al. (ICASSP 2020,
  arXiv:1911.08895) took Conv-TasNet apart; the phase is the mixture's. For budgets in which the learnt filterbank
  learns no more than silence, which equation 1 prefers to a wrong guess (chapter 8; ours).
"""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from bsrnn.audio.shapes import check_channels_first
from bsrnn.config import ModelConfig, PeerConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.models.base import Separator
from bsrnn.models.bsrnn import BSRNN

STEREO = 2
UMX_HZ = 16_000  # Open-Unmix looks no higher (its paper), though it masks all frequencies
STACKS, KERNEL = 3, 3  # of Conv-TasNet's blocks, frames a convolution sees (its paper)
DEPTHS = {1024: (5,), 2048: (5, 6), 4096: (5, 6)}  # STFT of Hybrid Demucs -> depths at which its two branches fit


def build(config: ModelConfig | PeerConfig) -> Separator:
    """The model that the settings describe, with fresh weights; errors as the class itself."""
    return Peer(config) if isinstance(config, PeerConfig) else BSRNN(config)


class Peer(Separator):
    """An earlier system behind the surface of :class:`bsrnn.BSRNN`.

    Args:
        config: see :class:`bsrnn.config.PeerConfig`.

    Raises:
        ConfigError: sizes that the system does not have. BSRNNError: the system's package is missing.
    """

    config: PeerConfig

    def __init__(self, config: PeerConfig):
        super().__init__(config)
        self.system = SYSTEMS[config.system](config)
        self.items_apart = config.system != "umx"  # batch normalisation, and dropout that follows its count
        self.dtype = torch.float32

    def forward(self, mixture: Tensor) -> Tensor:
        """Mixture (B, C, L) -> estimates (B, S, C, L), S in the order of ``config.targets``; any L.

        A system that wants stereo is given a mono signal twice, and the mean of its two channels is the estimate.

        Raises:
            DataError (a ValueError): not (B, C, L), no samples, or more than two channels for a system that wants
                stereo.
        """
        check_channels_first(mixture.shape, "a mixture", "(batch, channels, samples)")
        if not mixture.shape[-1]:
            raise DataError(f"got a mixture of shape {tuple(mixture.shape)}, expected a sample or more")
        channels, samples = mixture.shape[1:]
        if not self.config.channels_apart and channels > STEREO:
            raise DataError(f"got {channels} channels: {self.config.system} separates mono and stereo; separate a pair")
        alone = not self.config.channels_apart and channels < STEREO
        padding = max(0, 2 * self.config.window - samples)  # what an STFT and the reflection at its edges want
        padded = functional.pad(mixture.expand(-1, STEREO, -1) if alone else mixture, (0, padding))
        fast = torch.autocast(mixture.device.type, self.dtype) if self.dtype != torch.float32 else nullcontext()
        with fast:
            estimates = self.system(padded).float()[..., :samples]
        return estimates.mean(2, keepdim=True) if alone else estimates

    def estimate_both(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """What the loss compares: the STFTs (B, S, C, F, T) of the estimates, and the estimates (B, S, C, L)."""
        signals = self(mixture)
        return self.stft(signals), signals

    def compute_in(self, dtype: torch.dtype) -> Self:
        """Compute products and LSTMs in a dtype, by autocast: the weights stay as they are."""
        self.dtype = dtype
        return self


def _package(name: str, system: str):
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: built for another torch
        package = name.partition(".")[0]
        raise BSRNNError(f"system {system!r} needs {package} ({error}): pip install 'bsrnn[peers]'") from error


def _hybrid_demucs(config: PeerConfig) -> nn.Module:
    depths = DEPTHS.get(config.window, ())
    if config.depth not in depths or config.width % 4:
        known = "; ".join(f"{window} with depth {' or '.join(map(str, of))}" for window, of in DEPTHS.items())
        raise ConfigError(
            f"got hdemucs with window {config.window}, depth {config.depth} and width {config.width}: expected a "
            f"window of {known}, and a multiple of 4 as the width"
        )
    models = _package("torchaudio.models", "hdemucs")
    network = models.HDemucs(list(config.targets), channels=config.width, nfft=config.window, depth=config.depth)
    for layer in network.time_encoder:
        if layer.empty:  # the layer where the branches meet: it brings a normalisation, and does not use it
            layer.norm1 = nn.Identity()
    return network


def _with_its_phase(mixture: Tensor, window: Tensor, estimate: Callable[[Tensor], list[Tensor]]) -> Tensor:
    """Mixture (B, C, L) -> (B, S, C, L), by its STFT (hop: a quarter of the window) with other magnitudes.

    estimate: magnitudes (B, C, F, T) of the mixture -> those of each of S targets, of the same shape.
    """
    n_fft, hop = len(window), len(window) // 4
    spectrogram = torch.stft(mixture.flatten(0, 1), n_fft, hop, window=window, return_complex=True)
    spectrogram = spectrogram.unflatten(0, mixture.shape[:2])  # (B, C, F, T)
    size = spectrogram.abs()
    phase = spectrogram / size.clamp_min(torch.finfo(size.dtype).tiny)
    estimates = torch.stack([magnitudes.float() * phase for magnitudes in estimate(size)], 1)
    audio = torch.istft(estimates.flatten(0, 2), n_fft, hop, window=window, length=mixture.shape[-1])
    return audio.unflatten(0, estimates.shape[:3])


class OpenUnmixes(nn.Module):
    """An Open-Unmix for each target: magnitudes of the mixture -> magnitudes of the target, with the mixture's phase.

    Its LSTMs drop values in training. They are drawn from the number of batches seen, which lies beside the weights, so
    that a training which is broken off goes on bit for bit.
    """

    window: Tensor

    def __init__(self, config: PeerConfig):
        super().__init__()
        if config.width % 2 or config.window % 4:
            raise ConfigError(
                f"got umx with width {config.width} and window {config.window}: expected multiples of 2 and 4"
            )
        bins = config.window // 2 + 1
        seen = min(bins, int(UMX_HZ * config.window / config.sample_rate) + 1)
        make = _package("openunmix.model", "umx").OpenUnmix
        self.models = nn.ModuleList(
            make(bins, STEREO, config.width, nb_layers=config.depth, max_bin=seen) for _ in config.targets
        )
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)

    def forward(self, mixture: Tensor) -> Tensor:  # (B, 2, L) -> (B, S, 2, L)
        return _with_its_phase(
            mixture, self.window, lambda size: [self._of_target(model, size) for model in self.models]
        )

    def _of_target(self, model: nn.Module, size: Tensor) -> Tensor:
        if not self.training:
            return model(size)
        with torch.random.fork_rng([size.device] if size.is_cuda else []):
            torch.manual_seed(int(model.get_buffer("bn1.num_batches_tracked")))
            return model(size)


class ConvTasNets(nn.Module):
    """A Conv-TasNet with a mask for each target, over each channel by itself."""

    def __init__(self, config: PeerConfig):
        super().__init__()
        if config.window % 2:
            raise ConfigError(f"got convtasnet with window {config.window}: expected an even number of samples")
        self.network = _package("torchaudio.models", "convtasnet").ConvTasNet(
            num_sources=len(config.targets),
            enc_kernel_size=config.window,
            enc_num_feats=4 * config.width,  # as many as the blocks' hidden size, as in the paper
            msk_activate="relu",  # as torchaudio's base model; the paper has the sigmoid
            msk_num_feats=config.width,
            msk_num_hidden_feats=4 * config.width,
            msk_num_layers=config.depth,
            msk_num_stacks=STACKS,
        )

    def forward(self, mixture: Tensor) -> Tensor:  # (B, C, L) -> (B, S, C, L)
        estimates = self.network(mixture.flatten(0, 1)[:, None])  # (BC, S, L)
        return estimates.unflatten(0, mixture.shape[:2]).transpose(1, 2)


class MagnitudeTasNets(nn.Module):
    """Conv-TasNet's convolutions over the magnitudes of an STFT: a mask for each target, each channel by itself."""

    window: Tensor

    def __init__(self, config: PeerConfig):
        super().__init__()
        if config.window % 4:
            raise ConfigError(f"got convtasnet-stft with window {config.window}: expected a multiple of 4")
        self.network = _package("torchaudio.models.conv_tasnet", "convtasnet-stft").MaskGenerator(
            input_dim=config.window // 2 + 1,
            num_sources=len(config.targets),
            kernel_size=KERNEL,
            num_feats=config.width,
            num_hidden=4 * config.width,
            num_layers=config.depth,
            num_stacks=STACKS,
            msk_activate="sigmoid",  # the paper's; a ReLU that has died has no gradient, and the estimate stays silent
        )
        self.register_buffer("window", torch.hann_window(config.window), persistent=False)

    def forward(self, mixture: Tensor) -> Tensor:  # (B, C, L) -> (B, S, C, L)
        return _with_its_phase(mixture, self.window, self._masked)

    def _masked(self, size: Tensor) -> list[Tensor]:
        masks = self.network(size.flatten(0, 1)).unflatten(0, size.shape[:2])  # (B, C, S, F, T)
        return [masks[:, :, target] * size for target in range(masks.shape[2])]


SYSTEMS = {
    "hdemucs": _hybrid_demucs,
    "umx": OpenUnmixes,
    "convtasnet": ConvTasNets,
    "convtasnet-stft": MagnitudeTasNets,
}


class Count(NamedTuple):
    """What one stereo item takes of a peer."""

    operations: float  # forward, floating point: two a multiplication with its addition; products and convolutions
    kept_bytes: float  # held from the forward pass for the backward pass
    parameters: int


@lru_cache
def count(config: PeerConfig, seconds: float) -> Count:
    """Counted in one forward pass, since these networks are not ours to write a formula for; errors as :class:`Peer`.

    torch counts the products inside an LSTM or does not, as the processor has it, so that these follow from sizes.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng(devices=[]):
        model = Peer(config)
        mixture = torch.randn(1, STEREO, round(seconds * config.sample_rate))
        counter, inside, kept = FlopCounterMode(display=False), [], {}
        own = {p.untyped_storage().data_ptr() for p in model.parameters()}
        by_size, counted = 0.0, 0.0

        def enter(*_):
            inside.append(counter.get_total_flops())

        def leave(lstm: nn.LSTM, inputs: tuple, _):
            nonlocal by_size, counted
            counted += counter.get_total_flops() - inside.pop()
            by_size += lstm_operations(lstm, inputs[0])

        def keep(value: Tensor) -> Tensor:
            if (place := value.untyped_storage().data_ptr()) not in own:
                kept[place] = value.untyped_storage().nbytes()
            return value

        for layer in model.modules():
            if isinstance(layer, nn.LSTM):
                layer.register_forward_pre_hook(enter)
                layer.register_forward_hook(leave)
        with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            estimates = model(mixture)  # its graph holds what is kept, so that no place is taken twice
        del estimates
    return Count(counter.get_total_flops() - counted + by_size, float(sum(kept.values())), model.count_parameters())


def lstm_operations(lstm: nn.LSTM, x: Tensor) -> float:
    """Floating point operations of an LSTM over ``x`` (steps, sequences, inputs): 4H (inputs + H) products a step."""
    directions, hidden = 1 + lstm.bidirectional, lstm.hidden_size
    inputs = [lstm.input_size] + [directions * hidden] * (lstm.num_layers - 1)
    return 2.0 * x.shape[0] * x.shape[1] * directions * sum(4 * hidden * (size + hidden) for size in inputs)
