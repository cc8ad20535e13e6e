"""The chapter on training: how the losses fell, and what was run."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bsrnn.report import artifact, figures, stamps
from bsrnn.report.artifact import Runs
from bsrnn.report.findings import EARLY, LATE, best_early
from bsrnn.report.statistics import difference_table, mean_interval
from bsrnn.report.tables import ordered, ours, summaries_of
from bsrnn.runtime import paths
from bsrnn.study.results import Finished, Results, mean
from bsrnn.study.runs import ROLES


@artifact.figure("training", "Training curves", Runs({"base", "split"}, songs=stamps.validation_songs))
def training_curves(results: Results) -> Figure:
    """Training loss (equation 1) and mean uSDR of the validation songs against the number of training items."""
    figure = figures.new_figure(3.2)
    left, right = figure.subplots(1, 2)
    dashes = iter(["--", ":", "-.", (0, (1, 3)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (6, 3))])
    dash_of: dict[str, object] = {}
    for done in results.finished:
        split, own = done.run.profile.model.band_split, "base" in done.run.roles
        label = f"{done.run.target}, {'its own split' if own else f'split {str(split).upper()}'}"
        first_of_its_label = label not in dash_of
        dash = dash_of.setdefault(label, "-" if own else next(dashes, "--"))
        history = done.training["history"]
        items = [entry["items"] for entry in history]
        look = {"color": figures.colour(done.run.target), "linestyle": dash, "linewidth": 1.6 if own else 1.2}
        look |= {"marker": "o", "markersize": 3} if len(items) < 20 else {}
        left.plot(items, [entry["loss"] for entry in history], **look)
        look |= {"label": label if first_of_its_label else None}
        right.plot(items, [entry["valid_usdr"] for entry in history], **look)
    figures.style(left, "training items", "loss (equation 1)", "Training")
    figures.style(right, "training items", "mean uSDR (dB)", "Validation")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figures.legend_above(figure, right, 4)
    return figure


@artifact.table("grid", "What was run", Runs(frozenset(ROLES)))
def what_was_run(results: Results) -> pd.DataFrame:
    """Every kind of run of this profile, with its seeds, the device, mean seconds of training and scoring, and the sum
    in minutes. CPU: one core of a machine that did two runs and other things at a time; a GPU did many."""
    rows = []
    groups: dict[tuple[str, str, str], list[Finished]] = {}  # the same run with other seeds
    for done in results.finished:
        groups.setdefault((done.run.kind, done.run.without_seed, done.result["device"]), []).append(done)
    for (kind, name, device), group in groups.items():
        training = [done.training["seconds"] if done.training else 0.0 for done in group]
        scoring = [done.result["score_seconds"] for done in group]
        row = {"run": name, "kind": kind, "what": group[0].run.change, "device": device, "runs": len(group)}
        row |= {"train_seconds": mean(training), "score_seconds": mean(scoring)}
        # None: a result older than this record
        row["minutes"] = None if None in scoring else (sum(training) + sum(scoring)) / 60
        rows.append(row | ours(results, group))
    return ordered(rows, "run", "kind", "what", "runs", "train_seconds", "score_seconds", "minutes", "device")


LAST = "the last"
LAST_WEIGHTS = "last_weights.csv"  # of results/pilots, measured by hand


@artifact.table(
    "kept_weights", "Which weights are kept", Runs({"base", "crossed", "second look", "third look", "last"})
)
def kept_weights(results: Results) -> pd.DataFrame:
    """Trainings by when the mean of the validation songs was best, whose weights are kept; or that keep the last ones.
    Of each target, with any split and seed: how many, and the mean uSDR of their test songs with its range. The last
    weights over those that were best in the trainings of the same splits and seeds: mean, 95 % interval over both."""
    trained = [done for done in results.finished if done.run.kind == "train"]
    rows = []
    for target in dict.fromkeys(done.run.target for done in trained):
        for kept in (EARLY, LATE, LAST):
            if not (group := [done for done in trained if (done.run.target, _kept(done)) == (target, kept)]):
                continue
            scores = [score for summary in summaries_of(group) if (score := summary["usdr_mean"]) is not None]
            row = {"target": target, "kept": kept, "trainings": len(group), "usdr_mean": mean(scores)}
            row |= {"lowest": min(scores, default=None), "highest": max(scores, default=None)}
            rows.append(row | _over_best(group, trained) | ours(results, group))
    numbers = ("usdr_mean", "lowest", "highest", "over_best", "low", "high")
    return ordered(rows, "target", "kept", "trainings", *numbers)


def _over_best(last: list[Finished], trained: list[Finished]) -> dict[str, float]:
    """What trainings that keep their last weights have over the same ones that keep the best, the mean of both splits;
    of no others."""
    twins = {done.run.id: done for done in trained if _kept(done) != LAST}
    compared = [(done, twins.get(done.run.id.replace("-last", ""))) for done in last if _kept(done) == LAST]
    rows = [difference_table([(done, twin)]) for done, twin in compared if twin]
    if not rows:
        return {}
    return dict(zip(("over_best", "low", "high"), mean_interval(pd.concat(rows).groupby(level=0).mean()), strict=True))


def _kept(done: Finished) -> str:
    """Which of a training's weights its model has."""
    if done.run.profile.train.kept_weights == "last":
        return LAST
    return EARLY if best_early(done.training["best_items"], done.training["items"]) else LATE


def published_bass() -> pd.DataFrame:
    """The bass of many items with its best weights, with its last ones, and both together: mean uSDR in dB."""
    measured = pd.read_csv(paths.results("pilots") / LAST_WEIGHTS)
    return measured.pivot_table("mean_usdr", "models", "recordings", sort=False).reset_index()
