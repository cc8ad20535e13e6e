"""What figures and tables are drawn from: the finished runs of a profile by their role, the published numbers, and the
words that say where a number comes from.

A role is read from what a run is, never from its name: "the base of vocals" is the run whose settings differ from the
profile's in the target and its own split alone.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from bsrnn.errors import DataError, MissingResult
from bsrnn.runtime import paths
from bsrnn.study import profiles, runs
from bsrnn.study.ablations import DETAILS, EXTRAS
from bsrnn.study.profiles import Profile
from bsrnn.study.runs import Run

Role = Callable[[Run], bool]
DATA_NAMES = {
    "musdb18hq": "MUSDB18-HQ",
    "musdb18": "MUSDB18",
    "previews": "MUSDB18, 7 s previews",
    "guitar": "eight real songs",
    "folder": "own songs",
}
REAL_RECORDING = "one real recording, 6 s: The Easton Ellises - Falcon 69 (MUSDB18, CC BY-NC-SA)"
OURS = "our runs"


# ---- roles ----


def _expected(run: Run, **model_settings) -> Profile:
    """The profile's own settings for a run's target, but for what is named."""
    base = profiles.profile(run.profile.name)
    return replace(
        base,
        model=replace(
            base.model, **({"targets": (run.target,), "band_split": base.own_split(run.target)} | model_settings)
        ),
    )


def is_base(run: Run) -> bool:
    """The model of a target with the target's own split."""
    return run.kind == "train" and run.profile == _expected(run)


def is_split(run: Run) -> bool:
    """Table I: vocals with any split."""
    return run.target == "vocals" and (is_base(run) or is_crossed(run))


def is_crossed(run: Run) -> bool:
    """Any target with any split but its own."""
    model = run.profile.model
    if run.kind != "train" or hasattr(model, "system") or model.band_split == run.target:
        return False
    return run.profile == _expected(run, band_split=model.band_split)


def is_peer(run: Run) -> bool:
    """Another system, trained from scratch on the same songs."""
    return run.kind == "train" and hasattr(run.profile.model, "system") and not is_rate(run)


def is_tried_with_rates(run: Run) -> bool:
    """One system with one rate of the shared grid, its own or another; first seed."""
    own = is_peer(run) or (is_base(run) and run.target == run.profile.targets[0])
    return run.seed == run.profile.seeds[0] and (own or is_rate(run))


def is_rate(run: Run) -> bool:
    """The base or another system with a learning rate of the shared grid that is not its own."""
    return run.variant == "rate"


def is_hop(run: Run) -> bool:
    """Table II: a base's weights scored with another hop."""
    expected = _expected(run)
    separate = asdict(run.profile.separate) | {"hop_seconds": expected.separate.hop_seconds}
    same = separate == asdict(expected.separate) and replace(run.profile, separate=expected.separate) == expected
    return run.kind == "separate" and same


def is_finetuned(run: Run) -> bool:
    """Finetuned as the profile says."""
    return run.kind == "finetune" and run.profile == _expected(run)


def is_control(run: Run) -> bool:
    """Finetuned in the same way, but on labelled songs only."""
    expected = _expected(run)
    return run.kind == "finetune" and run.profile == replace(
        expected, finetune=replace(expected.finetune, unlabelled="none")
    )


def is_variant(run: Run) -> bool:
    """Finetuned with one change."""
    return run.kind == "finetune" and not is_finetuned(run) and not is_control(run)


def is_detail(run: Run) -> bool:
    """The base with one other choice, of what the paper leaves open or beyond it."""
    return run.kind in ("train", "separate") and run.variant in DETAILS | EXTRAS


def is_open_choice(run: Run) -> bool:
    """Another choice of what the paper leaves open."""
    return is_detail(run) and run.variant in DETAILS


def is_beyond(run: Run) -> bool:
    """Another model, split or budget, which the paper does not have."""
    return is_detail(run) and run.variant in EXTRAS


def is_beyond_or_its_base(run: Run) -> bool:
    """What goes beyond the paper, and the bases that it is held against: those of the same seeds."""
    return is_beyond(run) or (is_base(run) and run.seed in run.profile.detail_seeds)


def is_teacher(run: Run) -> bool:
    """A model's labels of the unlabelled songs, held against the truth."""
    return run.kind == "teacher"


def is_start(run: Run) -> bool:
    """The base of a target that the profile finetunes."""
    return is_base(run) and run.target in run.profile.finetuned


def is_baselines(run: Run) -> bool:
    """Estimators without a network, scored on the profile's test songs."""
    return run.kind == "baselines" and run.profile.data == profiles.profile(run.profile.name).data


def is_real(run: Run) -> bool:
    """The real recording."""
    return run.kind == "real" and run.profile == _expected(run)


def any_of(*roles: Role) -> Role:
    """Runs of one of these roles."""
    return lambda run: any(role(run) for role in roles)


def is_system(run: Run) -> bool:
    """Table III: what separates a target, with a network or without."""
    return any_of(is_base, is_baselines, is_finetuned, is_peer)(run)


def any_of_details(run: Run) -> bool:
    """Runs with another choice, and all that they are held against."""
    return any_of(is_base, is_hop, is_detail, is_finetuned, is_variant)(run)


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
    other = profiles.profile(profile_name).claims
    return other if other and runs.is_complete(other) else profile_name


class Results:
    """The results that an artifact is drawn from.

    Args:
        profile_name: of which profile.
        role: which of its runs.

    Raises:
        ConfigError: unknown profile. MissingResult: a run without a result; the message names the command.
    """

    def __init__(self, profile_name: str, role: Role | None):
        self.profile = profiles.profile(profile_name)
        chosen = [run for run in runs.grid(profile_name).values() if role and role(run) and present(run)]
        self.finished = [Finished(run, runs.load(run)) for run in chosen]

    def __bool__(self) -> bool:
        return bool(self.finished)

    def find(self, role: Role, target: str | None = None, seed: int | None = None) -> list[Finished]:
        """Those of a role, a target and a seed, in the grid's order."""
        return [
            one
            for one in self.finished
            if role(one.run) and target in (None, one.run.target) and seed in (None, one.run.seed)
        ]

    def targets(self, role: Role) -> list[str]:
        """Targets that have a run of this role, in the profile's order."""
        there = {one.run.target for one in self.find(role)}
        return [target for target in self.profile.targets if target in there]


def with_claims(results: Results, role: Role) -> list[Results]:
    """The results of a profile, and those of the one that decides its claims where that is another."""
    name = results.profile.name
    other = claims_profile(name)
    return [results] if other == name else [results, Results(other, role)]


def best_models(profile_name: str) -> dict[str, Run]:
    """Target -> the finished training of the target's own model that was best on the validation songs.

    Of all seeds, and of runs that were only trained in another way: what a profile has to offer.
    """
    found: dict[str, tuple[float, Run]] = {}
    for run in runs.grid(profile_name).values():
        if run.kind == "train" and run.profile.model == _expected(run).model and run.result_path().is_file():
            best = runs.load(run)["training"]["best"]
            if best is None:  # without validation songs, none is better than another
                continue
            if run.target not in found or best > found[run.target][0]:
                found[run.target] = best, run
    return {target: run for target, (_, run) in found.items()}


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
