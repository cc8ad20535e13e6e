"""Where in the book each claim is explained, and where it has its verdict, as a figure."""

from matplotlib.figure import Figure

from bsrnn.report import figures
from bsrnn.report.claim_list import CLAIMS
from bsrnn.report.figures import GREY, SMALL_POINTS

EXPLAINED_IN = {"C1": (1, 8), "C2": (1, 8), "C3": (6, 6), "C4": (3, 4), "C5": (5, 5)}  # claim -> chapters
LAST_CHAPTER = 8


def drawn() -> Figure:
    """Which chapter explains a claim (circle), and which has its verdict (filled)."""
    figure = figures.new_figure(2.2)
    axes = figure.add_subplot()
    primary = [claim for claim in CLAIMS if claim.primary]
    for row, claim in enumerate(primary):
        explained, decided = EXPLAINED_IN[claim.id]
        axes.plot([explained, decided], [row, row], color=GREY, linewidth=1)
        axes.plot(explained, row, "o", color="black", markerfacecolor="white", markersize=9, zorder=3)
        axes.plot(decided, row, "o", color="black", markersize=9, zorder=3)
        axes.text(0.4, row, f"{claim.id}  {claim.statement}", ha="right", va="center", fontsize=SMALL_POINTS)
    axes.set_xticks(range(1, LAST_CHAPTER + 1))
    axes.set_yticks([])
    axes.set_xlim(0.5, LAST_CHAPTER + 0.5)
    axes.invert_yaxis()
    figures.style(axes, "chapter", "")
    return figure
