"""What one change does: made-up runs whose difference, interval and spread between seeds are known."""

import csv
from dataclasses import replace
from xml.etree import ElementTree

import fake_results
import numpy as np
import pytest
from scipy import stats

from bsrnn import metrics
from bsrnn.errors import DataError
from bsrnn.report import comparison as report
from bsrnn.runtime.files import read_json, write_json
from bsrnn.study import comparison, profiles, runs

SEEDS = profiles.profile("seeds")
SONGS = np.array([1.0, 3.0, -2.0, 4.0])  # uSDR of the base in dB: each song is another


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty clone."""
    (tmp_path / "_config.yml").touch()
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    return tmp_path


def write(run, scores):
    """A run's result with these uSDR in dB, a song each; None: the target is silent in it."""
    result = fake_results.fake(run)
    rows = [row | {"usdr": score} for row, score in zip(result["scores"]["songs"], scores, strict=False)]
    result["scores"] = {"songs": rows, "summary": metrics.aggregate(rows)}
    write_json(run.result_path(), result)


def made(root, differences, changes=("model.band_split=v1",), target="vocals"):
    """A comparison with these differences in dB, (seeds, songs)."""
    plan = comparison.plan(SEEDS, list(changes), target, len(differences), root / "c")
    for base, changed, row in zip(plan.base, plan.changed, differences, strict=True):
        write(replace(base, folder=plan.folder), SONGS)
        write(replace(changed, folder=plan.folder), SONGS + row)
    return report.compared(plan)


def test_from_three_seeds_on_the_interval_is_over_seeds_and_songs(root):
    row = np.array([0.2, 0.5, -0.1, 0.4])
    done = made(root, np.tile(row, (3, 1)))  # equal seeds: Student's interval over songs, in closed form
    assert done.effect == pytest.approx((0.25, *stats.t.interval(0.95, 3, 0.25, stats.sem(row))))
    assert done.over == "seeds and songs"
    table = report.table(done)
    assert list(table["seed"]) == ["0", "1", "2", "all"]
    assert list(table["interval_over"]) == ["songs", "songs", "songs", "seeds and songs"]
    assert table["base"].iloc[-1] == pytest.approx(1.5) and table["changed"].iloc[-1] == pytest.approx(1.75)


def test_seeds_that_differ_widen_it_and_one_seed_knows_nothing_of_them(root):
    of_seed = np.array([0.0, 0.6, 1.2])
    done = made(root, np.tile(of_seed[:, None], (1, 4)))
    assert done.effect == pytest.approx((0.6, *stats.t.interval(0.95, 2, 0.6, stats.sem(of_seed))))
    rows = report.table(done)
    assert list(rows["low"][:3]) == pytest.approx(of_seed) and list(rows["high"][:3]) == pytest.approx(of_seed)


def test_two_seeds_leave_the_interval_to_the_songs(root):
    """With two songs a resampled mean is the one, the other or their middle: a quarter of the time each end."""
    plan = comparison.plan(SEEDS, ["model.band_split=v1"], "vocals", 2, root / "c")
    for base, changed in zip(plan.base, plan.changed, strict=True):
        write(replace(base, folder=plan.folder), [1.0, 3.0])
        write(replace(changed, folder=plan.folder), [1.0 + base.seed, 4.0 + base.seed])
    done = report.compared(plan)
    assert done.over == "songs"
    assert done.effect == pytest.approx((1.0, 0.5, 1.5))


def test_pairs_are_of_one_song_and_silent_ones_are_left_out(root):
    plan = comparison.plan(SEEDS, ["model.band_split=v1"], "vocals", 1, root / "c")
    write(replace(plan.base[0], folder=plan.folder), [1.0, None, 3.0])
    write(replace(plan.changed[0], folder=plan.folder), [2.0, 5.0, 3.5])
    done = report.compared(plan)
    assert list(report.by_song(done)["song"]) == ["test-0000", "test-0002"]
    assert list(report.by_song(done)["difference"]) == pytest.approx([1.0, 0.5])
    assert report.table(done).iloc[0]["base"] == pytest.approx(2.0)
    write(replace(plan.changed[0], folder=plan.folder), [None, 5.0, None])
    with pytest.raises(DataError, match="no song to compare: vocals is silent in all test songs"):
        report.compared(plan)


def test_the_spread_is_the_deviation_over_seeds_of_such_differences(root):
    of_seed = [0.1, 0.5, -0.3, 0.2, 0.9]
    grid = runs.grid("seeds")
    for seed, difference in enumerate(of_seed):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v1-s{seed}"], SONGS + difference)
        write(grid[f"vocals-hop1.5-s{seed}"], SONGS + difference / 10)
    spread = report.spread(profiles.profile("quick"), "vocals", scored_only=False)
    assert spread.deviation == pytest.approx(np.std(of_seed, ddof=1))
    assert (spread.contrasts, spread.seeds, spread.profile, spread.targets) == (1, 5, "seeds", ("vocals",))
    assert spread.band(4) == pytest.approx(1.96 * spread.deviation / 2)
    scored = report.spread(profiles.profile("quick"), "vocals", scored_only=True)
    assert scored.deviation == pytest.approx(np.std(of_seed, ddof=1) / 10)
    piano = report.spread(profiles.profile("quick"), "piano", scored_only=False)  # of all targets that have runs
    assert piano == spread
    for seed in (2, 3, 4):  # two seeds are left: too few
        grid[f"vocals-v1-s{seed}"].result_path().unlink()
    assert report.spread(profiles.profile("quick"), "vocals", scored_only=False) is None


def test_three_systems_pool_their_three_contrasts(root):
    first, second = np.array([0.0, 0.2, 0.4]), np.array([0.3, -0.3, 0.0])
    grid = runs.grid("seeds")
    for seed in range(3):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v1-s{seed}"], SONGS + first[seed])
        write(grid[f"vocals-v4-s{seed}"], SONGS + second[seed])
    variances = [np.var(values, ddof=1) for values in (first, second, first - second)]
    assert report.spread(SEEDS, "vocals", False).deviation == pytest.approx(np.sqrt(np.mean(variances)))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0.12, -0.05, 0.29, 0.4),
         "+0.12 dB [-0.05, +0.29]: smaller than the spread between seeds (0.40 dB), and the interval holds 0"),
        ((0.12, 0.05, 0.29, 0.4), "+0.12 dB [+0.05, +0.29]: smaller than the spread between seeds (0.40 dB)"),
        ((0.5, -0.1, 1.1, 0.4),
         "+0.50 dB [-0.10, +1.10]: larger than the spread between seeds (0.40 dB), but the interval holds 0"),
        ((-0.5, -0.9, -0.1, 0.4),
         "-0.50 dB [-0.90, -0.10]: larger than the spread between seeds (0.40 dB): worse"),
        ((0.5, 0.1, 0.9, 0.4),
         "+0.50 dB [+0.10, +0.90]: larger than the spread between seeds (0.40 dB): better"),
        ((0.5, 0.1, 0.9, None),
         "+0.50 dB [+0.10, +0.90]: the spread between seeds is not known here, no runs have several seeds"),
    ],
)  # fmt: skip
def test_the_sentence(numbers, said):
    assert report.conclusion(*numbers) == said


def test_a_change_that_changes_nothing_is_said_so(root):
    assert made(root, np.zeros((1, 4))).sentence == "equal in every song: the change has changed nothing"


def test_the_files_hold_all_of_it_and_are_the_same_again(root):
    done = made(root, np.array([[0.2, 0.5, -0.1, 0.4]]))
    table, songs, figure, summary = report.write(done)
    assert {path.parent for path in (table, songs, figure, summary)} == {root / "c"}
    rows = list(csv.DictReader(songs.read_text().splitlines()))
    assert [float(row["difference"]) for row in rows] == pytest.approx([0.2, 0.5, -0.1, 0.4])
    assert [float(row["base"]) for row in rows] == pytest.approx(SONGS)
    values = read_json(summary)
    assert values["changes"] == ["model.band_split=v1"] and values["effect"]["mean"] == pytest.approx(0.25)
    assert values["sentence"] == done.sentence and values["another_seed"] is None
    for run in values["runs"]:
        assert (root / "c" / run["file"]).is_file(), "from a number to its JSON"
    before = [path.read_bytes() for path in (table, songs, figure, summary)]
    assert [path.read_bytes() for path in report.write(done)] == before


def test_a_dot_for_each_song_and_seed_and_the_band_of_the_seeds(root):
    grid = runs.grid("seeds")
    for seed, difference in enumerate([0.1, 0.5, -0.3]):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v4-s{seed}"], SONGS + difference)
    done = made(root, np.array([[0.2, 0.5, -0.1, 0.4], [0.1, 0.3, 0.0, 0.8]]))
    drawn = report.draw(done)
    dots = [line for line in drawn.axes[0].lines if str(line.get_gid()).startswith("seed-")]
    assert [list(line.get_ydata()) for line in dots] == [  # songs in the order of their mean
        pytest.approx([-0.1, 0.2, 0.5, 0.4]), pytest.approx([0.0, 0.1, 0.3, 0.8])]  # fmt: skip
    band = drawn.axes[1].patches[0].get_extents().transformed(drawn.axes[1].transData.inverted())
    assert band.y1 == pytest.approx(done.spread.band(2)) and band.y0 == pytest.approx(-band.y1)
    assert [label.get_text() for label in drawn.axes[1].get_xticklabels()] == ["0", "1", "all"]
    path = report.write(done)[2]
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
