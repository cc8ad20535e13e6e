"""How a table looks: HTML for the book, Markdown for README.md, and headings for people."""

import html

import numpy as np
import pandas as pd

from bsrnn.study.results import OURS

PADDING = "padding:0.2em 0.6em"
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
    "seconds_per_song": "seconds a song",
    "best_item": "best at item",
    "threshold_db": "threshold (dB)",
    "truly_clean": "truly clean",
    "leak_median_db": "leak, median (dB)",
    "mixture_as_target_db": "mixture as target (dB)",
    "target_3s_db": "target, 3 s (dB)",
    "target_6s_db": "target, 6 s (dB)",
    "residual_3s_db": "residual, 3 s (dB)",
    "residual_6s_db": "residual, 6 s (dB)",
    "seen_usdr": "seen timbres",
    "new_usdr": "new timbres",
    "shifted_usdr": "shifted",
    "over_control": "over control (dB)",
    "shifted_over_control": "shifted: over control (dB)",
    "shifted_low": "low",
    "shifted_high": "high",
    "effect": "effect (dB)",
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


def caption(words: str) -> str:
    """A caption in the text's own colour: a theme's pale one hides where numbers come from."""
    look = "font-size:0.85em;color:var(--pst-color-text-base,inherit);text-align:left"
    return f'<figcaption style="{look}">{html.escape(words)}</figcaption>'


def to_html(table: pd.DataFrame, table_id: str) -> str:
    """HTML with rows of ours marked by a bar; columns that are empty or only repeat the caption are left out."""
    own = table[table["source"] == OURS] if "source" in table else table
    hidden = [name for name in ("profile", "seeds") if name in table and own[name].nunique() < 2]
    hidden += ["note"] if "note" in table else []
    if "source" in table and table["source"].nunique() == 1:  # the caption says it
        hidden += ["source", "data"]
    shown = table.drop(columns=hidden).dropna(axis=1, how="all")
    if "data" in shown:
        shown["data"] = shown["data"].str.split(" (", regex=False).str[0]  # the caption has the version
    ours = table["source"].eq(OURS) if "source" not in hidden and "source" in table else [False] * len(table)
    head = "".join(f'<th scope="col" style="{PADDING}">{html.escape(_heading(name))}</th>' for name in shown)
    lines = []
    for mark, row in zip(ours, shown.itertuples(index=False), strict=True):
        cells = "".join(f'<td style="{_look(value, len(row))}">{html.escape(_cell(value))}</td>' for value in row)
        style = ' style="background:rgba(0,114,178,0.12);box-shadow:inset 4px 0 #0072B2"' if mark else ""
        lines.append(f"<tr{style}>{cells}</tr>")
    body = "\n".join(lines)
    opening = f'<table id="{table_id}-table" style="font-size:0.85em">'
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def to_markdown(table: pd.DataFrame) -> str:
    """A table for README.md."""
    lines = ["| " + " | ".join(map(_heading, table)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def _heading(column: str) -> str:
    return HEADINGS.get(column, column.replace("_usdr", " uSDR").replace("_csdr", " cSDR").replace("_", " "))


def _cell(value) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _look(value, columns: int) -> str:
    """Numbers to the right; short words on one line where the table is narrow enough."""
    if not isinstance(value, str):
        return f"{PADDING};text-align:right"
    if columns > 10:  # a wide table scrolls; its words stay readable
        return f"{PADDING};min-width:{min(len(value), 24) * 0.45:.1f}em"
    return f"{PADDING};white-space:nowrap" if len(value) < 30 else f"{PADDING};min-width:12em"
