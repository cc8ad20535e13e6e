"""What a table says, in sentences whose numbers are the table's. A chapter shows one by `show.finding`.

Each function takes the table of an artifact, or one that a chapter has computed, and knows nothing of how it was made.
"""

from collections.abc import Callable, Iterable

import pandas as pd

from bsrnn.report import claim_findings, finetuning_findings, formats, scale_findings
from bsrnn.report.claim_list import MIN_SEEDS
from bsrnn.report.tables import METHODS, of_all_songs

Finding = Callable[[pd.DataFrame], str]
MODEL, FILTER, KNOWING_FILTER, MASK = (METHODS[name] for name in ("model", "wiener", "wiener_oracle", "ratio_mask"))
NAMES = {"UNIFORM41": "41 equal bands"}  # of splits, in words
SEEDS_FOR_AN_EFFECT = 3  # ours (book/plan.md): fewer call no effect of an open choice one


def overlap(table: pd.DataFrame) -> str:
    """Of Table II: what smaller hops change, the paper's first."""
    said = []
    for profile, rows in table.groupby("profile", sort=False):
        words = "In the paper" if profile == "-" else f"In profile {profile}"
        by_hop = rows.set_index("hop_seconds").sort_index(ascending=False)
        score = by_hop["usdr_mean"][by_hop["seeds"] == by_hop["seeds"].iloc[0]]  # of the same trainings
        if len(score) < 2:
            continue
        widest, steps = score.index[0], []
        for hop in score.index[1:]:
            steps.append(f"{score[hop] - score[widest]:+.2f} dB at {hop:g} s")
        said.append(f"{words}, with the same weights, against a hop of {widest:g} s: {', '.join(steps)}.")
    return " ".join(said)


def seen_and_new(table: pd.DataFrame) -> str:
    """Of the results: by how much songs of seen timbres score higher, the model's difference beside those of the mask
    and of the filter that know the song."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        score = rows.set_index(["method", "timbre"])["usdr_mean"]
        if (MODEL, "new") not in score.index:
            continue
        model, mask, knowing = (
            score[method, "seen"] - score[method, "new"] for method in (MODEL, MASK, KNOWING_FILTER)
        )
        said.append(
            f"{target} {model:+.2f} dB for the model, {mask:+.2f} dB for the mask, {knowing:+.2f} dB for the filter"
        )
    if not said:
        return ""
    return (
        f"Mean uSDR with seen timbres minus that with new ones: {'; '.join(said)}. The mask and the filter know the "
        "song and have learnt nothing: their differences say how much easier one group of songs is, as far as they "
        "agree. What the model's difference has beyond them hints at what it knows by heart; it is no limit on either "
        "side, for the two groups may differ in other ways, too."
    )


def shares(table: pd.DataFrame) -> str:
    """Of the results: how far the models come from a filter that knows the song to a mask that knows the stems."""
    said = []
    usdr = of_all_songs(table).pivot(index="target", columns="method", values="usdr_mean")
    for target in dict.fromkeys(table["target"]):
        model, low, high = (usdr.loc[target, method] for method in (MODEL, KNOWING_FILTER, MASK))
        if target != "mean" and high > low:
            reached = f"{(model - low) / (high - low):.0%} of the way" if model >= low else "below the filter"
            said.append(f"{target}: {reached} (model {model:.2f} dB, filter {low:.2f} dB, mask {high:.2f} dB)")
    return f"From the filter that knows the song to the mask that knows the stems: {'; '.join(said)}." if said else ""


def choices(table: pd.DataFrame) -> str:
    """Of the other choices: what three seeds call an effect, and which trainings with one lie beyond the band."""
    return " ".join(filter(None, [_of_several_seeds(table), _of_one_seed(table)]))


def beyond(table: pd.DataFrame) -> str:
    """Of what the paper does not have: the same."""
    return choices(table.rename(columns={"what is other": "another choice"}))


def _of_several_seeds(table: pd.DataFrame) -> str:
    """An effect is called one from three seeds on (book/plan.md); two have an interval, which is in the table."""
    rows = table[table["low"].notna() & (table["seeds"].astype(str).str.count(",") >= SEEDS_FOR_AN_EFFECT - 1)]
    called = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    if rows.empty:
        return ""
    words = f"Of {len(rows)} choices with three seeds or more, the interval leaves out 0 for {len(called)}"
    return f"{words}: {_effects(called)}." if len(called) else f"{words}."


def _of_one_seed(table: pd.DataFrame) -> str:
    retrained = table[table["seed_band"].notna()]
    if retrained.empty:
        return ""
    beyond = retrained[retrained["effect"].abs() > retrained["seed_band"]]
    lie = "lies" if len(beyond) == 1 else "lie"
    words = f"Of {len(retrained)} trainings with one seed, {len(beyond)} {lie} beyond the band of the seeds"
    words += f": {_effects(beyond)}." if len(beyond) else "."
    largest = retrained.loc[[retrained["effect"].idxmax()]]
    best = largest.iloc[0]
    inside = "inside" if best["effect"] <= best["seed_band"] else "beyond"
    words += f" The largest gain among these is {_effects(largest)}, {inside} its band of ±{best['seed_band']:.2f} dB."
    return words + " An effect inside the band may be the seed's doing; it only says what is worth several seeds."


def _effects(rows: pd.DataFrame) -> str:
    return ", ".join(
        f"*{row['another choice']}* ({row['effect']:+.2f} dB{_otherwise(row)})" for _, row in rows.iterrows()
    )


def _otherwise(row: pd.Series) -> str:
    """The effect by the median of cSDR, where its sign is another one."""
    csdr = row.get("csdr_of_medians")
    return "" if pd.isna(csdr) or csdr * row["effect"] >= 0 else f", but {csdr:+.2f} dB by the median of cSDR"


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
            f"With {held_out} held out, the designed split changes the score by {difference['usdr_mean']:+.2f} "
            f"dB{interval}; the filter learnt from the training songs scores {known:.2f} dB, the better model "
            f"{models[best]:.2f} dB ({formats.better(models[best] - known)})"
        )
    return f"{'. '.join(said)}." if said else ""


def splits(table: pd.DataFrame) -> str:
    """Of Table I: what finer bands at low frequencies gain, more bands, and V7's places over as many equal bands."""
    said = []
    compared = (("V4", "V1", "finer bands at low frequencies"), ("V7", "V4", "more bands"),
                ("V7", "UNIFORM41", "where the bands are, not how many"))  # fmt: skip
    for better, worse, why in compared:
        gains = []
        for profile, rows in table.groupby("profile", sort=False):
            trained = rows.set_index("split")
            if {better, worse} <= set(trained.index) and trained.loc[better, "seeds"] == trained.loc[worse, "seeds"]:
                gain = trained.loc[better, "usdr_mean"] - trained.loc[worse, "usdr_mean"]
                where = "in the paper" if profile == "-" else f"in profile {profile}"
                songs = trained.loc[better].get("songs")
                gains.append(f"{gain:+.2f} dB {where}" + ("" if pd.isna(songs) else f" ({songs} songs)"))
        said += [f"{better} over {NAMES.get(worse, worse)}, {why}: {', '.join(gains)}."] if gains else []
    intervals = "What later looks at more songs say, which may be otherwise, and how sure that is, stands in [the "
    intervals += "table of all claims](08_results.html#every-claim)."
    return " ".join([*said, intervals]) if said and table["profile"].ne("-").any() else " ".join(said)


def systems(table: pd.DataFrame) -> str:
    """Of the other systems: all of them, the best one first."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        best_first = rows.sort_values("usdr_mean", ascending=False).itertuples()
        told = [f"{row.system} {row.usdr_mean:.2f} dB{of_few(row.seeds)}" for row in best_first]
        said.append(f"{target}: {', '.join(told)}")
    words = ". ".join(words[0].upper() + words[1:] for words in said)
    return f"The systems of profile {table['profile'].iloc[0]}, best first. {words}." if said else ""


def of_few(seeds: str) -> str:
    """ " (2 seeds)", where they are too few for a verdict."""
    number = len(seeds.split(", "))
    words = "one seed" if number == 1 else f"{number} seeds"
    return f" ({words})" if number < MIN_SEEDS else ""


def on_real_music(table: pd.DataFrame) -> str:
    """Of the real recording: each model beside the filter that has learnt from the same songs, the best one first."""
    scores = table.pivot(index="target", columns="method", values="usdr").sort_values(MODEL, ascending=False)
    said = [
        f"{target} {row[MODEL]:.2f} dB, {formats.beside(row[MODEL] - row[FILTER])}" for target, row in scores.iterrows()
    ]
    return f"On this clip the models score: {'; '.join(said)} the filter learnt from the same songs." if said else ""


def failures(table: pd.DataFrame) -> str:
    """Of the groups of test songs: how far songs lie apart, beside what another seed does to a song."""
    said = []
    for target, rows in table.groupby("target", sort=False):
        group = rows.set_index("group")
        ends = [next((name for name in group.index if name.endswith(word)), None) for word in (" best", " worst")]
        if None in ends:
            continue
        best, worst = (group.loc[name, "usdr_mean"] for name in ends)
        words = f"{target}: {ends[0]} songs have a mean of {best:z.1f} dB, {ends[1]} {worst:z.1f} dB"
        deviation = group.loc["all", "seed_sd"]
        said.append(words if pd.isna(deviation) else f"{words}; from seed to seed a song's score has a standard "
                    f"deviation of {deviation:.1f} dB")  # fmt: skip
    words = " ".join(f"{words[0].upper()}{words[1:]}." for words in said)
    return f"On the test songs of profile {table['profile'].iloc[0]}. {words}" if said else ""


EARLY, LATE = "best in the first half", "best in the second half"
ENOUGH = 3  # ours: trainings of each kind, for a word on what sets them apart


def best_early(best_items, items):
    """Whether a training was best before half of its items: of one, or of a column of them."""
    return 2 * best_items <= items


def kept_weights(table: pd.DataFrame) -> str:
    """Of which weights are kept: where the choice by validation is seen on the test songs, and how the last ones do.

    That is where early weights and late ones have several trainings each.
    """
    said = []
    for target, rows in table.groupby("target", sort=False):
        of_kind = rows.set_index("kept")
        numbers, scores = of_kind["trainings"].to_dict(), of_kind["usdr_mean"].to_dict()
        if min(numbers.get(EARLY, 0), numbers.get(LATE, 0)) < ENOUGH:
            continue
        words = f"{target}: {numbers[EARLY]} of {numbers[EARLY] + numbers[LATE]} trainings keep weights of their first "
        words += f"half; these score {scores[EARLY]:.2f} dB, the others {scores[LATE]:.2f} dB"
        others = [f"{row.kept} weights have {row.over_best:+.2f} dB [{row.low:+.2f}, {row.high:+.2f}] over the "
                  "best ones of the same trainings"
                  for row in rows.dropna(subset="over_best").itertuples()]  # fmt: skip
        said.append("; ".join([words, *others]))
    words = " ".join(f"{words[0].upper()}{words[1:]}." for words in said)
    return f"Mean uSDR of the test songs, which had no part in the choice. {words}" if said else ""


FINDINGS: dict[str, Finding] = {
    "kept_weights": kept_weights,
    "table1": splits,
    "table2": overlap,
    "peers": systems,
    "real": on_real_music,
    "failures": failures,
    "label_thresholds": finetuning_findings.rules,
    "label_quality": finetuning_findings.labels,
    "songs": seen_and_new,
    "results": shares,
    "finetuning_gain": finetuning_findings.finetuning,
    "details": choices,
    "beyond": beyond,
    "claims": claim_findings.of_claims,
    "claims_csdr": claim_findings.by_csdr,
    "scale": scale_findings.scale,
    "long": scale_findings.longer,
    "doubling": scale_findings.doubled,
    "guitar": guitar,
}
TABLES = {"songs": "results"}  # of a figure: the table with its numbers


# ---- of what a chapter has computed ----


def oracle(table: pd.DataFrame, target: str, compared: Iterable[str]) -> str:
    """Of the best gain a band: the splits of equal number for one target, best first."""
    scores = table.loc[list(compared), target].sort_values(ascending=False)
    words = ", ".join(f"{name} {score:.1f} dB" for name, score in scores.items())
    place = list(scores.index).index("v7") + 1
    ahead = "" if place == 1 else f" {place - 1} of the others {'does' if place == 2 else 'do'} better than V7."
    return f"{target.capitalize()}, splits of 41 bands: {words}.{ahead}"


def rates(table: pd.DataFrame) -> str:
    """Of the pilots of learning rates: by how much the one that was taken led, on one seed."""
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
        f"The learning rate that did best on the validation songs, and its lead over the next: {'; '.join(said)}. Each "
        "was tried with one seed. Where the lead is no larger than what another seed changes, chance took part in the "
        "choice."
    )


def trainings(table: pd.DataFrame) -> str:
    """Of finished trainings, a row each: how many were best at their last item, so that they had not converged."""
    if table.empty:
        return ""
    rising = int((table["best_items"] == table["items"]).sum())
    words = f"Of {len(table)} trainings {rising} {'was' if rising == 1 else 'were'} best at the very end"
    why = "which a learning rate that falls to zero makes likely, however long the training is"
    words = f"{words}, {why}." if rising else f"{words}."
    early = [str(name) for name in table.index[best_early(table["best_items"], table["items"])]]
    if early:
        words += " Best before half of their items, so that the weights of a short training were kept: "
        words += (
            f"{', '.join(early)}. There the mean of the few validation songs moved up and down by more than it rose, "
            "or it fell from the first one on, as where a model learns its few songs by heart."
        )
    return words


def alone(table: pd.DataFrame, target: str) -> str:
    """Of the sections: how a model does where its target plays alone, and the mixture would be the answer."""
    rows = table[(table["with"] == "nothing else") & table["usdr_mean"].notna()] if len(table) else table
    if rows.empty:
        return ""
    score, mixture = (
        float((rows[name] * rows["seconds"]).sum() / rows["seconds"].sum()) for name in ("usdr_mean", "mixture")
    )
    words = f"Where nothing but the target plays ({target}), the mixture itself would score {mixture:.1f} dB; the "
    removed = ": it removes a part of the target although nothing else plays" if score < mixture else ""
    return f"{words}model scores {score:.1f} dB{removed}."
