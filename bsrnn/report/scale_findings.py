"""What the tables of the page on scale say, in sentences; as :mod:`bsrnn.report.findings`."""

import math

import pandas as pd

from bsrnn.report import formats
from bsrnn.runtime.terminal import counted


def scale(table: pd.DataFrame) -> str:
    """Of the table on scale: what the largest of each gains over the smallest, in all and a doubling.

    Both are measured against the base with the same seeds: their means need not be of the same.
    """
    said = []
    for what, rows in table.groupby("what", sort=False):
        least, most = (rows.loc[rows["size"].idxmin()], rows.loc[rows["size"].idxmax()])
        gain, doublings = most["effect"] - least["effect"], math.log2(most["size"] / least["size"])
        words = (
            f"From {least['size']:g} to {most['size']:g} {what}: {gain:+.2f} dB, {gain / doublings:+.2f} dB a doubling"
        )
        if not pd.isna(most["new_usdr_mean"]) and least["seeds"] == most["seeds"]:
            words += f" (new timbres {(most['new_usdr_mean'] - least['new_usdr_mean']) / doublings:+.2f} dB)"
        best = rows.loc[rows["effect"].idxmax()]
        if best["size"] not in (least["size"], most["size"]):
            words += f", best with {best['size']:g}"
        alone = sum("," not in row["seeds"] for row in (least, most))
        words += ("", ", of one training at one end", ", of one training at each end")[alone]
        several = rows[rows["low"].notna() & (rows["effect"] != 0)].sort_values("size")
        if len(several):
            words += "; over several seeds, against the base: " + ", ".join(
                f"{row.size:g} {row.effect:+.2f} dB [{row.low:+.2f}, {row.high:+.2f}]" for row in several.itertuples()
            )
        if all(_may_be_none(row) for row in (least, most)):
            words += "; neither end can be told from the base: no gain is seen"
        said.append(words)
    if not said:
        return ""
    one_seed = table[table["seed_band"].notna()]
    if len(one_seed):
        beyond = int((one_seed["effect"].abs() > one_seed["seed_band"]).sum())
        said.append(
            "Two standard deviations, over seeds, of a difference of two such trainings are "
            f"{one_seed['seed_band'].iloc[0]:.2f} dB; of {len(one_seed)} sizes with one seed {beyond} "
            f"{'lies' if beyond == 1 else 'lie'} farther from the base than that"
        )
    return f"{'. '.join(said)}."


def _may_be_none(row: pd.Series) -> bool:
    """Whether a difference from the base lies within its band, or its interval holds 0, or it is the base."""
    if not pd.isna(row["seed_band"]):
        return abs(row["effect"]) <= row["seed_band"]
    return row["effect"] == 0 or (not pd.isna(row["low"]) and row["low"] <= 0 <= row["high"])


def doubled(table: pd.DataFrame) -> str:
    """Of one run of each kind with twice the items: what each gains, of how many seeds."""
    said = []
    for row in table.itertuples():
        seeds = counted(len(row.seeds.split(", ")), "seed")
        words = f"{row.target}, {row.what}: {row.effect:+.2f} dB"
        said.append(words + ("" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]") + f" ({seeds})")
    return f"What twice the items gain: {'; '.join(said)}." if said else ""


def longer(table: pd.DataFrame) -> str:
    """Of the trainings with many more items: what they gain, and where they lie between the filters and the mask."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        least, most = (rows.loc[rows["items"].idxmin()], rows.loc[rows["items"].idxmax()])
        beside = " and ".join(
            f"{formats.beside(most['usdr_mean'] - most[method])} the {words}"
            for method, words in (("wiener", "trained filter"), ("wiener_oracle", "filter that knows the song"))
        )
        words = f"{target[0].upper()}{target[1:]}: {least['usdr_mean']:.2f} dB with {least['items']} items, "
        words += (
            f"{most['usdr_mean']:.2f} dB with {most['items']}, {beside}, {most['of_the_mask']:.0%} of what the mask has"
        )
        if not pd.isna(most["new_usdr_mean"]):
            new = most["new_usdr_mean"] - most["new_wiener"], most["new_usdr_mean"] - most["new_wiener_oracle"]
            trained, knowing = map(formats.beside, new)
            words += (
                f"; on songs of new timbres {most['new_usdr_mean']:.2f} dB, {trained} the one and {knowing} the other"
            )
        said.append(f"- {words}.")
    return "\n".join(said)
