"""One thing changed: a target's own model, and the same with other settings, on the same items and the same songs.

Both are runs like those of a profile (:mod:`bsrnn.study.runs`), so that a result which is there already, committed or
of an earlier comparison, is found by its key and not computed again. What is new lies in a folder of its own:
``runs/`` and ``weights/``, as in ``results/<profile>``.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bsrnn import bands, checkpoint
from bsrnn.config import SPEED, TARGETS, deciding, settings_of
from bsrnn.data import songs
from bsrnn.data.training_songs import with_songs
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime import overrides, paths, processes
from bsrnn.runtime.files import atomic_write, read_json, write_json
from bsrnn.runtime.terminal import counted
from bsrnn.study import compute, profiles
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished
from bsrnn.study.runs import Run

USED = ("model", "data", "activity", "mixing", "loss", "train", "validate", "separate")
OPTIONS = {"model.targets": "--target", "data.source": "--data", "data.folder": "--data"}
# Settings of the data that leave the test songs as they are
OF_TRAINING = ("train_songs", "amateur_songs", "valid_songs")
OF_FINETUNING = ("unlabelled_songs",)
PUBLISHED = "published"  # folder of what was scored with a profile's published weights, which are of half precision
Pair = tuple[Finished, Finished]


@dataclass(frozen=True)
class Comparison:
    """A base and a changed run for each seed.

    changes: as given, "section.name=value" each. folder: where what is new lies.
    """

    changes: tuple[str, ...]
    base: tuple[Run, ...]
    changed: tuple[Run, ...]
    folder: Path

    @property
    def profile(self) -> Profile:
        return self.base[0].profile

    @property
    def target(self) -> str:
        return self.base[0].target

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.base)

    @property
    def words(self) -> str:
        """The change, as a reader reads it."""
        return ", ".join(self.changes)

    @property
    def scored_only(self) -> bool:
        """Whether one training of a seed is enough: its weights are only scored in another way."""
        return self.changed[0].kind == "separate"

    @property
    def same_items(self) -> bool:
        """Whether both learn from the same items in the same order: not where the change makes other items."""
        one, other = self.profile, self.changed[0].profile
        songs = ((of.data.train_songs, of.data.amateur_songs) for of in (one, other))
        return len({*songs}) == 1 and (one.activity, one.mixing) == (other.activity, other.mixing)

    @property
    def name(self) -> str:
        """Of its files: the change in short, and a hash of all that decides its numbers."""
        keys = json.dumps([run.key for run in (*self.base, *self.changed)])
        return f"{self.target}-{_short(self.changes)}.{hashlib.sha256(keys.encode()).hexdigest()[:12]}"

    @property
    def homes(self) -> tuple[Path, ...]:
        """Folders that may hold its runs: the profile's results first."""
        own = () if self.profile.data.source == "folder" else (paths.results(self.profile.name),)
        return (*own, self.folder)

    def pairs(self) -> list[Pair]:
        """Base and changed result of each seed.

        Raises:
            MissingResult: some are not there.
        """
        found = [self._pair(base, changed) for base, changed in zip(self.base, self.changed, strict=True)]
        there = [pair for pair in found if pair]
        if len(there) < len(found):
            lacking, seeds = len(found) - len(there), counted(len(found), "seed")
            raise MissingResult(f"no result yet of {lacking} of {seeds} of {self.words}")
        return there

    def _pair(self, base: Run, changed: Run) -> Pair | None:
        # where weights are scored in two ways, both results lie in one place: they are of the very same weights
        own = [[home] for home in (*self.homes, self.folder / PUBLISHED)] if self.scored_only else [self.homes]
        for homes in own:
            first, second = _lookup(base, homes), _lookup(changed, homes)
            if first and second:
                return first, second
        return None

    def missing(self) -> list[Run]:
        """Runs to be computed, each after what it needs."""
        runs = []
        for base, changed in zip(self.base, self.changed, strict=True):
            if self._pair(base, changed):
                continue
            if self.scored_only:
                start = replace(base, folder=self._scored_in(base))
                pair = (start, replace(changed, start=start, folder=start.folder))
                runs += [run for run in pair if not _lookup(run, [run.home])]
                continue
            runs += [replace(run, folder=self.folder) for run in (base, changed) if not _lookup(run, self.homes)]
        return runs

    def trainings(self) -> list[Run]:
        """Those of :meth:`missing` that take a training, or the rest of one."""
        return [
            run
            for run in self.missing()
            if run.kind == "train" and not _trained(run.weights_folder()) and not self._weights_of(run)
        ]

    def _scored_in(self, base: Run) -> Path:
        """Where a base whose weights are scored in two ways lies: of half precision apart, others have other scores."""
        weights = self._weights_of(base)
        return self.folder / PUBLISHED if weights and not _trained(weights) else self.folder

    def _weights_of(self, base: Run) -> Path | None:
        """Weights that are there already: the training's own, or a half-precision copy; for scoring alone."""
        if not self.scored_only or self.profile.data.source == "folder":
            return None
        own = replace(base, folder=None).weights_folder()
        if _trained(own):
            return own
        if _trained(replace(base, folder=self.folder).weights_folder()):
            return None
        published = paths.results(self.profile.name) / "checkpoints" / base.target
        known = _lookup(base, self.homes)
        return published if known and checkpoint.info_of(published).get("train_key") == base.train_key else None

    def take_weights(self) -> None:
        """Put weights that are there already where the bases to be scored expect them."""
        for run in self.missing():
            source = self._weights_of(run) if run.kind == "train" else None
            if source and not _trained(run.weights_folder()):
                _copy_weights(source, run, _lookup(run, self.homes))


def plan(
    profile: Profile, changes: Sequence[str], target: str, seeds: int = 1, folder: Path = Path("comparisons")
) -> Comparison:
    """What is to be compared; nothing is computed.

    Args:
        profile: the base's settings; its model is the target's own. changes: "section.name=value" each. seeds: how
            many, from 0 on.

    Raises:
        ConfigError: a setting that cannot be, or that cannot be compared so; the message says why.
    """
    if profile.folds:
        raise ConfigError(f"profile {profile.name!r} trains in folds alone, without a base: choose another profile")
    if profile.data.source == "embedded" and target not in TARGETS:
        raise ConfigError(f"got --target {target}: the embedded songs have {', '.join(TARGETS)}; for another stem give "
                          "songs of your own with --data")  # fmt: skip
    for change in changes:
        _refuse(change, profile)
    split = profile.own_split(target) if target in (*TARGETS, *dict(profile.splits)) else "v7"
    base = overrides.with_values(profile, {"model.targets": (target,), "model.band_split": split})
    other = overrides.changed(base, *changes)
    if not other.model.channels_apart:  # it needs both, see bsrnn.study.runs
        other = overrides.with_values(other, {"mixing.item_channels": "both"})
    home = folder / _songs_folder(profile) if profile.data.source == "folder" else folder
    bases = tuple(Run(f"{target}-s{seed}", "train", base, target, seed, change=f"{target}, its own split")
                  for seed in range(seeds))  # fmt: skip
    changed = tuple(_changed(run, other, changes) for run in bases)
    _refuse_nothing(bases[0], changed[0], changes)
    return Comparison(tuple(changes), bases, changed, home)


def answering(
    names: Sequence[str], changes: Sequence[str], target: str, seeds: int, folder: Path = Path("comparisons")
) -> Comparison:
    """The plan of the first of these profiles that has all results of it, else that need not train, else of the last.

    Raises:
        ConfigError: none of them can have it.
    """
    plans, error = [], ConfigError("no profile is named, expected one or more")
    for name in names:
        try:
            plans.append(plan(profiles.profile(name), changes, target, seeds, folder))
        except ConfigError as refused:
            error = refused
    if not plans:
        raise error
    complete = [each for each in plans if not each.missing()]
    trained = [each for each in plans if not each.trainings()]
    return [*complete, *trained, plans[-1]][0]


def carry_out(comparison: Comparison, device: str = "cpu", threads: int | None = None, jobs: int = 1) -> list[Pair]:
    """Compute what is missing, ``jobs`` runs at a time; the results of all seeds.

    A call that was cut off goes on where it was, as each run does. Raises what :func:`bsrnn.study.compute.compute`
    does.
    """
    comparison.take_weights()
    missing = comparison.missing()
    first = [run for run in missing if run.kind == "train"]
    for batch in (first, [run for run in missing if run.kind != "train"]):  # these score the weights of the first
        processes.share_out(_compute, [(run, device, threads) for run in batch], jobs, tidy=False)
    return comparison.pairs()


def _compute(run: Run, device: str, threads: int | None) -> None:
    compute.compute(run, device=device, threads=threads)


# ---- what can be compared ----


def _refuse(change: str, profile: Profile) -> None:
    """ConfigError for a setting that would make the comparison another, or none."""
    name = change.partition("=")[0]
    section, _, setting = name.partition(".")
    if name in OPTIONS:
        raise ConfigError(f"got --set {change}: use {OPTIONS[name]} for it, which holds for both sides")
    if section == "finetune" or (section == "data" and setting in OF_FINETUNING):
        raise ConfigError(f"got --set {change}: it decides finetunings alone, and bsrnn compare trains from scratch; "
                          "`bsrnn finetune --set` changes one")  # fmt: skip
    if section not in USED:
        raise ConfigError(f"got --set {change}: expected a setting of {', '.join(USED)} (names: bsrnn/config.py)")
    if section == "data" and setting in profile.data.__dataclass_fields__ and setting not in OF_TRAINING:
        raise ConfigError(f"got --set {change}: it changes the songs that are scored, and a difference is of the same "
                          f"songs; of the data only {' and '.join(OF_TRAINING)} can be compared")  # fmt: skip
    if section == "data" and profile.data.source != "embedded":
        raise ConfigError(f"got --set {change}: only the embedded songs are counted so, others are used whole; take "
                          "songs out of a copy of the folder instead")  # fmt: skip


def _refuse_nothing(base: Run, changed: Run, changes: Sequence[str]) -> None:
    """ConfigError where the two would be one and the same."""
    given = " ".join(f"--set {change}" for change in changes)
    own, other = base.profile, changed.profile
    if changed.kind == "separate" and deciding(asdict(own.separate)) == deciding(asdict(other.separate)):
        fast = any(change.partition("=")[0].rpartition(".")[2] in SPEED for change in changes)
        why = "it decides how fast, and no number but for its rounding" if fast else "the base is just so"
        raise ConfigError(f"got {given}: {why}, so there is nothing to compare")
    split = own.bsrnn.band_split
    if overrides.with_values(other, {"model.band_split": split}) == own and _widths(own) == _widths(other):
        raise ConfigError(f"got {given}: the base's split {split!r} has the same bands, so there is nothing to compare")


def _widths(profile: Profile) -> list[int]:
    model = profile.bsrnn
    return bands.band_widths(model.band_split, model.n_fft, model.sample_rate, model.band_edges)


def _changed(base: Run, settings: Profile, changes: Sequence[str]) -> Run:
    """The run beside a base: a training, or its weights scored in another way."""
    words = ", ".join(changes)
    trained = Run(f"{base.target}-{_short(changes)}-s{base.seed}", "train", settings, base.target, base.seed,
                  change=words)  # fmt: skip
    if trained.train_key != base.train_key:
        return trained
    return replace(trained, kind="separate", start=base)


def _short(changes: Iterable[str]) -> str:
    """Changes in a few characters that any disk takes: "band_split=v1"."""
    text = "+".join(change.partition(".")[2] or change for change in changes)
    return re.sub(r"[^A-Za-z0-9._=+-]", "-", text)[:60]


def _songs_folder(profile: Profile) -> str:
    """A folder's name, and a hash of the songs in it: other songs below the same name are another comparison's."""
    found = songs.load(profile.data, None, sample_rate=profile.model.sample_rate)
    listed = [f"{song.name}, {song.frames} samples, {', '.join(song.stems)}" for song in found]
    return f"{Path(profile.data.folder).name}.{hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]}"


# ---- what is there ----


def _lookup(run: Run, homes: Iterable[Path]) -> Finished | None:
    """A result with the run's key, whatever its name."""
    for home in homes:
        for path in sorted((home / "runs").glob(f"*.{run.key}.json")):
            return Finished(replace(run, folder=home), read_json(path))
    return None


def _trained(folder: Path) -> bool:
    """Whether a finished training lies there."""
    return (folder / "training.json").is_file() and (folder / checkpoint.WEIGHTS).is_file()


def _copy_weights(source: Path, run: Run, known: Finished | None) -> None:
    """Weights as if the run had been trained there: its settings first, so that nobody trains over them."""
    folder = run.weights_folder()
    settings = with_songs(settings_of(run.profile, "train", run.seed), run.profile)
    write_json(folder / "settings.json", settings)
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS):
        with atomic_write(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)
    own = source / "training.json"
    assert own.is_file() or known, "published weights are taken where their training's result is known"
    write_json(folder / "training.json", read_json(own) if own.is_file() else known.training)  # type: ignore[union-attr]
