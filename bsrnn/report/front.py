"""What the front page and the one-page summary say and play: the results that a clone brings along, and yours beside.

A clone has results before anything was computed in it, those of the profile `small`. Whoever reproduces a smaller one
sees both: the committed results first, their own in a column of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display

from bsrnn.config import TARGETS
from bsrnn.data import songs
from bsrnn.data.songs import Song
from bsrnn.errors import DataError, MissingResult
from bsrnn.report import chapters, claims, levels, show, stamps, tables, trace
from bsrnn.report.manifest import README_PROFILE
from bsrnn.report.player import seconds_shown
from bsrnn.report.sounds import fullest, fullness, opens
from bsrnn.separation import separate
from bsrnn.study.results import Finished, Results, Study, trained_model

SONGS_TO_CHOOSE_FROM = 4  # the first test songs, which the chapters render too
MEGABYTES = 2.6  # of the front page's player: 20 s of nine tracks, and the page stays below three
METHODS = ("silence", "wiener", "model", "ratio_mask")  # of bsrnn.report.tables.METHODS, from worst to best
SCORE = "uSDR, the level of the true stem over that of the error, in dB; silence has 0"


def committed(shown: str) -> str:
    """The profile whose results a clone brings along; the one that is shown, where those are not there."""
    return README_PROFILE if Study(README_PROFILE).complete else shown


# ---- to hear ----


def listen(profile_name: str) -> None:
    """A player with a test song's mixture and, of each target, the true stem and what the profile's model makes of it.

    The target that is separated best comes first. Where models or songs are not there, a line says what is missing.
    """
    study = Study(profile_name)
    targets = list(best_first(scores(study)))
    try:
        models = {target: trained_model(profile_name, target) for target in targets}
        tests = songs.load(study.profile.data, "test", targets=targets, limit=SONGS_TO_CHOOSE_FROM)
        song, first, true = fullest_song(tests, targets)
    except (MissingResult, DataError) as error:
        display(Markdown(f"There is nothing to hear on this page yet: {error}"))
        return
    frames = next(iter(true.values())).shape[1]
    mixture = song.read("mixture", first, frames)
    estimated: dict[str, np.ndarray] = {}
    for model in models.values():
        estimated |= separate(model, mixture, song.sample_rate, **asdict(study.profile.separate))
    words = f"{song.name}, one of the {stamps.data_words(study.profile)}, taken apart by the models of profile"
    heard = show.tracks(mixture, true, estimated, rest=False)
    show.player(heard, song.sample_rate, f"{words} {profile_name}", MEGABYTES)
    show.said(which_are_heard(study))
    show.said(place_among_songs(study, song.name, targets))


def which_are_heard(study: Study) -> str:
    """Of each target the training whose model plays, with its mean score; and of which the command takes two."""
    playing = study.best_models()
    said = [
        f"{run.id} (mean of the test songs {study.finished(run).scores['summary']['usdr_mean']:.1f} dB)"
        for run in playing.values()
    ]
    if not said:
        return ""
    words = "What plays is of each target the one training from the start that was best on the validation songs"
    beside = [target for target in playing
              if any(other.target == target for other in study.with_the_best())]  # fmt: skip
    more = f" For {' and '.join(beside)} `bsrnn separate` takes a second model, too." if beside else ""
    return f"{words}: {', '.join(said)}.{more}"


def place_among_songs(study: Study, song_name: str, targets: Sequence[str]) -> str:
    """A song's scores by the models that play, and its place among all test songs: whether this sound is usual."""
    playing, said = study.best_models(), []
    for target in (target for target in targets if target in playing):
        songs_of = {song["song"]: song["usdr"] for song in study.finished(playing[target]).songs()}
        scored = {name: value for name, value in songs_of.items() if value is not None}
        if song_name in scored:
            place = 1 + sum(value > scored[song_name] for value in scored.values())
            said.append(f"{target} {scored[song_name]:.1f} dB (place {place} of {len(scored)})")
    words = "Scores of the whole song by these models, with its place among the test songs"
    return f"{words}: {', '.join(said)}." if said else ""


def fullest_song(tests: list[Song], targets: list[str]) -> tuple[Song, int, dict]:
    """The song, and the sample from which on, of whose stems of some targets the one that rests most rests least.

    Songs with a part that opens with sound go before all others. Returns also those stems there, target -> (C, L), of
    as many seconds as the player has.
    """
    seconds = seconds_shown(1 + 2 * len(targets), MEGABYTES)
    best: tuple[tuple[bool, float], Song, int, dict] | None = None
    for song in tests:
        stems = {target: song.read(target) for target in targets}
        part = fullest(stems, song.sample_rate, seconds)
        shown = {target: stem[:, part] for target, stem in stems.items()}
        full = opens(shown, song.sample_rate), fullness(shown, song.sample_rate)
        if best is None or full > best[0]:
            best = full, song, part.start, shown
    if best is None:
        raise DataError("got no test song; expected one at least")
    return best[1:]


# ---- how good ----


def scores(study: Study) -> dict[str, dict[str, float]]:
    """Target -> method (:data:`METHODS`) -> mean uSDR in dB over songs and seeds, of the targets that have a model."""
    results = Results(study, {"base", "baselines"})
    found: dict[str, dict[str, float]] = {}
    for target in results.targets("base"):
        summaries = {"model": tables.summaries_of(results.find("base", target))}
        for method in METHODS:
            of_runs = [done.scores for done in results.find("baselines", target)]
            summaries.setdefault(method, [of_run[method]["summary"] for of_run in of_runs if method in of_run])
        means = {method: tables.mean_of(summaries[method], "usdr_mean") for method in METHODS}
        found[target] = {method: value for method, value in means.items() if value is not None}
    return found


def best_first(of_targets: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """The same, from the highest score of a model to the lowest; in the paper's order among equals."""
    known = [*TARGETS, *of_targets]
    ordered = sorted(of_targets, key=lambda target: (-of_targets[target].get("model", 0.0), known.index(target)))
    return {target: of_targets[target] for target in ordered}


def quality(profile_name: str) -> None:
    """In words, how good the profile's models are, the best one first."""
    study = Study(profile_name)
    results = Results(study, {"base", "long", "baselines"})
    number, seeds = stamps.scored_songs(results).removesuffix(" scored"), stamps.seeds_of(results.find("base"))
    heard = {target: tables.new_score(results.find("base", target)) for target in results.targets("base")}
    new = {target: score for target, score in heard.items() if score is not None}
    of_filter = {target: levels.on_new(results.find("baselines", target), levels.FILTER) for target in new}
    lines = [f"Mean score on {number} that no model has heard, seed {seeds} ({SCORE}):", ""]
    for target, of_target in best_first(scores(study)).items():
        mask = f"; a mask that knows the true stems has {of_target.get('ratio_mask', 0.0):.1f} dB"
        of_new = f"; on songs of new timbres {new[target]:.1f} dB" if target in new else ""
        of_new += f" (that filter {of_filter[target]:.1f})" if of_filter.get(target) is not None else ""
        lines.append(f"- {_score(target, of_target)}{of_new}{mask if 'ratio_mask' in of_target else ''}.")
    if longer := results.find("long"):
        lines += ["", _after_more_items(study, longer)]
    if any("wiener" in of_target for of_target in scores(study).values()):
        lines += ["", "The fixed filter has one gain for each frequency. It has learnt from the same songs."]
    if new:
        lines[-1] += " Songs of new timbres have voices, kits and instruments that no training song has."
    display(Markdown("\n".join(lines)))
    display(HTML(trace.folded(chapters.get("results"), study)))


def _after_more_items(study: Study, longer: list[Finished]) -> str:
    """What the models that have learnt from many more items score."""
    by_target: dict[str, list[dict]] = {}
    for done in longer:
        by_target.setdefault(done.run.target, []).append(done.scores["summary"])
    said = [f"{target} {tables.mean_of(of_target, 'usdr_mean'):.1f} dB" for target, of_target in by_target.items()]
    times = longer[0].training["items"] / study.profile.train.max_items
    return f"After {times:g} times as many training items, seed {stamps.seeds_of(longer)}: **{', '.join(said)}**."


def _score(target: str, of_target: Mapping[str, float]) -> str:
    words = f"**{target} {of_target['model']:.1f} dB**"
    if "wiener" not in of_target:
        return words
    difference = of_target["model"] - of_target["wiener"]
    return f"{words}, {abs(difference):.1f} dB {'above' if difference > 0 else 'below'} a fixed filter"


def yours(committed_name: str, shown: str) -> None:
    """Where another profile than the committed one is shown: its scores beside the committed, and its contrasts."""
    if shown == committed_name:
        return
    ours, own = Study(committed_name), Study(shown)
    counts = [stamps.scored_songs(Results(study, {"base"})) for study in (ours, own)]
    words = f"Mean uSDR in dB. Committed: profile {committed_name}, {counts[0]}. Yours: profile {shown}, {counts[1]}. "
    words += f"{stamps.data_words(own.profile)}; {stamps.claim_words(own.profile) or 'carries claims'}."
    display(Markdown("**What you have reproduced.** Your scores beside the committed ones:"))
    show.table(side_by_side(scores(ours), scores(own)), words, "yours")
    rows = claims.table(own)
    measured = [row for row in rows.itertuples() if "," not in row.claim and not pd.isna(row.effect)]
    lines = ["What your runs say to the claims:", ""] if measured else ["Your runs hold no contrast of the claims."]
    for row in measured:
        lines.append(f"- {row.claim}, {row.contrast}: {row.effect:+.2f} dB; {row.our_analogue} ({row.reason})")
    display(Markdown("\n".join(lines)))


def side_by_side(ours: Mapping[str, Mapping[str, float]], own: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Scores of two profiles, a row for each target and method that either has."""
    rows = []
    for target in dict.fromkeys([*best_first(ours), *own]):
        pair = ours.get(target, {}), own.get(target, {})
        rows += [
            {"target": target, "method": tables.METHODS[method], "committed": pair[0].get(method),
             "yours": pair[1].get(method)}
            for method in METHODS if any(method in known for known in pair)
        ]  # fmt: skip
    return pd.DataFrame(rows).astype({"committed": float, "yours": float})
