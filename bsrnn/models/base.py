"""What training, separation and checkpoints ask of every model: BSRNN, and the earlier systems of :mod:`bsrnn.models.other_systems`.

Axes as in :mod:`bsrnn.models.bsrnn`.
"""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from bsrnn.config import ModelConfig, PeerConfig
from bsrnn.errors import ConfigError


class Separator(nn.Module):
    """A model of mixture (B, C, L) -> estimates (B, S, C, L), with the STFT that its loss is computed on.

    ``items_apart``: whether the items of a batch leave each other alone in training, so that it may be taken in pieces.
    A subclass has ``forward``, ``estimate_both`` and ``compute_in``.

    Raises:
        ConfigError: targets that cannot be those of files, or a hop of the STFT that is too long.
    """

    items_apart = True
    widths: list[int] = []  # of the subbands, in bins; none

    def __init__(self, config: ModelConfig | PeerConfig):
        super().__init__()
        if not config.targets or len(set(config.targets)) < len(config.targets):
            raise ConfigError(f"got targets {config.targets}: expected one or more, each once")
        if any(not name or name.startswith(".") or set(name) & set("/\\\0\n\r") for name in config.targets):
            raise ConfigError(f"got targets {config.targets}: expected names that can be those of files")
        if config.n_fft < 2:
            raise ConfigError(f"got n_fft {config.n_fft}: expected at least 2")
        if config.hop_samples > config.n_fft // 2:
            raise ConfigError(
                f"got hop_samples {config.hop_samples}: expected at most half of n_fft {config.n_fft}, or the Hann "
                "windows do not add up to the signal"
            )
        self.config = config
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    def stft(self, audio: Tensor) -> Tensor:
        """(B.., L) -> (B.., F, T) complex, at least one axis before L.

        Centred frames, reflected edges (paper: not given; torch's defaults).
        """
        flat = audio.reshape(-1, audio.shape[-1])
        spectrogram = torch.stft(
            flat, self.config.n_fft, self.config.hop_samples, window=self.window, return_complex=True
        )
        return spectrogram.unflatten(0, audio.shape[:-1])

    def istft(self, spectrogram: Tensor, samples: int) -> Tensor:
        """(B.., F, T) complex -> (B.., L): the inverse of :meth:`stft` to float precision."""
        flat = spectrogram.flatten(0, -3)
        audio = torch.istft(flat, self.config.n_fft, self.config.hop_samples, window=self.window, length=samples)
        return audio.unflatten(0, spectrogram.shape[:-2])

    def count_parameters(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())

    # ---- the names of huggingface_hub's mixin, without making it a dependency of the class ----

    @classmethod
    def from_pretrained(cls, path_or_hub_id: str | Path, dtype: str = "float32") -> "Separator":
        """The same as :func:`bsrnn.load`: a folder, the Hub's cache, or the Hub, in this order."""
        from bsrnn import checkpoint

        return checkpoint.load(path_or_hub_id, dtype)

    def save_pretrained(self, folder: str | Path, info: dict | None = None) -> Path:
        """Write config.json, model.safetensors and a card; ``info`` (data, seed, scores) goes into both."""
        from bsrnn import checkpoint
        from bsrnn.tool import cards

        checkpoint.save(self, Path(folder), info)
        cards.write(Path(folder))
        return Path(folder)

    def push_to_hub(self, repo_id: str, info: dict | None = None, **options) -> str:
        """Publish the model with its card; the commit's address. Options and errors as :func:`bsrnn.runtime.hub.push`."""
        from bsrnn.runtime import hub

        with tempfile.TemporaryDirectory() as folder:
            return hub.push(self.save_pretrained(folder, info), repo_id, **options)
