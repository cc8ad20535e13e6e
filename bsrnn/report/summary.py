"""The reproduction on one page, in the parts of the ML Reproducibility Challenge; its numbers come from results."""

import pandas as pd
from IPython.display import Markdown, display

from bsrnn.report import claims, stamps, tables
from bsrnn.study import runs
from bsrnn.study.results import Finished, Results, Study

VERDICTS = (claims.CONSISTENT, claims.INCONSISTENT, claims.UNDECIDED, claims.NOT_TESTED)


def scope(profile_name: str) -> None:
    """The claims, each with the runs that test it."""
    rows = claims.overview(Study(profile_name))
    lines = [f"- **{row.claim}** {row.statement} Tested by: {row.contrast}." for row in rows.itertuples()]
    display(Markdown("\n".join(lines)))


def method(profile_name: str) -> None:
    """The sizes of models, data and trainings."""
    results = Results(Study(profile_name), {"base"})
    profile = results.profile
    parameters = sorted(done.training["parameters"] for done in results.find("base"))
    items = max(done.training["items"] for done in results.find("base"))
    songs = f"{profile.data.train_songs} songs" if profile.data.train_songs else "all songs that are there"
    least, most = f"{parameters[0]:,}", f"{parameters[-1]:,}"
    said = (
        f"Profile {profile.name}: {stamps.data_words(profile)}; {', '.join(results.targets('base'))}; models of "
        f"{least if least == most else f'{least} to {most}'} parameters; {items:,} training items of "
        f"{profile.mixing.chunk_seconds:g} s from {songs}; seeds {stamps.seeds_of(results.finished)}; "
        f"{stamps.scored_songs(results)}."
    )
    display(Markdown(said))


def verdicts(profile_name: str) -> None:
    """How good the models are that the verdicts rest on, how many claims have which, then each in a line."""
    every = claims.table(Study(profile_name))
    is_primary = every["claim"].isin({claim.id for claim in claims.CLAIMS if claim.primary})
    rows, secondary = every[is_primary], every[~is_primary]
    said = _counts(rows)
    on_paper = (rows["paper_data"] != claims.NOT_TESTED).sum()
    opening = (
        f"Of {len(rows)} claims our analogue calls {said}. On the paper's own data {on_paper or 'none'} was tested."
    )
    lines = [
        f"- **{row.claim}, {row.our_analogue}**: {row.contrast}, {claims.difference_words(row) or 'not measured'} "
        f"({row.reason})."
        for row in rows.itertuples()
    ]
    others = [
        f"{row.claim} ({row.contrast}) {row.our_analogue}, {claims.difference_words(row) or 'not measured'}"
        for row in secondary.itertuples()
    ]
    beside = f"Controls and secondary contrasts, which decide no claim: {_counts(secondary)}. {'; '.join(others)}."
    display(Markdown("\n".join([opening, "", *lines, "", *([beside] if others else [])])))


def _counts(rows: pd.DataFrame) -> str:
    counts = rows["our_analogue"].value_counts()
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts)


def ledger() -> str:
    """How many choices the paper leaves open, and for how many the authors' code or the replication has an answer."""
    choices = tables.published("open_details")
    unanswered = ("-", "not public", "not attempted")
    answered = (~choices[["authors_code", "replication"]].isin(unanswered)).any(axis=1).sum()
    return (
        f"The paper leaves {len(choices)} choices open. The authors' later code or the replication has an answer to "
        f"{answered} of them, not always the same one; the other {len(choices) - answered} answers are ours alone."
    )


def open_choices() -> None:
    """The same, with the way to the ledger."""
    display(Markdown(f"{ledger()} [The ledger](09_open_details.html) lists them."))


def cost(profile_name: str) -> None:
    """Runs, trainings, hours and memory behind the committed numbers."""
    results = Results(Study(profile_name), runs.ROLES)
    trained = [done for done in results.finished if done.training]
    said = (
        f"Profile {results.profile.name}: {len(results.finished)} runs, {len(trained)} of them trainings. Added up, as "
        f"they ran side by side: {_hours(results.finished)}."
    )
    display(Markdown(said))


def _hours(finished: list[Finished]) -> str:
    """Of training and of scoring, on each kind of machine."""
    kinds: dict[tuple[str, int], list[Finished]] = {}
    for done in finished:
        if "copied_from" in done.result:  # another run's, which is counted
            continue
        kinds.setdefault((done.result["device"], done.result["threads"]), []).append(done)
    said = []
    for (device, threads), runs_there in sorted(kinds.items()):
        training = sum(done.training["seconds"] for done in runs_there if done.training) / 3600
        scoring = sum(done.result["score_seconds"] for done in runs_there) / 3600
        memory = max(done.result.get("memory_gb") or 0.0 for done in runs_there)
        said.append(
            f"{training:.1f} hours of training and {scoring:.1f} of scoring on {device} with {threads} "
            f"thread{'s' * (threads != 1)}, at most {memory:.1f} GB a process"
        )
    return "; ".join(said)
