"""Figures of results and band splits, each a matplotlib Figure, and what all figures share.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; where colour carries meaning, a marker or
a dash does, too. A target has one colour throughout the book. No pyplot: nothing here depends on a notebook's settings.
"""

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bsrnn import config
from bsrnn.bands import DERIVED, SCHEMES, band_widths
from bsrnn.study import costs
from bsrnn.study.results import Results, is_base, is_baselines, is_peer, is_split, mean

WIDTH_INCHES = 7.5  # a book column
TARGET_COLOURS = {"vocals": "#D55E00", "drums": "#0072B2", "bass": "#009E73", "other": "#CC79A7"}
OTHER_COLOUR = "#000000"  # a target that the paper does not have
GREY, LIGHT = "#666666", "#E8E8E8"
FONT_POINTS = 9
FOOTER_POINTS = 6.5
METHOD_MARKS = {  # method -> label, marker, colour, filled
    "mixture": ("mixture", "_", GREY, True),
    "wiener": ("Wiener, trained", "x", GREY, True),
    "wiener_oracle": ("Wiener, knows the song", "s", GREY, False),
    "ratio_mask": ("ratio mask, knows the stems", "^", "#000000", False),
}


def colour(target: str) -> str:
    """The colour of a target."""
    return TARGET_COLOURS.get(target, OTHER_COLOUR)


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
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.006, "\n".join(lines), fontsize=FOOTER_POINTS, color="#444444", va="bottom", linespacing=1.2)


def style(axes, x: str, y: str, title: str = "") -> None:
    """Labels with units, a light grid, no box."""
    axes.set_xlabel(x, fontsize=FONT_POINTS)
    axes.set_ylabel(y, fontsize=FONT_POINTS)
    axes.set_title(title, fontsize=FONT_POINTS, loc="left", fontweight="bold")
    axes.tick_params(labelsize=FONT_POINTS - 1)
    axes.grid(color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes, **settings) -> None:
    """A plain legend."""
    axes.legend(fontsize=FONT_POINTS - 1.5, frameon=False, **settings)


def training(results: Results) -> Figure:
    """Loss and validation uSDR of every supervised training of the targets and of Table I."""
    figure = new_figure(3.2)
    left, right = figure.subplots(1, 2)
    dashes = iter(["--", ":", "-.", (0, (1, 3)), (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (6, 3))])
    dash_of: dict[str, object] = {}
    for one in results.find(lambda run: is_base(run) or is_split(run)):
        split = one.run.profile.model.band_split
        own = is_base(one.run)
        label = f"{one.run.target}, {'its own split' if own else f'split {str(split).upper()}'}"
        seen = label in dash_of
        dash = dash_of.setdefault(label, "-" if own else next(dashes, "--"))
        history = one.training["history"]
        items = [entry["items"] for entry in history]
        look = {"color": colour(one.run.target), "linestyle": dash, "linewidth": 1.6 if own else 1.2}
        look |= {"marker": "o", "markersize": 3} if len(items) < 20 else {}
        left.plot(items, [entry["loss"] for entry in history], **look)
        right.plot(items, [entry["valid_usdr"] for entry in history], label=None if seen else label, **look)
    style(left, "training items", "loss (equation 1)", "Training")
    style(right, "training items", "mean uSDR (dB)", "Validation")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    legend(right)
    return figure


def songs(results: Results) -> Figure:
    """Every test song's uSDR, by method; one panel a target and a group of timbres."""
    targets = results.targets(is_base)
    groups = {target: _song_groups(results, target) for target in targets}
    columns = max(len(group) for group in groups.values())
    counts = [max(len(list(group.values())[i]) for group in groups.values() if i < len(group)) for i in range(columns)]
    figure = new_figure(2.5 * len(targets) + 0.5)
    grid = figure.subplots(len(targets), columns, squeeze=False, sharey="row", width_ratios=[max(n, 4) for n in counts])
    for row, target in zip(grid, targets, strict=True):
        for axes, (timbre, songs) in zip(row, groups[target].items(), strict=False):
            _song_panel(axes, songs, target)
            style(axes, "", "uSDR (dB)" if axes is row[0] else "", f"{target}, {timbre}")
        row[0].set_ylabel("uSDR (dB)", fontsize=FONT_POINTS)
    for axes in grid[-1]:
        axes.set_xlabel("test song, sorted by the model's score", fontsize=FONT_POINTS)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=FONT_POINTS - 1.5, frameon=False)
    return figure


def _song_groups(results: Results, target: str) -> dict[str, list[dict]]:
    """Words for the timbres -> one dict a song: method -> uSDR, sorted by the model's, which is a mean over seeds."""
    seeds = [one.scores["songs"] for one in results.find(is_base, target)]
    others = results.find(is_baselines, target)[0].scores
    groups: dict[str, list[dict]] = {}
    for index, song in enumerate(seeds[0]):
        if song["usdr"] is None:
            continue  # the target is silent throughout
        scores = {name: others[name]["songs"][index]["usdr"] for name in METHOD_MARKS if name in others}
        words = f"{song['timbre']} timbre" if song["timbre"] else "test songs"
        model = mean([songs[index]["usdr"] for songs in seeds])
        groups.setdefault(words, []).append(scores | {"model": model})
    return {
        words: sorted(songs, key=lambda song: song["model"]) for words, songs in sorted(groups.items(), reverse=True)
    }


def _song_panel(axes, songs: list[dict], target: str) -> None:
    places = range(1, len(songs) + 1)
    axes.axhline(0, color="black", linewidth=0.8, label="silence (0 dB)")
    for method, (label, marker, tint, filled) in METHOD_MARKS.items():
        if method in songs[0]:
            axes.plot(
                places,
                [song[method] for song in songs],
                linestyle="none",
                marker=marker,
                color=tint,
                label=label,
                markersize=5,
                markerfacecolor=tint if filled else "white",
            )
    axes.plot(
        places,
        [song["model"] for song in songs],
        linestyle="none",
        marker="o",
        color=colour(target),
        markersize=6,
        label="BSRNN",
    )
    axes.set_xlim(0.4, len(songs) + 0.6)
    axes.set_xticks([])


def learning(results: Results) -> Figure:
    """Validation uSDR of BSRNN and its peers against steps and against operations, a curve a seed."""
    figure = new_figure(3.2)
    panels = figure.subplots(1, 2, sharey=True)
    target = results.targets(is_peer)[0]
    dashes = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
    tints = (colour("vocals"), "#0072B2", "#009E73", "#000000", "#CC79A7")
    looks = dict(zip(("BSRNN", *config.PEER_NAMES.values()), zip(dashes, tints, strict=True), strict=True))
    seen = set()
    for one in results.find(lambda run: is_base(run) or is_peer(run), target):
        name = config.PEER_NAMES[one.run.profile.model.system] if is_peer(one.run) else "BSRNN"
        history, train = one.training["history"], one.run.profile.train
        forward = costs.forward_operations(one.run.profile.model, one.run.profile.mixing.chunk_seconds)
        items = np.array([entry["items"] for entry in history])
        scores = [entry["valid_usdr"] for entry in history]
        dash, tint = looks[name]
        look = {"linestyle": dash, "color": tint, "linewidth": 1.3, "marker": "o", "markersize": 3}
        label = None if name in seen else name
        panels[0].plot(items / train.batch_items, scores, label=label, **look)
        panels[1].plot(3 * forward * items / 1e12, scores, **look)  # a backward pass takes two forward ones
        seen.add(name)
    style(panels[0], "steps", "mean uSDR, validation (dB)", f"{target}, against steps")
    style(panels[1], "operations of the training (10¹²)", "", "against operations")
    handles, names = panels[0].get_legend_handles_labels()  # above: curves may be anywhere
    figure.legend(handles, names, loc="outside upper center", ncols=4, fontsize=FONT_POINTS - 1.5, frameon=False)
    return figure


def contrasts(results: Results) -> Figure:
    """Every contrast of the claims that has runs: mean, interval, seeds, margin, and the paper's own difference."""
    from bsrnn.report import claims

    table, tables = claims.table(results), claims.difference_tables(results)
    rows = [row for row in table.itertuples() if not np.isnan(row.effect)]
    figure = new_figure(0.5 * len(rows) + 1.1)
    axes = figure.add_subplot()
    labelled = {}
    for place, row in enumerate(rows):
        primary, of_seeds = "," not in row.claim, tables[row.claim].mean(1)
        tint = "black" if primary else GREY
        margin = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 0.9}
        labelled["margin"] = axes.plot([row.margin] * 2, [place - 0.4, place + 0.4], **margin)[0]
        if not np.isnan(row.low):
            width = 2.4 if primary else 1.4
            labelled["interval"] = axes.plot([row.low, row.high], [place] * 2, color=tint, linewidth=width)[0]
        dots = [place + 0.22] * len(of_seeds)
        labelled["a seed"] = axes.plot(of_seeds, dots, ".", color=tint, markersize=4)[0]
        labelled["mean"] = axes.plot(row.effect, place, "o", color=tint, markersize=7 if primary else 5)[0]
        if not np.isnan(row.paper_effect):
            paper = {"color": "#D55E00", "markersize": 6, "markerfacecolor": "white"}
            labelled["the paper's, on its data"] = axes.plot(row.paper_effect, place, "D", **paper)[0]
    figure.legend(
        list(labelled.values()), list(labelled), loc="outside upper center", ncols=5, frameon=False,
        fontsize=FONT_POINTS - 1.5,
    )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    labels = [f"{row.claim}: {row.contrast}" for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=FONT_POINTS - 1)
    axes.invert_yaxis()
    style(axes, "difference of the mean uSDR (dB)", "")
    return figure


def band_edges_hz(scheme: str, sample_rate: int = 44100, n_fft: int = 2048) -> list[float]:
    """Frequency in Hz at which each band begins, and where the last one ends."""
    edges = [0]
    for width in band_widths(scheme, n_fft, sample_rate):
        edges.append(edges[-1] + width)
    return [edge * sample_rate / n_fft for edge in edges]


def bands(results: Results) -> Figure:
    """Every split of Section V-A, linear up to 1 kHz and logarithmic above."""
    names = [f"v{number}" for number in range(1, 8)] + ["bass", "drums"]
    tints = [colour("vocals" if name == "v7" else name) if name in ("v7", "bass", "drums") else GREY for name in names]
    users = {name: [target for target in config.TARGETS if SCHEMES[target] == SCHEMES[name]] for name in names}
    labels = [
        f"{name.upper()} ({', '.join(users[name])})"
        if name[0] == "v" and users[name]
        else name.upper()
        if name[0] == "v"
        else name
        for name in names
    ]
    return _splits(names, labels, tints, 3.6)


def derived_bands() -> Figure:
    """V7 and the splits of as many bands that follow from a rule or from data, on the same axis as :func:`bands`."""
    labels = ["V7", *(name.removesuffix("41") for name in DERIVED)]
    return _splits(["v7", *DERIVED], labels, [colour("vocals")] + [GREY] * len(DERIVED), 2.4)


def _splits(names: list[str], labels: list[str], tints: list[str], height_inches: float) -> Figure:
    """A row a split."""
    figure = new_figure(height_inches)
    axes = figure.add_subplot()
    for row, (name, tint) in enumerate(zip(names, tints, strict=True)):
        edges = band_edges_hz(name)
        for index, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            axes.broken_barh(
                [(low, high - low)],
                (row - 0.36, 0.72),
                facecolor=tint,
                alpha=0.65 if index % 2 else 0.3,
                edgecolor="white",
                linewidth=0.4,
            )
        axes.text(edges[-1] * 1.06, row, f"{len(edges) - 1}", va="center", fontsize=FONT_POINTS)
    axes.set_yticks(range(len(names)), labels, fontsize=FONT_POINTS)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=1000, linscale=1.2)
    ticks = [0, 250, 500, 750, 1000, 2000, 4000, 8000, 16000]
    axes.set_xticks(ticks, [f"{hz / 1000:g}k" if hz >= 1000 else f"{hz}" for hz in ticks], fontsize=FONT_POINTS - 1)
    axes.minorticks_off()
    axes.set_xlim(0, 30000)
    axes.set_xlabel("frequency (Hz; linear to 1 kHz, logarithmic above)", fontsize=FONT_POINTS)
    axes.set_title("number of bands", fontsize=FONT_POINTS - 1, loc="right")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
