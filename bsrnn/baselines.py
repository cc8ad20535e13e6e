"""What a score has to be held against: estimators that need no network.

`silence` and `mixture` are the floor, `wiener` is what one fixed filter per frequency reaches, `ratio_mask` is what a
magnitude mask reaches that knows the answer. All filter the mixture's STFT and leave its phase alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bsrnn.config import ModelConfig, PeerConfig
from bsrnn.data.songs import Song

EPS = 1e-12
METHODS = {
    "silence": "zeros",
    "mixture": "the mixture as estimate",
    "wiener": "one gain a frequency, least squares on the training songs",
    "wiener_oracle": "one gain a frequency, least squares on the test song itself",
    "ratio_mask": "magnitude-ratio mask from the test song's true stems",
}


def _stft(audio: np.ndarray, config: ModelConfig | PeerConfig) -> Tensor:
    """(C, L) -> (C, F, T) complex; zeros follow a song that is too short for the reflection at its edges."""
    window = torch.hann_window(config.n_fft)
    lacking = max(0, config.n_fft // 2 + 1 - audio.shape[1])
    padded = torch.from_numpy(np.pad(audio, ((0, 0), (0, lacking))))
    return torch.stft(padded, config.n_fft, config.hop_samples, window=window, return_complex=True)


def _filtered(spectrogram: Tensor, gains: Tensor, samples: int, config: ModelConfig | PeerConfig) -> np.ndarray:
    window = torch.hann_window(config.n_fft)
    return torch.istft(spectrogram * gains, config.n_fft, config.hop_samples, window=window, length=samples).numpy()


def _moments(mixture: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross power and mixture power of each frequency, (F,) each."""
    cross = (mixture.conj() * target).real.double().sum((0, 2))
    return cross, mixture.abs().double().square().sum((0, 2))


def wiener_gains(songs: Sequence[Song], target: str, config: ModelConfig | PeerConfig = ModelConfig()) -> Tensor:
    """The real gain of each frequency, (F, 1) in [0, 1], that is best in the least squares over all of ``songs``.

    Each song counts with its own level: songs are scaled to equal mixture power first, since uSDR weighs them alike.
    """
    cross, power = torch.zeros(config.n_fft // 2 + 1).double(), torch.zeros(config.n_fft // 2 + 1).double()
    for song in tqdm(songs, f"Wiener filter for {target}", unit="song", delay=5):
        song_cross, song_power = _moments(_stft(song.read("mixture"), config), _stft(song.read(target), config))
        scale = song_power.sum() + EPS
        cross, power = cross + song_cross / scale, power + song_power / scale
    return (cross / (power + EPS)).clamp(0, 1).float()[:, None]


def estimates(
    song: Song, target: str, gains: Tensor, config: ModelConfig | PeerConfig = ModelConfig()
) -> dict[str, np.ndarray]:
    """Estimate (C, L) of every method in `METHODS`; ``gains`` from :func:`wiener_gains` of the training songs."""
    mixture, reference = song.read("mixture"), song.read(target)
    x, y = _stft(mixture, config), _stft(reference, config)
    cross, power = _moments(x, y)
    own_gains = (cross / (power + EPS)).clamp(0, 1).float()[:, None]
    ratio = y.abs() / (y.abs() + (x - y).abs() + EPS)
    samples = mixture.shape[1]
    return {
        "silence": np.zeros_like(mixture),
        "mixture": mixture,
        "wiener": _filtered(x, gains, samples, config),
        "wiener_oracle": _filtered(x, own_gains, samples, config),
        "ratio_mask": _filtered(x, ratio, samples, config),
    }
