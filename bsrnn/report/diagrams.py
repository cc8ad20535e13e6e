"""Strokes of the paper's two figures. An axis unit is an inch, so that text and boxes keep their proportion."""

from typing import Any

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from bsrnn.report.figures import SMALL_POINTS, WIDTH_INCHES, new_figure

BLUE, ORANGE, GREEN, PLAIN = "#D6E8F5", "#FBE3CF", "#D3EDE3", "#F2F2F2"
PLAIN_EDGE = "#444444"


def canvas(height_inches: float):
    """(figure, axes), as wide as a book column."""
    figure = new_figure(height_inches)
    axes = figure.add_subplot()
    axes.set(xlim=(0, WIDTH_INCHES), ylim=(0, height_inches))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure, axes


def box(axes, place: tuple[float, float], size: tuple[float, float], words: str, fill: str = PLAIN,
        points: float = SMALL_POINTS) -> None:  # fmt: skip
    """A box of a width and height, centred at (x, y)."""
    (x, y), (width, height) = place, size
    look: dict[str, Any] = {"facecolor": fill, "edgecolor": PLAIN_EDGE, "linewidth": 0.9}
    rounded = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle=rounded, **look))
    axes.text(x, y, words, ha="center", va="center", fontsize=points, linespacing=1.25)


def arrow(axes, *points: tuple[float, float], dashed: bool = False) -> None:
    """A line through the points with a head at the last."""
    xs, ys = zip(*points[:-1], strict=True)
    look: dict[str, Any] = {"color": PLAIN_EDGE, "linewidth": 1, "linestyle": "--" if dashed else "-"}
    if len(points) > 2:
        axes.plot(xs, ys, solid_capstyle="butt", **look)
    axes.add_patch(
        FancyArrowPatch(points[-2], points[-1], arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0, **look)
    )


def text(axes, x: float, y: float, words: str, points: float = SMALL_POINTS, **settings) -> None:
    """Words centred at (x, y)."""
    axes.text(x, y, words, **({"ha": "center", "va": "center", "fontsize": points, "color": "#222222"} | settings))


def circled(axes, x: float, y: float, sign: str) -> None:
    """A sign in a circle."""
    look = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": PLAIN_EDGE, "linewidth": 0.9}
    axes.text(x, y, sign, ha="center", va="center", fontsize=10, bbox=look)
