"""The chapter on the model: the paper's figure 1, drawn from the configuration; no number in it is typed by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig
from bsrnn.report import artifact, figures
from bsrnn.report.artifact import CONFIGURATION
from bsrnn.report.diagrams import BLUE, GREEN, ORANGE, PLAIN, PLAIN_EDGE, arrow, box, canvas, circled, text
from bsrnn.report.figures import GREY, WIDTH_INCHES
from bsrnn.study import profiles
from bsrnn.study.results import Results

LSTM_WAYS = ("along time: a sequence a band", "along bands: a sequence a frame")
ORANGE_LINE = figures.TARGET_COLOURS["vocals"]


@artifact.figure("fig1", "Figure 1, the band-split RNN", CONFIGURATION)
def architecture(results: Results) -> Figure:
    """(A) the pipeline, (B) band split, (C) band and sequence modelling, (D) mask estimation, with the numbers of
    bands and the shapes that the vocals model of this profile has."""
    profile, paper = results.profile, profiles.PAPER_MODEL
    model, seconds = profile.bsrnn, profile.mixing.chunk_seconds
    widths = band_widths("vocals", model.n_fft, model.sample_rate, model.band_edges)
    frames = 1 + round(seconds * model.sample_rate) // model.hop_samples
    figure, axes = canvas(8.35)
    _pipeline(axes, 7.15, model, widths, frames, seconds)
    _band_split(axes, 4.8, model, widths)
    _band_sequence(axes, 2.4, model, len(widths), frames)
    _mask(axes, 0.5, model, widths)
    if model != paper:
        words = f"paper: N = {paper.features} and {paper.modules} modules; "
        words += f"here N = {model.features}, modules = {model.modules}"
        text(axes, WIDTH_INCHES - 0.05, 8.2, words, ha="right", color=GREY)
    return figure


def _title(axes, y: float, words: str) -> None:
    text(axes, 0.05, y, words, 10.5, ha="left", fontweight="bold")


def _pipeline(axes, y: float, model: ModelConfig, widths: list[int], frames: int, seconds: float) -> None:
    _title(axes, y + 1.05, "(A) Pipeline")
    n = model.features
    text(axes, 0.38, y, f"mixture\n{seconds:g} s,\none\nchannel")
    box(axes, (1.15, y), (0.7, 0.65), f"STFT\n{model.n_fft}\nhop {model.hop_samples}", PLAIN)
    box(axes, (2.2, y), (0.85, 0.7), "(B)\nBand split", BLUE)
    box(axes, (3.6, y), (1.1, 0.7), f"(C) Band and\nsequence\nmodules × {model.modules}", GREEN)
    box(axes, (5.0, y), (0.9, 0.7), "(D) Mask\nestimation", ORANGE)
    circled(axes, 5.85, y, "×")
    box(axes, (6.45, y), (0.6, 0.45), "iSTFT")
    text(axes, 7.2, y, model.targets[0] if len(model.targets) == 1 else "targets")
    gaps = ((0.66, 0.8), (1.5, 1.775), (2.625, 3.05), (4.15, 4.55), (5.45, 5.72), (5.98, 6.15), (6.75, 6.95))
    for start, end in gaps:
        arrow(axes, (start, y), (end, y))
    arrow(axes, (1.63, y), (1.63, y - 0.58), (5.85, y - 0.58), (5.85, y - 0.13))
    text(axes, 3.75, y - 0.73, f"X: {sum(widths)} bins × {frames} frames, complex; the mask has the same shape")
    text(axes, 2.8, y + 0.5, f"Z: {n} × {len(widths)} × {frames}")
    text(axes, 4.4, y + 0.5, f"{n} × {len(widths)} × {frames}")
    text(axes, 3.6, y + 0.72, "features N × bands K × frames T", color=GREY)


def _band_split(axes, y: float, model: ModelConfig, widths: list[int]) -> None:
    _title(axes, y + 1.1, "(B) Band split: a normalisation and a linear layer of its own for each band")
    n, last = model.features, len(widths)
    scale, x, base = 1.6 / len(widths), 0.65, y - 0.8
    for index in range(last):  # every band a slice; heights are equal here, the true widths stand in figure "bands"
        look: dict[str, Any] = {"facecolor": BLUE if index % 2 else "white", "edgecolor": PLAIN_EDGE, "linewidth": 0.3}
        axes.add_patch(Rectangle((x - 0.3, base + index * scale), 0.6, scale, **look))
    text(axes, 0.05, base - 0.16, f"X: {sum(widths)} bins in K = {last} bands", ha="left")
    group = model.normalisation == "group"
    norm, frames = ("group norm", " × T") if group else ("layer norm", "")
    rows = ((last, y + 0.6), (2, y - 0.1), (1, y - 0.6))
    for band, height in rows:
        g = widths[band - 1]
        source = base + (band - 0.5) * scale
        arrow(axes, (x + 0.3, source), (1.45, height))
        box(axes, (2.2, height), (1.5, 0.42), f"band {band}: {g} bins\n2 · {g} = {2 * g} values", "white")
        box(axes, (3.9, height), (1.3, 0.42), f"{norm} over\n{2 * g} values{frames}", BLUE)
        box(axes, (5.3, height), (1.05, 0.42), f"linear\n{2 * g} → N = {n}", BLUE)
        arrow(axes, (2.95, height), (3.25, height))
        arrow(axes, (4.55, height), (4.775, height))
        arrow(axes, (5.825, height), (6.25, y))
    for column in (2.2, 3.9, 5.3):
        text(axes, column, y + 0.25, "⋮", 12)
    box(axes, (6.82, y), (1.15, 0.55), f"stack\nZ: {n} × {last} × T", PLAIN)


def _band_sequence(axes, y: float, model: ModelConfig, bands: int, frames: int) -> None:
    _title(axes, y + 0.95, "(C) One module: a residual BLSTM along time, then one along bands")
    n, hidden = model.features, model.lstm_hidden
    for left, title, shared in (
        (0.1, f"along T = {frames} frames", f"shared by the {bands} bands"),
        (3.9, f"along K = {bands} bands", f"shared by the {frames} frames"),
    ):
        text(axes, left + 1.75, y + 0.58, f"{title}, {shared}")
        x = [left + 0.55, left + 1.67, left + 2.75]
        box(axes, (x[0], y), (0.7, 0.5), "group\nnorm", GREEN)
        box(axes, (x[1], y), (1.15, 0.5), f"BLSTM, hidden\n2 × {hidden}", GREEN)
        box(axes, (x[2], y), (0.75, 0.5), f"linear\n{2 * hidden} → {n}", GREEN)
        circled(axes, left + 3.42, y, "+")
        starts = (left, x[0] + 0.35, x[1] + 0.575, x[2] + 0.375)
        for start, end in zip(starts, (x[0] - 0.35, x[1] - 0.575, x[2] - 0.375, left + 3.29), strict=True):
            arrow(axes, (start, y), (end, y))
        arrow(axes, (left + 0.06, y), (left + 0.06, y - 0.48), (left + 3.42, y - 0.48), (left + 3.42, y - 0.13))
    axes.plot([3.65, 3.9], [y, y], color=PLAIN_EDGE, linewidth=1)


def _mask(axes, y: float, model: ModelConfig, widths: list[int]) -> None:
    _title(axes, y + 0.7, "(D) Mask estimation: an MLP of its own for each band, here band 1")
    n, hidden, g = model.features, model.mlp_hidden, widths[0]
    layers = f"{model.mlp_layers} hidden layer" + ("s" if model.mlp_layers > 1 else "")
    stations = (
        (0.5, 0.95, f"{n} features\nof a frame", "white"),
        (1.65, 0.85, "normalise", ORANGE),
        (2.95, 1.25, f"linear, tanh\n{n} → {hidden}\n({layers})", ORANGE),
        (4.5, 1.35, f"linear\n{hidden} → 4 · {g} = {4 * g}", ORANGE),
        (5.8, 0.75, f"GLU\n{4 * g} → {2 * g}", ORANGE),
        (6.92, 0.9, f"mask\n{g} bins,\nre and im", "white"),
    )
    for (x, width, words, fill), following in zip(stations, [*stations[1:], None], strict=True):
        box(axes, (x, y), (width, 0.65), words, fill)
        if following:
            arrow(axes, (x + width / 2, y), (following[0] - following[1] / 2, y))


# ---- drawn from a song in the notebook ----


def ways_of_the_lstms(level_db: np.ndarray, edges_hz: Sequence[float], seconds: float) -> Figure:
    """The two directions of a module over a song's own bands and frames; level_db: (K, frames), each band's mean."""
    figure = figures.new_figure(2.9)
    bands, frames = level_db.shape
    shown = np.linspace(0, bands - 1, 7).round().astype(int)
    for axes, along, words in zip(figure.subplots(1, 2, sharey=True), ("time", "bands"), LSTM_WAYS, strict=True):
        axes.imshow(level_db, origin="lower", aspect="auto", cmap="Greys", extent=(0, seconds, 0, bands))
        look: dict[str, Any] = {"arrowstyle": "<->", "color": ORANGE_LINE, "linewidth": 1.4}
        for place in (shown + 0.5) / bands:
            ends = ((0.01, place), (0.99, place)) if along == "time" else ((place, 0.01), (place, 0.99))
            axes.annotate("", ends[1], ends[0], xycoords="axes fraction", arrowprops=look)
        axes.set_yticks(shown + 0.5, [f"{k + 1}: {edges_hz[k] / 1000:.1f} kHz" for k in shown])
        figures.style(axes, "seconds", "band k, from" if along == "time" else "", words)
        axes.grid(visible=False)
    return figure


def mask_at_work(mixture: np.ndarray, mask: np.ndarray, seconds: float, highest_hz: float, target: str) -> Figure:
    """Levels of mixture, mask and their product, each (F, frames) and complex, from 0 Hz up."""
    figure = figures.new_figure(2.6)
    parts = {"mixture X (dB)": mixture, "mask M (dB)": mask, f"estimated {target}, M X (dB)": mask * mixture}
    top = 20 * np.log10(np.abs(mixture).max() + 1e-9)
    for axes, (words, values) in zip(figure.subplots(1, 3, sharey=True), parts.items(), strict=True):
        high, cmap = (6, "viridis") if values is mask else (top, "magma")
        low = -40 if values is mask else top - 80
        image = axes.imshow(20 * np.log10(np.abs(values) + 1e-9), origin="lower", aspect="auto", cmap=cmap, vmin=low,
                            vmax=high, extent=(0, seconds, 0, highest_hz / 1000), rasterized=True)  # fmt: skip
        figures.style(axes, "seconds", "frequency (kHz)" if values is mixture else "", words)
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, orientation="horizontal", pad=0.02, aspect=30)
    return figure
