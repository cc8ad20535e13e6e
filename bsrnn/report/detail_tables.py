"""The ledger of what the paper leaves open, and what another choice does to the scores where runs show it."""

import numpy as np
import pandas as pd

from bsrnn.report.contrasts import difference_table, pairs
from bsrnn.report.effects import mean_interval
from bsrnn.report.tables import ordered, ours
from bsrnn.study import costs
from bsrnn.study.ablations import DETAILS, EXTRAS, FINETUNING_DETAILS, VARIANTS
from bsrnn.study.results import (
    Finished,
    Results,
    any_of_details,
    is_base,
    is_detail,
    is_finetuned,
    is_hop,
    is_variant,
    published,
    with_claims,
)

EQUAL = "equal in every song"  # such as a fixed teacher's, where none was replaced: nothing was measured


def details(results: Results) -> pd.DataFrame:
    """Every changed run against its base: mean difference in dB uSDR and its 95 % interval.

    Of the profile, and of the one that decides its claims where that is another; so in the ledger.
    """
    rows = []
    for of_profile in with_claims(results, any_of_details):
        for target, words, detail, changed, against in _comparisons(of_profile):
            if detail:
                row = {"target": target, "another choice": words, "what is left open": detail}
                rows.append(row | ours(of_profile, changed) | measured(changed, against))
    columns = ("what is left open", "effect", "low", "high", "interval_over", "songs")
    return ordered(rows, "target", "another choice", *columns)


def beyond(results: Results) -> pd.DataFrame:
    """The same for what the paper does not have: other models, other splits, more or less of the training."""
    rows = []
    for target, words, detail, changed, against in _comparisons(results):
        if not detail:
            row = {"target": target, "what is other": words} | ours(results, changed) | measured(changed, against)
            rows.append(row | {"work": _operations(changed[0]) / _operations(against[0])})
    return ordered(rows, "target", "what is other", "effect", "low", "high", "interval_over", "work", "songs")


def _operations(one: Finished) -> float:
    """Of the model on one item, forward, for every target that it has."""
    return costs.forward_operations(one.run.profile.model, one.run.profile.mixing.chunk_seconds)


def _comparisons(results: Results) -> list[tuple[str, str, str, list[Finished], list[Finished]]]:
    """Target, what is other, the ledger's row, the runs with it, and what they are held against."""
    found = []
    for target in results.profile.targets:
        for name, change in (DETAILS | EXTRAS).items():
            changed = [one for one in results.find(is_detail, target) if one.run.variant == name]
            found.append((target, change.words, change.detail, changed, _against(results, target, change.against)))
        for name, detail in FINETUNING_DETAILS.items():
            changed = [one for one in results.find(is_variant, target) if one.run.variant == name]
            tuned = results.find(is_finetuned, target)
            found.append((target, f"finetuning: {VARIANTS[name][0]}", detail, changed, tuned))
    return [comparison for comparison in found if comparison[3]]


def _against(results: Results, target: str, kind: str) -> list[Finished]:
    """The base, or the runs of another change, or those with the hop that "hop1.5" names."""
    if not kind:
        return results.find(is_base, target)
    if kind in DETAILS | EXTRAS:
        return [one for one in results.find(is_detail, target) if one.run.variant == kind]
    return [one for one in results.find(is_hop, target) if one.run.id.startswith(f"{target}-{kind}-")]


def measured(changed: list[Finished], against: list[Finished]) -> dict:
    """Effect with its interval, over songs and seeds where there are several seeds, else over songs alone."""
    found = pairs(changed, against)
    differences, seeds, songs = difference_table(found)
    row = {"effect": None, "low": None, "high": None, "interval_over": "-", "songs": len(songs)}
    row["seeds"] = ", ".join(map(str, seeds))
    if differences.size:
        row["effect"], row["low"], row["high"] = mean_interval(differences)
        row["interval_over"] = f"{len(seeds)} seeds and songs" if len(seeds) > 1 else "songs, one seed"
        if not differences.any():
            row |= {"low": None, "high": None, "interval_over": EQUAL}
    return row


def open_details(results: Results) -> pd.DataFrame:
    """The ledger; our setting is read from the profile, the measured effect of another choice from its runs."""
    table = published("open_details")
    table["our_setting"] = [_setting(results.profile, key) for key in table["config_key"]]
    both = with_claims(results, any_of_details)
    table["measured"] = [_words(both, detail) for detail in table["detail"]]
    columns = ["detail", "paper", "authors_code", "replication", "our_choice", "config_key", "our_setting", "test"]
    return table[[*columns, "measured"]].assign(profile=results.profile.name)


def _words(profiles: list[Results], detail: str) -> str:
    """What was measured on a detail, in words; "-" for nothing."""
    if detail == "number of seeds":
        return "; ".join(filter(None, map(_spread, profiles))) or "-"
    found = []
    for results in profiles:
        for target, words, of_detail, changed, against in _comparisons(results):
            row = measured(changed, against) if of_detail == detail else {"effect": None}
            if row["effect"] is None:
                continue
            if row["interval_over"] == EQUAL:
                found.append(f"{words}: nothing came of it, {EQUAL} ({target}; profile {results.profile.name})")
            else:
                numbers = f"{row['effect']:+.2f} dB [{row['low']:+.2f}, {row['high']:+.2f}]"
                found.append(f"{words}: {numbers} ({target}; {row['interval_over']}; profile {results.profile.name})")
    return "; ".join(found) or "-"


def _spread(results: Results) -> str:
    """Standard deviation of the mean uSDR over the seeds of each base; "" for one seed."""
    words = []
    for target in results.targets(is_base):
        means = [one.scores["summary"]["usdr_mean"] for one in results.find(is_base, target)]
        if len(means) > 1 and None not in means:
            words.append(f"{target} {np.std(means, ddof=1):.2f} dB")
    return f"standard deviation over seeds: {', '.join(words)} (profile {results.profile.name})" if words else ""


def _setting(profile, key: str) -> str:
    """The value of "model.features" in a profile; "-" for a choice that is no setting."""
    if key == "-":
        return "-"
    value = profile
    for name in key.split("."):
        value = getattr(value, name)
    return str(value)
