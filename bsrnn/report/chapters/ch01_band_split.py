"""The chapter on the band split: every split against frequency."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from bsrnn import config
from bsrnn.bands import DERIVED, SCHEMES
from bsrnn.report import artifact, figures
from bsrnn.report.artifact import CONFIGURATION
from bsrnn.report.figures import FONT_POINTS, GREY, SMALL_POINTS, band_edges_hz, colour
from bsrnn.study.results import Results

TICKS_HZ = (0, 250, 500, 750, 1000, 2000, 4000, 8000, 16000)


@artifact.figure("bands", "Band splits", CONFIGURATION)
def bands(results: Results) -> Figure:
    """Every split of Section V-A against frequency; each box is one subband, a number its count."""
    labels = {f"v{number}": f"V{number}" for number in range(1, 8)} | {"bass": "bass", "drums": "drums"}
    users = [target for target in config.TARGETS if SCHEMES[target] == SCHEMES["v7"]]
    labels["v7"] += f" ({', '.join(users)})"
    tints = {"v7": colour("vocals"), "bass": colour("bass"), "drums": colour("drums")}
    return _splits(labels, tints, 3.6)


def derived_bands() -> Figure:
    """V7 and the splits of as many bands that follow from a rule or from data, on the same axis as :func:`bands`."""
    labels = {"v7": "V7"} | {name: name.removesuffix("41") for name in DERIVED}
    return _splits(labels, {"v7": colour("vocals")}, 2.4)


def _splits(labels: Mapping[str, str], tints: Mapping[str, str], height_inches: float) -> Figure:
    """A row a split: scheme -> label, and its colour where that is not grey."""
    figure = figures.new_figure(height_inches)
    axes = figure.add_subplot()
    for row, scheme in enumerate(labels):
        edges = band_edges_hz(scheme)
        figures.split_row(axes, row, edges, tints.get(scheme, GREY))
        axes.text(edges[-1] * 1.06, row, f"{len(edges) - 1}", va="center", fontsize=FONT_POINTS)
    axes.set_yticks(range(len(labels)), labels.values(), fontsize=FONT_POINTS)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=1000, linscale=1.2)
    words = [f"{hz / 1000:g}k" if hz >= 1000 else f"{hz}" for hz in TICKS_HZ]
    axes.set_xticks(TICKS_HZ, words, fontsize=SMALL_POINTS)
    axes.minorticks_off()
    axes.set_xlim(0, 30000)
    axes.set_xlabel("frequency (Hz; linear to 1 kHz, logarithmic above)", fontsize=FONT_POINTS)
    axes.set_title("number of bands", fontsize=SMALL_POINTS, loc="right")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
