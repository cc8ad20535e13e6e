"""The one training loop, for training and finetuning alike (section IV-A)."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from bsrnn import averaging, checkpoint, resume
from bsrnn.config import LossConfig, ModelConfig, PeerConfig, SeparateConfig, TrainConfig
from bsrnn.data.songs import Song
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.metrics import usdr
from bsrnn.mixing import RandomMixes
from bsrnn.models.base import Separator
from bsrnn.models.other_systems import build
from bsrnn.resume import Progress
from bsrnn.runtime import distributed
from bsrnn.runtime.memory import keep_freed_memory, share_one_arena
from bsrnn.runtime.speed import fast_dtype, on_each_core, say_emulated
from bsrnn.separation import separate

SAVE_SECONDS = 60  # between two resume files, beside one after each validation
FIRST_LOSSES = 3  # of the first steps, recorded for `bsrnn verify` to compute them again


class TrainingError(BSRNNError, RuntimeError):
    """Training that cannot go on, with what was saved to look into it."""


class ItemSource(Protocol):
    """Where batches come from: random mixes, or the semi-supervised sampler of bsrnn.finetune.

    Each of several processes has a source of its own, which must give the same batches; it learns from its share of
    each. A source may have ``shares(first_item, part)`` in addition, which makes that slice of each batch alone.
    """

    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(mixture (B, C, L), targets (B, S, C, L)) from an item on."""

    def validated(self, model: Separator, score: float) -> dict:
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
        return self.shares(first_item, slice(0, self.config.batch_items))

    def shares(self, first_item: int, part: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """A slice of each batch: its items are independent, so that nobody need make those of another process."""
        size = self.config.batch_items
        firsts = range(first_item, len(self.mixes) - size + 1, size)
        workers = self.config.loader_workers
        loader = DataLoader(
            self.mixes,
            batch_sampler=(range(first + part.start, first + part.stop) for first in firsts),
            num_workers=workers,
            # spawn: the forked copy of a process that runs OpenMP threads may hang
            multiprocessing_context="spawn" if workers else None,
        )
        return iter(loader)

    def validated(self, model: Separator, score: float) -> dict:
        return {}

    def state(self) -> tuple[dict[str, Tensor], dict]:
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        pass


def new_model(config: ModelConfig | PeerConfig, seed: int) -> Separator:
    """A model with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(config)


def objective(model: Separator, mixture: Tensor, targets: Tensor, config: LossConfig = LossConfig()) -> Tensor:
    """Equation 1: L1 of real part + L1 of imaginary part + L1 of the waveform; a scalar.

    Args:
        mixture: (B, C, L). targets: (B, S, C, L).
    """
    spectral_weight = weight_of_plain_stft(config, model.window)
    estimate, signals = model.estimate_both(mixture)
    if estimate.shape[:3] != targets.shape[:3]:
        got, expected = tuple(targets.shape), tuple(estimate.shape[:3])
        raise ValueError(f"got targets of shape {got}, expected (B, S, C, L) with (B, S, C) {expected}")
    error = torch.view_as_real(estimate - model.stft(targets)).abs()  # (B, S, C, F, T, 2)
    waveform_error = (signals - targets).abs()
    if config.reduction == "sum":
        return spectral_weight * error.sum() + config.waveform_weight * waveform_error.sum()
    # the mean over both parts is half of the sum of their means
    return 2 * spectral_weight * error.mean() + config.waveform_weight * waveform_error.mean()


def weight_of_plain_stft(config: LossConfig, window: Tensor) -> float | Tensor:
    """What an error of torch's STFT, with this window (n_fft,), weighs: another scale of it is another weight."""
    unit = config.stft_scale == "unit"
    return config.spectral_weight / window.square().sum().sqrt() if unit else config.spectral_weight


class Objective(nn.Module):
    """The loss as a module, which is what DistributedDataParallel wraps.

    Args:
        precision: "bfloat16": products and LSTMs inside the model are computed in it; weights, STFTs and the loss stay
            in float32. bfloat16 has float32's range, so that no loss need be scaled. Some CPUs cannot: see
            :func:`bsrnn.runtime.speed.usable_dtype`.

    Raises:
        ConfigError: unknown precision.
    """

    def __init__(self, model: Separator, loss: LossConfig, precision: str = "float32"):
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ConfigError(f"unknown precision {precision!r}: expected 'float32' or 'bfloat16'")
        self.model, self.loss, self.bfloat16 = model, loss, precision == "bfloat16"

    def forward(self, mixture: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(mixture.device.type, torch.bfloat16, enabled=self.bfloat16):
            return objective(self.model, mixture, targets, self.loss)


def gradients(learner: nn.Module, mixture: Tensor, targets: Tensor, loss: LossConfig, micro_items: int = 0) -> Tensor:
    """Gradients of a whole batch's loss, a few items at a time; that loss, a scalar, the same in every process.

    The items of a batch do not touch each other, so the pieces change nothing but the order of sums; a model whose
    items do (`Separator.items_apart`) takes a batch whole.

    Args:
        learner: an :class:`Objective`, wrapped by :func:`bsrnn.runtime.distributed.wrap`; its device takes each piece.
        mixture: (B, C, L), this process's share. targets: (B, S, C, L). micro_items: of a piece; 0: all.
    """
    device, apart = next(learner.parameters()).device, getattr(getattr(learner, "model", None), "items_apart", True)
    size = micro_items if micro_items and apart else len(mixture)
    pieces = list(zip(mixture.split(size), targets.split(size), strict=True))
    value = torch.zeros((), device=device)

    def part_of(some: Tensor, wanted: Tensor) -> Tensor:
        share = distributed.size() if loss.reduction == "sum" else len(some) / len(mixture)
        return share * learner(some.to(device), wanted.to(device))

    if distributed.size() == 1 and device.type == "cpu":
        for some, wanted in pieces:
            value += _gradients_on_each_core(part_of, list(learner.parameters()), some, wanted, apart)
        return value
    for number, (some, wanted) in enumerate(pieces, start=1):
        # processes meet once a batch, in the last backward pass, which gives every one the mean of all gradients
        waits = distributed.size() > 1 and number < len(pieces)
        with learner.no_sync() if waits else nullcontext():
            part = part_of(some, wanted)
            part.backward()
        value += part.detach()
    return distributed.total(value) / distributed.size()


def _gradients_on_each_core(
    part_of, parameters: list[nn.Parameter], some: Tensor, wanted: Tensor, apart=True
) -> Tensor:
    """Add the gradients of a few items, computed in threads and summed in their order; their part of the loss.

    ``apart`` False: in one piece.
    """

    def one(mixture: Tensor, targets: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        part = part_of(mixture, targets)
        return part.detach(), torch.autograd.grad(part, parameters)

    value = torch.zeros(())
    for part, of_part in on_each_core(one, some, wanted) if apart else [one(some, wanted)]:
        value += part
        for parameter, gradient in zip(parameters, of_part, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
    return value


def learning_rate(items: int, config: TrainConfig) -> float:
    """Of the step that begins at ``items``."""
    if config.schedule == "step":
        return config.learning_rate * config.decay ** (items // config.decay_items)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, items / config.max_items))) / 2  # "cosine"


def adam(model: Separator, config: TrainConfig) -> torch.optim.Adam:
    """The optimiser, fused where torch can."""
    fused = {"fused": True} if model.window.device.type in ("cpu", "cuda") else {}
    return torch.optim.Adam(model.parameters(), config.learning_rate, **fused)


def first_losses(
    model: Separator, source: ItemSource, config: TrainConfig, loss: LossConfig, steps: int
) -> list[float | None]:
    """The losses of the first steps of a training, which writes nothing; None: not finite. At most FIRST_LOSSES.

    They are computed in ``config.precision`` itself, which must be one that this machine has.
    """
    keep_freed_memory()
    optimiser, progress, learner = adam(model.train(), config), Progress(), Objective(model, loss, config.precision)
    for _, (mixture, targets) in zip(range(min(steps, FIRST_LOSSES)), source.batches(0), strict=False):
        _step(learner, optimiser, mixture, targets, progress, replace(config, max_bad_steps=10**9), loss, Path())
        progress.items += config.batch_items
    return progress.first_losses


def validation_usdr(model: Separator, songs: Sequence[Song], config: SeparateConfig) -> float:
    """Mean uSDR in dB over whole songs and targets, those with a silent reference left out.

    Several processes share the songs; the order of the sum is the same.
    """
    model.eval()
    targets = model.config.targets
    scores = torch.zeros(len(songs), len(targets), dtype=torch.float64)
    mine = range(distributed.rank(), len(songs), distributed.size())
    for row in tqdm(mine, "validation", unit="song", delay=5, leave=False, disable=distributed.rank() > 0):
        song = songs[row]
        estimates = separate(model, song.read("mixture"), song.sample_rate, **asdict(config))
        for column, target in enumerate(targets):
            reference = song.read(target)
            scores[row, column] = usdr(reference, estimates[target]) if np.any(reference) else math.nan
    model.train()
    scores = distributed.total(scores)
    kept = scores[~scores.isnan()]
    if not len(kept):
        raise DataError(
            f"no validation: in all of {len(songs)} songs {', '.join(targets)} is silent; add songs that have it"
        )
    return float(np.mean(kept.numpy()))


def fit(
    model: Separator,
    source: ItemSource,
    validate: Callable[[Separator], float],
    config: TrainConfig,
    out: Path,
    *,
    loss: LossConfig = LossConfig(),
    info: dict | None = None,
    device: str = "cpu",
    label: str = "train",
) -> Progress:
    """Train until ``max_items`` or early stop; the best model by validation lies in ``out`` at any moment after the
    first. With ``ema_decay`` it is the averaged weights that are validated and kept.

    A folder that holds an unfinished training of this kind is gone on with, bit for bit as if it had not stopped. Where
    the machine lacks the arithmetic of ``config.precision`` it is float32's, which the result says.
    Several processes (:mod:`bsrnn.runtime.distributed`) share every batch and validation; their number changes
    the rounding alone, also where a training goes on with another number. Only rank 0 writes, into a folder that all
    of them see.

    Args:
        model: trained in place. source: gives the batches. validate: model -> mean uSDR in dB, higher is better.
        out: gets config.json and model.safetensors (the best), and resume/ while unfinished.
        info: written into the checkpoint's config.json.

    Raises:
        TrainingError: too many consecutive steps with a non-finite loss or gradient; the batch is saved.
        ConfigError: several processes for a model that must see its batches whole.
    """
    share_one_arena()
    keep_freed_memory()
    part = distributed.share(config.batch_items)
    if distributed.size() > 1 and not model.items_apart:
        raise ConfigError(f"got {distributed.size()} processes: expected one, the items of this model see each other")
    model.to(device).train()
    optimiser = adam(model, config)
    average = averaging.moving_average(model, optimiser, config.ema_decay)
    judged = average.module if average else model  # validated and kept
    progress = resume.restore(Path(out), model, optimiser, source, average) or Progress()
    first = distributed.rank() == 0
    progress.arithmetic = arithmetic(config.precision, progress.arithmetic, device)
    learner = distributed.wrap(Objective(model, loss, progress.arithmetic["got"]))
    last_items = config.max_items - config.max_items % config.batch_items
    started, saved = time.monotonic() - progress.seconds, time.monotonic()
    bar = tqdm(
        total=last_items,
        initial=progress.items,
        desc=label,
        unit="item",
        mininterval=2,
        dynamic_ncols=True,
        disable=not first,
    )
    stopped = config.patience and progress.worse >= config.patience
    batches = iter(()) if stopped or progress.items >= last_items else _shares(source, progress.items, part)
    for mixture, targets in batches:
        progress.loss_sum += _step(learner, optimiser, mixture, targets, progress, config, loss, out)
        before, progress.items = progress.items, progress.items + config.batch_items
        progress.seconds = time.monotonic() - started
        bar.update(config.batch_items)
        finished = progress.items >= last_items
        due = finished or progress.items // config.validate_items > before // config.validate_items
        if due:
            _validate(judged, source, validate, progress, config, out, info)
            bar.set_postfix(
                loss=f"{progress.history[-1]['loss']:.4f}", usdr=f"{progress.history[-1]['valid_usdr']:.2f} dB"
            )
        stopped = config.patience and progress.worse >= config.patience
        if first and (due or time.monotonic() - saved > SAVE_SECONDS):
            resume.save(Path(out), model, optimiser, source, progress, average)
            saved = time.monotonic()
        if stopped or finished:
            break
    bar.close()
    if first:
        model.load_state_dict(checkpoint.load(out).state_dict())
    distributed.copy_first(model.state_dict())
    model.eval()
    return progress


def arithmetic(asked: str, before: dict[str, str], device: str) -> dict[str, str]:
    """What products are computed in, the same in every process; see :class:`bsrnn.resume.Progress`.

    Args:
        asked: of the settings. before: of the training that is gone on with, which keeps its own where it can; or {}.
    """
    wanted = before["got"] if before.get("asked") == asked else asked
    got = wanted if distributed.all_agree(wanted != "bfloat16" or fast_dtype(device) == wanted) else "float32"
    if got != wanted and distributed.rank() == 0:
        say_emulated(device)
    began = before.get("began", before.get("got", got))
    return {"asked": asked, "got": got} | ({"began": began} if began != got else {})


def _shares(source: ItemSource, first_item: int, part: slice) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's part of each batch."""
    if distributed.size() == 1:
        return source.batches(first_item)
    if hasattr(source, "shares"):
        return source.shares(first_item, part)
    return ((mixture[part], targets[part]) for mixture, targets in source.batches(first_item))


def _step(
    learner,
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
    optimiser.zero_grad(set_to_none=True)
    value = gradients(learner, mixture, targets, loss, config.micro_items)
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), config.clip_norm)
    if len(progress.first_losses) < FIRST_LOSSES:
        progress.first_losses.append(value.item() if torch.isfinite(value) else None)
    if torch.isfinite(value) and torch.isfinite(norm):
        optimiser.step()
        progress.steps, progress.bad_steps = progress.steps + 1, 0
        return value.item()
    progress.bad_steps, progress.skipped = progress.bad_steps + 1, progress.skipped + 1
    if progress.bad_steps >= config.max_bad_steps:
        bad = Path(out) / "bad_batch.safetensors"
        batch = {"mixture": distributed.gather(mixture.cpu()), "targets": distributed.gather(targets.cpu())}
        if distributed.rank() == 0:
            checkpoint.write_tensors(bad, {name: value.contiguous() for name, value in batch.items()})
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
        if distributed.rank() == 0:
            # what a killed process leaves must say where it comes from
            checkpoint.save(model, out, (info or {}) | {"valid_usdr": score, "items": progress.items})
    else:
        progress.worse += 1
