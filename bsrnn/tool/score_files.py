"""A model's scores as ``bsrnn evaluate`` gives them: scores.json, scores.csv and a table for the terminal."""

import csv
import io
from pathlib import Path

from bsrnn.runtime import preflight
from bsrnn.runtime.files import write_json, write_text

FILES = ("scores.json", "scores.csv")
MARKS = ('"csdr_frames_kept"', "target,song,")  # by which they are known


def check_free(folder: Path) -> None:
    """ConfigError where a file of these names is not of ``bsrnn evaluate``."""
    for name, mark in zip(FILES, MARKS, strict=True):
        preflight.ours(folder / name, mark)


def write(folder: Path, scores: dict, conditions: dict) -> None:
    """Write both files; ``conditions`` (model, data, split, ...) go into the JSON.

    Raises:
        BSRNNError: the system refuses, or the disk is full.
    """
    write_json(folder / FILES[0], conditions | {"scores": scores})
    rows, text = _rows(scores), io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / FILES[1], text.getvalue())


def table(scores: dict) -> str:
    """A line for each song, and one for each target's summary."""
    lines = [f"{'target':10} {'uSDR':>7} {'cSDR':>7} {'mixture':>7}  song"]
    for row in _rows(scores):
        values = " ".join(f"{_db(row[name]):>7}" for name in ("usdr", "csdr", "usdr_mixture"))
        lines.append(f"{row['target']:10} {values}  {row['song']}")
    for target, part in scores.items():
        summary = part["summary"]
        usdr = f"uSDR {_db(summary['usdr_mean'])} dB (mean of {summary['usdr_songs']} songs)"
        lines.append(f"{target}: {usdr}, cSDR {_db(summary['csdr_median'])} dB (median of {summary['csdr_songs']})")
    return "\n".join(lines)


def _rows(scores: dict) -> list[dict]:
    return [{"target": target} | row for target, part in scores.items() for row in part["songs"]]


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
