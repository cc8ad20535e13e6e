"""Semi-supervised finetuning: the data sampler of figure 2, and self-boosting (sections III, IV-B).

For each batch of B items: B clean targets and B clean residuals from labelled songs; B mixture chunks from unlabelled
songs, which the teacher separates. The two energy rules turn a chunk into a clean residual (the target is absent), a
clean target (all else is absent), or else a pseudo target and a pseudo residual. Open in the paper, ours: energies
are sums over channels and samples of the chunk that is mixed, and the teacher sees that chunk alone; a clean residual
comes from a segment in which the labelled song's mixture is salient, so that it can be a rest. All signals go
into one pool of targets and one of residuals; every item of the batch draws one of each, at random gains or dropped,
and mixes them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bsrnn.activity import Segments
from bsrnn.config import ActivityConfig, FinetuneConfig, MixingConfig
from bsrnn.mixing import gain, normalise_peak, read_chunk
from bsrnn.model import BSRNN
from bsrnn.songs import Song

EPS = 1e-12  # of an energy: silence against silence is 0 dB, not undefined


def energy_db(signal: Tensor) -> Tensor:
    """Energy over channels and samples, (..., C, L) -> (...) in dB (ours; the paper does not say over what)."""
    return 10 * torch.log10(signal.double().square().sum((-2, -1)) + EPS)


def classify(mixture: Tensor, estimate: Tensor, threshold_db: float = 30.0) -> list[str]:
    """The energy rules, for chunks (B, C, L) and the teacher's target estimates (B, C, L).

    Returns:
        for each chunk "clean_residual" when the mixture's energy exceeds the target estimate's by more than
        ``threshold_db``, "clean_target" when it exceeds the residual's by more, else "pseudo". A silent chunk is
        "pseudo": it says nothing about either.
    """
    level = energy_db(mixture)
    target_absent = level - energy_db(estimate) > threshold_db
    residual_absent = level - energy_db(mixture - estimate) > threshold_db
    return [
        "clean_residual" if t else "clean_target" if r else "pseudo"
        for t, r in zip(target_absent.tolist(), residual_absent.tolist(), strict=True)
    ]


class SemiSupervised:
    """Batches for finetuning; an :class:`bsrnn.train.ItemSource`.

    Args:
        labelled: songs with stems. unlabelled: songs with a mixture; empty for the control, which trains on labelled
            data only, through the same sampler.
        teacher: the trained model; replaced by a better student if ``config.self_boosting``.
        teacher_score: its mean validation uSDR in dB.
    """

    def __init__(
        self,
        labelled: Sequence[Song],
        unlabelled: Sequence[Song],
        target: str,
        teacher: BSRNN,
        teacher_score: float,
        config: FinetuneConfig,
        mixing: MixingConfig = MixingConfig(),
        activity: ActivityConfig = ActivityConfig(),
        seed: int = 0,
    ):
        self.target, self.config, self.mixing, self.seed = target, config, mixing, seed
        self.teacher, self.teacher_score = teacher.eval(), teacher_score
        self.samples = round(mixing.chunk_seconds * teacher.config.sample_rate)
        self.targets = Segments([song for song in labelled if target in song.stems], target, activity)
        self.mixtures = Segments(labelled, "mixture", activity)
        self.unlabelled = Segments(unlabelled, "mixture", activity) if unlabelled else None
        self.counts: Counter[str] = Counter()

    def batches(self, first_item: int) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.config.train.batch_items
        for first in range(first_item, self.config.train.max_items - size + 1, size):
            yield self.batch(first, size)

    def batch(self, first_item: int, size: int) -> tuple[Tensor, Tensor]:
        """(mixture (B, C, L), targets (B, 1, C, L)); depends on the seed, the item and the teacher alone."""
        generator = np.random.default_rng((self.seed, first_item))
        targets, residuals = self.pools(size, generator)
        items = []
        for _ in range(size):
            # pools of unequal size: every signal is as likely as any other of its pool (ours)
            target = gain(self.mixing, generator) * targets[generator.integers(len(targets))]
            residual = gain(self.mixing, generator) * residuals[generator.integers(len(residuals))]
            items.append(normalise_peak(target + residual, target[None]))
        mixtures, wanted = (np.stack(part).astype(np.float32) for part in zip(*items, strict=True))
        return torch.from_numpy(mixtures), torch.from_numpy(wanted)

    def pools(self, size: int, generator: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Targets and residuals, lists of (C, L): clean ones of labelled songs, then what unlabelled ones give."""
        targets, residuals = [], []
        for _ in range(size):
            song, start = self.targets.draw(self.samples, generator)
            targets.append(read_chunk(song, self.target, start, self.samples))
            song, start = self.mixtures.draw(self.samples, generator)
            clean = song.residual(self.target, start, max(0, min(self.samples, song.frames - start)))
            residuals.append(np.pad(clean, ((0, 0), (0, self.samples - clean.shape[1]))))
        self.counts["labelled"] += size
        if self.unlabelled is None:
            return targets, residuals
        drawn = [self.unlabelled.draw(self.samples, generator) for _ in range(size)]
        mixtures = torch.from_numpy(
            np.stack([read_chunk(song, "mixture", start, self.samples) for song, start in drawn])
        )
        estimates = self.ask_teacher(mixtures)
        kinds = classify(mixtures, estimates, self.config.threshold_db)
        for kind, mixture, estimate in zip(kinds, mixtures.numpy(), estimates.numpy(), strict=True):
            self.counts[kind] += 1
            if kind != "clean_residual":
                targets.append(mixture if kind == "clean_target" else estimate)
            if kind != "clean_target":
                residuals.append(mixture if kind == "clean_residual" else mixture - estimate)
        return targets, residuals

    def ask_teacher(self, mixtures: Tensor) -> Tensor:
        """Target estimates (B, C, L) of mixture chunks (B, C, L)."""
        index = self.teacher.config.targets.index(self.target)
        with torch.inference_mode():
            return self.teacher(mixtures.to(self.teacher.window.device))[:, index].cpu()

    def validated(self, model: BSRNN, score: float) -> dict:
        """Self-boosting: the student takes the teacher's place when, and only when, it validates better."""
        replaced = self.config.self_boosting and score > self.teacher_score
        if replaced:
            self.teacher.load_state_dict(model.state_dict())
            self.teacher_score = score
        counts, self.counts = dict(self.counts), Counter()
        return {"teacher_replaced": replaced, "teacher_usdr": self.teacher_score, "counts": counts}

    def state(self) -> tuple[dict[str, Tensor], dict]:
        return self.teacher.state_dict(), {"score": self.teacher_score, "counts": dict(self.counts)}

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        self.teacher.load_state_dict(tensors)
        self.teacher_score, self.counts = values["score"], Counter(values["counts"])
