"""The figures of the finetuning chapter that are drawn from results."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bsrnn.report import plots
from bsrnn.report.plots import GREY, colour
from bsrnn.report.tuning_tables import THRESHOLDS_DB
from bsrnn.study.results import Finished, Results, is_control, is_finetuned, is_teacher, is_variant

HIGHEST_DB = 50.0  # drops beyond it, up to silence, lie in the last bin


def finetuning(results: Results) -> Figure:
    """Validation uSDR of finetuned, control and upper bound, one panel a target."""
    targets = results.targets(is_finetuned)
    figure = plots.new_figure(3.4)
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        control = {"color": GREY, "linestyle": (0, (4, 2)), "linewidth": 1.4, "marker": "s", "markersize": 3}
        truth = {"color": "black", "linestyle": "-.", "linewidth": 1.0, "marker": "d", "markersize": 3}
        _curves(axes, results.find(is_control, target), "control: labelled songs only", control)
        upper = [one for one in results.find(is_variant, target) if one.run.profile.finetune.labels == "truth"]
        _curves(axes, upper, "true stems of the unlabelled songs", truth)
        tuned = results.find(is_finetuned, target)
        _curves(axes, tuned, "finetuned", {"color": colour(target), "linewidth": 1.6})
        boosts = [entry for one in tuned for entry in one.training["history"] if entry["teacher_replaced"]]
        points = [entry["items"] for entry in boosts], [entry["valid_usdr"] for entry in boosts]
        look = {"linestyle": "none", "marker": "^", "markersize": 7, "color": colour(target)}
        axes.plot(*points, label="student replaces teacher", **look)
        for one in tuned:
            label = "start" if one is tuned[0] else None
            axes.axhline(one.training["start_valid_usdr"], color="black", linestyle=":", linewidth=1, label=label)
        plots.style(axes, "finetuning items", "validation uSDR (dB)", target)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    size = plots.FONT_POINTS - 1.5
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=size, frameon=False)
    return figure


def _curves(axes, runs: list[Finished], label: str, look: dict) -> None:
    """One curve a seed, from the start on; the first carries the label."""
    for one in runs:
        history = one.training["history"]
        items = [0, *(entry["items"] for entry in history)]
        scores = [one.training["start_valid_usdr"], *(entry["valid_usdr"] for entry in history)]
        axes.plot(items, scores, label=label if one is runs[0] else None, **look)


def label_energies(results: Results) -> Figure:
    """How far below the mixture the teacher puts target and residual, where by the stems they are there or rest."""
    teachers = results.find(is_teacher)
    figure = plots.new_figure(2.6 * len(teachers))
    bins = np.arange(-4, HIGHEST_DB + 2, 2)
    for row, one in zip(figure.subplots(len(teachers), 2, squeeze=False, sharex=True), teachers, strict=True):
        chunks, target = one.scores["chunks"], one.run.target
        for axes, which, words in zip(row, ("target", "residual"), (target, f"all but {target}"), strict=True):
            drops = np.array([chunk[f"{which}_down"] for chunk in chunks]).clip(bins[0], HIGHEST_DB - 1e-6)
            rests = np.array([chunk[f"true_{which}_down"] > 30.0 for chunk in chunks])
            axes.hist(
                [drops[~rests], drops[rests]], bins, stacked=True, color=[colour(target), "white"],
                edgecolor="black", linewidth=0.5, hatch=["", "////"],
                label=[f"plays ({np.sum(~rests)})", f"rests: true level 30 dB down ({np.sum(rests)})"],
            )  # fmt: skip
            for threshold in THRESHOLDS_DB:
                bold = threshold == results.profile.finetune.threshold_db
                axes.axvline(threshold, color="black", linestyle="-" if bold else ":", linewidth=1.4 if bold else 0.8)
            axes.set_yscale("symlog", linthresh=10)  # the few that rest count as much as the many that play
            axes.set_yticks([0, 5, 10, 50, 100], ["0", "5", "10", "50", "100"])
            plots.style(axes, "", "chunks" if axes is row[0] else "", words)
            axes.legend(fontsize=plots.FONT_POINTS - 1.5, loc="upper right", framealpha=0.9, edgecolor="none")
    for axes, which in zip(figure.axes[-2:], ("target estimate", "residual estimate"), strict=True):
        axes.set_xlabel(f"{which}, dB below the mixture", fontsize=plots.FONT_POINTS)
    return figure
