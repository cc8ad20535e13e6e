"""The chapter on separation and evaluation: hops, every test song, and the groups of songs where the models fail."""

from collections.abc import Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.config import SeparateConfig
from bsrnn.data.songs import Song
from bsrnn.metrics import usdr
from bsrnn.models.base import Separator
from bsrnn.report import artifact, figures
from bsrnn.report.artifact import Runs
from bsrnn.report.figures import FONT_POINTS, GREY
from bsrnn.report.stamps import OURS
from bsrnn.report.statistics import song_interval
from bsrnn.report.tables import METHODS, by_hop, mean_of, ordered, ours, published_rows, summaries_of
from bsrnn.separation import separate
from bsrnn.study.results import Results

WORST = 5  # songs at either end
METHOD_LOOKS = {  # beside the model: marker, colour, filled
    "mixture": ("_", GREY, True),
    "wiener": ("x", GREY, True),
    "wiener_oracle": ("s", GREY, False),
    "ratio_mask": ("^", "#000000", False),
}


@artifact.table("table2", "Table II, hop of the overlap-add", Runs({"hop"}, source=f"paper, Table II, and {OURS}"))
def table2(results: Results) -> pd.DataFrame:
    """uSDR of vocals for each hop; the cost counts model evaluations relative to a hop of 3 s. Rows with the same seeds
    are of the same weights; where a hop was measured with fewer seeds, compare it with no other row."""
    segment = results.profile.separate.segment_seconds
    rows = [row | {"cost": segment / row["hop_seconds"]} for row in published_rows("table2")]
    for hop, scored in by_hop(results).items():
        summaries = summaries_of(scored)
        row = {"hop_seconds": hop, "cost": segment / hop, "usdr_mean": mean_of(summaries, "usdr_mean")}
        rows.append(row | {"songs": summaries[0]["songs"]} | ours(results, scored))
    return ordered(rows, "hop_seconds", "cost", "usdr_mean", "songs")


# ---- song by song ----


def _songs(results: Results, target: str) -> pd.DataFrame:
    """A row a song whose target is not silent: uSDR of model and estimators in dB, means over seeds; what it is."""
    seeds = [done.songs() + done.new_songs() for done in results.find("base", target)]
    baselines = results.find("baselines", target)[0]
    table = pd.DataFrame(seeds[0])[["timbre", "silent_frames", "csdr_frames", "usdr_mixture"]]
    usdr_of_seeds = pd.DataFrame([[song["usdr"] for song in songs] for songs in seeds], dtype=float)
    table["model"], table["seed_sd"] = usdr_of_seeds.mean(), usdr_of_seeds.std()
    for method in (name for name in METHODS if name in baselines.scores):
        table[method] = [song["usdr"] for song in baselines.songs(method) + baselines.new_songs(method)]
    table["apart"] = [song.get("apart", False) for song in seeds[0]]
    table["rests"] = table["silent_frames"] / table["csdr_frames"]
    return table[table["model"].notna()]


@artifact.figure("songs", "Song by song", Runs({"base", "baselines"}))
def song_by_song(results: Results) -> Figure:
    """uSDR of every test song beside estimators without a network; songs sorted by the model's score, those with the
    training songs' timbres apart from those with new ones."""
    groups = {target: _by_timbre(_songs(results, target)) for target in results.targets("base")}
    columns = max(map(len, groups.values()))
    sizes = pd.DataFrame([[len(songs) for songs in of_target.values()] for of_target in groups.values()])
    widths = [max(int(size), 4) for size in sizes.max()]
    figure = figures.new_figure(2.5 * len(groups) + 0.5)
    grid = figure.subplots(len(groups), columns, squeeze=False, sharey="row", width_ratios=widths)
    for row, (target, of_target) in zip(grid, groups.items(), strict=True):
        for axes, (words, songs) in zip(row, of_target.items(), strict=False):
            _song_panel(axes, songs, target)
            figures.style(axes, "", "uSDR (dB)" if axes is row[0] else "", f"{target}, {words}")
        row[0].set_ylabel("uSDR (dB)", fontsize=FONT_POINTS)
    figure.supxlabel("test song, sorted by the model's score", fontsize=FONT_POINTS)
    figures.legend_above(figure, grid[0][0], 3)
    return figure


def _by_timbre(songs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Words for the timbres -> their songs, sorted by the model's score."""
    ranked = songs.sort_values("model", kind="stable")
    words = ranked["timbre"].map(lambda timbre: f"{timbre} timbre" if timbre else "test songs")
    return {name: ranked[words == name] for name in sorted(words.unique(), reverse=True)}  # seen, new


def _song_panel(axes, songs: pd.DataFrame, target: str) -> None:
    places = range(1, len(songs) + 1)
    axes.axhline(0, color="black", linewidth=0.8, label="silence (0 dB)")
    for method, (marker, tint, filled) in METHOD_LOOKS.items():
        if method in songs:
            look = {"color": tint, "markersize": 5, "markerfacecolor": tint if filled else "white"}
            axes.plot(places, songs[method], linestyle="none", marker=marker, label=METHODS[method], **look)
    look = {"color": figures.colour(target), "markersize": 6}
    axes.plot(places, songs["model"], linestyle="none", marker="o", label="BSRNN", **look)
    axes.set_xlim(0.4, len(songs) + 0.6)
    axes.set_xticks([])


# ---- failures ----


@artifact.table("failures", "Where the models fail", Runs({"base", "baselines"}))
def failures(results: Results) -> pd.DataFrame:
    """The test songs in groups: mean uSDR in dB over seeds and songs, 95 % interval over the songs of a group, mean
    standard deviation of a song over seeds, and beside it the mixture and the filter that knows the song. Songs of new
    timbres that are a test of their own are in no other group. Halves by the median of all; groups overlap, and the
    best and worst are chosen by the score itself."""
    rows = []
    for target in results.targets("base"):
        songs, behind = _songs(results, target), results.find("base", target)
        for words, inside in _groups(songs).items():
            group = songs[inside]
            if group.empty:
                continue
            row = {"target": target, "group": words, "songs": len(group), "usdr_mean": group["model"].mean()}
            row |= {name: group[name].mean() for name in ("seed_sd", "wiener_oracle")}
            row["mixture"] = group["usdr_mixture"].mean()
            if len(group) > 1 and not words.endswith((" best", " worst")):  # chosen by the score: it would say nothing
                row["low"], row["high"] = song_interval(group["model"], np.random.default_rng(0))
            rows.append(row | {"above_filter": row["usdr_mean"] - row["wiener_oracle"]} | ours(results, behind))
    columns = ("usdr_mean", "low", "high", "seed_sd", "mixture", "wiener_oracle", "above_filter")
    return ordered(rows, "target", "group", "songs", *columns)


def _groups(songs: pd.DataFrame) -> dict[str, pd.Series]:
    """Words -> whether each song is inside; songs of new timbres that are a test of their own are in no other group."""
    apart = songs["apart"]  # if there are any, all others have seen timbres
    model, mixture, rests = (songs[name].mask(apart) for name in ("model", "usdr_mixture", "rests"))
    ranked = model.dropna().sort_values().to_list()
    few = min(WORST, len(ranked))
    return {
        "all": model.notna(),
        "new timbres": apart,
        "target loud in the mixture (upper half)": mixture > mixture.median(),
        "target quiet in the mixture (lower half)": mixture <= mixture.median(),
        "few rests of the target (lower half)": rests <= rests.median(),
        "many rests of the target (upper half)": rests > rests.median(),
        f"the {few} best": model >= ranked[-few],
        f"the {few} worst": model <= ranked[few - 1],
    }


def worst(results: Results, target: str, first: int) -> int:
    """Index of the song that a target's models separate worst, of the ``first`` test songs."""
    return int(_songs(results, target)["model"].loc[: first - 1].idxmin())


def by_section(model: Separator, songs: Iterable[Song], target: str, settings: SeparateConfig) -> pd.DataFrame:
    """Scores in each kind of section of songs whose song.json names their sections, as the embedded ones' does.

    A kind is a section's name and what sounds in it beside the target. Its scores are means over its sections, of the
    target's uSDR where the target sounds; where it rests: the level of what the model leaves of the others, below the
    mixture.

    Returns:
        columns section, with, songs, seconds, usdr_mean, mixture, left_db; empty where no song names its sections.
    """
    rows = []
    for song in songs:
        sections = song.info.get("sections", ())
        if not sections:
            continue
        mixture, reference = song.read("mixture"), song.read(target)
        estimate = separate(model, mixture, song.sample_rate, **asdict(settings))[target]
        for section in sections:
            part = slice(*(round(section[end] * song.sample_rate) for end in ("start", "end")))
            whole, wanted, got = (sound[:, part] for sound in (mixture, reference, estimate))
            others = " and ".join(stem for stem in section["sounds"] if stem != target) or "nothing else"
            row = {"section": section["name"], "with": others, "song": song.name}
            if target in section["sounds"]:
                row |= {"usdr_mean": usdr(wanted, got), "mixture": usdr(wanted, whole)}
            else:
                row |= {"section": f"{section['name']}, {target} rests", "left_db": _level(got) - _level(whole)}
            rows.append(row | {"seconds": whole.shape[1] / song.sample_rate})
    table = pd.DataFrame(rows, columns=["section", "with", "song", "seconds", "usdr_mean", "mixture", "left_db"])
    parts = {"songs": ("song", "nunique"), "seconds": ("seconds", "sum")}
    parts |= {name: (name, "mean") for name in ("usdr_mean", "mixture", "left_db")}
    return table.groupby(["section", "with"], as_index=False).agg(**parts)


def _level(sound: np.ndarray) -> float:
    """In dB of full scale, not below -120."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))
