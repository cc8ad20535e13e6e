"""What the tables of the page on scale say, in sentences; as :mod:`bsrnn.report.findings`."""

import math

import pandas as pd

from bsrnn.report import formats


def scale(table: pd.DataFrame) -> str:
    """Of the table on scale: what the largest of each gains over the smallest, in all and a doubling."""
    said = []
    for what, rows in table.groupby("what", sort=False):
        least, most = (rows.loc[rows["size"].idxmin()], rows.loc[rows["size"].idxmax()])
        # of the same seeds as the base's, which the means need not be of
        gain, doublings = most["effect"] - least["effect"], math.log2(most["size"] / least["size"])
        words = f"From {least['size']:g} to {most['size']:g} {what}: {least['usdr_mean']:.2f} to "
        words += f"{most['usdr_mean']:.2f} dB, {gain / doublings:+.2f} dB a doubling"
        if not pd.isna(most["new_usdr_mean"]) and least["seeds"] == most["seeds"]:
            words += f" (new timbres {(most['new_usdr_mean'] - least['new_usdr_mean']) / doublings:+.2f} dB)"
        best = rows.loc[rows["usdr_mean"].idxmax()]
        if best["size"] not in (least["size"], most["size"]):
            words += f", best with {best['size']:g} ({best['usdr_mean']:.2f} dB)"
        bands = rows["seed_band"].dropna()
        if len(bands) and abs(gain) <= bands.iloc[0]:
            words += ", in all no more than another seed alone may move it: no gain can be told"
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


def longer(table: pd.DataFrame) -> str:
    """Of the trainings with many more items: what they gain, and where they lie between the filters and the mask."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        least, most = (rows.loc[rows["items"].idxmin()], rows.loc[rows["items"].idxmax()])
        gained = f"{target} {least['usdr_mean']:.2f} to {most['usdr_mean']:.2f} dB"
        beside = [
            f"{formats.beside(most['usdr_mean'] - most[method])} the {words}"
            for method, words in (("wiener", "trained filter"), ("wiener_oracle", "filter that knows the song"))
        ]
        of_mask = f"{most['of_the_mask']:.0%} of the mask's score, before {least['of_the_mask']:.0%}"
        said.append(f"{gained}: {', '.join(beside)}, {of_mask}")
    items = sorted(set(table["items"]))
    return f"From {items[0]} to {items[-1]} items: {'; '.join(said)}." if said else ""
