"""The chapter on the model: the paper's figure 1, drawn from the configuration; no number in it is typed by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig
from bsrnn.report import artifact, figures
from bsrnn.report.artifact import Configuration
from bsrnn.report.diagrams import BLUE, GREEN, ORANGE, PLAIN, PLAIN_EDGE, arrow, box, canvas, circled, text
from bsrnn.report.figures import GREY, WIDTH_INCHES
from bsrnn.study import profiles
from bsrnn.study.profiles import Profile

LSTM_WAYS = ("along time: a sequence a band", "along bands: a sequence a frame")
ORANGE_LINE = figures.TARGET_COLOURS["vocals"]


@artifact.figure("fig1", "Figure 1, the band-split RNN", Configuration())
def architecture(profile: Profile) -> Figure:
    """(A) the pipeline, (B) band split, (C) band and sequence modelling, (D) mask estimation, with the numbers of
    bands and the shapes that the vocals model of this profile has."""
    model, paper, seconds = profile.bsrnn, profiles.PAPER_MODEL, profile.mixing.chunk_seconds
    widths = band_widths("vocals", model.n_fft, model.sample_rate, model.band_edges)
    frames = 1 + round(seconds * model.sample_rate) // model.hop_samples
    figure, axes = canvas(6.55)
    _pipeline(axes, 5.65, model, widths, frames, seconds)
    _band_split(axes, 3.75, model, widths)
    _band_sequence(axes, 1.95, model, len(widths), frames)
    _mask(axes, 0.4, model, widths)
    if model != paper:
        words = f"paper: N = {paper.features} and {paper.modules} modules; "
        words += f"here N = {model.features}, modules = {model.modules}"
        text(axes, WIDTH_INCHES - 0.05, 6.4, words, ha="right", color=GREY)
    return figure


def _title(axes, y: float, words: str) -> None:
    text(axes, 0.05, y, words, 9, ha="left", fontweight="bold")


def _pipeline(axes, y: float, model: ModelConfig, widths: list[int], frames: int, seconds: float) -> None:
    _title(axes, y + 0.75, "(A) Pipeline")
    n = model.features
    text(axes, 0.35, y, f"mixture\n{seconds:g} s, one\nchannel")
    box(axes, (1.15, y), (0.6, 0.55), f"STFT\n{model.n_fft}\nhop {model.hop_samples}", PLAIN, 6.5)
    box(axes, (2.25, y), (0.85, 0.6), "(B)\nBand split", BLUE)
    box(axes, (3.75, y), (1.15, 0.6), f"(C) Band and\nsequence\nmodules × {model.modules}", GREEN)
    box(axes, (5.2, y), (0.9, 0.6), "(D) Mask\nestimation", ORANGE)
    circled(axes, 6.05, y, "×")
    box(axes, (6.5, y), (0.5, 0.4), "iSTFT")
    text(axes, 7.18, y, model.targets[0] if len(model.targets) == 1 else "targets")
    gaps = ((0.65, 0.85), (1.45, 1.825), (2.675, 3.175), (4.325, 4.75), (5.65, 5.93), (6.17, 6.25), (6.75, 6.93))
    for start, end in gaps:
        arrow(axes, (start, y), (end, y))
    arrow(axes, (1.62, y), (1.62, y - 0.5), (6.05, y - 0.5), (6.05, y - 0.12))
    text(axes, 3.75, y - 0.62, f"X: {sum(widths)} bins × {frames} frames, complex; the mask has the same shape")
    text(axes, 2.95, y + 0.45, f"Z: {n} × {len(widths)} × {frames}")
    text(axes, 4.55, y + 0.45, f"{n} × {len(widths)} × {frames}")
    text(axes, 3.75, y + 0.62, "features N × bands K × frames T", 6.5, color=GREY)


def _band_split(axes, y: float, model: ModelConfig, widths: list[int]) -> None:
    _title(axes, y + 0.85, "(B) Band split: a normalisation and a linear layer of its own for each band")
    n, last = model.features, len(widths)
    scale, x, base = 1.3 / len(widths), 0.75, y - 0.65
    for index in range(last):  # every band a slice; heights are equal here, the true widths stand in figure "bands"
        look: dict[str, Any] = {"facecolor": BLUE if index % 2 else "white", "edgecolor": PLAIN_EDGE, "linewidth": 0.3}
        axes.add_patch(Rectangle((x - 0.3, base + index * scale), 0.6, scale, **look))
    text(axes, x, base - 0.12, f"X: {sum(widths)} bins in K = {last} bands", 6.5)
    group = model.normalisation == "group"
    norm, frames = ("group norm", " × T frames") if group else ("layer norm", "")
    rows = ((last, y + 0.5), (2, y - 0.1), (1, y - 0.5))
    for band, height in rows:
        g = widths[band - 1]
        source = base + (band - 0.5) * scale
        arrow(axes, (x + 0.3, source), (1.75, height))
        box(axes, (2.3, height), (1.1, 0.33), f"band {band}: {g} bins\n2 · {g} = {2 * g} values", "white", 6.5)
        box(axes, (3.75, height), (1.15, 0.33), f"{norm} over\n{2 * g} values{frames}", BLUE, 6.5)
        box(axes, (5.15, height), (1.0, 0.33), f"linear\n{2 * g} → N = {n}", BLUE, 6.5)
        arrow(axes, (2.85, height), (3.175, height))
        arrow(axes, (4.325, height), (4.65, height))
        arrow(axes, (5.65, height), (6.3, y))
    for column in (2.3, 3.75, 5.15):
        text(axes, column, y + 0.2, "⋮", 11)
    box(axes, (6.75, y), (0.9, 0.5), f"stack\nZ: {n} × {last} × T", PLAIN, 6.5)


def _band_sequence(axes, y: float, model: ModelConfig, bands: int, frames: int) -> None:
    _title(axes, y + 0.75, "(C) One module: a residual BLSTM along time, then one along bands")
    n, hidden = model.features, model.lstm_hidden
    for left, title, shared in (
        (0.15, f"along T = {frames} frames", f"shared by the {bands} bands"),
        (3.95, f"along K = {bands} bands", f"shared by the {frames} frames"),
    ):
        text(axes, left + 1.75, y + 0.45, f"{title}, {shared}")
        x = [left + 0.55, left + 1.65, left + 2.7]
        box(axes, (x[0], y), (0.75, 0.45), "group\nnorm", GREEN)
        box(axes, (x[1], y), (0.95, 0.45), f"BLSTM, hidden\n2 × {hidden}", GREEN, 7)
        box(axes, (x[2], y), (0.75, 0.45), f"linear\n{2 * hidden} → {n}", GREEN, 7)
        circled(axes, left + 3.4, y, "+")
        starts = (left, x[0] + 0.375, x[1] + 0.475, x[2] + 0.375)
        for start, end in zip(starts, (x[0] - 0.375, x[1] - 0.475, x[2] - 0.375, left + 3.28), strict=True):
            arrow(axes, (start, y), (end, y))
        arrow(axes, (left + 0.06, y), (left + 0.06, y - 0.42), (left + 3.4, y - 0.42), (left + 3.4, y - 0.12))
    axes.plot([3.67, 3.95], [y, y], color=PLAIN_EDGE, linewidth=1)


def _mask(axes, y: float, model: ModelConfig, widths: list[int]) -> None:
    _title(axes, y + 0.6, "(D) Mask estimation: an MLP of its own for each band, here band 1")
    n, hidden, g = model.features, model.mlp_hidden, widths[0]
    layers = f"{model.mlp_layers} hidden layer" + ("s" if model.mlp_layers > 1 else "")
    stations = (
        (0.9, f"{n} features\nof a frame", "white"),
        (2.05, "normalise", ORANGE),
        (3.3, f"linear, tanh\n{n} → {hidden}\n({layers})", ORANGE),
        (4.6, f"linear\n{hidden} → 4 · {g} = {4 * g}", ORANGE),
        (5.75, f"GLU\n{4 * g} → {2 * g}", ORANGE),
        (6.85, f"mask\n{g} bins,\nre and im", "white"),
    )
    for (x, words, fill), following in zip(stations, [*stations[1:], None], strict=True):
        width = 1.0 if fill != "white" else 0.85
        box(axes, (x, y), (width, 0.55), words, fill, 6.5)
        if following:
            next_width = 1.0 if following[2] != "white" else 0.85
            arrow(axes, (x + width / 2, y), (following[0] - next_width / 2, y))


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
