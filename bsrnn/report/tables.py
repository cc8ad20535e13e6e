"""What all tables share: the columns that say where a row comes from, means over seeds, HTML and Markdown.

Published rows come first, ours after them, and the columns ``source`` and ``data`` keep them apart. The last columns
say for every row of ours which profile and seeds it comes from, and whether it carries a claim. A value of ours is the
mean over seeds of what :func:`bsrnn.metrics.aggregate` gives for one.
"""

import html
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from bsrnn.errors import DataError
from bsrnn.report.stamps import OURS, claim_words, data_words, seed_words
from bsrnn.runtime import paths
from bsrnn.study.results import Finished, Results, mean

METHODS = {
    "silence": "silence",
    "mixture": "mixture",
    "wiener": "Wiener, trained",
    "wiener_oracle": "Wiener, knows the song",
    "model": "BSRNN",
    "ratio_mask": "ratio mask, knows the stems",
}
PUBLISHED = {"profile": "-", "seeds": "-", "note": "as published"}
MEANS = ("usdr_mean", "csdr_median", "leakage_db_mean")  # of a summary, over seeds
_LABEL_OF_SECONDS = re.compile(r"(?P<signal>target|residual)_(?P<seconds>[\d.]+)s_db")
LONG_TEXT = 30  # characters of a cell that may be broken into lines
COUNTS = ("csdr_frames_kept", "csdr_frames", "songs")  # of one seed
HEADINGS = {
    "usdr_mean": "uSDR, mean (dB)",
    "csdr_median": "cSDR, median (dB)",
    "leakage_db_mean": "leakage (dB)",
    "csdr_frames_kept": "cSDR frames kept",
    "csdr_frames": "of",
    "usdr": "uSDR (dB)",
    "csdr": "cSDR (dB)",
    "leakage_db": "leakage (dB)",
    "over_start": "over start (dB)",
    "csdr_over_control": "cSDR over control (dB)",
    "hop_seconds": "hop (s)",
    "cost": "cost (hop 3 s: 1)",
    "best_item": "best at item",
    "threshold_db": "threshold (dB)",
    "truly_clean": "truly clean",
    "leak_median_db": "leak, median (dB)",
    "mixture_as_target_db": "mixture as target (dB)",
    "seen_usdr": "seen timbres",
    "new_usdr": "new timbres",
    "shifted_usdr": "shifted",
    "over_control": "over control (dB)",
    "shifted_over_control": "shifted: over control (dB)",
    "shifted_low": "low",
    "shifted_high": "high",
    "effect": "effect (dB)",
    "difference": "difference [interval]",
    "silent_seeds": "seeds that stayed silent",
    "effect_where_both_learnt": "effect without these (dB)",
    "seed_band": "two SD of a difference over seeds (dB)",
    "paper_effect": "paper's effect (dB)",
    "margin": "margin (dB)",
    "detectable": "detectable (dB)",
    "bsrnn_above_it": "BSRNN above it (dB)",
    "gflop": "GFLOP an item",
    "work": "work (base: 1)",
    "train_seconds": "training (s)",
    "score_seconds": "scoring (s)",
    "wiener_oracle": "Wiener, knows the song (dB)",
    "above_filter": "BSRNN above it (dB)",
    "mixture": "mixture (dB)",
    "seed_sd": "SD over seeds (dB)",
    "paper_data": "paper's data",
    "authors_code": "authors' code",
}


def published(name: str) -> pd.DataFrame:
    """A table of data/published.

    Raises:
        DataError: there is no such table.
    """
    path = paths.published() / f"{name}.csv"
    if not path.is_file():
        raise DataError(f"{path}: no such table of published numbers; expected it in every clone")
    return pd.read_csv(path)


# ---- rows ----


def published_rows(name: str) -> list[dict]:
    """The rows of a published table as those of ours beside them: the paper's value is a mean uSDR."""
    rows = published(name).rename(columns={"value": "usdr_mean"}).to_dict("records")
    return [row | PUBLISHED for row in rows]


def ours(results: Results, behind: Sequence[Finished] = (), data: str | None = None) -> dict:
    """The last columns of a row of ours; ``behind``: the runs behind it, where it may not have all of the seeds."""
    profile = results.profile
    seeds = sorted({done.run.seed for done in behind})
    trained = {done.run.seed for done in behind if done.run.kind != "baselines"}  # these are computed once
    return {
        "source": OURS,
        "data": data or data_words(profile),
        "profile": profile.name,
        "seeds": ", ".join(map(str, seeds)) or seed_words(profile),
        "note": claim_words(profile, trained),
    }


def scores_of(summaries: list[dict]) -> dict:
    """Mean over seeds of each summary's scores, with the standard deviation of the first; counts are of one seed."""
    averaged = {name: mean([summary[name] for summary in summaries]) for name in MEANS}
    averaged["seed_sd"] = seed_deviation(summaries)
    return averaged | {name: summaries[0][name] for name in COUNTS}


def seed_deviation(summaries: list[dict]) -> float | None:
    """Standard deviation over seeds of the mean uSDR; None for one seed."""
    values = [summary["usdr_mean"] for summary in summaries if summary["usdr_mean"] is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def summaries_of(finished: Sequence[Finished]) -> list[dict]:
    return [done.scores["summary"] for done in finished]


def mean_of(summaries: list[dict], score: str) -> float | None:
    """One score's mean over seeds."""
    return mean([summary[score] for summary in summaries])


def ordered(rows: list[dict], *columns: str) -> pd.DataFrame:
    """The named columns, then those that say where a row comes from."""
    return whole_counts(pd.DataFrame(rows, columns=[*columns, "source", "data", "profile", "seeds", "note"]))


def whole_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, also beside empty cells."""
    return table.astype({name: "Int64" for name in COUNTS if name in table})


# ---- text ----


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV: four decimals at most, so that rounding noise changes no byte."""
    return table.round(4).to_csv(index=False, lineterminator="\n")


def caption_html(words: str) -> str:
    """A caption in the text's own colour: a theme's pale one hides where numbers come from."""
    look = "font-size:0.85em;color:var(--pst-color-text-base,inherit);text-align:left"
    return f'<figcaption style="{look}">{html.escape(words)}</figcaption>'


def to_html(table: pd.DataFrame, table_id: str) -> str:
    """HTML whose look is book/_static/code.css's; columns that are empty or only repeat the caption are left out."""
    own = table[table["source"] == OURS] if "source" in table else table
    hidden = [name for name in ("profile", "seeds") if name in table and own[name].nunique() < 2]
    if "source" in table and table["source"].nunique() == 1:  # the caption says it
        hidden += ["source", "data"]
    shown = table.drop(columns=[*hidden, "note"], errors="ignore").dropna(axis=1, how="all")
    if "data" in shown:
        shown["data"] = shown["data"].str.split(" (", regex=False).str[0]  # the caption has the version
    classes = shown.map(_css_class)
    if "source" in shown:
        classes[shown["source"] == OURS] += " ours"
    styler = Styler(shown, uuid=table_id, cell_ids=False).hide(axis="index").set_td_classes(classes)
    styler = styler.format(_cell, escape="html").format_index(_heading, axis="columns", escape="html")
    return styler.set_table_attributes('class="results"').to_html()


def _css_class(value) -> str:
    if not isinstance(value, str):
        return "number"
    return "words" if len(value) < LONG_TEXT else "text"


def to_markdown(table: pd.DataFrame) -> str:
    """A table for README.md."""
    lines = ["| " + " | ".join(map(_heading, table)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def _heading(column: str) -> str:
    if label := _LABEL_OF_SECONDS.fullmatch(column):
        return f"{label['signal']}, {label['seconds']} s (dB)"
    return HEADINGS.get(column, column.replace("_usdr", " uSDR").replace("_csdr", " cSDR").replace("_", " "))


def _cell(value) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
