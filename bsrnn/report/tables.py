"""What all tables share: the columns that say where a row comes from, means over seeds, CSV and Markdown.

Published rows come first, ours after them, and the columns ``source`` and ``data`` keep them apart. The last columns
say for every row of ours which profile and seeds it comes from, and whether it carries a claim. A value of ours is the
mean over seeds of what :func:`bsrnn.metrics.aggregate` gives for one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bsrnn.errors import DataError
from bsrnn.report import formats
from bsrnn.report.stamps import OURS, claim_words, data_words, seed_words, seeds_by_target, seeds_of
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
COUNTS = ("csdr_frames_kept", "csdr_frames", "songs")  # of one seed


def published(name: str) -> pd.DataFrame:
    """A table of data/published.

    Raises:
        DataError: there is no such table.
    """
    path = paths.published() / f"{name}.csv"
    if not path.is_file():
        raise DataError(f"{path}: no such table of published numbers; expected it in every clone")
    return pd.read_csv(path)


def short_trainings(*groups: str) -> pd.DataFrame:
    """What the earlier grid of short trainings said, of some groups: differences in dB (results/history/README.md)."""
    table = pd.read_csv(paths.results("history") / "short-trainings.csv")
    return table[table["group"].isin(groups)].reset_index(drop=True)


# ---- rows ----


def published_rows(name: str) -> list[dict]:
    """The rows of a published table as those of ours beside them: the paper's value is a mean uSDR."""
    rows = published(name).rename(columns={"value": "usdr_mean"}).to_dict("records")
    return [row | PUBLISHED for row in rows]


def ours(results: Results, behind: Sequence[Finished] = (), data: str | None = None) -> dict:
    """The last columns of a row of ours; ``behind``: the runs behind it, where it may not have all of the seeds."""
    profile = results.profile
    trained = [done for done in behind if done.run.kind != "baselines"]  # these are computed once
    fewest = min(seeds_by_target(trained).values(), key=len, default=set())
    return {
        "source": OURS,
        "data": data or data_words(profile),
        "profile": profile.name,
        "seeds": seeds_of(behind) if behind else seed_words(profile),
        "note": claim_words(profile, fewest),
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


def new_score(seeds: Sequence[Finished]) -> float | None:
    """Mean uSDR over seeds on the songs of new timbres; None where these are no test of their own."""
    return mean_of([done.result["new"]["summary"] for done in seeds if "new" in done.result], "usdr_mean")


def by_hop(results: Results) -> dict[float, list[Finished]]:
    """Hop in s -> the runs that were separated with it, from the smallest hop on."""
    hops = sorted({done.run.profile.separate.hop_seconds for done in results.finished})
    return {hop: [done for done in results.finished if done.run.profile.separate.hop_seconds == hop] for hop in hops}


def of_all_songs(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the results over all test songs: "all", or "seen" where songs of new timbres are a test of their own."""
    return table[table["timbre"] == ("all" if (table["timbre"] == "all").any() else "seen")]


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


def to_markdown(table: pd.DataFrame) -> str:
    """A table for README.md."""
    lines = ["| " + " | ".join(map(formats.heading, table)) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in zip(*formats.column_words(table).values(), strict=True)]
    return "\n".join(lines)
