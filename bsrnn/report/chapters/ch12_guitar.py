"""The chapter on the guitar, drawn from the runs of the profile guitar: no audio is needed.

Only folds whose three results are there (both splits and the estimators without a network) count, so that every row
compares the same songs.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.bands import SCHEMES, widths_from_steps
from bsrnn.report import artifact, figures
from bsrnn.report.artifact import Elsewhere
from bsrnn.report.stamps import OURS, claim_words, data_words
from bsrnn.report.statistics import FEWEST_SONGS, song_interval
from bsrnn.report.tables import METHODS
from bsrnn.runtime.files import read_json
from bsrnn.study import guitar, runs
from bsrnn.study.profiles import GUITAR
from bsrnn.study.runs import Run

COMMAND = "make reproduce PROFILE=guitar UNTIL=run"
KINDS = ("songs", "artists")  # what is held out
NAMES = METHODS | {"mixture": "mixture itself", "v7": "BSRNN, V7", "guitar": "BSRNN, guitar split"}
ORDER = ("silence", "mixture", "wiener", "wiener_oracle", "v7", "guitar", "ratio_mask")
OURS_HERE = {
    "source": OURS,
    "data": data_words(GUITAR),
    "profile": GUITAR.name,
    "seeds": "0",
    "note": claim_words(GUITAR),
}
SOURCE = f"{OURS}, results/guitar: eight real songs by two artists, seed 0, the same in every profile; carries no claim"
COLOURS = {"Sectoid": "#D55E00", "Muldjord": "#0072B2"}
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


def whole_folds() -> dict[str, dict[str, Run]]:
    """Id of a fold -> "v7", "guitar" and "baselines" -> run, of the folds whose results are all there."""
    fold_ids = {fold.test: fold.id for fold in guitar.FOLDS}
    by_fold: dict[str, dict[str, Run]] = {fold.id: {} for fold in guitar.FOLDS}
    for run in runs.grid(GUITAR.name).values():
        if "fold" in run.roles and run.seed == GUITAR.seeds[0]:
            by_fold[fold_ids[run.profile.data.hold_out]][run.variant or run.kind] = run
    return {fold: methods for fold, methods in by_fold.items() if all(run.finished() for run in methods.values())}


def finished_runs() -> list[Run]:
    """Every run that the scores come from."""
    return [run for methods in whole_folds().values() for run in methods.values()]


def progress() -> str:
    """How much of the experiment is there, in a line."""
    whole, wanted = whole_folds(), [fold.id for fold in guitar.FOLDS]
    if missing := [fold for fold in wanted if fold not in whole]:
        return f"{len(whole)} of {len(wanted)} folds are computed; still missing: {', '.join(missing)}"
    return f"all {len(wanted)} folds are computed"


def lacks_scores() -> str:
    """Why there are no scores to show; "" if there are."""
    return "" if whole_folds() else f"results/guitar has no finished fold: `{COMMAND}` computes them"


def lacks_spectra() -> str:
    """Why there are no spectra to show; "" if there are."""
    measured = guitar.spectra_path().is_file()
    return "" if measured else "results/guitar has no spectra: `python -m bsrnn.study.guitar` computes them"


@artifact.figure("guitar_split", "A band split for the guitar", Elsewhere(SOURCE, lacks_spectra))
def split() -> Figure:
    """Above, the long-term spectrum of each song's guitar and the median of the rests', as the share of each third
    octave in the stem's power; below, the subbands of V7 and of the guitar split, with their numbers."""
    measured = read_json(guitar.spectra_path())
    figure = figures.new_figure(4.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.3])
    labelled = set()
    for song in measured["songs"]:
        name = song["artist"]
        look = {"color": COLOURS.get(name, "black"), "linestyle": "-" if name == "Sectoid" else "--", "linewidth": 1.1}
        label = None if name in labelled else f"guitar, {name}"
        upper.plot(measured["centres_hz"], song["guitar_db"], label=label, **look)
        labelled.add(name)
    rest = np.median([song["rest_db"] for song in measured["songs"]], axis=0)
    upper.plot(measured["centres_hz"], rest, color=figures.GREY, linewidth=2, label="the rest, median")
    figures.style(upper, "", "dB of the stem's power")
    upper.set_ylim(-60, 0)
    figures.legend(upper, loc="lower center", ncols=3)
    model, steps = GUITAR.model, {"V7": SCHEMES["v7"], "guitar": guitar.GUITAR_STEPS}
    for row, of_split in enumerate(steps.values()):
        edges = np.concatenate([[0], np.cumsum(widths_from_steps(of_split))]) * model.sample_rate / model.n_fft
        figures.split_row(lower, row, edges, figures.TARGET_COLOURS["drums"])
        lower.text(22_600, row, f"{len(edges) - 1}", va="center", fontsize=figures.FONT_POINTS)
    figures.style(lower, "frequency (Hz)", "")
    lower.set_yticks(range(len(steps)), list(steps), fontsize=figures.FONT_POINTS)
    lower.invert_yaxis()
    lower.set_xscale("log")
    lower.set_xlim(40, 22_050)
    lower.set_xticks(TICKS_HZ, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in TICKS_HZ])
    lower.minorticks_off()
    return figure


def scores() -> pd.DataFrame:
    """A row for each fold's song: kind, fold, song, artist; of every method its name (uSDR) and ``<name>_csdr``."""
    rows, whole = [], whole_folds()
    for fold in (fold for fold in guitar.FOLDS if fold.id in whole):
        results = {method: runs.load(run)["scores"] for method, run in whole[fold.id].items()}
        of_methods = results.pop("baselines") | results
        for index, song in enumerate(fold.test):
            row = {"kind": fold.kind, "fold": fold.id, "song": song, "artist": guitar.artist(song)}
            for method in ORDER:
                scored = of_methods[method]["songs"][index]
                row |= {method: scored["usdr"], f"{method}_csdr": scored["csdr"]}
            rows.append(row)
    return pd.DataFrame(rows)


@artifact.table("guitar_songs", "Guitar, song by song", Elsewhere(SOURCE, lacks_scores, finished_runs))
def song_by_song() -> pd.DataFrame:
    """uSDR in dB of each held-out song's middle minute."""
    table = scores()
    shown = table[["kind", "song"]].rename(columns={"kind": "held out"})
    for method in ORDER[1:]:
        shown[NAMES[method]] = table[method]
    shown["guitar split over V7"] = table["guitar"] - table["v7"]
    return shown.assign(**OURS_HERE)


@artifact.table("guitar", "Guitar, over songs", Elsewhere(SOURCE, lacks_scores, finished_runs))
def means() -> pd.DataFrame:
    """Mean uSDR and median cSDR over the songs of the finished folds, for each way of holding songs out; last, the
    difference of the two splits, song by song, from four songs on with its 95 % bootstrap interval over songs, which
    knows nothing of seeds."""
    table, rows = scores(), []
    for kind in KINDS:
        part = table[table["kind"] == kind]
        if part.empty:
            continue
        for method in ORDER:
            row = {"held out": kind, "method": NAMES[method], "usdr_mean": part[method].mean()}
            csdr = pd.to_numeric(part[f"{method}_csdr"])
            rows.append(row | {"csdr_median": csdr.median() if csdr.notna().any() else None, "songs": len(part)})
        difference = part["guitar"] - part["v7"]
        row = {"held out": kind, "method": "guitar split over V7", "usdr_mean": difference.mean(), "songs": len(part)}
        if len(part) >= FEWEST_SONGS:
            row["low"], row["high"] = song_interval(difference, np.random.default_rng(0))
        rows.append(row | {"csdr_median": (part["guitar_csdr"] - part["v7_csdr"]).median()})
    columns = ["held out", "method", "usdr_mean", "low", "high", "csdr_median", "songs"]
    return pd.DataFrame(rows).reindex(columns=columns).assign(**OURS_HERE)
