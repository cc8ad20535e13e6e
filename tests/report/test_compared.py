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

SMALL = profiles.profile("small")
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
    plan = comparison.plan(SMALL, list(changes), target, len(differences), root / "c")
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
    """Of four songs one differs: of resampled means 0.32 hold it never, and 0.004 hold nothing else."""
    done = made(root, np.array([[0, 0, 0, 1.0], [0, 0, 0, 3.0]]))
    assert done.over == "songs"
    assert done.effect == pytest.approx((0.5, 0.0, 1.5))


@pytest.mark.parametrize("seeds", [1, 3])
def test_fewer_than_four_songs_have_no_interval(root, seeds):
    plan = comparison.plan(SMALL, ["model.band_split=v1"], "vocals", seeds, root / "c")
    for base, changed in zip(plan.base, plan.changed, strict=True):
        write(replace(base, folder=plan.folder), [1.0, 3.0])
        write(replace(changed, folder=plan.folder), [1.0 + base.seed, 4.0 + base.seed])
    done, mean = report.compared(plan), 0.5 + (seeds - 1) / 2
    assert done.effect == (pytest.approx(mean), None, None)
    assert done.sentence.startswith(f"{mean:+.2f} dB, the mean of 2 songs; an interval takes 4: ")
    assert f"Mean of 2 songs, too few for an interval; {report.UNKNOWN}. " in done.caption
    rows = report.table(done)
    assert rows[["low", "high"]].isna().all(axis=None) and set(rows["interval_over"]) == {"none, fewer than 4 songs"}
    assert report.summary(done)["effect"]["low"] is None
    left, right = report.draw(done).axes
    assert right.get_title("left") == "mean" and left.get_title("left") == "vocals: model.band_split=v1"
    shown = [place for place in left.get_xticks() if left.get_xlim()[0] <= place <= left.get_xlim()[1]]
    assert shown == [1, 2]


@pytest.mark.parametrize(
    ("profile_name", "seeds", "said"),
    [("small", 1, "; one seed, carries no claim"), ("small", 4, "; 4 seeds, carries no claim"), ("small", 5, ""),
     ("tiny", 5, "; 5 seeds, carries no claim")],
)  # fmt: skip
def test_what_is_too_small_says_that_it_carries_no_claim(root, profile_name, seeds, said):
    plan = comparison.plan(profiles.profile(profile_name), ["model.band_split=v1"], "vocals", seeds, root / "c")
    for base, changed in zip(plan.base, plan.changed, strict=True):
        write(replace(base, folder=plan.folder), SONGS)
        write(replace(changed, folder=plan.folder), SONGS + [0.2, 0.5, -0.1, 0.4])
    done = report.compared(plan)
    assert done.claim == said.removeprefix("; ")
    assert done.sentence.endswith(said) and ("carries no claim" in done.stamp) == bool(said)


def test_pairs_are_of_one_song_and_silent_ones_are_left_out(root):
    plan = comparison.plan(SMALL, ["model.band_split=v1"], "vocals", 1, root / "c")
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
    grid = runs.grid("small")
    for seed, difference in enumerate(of_seed):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v1-s{seed}"], SONGS + difference)
        write(grid[f"vocals-hop1.5-s{seed}"], SONGS + difference / 10)
    spread = report.spread(SMALL, "vocals", scored_only=False)
    assert spread.deviation == pytest.approx(np.std(of_seed, ddof=1))
    assert (spread.contrasts, spread.seeds, spread.profile, spread.targets) == (1, 5, "small", ("vocals",))
    assert spread.band(4) == pytest.approx(1.96 * spread.deviation / 2)
    scored = report.spread(SMALL, "vocals", scored_only=True)
    assert scored.deviation == pytest.approx(np.std(of_seed, ddof=1) / 10)
    assert spread.words == "1 difference between two trainings, vocals, 5 seeds each, profile small"
    assert scored.words.startswith("1 difference between two ways to score the same weights, vocals, ")
    piano = report.spread(SMALL, "piano", scored_only=False)  # of all targets that have runs
    assert piano == spread
    for seed in (2, 3, 4):  # two seeds are left: too few
        grid[f"vocals-v1-s{seed}"].result_path().unlink()
    assert report.spread(SMALL, "vocals", scored_only=False) is None


def test_trainings_of_another_kind_tell_nothing_of_the_spread(root):
    """Other lengths and other songs."""
    for seed, difference in enumerate([0.1, 0.5, -0.3]):
        write(runs.grid("small")[f"vocals-s{seed}"], SONGS)
        write(runs.grid("small")[f"vocals-v1-s{seed}"], SONGS + difference)
    assert report.spread(SMALL, "vocals", scored_only=False).seeds == 3
    longer = replace(SMALL, train=replace(SMALL.train, max_items=2400))
    own_songs = replace(SMALL, data=replace(SMALL.data, source="folder", folder=str(root)))
    for other in (longer, own_songs, profiles.profile("quick"), profiles.profile("tiny")):
        assert report.spread(other, "vocals", scored_only=False) is None
    faster = replace(SMALL, train=replace(SMALL.train, loader_workers=2))  # decides no number
    assert report.spread(faster, "vocals", scored_only=False).seeds == 3


def test_the_bases_own_hop_scored_once_more_is_no_difference(root):
    of_seed, grid = [0.1, 0.5, -0.3], runs.grid("small")
    for seed, difference in enumerate(of_seed):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-hop3-s{seed}"], SONGS)
        write(grid[f"vocals-hop1.5-s{seed}"], SONGS + difference)
    assert report.spread(SMALL, "vocals", scored_only=True).deviation == pytest.approx(np.std(of_seed, ddof=1))


def test_three_systems_pool_their_three_contrasts(root):
    first, second = np.array([0.0, 0.2, 0.4]), np.array([0.3, -0.3, 0.0])
    grid = runs.grid("small")
    for seed in range(3):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v1-s{seed}"], SONGS + first[seed])
        write(grid[f"vocals-v4-s{seed}"], SONGS + second[seed])
    variances = [np.var(values, ddof=1) for values in (first, second, first - second)]
    assert report.spread(SMALL, "vocals", False).deviation == pytest.approx(np.sqrt(np.mean(variances)))


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
        ((0.5, 0.1, 0.9, None), f"+0.50 dB [+0.10, +0.90]: {report.UNKNOWN}"),
        ((0.1, -0.1, 0.3, None), f"+0.10 dB [-0.10, +0.30]: {report.UNKNOWN}, and the interval holds 0"),
        ((0.07, None, None, 0.4),
         "+0.07 dB, the mean of 50 songs; an interval takes 4: smaller than the spread between seeds (0.40 dB)"),
    ],
)  # fmt: skip
def test_the_sentence(numbers, said):
    assert report.conclusion(numbers[:3], numbers[3], 1, 50) == said


def test_from_three_seeds_on_the_interval_itself_knows_of_seeds():
    said = "-0.50 dB [-0.90, -0.10]: the interval over seeds and songs leaves out 0: worse"
    assert report.conclusion((-0.5, -0.9, -0.1), None, 3, 50) == said
    assert report.conclusion((-0.5, -0.9, -0.1), 0.6, 3, 50) == said  # whatever other changes make of seeds
    assert report.conclusion((0.5, -0.1, 0.9), None, 3, 50).endswith("the interval over seeds and songs holds 0")


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
    grid = runs.grid("small")
    for seed, difference in enumerate([0.1, 0.5, -0.3]):
        write(grid[f"vocals-s{seed}"], SONGS)
        write(grid[f"vocals-v4-s{seed}"], SONGS + difference)
    done = made(root, np.array([[0.2, 0.5, -0.1, 0.4], [0.1, 0.3, 0.0, 0.8]]))
    drawn = report.draw(done)
    dots = [line for line in drawn.axes[0].lines if str(line.get_gid()).startswith("seed-")]
    assert [list(line.get_ydata()) for line in dots] == [  # songs in the order of their mean
        pytest.approx([-0.1, 0.2, 0.5, 0.4]), pytest.approx([0.0, 0.1, 0.3, 0.8])]  # fmt: skip
    [label] = drawn.axes[1].get_legend().get_texts()
    assert " ".join(label.get_text().split()) == "spread between seeds: 95 of 100 differences that seeds alone make"
    band = drawn.axes[1].patches[0].get_extents().transformed(drawn.axes[1].transData.inverted())
    assert band.y1 == pytest.approx(done.spread.band(2)) and band.y0 == pytest.approx(-band.y1)
    assert [label.get_text() for label in drawn.axes[1].get_xticklabels()] == ["0", "1", "all"]
    path = report.write(done)[2]
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
