"""The chapter on the results: scores, the paper's Tables I and III, other systems, and the claims."""

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.bands import band_widths
from bsrnn.config import PEER_NAMES
from bsrnn.metrics import aggregate
from bsrnn.report import artifact, by_csdr, claims, figures, findings, stamps
from bsrnn.report.artifact import Runs
from bsrnn.report.figures import FONT_POINTS, GREY, SMALL_POINTS, colour
from bsrnn.report.stamps import OURS
from bsrnn.report.statistics import measured
from bsrnn.report.table_html import Layout
from bsrnn.report.tables import (
    METHODS,
    PUBLISHED,
    mean_of,
    of_all_songs,
    ordered,
    ours,
    published,
    published_rows,
    scores_of,
    seed_deviation,
    summaries_of,
    whole_counts,
)
from bsrnn.runtime import paths
from bsrnn.runtime.terminal import counted
from bsrnn.study import costs, runs
from bsrnn.study.results import Finished, Results, Study, mean
from bsrnn.study.runs import Run

PLAN_COMMIT = "6194662cc06874a337be515536f7116acf726e38"  # brought book/plan.md, before the first run that it plans
TINTS = ("#D55E00", "#0072B2", "#009E73", "#000000", "#CC79A7")
# what a reader of the claims looks for stands where nobody has to scroll
FIRST_OF_A_CLAIM = ("claim", "contrast", "effect", "low", "high", "our_analogue", "paper_data", "p", "paper_effect")
# a verdict is that of one of its two columns; statements and reasons stand beside the verdicts in words
OF_CLAIMS_HIDDEN = ("verdict", "statement", "reason", "caveat", "songs_wanted", "seeds_wanted", "new_songs")


def _compared(results: Results) -> list[Run]:
    """The peers, and the bases of the target that they are for."""
    return [done.run for done in results.finished if done.run.target in results.targets("peer")]


OF_CLAIMS = Runs(claims.ROLES, listed=claims.runs_compared)
RATES = "rates.csv"  # of results/pilots: how the learning rates of all systems were chosen
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def _by_method(results: Results, target: str) -> dict[str, list[list[dict]]]:
    """Method -> one list of song rows a seed, in the order of METHODS; those of new timbres after the test songs."""
    songs: dict[str, list[list[dict]]] = {name: [] for name in METHODS}
    for done in results.find("baselines", target):
        for name in done.scores:
            songs[name].append(done.songs(name) + done.new_songs(name))
    songs["model"] = [done.songs() + done.new_songs() for done in results.find("base", target)]
    return {name: of_method for name, of_method in songs.items() if of_method}


def _groups_of(songs: list[dict]) -> dict[str, list[dict]]:
    """Group -> songs: all test songs, with "seen" timbres where there are some of "new" ones, which then follow."""
    test_songs, apart = ([song for song in songs if song.get("apart", False) is side] for side in (False, True))
    return {"seen": test_songs, "new": apart} if apart else {"all": test_songs}


def _behind(results: Results, target: str | None = None) -> dict[str, list[Finished]]:
    """Method -> its runs, of a target or of all. Estimators without a network are computed once, whatever the seeds."""
    return dict.fromkeys(METHODS, results.find("baselines", target)) | {"model": results.find("base", target)}


@artifact.table("results", "Results on held-out songs", Runs({"base", "baselines"}))
def held_out_songs(results: Results) -> pd.DataFrame:
    """Test scores of each target beside estimators without a network: uSDR is the mean over songs, cSDR the median of
    the pair target and residual (silence and the mixture have none), leakage the level where the target rests (-120:
    nothing)."""
    rows = []
    for target in results.targets("base"):
        behind = _behind(results, target)
        for method, seeds in _by_method(results, target).items():
            groups = [_groups_of(songs) for songs in seeds]
            for timbre in groups[0]:
                chosen = [of_seed[timbre] for of_seed in groups]
                name = {"target": target, "method": METHODS[method], "timbre": timbre}
                rows.append(name | scores_of([aggregate(songs) for songs in chosen]) | ours(results, behind[method]))
    table = pd.DataFrame(rows)
    if table["target"].nunique() < 2:
        return whole_counts(table)
    whole, behind, methods = of_all_songs(table), _behind(results), {words: name for name, words in METHODS.items()}
    means = [
        {"target": "mean", "method": method, "timbre": part["timbre"].iloc[0]}
        | {"usdr_mean": mean(part["usdr_mean"].tolist()), "songs": int(part["songs"].iloc[0])}
        | ours(results, behind[methods[method]])
        for method, part in whole.groupby("method", sort=False)
    ]
    return whole_counts(pd.concat([table, pd.DataFrame(means)], ignore_index=True))


def score_bars(table: pd.DataFrame, others: pd.DataFrame | None = None) -> Figure:
    """Of the table of results: a bar a method from silence to the mask that knows the stems, by target.

    others: the table of other systems, whose bars stand beside the models'.
    """
    targets = [target for target in dict.fromkeys(table["target"]) if target != "mean"]
    usdr = of_all_songs(table).pivot(index="target", columns="method", values="usdr_mean")
    methods = [words for name, words in METHODS.items() if words in usdr and name != "mixture"]  # which is far below 0
    if others is not None:
        others = others[others["system"] != METHODS["model"]]
        others = others.assign(system=[row.system + findings.of_few(row.seeds) for row in others.itertuples()])
        systems = others.pivot(index="target", columns="system", values="usdr_mean")
        usdr, place = usdr.join(systems), methods.index(METHODS["model"]) + 1
        methods[place:place] = systems.columns
    figure = figures.new_figure(0.9 + 0.28 * len(methods))
    panels = figure.subplots(1, len(targets), squeeze=False, sharey=True, sharex=True)[0]
    for axes, target in zip(panels, targets, strict=True):
        scores = usdr.loc[target, methods]
        tints = [colour(target) if method == METHODS["model"] else GREY for method in methods]
        bars = axes.barh(range(len(methods)), scores, color=tints, alpha=0.85)
        labels = ["" if math.isnan(score) else f"{score:.1f}" for score in scores]  # another system may lack a target
        axes.bar_label(bars, labels, fontsize=SMALL_POINTS, padding=2)
        axes.set_yticks(range(len(methods)), methods)
        axes.axvline(0, color="black", linewidth=0.8)
        figures.style(axes, "", "", target)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.25)  # room for the numbers
    panels[0].invert_yaxis()
    figure.supxlabel("mean uSDR (dB)", fontsize=FONT_POINTS)
    return figure


# ---- the paper's tables ----


@artifact.table("table1", "Table I, band splits", Runs({"split"}, source=f"paper, Table I, and {OURS}"))
def table1(results: Results) -> pd.DataFrame:
    """uSDR of vocals for each band split. The paper's rows, then ours, with the seeds that each was trained
    with; rows of different data must not be compared."""
    rows = [
        row | {"split": row["split"].upper(), "bands": len(band_widths(row["split"]))}
        for row in published_rows("table1")
    ]
    return ordered(rows + _our_splits(results), "split", "bands", "usdr_mean", "seed_sd", "songs")


def _our_splits(results: Results) -> list[dict]:
    """A row a split; some are trained with fewer seeds than the profile has."""
    by_split: dict[str, list[Finished]] = {}
    for done in results.finished:
        by_split.setdefault(_split_name(done.run.profile.model.band_split), []).append(done)
    rows = []
    for name, trained in sorted(by_split.items()):
        summaries = summaries_of(trained)
        row = {"split": name, "bands": trained[0].training["bands"], "songs": summaries[0]["songs"]}
        row |= {"usdr_mean": mean_of(summaries, "usdr_mean"), "seed_sd": seed_deviation(summaries)}
        rows.append(row | ours(results, trained))
    return rows


def _split_name(scheme: str | tuple) -> str:
    """The paper gives vocals the split V7."""
    if not isinstance(scheme, str):
        return f"{len(scheme)} given widths"
    return "V7" if scheme == "vocals" else scheme.upper()


@artifact.table(
    "table3",
    "Table III, comparison of systems",
    Runs(
        {"base", "baselines", "finetuned", "peer"},
        source=f"paper, Table III, replication (arXiv 2603.09187), and {OURS}",
    ),
)
def table3(results: Results) -> pd.DataFrame:
    """Published scores on MUSDB18 and MUSDB18-HQ, and ours on our data; rows of different data must not be compared.
    Our cSDR scores a target and its residual as a pair."""
    table = pd.concat([published("table3"), published("replication")], ignore_index=True).assign(**PUBLISHED)
    scores = [name for name in table.columns if name.endswith(("_usdr", "_csdr"))]
    table = whole_counts(pd.concat([table, pd.DataFrame(_our_systems(results))], ignore_index=True))
    return table[["model", "source", "data", "profile", *scores, "songs", "seeds", "note"]]  # names may be twice


def _our_systems(results: Results) -> list[dict]:
    """A row a system: estimators, peers, the base and its finetuning, the mask that knows the stems."""
    peers = list(dict.fromkeys(done.run.change for done in results.find("peer")))
    names = _system_names(results, peers)
    summaries: dict[str, dict[str, list[dict]]] = {name: {} for name in names}  # system -> target -> one summary a seed
    behind: dict[str, list[Finished]] = {name: [] for name in peers}
    behind |= _behind(results) | {"finetuned": results.find("finetuned")}
    for target in results.targets("base"):
        for method, seeds in _by_method(results, target).items():
            summaries[method][target] = [aggregate(next(iter(_groups_of(songs).values()))) for songs in seeds]
        if tuned := results.find("finetuned", target):
            summaries["finetuned"][target] = summaries_of(tuned)
        for done in results.find("peer", target):
            summaries[done.run.change].setdefault(target, []).append(done.scores["summary"])
            behind[done.run.change].append(done)
    return [
        {"model": name} | _scores_of_targets(summaries[system]) | ours(results, behind[system])
        for system, name in names.items()
        if summaries[system]
    ]


def _system_names(results: Results, peers: list[str]) -> dict[str, str]:
    """System -> what its row is called, in the table's order."""
    model = results.profile.bsrnn
    size = f"BSRNN (N {model.features}, {model.modules} modules)"  # never to be taken for the paper's row
    names = {method: METHODS[method] for method in ("silence", "mixture", "wiener", "wiener_oracle")}
    names |= {peer: f"{peer}, small, from scratch" for peer in peers}
    start = f"{size}, {results.profile.few_songs} labelled songs" if results.profile.few_songs else size
    return names | {"model": size, "finetuned": f"{start} + finetuning", "ratio_mask": METHODS["ratio_mask"]}


def _scores_of_targets(summaries: dict[str, list[dict]]) -> dict:
    """Both metrics of each target; "all" is the mean of four targets, and of nothing less."""
    row = {"songs": next(iter(summaries.values()))[0]["songs"]}
    for short, score in (("usdr", "usdr_mean"), ("csdr", "csdr_median")):
        row |= {f"{target}_{short}": mean_of(of_target, score) for target, of_target in summaries.items()}
        if len(summaries) == 4:
            row[f"all_{short}"] = mean([row[f"{target}_{short}"] for target in summaries])
    return row


# ---- other systems ----


def learning_rates() -> pd.DataFrame:
    """Pilots of every system with the same eight learning rates: a row each, uSDR of the validation songs in dB."""
    return pd.read_csv(paths.results("pilots") / RATES)


@artifact.table("peers", "Other systems on the same songs", Runs({"base", "peer"}, {"peer"}, listed=_compared))
def other_systems(results: Results) -> pd.DataFrame:
    """Systems trained from scratch by the same loop: same items in the same order, loss, schedule and steps; sized
    so that a step takes about as long as BSRNN's on the same item in float32. Above it: BSRNN minus the system,
    with its 95 % interval over seeds and songs, or over songs alone where one seed was run. GFLOP: of one item
    forward, of one channel or, where a system hears both at once, of two; seconds of a machine that did two runs and
    other things at a time, without runs on a GPU."""
    rows = []
    for target in results.targets("peer"):
        base = results.find("base", target)
        rows.append({"target": target, "system": "BSRNN"} | _size_and_scores(base) | ours(results, base))
        for name in PEER_NAMES.values():
            trained = [done for done in results.find("peer", target) if done.run.change == name]
            if trained:
                above = measured(base, trained)
                row = {"target": target, "system": name} | _size_and_scores(trained) | ours(results, trained)
                rows.append(row | {"bsrnn_above_it": above["effect"], "low": above["low"], "high": above["high"]})
    columns = ("parameters", "gflop", "train_seconds", "usdr_mean", "seed_sd", "csdr_median", "bsrnn_above_it")
    return ordered(rows, "target", "system", *columns, "low", "high", "songs")


def _size_and_scores(trained: list[Finished]) -> dict:
    """Size, work, time and scores, means over seeds."""
    profile, summaries = trained[0].run.profile, summaries_of(trained)
    return {
        "parameters": trained[0].training["parameters"],
        "gflop": costs.item_operations(profile) / 1e9,
        "train_seconds": mean([done.training["seconds"] for done in trained if done.on_processor]),
        "usdr_mean": mean_of(summaries, "usdr_mean"),
        "seed_sd": seed_deviation(summaries),
        "csdr_median": mean_of(summaries, "csdr_median"),
        "songs": summaries[0]["songs"],
    }


@artifact.figure(
    "learning",
    "Learning curves of the systems",
    Runs({"base", "peer"}, {"peer"}, songs=stamps.validation_songs, listed=_compared),
)
def learning_curves(results: Results) -> Figure:
    """Mean uSDR of the validation songs against steps, and against the operations spent; a curve a seed."""
    figure = figures.new_figure(3.2)
    against_steps, against_operations = figure.subplots(1, 2, sharey=True)
    target, labelled = results.targets("peer")[0], set()
    names = ("BSRNN", *PEER_NAMES.values())
    dashes, tints = dict(zip(names, DASHES, strict=True)), dict(zip(names, TINTS, strict=True))
    for done in results.find(target=target):
        name = done.run.change if "peer" in done.run.roles else "BSRNN"
        profile, history = done.run.profile, done.training["history"]
        items = np.array([entry["items"] for entry in history])
        scores = [entry["valid_usdr"] for entry in history]
        look = {"linestyle": dashes[name], "color": tints[name], "linewidth": 1.3, "marker": "o", "markersize": 3}
        label = None if name in labelled else name
        against_steps.plot(items / profile.train.batch_items, scores, label=label, **look)
        spent = 3 * costs.item_operations(profile) * items
        against_operations.plot(spent / 1e12, scores, **look)  # a backward pass takes two forward ones
        labelled.add(name)
    figures.style(against_steps, "steps", "mean uSDR, validation (dB)", f"{target}, against steps")
    figures.style(against_operations, "operations of the training (10¹²)", "", "against operations")
    figures.legend_above(figure, against_steps, 4)
    return figure


# ---- claims ----


@artifact.table(
    "claims",
    "The claims and what our results say to them",
    OF_CLAIMS,
    Layout(hidden=OF_CLAIMS_HIDDEN, first=FIRST_OF_A_CLAIM),
)
def table_of_claims(results: Results) -> pd.DataFrame:
    """Effect: difference of the mean uSDR in dB, paired by seed and song, with its interval over seeds and songs
    (low and high), by the two-way analysis of variance, at the level named: that of the five primary contrasts makes
    their tests against no difference hold together with 95 % (Holm), and a second or third look has a half or a
    third of the chance to be wrong. Detectable: the true effect that such an interval
    tells from 0 four times in five. New timbres: the same on the songs that are a test of their own, at 95 %; they
    decide nothing."""
    return claims.table(results.study)


@artifact.table("claims_csdr", "The contrasts by cSDR", OF_CLAIMS)
def claims_by_csdr(results: Results) -> pd.DataFrame:
    """Mean difference of a song in dB by uSDR, which the plan names, and by cSDR, with its 95 % interval over seeds and
    songs. Of medians: the difference of the medians of cSDR over songs, mean over targets and seeds, and with how many
    seeds it is above 0. Leakage: of the level where the target rests, which uSDR counts and cSDR leaves out; above 0:
    more is left. No plan is of these; they decide nothing."""
    return by_csdr.table(results)


def _where_intervals(results: Results) -> str:
    """What the caption says of the intervals of contrasts that have any."""
    has_any = claims.table(results.study)["low"].notna().any()
    return "The bar is the interval of the mean over seeds and songs." if has_any else ""


@artifact.figure("contrasts", "The contrasts behind the claims", OF_CLAIMS, _where_intervals)
def contrasts(results: Results) -> Figure:
    """Mean difference of uSDR, primary contrasts in bold; each point is a seed, a cross one with which a training was
    silent to its end, the diamond the paper's own difference on its data, the dashed line the margin set beforehand."""
    compared = {contrast.claim.id: contrast for contrast in claims.contrasts(results.study)}
    rows = [row for row in claims.table(results.study).itertuples() if not np.isnan(row.effect)]
    figure = figures.new_figure(0.5 * len(rows) + 1.1)
    axes = figure.add_subplot()
    labelled = {}
    for place, row in enumerate(rows):
        primary, of_seeds = compared[row.claim].claim.primary, compared[row.claim].differences.to_numpy().mean(1)
        tint = "black" if primary else GREY
        margin: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 0.9}
        labelled["margin"] = axes.plot([row.margin] * 2, [place - 0.4, place + 0.4], **margin)[0]
        if not np.isnan(row.low):
            width = 2.4 if primary else 1.4
            labelled["interval"] = axes.plot([row.low, row.high], [place] * 2, color=tint, linewidth=width)[0]
        silent = compared[row.claim].differences.index.isin(compared[row.claim].silent)
        for which, marker, words in ((~silent, ".", "a seed"), (silent, "x", "a seed that stayed silent")):
            if which.any():
                dots = [place + 0.22] * int(which.sum())
                labelled[words] = axes.plot(of_seeds[which], dots, marker, color=tint, markersize=4)[0]
        labelled["mean"] = axes.plot(row.effect, place, "o", color=tint, markersize=7 if primary else 5)[0]
        if not np.isnan(row.paper_effect):
            paper: dict[str, Any] = {"color": colour("vocals"), "markersize": 6, "markerfacecolor": "white"}
            labelled["the paper's, on its data"] = axes.plot(row.paper_effect, place, "D", **paper)[0]
    look: dict[str, Any] = {"loc": "outside upper center", "ncols": 5, "frameon": False, "fontsize": SMALL_POINTS}
    figure.legend(list(labelled.values()), list(labelled), **look)
    axes.axvline(0, color="black", linewidth=0.8)
    labels = [f"{row.claim}:\n{textwrap.fill(row.contrast, 50)}" for row in rows]  # in one line they squeeze the axes
    axes.set_yticks(range(len(rows)), labels, fontsize=SMALL_POINTS)
    axes.invert_yaxis()
    figures.style(axes, "difference of the mean uSDR (dB)", "")
    return figure


def planned(study: Study) -> str:
    """When the plan was committed, and how many of its runs are there, computed at how many commits."""
    trained = [study.finished(run).result for run in study.grid.values() if run.kind in ("train", "finetune")]
    commits = {result["code"].get("commit") for result in trained}
    there = f"{len(study.grid)} of its {len(runs.planned(study.profile.name))} runs are there"
    words = (
        f"The plan is commit {PLAN_COMMIT[:10]}; {there}. The trainings of profile {study.profile.name} so far were "
    )
    return f"{words}computed at {counted(len(commits), 'commit')}; the JSON of each run names its own."
