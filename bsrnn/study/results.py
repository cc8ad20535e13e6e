"""What figures and tables are drawn from: the finished runs of a profile by their roles."""

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from bsrnn import checkpoint
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.models.base import Separator
from bsrnn.runtime import paths
from bsrnn.study import profiles, runs
from bsrnn.study.runs import Run

SILENT_DB = 0.1  # ours: a mean uSDR as near as this to that of silence, which is 0, is silence (book/plan.md)
SILENT_SONG_DB = 1.0  # ours: nor any one of its songs; what has learnt anything has some at several dB
# folders of published models: what `bsrnn separate` takes unless told otherwise; and what stands beside
PUBLISHED = ("checkpoints", "other-checkpoints")


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

    @property
    def on_processor(self) -> bool:
        """Whether no GPU computed it: its seconds are those of processor cores."""
        return self.result["device"].startswith("CPU")

    def songs(self, method: str = "") -> list[dict]:
        """A row a test song; ``method``: of the estimators without a network."""
        return (self.scores[method] if method else self.scores)["songs"]

    def new_songs(self, method: str = "") -> list[dict]:
        """Likewise the songs of new timbres where they are a test of their own, marked as "apart"; else none."""
        new = self.result.get("new", {})
        return [song | {"apart": True} for song in (new.get(method, {}) if method else new).get("songs", ())]


class Study:
    """The runs of a profile with their results. Each JSON is read once: another Study sees what has changed since.

    Raises:
        ConfigError: unknown profile.
    """

    def __init__(self, profile_name: str):
        self.profile = profiles.profile(profile_name)
        self.grid = runs.grid(profile_name)
        self._finished: dict[str, Finished] = {}

    @property
    def complete(self) -> bool:
        """Whether every run has a result, but for those that this machine cannot compute."""
        return all(run.finished() or not run.available() for run in self.grid.values())

    def present(self, roles: Collection[str]) -> list[Run]:
        """Runs of some roles that have a result, or can be given one on this machine."""
        return [run for run in self.grid.values() if run.roles & set(roles) and (run.finished() or run.available())]

    def finished(self, run: Run) -> Finished:
        """A run with its result. Raises MissingResult: it has none; the message names the command."""
        if run.id not in self._finished:
            self._finished[run.id] = Finished(run, runs.load(run))
        return self._finished[run.id]

    def require_complete(self) -> None:
        """Raise MissingResult, with the command, unless every run has its result."""
        if missing := [run for run in self.grid.values() if run.available() and not run.finished()]:
            raise MissingResult(
                f"profile {self.profile.name!r} lacks {len(missing)} result(s), the first is {missing[0].id!r}: "
                f"`make reproduce PROFILE={self.profile.name}` computes them"
            )

    def best_models(self) -> dict[str, Run]:
        """Target -> the finished training of the target's own model that was best on the validation songs.

        Of all seeds, and of runs that were only trained in another way: what a profile has to offer. Those that keep
        their last weights have no best validation to be chosen by.
        """
        own = {run.target: run.profile.model for run in self.grid.values() if "base" in run.roles}
        trained = [run for run in self.grid.values() if run.kind == "train" and run.target in own]
        trained = [run for run in trained if run.profile.model == own[run.target]]
        trained = [run for run in trained if run.profile.data == self.profile.data]  # not those of few songs
        trained = [run for run in trained if run.profile.train.kept_weights == self.profile.train.kept_weights]
        best: dict[str, Finished] = {}
        for done in (self.finished(run) for run in trained if run.finished()):
            target = done.run.target
            if target not in best or done.training["best"] > best[target].training["best"]:
                best[target] = done
        return {target: done.run for target, done in best.items()}

    def published(self) -> dict[str, Run]:
        """Folder of results/<profile> -> the finished run whose model belongs there: of each target the best one, and
        those that the profile publishes with them or beside them."""
        of_targets, others = PUBLISHED
        best = self.best_models()
        with_them, beside = self.with_the_best(), self._apart_from(best, self.profile.beside)
        published = {f"{of_targets}/{target}": run for target, run in best.items()}
        published |= {f"{of_targets}/{run.id}": run for run in with_them}  # no target is called like a run
        return published | {f"{others}/{run.without_seed}": run for run in beside}

    def with_the_best(self) -> list[Run]:
        """The finished runs whose models are published with the best ones, and taken together with these."""
        return self._apart_from(self.best_models(), self.profile.together)

    def _apart_from(self, best: dict[str, Run], ids: Sequence[str]) -> list[Run]:
        return [run for run in map(self.grid.get, ids) if run and run.finished() and run not in best.values()]


class Results:
    """The results that a figure or table is drawn from: those of some roles, words of `bsrnn.study.runs.ROLES`.

    Raises:
        MissingResult: a run without a result; the message names the command.
    """

    def __init__(self, study: Study, roles: Collection[str]):
        self.study, self.profile, self.roles = study, study.profile, roles
        self.finished = [study.finished(run) for run in study.present(roles)]

    def find(self, role: str = "", target: str | None = None) -> list[Finished]:
        """Those of a role and a target, in the grid's order; each if it is named."""
        return [
            done for done in self.finished if (not role or role in done.run.roles) and target in (None, done.run.target)
        ]

    def targets(self, role: str) -> list[str]:
        """Targets that have a run of this role, in the profile's order."""
        with_runs = {done.run.target for done in self.find(role)}
        return [target for target in self.profile.targets if target in with_runs]

    def only(self, runs: Collection[Run]) -> "Results":
        """Those of some runs."""
        chosen, kept = copy(self), {run.id for run in runs}
        chosen.finished = [done for done in self.finished if done.run.id in kept]
        return chosen


def trained_model(profile_name: str, target: str) -> Separator:
    """The profile's model of a target: the published half-precision copy, else the training's own weights.

    Raises:
        ConfigError: unknown profile, or a target that it does not train. MissingResult: neither is there.
    """
    study = Study(profile_name)
    all_bases = [run for run in study.grid.values() if "base" in run.roles]
    bases = [run for run in all_bases if run.target == target]
    if not bases:
        known = "one of " + ", ".join(dict.fromkeys(run.target for run in all_bases))
        wanted = known if all_bases else "another profile, this one trains in folds alone"
        raise ConfigError(f"profile {profile_name!r} trains no model for {target!r}: expected {wanted}")
    best = study.best_models().get(target, bases[0])
    published = paths.results(profile_name) / "checkpoints" / target
    for folder in (published, best.weights_folder(), bases[0].weights_folder()):
        if (folder / checkpoint.WEIGHTS).is_file():
            return checkpoint.load(folder)
    raise MissingResult(
        f"no trained model for {target!r} in results/{profile_name}: `make reproduce PROFILE={profile_name}` trains "
        f"all, `bsrnn run {bases[0].id} --profile {profile_name}` this one"
    )


def models_together(profile_name: str, target: str) -> list[Separator]:
    """What ``bsrnn separate`` takes for a target: :func:`trained_model`, and those published with it.

    Raises:
        ConfigError, MissingResult: as :func:`trained_model` does.
    """
    published = Study(profile_name).published()
    folders = [
        paths.results(profile_name) / name
        for name, run in published.items()
        if run.target == target and name == f"{PUBLISHED[0]}/{run.id}"
    ]
    there = [folder for folder in folders if (folder / checkpoint.WEIGHTS).is_file()]
    return [trained_model(profile_name, target), *map(checkpoint.load, there)]


def is_silence(usdr_db: Iterable[float | None]) -> bool:
    """Whether the uSDR of songs, in dB, is that of a model which learnt to be silent; of no score nobody can say.

    Its mean is at 0 dB, and no song far from it: good songs and bad ones may cancel. A model that is worse than silence
    has learnt something else.
    """
    known = [score for score in usdr_db if score is not None]
    return bool(known) and abs(float(np.mean(known))) < SILENT_DB and max(map(abs, known)) < SILENT_SONG_DB


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are not None; None where all are."""
    kept = [value for value in values if value is not None]
    return float(np.mean(kept)) if kept else None
