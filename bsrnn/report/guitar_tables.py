"""What the chapter on the guitar shows, from the runs of the profile guitar: no audio is needed.

Only folds whose three results are there (both splits and the estimators without a network) count, so that every row
compares the same songs.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.bands import SCHEMES, widths_from_steps
from bsrnn.report import plots
from bsrnn.report.effects import song_interval
from bsrnn.report.tables import METHODS
from bsrnn.runtime.files import read_json
from bsrnn.study import guitar, runs
from bsrnn.study.profiles import GUITAR
from bsrnn.study.results import OURS, Results, claim_words

COMMAND = "make reproduce PROFILE=guitar UNTIL=run"
KINDS = {"songs": "songs", "artists": "artists"}
NAMES = METHODS | {"mixture": "mixture itself", "v7": "BSRNN, V7", "guitar": "BSRNN, guitar split"}
FEWEST = 4  # songs for an interval over songs
ORDER = ("silence", "mixture", "wiener", "wiener_oracle", "v7", "guitar", "ratio_mask")
OURS_HERE = {
    "source": OURS,
    "data": "eight real songs",
    "profile": GUITAR.name,
    "seeds": "0",
    "note": claim_words(GUITAR),
}
COLOURS = {"Sectoid": "#D55E00", "Muldjord": "#0072B2"}


def finished() -> dict[str, dict[str, dict]]:
    """Id of a fold -> the finished runs' scores: of "v7", "guitar" and "baselines"."""
    scores: dict[str, dict[str, dict]] = {fold.id: {} for fold in guitar.FOLDS}
    fold_ids = {fold.test: fold.id for fold in guitar.FOLDS}
    for run in runs.grid(GUITAR.name).values():
        if run.seed == GUITAR.seeds[0] and run.result_path().is_file():
            fold = fold_ids[run.profile.data.hold_out]
            scores[fold][run.variant or run.kind] = runs.load(run)["scores"]
    return scores


def folds() -> list[str]:
    """Ids of the folds that are whole."""
    return [fold for fold, there in finished().items() if there.keys() == {"v7", "guitar", "baselines"}]


def progress() -> str:
    """How much of the experiment is there, in a line."""
    whole, wanted = folds(), [fold.id for fold in guitar.FOLDS]
    if missing := [fold for fold in wanted if fold not in whole]:
        return f"{len(whole)} of {len(wanted)} folds are computed; still missing: {', '.join(missing)}"
    return f"all {len(wanted)} folds are computed"


def lacks_scores() -> str:
    """Why there are no scores to show; "" if there are."""
    return "" if folds() else f"results/guitar has no finished fold: `{COMMAND}` computes them"


def lacks_spectra() -> str:
    """Why there are no spectra to show; "" if there are."""
    there = guitar.spectra_path().is_file()
    return "" if there else "results/guitar has no spectra: `python -m bsrnn.study.guitar` computes them"


def scores() -> pd.DataFrame:
    """A row for each fold's song: kind, fold, song, artist; of every method its name (uSDR) and ``<name>_csdr``."""
    whole, there, rows = folds(), finished(), []
    for fold in guitar.FOLDS:
        if fold.id not in whole:
            continue
        parts = there[fold.id] | there[fold.id]["baselines"]
        for index, song in enumerate(fold.test):
            row = {"kind": fold.kind, "fold": fold.id, "song": song, "artist": guitar.artist(song)}
            for method in ORDER:
                scored = parts[method]["songs"][index]
                row |= {method: scored["usdr"], f"{method}_csdr": scored["csdr"]}
            rows.append(row)
    return pd.DataFrame(rows)


def songs(results: Results) -> pd.DataFrame:
    """uSDR song by song; ``results`` of a profile are not looked at."""
    table = scores()
    shown = table[["kind", "song"]].rename(columns={"kind": "held out"})
    for method in ORDER[1:]:
        shown[NAMES[method]] = table[method]
    shown["guitar split over V7"] = table["guitar"] - table["v7"]
    return shown.assign(**OURS_HERE)


def means(results: Results) -> pd.DataFrame:
    """Means over songs of each kind of fold and method; the splits' difference, with an interval from four songs on."""
    table, rows = scores(), []
    for kind in KINDS:
        part = table[table["kind"] == kind]
        if part.empty:
            continue
        for method in ORDER:
            row = {"held out": kind, "method": NAMES[method], "usdr_mean": part[method].mean()}
            csdr = pd.to_numeric(part[f"{method}_csdr"])
            rows.append(row | {"cSDR, mean (dB)": csdr.mean() if csdr.notna().any() else None, "songs": len(part)})
        difference = part["guitar"] - part["v7"]
        enough = len(part) >= FEWEST
        low, high = song_interval(difference, np.random.default_rng(0)) if enough else (None, None)
        row = {"held out": kind, "method": "guitar split over V7", "usdr_mean": difference.mean()}
        row |= {"low": low, "high": high, "songs": len(part)}
        rows.append(row | {"cSDR, mean (dB)": (part["guitar_csdr"] - part["v7_csdr"]).mean()})
    columns = ["held out", "method", "usdr_mean", "low", "high", "cSDR, mean (dB)", "songs"]
    return pd.DataFrame(rows).reindex(columns=columns).assign(**OURS_HERE)


def split(results: Results) -> Figure:
    """The guitars' and the rests' long-term spectra above, both splits below."""
    measured = read_json(guitar.spectra_path())
    figure = plots.new_figure(4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.3])
    for index, song in enumerate(measured["songs"]):
        name = song["artist"]
        first = name not in [other["artist"] for other in measured["songs"][:index]]
        look = {"color": COLOURS.get(name, "black"), "linestyle": "-" if name == "Sectoid" else "--", "linewidth": 1.1}
        label = f"guitar, {name}" if first else None
        upper.plot(measured["centres_hz"], song["guitar_db"], label=label, **look)
    rest = np.median([song["rest_db"] for song in measured["songs"]], axis=0)
    upper.plot(measured["centres_hz"], rest, color=plots.GREY, linewidth=2, label="the rest, median")
    plots.style(upper, "", "dB of the stem's power")
    upper.set_ylim(-60, 0)
    plots.legend(upper, loc="lower center", ncols=3)
    rows = {"V7": SCHEMES["v7"], "guitar": guitar.GUITAR_STEPS}
    for row, steps in enumerate(rows.values()):
        edges = np.concatenate([[0], np.cumsum(widths_from_steps(steps))]) * GUITAR.model.sample_rate
        edges = edges / GUITAR.model.n_fft
        for index, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            lower.broken_barh([(low, high - low)], (row - 0.36, 0.72), facecolor=plots.TARGET_COLOURS["drums"],
                              alpha=0.65 if index % 2 else 0.3, edgecolor="white", linewidth=0.4)  # fmt: skip
        lower.text(22_600, row, f"{len(edges) - 1}", va="center", fontsize=plots.FONT_POINTS)
    plots.style(lower, "frequency (Hz)", "")
    lower.set_yticks(range(len(rows)), list(rows), fontsize=plots.FONT_POINTS)
    lower.invert_yaxis()
    lower.set_xscale("log")
    lower.set_xlim(40, 22_050)
    ticks = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
    lower.set_xticks(ticks, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in ticks])
    lower.minorticks_off()
    return figure
