"""Differences of finished runs, song by song and seed by seed, and how sure their mean is (ours).

A difference is of two systems that were trained with the same seeds and scored on the same songs.

All of them form a table of seeds and songs, d[s, n] = effect + seed[s] + song[n] + rest[s, n], with seeds and songs
drawn at random: another training and another song would give others. The interval covers both. The mean squares of the
two-way analysis of variance give the variance of the mean, and Satterthwaite's rule its degrees of freedom, so that a
t-distribution answers.

Where there is one seed, `song_interval` is over songs alone. scipy comes with the extras data and book and is slow to
import, so it is imported where it is used.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bsrnn.errors import DataError
from bsrnn.study.results import Finished

POWER = 0.8  # ours: the share of repetitions in which an effect that counts as detectable is found
EQUAL = "equal in every song"  # such as a fixed teacher's, where none was replaced: nothing was measured
Pair = tuple[Finished, Finished]
Songs = Callable[[Finished], list[dict]]


@dataclass(frozen=True)
class Effect:
    """A mean difference in dB, its standard error and the degrees of freedom of that.

    seed_error: the part of the standard error that more songs would not reduce.
    """

    mean: float
    error: float
    freedom: float
    songs: int
    seed_error: float = 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """(low, high): holds the true mean in this share of repetitions with new seeds and new songs."""
        half = self.error * _t().ppf((1 + level) / 2, self.freedom)
        return float(self.mean - half), float(self.mean + half)

    def p(self) -> float:
        """Two-sided: how probable a mean this far from 0 is where the true one is 0."""
        if self.error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * _t().sf(abs(self.mean) / self.error, self.freedom))

    def detectable(self, level: float = 0.95) -> float:
        """The smallest true effect in dB whose interval would leave out 0 four times in five."""
        return float(self.error * self._errors(level))

    def songs_wanted(self, effect_db: float, level: float = 0.95) -> float:
        """With about how many songs, and these seeds, an effect would be detectable; infinity: with no number of songs.

        About: the variances are this table's own estimates, and the degrees of freedom stay.
        """
        room = (effect_db / self._errors(level)) ** 2 - self.seed_error**2
        return math.inf if room <= 0 else math.ceil(self.songs * (self.error**2 - self.seed_error**2) / room)

    def _errors(self, level: float) -> float:
        """How many standard errors a true effect has to be away from 0 to be detectable."""
        t = _t()
        return t.ppf((1 + level) / 2, self.freedom) + t.ppf(POWER, self.freedom)


def crossed_effect(differences) -> Effect:
    """Effect of a table of differences (seeds, songs), two or more of each.

    Raises:
        DataError: another shape, or values that are not finite.
    """
    try:
        d = np.asarray(differences, dtype=np.float64)
    except ValueError:  # rows of unequal length
        d = np.zeros(0)
    if d.ndim != 2 or min(d.shape) < 2 or not np.isfinite(d).all():
        raise DataError(
            f"effect of differences of shape {d.shape}, expected finite numbers (seeds, songs), two or more of each; "
            "give every seed's score of the same songs"
        )
    return _of_squares(float(d.mean()), *_mean_squares(d), *d.shape)


def _mean_squares(d: np.ndarray) -> tuple[float, float, float]:
    """Of differences (seeds, songs): of seeds, of songs, of the rest."""
    seeds, songs = d.shape
    mean, of_seed, of_song = d.mean(), d.mean(1), d.mean(0)
    rest = d - of_seed[:, None] - of_song[None] + mean
    return (
        float(songs * np.square(of_seed - mean).sum() / (seeds - 1)),
        float(seeds * np.square(of_song - mean).sum() / (songs - 1)),
        float(np.square(rest).sum() / ((seeds - 1) * (songs - 1))),
    )


def _of_squares(mean: float, a: float, b: float, c: float, seeds: int, songs: int) -> Effect:
    """The effect of a table with the mean squares of seeds (a), songs (b) and the rest (c)."""
    of_a, of_b, of_c = seeds - 1, songs - 1, (seeds - 1) * (songs - 1)
    # E[a] + E[b] - E[c] = seeds * songs * variance of the mean. Where c is the largest, chance made a variance
    # negative; the larger of the other two alone is then the cautious answer
    variance = a + b - c
    freedom = variance**2 / (a**2 / of_a + b**2 / of_b + c**2 / of_c) if variance > 0 else 0.0
    if variance < max(a, b):
        variance, freedom = (a, float(of_a)) if a >= b else (b, float(of_b))
    error, of_seeds = (math.sqrt(max(part, 0.0) / (seeds * songs)) for part in (variance, a - c))
    return Effect(mean, error, max(freedom, 1.0), songs, min(of_seeds, error))


def seeds_wanted(differences, effect_db: float, level: float = 0.95, most: int = 1000) -> float:
    """With about how many seeds, and these songs, an effect would be detectable; infinity: not with ``most``.

    About: the variances are this table's own estimates. With more seeds the degrees of freedom grow, so fewer are
    wanted than the square of the ratio of two errors says.

    Args:
        differences: (seeds, songs), as for :func:`crossed_effect`.
    """
    d = np.asarray(differences, dtype=np.float64)
    seeds, songs = d.shape
    of_seeds, of_songs, rest = _mean_squares(d)
    # the songs' own variance: their mean square grows with the seeds
    least, by_song = min(of_songs, rest), max(of_songs - rest, 0.0) / seeds

    def detectable(number: int) -> float:
        return _of_squares(0.0, of_seeds, least + number * by_song, rest, number, songs).detectable(level)

    if detectable(most) > effect_db:
        return math.inf
    return next(number for number in range(2, most + 1) if detectable(number) <= effect_db)


FEWEST_SONGS = 4  # ours: fewer songs are too few to draw from for an interval over songs


def song_interval(values: Iterable[float], rng: np.random.Generator, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over songs, with 10 000 resamples -> (low, high).

    It says how far the mean depends on which songs were scored, not on the seed of the training. For a contrast of
    two models give the differences song by song.

    Args:
        values: one number a song.
        rng: draws the resamples.
        level: coverage, between 0 and 1.

    Raises:
        DataError: no values, or one that is not finite.
    """
    from scipy.stats import bootstrap

    values = np.asarray(list(values), dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise DataError(
            f"interval of {values.tolist()}, expected one or more finite numbers; leave out songs without a score"
        )
    if len(values) == 1:
        return float(values[0]), float(values[0])
    resampled = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", confidence_level=level, rng=rng)
    return float(resampled.confidence_interval.low), float(resampled.confidence_interval.high)


def mean_interval(differences) -> tuple[float, float, float]:
    """(mean, low, high) with 95 %, of a table (seeds, songs): over both where there are two of each or more.

    Else over songs alone, by the bootstrap: where one song or one seed says nothing of the next.
    """
    d = np.asarray(differences, dtype=np.float64)
    crossed = min(d.shape) >= 2
    low, high = crossed_effect(d).interval() if crossed else song_interval(d.mean(0), np.random.default_rng(0))
    return float(d.mean()), low, high


def holm(p: Sequence[float | None], level: float = 0.95) -> list[float | None]:
    """Confidence level of each of several intervals, which leaves out 0 just where Holm's procedure (1979) rejects.

    All these rejections of "no difference" hold together at ``level``. The intervals as intervals do not: that would
    take the first one's level for all of them (Bonferroni).

    The smallest p is held against (1 - level) / m of m tests, the next against (1 - level) / (m - 1), and so on; from
    the first that fails on, the others are held against what it was. A test that could not be made (None) counts
    among the m all the same: the number was fixed before any run.
    """
    known = sorted((value, index) for index, value in enumerate(p) if value is not None)
    levels: list[float | None] = [None] * len(p)
    passed = 0
    for place, (value, index) in enumerate(known):
        alpha = (1 - level) / (len(p) - passed)
        levels[index] = 1 - alpha
        passed += value < alpha and passed == place
    return levels


# ---- of finished runs ----


def pairs(better: Iterable[Finished], worse: Iterable[Finished]) -> list[Pair]:
    """Those of the same target and seed."""
    worse = list(worse)
    return [(a, b) for a in better for b in worse if (a.run.target, a.run.seed) == (b.run.target, b.run.seed)]


def with_start(finetuned: Iterable[Finished], starts: Iterable[Finished]) -> list[Pair]:
    """Each finetuned model and the model that it started from."""
    starts = list(starts)
    return [(a, b) for a in finetuned for b in starts if a.run.its_start.id == b.run.id]


def difference_table(
    compared: Sequence[Pair], songs: Songs = Finished.songs, score: Literal["usdr", "csdr", "leakage_db"] = "usdr"
) -> pd.DataFrame:
    """Differences of a score in dB, mean over targets: a row a seed, a column a song; songs: which ones.

    Only seeds that have every target, and songs that have a score in all of them.
    """
    rows = []
    for better, worse in compared:
        scores = {song["song"]: song[score] for song in songs(worse)}
        for song in songs(better):
            values = song[score], scores.get(song["song"])
            difference = np.nan if None in values else values[0] - values[1]  # a target is silent in some songs
            run = better.run
            rows.append({"seed": run.seed, "target": run.target, "song": song["song"], "difference": difference})
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    by_target = table.set_index(["seed", "song", "target"])["difference"].unstack("target")
    by_song = by_target.mean(axis=1, skipna=False).unstack("song")
    targets = table.groupby("seed")["target"].nunique()
    return by_song[targets == table["target"].nunique()].dropna(axis=1)


def mean_difference(differences: pd.DataFrame) -> float | None:
    """Of a table of differences, over seeds and songs, in dB; None where it is empty."""
    return float(differences.to_numpy().mean()) if differences.size else None


def difference_of_medians(compared: Sequence[Pair]) -> float | None:
    """Difference of the median of cSDR over songs in dB, mean over pairs of runs; None where one has no such score."""
    medians = [[done.scores["summary"]["csdr_median"] for done in pair] for pair in compared]
    if not medians or None in sum(medians, []):
        return None
    return float(np.mean([better - worse for better, worse in medians]))


def measured(changed: Iterable[Finished], against: Iterable[Finished]) -> dict:
    """Effect with its 95 % interval, over songs and seeds where there are several seeds, else over songs alone."""
    differences = difference_table(pairs(changed, against))
    row = {"effect": None, "low": None, "high": None, "interval_over": "-", "songs": differences.shape[1]}
    row["seeds"] = ", ".join(map(str, differences.index))
    if differences.size:
        row["effect"], row["low"], row["high"] = mean_interval(differences)
        row["interval_over"] = f"{len(differences)} seeds and songs" if len(differences) > 1 else "songs, one seed"
        if not differences.any(axis=None):
            row |= {"low": None, "high": None, "interval_over": EQUAL}
    return row


def seed_deviation_of(differences: pd.DataFrame) -> float | None:
    """Standard deviation over seeds of a mean difference in dB, of a table with a row a seed; None for one seed."""
    return float(differences.mean(axis=1).std(ddof=1)) if len(differences) > 1 else None


def effect(differences: pd.DataFrame) -> Effect | None:
    """With an interval, where seeds and songs suffice for one."""
    return crossed_effect(differences) if min(differences.shape) >= 2 else None


def _t():
    from scipy.stats import t

    return t
