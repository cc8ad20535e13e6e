"""What all figures share: size, colours, axes, the footer, and the bytes of a file.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; where colour carries meaning, a marker or
a dash does, too. A target has one colour throughout the book. No pyplot: nothing here depends on a notebook's settings.
"""

import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import accumulate

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import EngFormatter, MaxNLocator

from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig

WIDTH_INCHES = 7.5  # a book column
TARGET_COLOURS = {"vocals": "#D55E00", "drums": "#0072B2", "bass": "#009E73", "other": "#CC79A7"}
TARGET_DASHES = {"vocals": "-", "drums": "--", "bass": ":", "other": "-."}
OTHER_COLOUR = "#000000"  # a target that the paper does not have
GREY, LIGHT = "#666666", "#E8E8E8"
FONT_POINTS = 9.5
SMALL_POINTS = 8.6  # the smallest on a page: 11 pixels in a book column
FOOTER_POINTS = 6.5  # of files alone


def colour(target: str) -> str:
    """The colour of a target."""
    return TARGET_COLOURS.get(target, OTHER_COLOUR)


def dash(target: str) -> str:
    """The line style of a target, for those who do not tell its colour from others."""
    return TARGET_DASHES.get(target, "-")


def new_figure(height_inches: float) -> Figure:
    """An empty figure as wide as a book column, on white."""
    return Figure(figsize=(WIDTH_INCHES, height_inches), facecolor="white", layout="constrained")


def add_footer(figure: Figure, text: str) -> None:
    """Write on the figure itself where its numbers come from; the figure grows by what the line needs."""
    characters = int(WIDTH_INCHES * 72 / (0.53 * FOOTER_POINTS))
    lines = textwrap.wrap(text, characters)
    old = figure.get_figheight()
    extra = (len(lines) * FOOTER_POINTS * 1.3 + 8) / 72
    figure.set_figheight(old + extra)
    share = extra / (old + extra)
    layout = figure.get_layout_engine()
    assert isinstance(layout, ConstrainedLayoutEngine), "as new_figure makes it"
    layout.set(rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.006, "\n".join(lines), fontsize=FOOTER_POINTS, color="#444444", va="bottom", linespacing=1.2)


def style(axes, x: str, y: str, title: str = "") -> None:
    """Labels with units, a light grid, no box."""
    axes.set_xlabel(x, fontsize=FONT_POINTS)
    axes.set_ylabel(y, fontsize=FONT_POINTS)
    axes.set_title(title, fontsize=FONT_POINTS, loc="left", fontweight="bold")
    axes.tick_params(labelsize=SMALL_POINTS)
    if axes.get_xscale() == "linear" and max(axes.get_xlim()) >= 1e5:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 5M, not 0.5 with a 1e7 in the corner
    axes.grid(color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes, **settings) -> None:
    """A plain legend."""
    axes.legend(fontsize=SMALL_POINTS, frameon=False, **settings)


def legend_below(axes) -> None:
    """The legend of a panel in a column below its axis, where its entries are long and its curves may be anywhere."""
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.22), fontsize=SMALL_POINTS, frameon=False, borderaxespad=0)


def whole_numbers(axis) -> None:
    """Ticks of what is counted: songs, items."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def legend_above(figure: Figure, axes, columns: int) -> None:
    """The legend of a panel above all of them, where curves may be anywhere."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=SMALL_POINTS, frameon=False)


def band_edges_hz(scheme: str) -> list[float]:
    """Frequency in Hz at which each band begins, and where the last one ends, at the paper's rate and STFT."""
    paper = ModelConfig()
    widths = band_widths(scheme, paper.n_fft, paper.sample_rate)
    return [bins * paper.sample_rate / paper.n_fft for bins in accumulate(widths, initial=0)]


def split_row(axes, row: int, edges_hz: Sequence[float] | np.ndarray, tint: str) -> None:
    """A split as a row of boxes, light and dark in turn."""
    for index, (low, high) in enumerate(zip(edges_hz, edges_hz[1:], strict=False)):
        alpha = 0.65 if index % 2 else 0.3
        place = [(low, high - low)], (row - 0.36, 0.72)
        axes.broken_barh(*place, facecolor=tint, alpha=alpha, edgecolor="white", linewidth=0.4)


def figure_bytes(figure: Figure, ending: str, told: Mapping[str, str] | None = None) -> bytes:
    """The same figure gives the same bytes: no date, no random ids. told: what an svg or png says of itself."""
    buffer, told = io.BytesIO(), dict(told or {})
    fixed: dict[str, dict | None] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}, "jpg": None}
    of_kind = fixed[ending]
    metadata = None if of_kind is None else told | of_kind
    with matplotlib.rc_context({"svg.hashsalt": "bsrnn", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=ending, metadata=metadata, dpi={"svg": 72, "png": 150, "jpg": 110}[ending])
    return _numbered(buffer.getvalue()) if ending == "svg" else buffer.getvalue()


def _numbered(svg: bytes) -> bytes:
    """Ids of clips and markers in their order: matplotlib's are hashes of coordinates, whose last bits may differ from
    one drawing to the next, though none of the digits that are written does. An svg is a document of its own: two of
    them inside one page would share their ids."""
    known: dict[bytes, bytes] = {}
    return re.sub(rb'(?<=[#"])[mp][0-9a-f]{10}\b', lambda id_: known.setdefault(id_[0], b"id%d" % len(known)), svg)
