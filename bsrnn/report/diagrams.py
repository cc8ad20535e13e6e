"""The paper's two figures, drawn from the configuration: no number in them is typed by hand."""

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig
from bsrnn.report.plots import GREY, WIDTH_INCHES
from bsrnn.study import profiles
from bsrnn.study.results import Results

BLUE, ORANGE, GREEN, PLAIN = "#D6E8F5", "#FBE3CF", "#D3EDE3", "#F2F2F2"
PLAIN_EDGE = "#444444"


# ---- strokes; an axis unit is an inch, so that text and boxes keep their proportion ----


def _canvas(height_inches: float):
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, WIDTH_INCHES), ylim=(0, height_inches))
    axes.set_aspect("equal")
    axes.axis("off")
    return figure, axes


def _box(
    axes, x: float, y: float, width: float, height: float, text: str, fill: str = PLAIN, points: float = 7.5
) -> None:
    """A box centred at (x, y)."""
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=fill,
        edgecolor=PLAIN_EDGE,
        linewidth=0.9,
    )
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", fontsize=points, linespacing=1.25)


def _arrow(axes, *points: tuple[float, float], dashed: bool = False) -> None:
    """A line through the points with a head at the last."""
    xs, ys = zip(*points[:-1], strict=True)
    look = {"color": PLAIN_EDGE, "linewidth": 1, "linestyle": "--" if dashed else "-"}
    if len(points) > 2:
        axes.plot(xs, ys, solid_capstyle="butt", **look)
    axes.add_patch(
        FancyArrowPatch(points[-2], points[-1], arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0, **look)
    )


def _text(axes, x: float, y: float, text: str, points: float = 7, **settings) -> None:
    axes.text(x, y, text, **({"ha": "center", "va": "center", "fontsize": points, "color": "#222222"} | settings))


def _sum(axes, x: float, y: float, sign: str) -> None:
    axes.text(
        x,
        y,
        sign,
        ha="center",
        va="center",
        fontsize=9,
        bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": PLAIN_EDGE, "linewidth": 0.9},
    )


# ---- figure 1 ----


def architecture(results: Results) -> Figure:
    """Figure 1 with the sizes of the profile's vocals model."""
    model, paper = results.profile.model, profiles.PAPER.model
    widths = band_widths("vocals", model.n_fft, model.sample_rate, model.band_edges)
    bins, frames = sum(widths), 1 + round(results.profile.mixing.chunk_seconds * model.sample_rate) // model.hop_samples
    figure, axes = _canvas(6.55)
    _pipeline(axes, 5.65, model, len(widths), bins, frames, results.profile.mixing.chunk_seconds)
    _band_split(axes, 3.75, model, widths)
    _band_sequence(axes, 1.95, model, len(widths), frames)
    _mask(axes, 0.4, model, widths)
    if model != paper:
        same = f"N = {paper.features} and {paper.modules} modules"
        _text(
            axes,
            WIDTH_INCHES - 0.05,
            6.4,
            f"paper: {same}; here N = {model.features}, modules = {model.modules}",
            ha="right",
            color=GREY,
        )
    return figure


def _title(axes, y: float, text: str) -> None:
    _text(axes, 0.05, y, text, 9, ha="left", fontweight="bold")


def _pipeline(axes, y: float, model: ModelConfig, bands: int, bins: int, frames: int, seconds: float) -> None:
    _title(axes, y + 0.75, "(A) Pipeline")
    n = model.features
    _text(axes, 0.35, y, f"mixture\n{seconds:g} s, one\nchannel")
    _box(axes, 1.15, y, 0.6, 0.55, f"STFT\n{model.n_fft}\nhop {model.hop_samples}", PLAIN, 6.5)
    _box(axes, 2.25, y, 0.85, 0.6, "(B)\nBand split", BLUE)
    _box(axes, 3.75, y, 1.15, 0.6, f"(C) Band and\nsequence\nmodules × {model.modules}", GREEN)
    _box(axes, 5.2, y, 0.9, 0.6, "(D) Mask\nestimation", ORANGE)
    _sum(axes, 6.05, y, "×")
    _box(axes, 6.5, y, 0.5, 0.4, "iSTFT")
    _text(axes, 7.18, y, model.targets[0] if len(model.targets) == 1 else "targets")
    for start, end in (
        (0.65, 0.85),
        (1.45, 1.825),
        (2.675, 3.175),
        (4.325, 4.75),
        (5.65, 5.93),
        (6.17, 6.25),
        (6.75, 6.93),
    ):
        _arrow(axes, (start, y), (end, y))
    _arrow(axes, (1.62, y), (1.62, y - 0.5), (6.05, y - 0.5), (6.05, y - 0.12))
    _text(axes, 3.75, y - 0.62, f"X: {bins} bins × {frames} frames, complex; the mask has the same shape")
    _text(axes, 2.95, y + 0.45, f"Z: {n} × {bands} × {frames}")
    _text(axes, 4.55, y + 0.45, f"{n} × {bands} × {frames}")
    _text(axes, 3.75, y + 0.62, "features N × bands K × frames T", 6.5, color=GREY)


def _band_split(axes, y: float, model: ModelConfig, widths: list[int]) -> None:
    _title(axes, y + 0.85, "(B) Band split: a normalisation and a linear layer of its own for each band")
    n, last = model.features, len(widths)
    scale, x, base = 1.3 / len(widths), 0.75, y - 0.65
    for index in range(last):  # every band a slice; heights are equal here, the true widths stand in figure "bands"
        axes.add_patch(
            Rectangle(
                (x - 0.3, base + index * scale),
                0.6,
                scale,
                facecolor=BLUE if index % 2 else "white",
                edgecolor=PLAIN_EDGE,
                linewidth=0.3,
            )
        )
    _text(axes, x, base - 0.12, f"X: {sum(widths)} bins in K = {last} bands", 6.5)
    group = model.normalisation == "group"
    norm, frames = ("group norm", " × T frames") if group else ("layer norm", "")
    rows = ((last, y + 0.5), (2, y - 0.1), (1, y - 0.5))
    for band, height in rows:
        g = widths[band - 1]
        source = base + (band - 0.5) * scale
        _arrow(axes, (x + 0.3, source), (1.75, height))
        _box(axes, 2.3, height, 1.1, 0.33, f"band {band}: {g} bins\n2 · {g} = {2 * g} values", "white", 6.5)
        _box(axes, 3.75, height, 1.15, 0.33, f"{norm} over\n{2 * g} values{frames}", BLUE, 6.5)
        _box(axes, 5.15, height, 1.0, 0.33, f"linear\n{2 * g} → N = {n}", BLUE, 6.5)
        _arrow(axes, (2.85, height), (3.175, height))
        _arrow(axes, (4.325, height), (4.65, height))
        _arrow(axes, (5.65, height), (6.3, y))
    for column in (2.3, 3.75, 5.15):
        _text(axes, column, y + 0.2, "⋮", 11)
    _box(axes, 6.75, y, 0.9, 0.5, f"stack\nZ: {n} × {last} × T", PLAIN, 6.5)


def _band_sequence(axes, y: float, model: ModelConfig, bands: int, frames: int) -> None:
    _title(axes, y + 0.75, "(C) One module: a residual BLSTM along time, then one along bands")
    n, hidden = model.features, model.lstm_hidden
    for left, title, shared in (
        (0.15, f"along T = {frames} frames", f"shared by the {bands} bands"),
        (3.95, f"along K = {bands} bands", f"shared by the {frames} frames"),
    ):
        _text(axes, left + 1.75, y + 0.45, f"{title}, {shared}")
        x = [left + 0.55, left + 1.65, left + 2.7]
        _box(axes, x[0], y, 0.75, 0.45, "group\nnorm", GREEN)
        _box(axes, x[1], y, 0.95, 0.45, f"BLSTM, hidden\n2 × {hidden}", GREEN, 7)
        _box(axes, x[2], y, 0.75, 0.45, f"linear\n{2 * hidden} → {n}", GREEN, 7)
        _sum(axes, left + 3.4, y, "+")
        for start, end in (
            (left, x[0] - 0.375),
            (x[0] + 0.375, x[1] - 0.475),
            (x[1] + 0.475, x[2] - 0.375),
            (x[2] + 0.375, left + 3.28),
        ):
            _arrow(axes, (start, y), (end, y))
        _arrow(axes, (left + 0.06, y), (left + 0.06, y - 0.42), (left + 3.4, y - 0.42), (left + 3.4, y - 0.12))
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
    for (x, text, fill), following in zip(stations, [*stations[1:], None], strict=True):
        width = 1.0 if fill != "white" else 0.85
        _box(axes, x, y, width, 0.55, text, fill, 6.5)
        if following:
            next_width = 1.0 if following[2] != "white" else 0.85
            _arrow(axes, (x + width / 2, y), (following[0] - next_width / 2, y))


# ---- figure 2 ----


def sampling(results: Results) -> Figure:
    """Figure 2 with the finetuning's thresholds, gains and drop probability."""
    finetune, mixing = results.profile.finetune, results.profile.mixing
    seconds, db = mixing.chunk_seconds, finetune.threshold_db
    figure, axes = _canvas(4.6)
    _box(axes, 0.8, 3.9, 1.3, 0.6, "labelled songs L\n(all stems)", PLAIN)
    _box(axes, 0.8, 1.5, 1.3, 0.6, "unlabelled songs U\n(mixtures only)", PLAIN)
    _text(axes, 0.8, 1.05, "salient segments", 6.5, color=GREY)
    _box(axes, 2.6, 4.1, 1.35, 0.3, "clean target", BLUE)
    _box(axes, 2.6, 3.7, 1.35, 0.3, "clean residual", ORANGE)
    for height in (4.1, 3.7):
        _arrow(axes, (1.45, 3.9), (1.92, height))
    _text(axes, 0.8, 3.45, f"salient segments,\n{seconds:g} s of each", 6.5, color=GREY)
    _box(axes, 2.6, 1.5, 1.35, 0.6, f"teacher P\nseparates the {finetune.teacher_sees}", GREEN)
    _arrow(axes, (1.45, 1.5), (1.925, 1.5))
    rules = (
        (2.55, f"mixture − target\nestimate > {db:g} dB", "the mixture is a\nclean residual", ORANGE),
        (1.5, f"mixture − residual\n> {db:g} dB", "the mixture is a\nclean target", BLUE),
        (0.45, "otherwise", "pseudo target and\npseudo residual", PLAIN),
    )
    for height, rule, outcome, fill in rules:
        _arrow(axes, (3.275, 1.5), (3.42, 1.5), (3.42, height), (3.55, height))
        _text(axes, 3.58, height, rule, 6.5, ha="left")
        _box(axes, 5.05, height, 1.0, 0.5, outcome, fill, 6.5)
    _text(axes, 3.58, 3.0, f"energies of the {finetune.energy_over} in dB:", 6.5, ha="left", color=GREY)
    pools = 5.72
    axes.plot([pools, pools], [0.45, 4.1], color=PLAIN_EDGE, linewidth=1)
    for height in (2.55, 1.5, 0.45):
        axes.plot([5.55, pools], [height, height], color=PLAIN_EDGE, linewidth=1)
    for height in (4.1, 3.7):
        axes.plot([3.275, pools], [height, height], color=PLAIN_EDGE, linewidth=1)
    _box(axes, 6.65, 3.55, 1.45, 0.7, "pools: draw one target\nand one residual", PLAIN, 6.5)
    _arrow(axes, (pools, 3.55), (5.925, 3.55))
    _box(
        axes,
        6.65,
        2.5,
        1.45,
        0.8,
        f"each ± {mixing.gain_db:g} dB or dropped\n(p = {mixing.drop_probability:g}); sum;\ndivide by the peak",
        PLAIN,
        6.5,
    )
    _arrow(axes, (6.65, 3.2), (6.65, 2.9))
    _box(axes, 6.65, 1.4, 1.45, 0.6, f"train student Q\nlearning rate {finetune.train.learning_rate:g}", GREEN, 7)
    _arrow(axes, (6.65, 2.1), (6.65, 1.7))
    if finetune.self_boosting:
        _arrow(axes, (6.65, 1.1), (6.65, 0.06), (2.6, 0.06), (2.6, 1.2), dashed=True)
        _text(axes, 2.5, 0.62, "Q better than P on the\nvalidation songs: P ← Q", 6.5, ha="right")
    return figure
