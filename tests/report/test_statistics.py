"""Effects over seeds and songs: closed forms, coverage, Holm's rule."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bsrnn.errors import DataError
from bsrnn.report.statistics import (
    crossed_effect,
    difference_table,
    holm,
    mean_interval,
    pairs,
    seeds_wanted,
    song_interval,
)
from bsrnn.study import profiles
from bsrnn.study.results import Finished
from bsrnn.study.runs import Run


def test_equal_seeds_give_the_t_interval_over_songs():
    songs = np.array([0.2, 0.5, -0.1, 0.4, 0.6, 0.1])
    effect = crossed_effect(np.tile(songs, (5, 1)))
    expected = stats.t.interval(0.95, 5, songs.mean(), stats.sem(songs))
    assert effect.interval() == pytest.approx(expected)
    assert effect.p() == pytest.approx(stats.ttest_1samp(songs, 0).pvalue)
    assert (effect.songs, effect.freedom) == (6, 5)


def test_equal_songs_give_the_t_interval_over_seeds():
    seeds = np.array([0.2, 0.5, -0.1, 0.4, 0.6])
    effect = crossed_effect(np.tile(seeds[:, None], (1, 50)))
    assert effect.interval(0.9) == pytest.approx(stats.t.interval(0.9, 4, seeds.mean(), stats.sem(seeds)))


def test_the_error_is_that_of_the_analysis_of_variance():
    d = np.random.default_rng(1).normal(size=(4, 7)) + np.arange(4)[:, None] + np.arange(7)[None]
    effect = crossed_effect(d)
    # the slow way: the three sums of squares, cell by cell
    grand = sum(d[s, n] for s in range(4) for n in range(7)) / 28
    seeds = [sum(d[s]) / 7 for s in range(4)]
    songs = [sum(d[:, n]) / 4 for n in range(7)]
    of_seeds = 7 * sum((x - grand) ** 2 for x in seeds) / 3
    of_songs = 4 * sum((x - grand) ** 2 for x in songs) / 6
    rest = sum((d[s, n] - seeds[s] - songs[n] + grand) ** 2 for s in range(4) for n in range(7)) / 18
    variance = of_seeds + of_songs - rest
    assert effect.error == pytest.approx((variance / 28) ** 0.5)
    assert effect.freedom == pytest.approx(variance**2 / (of_seeds**2 / 3 + of_songs**2 / 6 + rest**2 / 18))


@pytest.mark.parametrize(("of_seed", "of_song"), [(0.2, 0.5), (0.0, 0.5), (0.2, 0.0), (0.0, 0.0), (0.5, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(of_seed, of_song):
    rng, held, trials = np.random.default_rng(0), 0, 600
    for _ in range(trials):
        d = rng.normal(0, of_seed, (5, 1)) + rng.normal(0, of_song, (1, 50)) + rng.normal(0, 0.5, (5, 50)) + 0.3
        low, high = crossed_effect(d).interval()
        held += low <= 0.3 <= high
    assert 0.92 <= held / trials  # it may be wider where chance made a variance negative


def test_the_detectable_effect_is_seen_four_times_in_five():
    rng, seen, trials = np.random.default_rng(3), 0, 600
    sizes = [crossed_effect(rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 0.4, (5, 50))).detectable() for _ in range(200)]
    truth = float(np.median(sizes))
    for _ in range(trials):
        d = truth + rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 0.4, (5, 50))
        seen += crossed_effect(d).interval()[0] > 0
    assert seen / trials == pytest.approx(0.8, abs=0.12)


def test_with_the_songs_that_are_wanted_the_effect_is_detectable():
    rng, error = np.random.default_rng(5), []
    for _ in range(100):
        effect = crossed_effect(rng.normal(0, 0.05, (5, 1)) + rng.normal(0, 1, (1, 40)) + rng.normal(0, 0.5, (5, 40)))
        wanted = effect.songs_wanted(0.3)
        assert wanted > 40 and effect.songs_wanted(effect.detectable()) == pytest.approx(40, abs=1)
        variance = effect.seed_error**2 + (effect.error**2 - effect.seed_error**2) * 40 / wanted
        assert replace(effect, error=variance**0.5).detectable() <= 0.3 + 1e-9
        one_less = effect.seed_error**2 + (effect.error**2 - effect.seed_error**2) * 40 / (wanted - 1)
        assert replace(effect, error=one_less**0.5).detectable() > 0.3
        error.append(effect.error**2)
    assert np.mean(error) == pytest.approx(0.05**2 / 5 + 1 / 40 + 0.5**2 / 200, rel=0.1)


def test_where_the_seeds_move_it_too_much_no_number_of_songs_is_enough():
    rng = np.random.default_rng(5)
    effect = crossed_effect(rng.normal(0, 1, (5, 1)) + rng.normal(0, 0.1, (5, 40)))
    assert effect.songs_wanted(0.3) == np.inf and effect.seed_error == pytest.approx(effect.error, rel=0.05)
    assert crossed_effect(np.full((5, 3), 0.5)).songs_wanted(0.3) == 0


def test_with_the_seeds_that_are_wanted_the_effect_is_detectable():
    rng = np.random.default_rng(6)
    assert seeds_wanted(np.full((5, 3), 0.5), 0.3) == 2
    assert seeds_wanted(rng.normal(0, 1, (1, 40)).repeat(4, 0), 0.3) == np.inf

    def drawn(seeds):
        return rng.normal(0, 0.3, (seeds, 1)) + rng.normal(0, 0.4, (1, 60)) + rng.normal(0, 0.5, (seeds, 60))

    wanted = []
    for _ in range(200):
        table = drawn(8)
        effect = crossed_effect(table)
        wanted.append(seeds_wanted(table, 0.3))
        assert seeds_wanted(table, effect.detectable() * (1 + 1e-9)) == 8  # its own seeds are enough for that
        assert seeds_wanted(table, effect.detectable() * 0.999) == 9
    # as many as it says in the middle find 0.3 dB in about half of new tables
    found = [crossed_effect(drawn(int(np.median(wanted)))).detectable() <= 0.3 for _ in range(200)]
    assert 0.3 < np.mean(found) < 0.8


def test_no_spread_is_certain():
    effect = crossed_effect(np.full((5, 3), 0.5))
    assert (effect.interval(), effect.p()) == ((0.5, 0.5), 0.0)
    assert crossed_effect(np.zeros((2, 2))).p() == 1.0


@pytest.mark.parametrize("bad", [np.zeros((1, 5)), np.zeros((5, 1)), np.zeros(4), [[1, 2], [1]], [[1, np.nan], [1, 2]]])
def test_what_gives_no_interval_is_refused(bad):
    with pytest.raises(DataError, match="two or more of each"):
        crossed_effect(bad)


def test_one_seed_has_an_interval_over_songs_alone():
    values = np.random.default_rng(0).normal(1.0, 0.5, 40)
    mean, low, high = mean_interval([values])
    half = stats.t.ppf(0.975, 39) * values.std(ddof=1) / np.sqrt(40)
    assert mean == values.mean() and (low, high) == pytest.approx((mean - half, mean + half), abs=0.03)


def test_interval_over_songs_is_the_quantiles_of_resampled_means():
    values = np.random.default_rng(3).normal(5.0, 2.0, 200)
    low, high = song_interval(values, np.random.default_rng(0))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    means = values[np.random.default_rng(0).integers(0, 200, (10_000, 200))].mean(1)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-12)
    assert song_interval(values, np.random.default_rng(0)) == (low, high)  # the generator decides
    narrow = song_interval(values, np.random.default_rng(0), level=0.5)
    assert low < narrow[0] < values.mean() < narrow[1] < high


def test_interval_over_few_songs():
    assert song_interval([3.0], np.random.default_rng(0)) == (3.0, 3.0)
    assert song_interval([2.0, 2.0], np.random.default_rng(0)) == (2.0, 2.0)
    assert song_interval([1.0, 2.0], np.random.default_rng(0)) == (1.0, 2.0)
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(DataError, match="expected one or more finite numbers"):
            song_interval(bad, np.random.default_rng(0))


def test_two_seeds_have_the_interval_of_the_analysis_of_variance():
    values = np.random.default_rng(0).normal(1.0, 0.5, (2, 40))
    assert mean_interval(values) == (pytest.approx(values.mean()), *crossed_effect(values).interval())


def finished(target, seed, usdr):
    """A scored run."""
    run = Run("it", "train", profiles.TINY, target, seed)
    return Finished(run, {"scores": {"songs": [{"song": name, "usdr": value} for name, value in usdr.items()]}})


def test_pairs_are_of_the_same_target_and_seed():
    better = [finished("bass", 0, {}), finished("bass", 1, {}), finished("drums", 0, {})]
    worse = [finished("bass", 1, {}), finished("drums", 1, {}), finished("bass", 0, {})]
    assert pairs(iter(better), iter(worse)) == [(better[0], worse[2]), (better[1], worse[0])]


def test_songs_that_a_seed_has_no_value_for_are_left_out():
    compared = [
        (finished("bass", 1, {"b": 2.0, "a": 1.0, "c": None}), finished("bass", 1, {"a": 0.5, "b": 0.0, "c": 1.0})),
        (finished("bass", 0, {"a": 3.0, "b": 4.0, "c": 5.0}), finished("bass", 0, {"b": 1.0, "a": 1.0, "c": 1.0})),
    ]
    table = difference_table(compared)
    assert (list(table.index), list(table), table.to_numpy().tolist()) == ([0, 1], ["a", "b"], [[2, 3], [0.5, 2]])
    assert difference_table([]).shape == (0, 0)


def test_differences_are_means_over_targets_of_the_seeds_that_have_all_of_them():
    rest = {"a": 0.0, "b": 0.0}
    compared = [(finished(target, seed, {"a": seed + gain, "b": gain}), finished(target, seed, rest))
                for target, gain, seeds in (("bass", 1.0, (0, 1, 2)), ("drums", 3.0, (2, 0)))
                for seed in seeds]  # fmt: skip
    table = difference_table(compared)
    assert (list(table.index), table.to_numpy().tolist()) == ([0, 2], [[2, 2], [4, 2]])
    compared = [(finished("bass", 0, {"a": 1.0, "b": 1.0}), finished("bass", 0, rest)),
                (finished("drums", 0, {"b": 3.0}), finished("drums", 0, rest))]  # fmt: skip
    assert list(difference_table(compared)) == ["b"]  # a song of one target alone has no mean


def test_holm_goes_from_the_smallest_and_stops_at_the_first_that_fails():
    levels = holm([0.04, 0.001, None, 0.012, 0.2])
    # 0.001 < 0.05/5; 0.012 < 0.05/4; 0.04 > 0.05/3, so that it and what follows are held against 0.05/3
    expected = [1 - 0.05 / 3, 1 - 0.05 / 5, None, 1 - 0.05 / 4, 1 - 0.05 / 3]
    assert levels == [pytest.approx(value) if value else None for value in expected]
    assert holm([None, None]) == [None, None]


def test_holm_agrees_with_adjusted_p_values():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.uniform(0, 0.1, 5)
        order = np.argsort(p)
        adjusted = np.empty(5)
        adjusted[order] = np.maximum.accumulate((5 - np.arange(5)) * p[order])
        assert [value < 1 - level for value, level in zip(p, holm(p), strict=True)] == list(adjusted < 0.05)
