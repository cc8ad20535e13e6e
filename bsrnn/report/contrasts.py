"""Differences of finished runs, song by song and seed by seed: the pairs, their table, their effect."""

from collections.abc import Iterable, Sequence

import numpy as np

from bsrnn import config
from bsrnn.report.effects import Effect, crossed_effect, table_of
from bsrnn.study.results import Finished

Pair = tuple[Finished, Finished]


def pairs(better: Iterable[Finished], worse: Iterable[Finished]) -> list[Pair]:
    """Those of the same target and seed."""
    worse = list(worse)
    return [(a, b) for a in better for b in worse if (a.run.target, a.run.seed) == (b.run.target, b.run.seed)]


def targets_of(found: list[Pair]) -> list[str]:
    there = {a.run.target for a, _ in found}
    return [target for target in config.TARGETS if target in there]


def difference_table(found: list[Pair]) -> tuple[np.ndarray, list[int], list[str]]:
    """Differences (seeds, songs), mean over targets; of the seeds that have all of them.

    Several finetunings of one start, with other orders of the data, are one seed: their mean counts.
    """
    targets = targets_of(found)
    by_seed: dict[int, dict[str, dict[str, list[float | None]]]] = {}  # seed -> target -> song -> one value an order
    for a, b in found:
        seed = a.run.start.seed if a.run.kind == "finetune" else a.run.seed
        worse = {song["song"]: song["usdr"] for song in b.scores["songs"]}
        for song in a.scores["songs"]:
            values = song["usdr"], worse.get(song["song"])
            of_song = by_seed.setdefault(seed, {}).setdefault(a.run.target, {}).setdefault(song["song"], [])
            of_song.append(None if None in values else values[0] - values[1])
    scores = {}
    for seed, by_target in by_seed.items():
        if len(by_target) == len(targets):
            songs = set.intersection(*(set(by_song) for by_song in by_target.values()))
            scores[seed] = {song: _mean([_mean(by_target[target][song]) for target in targets]) for song in songs}
    return table_of(scores) if scores else (np.zeros((0, 0)), [], [])


def _mean(values: Sequence[float | None]) -> float | None:
    """Their mean; None where one is missing: the target is silent in that song."""
    return None if None in values else float(np.mean(values))


def effect(found: list[Pair]) -> Effect | None:
    """With an interval, where seeds and songs suffice for one."""
    differences, _, _ = difference_table(found)
    return crossed_effect(differences) if min(differences.shape) >= 2 else None
