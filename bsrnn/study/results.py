"""What figures and tables are drawn from: the finished runs of a profile by their role, the published numbers, and the
words that say where a number comes from.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bsrnn import config
from bsrnn.config import Profile
from bsrnn.errors import DataError, MissingResult
from bsrnn.runtime import paths
from bsrnn.study import runs
from bsrnn.study.runs import Run

DATA_NAMES = {
    "musdb18hq": "MUSDB18-HQ",
    "musdb18": "MUSDB18",
    "previews": "MUSDB18, 7 s previews",
    "folder": "own songs",
}
REAL_RECORDING = "one real recording, 6 s: The Easton Ellises - Falcon 69 (MUSDB18, CC BY-NC-SA)"
OURS = "our runs"


# ---- finished runs ----


@dataclass(frozen=True)
class Finished:
    """A run and its result."""

    run: Run
    result: dict

    @property
    def training(self) -> dict:
        """Loss history and what else training left."""
        return self.result["training"]

    @property
    def scores(self) -> dict:
        """{"songs", "summary"}, or such a dict for every method."""
        return self.result["scores"]


def present(run: Run) -> bool:
    """Whether a run has a result, or can be given one on this machine."""
    return run.result_path().is_file() or run.available()


def claims_profile(profile_name: str) -> str:
    """The profile whose runs decide the claims: another one where the profile names it and its runs are all there."""
    other = config.profile(profile_name).claims
    return other if other and runs.is_complete(other) else profile_name


class Results:
    """The results that an artifact is drawn from.

    Args:
        profile_name: of which profile.
        roles: which of its runs, words of :data:`bsrnn.study.runs.ROLES`.

    Raises:
        ConfigError: unknown profile. MissingResult: a run without a result; the message names the command.
    """

    def __init__(self, profile_name: str, roles: Collection[str]):
        self.profile = config.profile(profile_name)
        chosen = [run for run in runs.grid(profile_name).values() if run.roles & set(roles) and present(run)]
        self.finished = [Finished(run, runs.load(run)) for run in chosen]

    def __bool__(self) -> bool:
        return bool(self.finished)

    def find(self, role: str = "", target: str | None = None, seed: int | None = None) -> list[Finished]:
        """Those of a role, a target and a seed, in the grid's order; each if it is named."""
        return [
            done
            for done in self.finished
            if (not role or role in done.run.roles)
            and target in (None, done.run.target)
            and seed in (None, done.run.seed)
        ]

    def targets(self, role: str) -> list[str]:
        """Targets that have a run of this role, in the profile's order."""
        with_runs = {done.run.target for done in self.find(role)}
        return [target for target in self.profile.targets if target in with_runs]


def with_claims(results: Results, roles: Collection[str]) -> list[Results]:
    """The results of a profile, and those of the one that decides its claims where that is another."""
    name = results.profile.name
    other = claims_profile(name)
    return [results] if other == name else [results, Results(other, roles)]


def best_models(profile_name: str) -> dict[str, Run]:
    """Target -> the finished training of the target's own model that was best on the validation songs.

    Of all seeds, and of runs that were only trained in another way: what a profile has to offer.
    """
    grid = runs.grid(profile_name).values()
    own = {run.target: run.profile.model for run in grid if "base" in run.roles}
    trained = [run for run in grid if run.kind == "train" and run.profile.model == own[run.target]]
    scores = {run: runs.load(run)["training"]["best"] for run in trained if run.result_path().is_file()}
    targets = dict.fromkeys(run.target for run in scores)
    return {target: max((run for run in scores if run.target == target), key=scores.get) for target in targets}


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are there, None where none is."""
    kept = [value for value in values if value is not None]
    return float(np.mean(kept)) if kept else None


# ---- published numbers ----


def published(name: str):
    """A table of data/published as a pandas DataFrame.

    Raises:
        DataError: there is no such table.
    """
    import pandas

    path = paths.published() / f"{name}.csv"
    if not path.is_file():
        raise DataError(f"{path}: no such table of published numbers; expected it in every clone")
    return pandas.read_csv(path)


# ---- words ----


def data_words(profile: Profile) -> str:
    """The name of a profile's songs, as every figure and table carries it."""
    if profile.data.source != "embedded":
        return DATA_NAMES[profile.data.source]
    return f"embedded synthetic songs (generator version {runs.data_recipe(profile)['generator']})"


def seed_words(profile: Profile) -> str:
    """The seeds: "0", or "0, 1, 2"."""
    return ", ".join(map(str, profile.seeds))


def claim_words(profile: Profile, seeds: Collection[int] = ()) -> str:
    """What is too small for claims has to say of itself, a profile or runs with some of its seeds; else nothing."""
    count = len(seeds) or len(profile.seeds)
    enough = profile.carries_claims and count >= len(profile.seeds)
    return "" if enough else f"{'one seed' if count == 1 else f'{count} seeds'}, carries no claim"


def banner(profile: Profile) -> str:
    """The first line of a chapter: what all that stands on the page comes from."""
    words = [f"profile {profile.name}: {data_words(profile)}", f"seeds {seed_words(profile)}", claim_words(profile)]
    return "; ".join(filter(None, words))


def test_words(results: Results) -> str:
    """How many songs were scored."""
    lists = [part["songs"] for one in results.finished for part in _parts(one.scores)]
    return _count(max(map(len, lists), default=0), "song", "scored")


def _parts(scores: dict) -> list[dict]:
    return [scores] if "songs" in scores else list(scores.values())


def validation_words(results: Results) -> str:
    """How many songs a training was validated on."""
    return _count(max((one.training["valid_songs"] for one in results.finished), default=0), "validation song")


def unlabelled_words(results: Results) -> str:
    """How many unlabelled songs there were."""
    counts = [one.training["unlabelled"]["songs"] for one in results.finished if one.training]
    counts += [len({chunk["song"] for chunk in one.scores.get("chunks", ())}) for one in results.finished]
    return _count(max(counts, default=0), "unlabelled song")


def _count(number: int, noun: str, more: str = "") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {more}".strip()


def stamp(results: Results, source: str, data: str | None = None, songs: Callable[[Results], str] = test_words) -> str:
    """One line: source, data, profile, seeds, songs, and whether it carries a claim."""
    profile = results.profile
    parts = [f"Source: {source}", f"profile {profile.name}"]
    if results:
        parts.insert(1, f"our data: {data or data_words(profile)}")
        seeds = sorted({one.run.seed for one in results.finished})
        parts += [f"seeds: {', '.join(map(str, seeds))}", songs(results), claim_words(profile, seeds)]
    return "; ".join(filter(None, parts)) + "."


def require_complete(profile_name: str) -> None:
    """Raise MissingResult, with the command, unless every run of a profile has its result."""
    missing = [run.id for run in runs.grid(profile_name).values() if present(run) and not run.result_path().is_file()]
    if missing:
        raise MissingResult(
            f"profile {profile_name!r} lacks {len(missing)} result(s), the first is {missing[0]!r}: "
            f"`make reproduce PROFILE={profile_name}` computes them"
        )
