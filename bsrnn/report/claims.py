"""The paper's claims, the contrast of runs that tests each, and what a profile's results say to them.

Two columns are kept apart everywhere: what was found on the paper's own data (MUSDB18-HQ), and what our analogue on
other data found. Each claim has one primary contrast, named before any run of the profile that decides; the five tests
of these against no difference hold together (Holm). The secondary ones are controls and details, each by itself. A
claim that is asked a second time has half of the chance to be wrong there: with its first look, one and a half times
what a single one has; a third look has a third, with both before it one and five sixths.

The verdict of a contrast whose claim is "better by something that matters", a margin of 0.3 dB set beforehand (C3 has
0.1 dB, C5's room 0.5 dB):

- consistent: the interval lies above 0, and the mean difference is the margin or more;
- inconsistent: the interval lies below the margin, so that a difference that matters is ruled out;
- undecided: anything else, and always with fewer than five seeds.
"""

from dataclasses import dataclass

import pandas as pd

from bsrnn import config
from bsrnn.config import PEER_NAMES
from bsrnn.report.claim_list import CLAIMS as CLAIMS
from bsrnn.report.claim_list import MIN_SEEDS as MIN_SEEDS
from bsrnn.report.claim_list import ROLES as ROLES
from bsrnn.report.claim_list import Claim
from bsrnn.report.stamps import OURS, claim_words, data_words
from bsrnn.report.statistics import (
    Effect,
    Pair,
    difference_table,
    effect,
    holm,
    mean_difference,
    seed_deviation_of,
    seeds_wanted,
)
from bsrnn.runtime.terminal import counted
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Results, Study, is_silence
from bsrnn.study.runs import Run

LEVEL = 0.95
NUMBERS = (
    "effect",
    "low",
    "high",
    "level",
    "p",
    "detectable",
    "songs_wanted",
    "seeds_wanted",
    "new_effect",
    "new_low",
    "new_high",
    "margin",
    "paper_effect",
    "effect_where_both_learnt",
)
NEAR_DB = 0.005  # a mean this near to its margin is printed with three decimals: two would show them equal
NOT_TESTED, UNDECIDED, CONSISTENT, INCONSISTENT = "not tested", "undecided", "consistent", "inconsistent"


@dataclass(frozen=True)
class Contrast:
    """A claim's runs held against each other: differences in dB, a row a seed and a column a song.

    on_new: likewise on the songs of new timbres, empty where they are no test of their own. profile: whose runs these
    are. silent: the seeds with which a training of either side learnt to be silent. again: of those that were trained
    again for that reason, the run and the seeds that were given up.
    """

    claim: Claim
    profile: Profile
    targets: list[str]
    compared: list[Pair]
    differences: pd.DataFrame
    on_new: pd.DataFrame
    effect: Effect | None
    silent: tuple[int, ...] = ()
    again: tuple[str, ...] = ()

    @property
    def where_both_learnt(self) -> float | None:
        """Mean difference over the other seeds; None where no training stayed silent, or all did."""
        learnt = self.differences.drop(index=list(self.silent), errors="ignore")
        return float(learnt.to_numpy().mean()) if self.silent and learnt.size else None


def contrasts(study: Study) -> list[Contrast]:
    """Of every claim, also where the profile has no run for it.

    One that an earlier one of the claim is already stands here once, and no look at what has no run.

    Raises:
        MissingResult: a run without a result.
    """
    results = Results(study, ROLES)
    kept: list[Contrast] = []
    for contrast in (_contrast(claim, results) for claim in CLAIMS):
        of_claim = [other.compared for other in kept if other.claim.of == contrast.claim.of]
        if (
            contrast.claim.primary
            or contrast.compared not in of_claim
            or not (contrast.compared or contrast.claim.look)
        ):
            kept.append(contrast)
    return kept


def _contrast(claim: Claim, results: Results) -> Contrast:
    of_targets = [done for done in results.finished if done.run.target in claim.targets]
    better = [done for done in of_targets if claim.better(done.run)]
    compared = claim.paired(better, [done for done in of_targets if claim.worse(done.run)])
    with_runs = {done.run.target for done, _ in compared}
    differences = difference_table(compared)
    targets = [target for target in config.TARGETS if target in with_runs]
    silent = sorted({pair[0].run.seed for pair in compared if any(map(is_silent, pair))})
    again = dict.fromkeys(words for pair in compared for done in pair if (words := _trained_again(done)))
    claim = claim.naming(compared)
    return Contrast(
        claim, results.profile, targets, compared, differences, difference_table(compared, Finished.new_songs),
        effect(differences), tuple(silent), tuple(again),
    )  # fmt: skip


def _trained_again(done: Finished) -> str:
    """The run and the seeds whose trainings stayed silent, or ""; a scored run has none of its own."""
    given_up = [str(silent["seed"]) for silent in (done.training or {}).get("silent", ())]
    return f"{done.run.id} (silent with seed {', '.join(given_up)})" if given_up else ""


def seed_band(study: Study, claim_id: str) -> float | None:
    """Two standard deviations of a difference of two trainings with the same seed, in dB; None without several seeds.

    That of one contrast, "C4, Open-Unmix", or the largest of a claim's, C1's of two band splits for instance: how far
    another seed alone moves a difference.
    """
    compared = [contrast for contrast in contrasts(study) if claim_id in (contrast.claim.id, contrast.claim.of)]
    deviations = [seed_deviation_of(contrast.differences) for contrast in compared]
    return 2 * max((deviation for deviation in deviations if deviation is not None), default=0.0) or None


def runs_compared(results: Results) -> list[Run]:
    """The runs of all contrasts of a study, claim by claim, each once."""
    compared = [contrast.compared for contrast in contrasts(results.study)]
    in_order = [pair[side].run for of_claim in compared for side in (0, 1) for pair in of_claim]
    return list({(run.profile.name, run.id): run for run in in_order}.values())


def is_silent(done: Finished) -> bool:
    """Whether a training has learnt nothing but to be silent, by its test songs."""
    return is_silence(song["usdr"] for song in done.songs())


def table(study: Study) -> pd.DataFrame:
    """Every contrast with its effect in dB uSDR, its interval, its power and its verdicts.

    Primary contrasts have their tests corrected together.
    """
    compared = contrasts(study)
    primary = [contrast for contrast in compared if contrast.claim.primary]
    levels = _levels_of_tests(primary)
    levels |= {
        contrast.claim.id: 1 - (1 - LEVEL) / _looks(contrast) for contrast in compared if not contrast.claim.primary
    }
    rows = [_row(contrast, levels[contrast.claim.id]) for contrast in compared]
    of_id = {row["claim"]: row for row in rows}
    for contrast in compared:
        of_id[contrast.claim.id]["caveat"] = _caveat(of_id[contrast.claim.id], of_id.get(contrast.claim.asks_for))
    return pd.DataFrame(rows).astype(dict.fromkeys(NUMBERS, float))  # also where a whole column is empty


def _levels_of_tests(primary: list[Contrast]) -> dict[str, float]:
    """Claim -> the level of its interval: by Holm's rule, the n-th look with an n-th of the chance to be wrong."""
    looks = [_looks(contrast) for contrast in primary]
    p = [contrast.effect.p() if contrast.effect else None for contrast in primary]
    together = holm([one if one is None else min(1.0, one * times) for one, times in zip(p, looks, strict=True)], LEVEL)
    return {
        contrast.claim.id: LEVEL if level is None else 1 - (1 - level) / times
        for contrast, level, times in zip(primary, together, looks, strict=True)
    }


def _looks(contrast: Contrast) -> int:
    """How often its question has been asked."""
    profile, claim = contrast.profile, contrast.claim.id
    return contrast.claim.look or (3 if claim in profile.third_looks else 2 if claim in profile.second_looks else 1)


def _caveat(row: dict, asked: dict | None) -> str | None:
    """What a row's verdict must not be read without: that what it asks for is not shown; else None.

    None, too, for one that is consistent: labels cannot have gained without room for it.
    """
    if asked is None or row["effect"] is None or CONSISTENT in (row["verdict"], asked["verdict"]):
        return None
    if asked["effect"] is None:
        return f"its room ({asked['contrast']}) was not measured: the verdict says nothing of the finetuning"
    seeds = counted(len(asked["seeds"].split(", ")), "seed")
    return (
        f"its room ({asked['contrast']}) is {decibels(asked['effect'], asked['margin'])} ({seeds}), not shown to be "
        f"{asked['margin']:g} dB: the verdict says nothing of the finetuning"
    )


def _row(contrast: Contrast, level: float) -> dict:
    claim, targets, differences, measured = contrast.claim, contrast.targets, contrast.differences, contrast.effect
    profile, on_new = contrast.profile, effect(contrast.on_new)
    new_low, new_high = on_new.interval(LEVEL) if on_new else (None, None)
    seeds = list(differences.index)
    interval = measured.interval(level) if measured else None
    mean = mean_difference(differences)
    verdict, reason = judge(mean, interval, len(seeds), claim.margin_db, profile.carries_claims)
    on_paper_data = profile.data.source == "musdb18hq"
    return {
        "claim": claim.id,
        "contrast": claim.contrast + (f", {' and '.join(targets)}" if targets else ""),
        "verdict": verdict,
        "seeds": ", ".join(map(str, seeds)) or "-",
        "songs": differences.shape[1],
        "effect": mean,
        "low": interval[0] if interval else None,
        "high": interval[1] if interval else None,
        "data": data_words(profile),
        "profile": profile.name,
        "level": level if measured else None,
        "p": measured.p() if measured else None,
        "detectable": measured.detectable(level) if measured else None,
        "songs_wanted": measured.songs_wanted(claim.margin_db, level) if measured else None,
        "seeds_wanted": seeds_wanted(differences, claim.margin_db, level) if measured else None,
        "new_effect": mean_difference(contrast.on_new),
        "new_low": new_low,
        "new_high": new_high,
        "new_songs": contrast.on_new.shape[1],
        "margin": claim.margin_db,
        "paper_effect": claim.paper_db(targets or claim.targets),
        "paper_data": verdict if on_paper_data else NOT_TESTED,
        "our_analogue": NOT_TESTED if on_paper_data else verdict,
        "statement": claim.statement,
        "reason": reason,
        "silent_seeds": ", ".join(map(str, contrast.silent)) or None,
        "effect_where_both_learnt": contrast.where_both_learnt,
        "trained_again": "; ".join(contrast.again) or None,
        "source": OURS,
        "note": claim_words(profile, seeds),
    }


def judge(
    mean: float | None, interval: tuple[float, float] | None, seeds: int, margin: float, carries_claims: bool
) -> tuple[str, str]:
    """Verdict and reason from a mean difference and its interval."""
    if mean is None:
        return NOT_TESTED, "no runs of this contrast in the profile"
    if not carries_claims:
        return UNDECIDED, "the profile is too small to carry a claim"
    if seeds < MIN_SEEDS or interval is None:
        return UNDECIDED, f"{counted(seeds, 'seed')}; a verdict needs {MIN_SEEDS}"
    low, high = interval
    if low > 0 and mean >= margin:
        return CONSISTENT, f"the interval lies above 0, the mean is {margin:g} dB or more"
    if high < 0:
        return INCONSISTENT, "the interval lies below 0: it is the other way round"
    if high < margin:
        return INCONSISTENT, f"the interval lies below {margin:g} dB"
    if low > 0:
        return UNDECIDED, f"the interval lies above 0, but the mean, {decibels(mean, margin)}, is below {margin:g} dB"
    return UNDECIDED, f"the interval holds both 0 and {margin:g} dB"


def decibels(value: float, margin: float) -> str:
    """A difference in dB with two decimals, with three where two would make it equal to its margin."""
    return f"{value:+.{3 if abs(value - margin) < NEAR_DB else 2}f} dB"


def difference_words(row) -> str:
    """A row's difference with its interval, and without the trainings that stayed silent; "" where there is none."""
    if pd.isna(row.effect):
        return ""
    words = decibels(row.effect, row.margin)
    words += "" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]"
    if not pd.isna(row.effect_where_both_learnt):
        words += f"; without seeds {row.silent_seeds}, which stayed silent: {row.effect_where_both_learnt:+.2f} dB"
    return words if pd.isna(row.caveat) else f"{words}; {row.caveat}"


def outcome_words(row) -> str:
    """A row's difference and its verdict, that on the paper's data where it was tested there."""
    if row.our_analogue == row.paper_data == NOT_TESTED:
        return "Not tested"
    return f"*{_verdict_words(row).capitalize()}* ({row.contrast}: {difference_words(row)})"


def _verdict_words(row) -> str:
    """A row's verdict, that on the paper's data where it was tested there; and whether the interval lies below 0."""
    verdict = row.our_analogue if row.paper_data == NOT_TESTED else row.paper_data
    return f"{verdict}, and the other way round" if verdict == INCONSISTENT and row.high < 0 else verdict


def counted_verdicts(rows: pd.DataFrame, column: str = "our_analogue") -> str:
    """How many claims have which verdict, in a sentence's end, and which of these say nothing of the paper's method."""
    counts = rows[column].value_counts()
    verdicts = (CONSISTENT, INCONSISTENT, UNDECIDED, NOT_TESTED)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in verdicts if verdict in counts)
    empty = rows["claim"][rows["caveat"].notna() & (rows[column] != NOT_TESTED)]
    return words + (f"; of these, {', '.join(empty)} says nothing of the paper's method" if len(empty) else "")


def overview(study: Study) -> pd.DataFrame:
    """The primary contrasts, and those that belong beside them, in the two columns that open the book."""
    rows = table(study)
    rows["difference"] = [difference_words(row) or None for row in rows.itertuples()]
    rows = rows[rows["claim"].isin({claim.id for claim in CLAIMS if claim.primary or claim.in_overview})]
    verdicts = ["claim", "statement", "our_analogue", "difference", "paper_data", "paper_effect", "contrast"]
    return rows[[*verdicts, "seeds", "songs", "profile"]].reset_index(drop=True)  # first what fits on a small screen


def beside(study: Study) -> str:
    """The contrasts that the overview does not show, and how many trainings of other systems stayed silent."""
    said = []
    peers = Results(study, {"peer"}).finished
    for name in PEER_NAMES.values():
        trained = [done for done in peers if done.run.change == name]
        if silent := sum(map(is_silent, trained)):
            said.append(f"{silent} of {len(trained)} trainings of {name} stayed at 0 dB, which is silence.")
    compared = [done for contrast in contrasts(study) for pair in contrast.compared for done in pair]
    if again := dict.fromkeys(words for done in compared if (words := _trained_again(done))):
        said.append(f"Stayed silent, and trained again with another seed: {'; '.join(again)}.")
    hidden = {claim.id for claim in CLAIMS if not claim.primary and not claim.in_overview}
    rows = [row for row in table(study).itertuples() if row.claim in hidden and not pd.isna(row.low)]
    levels = {row.claim: "" if row.level == LEVEL else f", {100 * row.level:g} %" for row in rows}
    others = [
        f"{row.contrast} ({row.claim}{levels[row.claim]}): {_verdict_words(row)}, {difference_words(row)}"
        for row in rows
    ]
    return " ".join([*said, *([f"Controls: {'; '.join(others)}."] if others else [])])
