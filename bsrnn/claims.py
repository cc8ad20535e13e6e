"""The paper's claims, the contrast of runs that tests each, and what a profile's results say to them.

Two columns are kept apart everywhere: what was found on the paper's own data (MUSDB18-HQ), and what our analogue on
other data found. A verdict is one of consistent, inconsistent, undecided and not tested.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bsrnn import config
from bsrnn.errors import ConfigError
from bsrnn.metrics import interval
from bsrnn.results import (
    OURS,
    Finished,
    Results,
    Role,
    any_of,
    claim_words,
    data_words,
    is_base,
    is_control,
    is_crossed,
    is_finetuned,
    is_hop,
    is_split,
    mean,
    seed_words,
)

MIN_SEEDS = 5  # ours: fewer say nothing about the next seed
NOT_TESTED, UNDECIDED, CONSISTENT, INCONSISTENT = "not tested", "undecided", "consistent", "inconsistent"


@dataclass(frozen=True)
class Claim:
    """The claim is that runs of role ``better`` score higher (mean uSDR) than those of role ``worse``."""

    id: str
    statement: str
    contrast: str
    better: Role | None = None  # None: no such runs are declared
    worse: Role | None = None
    targets: tuple[str, ...] = config.TARGETS


def _split(scheme: str) -> Role:
    names = ("v7", "vocals") if scheme == "v7" else (scheme,)
    return lambda run: is_split(run) and run.profile.model.band_split in names


def _hop(seconds: float) -> Role:
    return lambda run: is_hop(run) and run.profile.separate.hop_seconds == seconds


CLAIMS = (
    Claim("C1", "Finer subbands at low frequencies help vocals.", "V4 - V1", _split("v4"), _split("v1"), ("vocals",)),
    Claim("C1, second", "V7's bands help vocals beyond V4's.", "V7 - V4", _split("v7"), _split("v4"), ("vocals",)),
    Claim(
        "C2",
        "Bass and drums do better with splits of their own, in the mean.",
        "own split - V7",
        is_base,
        lambda run: is_crossed(run) and run.profile.model.band_split == "v7",
        ("bass", "drums"),
    ),
    Claim("C3", "Overlapping segments beat abutting ones.", "hop 1.5 s - hop 3 s", _hop(1.5), _hop(3.0), ("vocals",)),
    Claim("C4", "On the same training songs, BSRNN beats earlier systems but for bass.", "BSRNN - peers"),
    Claim(
        "C5",
        "Finetuning on unlabelled songs helps, in the mean over targets.",
        "finetuned - control",
        is_finetuned,
        is_control,
    ),
)
ROLE = any_of(is_base, is_split, is_crossed, is_hop, is_finetuned, is_control)


def table(results: Results) -> pd.DataFrame:
    """Every claim with its contrast, its effect in dB uSDR and its two verdicts."""
    return pd.DataFrame([_row(claim, results) for claim in CLAIMS])


def _row(claim: Claim, results: Results) -> dict:
    profile = results.profile
    better = [one for one in results.find(claim.better) if one.run.target in claim.targets] if claim.better else []
    worse = [one for one in results.find(claim.worse) if one.run.target in claim.targets] if claim.worse else []
    pairs = [(a, b) for a in better for b in worse if (a.run.target, a.run.seed) == (b.run.target, b.run.seed)]
    targets = [target for target in claim.targets if any(a.run.target == target for a, _ in pairs)]
    effects = _effects(pairs, targets)
    low, high = _bounds(effects)
    verdict, reason = judge(effects, low, high, profile.carries_claims)
    on_paper_data = profile.data.source == "musdb18hq"
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "contrast": claim.contrast + (f", {' and '.join(targets)}" if targets else ""),
        "paper_data": verdict if on_paper_data else NOT_TESTED,
        "our_analogue": NOT_TESTED if on_paper_data else verdict,
        "reason": reason,
        "effect_db": mean(effects),
        "low": low,
        "high": high,
        "songs": pairs[0][0].scores["summary"]["songs"] if pairs else 0,
        "source": OURS,
        "data": data_words(profile),
        "profile": profile.name,
        "seeds": ", ".join(map(str, sorted({a.run.seed for a, _ in pairs}))) or seed_words(profile),
        "note": claim_words(profile),
    }


def _effects(pairs: Sequence[tuple[Finished, Finished]], targets: Sequence[str]) -> list[float]:
    """Difference of the mean uSDR of each seed that has all targets; mean over targets.

    Several finetunings of one start, with other orders of the data, are one seed: their mean counts.
    """
    by_seed: dict[int, dict[str, list[float]]] = {}
    for a, b in pairs:
        high, low = (one.scores["summary"]["usdr_mean"] for one in (a, b))
        if high is not None and low is not None:  # None: the target is silent in every test song
            seed = a.run.start.seed if a.run.start else a.run.seed
            by_seed.setdefault(seed, {}).setdefault(a.run.target, []).append(high - low)
    whole = [orders for orders in by_seed.values() if len(orders) == len(targets)]
    return [float(np.mean([np.mean(values) for values in orders.values()])) for orders in whole]


def _bounds(effects: Sequence[float]) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval over seeds, where there are enough."""
    return interval(effects, np.random.default_rng(0)) if len(effects) >= MIN_SEEDS else (None, None)


def judge(effects: Sequence[float], low: float | None, high: float | None, carries_claims: bool) -> tuple[str, str]:
    """Verdict and reason from one effect a seed and their interval."""
    if not effects:
        return NOT_TESTED, "no runs of this contrast in the profile"
    if not carries_claims:
        return UNDECIDED, "the profile is too small to carry a claim"
    if low is None or high is None:
        return UNDECIDED, f"{len(effects)} seed(s); a verdict needs {MIN_SEEDS}"
    if low > 0:
        return CONSISTENT, "the interval over seeds lies above 0"
    if high < 0:
        return INCONSISTENT, "the interval over seeds lies below 0"
    return UNDECIDED, "the interval over seeds holds 0"


def verdict(profile_name: str, *ids: str) -> None:
    """Display the two verdicts of some claims at the end of a chapter.

    Raises:
        ConfigError: unknown claim. MissingResult: a run without a result.
    """
    from IPython.display import Markdown, display

    rows = table(Results(profile_name, ROLE)).set_index("claim")
    if unknown := [name for name in ids if name not in rows.index]:
        raise ConfigError(f"unknown claim {', '.join(unknown)}: expected {', '.join(rows.index)}")
    for name in ids:
        row = rows.loc[name]
        effect = "" if pd.isna(row.effect_db) else f" Measured difference: {row.effect_db:+.2f} dB ({row.contrast})."
        display(
            Markdown(
                f"**{name}. {row.statement}** On the paper's data: *{row.paper_data}*. Our analogue "
                f"({row['data']}, profile {row.profile}): *{row.our_analogue}* ({row.reason}).{effect}"
            )
        )
