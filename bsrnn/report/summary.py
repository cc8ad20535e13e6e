"""The reproduction on one page, in the parts of the ML Reproducibility Challenge; its numbers come from results."""

import pandas as pd
from IPython.display import Markdown, display

from bsrnn.report import chapters, claims, formats, stamps, tables
from bsrnn.runtime.terminal import counted
from bsrnn.study import runs
from bsrnn.study.results import Finished, Results, Study


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
    said = claims.counted_verdicts(rows)
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
    beside = f"Controls and secondary contrasts, which decide no claim: {claims.counted_verdicts(secondary)}. "
    beside += f"{'; '.join(others)}."
    display(Markdown("\n".join([opening, "", *lines, "", *([beside] if others else [])])))


def aims(profile_name: str) -> None:
    """What the work on this book aimed at (ours, no part of book/plan.md), beside what came of it."""
    study = Study(profile_name)
    usdr = tables.of_all_songs(chapters.get("results").draw(study)).pivot(
        index="target", columns="method", values="usdr_mean"
    )
    targets = [target for target in study.profile.targets if target in usdr.index]
    knowing, learnt, model = (tables.METHODS[name] for name in ("wiener_oracle", "wiener", "model"))
    above = usdr.loc[targets, model] - usdr.loc[targets, knowing]
    gain = (usdr.loc[targets, model] - usdr.loc[targets, learnt]).mean()
    short = [_beside(above), f"{gain:.1f} dB"]
    longer = chapters.get("long")
    if not longer.left_out(study):
        rows = longer.draw(study)
        rows = rows[rows["items"] == rows["items"].max()].set_index("target").drop("mean", errors="ignore")
        words = f"after {rows['items'].iloc[0]} items, {_trainings(rows)}"
        short[0] += f"; {words}, {_beside(rows['usdr_mean'] - rows['wiener_oracle'])}"
        short[1] += f"; {words}, {(rows['usdr_mean'] - rows['wiener']).mean():.1f} dB"
    rows = claims.table(study)
    rows = rows[rows["claim"].isin({claim.id for claim in claims.CLAIMS if claim.primary}) & rows["detectable"].notna()]
    open_ones = ", ".join(rows["claim"][rows["our_analogue"] == claims.UNDECIDED]) or "none"
    coarse = [
        f"{row.claim} ({row.detectable:.3f} dB, margin {row.margin:g} dB)"
        for row in rows.itertuples()
        if row.detectable > row.margin
    ]
    seeds = counted(len(study.profile.seeds), "seed")
    lines = [
        f"- *Models above the filter that knows the song, on every target.* After the usual items, up to {seeds}: "
        f"{short[0]}.",
        f"- *2 dB above the filter that has learnt, in the mean of the targets.* {short[1]}.",
        f"- *A verdict on every claim, from runs that find an effect of its margin four times in five.* Undecided: "
        f"{open_ones}. Found so often is only a larger effect for {', '.join(coarse) or 'no claim'}.",
    ]
    display(Markdown("\n".join(lines)))


def _beside(above: pd.Series) -> str:
    return ", ".join(f"{target} {formats.beside(value)}" for target, value in above.items())


def _trainings(rows: pd.DataFrame) -> str:
    number = max(len(seeds.split(", ")) for seeds in rows["seeds"])
    return "one training each" if number == 1 else f"up to {number} seeds"


def ledger() -> str:
    """How many choices the paper leaves open, and for how many the authors' code or the replication has an answer."""
    choices = tables.published("open_details")
    unanswered = ("-", "not public", "not attempted")
    answered = (~choices[["authors_code", "replication"]].isin(unanswered)).any(axis=1).sum()
    return (
        f"The ledger has {len(choices)} choices: those that the paper leaves open or says in two ways, and some that "
        f"it states and that others or we made otherwise. The authors' later code or the replication has an answer to "
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
