"""The one training loop, for training and finetuning alike (section IV-A)."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from bsrnn import checkpoint, resume
from bsrnn.config import LossConfig, ModelConfig, PeerConfig, SeparateConfig, TrainConfig
from bsrnn.data.songs import Song
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.loss import Objective, gradients
from bsrnn.metrics import usdr
from bsrnn.mixing import RandomMixes
from bsrnn.models.base import Separator
from bsrnn.models.other_systems import build
from bsrnn.resume import Progress
from bsrnn.runtime import distributed
from bsrnn.runtime.memory import keep_freed_memory, share_one_arena
from bsrnn.runtime.precision import fast_dtype, say_emulated
from bsrnn.separation import separate

Validation = Callable[[Separator], float | None]  # model -> mean uSDR in dB; None where there are no songs for it
Remark = Callable[[int, float], str]  # items, validation uSDR in dB -> where that lies, in a few words, or ""
SAVE_SECONDS = 60  # between two resume files, beside one after each validation
FIRST_LOSSES = 3  # of the first steps, recorded for `bsrnn verify` to compute them again


class TrainingError(BSRNNError, RuntimeError):
    """Training that cannot go on, with what was saved to look into it."""


class ItemSource(ABC):
    """Where batches come from: random mixes, or the semi-supervised sampler of bsrnn.finetune.

    Each of several processes has a source of its own, which must give the same batches; it learns from its share of
    each.
    """

    @abstractmethod
    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(mixture (B, C, L), targets (B, S, C, L)) from an item on."""

    def shares(self, first_item: int, part: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """This slice of each batch."""
        return ((mixture[part], targets[part]) for mixture, targets in self.batches(first_item))

    def validated(self, model: Separator, score: float | None) -> dict:
        """Called after every validation, None: without songs; gives what belongs into the history."""
        return {}

    def report(self) -> dict:
        """What became of the unlabelled songs, for a finetuning's JSON."""
        return {"songs": 0}

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """What a resumed training needs: tensors, and values for JSON."""
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:  # noqa: B027 -- nothing, where there is no state
        """The inverse of :meth:`state`."""


class Supervised(ItemSource):
    """Batches of random mixes; item i depends on the set's seed and i alone."""

    def __init__(self, mixes: RandomMixes, config: TrainConfig):
        self.mixes, self.config = mixes, config

    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        return self.shares(first_item, slice(0, self.config.batch_items))

    def shares(self, first_item: int, part: slice) -> Iterator[tuple[Tensor, Tensor]]:
        """Items are independent, so that nobody need make those of another process."""
        size = self.config.batch_items
        firsts = range(first_item, len(self.mixes) - size + 1, size)
        workers = self.config.loader_workers
        loader = DataLoader(
            self.mixes,
            batch_sampler=(list(range(first + part.start, first + part.stop)) for first in firsts),
            num_workers=workers,
            # spawn: the forked copy of a process that runs OpenMP threads may hang
            multiprocessing_context="spawn" if workers else None,
        )
        return iter(loader)


def new_model(config: ModelConfig | PeerConfig, seed: int) -> Separator:
    """A model with weights drawn from ``seed``; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(config)


def learning_rate(items: int, config: TrainConfig) -> float:
    """Of the step that begins at ``items``."""
    if config.schedule == "step":
        return config.learning_rate * config.decay ** (items // config.decay_items)
    return config.learning_rate * (1 + math.cos(math.pi * min(1.0, items / config.max_items))) / 2  # "cosine"


def adam(model: Separator, config: TrainConfig) -> torch.optim.Adam:
    """The optimiser, fused where torch can."""
    fused = True if model.window.device.type in ("cpu", "cuda") else None
    return torch.optim.Adam(model.parameters(), config.learning_rate, fused=fused)


def moving_average(model: Separator, optimiser: torch.optim.Optimizer, decay: float) -> AveragedModel | None:
    """The average of the weights along a training, which is often better than the last of them; None for a decay of 0.

    Every step of the optimiser moves it: it is the first step's weights, then after each step ``decay`` times itself
    plus ``1 - decay`` times the new weights; buffers are the model's own. The weights are the same in all processes,
    and so is their average. Its ``module`` is a model. Source: torch's own; the paper has none.
    """
    if not decay:
        return None
    # moved to its device, though it is there: that lays the weights of LSTMs out as CUDA wants them
    average = AveragedModel(model, model.window.device, multi_avg_fn=get_ema_multi_avg_fn(decay))
    optimiser.register_step_post_hook(lambda *_: average.update_parameters(model))
    return average


class Anchor(NamedTuple):
    """Weights that a training starts from, and their share in those that it keeps."""

    weights: dict[str, Tensor]
    share: float

    def mean(self, model: Separator) -> Separator:
        """A model of the mean of ``model``'s weights and these; source: WiSE-FT (arXiv 2109.01903)."""
        kept = new_model(model.config, 0).to(model.window.device)
        kept.load_state_dict({
            name: torch.lerp(now, self.weights[name].to(now), self.share) if now.is_floating_point() else now
            for name, now in model.state_dict().items()
        })  # fmt: skip
        return kept


def validation_usdr(model: Separator, songs: Sequence[Song], config: SeparateConfig) -> float:
    """Mean of :func:`validation_scores`. Raises DataError: in all songs all targets are silent."""
    scores = validation_scores(model, songs, config)
    if not len(scores):
        targets = ", ".join(model.config.targets)
        raise DataError(f"no validation: in all of {len(songs)} songs {targets} is silent; add songs that have it")
    return float(np.mean(scores))


def validation_scores(model: Separator, songs: Sequence[Song], config: SeparateConfig) -> np.ndarray:
    """uSDR in dB of whole songs and targets, in their order, those with a silent reference left out.

    Several processes share the songs; each gets all scores.
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
    return scores[~scores.isnan()].numpy()


def no_remark(items: int, usdr: float) -> str:
    """Nothing is said of where a validation lies."""
    return ""


def said(entry: dict, remark: Remark = no_remark) -> str:
    """What the progress line says of a validation."""
    words, usdr = [f"loss={entry['loss']:.4f}"], entry["valid_usdr"]
    if usdr is not None:
        words += [f"usdr={usdr:.2f} dB", remark(entry["items"], usdr)]
    return ", ".join(filter(None, words))


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


class Trainer:
    """A training: a model, where its batches come from, and all that a step changes.

    A folder that holds an unfinished training of this kind is gone on with, bit for bit as if it had not stopped. Where
    the machine lacks the arithmetic of ``config.precision`` it is float32's, which ``progress.arithmetic`` says.
    Several processes (:mod:`bsrnn.runtime.distributed`) share every batch and validation; their number changes
    the rounding alone, also where a training goes on with another number. Only rank 0 writes, into a folder that all
    of them see.

    Args:
        model: trained in place. source: gives the batches.
        folder: gets config.json and model.safetensors (of ``config.kept_weights``), and resume/ while unfinished.
            None: for steps alone, which write nothing.
        anchor: weights of which a share is in the model that is validated and kept; None: the trained ones alone.

    Raises:
        ConfigError: several processes for a model that must see its batches whole, or that cannot share a batch.
    """

    def __init__(  # noqa: PLR0913 -- settings with defaults
        self,
        model: Separator,
        source: ItemSource,
        config: TrainConfig,
        loss: LossConfig = LossConfig(),
        device: str = "cpu",
        folder: Path | None = None,
        anchor: Anchor | None = None,
    ):
        share_one_arena()
        keep_freed_memory()
        self.share = distributed.share(config.batch_items)
        if distributed.size() > 1 and not model.items_apart:
            raise ConfigError(
                f"got {distributed.size()} processes: expected one, the items of this model see each other"
            )
        self.model, self.source, self.config, self.loss, self.device = model, source, config, loss, device
        self._folder, self.anchor = None if folder is None else Path(folder), anchor
        self.last_items = config.max_items - config.max_items % config.batch_items
        model.to(device).train()
        self.optimiser = adam(model, config)
        self.average = moving_average(model, self.optimiser, config.ema_decay)
        restored = self._folder and resume.restore(self._folder, model, self.optimiser, source, self.average)
        self.progress = restored or Progress()
        self.progress.arithmetic = arithmetic(config.precision, self.progress.arithmetic, device)
        self.learner = distributed.wrap(Objective(model, loss, self.progress.arithmetic["got"], self._recorded))

    @property
    def _recorded(self) -> bool:
        """Whether BSRNN's kernels are: by one GPU, and of a whole batch, since the gradients of one piece would lie
        where those of the next go."""
        config = self.config
        whole = not config.micro_items or config.micro_items >= config.batch_items
        return config.cuda_graphs and distributed.size() == 1 and self.device.startswith("cuda") and whole

    @property
    def folder(self) -> Path:
        """Where the model goes to; ValueError: the training has no folder, it is for steps alone."""
        if self._folder is None:
            raise ValueError("got a training without a folder, expected the folder that its model goes to")
        return self._folder

    @property
    def judged(self) -> Separator:
        """The model that is validated and kept: with ``ema_decay`` the one of averaged weights, with an anchor the
        mean of them and the anchor's."""
        model = cast(Separator, self.average.module) if self.average else self.model
        return self.anchor.mean(model) if self.anchor else model

    @property
    def finished(self) -> bool:
        """Whether all items are learnt from, or the validation has not become better for long enough."""
        patience = self.config.patience
        return self.progress.items >= self.last_items or bool(patience and self.progress.worse >= patience)

    @property
    def validation_due(self) -> bool:
        """Whether a validation follows the step that was last."""
        items, every = self.progress.items, self.config.validate_items
        return items >= self.last_items or items // every > (items - self.config.batch_items) // every

    def run(
        self, validate: Validation, info: dict | None = None, label: str = "train", remark: Remark = no_remark
    ) -> Progress:
        """Train until ``max_items`` or early stop; after the first validation the model to keep, the best or the last,
        lies in the folder at any moment.

        Args:
            validate: model -> mean uSDR in dB, higher is better; None where there are no songs for it: the last weights
                are kept. info: written into the checkpoint's config.json. remark: shown beside each validation.

        Raises:
            TrainingError: too many consecutive steps with a non-finite loss or gradient; the batch is saved.
        """
        folder, progress = self.folder, self.progress
        writes, saved = distributed.rank() == 0, time.monotonic()
        started = saved - progress.seconds
        bar = tqdm(
            total=self.last_items,
            initial=progress.items,
            desc=label,
            unit="item",
            mininterval=2,
            dynamic_ncols=True,
            disable=not writes,
        )
        for mixture, targets in () if self.finished else self.source.shares(progress.items, self.share):
            self.step(mixture, targets)
            if progress.bad_steps >= self.config.max_bad_steps:
                self._give_up(mixture, targets)
            progress.seconds = time.monotonic() - started
            bar.update(self.config.batch_items)
            if self.validation_due:
                self.validate(validate, info)
                bar.set_postfix_str(said(progress.history[-1], remark))
            if writes and (self.validation_due or time.monotonic() - saved > SAVE_SECONDS):
                self.save()
                saved = time.monotonic()
            if self.finished:
                break
        bar.close()
        if writes:
            self.model.load_state_dict(checkpoint.load(folder).state_dict())
        distributed.copy_first(self.model.state_dict())
        self.model.eval()
        return progress

    def step(self, mixture: Tensor, targets: Tensor) -> None:
        """One step of the optimiser, with this process's share (B, C, L), (B, S, C, L) of a batch.

        One with a non-finite loss or gradient is counted and changes no weight.
        """
        progress, config = self.progress, self.config
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(progress.items, config)
        self.optimiser.zero_grad(set_to_none=True)
        value = gradients(self.learner, mixture, targets, self.loss, config.micro_items)
        norm = torch.nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip_norm)
        if len(progress.first_losses) < FIRST_LOSSES:
            progress.first_losses.append(value.item() if torch.isfinite(value) else None)
        if torch.isfinite(value) and torch.isfinite(norm):
            self.optimiser.step()
            progress.steps, progress.bad_steps = progress.steps + 1, 0
            progress.loss_sum += value.item()
        else:
            progress.bad_steps, progress.skipped = progress.bad_steps + 1, progress.skipped + 1
        progress.items += config.batch_items

    def validate(self, validate: Validation, info: dict | None = None) -> None:
        """Score the model that is judged, note it in the history, and keep it: always, or if it is the best so far."""
        progress, judged = self.progress, self.judged
        score = validate(judged)
        entry = {
            "items": progress.items,
            "valid_usdr": score,
            "loss": progress.loss_sum / max(1, progress.steps),
            "learning_rate": learning_rate(progress.items, self.config),
            "skipped_steps": progress.skipped,
        }
        progress.history.append(entry | self.source.validated(judged, score))
        progress.loss_sum, progress.steps = 0.0, 0
        better = score is None or progress.best is None or not score <= progress.best  # than nothing, or than NaN
        if not better and self.config.kept_weights == "best":
            progress.worse += 1
            return
        progress.best, progress.best_items, progress.worse = score, progress.items, 0
        if distributed.rank() == 0:
            # what a killed process leaves must say where it comes from
            checkpoint.save(judged, self.folder, (info or {}) | {"valid_usdr": score, "items": progress.items})

    def save(self) -> None:
        """Write where the training is, to go on from there."""
        resume.save(self.folder, self.model, self.optimiser, self.source, self.progress, self.average)

    def _give_up(self, mixture: Tensor, targets: Tensor) -> None:
        """Save the batch that was last, and raise TrainingError."""
        path, first_item = self.folder / "bad_batch.safetensors", self.progress.items - self.config.batch_items
        batch = {"mixture": distributed.gather(mixture.cpu()), "targets": distributed.gather(targets.cpu())}
        if distributed.rank() == 0:
            checkpoint.write_tensors(path, {name: value.contiguous() for name, value in batch.items()})
        raise TrainingError(
            f"{self.progress.bad_steps} steps in a row with a non-finite loss or gradient at item {first_item}: the "
            f"last batch is in {path}; lower the learning rate or look at the data"
        )


def first_losses(
    model: Separator, source: ItemSource, config: TrainConfig, loss: LossConfig, steps: int
) -> list[float | None]:
    """The losses of the first steps of a training, which writes nothing; None: not finite. At most FIRST_LOSSES."""
    trainer = Trainer(model, source, config, loss)
    for _, batch in zip(range(min(steps, FIRST_LOSSES)), source.batches(0), strict=False):
        trainer.step(*batch)
    return trainer.progress.first_losses
