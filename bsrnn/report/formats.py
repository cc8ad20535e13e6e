"""How a table's numbers and headings read. Set here and nowhere else: the CSV files keep every digit and every name.

A column has one number of decimals, from how large its numbers are: counts stand whole, with their thousands set off,
and no column shows digits that nobody compares.
"""

import math
import re
from collections.abc import Hashable, Iterable
from numbers import Real

import numpy as np
import pandas as pd

LABEL_OF_SECONDS = re.compile(r"(?P<signal>target|residual)_(?P<seconds>[\d.]+)s_db")
NOTHING = "–"
SMALLEST_P = 0.001
LARGE = 1000.0  # from here on a number stands without decimals
# a margin of 0.1 or 0.3 dB decides on these, so that two decimals would hide on which side a difference lies
BESIDE_A_MARGIN = ("effect", "low", "high", "detectable", "margin", "paper_effect")
MARGIN_DECIMALS = 3
# a mean and its interval have one number of decimals
TOGETHER = (("effect", "low", "high"), ("new_effect", "new_low", "new_high"))
SMALLEST_WRITTEN_OUT = 1e-5  # below, a number is written with an exponent
HEADINGS = {
    "usdr_mean": "uSDR, mean (dB)",
    "lowest": "lowest (dB)",
    "highest": "highest (dB)",
    "csdr_median": "cSDR, median (dB)",
    "leakage_db_mean": "leakage (dB)",
    "csdr_frames_kept": "cSDR frames kept",
    "csdr_frames": "cSDR frames",
    "usdr": "uSDR (dB)",
    "usdr_mixture": "mixture: uSDR (dB)",
    "valid_usdr": "uSDR, validation (dB)",
    "csdr": "cSDR (dB)",
    "leakage_db": "leakage (dB)",
    "over_start": "over start (dB)",
    "csdr_over_control": "cSDR over control (dB)",
    "twice_usdr_mean": "twice the items: uSDR, mean (dB)",
    "twice_best_item": "twice the items: best at item",
    "over_best": "over the best weights (dB)",
    "hop_seconds": "hop (s)",
    "cost": "cost (hop 3 s: 1)",
    "best_item": "best at item",
    "threshold_db": "threshold (dB)",
    "truly_clean": "truly clean",
    "leak_median_db": "leak, median (dB)",
    "mixture_as_target_db": "mixture as target (dB)",
    "new_usdr": "new timbres",
    "new_usdr_mean": "new timbres: uSDR, mean (dB)",
    "over_control": "over control (dB)",
    "effect": "effect (dB)",
    "difference": "difference [interval]",
    "silent_seeds": "seeds that stayed silent",
    "effect_where_both_learnt": "effect without these (dB)",
    "seed_band": "two SD of a difference over seeds (dB)",
    "paper_effect": "paper's effect (dB)",
    "margin": "margin (dB)",
    "detectable": "detectable (dB)",
    "songs_wanted": "songs for the margin",
    "seeds_wanted": "seeds for the margin",
    "new_effect": "new timbres: effect (dB)",
    "csdr_of_medians": "by the median of cSDR (dB)",
    "ahead": "above 0 with seeds",
    "leakage": "leakage (dB)",
    "new_low": "new timbres: low",
    "new_high": "new timbres: high",
    "new_songs": "new timbres: songs",
    "bsrnn_above_it": "BSRNN above it (dB)",
    "gflop": "GFLOP an item",
    "work": "work (base: 1)",
    "train_seconds": "training (s)",
    "score_seconds": "scoring (s)",
    "wiener_oracle": "Wiener, knows the song (dB)",
    "wiener": "Wiener, trained (dB)",
    "new_wiener_oracle": "new timbres: Wiener, knows the song (dB)",
    "new_wiener": "new timbres: Wiener, trained (dB)",
    "ratio_mask": "ratio mask (dB)",
    "of_the_mask": "share of the mask's",
    "above_filter": "BSRNN above it (dB)",
    "mixture": "mixture (dB)",
    "left_db": "left where it rests (dB)",
    "lost_db": "lost (dB)",
    "usdr_mean_float32": "uSDR, mean, in float32 (dB)",
    "seed_sd": "SD over seeds (dB)",
    "paper_data": "paper's data",
    "authors_code": "authors' code",
}


def beside(difference: float) -> str:
    """ "0.50 dB above", or below, of a difference in dB; "level with" where two decimals show none."""
    if abs(difference) < 0.005:
        return "level with"
    return f"{abs(difference):.2f} dB {'above' if difference > 0 else 'below'}"


def better(difference: float) -> str:
    """ "0.50 dB better", or worse, of a difference in dB."""
    return f"{abs(difference):.2f} dB {'better' if difference >= 0 else 'worse'}"


def heading(column: Hashable) -> str:
    """A column's name as a reader sees it; what stands for two levels of columns is joined."""
    if isinstance(column, tuple):
        return ", ".join(heading(part) for part in column if part != "")
    name = str(column)
    if label := LABEL_OF_SECONDS.fullmatch(name):
        return f"{label['signal']}, {label['seconds']} s (dB)"
    return HEADINGS.get(name, name.replace("_usdr", " uSDR").replace("_csdr", " cSDR").replace("_", " "))


def column_words(table: pd.DataFrame) -> dict[int, list[str]]:
    """Place of a column -> its cells as text, each column's numbers with the same decimals."""
    judged = "claim" in table.columns and "effect" in table.columns
    words = {}
    for place, name in enumerate(table.columns):
        values = table.iloc[:, place].tolist()
        if name == "learning_rate":  # text in the tables' files, as it was given
            words[place] = [_cell(value, None) if is_missing(value) else plain(float(value)) for value in values]
            continue
        if name == "level":  # of an interval: two decimals would make 1.00 of 0.996
            words[place] = [NOTHING if is_missing(value) else f"{100 * value:.3g} %" for value in values]
            continue
        fixed = MARGIN_DECIMALS if judged and name in BESIDE_A_MARGIN else _decimals_together(table, name)
        words[place] = _words(values, fixed, is_p=name == "p")
    return words


def _decimals_together(table: pd.DataFrame, name: Hashable) -> int | None:
    """Decimals of a column that reads as one with others, as an interval's two ends do; None for all others."""
    group = next((names for names in TOGETHER if name in names), ())
    present = [other for other in group if other in table.columns]
    if len(present) < 2:
        return None
    numbers = [value for other in present for value in table[other] if is_number(value) and not is_missing(value)]
    return decimals(numbers)


def is_number(value) -> bool:
    """Whether a cell is a number, or lacks one."""
    return is_missing(value) or (isinstance(value, Real) and not isinstance(value, bool))


def is_missing(value) -> bool:
    """None, NaN or pandas' NA."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def decimals(values: Iterable[float]) -> int:
    """Decimals of a column: as many as tell its numbers apart, at most three digits of small ones, none that are 0."""
    present = [float(value) for value in values if math.isfinite(value)]
    largest = max(map(abs, present), default=0.0)
    if largest >= LARGE:
        return 0
    places = 1 if largest >= 100 else 2
    if 0 < largest < 0.1:
        places = min(2 - math.floor(math.log10(largest)), 6)
    while places and all(math.isclose(value, round(value, places - 1), abs_tol=1e-9) for value in present):
        places -= 1
    return places


def _words(values: list, fixed: int | None, is_p: bool) -> list[str]:
    if is_p:
        return [_p_words(value) for value in values]
    numbers = [value for value in values if is_number(value) and not is_missing(value)]
    of_a_kind = len(numbers) == sum(not is_missing(value) for value in values) and not _of_all_sizes(numbers)
    places = fixed if fixed is not None else decimals(numbers) if of_a_kind else None
    return [_cell(value, places) for value in values]


def _of_all_sizes(numbers: list) -> bool:
    """Whether a column holds quantities of several kinds, such as steps and a learning rate, or seconds and a share."""
    largest = max(map(abs, numbers), default=0)
    smallest_shown = 1 if largest >= LARGE else 0.05 if largest >= 100 else 0  # what is smaller would read 0
    return any(0 < abs(value) < smallest_shown for value in numbers)


def _cell(value, places: int | None) -> str:
    """One value; places: its column's decimals, None where a column holds all kinds of things."""
    if is_missing(value):
        return NOTHING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_cell(part, None) for part in value)
    if not is_number(value):
        return NOTHING if value == "-" else str(value)
    if places is None:
        return f"{value:,.0f}" if float(value).is_integer() else plain(value)
    written = f"{value:,.{places}f}"
    return written if any(digit in written for digit in "123456789") else written.removeprefix("-")


def plain(value: float) -> str:
    """A number with four digits, written out where an exponent would be harder to read: 0.00005, not 5e-05."""
    if SMALLEST_WRITTEN_OUT <= abs(value) < LARGE:
        return np.format_float_positional(value, precision=4, fractional=False, trim="-")
    return f"{value:.4g}"


def signed(value: float, places: int = 2) -> str:
    """A difference with its sign; what rounds to nothing is +0.00."""
    return f"{round(value, places) + 0.0:+.{places}f}"


def _p_words(value) -> str:
    if is_missing(value):
        return NOTHING
    return f"< {SMALLEST_P:g}" if value < SMALLEST_P else f"{value:.3f}"
