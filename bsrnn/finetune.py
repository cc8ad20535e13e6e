"""Semi-supervised finetuning: the data sampler of figure 2, and self-boosting (sections III, IV-B).

For each batch of B items: B clean targets and B clean residuals from labelled songs; B mixture chunks from unlabelled
songs, which the teacher separates. The two energy rules turn a chunk into a clean residual (the target is absent), a
clean target (all else is absent), or else a pseudo target and a pseudo residual. All signals go into one pool of
targets and one of residuals; every item of the batch draws one of each, at random gains or dropped, and mixes them.

What the paper leaves open is a setting of :class:`bsrnn.config.FinetuneConfig`; the defaults are ours:

- energies are sums over both channels of the chunk that is mixed (``channels``, ``energy_over``);
- the teacher sees that chunk alone, not the six seconds around it (``teacher_sees``);
- with ``item_channels`` "one" the channel is drawn once a batch, so that the teacher separates and the rules judge it
  alone;
- a pool is that of one batch; every signal of it is as likely as any other, also to be drawn twice (``pools``);
- a clean residual comes from a segment in which the labelled song's mixture is salient, so that it can be a rest.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bsrnn.activity import Segments
from bsrnn.config import Settings
from bsrnn.data.songs import Song
from bsrnn.errors import ConfigError, DataError
from bsrnn.mixing import check_channels, drawn_channels, gain, normalise_peak, read_chunk, tone, with_tone
from bsrnn.models.base import Separator
from bsrnn.runtime import distributed
from bsrnn.train import ItemSource

EPS = 1e-12  # of an energy: silence against silence is 0 dB, not undefined
Pool = list[tuple[str, np.ndarray]]  # (kind, (C, L))
Batch = tuple[Tensor, Tensor]  # mixtures (B, C, L), targets (B, 1, C, L)


def energy_db(signal: Tensor) -> Tensor:
    """Energy over channels and samples, (..., C, L) -> (...) in dB (ours; the paper does not say over what)."""
    return 10 * torch.log10(signal.double().square().sum((-2, -1)) + EPS)


def energy_drops(mixture: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
    """How far, in dB, the target estimate and the residual lie below the mixture: (..., C, L) twice -> (...) twice.

    These two numbers are what the rules of section III compare with their threshold.
    """
    level = energy_db(mixture)
    return level - energy_db(estimate), level - energy_db(mixture - estimate)


def classify(mixture: Tensor, estimate: Tensor, threshold_db: float = 30.0) -> list[str]:
    """The energy rules, for chunks (B, C, L) and the teacher's target estimates (B, C, L).

    Returns:
        for each chunk "clean_residual" when the mixture's energy exceeds the target estimate's by more than
        ``threshold_db``, "clean_target" when it exceeds the residual's by more, else "pseudo". A silent chunk is
        "pseudo": it says nothing about either.
    """
    target_down, residual_down = energy_drops(mixture, estimate)
    return [kind_of(*drops, threshold_db) for drops in zip(target_down.tolist(), residual_down.tolist(), strict=True)]


def kind_of(target_down_db: float, residual_down_db: float, threshold_db: float = 30.0) -> str:
    """The rules themselves. Above 6.02 dB both cannot hold at once; below that the first one wins (ours)."""
    if target_down_db > threshold_db:
        return "clean_residual"
    return "clean_target" if residual_down_db > threshold_db else "pseudo"


class Teacher(NamedTuple):
    """The trained model that labels unlabelled songs, and how good it is."""

    model: Separator
    target: str
    score: float  # mean validation uSDR, dB


class TeacherLabels(NamedTuple):
    """What the teacher has seen, what it makes of it, and where in each lies the chunk that is mixed."""

    mixtures: Tensor  # (B, C, L)
    estimates: Tensor  # (B, C, L), of the target
    offsets: Sequence[int]  # B of them, in samples

    def by_channel(self) -> "TeacherLabels":
        """Every channel as a signal of its own, (BC, 1, L)."""
        mixtures, estimates = (signals.flatten(0, 1)[:, None] for signals in (self.mixtures, self.estimates))
        return TeacherLabels(mixtures, estimates, np.repeat(self.offsets, self.mixtures.shape[1]).tolist())

    def chunks(self, samples: int) -> "TeacherLabels":
        """The chunks alone, (B, C, samples)."""
        places = [slice(offset, offset + samples) for offset in self.offsets]
        if not places:
            return self
        mixtures, estimates = (
            torch.stack([signal[:, place] for signal, place in zip(signals, places, strict=True)])
            for signals in (self.mixtures, self.estimates)
        )
        return TeacherLabels(mixtures, estimates, [0] * len(places))


class Pools(NamedTuple):
    """The targets and the residuals that a batch draws from, and how often what was decided and drawn."""

    targets: Pool
    residuals: Pool
    counts: Counter[str]

    def add(self, kind: str, mixture: np.ndarray, estimate: np.ndarray) -> None:
        """What a chunk (C, L) of an unlabelled song gives, with its target estimate."""
        if kind != "clean_residual":
            self.targets.append((kind, mixture if kind == "clean_target" else estimate))
        if kind != "clean_target":
            self.residuals.append((kind, mixture if kind == "clean_residual" else mixture - estimate))


@dataclass
class Draw:
    """What one batch is made of, before the teacher has seen it."""

    targets: Pool
    residuals: Pool
    mixing: np.random.Generator
    mixtures: Tensor  # (B, C, L): what the teacher sees; no items without unlabelled songs
    truth: Tensor  # (B, C, L), true targets of these; no items unless the labels come from the stems
    offsets: list[int] = field(default_factory=list)  # where in it each chunk lies


def _by_channel(pool: Pool) -> Pool:
    """Every channel as a signal (1, L) of its own."""
    return [(kind, channel[None]) for kind, signal in pool for channel in signal]


class SemiSupervised(ItemSource):
    """Batches for finetuning.

    A batch depends on the seed, its first item, the songs and the teacher alone. The labelled signals and the gains
    are the same whatever the unlabelled songs are, so that a run and its control differ in nothing else. Of several
    processes each makes the whole batch, as items draw from all of its signals; the teacher's work is shared out.

    Args:
        labelled: songs with stems.
        unlabelled: songs with a mixture; empty for the control, which trains on labelled data only, through the same
            sampler.
        teacher: replaced by a better student if ``settings.finetune.self_boosting``.
        settings: of which finetuning, mixing and activity count.

    Raises:
        ConfigError: channels "each" for a model that compares them. DataError: songs without a salient segment.
    """

    def __init__(
        self,
        labelled: Sequence[Song],
        unlabelled: Sequence[Song],
        teacher: Teacher,
        settings: Settings,
        seed: int = 0,
    ):
        model, target, score = teacher
        config, mixing, activity = settings.finetune, settings.mixing, settings.activity
        check_channels(mixing, model.config)
        if config.channels == "each" and not model.config.channels_apart:
            raise ConfigError(
                "channels 'each' makes an item of unrelated channels, but the model has a stereo module, or is stereo"
            )
        self.target, self.config, self.mixing, self.seed = target, config, mixing, seed
        self.teacher, self.teacher_score = model.eval(), score
        self.sample_rate = rate = model.config.sample_rate
        self.samples = round(mixing.chunk_seconds * rate)
        self.segment_samples = max(self.samples, round(activity.segment_seconds * rate))
        self.targets = Segments([song for song in labelled if target in song.stems], target, activity)
        self.mixtures = Segments([song for song in labelled if target in song.stems], "mixture", activity)
        long = [song for song in unlabelled if song.frames >= self.samples]  # the others would be mostly padding
        self.short = [song.name for song in unlabelled if song.frames < self.samples]
        if unlabelled and not long:
            raise DataError(
                f"all of {len(unlabelled)} unlabelled songs are shorter than the {mixing.chunk_seconds:g} s that are "
                "mixed at a time; give it longer ones"
            )
        self.unlabelled = Segments(long, "mixture", activity, skip_unreadable=True) if long else None
        if self.unlabelled and config.labels == "truth":
            if lacking := [song.name for song in self.unlabelled.songs if target not in song.stems]:
                raise DataError(
                    f"labels 'truth' need the stem {target!r} of every unlabelled song, but {lacking[0]!r} and "
                    f"{len(lacking) - 1} more lack it; let the teacher label them (labels 'teacher')"
                )
        self.replacements = 0
        self.counts: Counter[str] = Counter()  # since the last validation

    # ---- batches ----

    def batches(self, first_item: int) -> Iterator[Batch]:
        """(mixture (B, C, L), targets (B, 1, C, L)) from an item on.

        The teacher labels the chunks of several batches at once, never across a validation, after which it may be
        another.
        """
        for group in self._groups():
            if group[-1] < first_item:
                continue
            for first, (batch, counts) in zip(group, self.label(group), strict=True):
                if first >= first_item:  # a resumed training may begin within a group
                    self.counts += counts
                    yield batch

    def label(self, firsts: Sequence[int]) -> list[tuple[Batch, Counter[str]]]:
        """The batches that begin at these items, each with its counts; the teacher is asked once for all."""
        draws = [self.draw(first) for first in firsts]
        mixtures = torch.cat([draw.mixtures for draw in draws])
        if not len(mixtures):
            return [self.mix(draw, mixtures) for draw in draws]
        if self.config.labels == "truth":
            estimates = torch.cat([draw.truth for draw in draws])
        else:
            estimates = self.ask_teacher(mixtures)
        return [
            self.mix(draw, part)
            for draw, part in zip(draws, estimates.split([len(draw.mixtures) for draw in draws]), strict=True)
        ]

    def draw(self, first_item: int) -> Draw:
        """Read what the batch from this item on is made of."""
        size = self.config.train.batch_items
        # four streams: what is drawn of unlabelled songs shifts neither the labelled draws nor the gains
        labelled, unlabelled, mixing, channel = np.random.default_rng((self.seed, first_item)).spawn(4)
        channels = drawn_channels(self.mixing, channel)
        targets, residuals = [], []
        # the control's pools are as large: labelled signals stand in for the unlabelled ones, after the same first B
        for _ in range(size if self.unlabelled else 2 * size):
            song, start = self.targets.draw(self.samples, labelled)
            targets.append(("labelled", read_chunk(song, self.target, start, self.samples)[channels]))
            song, start = self.mixtures.draw(self.samples, labelled)
            clean = song.residual(self.target, start, max(0, min(self.samples, song.frames - start)))
            clean = np.pad(clean, ((0, 0), (0, self.samples - clean.shape[1])))
            residuals.append(("labelled", clean[channels]))
        if not self.unlabelled:
            none = torch.zeros(0, len(clean[channels]), self.samples)
            return Draw(targets, residuals, mixing, none, none)
        whole = self.config.teacher_sees == "segment"
        seen, truth, offsets = [], [], []
        for _ in range(size):
            song, start, offset = self.unlabelled.draw_within(self.samples, unlabelled)
            begin, length = (start, self.segment_samples) if whole else (start + offset, self.samples)
            offsets.append(offset if whole else 0)
            seen.append(read_chunk(song, "mixture", begin, length)[channels])
            if self.config.labels == "truth":
                truth.append(read_chunk(song, self.target, begin, length)[channels])
        mixtures = torch.from_numpy(np.stack(seen))
        true = torch.from_numpy(np.stack(truth)) if truth else mixtures[:0]
        return Draw(targets, residuals, mixing, mixtures, true, offsets)

    def mix(self, draw: Draw, estimates: Tensor) -> tuple[Batch, Counter[str]]:
        """A batch of what was drawn and of the target estimates (B, C, L), and how often what was decided and used."""
        pools = self.pools(draw, estimates)
        apart = self.config.channels == "each" and self.mixing.item_channels == "both"
        signals = 2 if apart else 1  # of an item: a channel is a signal of its own, or both are one
        chosen = self._remixed(pools, draw.mixing) if self.config.pools == "remixit" else repeat(pools)
        items = []
        for _ in range(self.config.train.batch_items):
            parts = [self._mixed(next(chosen), draw.mixing) for _ in range(signals)]
            items.append([np.concatenate(channels) for channels in zip(*parts, strict=True)])  # (C, L) twice
        mixtures, targets = (np.stack(audio).astype(np.float32) for audio in zip(*items, strict=True))  # (B, C, L)
        return (torch.from_numpy(mixtures), torch.from_numpy(targets)[:, None]), pools.counts

    def _remixed(self, pools: Pools, generator: np.random.Generator) -> Iterator[Pools]:
        """For each item pools of one signal each: a chunk's target and the residual of another.

        RemixIT permutes the residuals at random; we rotate them by a random number of places, so that none comes back
        to its own chunk.
        """
        size = len(pools.targets)
        shift = int(generator.integers(1, size))
        for place, target in enumerate(pools.targets):
            yield Pools([target], [pools.residuals[(place + shift) % size]], pools.counts)

    def _mixed(self, pools: Pools, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A mixture of a target and a residual at random gains, and that target; (C, L) both."""
        levelled = {}
        for role, pool in (("target", pools.targets), ("residual", pools.residuals)):
            kind, signal = self._choose(pool, generator)
            signal = with_tone(signal, tone(self.mixing, generator), self.sample_rate)
            levelled[role] = gain(self.mixing, generator) * signal
            pools.counts[f"used/{role}/{kind}"] += 1
        return normalise_peak(levelled["target"] + levelled["residual"], levelled["target"])

    def pools(self, draw: Draw, estimates: Tensor) -> Pools:
        """Clean signals of labelled songs, then what the unlabelled ones give by the target estimates (B, C, L).

        With channels "each", every channel is judged and pooled by itself, as (1, L). RemixIT's pools hold the
        teacher's estimates alone, whatever the rules say of them.
        """
        each, remixit = self.config.channels == "each", self.config.pools == "remixit"
        labels = TeacherLabels(draw.mixtures, estimates, draw.offsets)
        labels = labels.by_channel() if each else labels
        chunks = labels.chunks(self.samples)
        judged = chunks if self.config.energy_over == "chunk" else labels
        targets, residuals = (_by_channel(pool) if each else list(pool) for pool in (draw.targets, draw.residuals))
        pools = Pools(*([], []) if remixit else (targets, residuals), Counter({"labelled": len(targets)}))
        kinds = classify(judged.mixtures, judged.estimates, self.config.threshold_db)
        for kind, mixture, estimate in zip(kinds, chunks.mixtures.numpy(), chunks.estimates.numpy(), strict=True):
            pools.counts[kind] += 1
            if remixit:
                pools.add("pseudo", mixture, estimate)
            elif kind in self.config.keep:
                pools.add(kind, mixture, estimate)
        return pools

    def _choose(self, pool: Pool, generator: np.random.Generator) -> tuple[str, np.ndarray]:
        """One signal. Two numbers are always drawn, so that all settings share the draws that follow."""
        first, second = generator.random(2)
        if self.config.pools == "kinds":
            kinds = sorted({kind for kind, _ in pool})
            kind = kinds[int(first * len(kinds))]
            pool = [entry for entry in pool if entry[0] == kind]
        return pool[int(second * len(pool))]

    def ask_teacher(self, mixtures: Tensor) -> Tensor:
        """Target estimates (B, C, L) of mixtures (B, C, L), the same in all processes: each asks for its share."""
        return distributed.by_shares(self._separated, mixtures)

    def _separated(self, mixtures: Tensor) -> Tensor:
        """The teacher's estimates; mixtures and they lie on the CPU."""
        index = self.teacher.config.targets.index(self.target)
        with torch.inference_mode():
            return self.teacher(mixtures.to(self.teacher.window.device))[:, index].cpu()

    def _groups(self) -> Iterator[list[int]]:
        """First items of the batches, grouped as the teacher labels them: the same groups wherever one begins."""
        size, total = self.config.train.batch_items, self.config.train.max_items
        together = max(1, self.config.teacher_batch // size)
        group: list[int] = []
        for first in range(0, total - size + 1, size):
            group.append(first)
            if len(group) == together or self._validates_after(first):
                yield group
                group = []
        if group:
            yield group

    def _validates_after(self, first_item: int) -> bool:
        """Whether a validation follows the batch that begins at this item."""
        every = self.config.train.validate_items
        return (first_item + self.config.train.batch_items) // every > first_item // every

    # ---- self-boosting, resuming ----

    def validated(self, model: Separator, score: float | None) -> dict:
        """Self-boosting: the student takes the teacher's place when, and only when, it validates better."""
        made_by, replaced = self.replacements, False
        if self.config.self_boosting and score is not None and score > self.teacher_score:
            self.teacher.load_state_dict(model.state_dict())
            self.teacher_score, replaced = score, True
            self.replacements += 1
        counts, self.counts = dict(self.counts), Counter()
        entry = {"teacher": made_by, "teacher_replaced": replaced, "teacher_usdr": self.teacher_score}
        return entry | {"counts": counts}

    def state(self) -> tuple[dict[str, Tensor], dict]:
        values = {"score": self.teacher_score, "replacements": self.replacements, "counts": dict(self.counts)}
        return self.teacher.state_dict(), values

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        self.teacher.load_state_dict(tensors)
        self.teacher_score, self.replacements = values["score"], values["replacements"]
        self.counts = Counter(values["counts"])

    def report(self) -> dict:
        if self.unlabelled is None:
            return super().report()
        return {
            "songs": len(self.unlabelled.songs),
            "segments": len(self.unlabelled),
            "hours": round(sum(song.frames / song.sample_rate for song in self.unlabelled.songs) / 3600, 3),
            "silent": self.unlabelled.silent,
            "short": self.short,
            "unreadable": self.unlabelled.unreadable,
        }
