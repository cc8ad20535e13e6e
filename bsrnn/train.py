"""The one training loop, for training and finetuning alike (section IV-A)."""

import ctypes
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from bsrnn import checkpoint
from bsrnn.config import LossConfig, ModelConfig, SeparateConfig, TrainConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.metrics import usdr
from bsrnn.mixing import RandomMixes
from bsrnn.model import BSRNN
from bsrnn.separate import separate
from bsrnn.songs import Song

SAVE_SECONDS = 60  # between two resume files, beside one after each validation
RESUME_FILES = 2  # kept: should the newest be truncated, the one before is used


class TrainingError(BSRNNError, RuntimeError):
    """Training that cannot go on, with what was saved to look into it."""


class ItemSource(Protocol):
    """Where batches come from: random mixes, or the semi-supervised sampler of bsrnn.finetune."""

    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(mixture (B, C, L), targets (B, S, C, L)) from an item on."""

    def validated(self, model: BSRNN, score: float) -> dict:
        """Called after every validation; gives what belongs into the history."""

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """What a resumed training needs: tensors, and values for JSON."""

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        """The inverse of :meth:`state`."""


class Supervised:
    """Batches of random mixes; item i depends on the set's seed and i alone."""

    def __init__(self, mixes: RandomMixes, config: TrainConfig):
        self.mixes, self.config = mixes, config

    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        rest = Subset(self.mixes, range(first_item, len(self.mixes)))
        # spawn: the forked copy of a process that runs OpenMP threads may hang
        workers = self.config.loader_workers
        return iter(
            DataLoader(
                rest,
                self.config.batch_items,
                num_workers=workers,
                drop_last=True,
                multiprocessing_context="spawn" if workers else None,
            )
        )

    def validated(self, model: BSRNN, score: float) -> dict:
        return {}

    def state(self) -> tuple[dict[str, Tensor], dict]:
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        pass


@dataclass
class Progress:
    """Where a training is: with the weights and the optimiser's moments, all that resuming needs."""

    items: int = 0
    best: float | None = None  # highest mean validation uSDR, dB
    best_items: int = 0
    worse: int = 0  # validations since
    loss_sum: float = 0.0  # since the last validation
    steps: int = 0  # likewise
    bad_steps: int = 0  # consecutive, non-finite
    skipped: int = 0  # in all
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; whether it could be asked.

    By default each large buffer goes back to the kernel when it is freed and comes back as new pages that have to be
    cleared: that took 23 % of the CPU time of a small training. It costs memory (1.7 instead of 1.3 GB there).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
    return all([mallopt(mmap_max, 0), mallopt(trim_threshold, -1), mallopt(top_pad, 64 << 20)])


def new_model(config: ModelConfig, seed: int) -> BSRNN:
    """A model with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BSRNN(config)


def objective(model: BSRNN, mixture: Tensor, targets: Tensor, config: LossConfig = LossConfig()) -> Tensor:
    """Equation 1: L1 of real part + L1 of imaginary part + L1 of the waveform; a scalar.

    Args:
        mixture: (B, C, L). targets: (B, S, C, L).
    """
    if config.reduction not in ("mean", "sum"):
        raise ConfigError(f"unknown reduction {config.reduction!r}: expected 'mean' or 'sum'")
    estimate = model.estimate(model.stft(mixture))
    if estimate.shape[:3] != targets.shape[:3]:
        got, expected = tuple(targets.shape), tuple(estimate.shape[:3])
        raise ValueError(f"got targets of shape {got}, expected (B, S, C, L) with (B, S, C) {expected}")
    error = torch.view_as_real(estimate - model.stft(targets)).abs()  # (B, S, C, F, T, 2)
    waveform_error = (model.istft(estimate, targets.shape[-1]) - targets).abs()
    if config.reduction == "sum":
        return config.spectral_weight * error.sum() + config.waveform_weight * waveform_error.sum()
    # the mean over both parts is half of the sum of their means
    return 2 * config.spectral_weight * error.mean() + config.waveform_weight * waveform_error.mean()


def learning_rate(items: int, config: TrainConfig) -> float:
    """Of the step that begins at ``items``."""
    if config.schedule == "step":
        return config.learning_rate * config.decay ** (items // config.decay_items)
    if config.schedule == "cosine":
        return config.learning_rate * (1 + math.cos(math.pi * min(1.0, items / config.max_items))) / 2
    raise ConfigError(f"unknown schedule {config.schedule!r}: expected 'step' or 'cosine'")


def validation_usdr(model: BSRNN, songs: Sequence[Song], config: SeparateConfig) -> float:
    """Mean uSDR in dB over whole songs and targets, those with a silent reference left out."""
    model.eval()
    scores = []
    for song in tqdm(songs, "validation", unit="song", delay=5, leave=False):
        estimates = separate(model, song.read("mixture"), song.sample_rate, **asdict(config))
        references = {target: song.read(target) for target in estimates}
        scores += [usdr(references[t], estimates[t]) for t in estimates if np.any(references[t])]
    model.train()
    if not scores:
        raise DataError(
            f"no validation: in all of {len(songs)} songs {', '.join(model.config.targets)} is silent; "
            "add songs that have it"
        )
    return float(np.mean(scores))


def fit(
    model: BSRNN,
    source: ItemSource,
    validate: Callable[[BSRNN], float],
    config: TrainConfig,
    out: Path,
    *,
    loss: LossConfig = LossConfig(),
    info: dict | None = None,
    device: str = "cpu",
    label: str = "train",
) -> Progress:
    """Train until ``max_items`` or early stop; the best model by validation lies in ``out`` at any moment after the
    first.

    A folder that holds an unfinished training of this kind is gone on with, bit for bit as if it had not stopped.

    Args:
        model: trained in place. source: gives the batches. validate: model -> mean uSDR in dB, higher is better.
        out: gets config.json and model.safetensors (the best), and resume/ while unfinished.
        info: written into the checkpoint's config.json.

    Raises:
        TrainingError: too many consecutive steps with a non-finite loss or gradient; the batch is saved.
    """
    keep_freed_memory()
    model.to(device).train()
    fused = {"fused": True} if device.startswith(("cpu", "cuda")) else {}
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate, **fused)
    progress = _restore(Path(out), model, optimiser, source) or Progress()
    last_items = config.max_items - config.max_items % config.batch_items
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    bar = tqdm(total=last_items, initial=progress.items, desc=label, unit="item", mininterval=2, dynamic_ncols=True)
    stopped = config.patience and progress.worse >= config.patience
    batches = iter(()) if stopped or progress.items >= last_items else source.batches(progress.items)
    for mixture, targets in batches:
        progress.loss_sum += _step(
            model, optimiser, mixture.to(device), targets.to(device), progress, config, loss, out
        )
        before, progress.items = progress.items, progress.items + len(mixture)
        progress.seconds = time.monotonic() - started
        bar.update(len(mixture))
        finished = progress.items >= last_items
        due = finished or progress.items // config.validate_items > before // config.validate_items
        if due:
            _validate(model, source, validate, progress, config, out, info)
            bar.set_postfix(
                loss=f"{progress.history[-1]['loss']:.4f}", usdr=f"{progress.history[-1]['valid_usdr']:.2f} dB"
            )
        stopped = config.patience and progress.worse >= config.patience
        if due or time.monotonic() - saved > SAVE_SECONDS:
            _save(Path(out), model, optimiser, source, progress)
            saved = time.monotonic()
        if stopped or finished:
            break
    bar.close()
    model.load_state_dict(checkpoint.load(out).state_dict())
    model.to(device).eval()
    return progress


def _step(
    model,
    optimiser,
    mixture: Tensor,
    targets: Tensor,
    progress: Progress,
    config: TrainConfig,
    loss: LossConfig,
    out: Path,
) -> float:
    """One optimiser step; its loss. A non-finite one is skipped and counted."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(progress.items, config)
    value = objective(model, mixture, targets, loss)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    if torch.isfinite(value) and torch.isfinite(norm):
        optimiser.step()
        progress.steps, progress.bad_steps = progress.steps + 1, 0
        return value.item()
    progress.bad_steps, progress.skipped = progress.bad_steps + 1, progress.skipped + 1
    if progress.bad_steps >= config.max_bad_steps:
        bad = Path(out) / "bad_batch.safetensors"
        checkpoint.write_tensors(bad, {"mixture": mixture.cpu().contiguous(), "targets": targets.cpu().contiguous()})
        raise TrainingError(
            f"{progress.bad_steps} steps in a row with a non-finite loss or gradient at item "
            f"{progress.items}: the last batch is in {bad}; lower the learning rate or look at the data"
        )
    return 0.0


def _validate(model, source: ItemSource, validate, progress: Progress, config: TrainConfig, out: Path, info) -> None:
    score = validate(model)
    entry = {
        "items": progress.items,
        "valid_usdr": score,
        "loss": progress.loss_sum / max(1, progress.steps),
        "learning_rate": learning_rate(progress.items, config),
        "skipped_steps": progress.skipped,
    }
    progress.history.append(entry | source.validated(model, score))
    progress.loss_sum, progress.steps = 0.0, 0
    if progress.best is None or score > progress.best:
        progress.best, progress.best_items, progress.worse = score, progress.items, 0
        # "best": what a killed process leaves must say where it comes from
        checkpoint.save(model, out, (info or {}) | {"valid_usdr": score, "items": progress.items})
    else:
        progress.worse += 1


# ---- resuming: one safetensors file holds weights, moments, the source's tensors and, as its metadata, all else ----


def _save(out: Path, model: BSRNN, optimiser, source: ItemSource, progress: Progress) -> None:
    moments = {
        f"optimiser.{name}.{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }
    extra, values = source.state()
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()} | moments
    tensors |= {f"source.{name}": value for name, value in extra.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    path = out / "resume" / f"{progress.items:012d}.safetensors"
    checkpoint.write_tensors(path, tensors, {"progress": asdict(progress), "source": values})
    for old in sorted(path.parent.glob("[0-9]*.safetensors"))[:-RESUME_FILES]:
        old.unlink()


def _restore(out: Path, model: BSRNN, optimiser, source: ItemSource) -> Progress | None:
    for path in sorted((out / "resume").glob("[0-9]*.safetensors"), reverse=True):
        try:
            tensors = checkpoint.read_tensors(path)
        except DataError:  # truncated: the one before is whole
            continue
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
        parts = {
            prefix: {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            for prefix in ("model.", "optimiser.", "source.")
        }
        model.load_state_dict(parts["model."])
        for name, parameter in model.named_parameters():
            moments = {key: parts["optimiser."].get(f"{name}.{key}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if moments["step"] is not None:
                optimiser.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}
        source.restore(parts["source."], state["source"])
        return Progress(**state["progress"])
    return None
