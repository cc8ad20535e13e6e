"""The reproduction on one page, in the parts of the ML Reproducibility Challenge; its numbers come from results."""

import pandas as pd
from IPython.display import Markdown, display

from bsrnn.report import claims, stamps, tables
from bsrnn.study import runs
from bsrnn.study.results import Finished, Results, Study

VERDICTS = (claims.CONSISTENT, claims.INCONSISTENT, claims.UNDECIDED, claims.NOT_TESTED)


def scope(profile_name: str) -> None:
    """The claims, each with the runs that test it."""
    rows = claims.overview(Results(Study(profile_name).deciding, claims.ROLES))
    lines = [f"- **{row.claim}** {row.statement} Tested by: {row.contrast}." for row in rows.itertuples()]
    display(Markdown("\n".join(lines)))


def method(profile_name: str) -> None:
    """The sizes of models, data and trainings, of the profile and of the one that decides its claims."""
    lines = [_sizes(results) for results in Results(Study(profile_name), {"base"}).with_deciding()]
    display(Markdown("\n".join(lines)))


def _sizes(results: Results) -> str:
    profile = results.profile
    parameters = sorted(done.training["parameters"] for done in results.find("base"))
    items = max(done.training["items"] for done in results.find("base"))
    songs = f"{profile.data.train_songs} songs" if profile.data.train_songs else "all songs that are there"
    least, most = f"{parameters[0]:,}", f"{parameters[-1]:,}"
    return (
        f"- Profile {profile.name}: {stamps.data_words(profile)}; {', '.join(results.targets('base'))}; models of "
        f"{least if least == most else f'{least} to {most}'} parameters; {items:,} training items of "
        f"{profile.mixing.chunk_seconds:g} s from {songs}; seeds {stamps.seed_words(profile)}; "
        f"{stamps.scored_songs(results)}."
    )


def verdicts(profile_name: str) -> None:
    """How good the models are that the verdicts rest on, how many claims have which, then each in a line."""
    results = Results(Study(profile_name).deciding, claims.ROLES)
    rows = claims.table(results)
    rows = rows[[claim.primary for claim in claims.CLAIMS]]
    counts = rows["our_analogue"].value_counts()
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)
    on_paper = (rows["paper_data"] != claims.NOT_TESTED).sum()
    opening = (
        f"Of {len(rows)} claims our analogue calls {said}. On the paper's own data {on_paper or 'none'} was tested."
    )
    lines = [f"- **{row.claim}, {row.our_analogue}**: {row.contrast}, {_measured(row)} ({row.reason})." for row in
             rows.itertuples()]  # fmt: skip
    display(Markdown("\n".join([opening, "", *lines])))


def _measured(row) -> str:
    if pd.isna(row.effect):
        return "not measured"
    interval = "" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]"
    return claims.decibels(row.effect, row.margin) + interval


def open_choices() -> None:
    """How many choices the paper leaves open, and for how many the authors' code or the replication has an answer."""
    ledger = tables.published("open_details")
    answered = (ledger[["authors_code", "replication"]] != "-").any(axis=1).sum()
    display(Markdown(f"[The ledger](09_open_details.html) has {len(ledger)} choices that the paper leaves open. The "
                     f"authors' later code or the replication settles {answered} of them, not always alike; "
                     f"{len(ledger) - answered} are ours alone."))  # fmt: skip


def cost(profile_name: str) -> None:
    """Runs, trainings, hours and memory behind the committed numbers, of each profile that has a part in them."""
    lines = [_cost(results) for results in Results(Study(profile_name), runs.ROLES).with_deciding()]
    display(Markdown("\n".join(lines)))


def _cost(results: Results) -> str:
    trained = [done for done in results.finished if done.training]
    hours = sum(done.training["seconds"] for done in trained) / 3600
    scoring = sum(done.result["score_seconds"] for done in results.finished) / 3600
    memory = max((done.result.get("memory_gb") or 0.0 for done in trained), default=0.0)
    return (
        f"- Profile {results.profile.name}: {len(results.finished)} runs, {len(trained)} of them trainings. "
        f"{hours:.1f} hours of training and {scoring:.1f} of scoring, if one follows the other, on "
        f"{_machines(results.finished)}; at most {memory:.1f} GB a process."
    )


def _machines(finished: list[Finished]) -> str:
    kinds = sorted({(done.result["device"], done.result["threads"]) for done in finished})
    return " and ".join(f"{device} with {threads} thread{'s' * (threads != 1)}" for device, threads in kinds)
