"""What the table of claims says of its primary contrasts, in sentences; as :mod:`bsrnn.report.findings`."""

import math

import pandas as pd

from bsrnn.report.claim_list import MIN_SEEDS


def power(table: pd.DataFrame) -> str:
    """Of the claims: with how many songs, or seeds, the primary contrasts would tell their margin from none."""
    rows = table[~table["claim"].str.contains(",") & table["songs_wanted"].notna()]
    if rows.empty:
        return ""
    enough = [f"{row.claim} {_about(row.songs_wanted)} (it has {row.songs})"
              for row in rows.itertuples() if math.isfinite(row.songs_wanted)]  # fmt: skip
    if never := [row.claim for row in rows.itertuples() if not math.isfinite(row.songs_wanted)]:
        enough.append(_never(never))
    words = "With how many songs, and the seeds that are there, would a true difference as large as the margin be told "
    words += (
        f"from none four times in five? {'; '.join(enough)}. And with how many seeds, on the songs that are there? "
    )
    words += "; ".join(
        f"{row.claim} about {max(row.seeds_wanted, MIN_SEEDS):.0f} (it has {len(row.seeds.split(', '))})"
        if math.isfinite(row.seeds_wanted)
        else f"{row.claim} with none"
        for row in rows.itertuples()
    )
    words += f". {MIN_SEEDS} are the fewest for a verdict, and a later look, which is stricter, wants a few more"
    return f"{words}. Each is an estimate, from how much the differences vary between songs and between seeds."


def on_new_timbres(table: pd.DataFrame) -> str:
    """Of the claims: the primary contrasts on the songs of new timbres, where these are a test of their own.

    A later look at other songs has none of these: then those of its first look, where that is a row of its own.
    """
    first = table["claim"].str.removesuffix(", first look")
    primary = ~first.str.contains(",")
    rows = table[primary & table["new_effect"].notna()]
    rows = rows[~first[rows.index].duplicated()]
    if rows.empty:
        return ""
    said = [
        f"{row.claim} {row.new_effect:+.2f} dB"
        + ("" if pd.isna(row.new_low) else f" [{row.new_low:+.2f}, {row.new_high:+.2f}]")
        for row in rows.itertuples()
    ]
    return f"On the {rows['new_songs'].iloc[0]} songs of new timbres, which decide nothing: {'; '.join(said)}."


def of_claims(table: pd.DataFrame) -> str:
    """Of the claims: their power, and what songs of new timbres say."""
    return "\n\n".join(filter(None, [power(table), on_new_timbres(table)]))


def by_csdr(table: pd.DataFrame) -> str:
    """Of the contrasts by cSDR: the claims' own, of enough seeds, that look otherwise by the margin or more."""
    said = []
    for row in table[~table["claim"].str.contains(",")].itertuples():
        few = len(row.seeds.split(", ")) < MIN_SEEDS
        if few or pd.isna(row.csdr_of_medians) or abs(row.csdr_of_medians - row.usdr) < row.margin:
            continue
        words = (
            f"{row.claim} ({row.contrast}) is {row.usdr:+.2f} dB by the mean of uSDR, and {row.csdr_of_medians:+.2f} "
            f"dB by the median of cSDR, where it is above 0 with {row.ahead} seeds; by the mean of cSDR it is "
            f"{row.csdr:+.2f} dB [{row.low:+.2f}, {row.high:+.2f}]"
        )
        if not pd.isna(row.leakage):
            more = "more" if row.leakage > 0 else "less"
            words += f"; where the target rests, it leaves {abs(row.leakage):.1f} dB {more}"
        said.append(words)
    if not said:
        return ""
    words = (
        "By the paper's other score a claim may look otherwise: cSDR leaves out the seconds in which the target rests, "
        "and its median the few songs on which a model fails. "
    )
    return f"{words}{'. '.join(said)}. The plan names uSDR, so this decides nothing."


def _about(songs: float) -> str:
    """A number of songs with two digits that count."""
    step = 10 ** max(0, len(str(int(songs))) - 2)
    return f"about {math.ceil(songs / step) * step}"


def _never(claims: list[str]) -> str:
    return f"{', '.join(claims)}: with none, as the seeds alone move {'it' if len(claims) == 1 else 'them'} too much"
