"""The paper's claims, the contrast of runs that tests each, and what a profile's results say to them.

Two columns are kept apart everywhere: what was found on the paper's own data (MUSDB18-HQ), and what our analogue on
other data found. Each claim has one primary contrast, named before any run of the profile that decides; the five tests
of these against no difference hold together (Holm). The secondary ones are controls and details, each by itself.

The verdict of a contrast whose claim is "better by something that matters", a margin of 0.3 dB set beforehand:

- consistent: the interval lies above 0, and the mean difference is the margin or more;
- inconsistent: the interval lies below the margin, so that a difference that matters is ruled out;
- undecided: anything else, and always with fewer than five seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bsrnn import config
from bsrnn.config import PEER_NAMES
from bsrnn.errors import ConfigError
from bsrnn.report.contrasts import Pair, difference_table, effect, pairs, targets_of
from bsrnn.report.effects import Effect, holm
from bsrnn.study.results import (
    OURS,
    Results,
    Role,
    any_of,
    claim_words,
    claims_profile,
    data_words,
    is_base,
    is_baselines,
    is_control,
    is_crossed,
    is_finetuned,
    is_hop,
    is_peer,
    is_split,
    mean,
    published,
    stamp,
)

MIN_SEEDS = 5  # ours: fewer say little about the next seed
MARGIN_DB = 0.3  # ours: the largest standard deviation over seeds that the replication reports
LEVEL = 0.95
SILENT_DB = 0.1  # a mean uSDR nearer to 0 is that of a model that learnt to be silent
NUMBERS = ("effect", "low", "high", "level", "p", "detectable", "margin", "paper_effect")
NOT_TESTED, UNDECIDED, CONSISTENT, INCONSISTENT = "not tested", "undecided", "consistent", "inconsistent"


@dataclass(frozen=True)
class Claim:
    """That runs of role ``better`` score higher (mean uSDR) than those of role ``worse``.

    margin_db: what a difference must be to matter. paper_db: the paper's own difference, from data/published.
    """

    id: str
    statement: str
    contrast: str
    better: Role
    worse: Role
    targets: tuple[str, ...] = config.TARGETS
    margin_db: float = MARGIN_DB
    paper_db: Callable[[Sequence[str]], float | None] = lambda targets: None

    @property
    def primary(self) -> bool:
        """Whether the claim's verdict is this contrast's."""
        return "," not in self.id


def _split(scheme: str) -> Role:
    names = ("v7", "vocals") if scheme == "v7" else (scheme,)
    return lambda run: is_split(run) and run.profile.model.band_split in names


def _hop(seconds: float) -> Role:
    return lambda run: is_hop(run) and run.profile.separate.hop_seconds == seconds


def _crossed(schemes: dict[str, str]) -> Role:
    return lambda run: is_crossed(run) and run.profile.model.band_split == schemes.get(run.target)


def _peer(system: str) -> Role:
    return lambda run: is_peer(run) and run.profile.model.system == system


def _in_table(name: str, key: str, better, worse) -> Callable[[Sequence[str]], float]:
    def difference(targets: Sequence[str]) -> float:
        values = published(name).set_index(key)["value"]
        return float(values[better] - values[worse])

    return difference


def _finetuning(targets: Sequence[str]) -> float:
    rows = published("table3").query("data == 'MUSDB18-HQ'").set_index("model")
    columns = [f"{target}_usdr" for target in targets]
    return float((rows.loc["BSRNN + finetuning", columns] - rows.loc["BSRNN", columns]).mean())


VOCALS = ("vocals",)
CLAIMS = (
    Claim("C1", "Finer subbands at low frequencies help vocals.", "V4 - V1", _split("v4"), _split("v1"), VOCALS,
          paper_db=_in_table("table1", "split", "v4", "v1")),
    Claim("C1, more bands", "V7's bands help vocals beyond V4's.", "V7 - V4", _split("v7"), _split("v4"), VOCALS,
          paper_db=_in_table("table1", "split", "v7", "v4")),
    Claim("C1, control", "It is where the bands are, not how many.", "V7 - 41 equal bands", _split("v7"),
          _split("uniform41"), VOCALS),
    Claim("C2", "Bass and drums do better with splits of their own, in the mean.", "own split - V7", is_base,
          _crossed({"bass": "v7", "drums": "v7"}), ("bass", "drums")),
    Claim("C2, control", "And better than with each other's.", "own split - the other's", is_base,
          _crossed({"bass": "drums", "drums": "bass"}), ("bass", "drums")),
    # The paper's own difference is below 0.3 dB, and the claim is of any overlap: half of the paper's difference
    Claim("C3", "Overlapping segments beat abutting ones.", "hop 1.5 s - hop 3 s", _hop(1.5), _hop(3.0), VOCALS, 0.1,
          _in_table("table2", "hop_seconds", 1.5, 3.0)),
    Claim("C4", "On the same training songs, BSRNN beats Hybrid Demucs on vocals.", "BSRNN - Hybrid Demucs", is_base,
          _peer("hdemucs"), VOCALS),
    Claim("C4, Open-Unmix", "And Open-Unmix.", "BSRNN - Open-Unmix", is_base, _peer("umx"), VOCALS),
    Claim("C4, Conv-TasNet", "And Conv-TasNet's convolutions over an STFT.", "BSRNN - Conv-TasNet on an STFT", is_base,
          _peer("convtasnet-stft"), VOCALS),
    Claim("C5", "Finetuning on unlabelled songs helps, in the mean over targets.", "finetuned - control", is_finetuned,
          is_control, paper_db=_finetuning),
)  # fmt: skip
ROLE = any_of(is_base, is_split, is_crossed, is_hop, is_peer, is_finetuned, is_control)


def table(results: Results) -> pd.DataFrame:
    """Every contrast with its effect in dB uSDR, its interval, its power and its verdicts."""
    found = [_pairs(claim, results) for claim in CLAIMS]
    effects = [effect(of_claim) for of_claim in found]
    primary = [index for index, claim in enumerate(CLAIMS) if claim.primary]
    together = holm([effects[index].p() if effects[index] else None for index in primary], LEVEL)
    levels = dict(zip(primary, together, strict=True))
    rows = zip(CLAIMS, found, effects, strict=True)
    drawn = pd.DataFrame([_row(*row, levels.get(index) or LEVEL, results) for index, row in enumerate(rows)])
    return drawn.astype(dict.fromkeys(NUMBERS, float))  # also where a whole column is empty


def difference_tables(results: Results) -> dict[str, np.ndarray]:
    """Contrast -> differences in dB (seeds, songs)."""
    return {claim.id: difference_table(_pairs(claim, results))[0] for claim in CLAIMS}


def _row(claim: Claim, found: list[Pair], measured: Effect | None, level: float, results: Results) -> dict:
    profile = results.profile
    targets = targets_of(found)
    differences, seeds, songs = difference_table(found)
    low, high = measured.interval(level) if measured else (None, None)
    mean = float(differences.mean()) if differences.size else None
    verdict, reason = judge(mean, low, high, len(seeds), claim.margin_db, profile.carries_claims)
    on_paper_data = profile.data.source == "musdb18hq"
    return {
        "claim": claim.id,
        "contrast": claim.contrast + (f", {' and '.join(targets)}" if targets else ""),
        "verdict": verdict,
        "seeds": ", ".join(map(str, seeds)) or "-",
        "songs": len(songs),
        "effect": mean,
        "low": low,
        "high": high,
        "data": data_words(profile),
        "profile": profile.name,
        "level": level if measured else None,
        "p": measured.p() if measured else None,
        "detectable": measured.detectable(level) if measured else None,
        "margin": claim.margin_db,
        "paper_effect": claim.paper_db(targets or claim.targets),
        "paper_data": verdict if on_paper_data else NOT_TESTED,
        "our_analogue": NOT_TESTED if on_paper_data else verdict,
        "statement": claim.statement,
        "reason": reason,
        "source": OURS,
        "note": claim_words(profile, seeds),
    }


def _pairs(claim: Claim, results: Results) -> list[Pair]:
    better, worse = ([one for one in results.find(role) if one.run.target in claim.targets]
                     for role in (claim.better, claim.worse))  # fmt: skip
    return pairs(better, worse)


def judge(
    mean: float | None, low: float | None, high: float | None, seeds: int, margin: float, carries_claims: bool
) -> tuple[str, str]:
    """Verdict and reason from a mean difference and its interval."""
    if mean is None:
        return NOT_TESTED, "no runs of this contrast in the profile"
    if not carries_claims:
        return UNDECIDED, "the profile is too small to carry a claim"
    if seeds < MIN_SEEDS or low is None or high is None:
        return UNDECIDED, f"{seeds} seed(s); a verdict needs {MIN_SEEDS}"
    if low > 0 and mean >= margin:
        return CONSISTENT, f"the interval lies above 0, the mean is {margin:g} dB or more"
    if high < margin:
        return INCONSISTENT, f"the interval lies below {margin:g} dB"
    if low > 0:
        return UNDECIDED, f"the interval lies above 0, but the mean is not {margin:g} dB or more"
    return UNDECIDED, f"the interval holds both 0 and {margin:g} dB"


def overview(results: Results) -> pd.DataFrame:
    """The five primary contrasts in the two columns that open the book."""
    rows = table(results)
    rows = rows[[claim.primary for claim in CLAIMS]]
    verdicts = ["claim", "statement", "contrast", "paper_data", "our_analogue"]
    return rows[[*verdicts, "effect", "low", "high", "paper_effect", "seeds", "songs"]].reset_index(drop=True)


def beside(results: Results) -> str:
    """What belongs to the overview: how good the models are whose differences it shows, and the other contrasts."""
    profile = results.profile
    scores = Results(profile.name, any_of(is_base, is_baselines))
    means = []
    for target in scores.targets(is_base):
        model = [one.scores["summary"]["usdr_mean"] for one in scores.find(is_base, target)]
        known = [one.scores["wiener"]["summary"]["usdr_mean"] for one in scores.find(is_baselines, target)]
        if None not in (mean(model), mean(known)):
            means.append(f"{target} {mean(model):.2f} dB ({mean(known):.2f})")
    opening = "Mean uSDR of BSRNN (and of a Wiener filter trained on the same songs)"
    said = [f"{opening}: {', '.join(means)}."] if means else []
    for system, name in PEER_NAMES.items():
        found = [one.scores["summary"]["usdr_mean"] for one in results.find(_peer(system))]
        if silent := sum(value is not None and abs(value) < SILENT_DB for value in found):
            said.append(f"{silent} of {len(found)} trainings of {name} stayed at 0 dB, which is silence.")
    rows = [row for row in table(results).itertuples() if "," in row.claim and not pd.isna(row.low)]
    others = [f"{row.claim}: {row.verdict}, {row.effect:+.2f} dB [{row.low:+.2f}, {row.high:+.2f}]" for row in rows]
    return " ".join(said) + (f" Controls and secondary contrasts: {'; '.join(others)}." if others else "")


def show_overview(profile_name: str) -> None:
    """Display :func:`overview` with where its numbers come from. Raises MissingResult: a run without a result."""
    from IPython.display import HTML, display

    from bsrnn.report import markup

    results = Results(claims_profile(profile_name), ROLE)
    caption = markup.caption(f"The paper's claims. {beside(results)} {stamp(results, OURS)}")
    body = f'<div style="overflow-x:auto">{markup.to_html(overview(results), "overview")}</div>'
    display(HTML(f'<figure id="overview" style="margin:1em 0">{body}{caption}</figure>'))


def verdict(profile_name: str, *ids: str) -> None:
    """Display the two verdicts of some claims at the end of a chapter.

    Raises:
        ConfigError: unknown claim. MissingResult: a run without a result.
    """
    from IPython.display import Markdown, display

    rows = table(Results(claims_profile(profile_name), ROLE)).set_index("claim")
    if unknown := [name for name in ids if name not in rows.index]:
        raise ConfigError(f"unknown claim {', '.join(unknown)}: expected {', '.join(rows.index)}")
    for name in ids:
        row = rows.loc[name]
        measured = "" if pd.isna(row.effect) else f" Measured difference: {row.effect:+.2f} dB"
        measured += "" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]"
        display(
            Markdown(
                f"**{name}. {row.statement}** On the paper's data: *{row.paper_data}*. Our analogue "
                f"({row['data']}, profile {row.profile}): *{row.our_analogue}* ({row.reason})."
                + (f"{measured} ({row.contrast})." if measured else "")
            )
        )
