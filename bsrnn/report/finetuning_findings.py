"""What the tables of the finetuning say, in sentences; as :mod:`bsrnn.report.findings`."""

import pandas as pd

from bsrnn.report import formats
from bsrnn.report.claim_list import MARGIN_DB, ROOM_DB

FINETUNED, CONTROL, START = "finetuned", "control", "start"


def finetuning(table: pd.DataFrame) -> str:
    """Of the finetuning's table: the finetuned model beside its start, its control and the upper bound."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        models = rows.set_index("model")
        if FINETUNED not in models.index:
            continue
        row = models.loc[FINETUNED]
        words = f"{target.capitalize()}: the finetuned model scores {row['usdr_mean']:.2f} dB, "
        words += f"{formats.better(row['over_start'])} than its start ({models.loc[START, 'usdr_mean']:.2f} dB)"
        if CONTROL in models.index:
            words += f" and {_better_within(row)} than the control ({models.loc[CONTROL, 'usdr_mean']:.2f} dB)"
        against_control = models.index[models["over_control"].notna()]
        bounds = [name for name in against_control if name.startswith("upper bound")]
        words += f"; the upper bound is {_better_within(models.loc[bounds[0]])} than the control" if bounds else ""
        said += [words, *_what_it_means(row, models.loc[bounds[0]] if bounds else None)]
    return f"{'. '.join(said)}." if said else ""


def _better_within(row: pd.Series) -> str:
    """The gain over the control with its interval; none of one seed, whose interval would be over songs alone."""
    low, high = row.get("low"), row.get("high")
    return formats.better(row["over_control"]) + (
        "" if pd.isna(low) or _one_seed(row["seeds"]) else f" [{low:+.2f}, {high:+.2f}]"
    )


def _one_seed(seeds: str) -> bool:
    return "," not in str(seeds)


def _what_it_means(tuned: pd.Series, bound: pd.Series | None) -> list[str]:
    """A conclusion from the finetuned model and the upper bound, each against the control; none without a control.

    Where an interval holds 0, or there is one seed alone, there is none, and that is said.
    """
    if pd.isna(tuned.get("over_control")):
        return []
    if _one_seed(tuned["seeds"]):
        return [
            "Each is one training: with another seed the order may be another one, and nothing follows from this one"
        ]
    if tuned["low"] > 0:
        return ["So the unlabelled songs helped beyond more training"]
    if tuned["high"] >= MARGIN_DB:
        return ["Whether the unlabelled songs helped beyond more training, these seeds do not tell"]
    ruled_out = f"So a gain of {MARGIN_DB:g} dB from the unlabelled songs, beyond more training, is ruled out"
    if bound is None or pd.isna(bound["low"]):
        return [ruled_out]
    if bound["low"] <= 0 and bound["high"] < ROOM_DB:
        return [f"{ruled_out}. But even their true stems gain less than {ROOM_DB:g} dB: no room for labels is seen"]
    if bound["low"] > 0:
        lost = bound["over_control"] - tuned["over_control"]
        taught = (
            f"{ruled_out}. Their true stems have something to teach, and the teacher's labels do not pass it on: with "
        )
        taught += f"them the model scores {lost:.2f} dB less"
        if bound["high"] < ROOM_DB:
            taught += (
                f". That room is smaller than the {ROOM_DB:g} dB that [the plan](plan.html) asks for before a verdict "
            )
            taught += "speaks of the method"
        return [taught]
    return [f"{ruled_out}. Whether there was room for labels, these seeds do not tell"]


def rules(table: pd.DataFrame, threshold_db: float = 30.0) -> str:
    """Of the thresholds of the energy rules: what each rule finds at the paper's, and how much of that is right."""
    said = []
    for row in table[table["threshold_db"] == threshold_db].to_dict("records"):
        said.append(
            f"{row['called_clean']} of {row['chunks']} chunks ({row['target']}) are called {row['kind']}, "
            f"{row['of_them_right']} of them rightly, and {row['truly_clean']} truly are"
        )
    return f"At {threshold_db:g} dB, {'; '.join(said)}." if said else ""


def labels(table: pd.DataFrame) -> str:
    """Of the pseudo labels: how good those of the target are, beside the mixture taken as a label."""
    said = []
    for row in table.to_dict("records"):
        of_target = next(score for name, score in row.items() if name.startswith("target_"))
        said.append(
            f"{row['target']}, {row['unlabelled']}: {of_target:.1f} dB, {row['mixture_as_target_db']:.1f} dB for the "
            "mixture itself"
        )
    return f"Median uSDR of a pseudo label of the target: {'; '.join(said)}." if said else ""
