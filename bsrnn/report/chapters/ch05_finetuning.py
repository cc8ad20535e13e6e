"""The chapter on the finetuning: what the energy rules decide, how good the labels are, what it all gains."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bsrnn.finetune import kind_of
from bsrnn.report import artifact, figures, stamps
from bsrnn.report.artifact import CONFIGURATION, Runs
from bsrnn.report.diagrams import BLUE, GREEN, ORANGE, PLAIN, PLAIN_EDGE, arrow, box, canvas, text
from bsrnn.report.figures import FONT_POINTS, GREY, colour
from bsrnn.report.statistics import Pair, difference_table, mean_interval, pairs, with_start
from bsrnn.report.tables import mean_of, ordered, ours, summaries_of
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Results, mean

HIGHEST_DB = 50.0  # drops beyond it, up to silence, lie in the last bin of the histogram
THRESHOLDS_DB = (10.0, 20.0, 30.0, 40.0)
# Split that an unlabelled song is of -> words
SETS = {"unlabelled-matched": "songs of their own", "train": "training songs unheard so far"}
KINDS = ("labelled", "pseudo", "clean_target", "clean_residual")  # of signals
LABELS = Runs({"teacher"}, songs=stamps.unlabelled_songs)


class Question(NamedTuple):
    """What a rule may be asked about: where the levels of both estimates stand, see `label_quality.judge_songs`."""

    target: str = "target_down"
    residual: str = "residual_down"
    true_target: str = "true_target_down"
    true_residual: str = "true_residual_down"


CHUNK = Question()
QUESTIONS = {  # {chunk} and {segment}: seconds of the profile
    "{chunk} s": CHUNK,
    "teacher sees {segment} s": Question("segment_target_down", "segment_residual_down"),
    "teacher sees {segment} s, energies over them": Question("whole_target_down", "whole_residual_down"),
    "each channel by itself": Question(
        "each_target_down", "each_residual_down", "true_each_target_down", "true_each_residual_down"
    ),
}


@artifact.figure("fig2", "Figure 2, semi-supervised sampling", CONFIGURATION)
def sampling(results: Results) -> Figure:
    """How one training item of the finetuning is drawn from labelled and unlabelled songs."""
    finetune, mixing = results.profile.finetune, results.profile.mixing
    seconds, db = mixing.chunk_seconds, finetune.threshold_db
    figure, axes = canvas(5.4)
    box(axes, (0.75, 4.65), (1.45, 0.65), "labelled songs\n(all stems)", PLAIN)
    box(axes, (0.75, 1.75), (1.45, 0.65), "unlabelled songs\n(mixtures only)", PLAIN)
    text(axes, 0.75, 1.27, "salient segments", color=GREY)
    box(axes, (2.5, 4.9), (1.3, 0.36), "clean target", BLUE)
    box(axes, (2.5, 4.4), (1.3, 0.36), "clean residual", ORANGE)
    for height in (4.9, 4.4):
        arrow(axes, (1.475, 4.65), (1.85, height))
    text(axes, 0.75, 4.1, f"salient segments,\n{seconds:g} s of each", color=GREY)
    box(axes, (2.5, 1.75), (1.5, 0.7), f"teacher P\nseparates the\n{finetune.teacher_sees}", GREEN)
    arrow(axes, (1.475, 1.75), (1.75, 1.75))
    rules = (
        (2.95, f"mixture − target\nestimate\n> {db:g} dB", "the mixture is\na clean\nresidual", ORANGE),
        (1.75, f"mixture −\nresidual\n> {db:g} dB", "the mixture is\na clean\ntarget", BLUE),
        (0.6, "otherwise", "pseudo target,\npseudo\nresidual", PLAIN),
    )
    for height, rule, outcome, fill in rules:
        arrow(axes, (3.25, 1.75), (3.38, 1.75), (3.38, height), (3.5, height))
        text(axes, 3.53, height, rule, ha="left")
        box(axes, (5.2, height), (1.05, 0.65), outcome, fill)
    text(axes, 3.53, 3.55, f"energies of the {finetune.energy_over} in dB:", ha="left", color=GREY)
    pools = 5.88
    axes.plot([pools, pools], [0.6, 4.9], color=PLAIN_EDGE, linewidth=1)
    for height in (2.95, 1.75, 0.6):
        axes.plot([5.725, pools], [height, height], color=PLAIN_EDGE, linewidth=1)
    for height in (4.9, 4.4):
        axes.plot([3.15, pools], [height, height], color=PLAIN_EDGE, linewidth=1)
    box(axes, (6.75, 4.2), (1.4, 0.75), "pools: draw\none target and\none residual", PLAIN)
    arrow(axes, (pools, 4.2), (6.05, 4.2))
    drawn = f"each ± {mixing.gain_db:g} dB,\nor dropped\n(p = {mixing.drop_probability:g}); sum;\ndivide by the peak"
    box(axes, (6.75, 2.95), (1.4, 0.95), drawn, PLAIN)
    arrow(axes, (6.75, 3.825), (6.75, 3.425))
    box(axes, (6.75, 1.7), (1.4, 0.7), f"train student Q,\nrate {finetune.train.learning_rate:g}", GREEN)
    arrow(axes, (6.75, 2.475), (6.75, 2.05))
    if finetune.self_boosting:
        arrow(axes, (6.75, 1.35), (6.75, 0.1), (2.5, 0.1), (2.5, 1.4), dashed=True)
        text(axes, 2.4, 0.7, "Q better than P\non the validation\nsongs: P ← Q", ha="right")
    return figure


# ---- labels ----


@artifact.figure("label_energies", "What the energy rules see", LABELS)
def label_energies(results: Results) -> Figure:
    """Level of the teacher's target and residual below the mixture, for every chunk of the unlabelled songs' salient
    segments; hatched: by the true stems the signal rests there (more than 30 dB down). Lines: the thresholds of the
    sweep, the paper's in bold; the outer bins hold all beyond; counts are linear to 10, logarithmic above."""
    figure = figures.new_figure(2.6 * len(results.finished))
    bins = np.arange(-4, HIGHEST_DB + 2, 2)
    panels = figure.subplots(len(results.finished), 2, squeeze=False, sharex=True)
    for row, done in zip(panels, results.finished, strict=True):
        chunks, target = pd.DataFrame(done.scores["chunks"]), done.run.target
        for axes, which, words in zip(row, ("target", "residual"), (target, f"all but {target}"), strict=True):
            drops = chunks[f"{which}_down"].clip(bins[0], HIGHEST_DB - 1e-6).to_numpy()
            rests = chunks[f"true_{which}_down"].to_numpy() > 30.0
            axes.hist(
                [drops[~rests], drops[rests]], bins, stacked=True, color=[colour(target), "white"],
                edgecolor="black", linewidth=0.5, hatch=["", "////"],
                label=[f"plays ({np.sum(~rests)})", f"rests ({np.sum(rests)})"],
            )  # fmt: skip
            for threshold in THRESHOLDS_DB:
                bold = threshold == results.profile.finetune.threshold_db
                axes.axvline(threshold, color="black", linestyle="-" if bold else ":", linewidth=1.4 if bold else 0.8)
            axes.set_yscale("symlog", linthresh=10)  # the few that rest count as much as the many that play
            axes.set_yticks([0, 5, 10, 50, 100], ["0", "5", "10", "50", "100"])
            figures.style(axes, "", "chunks" if axes is row[0] else "", words)
            look = {"handlelength": 1.2, "columnspacing": 1.0, "ncols": 2}
            figures.legend(axes, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, **look)
    for axes, which in zip(figure.axes[-2:], ("target estimate", "residual estimate"), strict=True):
        axes.set_xlabel(f"{which}, dB below the mixture", fontsize=FONT_POINTS)
    return figure


@artifact.table("label_thresholds", "The threshold of the energy rules", LABELS)
def label_thresholds(results: Results) -> pd.DataFrame:
    """Chunks that each rule calls clean at four thresholds. Truly clean: called so at 30 dB if the true stems took the
    estimates' place. Leak: median level, below the mixture, of what a called chunk should be free of (-120:
    nothing)."""
    asked = [({"threshold_db": threshold}, threshold, CHUNK) for threshold in THRESHOLDS_DB]
    return _rules(results, "threshold_db", asked)


@artifact.table("label_choices", "What the rules are asked about", LABELS)
def label_choices(results: Results) -> pd.DataFrame:
    """The same at the paper's threshold for each reading of the paper: what the teacher sees, over what the energies
    are taken, both channels or each (then every channel counts as a chunk)."""
    threshold = results.profile.finetune.threshold_db
    lengths = _seconds(results.profile)
    asked = [({"the rules see": words.format(**lengths)}, threshold, asked) for words, asked in QUESTIONS.items()]
    return _rules(results, "the rules see", asked)


def _seconds(profile: Profile) -> dict[str, str]:
    """How long a chunk is, and the segment that it lies in, of which the teacher may see all."""
    chunk, segment = profile.mixing.chunk_seconds, profile.activity.segment_seconds
    return {"chunk": f"{chunk:g}", "segment": f"{max(chunk, segment):g}"}


def _rules(results: Results, column: str, asked: Iterable[tuple[dict, float, Question]]) -> pd.DataFrame:
    """A row for each rule and question: what it calls clean, held against the stems."""
    rows = []
    for done in results.finished:
        for kind in ("clean_residual", "clean_target"):
            row = {"target": done.run.target, "kind": kind.replace("_", " ")}
            for named, threshold, question in asked:
                judged = _judged(done.scores["chunks"], kind, threshold, question)
                rows.append(row | named | judged | ours(results, [done]))
    columns = ("truly_clean", "called_clean", "of_them_right", "leak_median_db")
    return ordered(rows, "target", "kind", column, "chunks", *columns)


def _judged(chunks: list[dict], kind: str, threshold: float, question: Question) -> dict:
    """What a rule calls clean, held against the stems.

    Truly clean is what the rule would call clean at 30 dB if the teacher were perfect. The leak is what a called chunk
    holds of the signal that it should be free of, in dB below the mixture; its median over the called ones.
    """
    signals = pd.DataFrame(chunks)[list(question)].explode(list(question)).astype(float)  # a row a channel, if of each
    signals.columns = Question._fields
    called = _are(kind, signals["target"], signals["residual"], threshold)
    truly = _are(kind, signals["true_target"], signals["true_residual"])
    leaks = -signals.loc[called, "true_target" if kind == "clean_residual" else "true_residual"]
    return {
        "chunks": len(signals),
        "truly_clean": int(truly.sum()),
        "called_clean": int(called.sum()),
        "of_them_right": int((called & truly).sum()),
        "leak_median_db": max(float(leaks.median()), -120.0) if len(leaks) else None,
    }


def _are(kind: str, target_down: pd.Series, residual_down: pd.Series, threshold: float = 30.0) -> np.ndarray:
    """Which signals a rule finds to be of a kind."""
    drops = zip(target_down, residual_down, strict=True)
    return np.array([kind_of(target, residual, threshold) == kind for target, residual in drops])


@artifact.table("label_quality", "How good the pseudo labels are", LABELS)
def label_quality(results: Results) -> pd.DataFrame:
    """Median uSDR, over the chunks that no rule calls clean, of the teacher's target and residual against the true
    stems, with the chunk alone or its whole segment before the teacher, beside the mixture itself as a label of the
    target."""
    rows, threshold = [], results.profile.finetune.threshold_db
    lengths = _seconds(results.profile)
    views = {f"{lengths['chunk']}s": "", f"{lengths['segment']}s": "segment_"}
    columns = {f"target_{view}_db": f"{prefix}target_usdr" for view, prefix in views.items()}
    columns |= {f"residual_{view}_db": f"{prefix}residual_usdr" for view, prefix in views.items()}
    columns = {"mixture_as_target_db": "mixture_usdr"} | columns
    for done in results.finished:
        chunks = pd.DataFrame(done.scores["chunks"])
        chunks = chunks[_are("pseudo", chunks["target_down"], chunks["residual_down"], threshold)]
        for name, words in SETS.items():
            of_set = chunks[chunks["set"] == name]
            if len(of_set):
                row = {"target": done.run.target, "unlabelled": words, "chunks": len(of_set)}
                row |= {column: of_set[score].astype(float).median() for column, score in columns.items()}
                rows.append(row | ours(results, [done]))
    return ordered(rows, "target", "unlabelled", "chunks", *columns)


# ---- the finetuning ----


@artifact.table("finetuning_counts", "What the items were made of", Runs({"finetuned"}, songs=stamps.unlabelled_songs))
def finetuning_counts(results: Results) -> pd.DataFrame:
    """Decisions on the unlabelled chunks while each teacher was in place, the clean pairs from labelled songs beside
    them, and the share of the training items' targets and residuals that came from unlabelled songs."""
    rows = []
    for done in results.finished:
        history = done.training["history"]
        counts = pd.DataFrame([entry["counts"] | {"teacher": entry["teacher"]} for entry in history])
        for teacher, stage in counts.groupby("teacher").sum().iterrows():
            until = max(entry["items"] for entry in history if entry["teacher"] == teacher)
            row = {"target": done.run.target, "seed": done.run.seed, "teacher": f"P{teacher}", "until_item": until}
            row |= {kind: int(stage.get(kind, 0)) for kind in KINDS}
            for role in ("target", "residual"):
                used = [stage.get(f"used/{role}/{kind}", 0) for kind in KINDS]  # the labelled ones first
                row[f"{role}s_from_unlabelled"] = 1 - used[0] / max(1, sum(used))
            rows.append(row | ours(results, [done]))
    shares = ("targets_from_unlabelled", "residuals_from_unlabelled")
    return ordered(rows, "target", "seed", "teacher", "until_item", *KINDS, *shares)


def _upper_bound(results: Results, target: str) -> list[Finished]:
    return [done for done in results.find("variant", target) if done.run.profile.finetune.labels == "truth"]


def _replacements(tuned: list[Finished]) -> list[dict]:
    """The validations at which the student took the teacher's place."""
    return [entry for done in tuned for entry in done.training["history"] if entry["teacher_replaced"]]


def _what_else_is_drawn(results: Results) -> str:
    """What the caption says of curves and marks that only some results have."""
    said, targets = [], results.targets("finetuned")
    if results.find("control"):
        said.append("Beside it: the control, which sees labelled songs only.")
    if any(_upper_bound(results, target) for target in targets):
        said.append("With it: the upper bound, which is given the unlabelled songs' true stems.")
    if _replacements(results.find("finetuned")):
        said.append("A triangle: the student takes the teacher's place.")
    return " ".join(said)


@artifact.figure(
    "finetuning",
    "Finetuning curves",
    Runs({"finetuned", "control", "variant"}, {"finetuned"}, songs=stamps.validation_songs),
    _what_else_is_drawn,
)
def finetuning_curves(results: Results) -> Figure:
    """Mean uSDR of the validation songs while the model is finetuned; the dotted line is the start."""
    targets = results.targets("finetuned")
    figure = figures.new_figure(3.4)
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        control = {"color": GREY, "linestyle": (0, (4, 2)), "linewidth": 1.4, "marker": "s", "markersize": 3}
        truth = {"color": "black", "linestyle": "-.", "linewidth": 1.0, "marker": "d", "markersize": 3}
        _curves(axes, results.find("control", target), "control: labelled songs only", control)
        _curves(axes, _upper_bound(results, target), "true stems of the unlabelled songs", truth)
        tuned = results.find("finetuned", target)
        _curves(axes, tuned, "finetuned", {"color": colour(target), "linewidth": 1.6})
        if boosts := _replacements(tuned):
            points = [entry["items"] for entry in boosts], [entry["valid_usdr"] for entry in boosts]
            look = {"linestyle": "none", "marker": "^", "markersize": 7, "color": colour(target)}
            axes.plot(*points, label="student replaces teacher", **look)
        for done in tuned:
            label = "start" if done is tuned[0] else None
            axes.axhline(done.training["start_valid_usdr"], color="black", linestyle=":", linewidth=1, label=label)
        figures.style(axes, "finetuning items", "validation uSDR (dB)", target)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figures.legend_above(figure, panels[0], 3)
    return figure


def _curves(axes, finished: list[Finished], label: str, look: dict) -> None:
    """One curve a seed, from the start on; the first carries the label."""
    for done in finished:
        history = done.training["history"]
        items = [0, *(entry["items"] for entry in history)]
        scores = [done.training["start_valid_usdr"], *(entry["valid_usdr"] for entry in history)]
        axes.plot(items, scores, label=label if done is finished[0] else None, **look)


def _start_words(results: Results) -> str:
    """What the start has heard, where that is not what the models of the other chapters have."""
    few, songs = results.profile.few_songs, results.profile.data.train_songs
    if not few:
        return ""
    return (
        f"The start is no model of another chapter: it has heard {few} labelled songs alone, so that something is "
        f"left to learn. The other {songs - few} training songs are the unlabelled ones."
    )


@artifact.table(
    "finetuning_gain",
    "Gain of the finetuning",
    Runs({"start", "finetuned", "control", "variant"}, {"finetuned"}),
    more=_start_words,
)
def finetuning_gain(results: Results) -> pd.DataFrame:
    """Mean uSDR in dB on the test songs, and on songs of new timbres where these are a test of their own, each model at
    its best validation, at the item named. Over control: the gain in uSDR over a model with the same start
    and budget that saw labelled songs only; with several seeds its 95 % interval (low and high)."""
    rows = []
    for target in results.targets("finetuned"):
        models = {role: results.find(role, target) for role in ("start", "control", "finetuned")}
        for done in results.find("variant", target):
            models.setdefault(done.run.change, []).append(done)
        for name, finished in models.items():
            if finished:
                row = {"target": target, "model": name} | _gains(finished, models)
                rows.append(row | ours(results, finished))
    gains = ("over_start", "over_control", "low", "high")
    columns = ("csdr_median", "csdr_over_control", "songs")
    return ordered(rows, "target", "model", "best_item", "usdr_mean", "new_usdr", *gains, *columns)


def _gains(finished: list[Finished], models: dict[str, list[Finished]]) -> dict:
    """Scores of a model's runs, and their gains over the start and the control."""
    summaries, start, control = summaries_of(finished), models["start"], models["control"]
    row: dict[str, Any] = {score: mean_of(summaries, score) for score in ("usdr_mean", "csdr_median")}
    row["songs"] = summaries[0]["usdr_songs"]
    if finished is not start:
        row["best_item"] = ", ".join(str(done.training["best_items"]) for done in finished)
    row["new_usdr"] = mean([song["usdr"] for done in finished for song in done.new_songs()])
    if finished is start:
        return row
    row["over_start"], _, _ = _gain(with_start(finished, start))
    if finished is control:
        return row
    row["over_control"], row["low"], row["high"] = _gain(pairs(finished, control))
    csdr = {done.run.seed: done.scores["summary"]["csdr_median"] for done in control}
    compared = [(done.scores["summary"]["csdr_median"], csdr.get(done.run.seed)) for done in finished]
    return row | {"csdr_over_control": mean([a - b for a, b in compared if None not in (a, b)])}


def _gain(compared: list[Pair]) -> tuple[float | None, float | None, float | None]:
    """Mean difference of uSDR, and its 95 % interval over songs and seeds; no interval of one seed."""
    differences = difference_table(compared)
    if differences.empty:
        return None, None, None
    if len(differences) == 1:  # an interval over songs alone knows nothing of the spread between seeds
        return float(differences.to_numpy().mean()), None, None
    return mean_interval(differences)
