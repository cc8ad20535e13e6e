"""What a table says, in sentences whose numbers are the table's. A chapter shows one by `show.finding`.

Each function takes the table of an artifact, or one that a chapter has computed, and knows nothing of how it was made.
"""

from collections.abc import Callable, Iterable

import pandas as pd

from bsrnn.report import formats
from bsrnn.report.stamps import OURS
from bsrnn.report.tables import METHODS

Finding = Callable[[pd.DataFrame], str]
MODEL, FILTER, KNOWING_FILTER, MASK = (METHODS[name] for name in ("model", "wiener", "wiener_oracle", "ratio_mask"))
FINETUNED, CONTROL, START = "finetuned", "control", "start"


def overlap(table: pd.DataFrame) -> str:
    """Of Table II: what smaller hops gain, ours beside the paper's."""
    said = []
    for words, rows in (("Here", table[table["source"] == OURS]), ("In the paper", table[table["source"] != OURS])):
        score = rows.set_index("hop_seconds")["usdr_mean"].sort_index(ascending=False)
        if len(score) < 2:
            continue
        widest, steps = score.index[0], []
        for hop in score.index[1:]:
            steps.append(f"{score[hop] - score[widest]:+.2f} dB at {hop:g} s")
        said.append(f"{words} the same weights gain, over a hop of {widest:g} s: {', '.join(steps)}.")
    return " ".join(said)


def seen_and_new(table: pd.DataFrame) -> str:
    """Of the results: by how much songs of seen timbres score higher, the model's difference beside the mask's.

    Where the songs of new timbres are a test of their own, all other test songs have seen ones.
    """
    said = []
    for target, rows in table.groupby("target", sort=False):
        score = rows.set_index(["method", "timbre"])["usdr_mean"]
        if (MODEL, "new") not in score.index:
            continue
        seen = "seen" if (MODEL, "seen") in score.index else "all"
        model, mask = (score[method, seen] - score[method, "new"] for method in (MODEL, MASK))
        said.append(f"{target} {model:+.2f} dB for the model, {mask:+.2f} dB for the mask")
    if not said:
        return ""
    return (
        f"Songs with seen timbres against songs with new ones: {'; '.join(said)}. The mask has learnt nothing, so its "
        "difference is that of the songs. What is left between the two differences is an upper limit of what the model "
        "knows by heart, since the two groups differ in other ways, too."
    )


def shares(table: pd.DataFrame) -> str:
    """Of the results: how far the models come from a filter that knows the song to a mask that knows the stems."""
    said = []
    usdr = table[table["timbre"] == "all"].pivot(index="target", columns="method", values="usdr_mean")
    for target in dict.fromkeys(table["target"]):
        model, low, high = (usdr.loc[target, method] for method in (MODEL, KNOWING_FILTER, MASK))
        if target != "mean" and high > low:
            reached = f"{(model - low) / (high - low):.0%} of the way" if model >= low else "not there yet"
            said.append(f"{target}: {reached} ({model:.2f} dB between {low:.2f} and {high:.2f} dB)")
    return f"From the filter that knows the song to the mask that knows the stems: {'; '.join(said)}." if said else ""


def finetuning(table: pd.DataFrame) -> str:
    """Of the finetuning's table: the finetuned model beside its start, its control and the upper bound."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        models = rows.set_index("model")
        if FINETUNED not in models.index:
            continue
        row = models.loc[FINETUNED]
        words = f"{target.capitalize()}: the finetuned model reaches {row['usdr_mean']:.2f} dB, its start "
        words += f"{models.loc[START, 'usdr_mean']:.2f} dB ({_better(row['over_start'])})"
        if CONTROL in models.index:
            words += f", the control {models.loc[CONTROL, 'usdr_mean']:.2f} dB ({_better(row['over_control'])})"
        bounds = [name for name in models.index if name.startswith("upper bound")]
        words += (
            f"; the upper bound is {_better(models.loc[bounds[0], 'over_control'])} than the control" if bounds else ""
        )
        said.append(words)
    return f"{'. '.join(said)}." if said else ""


def _better(difference: float) -> str:
    return f"{abs(difference):.2f} dB {'better' if difference >= 0 else 'worse'}"


def choices(table: pd.DataFrame) -> str:
    """Of the other choices: which trainings with one seed lie beyond the band of the seeds."""
    retrained = table[table["seed_band"].notna()]
    if retrained.empty:
        return ""
    beyond = retrained[retrained["effect"].abs() > retrained["seed_band"]]
    lie = "lies" if len(beyond) == 1 else "lie"
    words = f"Of {len(retrained)} trainings with one seed, {len(beyond)} {lie} beyond the band of the seeds"
    words += f": {_effects(beyond)}." if len(beyond) else "."
    best = retrained.loc[retrained["effect"].idxmax()]
    inside = "inside" if best["effect"] <= best["seed_band"] else "beyond"
    words += f" The largest gain is {_effects([best])}, {inside} its band of ±{best['seed_band']:.2f} dB."
    return words + " All others may be the seed's doing: they say which choices are worth several seeds, and no more."


def _effects(rows: pd.DataFrame | Iterable[pd.Series]) -> str:
    of_rows = (row for _, row in rows.iterrows()) if isinstance(rows, pd.DataFrame) else rows
    return ", ".join(f"{row['another choice']} ({row['effect']:+.2f} dB)" for row in of_rows)


def rates(table: pd.DataFrame) -> str:
    """Of the learning rates: by how much the one that was taken led, on one seed."""
    said = []
    for system, rows in table.groupby("system", sort=False):
        scores = rows.set_index("learning_rate")["valid_usdr"].sort_values(ascending=False)
        if len(scores) > 1:
            lead = scores.iloc[0] - scores.iloc[1]
            best, second = map(formats.plain, map(float, scores.index[:2]))
            said.append(f"{system} {best}, {lead:.2f} dB before {second}")
    if not said:
        return ""
    return (
        f"Best on the validation songs: {'; '.join(said)}. Each was tried with one seed. Where the lead is no larger "
        "than what another seed changes, chance took part in the choice."
    )


def guitar(table: pd.DataFrame) -> str:
    """Of the guitar's table: what the designed split changes, and whether the models beat the trained filter."""
    said = []
    for held_out, rows in table.groupby("held out", sort=False):
        row = rows.set_index("method")
        difference = row.loc["guitar split over V7"]
        interval = f" [{difference['low']:+.2f}, {difference['high']:+.2f}]" if pd.notna(difference["low"]) else ""
        models = {name: row.loc[f"BSRNN, {name}", "usdr_mean"] for name in ("V7", "guitar split")}
        best = max(models, key=lambda name: models[name])
        known = row.loc[FILTER, "usdr_mean"]
        said.append(
            f"With {held_out} held out, the designed split changes {difference['usdr_mean']:+.2f} dB{interval}; the "
            f"filter learnt from the training songs has {known:.2f} dB, the better model {models[best]:.2f} dB "
            f"({_better(models[best] - known)})"
        )
    return f"{'. '.join(said)}." if said else ""


FINDINGS: dict[str, Finding] = {
    "table2": overlap,
    "songs": seen_and_new,
    "results": shares,
    "finetuning_gain": finetuning,
    "details": choices,
    "rates": rates,
    "guitar": guitar,
}
TABLES = {"songs": "results"}  # of a figure: the table with its numbers


# ---- of what a chapter has computed ----


def oracle(table: pd.DataFrame, target: str, compared: Iterable[str]) -> str:
    """Of the best gain a band: the splits of equal number for one target, best first."""
    scores = table.loc[list(compared), target].sort_values(ascending=False)
    words = ", ".join(f"{name} {score:.1f} dB" for name, score in scores.items())
    place = list(scores.index).index("v7") + 1
    ahead = "" if place == 1 else f" {place - 1} of the others {'lies' if place == 2 else 'lie'} before V7."
    return f"{target.capitalize()}, splits of 41 bands: {words}.{ahead}"


def alone(table: pd.DataFrame, target: str) -> str:
    """Of the sections: how a model does where its target plays alone, and the mixture would be the answer."""
    rows = table[(table["with"] == "nothing else") & table["usdr_mean"].notna()] if len(table) else table
    if rows.empty:
        return ""
    score, mixture = (
        float((rows[name] * rows["seconds"]).sum() / rows["seconds"].sum()) for name in ("usdr_mean", "mixture")
    )
    words = f"Where {target} is alone, to do nothing would score {mixture:.1f} dB; the model scores {score:.1f} dB"
    return (
        f"{words}: it takes a part of the {target} away where nothing else plays." if score < mixture else f"{words}."
    )
