"""Trainings in folders against the band of finished runs of their kind; beside it what others published."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.errors import ConfigError
from bsrnn.report import figures, tables
from bsrnn.runtime.terminal import counted
from bsrnn.study.curves import Band, Training

NOT_THERE = "no finished run of its kind was validated after so many items"
NOTHING_ALIKE = "no finished runs with these settings are here to compare it with"
OTHERS = "training_curves"  # in data/published
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = ("o", "s", "D", "^", "v", "P")


def sentences(trainings: Sequence[Training]) -> list[str]:
    """A line for each: its last validation, and where in the band of its kind that lies."""
    lines = []
    for training in trainings:
        items, usdr, band = training.curve.items[-1], training.curve.usdr[-1], training.band
        words = NOT_THERE if band else NOTHING_ALIKE
        if band and (place := band.place(items, usdr)):
            words = f"{place} ({band.of})"
        state = "not finished" if training.running else "finished"
        lines.append(f"{training.folder}: {state}, {usdr:.2f} dB after {items} items: {words}")
    return lines


def draw(trainings: Sequence[Training]) -> Figure:
    """Mean uSDR of the validation songs against training items: these trainings, and the band of finished runs of their
    kind from the lowest to the highest seed; apart from them, where a clone has it, what others published, of other
    systems and data."""
    figure = figures.new_figure(3.4)
    try:
        others = tables.published(OTHERS)
    except ConfigError:  # the package is installed, and the working folder lies in no clone
        left, others = figure.subplots(), None
    else:
        left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for band in {training.band.curves: training.band for training in trainings if training.band}.values():
        _draw_band(left, band)
    for place, training in enumerate(trainings):
        look: dict[str, Any] = {
            "color": COLOURS[place % len(COLOURS)],
            "marker": MARKS[place % len(MARKS)],
            "markersize": 4,
        }
        left.plot(training.curve.items, training.curve.usdr, label=training.curve.name, **look)
    figures.style(left, "training items", "validation uSDR (dB)", "these trainings")
    figures.whole_numbers(left.xaxis)
    figures.legend_below(left)
    if others is None:
        figures.add_footer(figure, "Our runs.")
    else:
        _draw_others(right, others)
        sources = ", ".join(dict.fromkeys(others["source"]))
        figures.add_footer(figure, f"Left: our runs. Right, never to be set beside them: {sources}.")
    return figure


def _draw_others(axes, others: pd.DataFrame) -> None:
    for place, (system, rows) in enumerate(others.groupby("system", sort=False)):
        look = {"color": figures.GREY, "marker": MARKS[place % len(MARKS)], "markersize": 3, "linewidth": 0.8}
        axes.plot(rows["steps"] * rows["batch"], rows["value"], label=f"{system}, {rows['target'].iloc[0]}", **look)
    axes.set_xscale("log")
    figures.style(axes, "training items", "SDR as each reported it (dB)", "others: other data and sizes")
    figures.legend_below(axes)


def _draw_band(axes, band: Band) -> None:
    """From the lowest to the highest seed, where two or more were validated; each seed as a thin line."""
    for curve in band.curves:
        axes.plot(curve.items, curve.usdr, color=figures.GREY, linewidth=0.6, zorder=1)
    places = sorted({items for curve in band.curves for items in curve.items})
    spans = np.array([band.at(items)[:2] for items in places])  # type: ignore[index]
    axes.fill_between(places, spans[:, 0], spans[:, 1], color=figures.LIGHT, zorder=0,
                      label=f"{counted(len(band.curves), 'seed')}: {band.of}")  # fmt: skip
