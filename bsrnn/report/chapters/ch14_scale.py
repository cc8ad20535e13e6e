"""The chapter on scale: the score against items, songs and features."""

import pandas as pd
from matplotlib.figure import Figure

from bsrnn.config import TARGETS
from bsrnn.report import artifact, claims, figures
from bsrnn.report.artifact import Runs
from bsrnn.report.figures import GREY, colour
from bsrnn.report.statistics import measured, pairs
from bsrnn.report.tables import METHODS, mean_of, new_score, ordered, ours, summaries_of
from bsrnn.study import costs
from bsrnn.study.results import Finished, Results, mean
from bsrnn.study.runs import ITEMS, Run

AXES = {
    "train.max_items": "training items",
    "data.train_songs": "training songs",
    "model.features": "features N",
}
FILTERS = {"wiener": ":", "wiener_oracle": "--"}
SIZED = Runs({"scale", "baselines"}, {"scale"})
BESIDE = ("wiener", "wiener_oracle", "ratio_mask")  # of bsrnn.report.tables.METHODS
ON_NEW = tuple(f"new_{name}" for name in FILTERS)


def _size(done: Finished, axis: str) -> int:
    section, name = axis.split(".")
    return getattr(getattr(done.run.profile, section), name)


def along(results: Results, axis: str) -> list[list[Finished]]:
    """The base and the runs with another size along an axis, a list of seeds each, from the smallest."""
    of_size: dict[int, list[Finished]] = {}
    for done in results.find("scale"):
        if done.run.variant in ("", axis):
            of_size.setdefault(_size(done, axis), []).append(done)
    return [of_size[size] for size in sorted(of_size)]


@artifact.table("scale", "More items, songs or features", SIZED)
def more_of_each(results: Results) -> pd.DataFrame:
    """The base with other numbers of training items, songs or features, all else the same: mean uSDR on the test songs
    and on songs of new timbres, the difference from the base on the test songs, and the work: operations of the whole
    training, forward, relative to the base's. The difference is of the same seeds, with its 95 % interval over songs
    and seeds. A size with one seed has a band instead: two standard deviations, over seeds, of the difference of two
    trainings; a difference inside it may be the seed's."""
    base = [done for done in results.find("scale") if not done.run.variant]
    band = claims.seed_band(results.study, "C1")  # of vocals, trained as these are
    rows = []
    for axis, words in AXES.items():
        for trained in along(results, axis) if len(along(results, axis)) > 1 else ():
            row = {"what": words, "size": _size(trained[0], axis), "usdr_mean": _test_score(trained)}
            row |= {"new_usdr_mean": new_score(trained), "work": _work(trained[0]) / _work(base[0])}
            difference, several = measured(trained, base), len(trained) > 1
            row |= {
                name: difference[name] if several or name == "effect" else None for name in ("effect", "low", "high")
            }
            row["seed_band"] = band if trained[0].run.variant and not several else None
            rows.append(row | ours(results, trained))
    return ordered(rows, "what", "size", "usdr_mean", "new_usdr_mean", "effect", "low", "high", "seed_band", "work")


def _test_score(seeds: list[Finished]) -> float | None:
    return mean_of(summaries_of(seeds), "usdr_mean")


def _work(done: Finished) -> float:
    profile = done.run.profile
    return costs.item_operations(profile) * profile.train.max_items


def _longer(results: Results) -> list[tuple[list[Finished], list[Finished]]]:
    """Of each target: the bases, and with many more items the trainings of the same seeds."""
    by_target = [
        pairs(results.find("long", target), results.find("base", target)) for target in results.targets("long")
    ]
    return [([base for _, base in both], [long for long, _ in both]) for both in by_target if both]


def _behind_longer(results: Results) -> list[Run]:
    return [done.run for both in _longer(results) for trained in both for done in trained]


@artifact.table("long", "Many more items", Runs({"base", "long", "baselines"}, {"long"}, listed=_behind_longer))
def many_more_items(results: Results) -> pd.DataFrame:
    """Each target with the profile's items and with many more, all else the same, of the same seeds: mean uSDR on the
    test songs and on songs of new timbres, beside what the filters and the mask have on the test songs, and the
    filters on those of new timbres. Share of the mask's, test songs: silence has 0. Mean: of the targets,
    where all four are there."""
    compared = _longer(results)
    rows = [_beside_filters(results, trained) for both in compared for trained in both]
    if {row["target"] for row in rows} == set(TARGETS):
        for number in range(2):
            of_targets = pd.DataFrame(rows[number : 2 * len(compared) : 2])
            trained = [done for both in compared for done in both[number]]
            means = of_targets[["usdr_mean", "new_usdr_mean", *BESIDE, *ON_NEW]].astype(float).mean().to_dict()
            rows.append({"target": "mean", "items": rows[number]["items"]} | means | ours(results, trained))
    for row in rows:
        row["of_the_mask"] = row["usdr_mean"] / row["ratio_mask"]
    return ordered(rows, "target", "items", "usdr_mean", "new_usdr_mean", *BESIDE, "of_the_mask", *ON_NEW)


def _doubled(results: Results) -> list[tuple[str, list[Finished], list[Finished]]]:
    """What has runs with twice the items: its name, these runs, and its runs with the items that all have."""
    once = {done.run.id: done for done in results.finished}
    found = []
    longer = [done for done in results.find("scale") if done.run.variant == ITEMS]
    if base := [done for done in results.find("scale") if not done.run.variant]:
        twice = [done for done in longer if done.training["items"] == 2 * base[0].training["items"]]
        found += [("BSRNN", twice, base)] if twice else []
    for done in results.find("doubled"):
        if before := once.get(done.run.id.replace("-doubled", "")):
            found.append((before.run.change, [done], [before]))
    return found


def _behind_doubled(results: Results) -> list[Run]:
    return [done.run for _, twice, once in _doubled(results) for done in (*twice, *once)]


@artifact.table(
    "doubling",
    "Twice the items",
    Runs({"base", "scale", "peer", "finetuned", "control", "doubled"}, {"doubled"}, listed=_behind_doubled),
)
def twice_the_items(results: Results) -> pd.DataFrame:
    """Runs of each kind with their items and with twice as many, all else the same: mean uSDR on the test songs, the
    item whose weights are kept, and the gain with its 95 % interval; over songs alone where there is one seed, so that
    it says nothing of another."""
    rows = []
    for what, twice, once in _doubled(results):
        seeds = {done.run.seed for done in twice}
        same = [done for done in once if done.run.seed in seeds]
        gain = measured(twice, same)
        row = {"target": same[0].run.target, "what": what, "items": same[0].training["items"]}
        row |= {"usdr_mean": _test_score(same), "best_item": _kept_items(same)}
        row |= {"twice_usdr_mean": _test_score(twice), "twice_best_item": _kept_items(twice)}
        rows.append(row | {name: gain[name] for name in ("effect", "low", "high")} | ours(results, twice))
    columns = ("usdr_mean", "best_item", "twice_usdr_mean", "twice_best_item", "effect", "low", "high")
    return ordered(rows, "target", "what", "items", *columns)


def _kept_items(seeds: list[Finished]) -> str:
    return ", ".join(str(done.training["best_items"]) for done in seeds)


def _beside_filters(results: Results, trained: list[Finished]) -> dict:
    """The scores of one target's trainings, and what estimators without a network have."""
    target = trained[0].run.target
    [baselines, *_] = results.find("baselines", target)
    estimators = baselines.scores
    row = {"target": target, "items": trained[0].training["items"]}
    row |= {"usdr_mean": _test_score(trained), "new_usdr_mean": new_score(trained)}
    row |= {name: estimators[name]["summary"]["usdr_mean"] for name in BESIDE}
    row |= {f"new_{name}": mean([song["usdr"] for song in baselines.new_songs(name)]) for name in FILTERS}
    return row | ours(results, trained)


def from_few_songs(results: Results) -> str:
    """What the models that have heard few songs score beside those that have heard all; "" where there are none."""
    few, songs, said = results.profile.few_songs, results.profile.data.train_songs, []
    for target in results.targets("start") if few else ():
        compared = pairs(results.find("start", target), results.find("base", target))
        if not compared:
            continue
        start, base = map(list, zip(*compared, strict=True))
        words = f"{target} from {few} songs {_test_score(start):.2f} dB, from {songs} songs {_test_score(base):.2f} dB"
        if new_score(start) is not None:
            words += f" (on songs of new timbres {new_score(start):.2f} and {new_score(base):.2f} dB)"
        said.append(words)
    return f"Few songs against many, all else the same: {'; '.join(said)}." if said else ""


@artifact.figure("scale_curves", "The score against items, songs and features", SIZED)
def score_against_size(results: Results) -> Figure:
    """Mean uSDR on the test songs (line) and on songs of new timbres (dashes), a point a training; the grey lines are
    the two filters on the test songs, the trained one dotted, the one that knows the song dashed."""
    axes_with_runs = [axis for axis in AXES if len(along(results, axis)) > 1]
    target = results.find("scale")[0].run.target
    figure = figures.new_figure(2.8)
    panels = figure.subplots(1, len(axes_with_runs), squeeze=False, sharey=True)[0]
    for panel, axis in zip(panels, axes_with_runs, strict=True):
        seeds = along(results, axis)
        sizes = [_size(trained[0], axis) for trained in seeds]
        for size, trained in zip(sizes, seeds, strict=True):
            scores = [done.scores["summary"]["usdr_mean"] for done in trained]
            panel.plot([size] * len(scores), scores, "o", color=colour(target), markersize=4)
        panel.plot(sizes, [_test_score(trained) for trained in seeds], color=colour(target), label="test songs")
        if all(new_score(trained) is not None for trained in seeds):
            new = [new_score(trained) for trained in seeds]
            panel.plot(sizes, new, "--", color=colour(target), label="new timbres")
        for method, dash in FILTERS.items():
            for done in results.find("baselines", target):
                level = done.scores[method]["summary"]["usdr_mean"]
                panel.axhline(level, color=GREY, linestyle=dash, linewidth=1, label=METHODS[method])
        panel.set_xscale("log", base=2)
        panel.set_xticks(sizes, [str(size) for size in sizes], rotation=35, ha="right")
        panel.minorticks_off()
        figures.style(panel, AXES[axis], "mean uSDR (dB)" if axis == axes_with_runs[0] else "", "")
    figures.legend_above(figure, panels[0], 4)
    return figure
