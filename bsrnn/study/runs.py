"""The registry of runs: every training and evaluation, declared as data.

The grid of a profile is the paper's ablation tables, a base and one change a row. A run's result is one JSON file,
whose name holds the run's key: the resolved settings, the data recipe and the version of each stage. Source code is
not part of the key, so that a reworded docstring throws away no training; its hash is recorded beside the result
instead.
"""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from bsrnn.config import PEER_NAMES, PEERS, PeerConfig, deciding
from bsrnn.data.training_songs import data_recipe
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.runtime.overrides import with_values
from bsrnn.study.ablations import CONTROL, DETAILS, EXTRAS, FINETUNED, VARIANTS, Change
from bsrnn.study.profiles import Profile
from bsrnn.study.profiles import profile as named_profile

# Raise one when the numbers that its stage gives for the same settings change.
STAGES = {"train": 1, "score": 1}
CONTRAST_SECONDS = (1.5, 3.0)  # the hops of the contrast that tests claim C3, scored with every seed


@dataclass(frozen=True)
class Run:
    """One training or evaluation.

    kind: "train" a model; "finetune" one; "separate" scores a finished model under other conditions; "baselines" scores
    estimators without a network; "real" scores finished models' runs on the real recording; "teacher" holds a finished
    model's labels of the unlabelled songs against their stems.
    """

    id: str
    kind: str
    profile: Profile  # resolved: the base with this run's one change
    target: str
    seed: int = 0
    start: "Run | None" = None  # whose weights it starts from, or scores
    change: str = ""  # what sets this run apart in its table, in words
    variant: str = ""  # the change's name in bsrnn.study.ablations

    @property
    def needs(self) -> tuple[str, ...]:
        """Runs that must be finished before."""
        return (self.start.id,) if self.start else ()

    @property
    def threads(self) -> int:
        """CPU threads. One: on small models two runs side by side beat one run on two threads."""
        return 1

    @cached_property
    def train_key(self) -> str:
        """Key of the weights: of all that training depends on, and no more, so that new test songs retrain nothing."""
        if self.kind not in ("train", "finetune"):
            return self.start.train_key if self.start else ""
        profile = self.profile
        settings = {
            "kind": self.kind,
            "target": self.target,
            "seed": self.seed,
            "data": self._data("train_songs", "valid_songs"),
            "version": STAGES["train"],
            **{name: asdict(getattr(profile, name)) for name in ("model", "activity", "mixing", "loss", "validate")},
        }
        if self.kind == "finetune":
            settings |= {"data": self._data("train_songs", "valid_songs", "unlabelled_songs")}
            settings |= {"start": self.start.train_key, "finetune": asdict(profile.finetune)}
        else:
            settings["train"] = asdict(profile.train)
        return _digest(settings)

    @cached_property
    def key(self) -> str:
        """Key of the result."""
        profile = self.profile
        settings = {"kind": self.kind, "target": self.target, "seed": self.seed, "train": self.train_key}
        settings |= {"version": STAGES["score"], "data": {}}
        if self.kind != "real":
            settings["data"] = self._data("train_songs", "test_songs")
        if self.kind in ("finetune", "teacher"):
            settings["data"] |= self._data("shifted_songs")
        if self.kind == "teacher":
            settings["data"] |= self._data("unlabelled_songs")
            settings |= {name: asdict(getattr(profile, name)) for name in ("activity", "mixing")}
        if self.kind == "baselines":
            settings["stft"] = (profile.model.sample_rate, profile.model.n_fft, profile.model.hop_samples)
        else:
            settings["separate"] = asdict(profile.separate)
        return _digest(settings)

    def _data(self, *counts: str) -> dict:
        """The data recipe, with those counts of songs alone that matter for a stage."""
        return data_recipe(self.profile) | {name: getattr(self.profile.data, name) for name in counts}

    def result_path(self) -> Path:
        """results/<profile>/runs/<id>.<key>.json"""
        return paths.results(self.profile.name) / "runs" / f"{self.id}.{self.key}.json"

    def weights_folder(self) -> Path:
        """Where the trained model lies: config.json and model.safetensors."""
        trained = self if self.kind in ("train", "finetune") else self.start
        return paths.results(self.profile.name) / "weights" / f"{trained.id}.{trained.train_key}"

    def available(self) -> bool:
        """False where this machine lacks what the run needs: ffmpeg for the real recording, songs for finetuning."""
        if self.kind == "finetune" and self.profile.data.source != "embedded":
            return self.profile.finetune.unlabelled == "none" or paths.unlabelled().is_dir()
        return self.kind != "real" or has_ffmpeg()


def has_ffmpeg() -> bool:
    """Whether mp4 files can be decoded here."""
    return bool(shutil.which("ffmpeg") and shutil.which("ffprobe") and importlib.util.find_spec("stempeg"))


def _digest(settings: dict) -> str:
    return hashlib.sha256(json.dumps(deciding(settings), sort_keys=True).encode()).hexdigest()[:12]


def grid(profile_name: str) -> dict[str, Run]:
    """Every run of a profile, by id, each after the runs that it needs.

    Raises:
        ConfigError: unknown profile, or a change that it names and nobody knows.
    """
    profile = named_profile(profile_name)
    runs: dict[str, Run] = {}

    def add(name: str, kind: str, target: str, seed: int, change: str, start: Run | None = None, **settings) -> Run:
        variant = settings.pop("variant", "")
        resolved = replace(profile, **settings)
        if not resolved.model.channels_apart:  # it needs both
            resolved = with_values(resolved, {"mixing.item_channels": "both"})
        run = Run(f"{name}-s{seed}", kind, resolved, target, seed, start, change, variant)
        runs[run.id] = run
        return run

    for seed in profile.seeds:
        for target in profile.targets:
            if seed == profile.seeds[0]:
                add(f"{target}-baselines", "baselines", target, seed, "no network")
            own = replace(profile.model, targets=(target,), band_split=target)
            base = add(target, "train", target, seed, f"{target}, its own split", model=own)
            others = [scheme for one, scheme in profile.crossed if one == target]
            for scheme in profile.table_one if target == "vocals" else others:  # V7 is vocals' own
                words = f"split {scheme.upper()}" if target == "vocals" else f"{target} with the split {scheme.upper()}"
                add(f"{target}-{scheme}", "train", target, seed, words, model=replace(own, band_split=scheme))
            if target == "vocals":
                for hop in profile.hops if seed == profile.seeds[0] else CONTRAST_SECONDS:
                    separate = replace(profile.separate, hop_seconds=hop)
                    add(f"vocals-hop{hop:g}", "separate", target, seed, f"hop {hop:g} s", base, separate=separate,
                        model=own)
            if target in profile.finetuned:
                _add_finetunings(add, profile, target, seed, base)
            _add_details(add, profile, target, seed, base)
            if target == profile.targets[0]:
                _add_peers(add, profile, target, seed, base)
            if seed == profile.seeds[0]:
                add(f"{target}-real", "real", target, seed, "a real recording", base, model=own)
    return runs


def _add_finetunings(add: Callable[..., Run], profile: Profile, target: str, seed: int, base: Run) -> None:
    """Finetuned and control of one seed; with the first seed their variants, the teacher, and more orders of data."""
    model, first = base.profile.model, seed == profile.seeds[0]
    if first and profile.data.shifted_songs:
        add(f"{target}-teacher", "teacher", target, seed, "as a teacher, before finetuning", base, model=model)
    more = [other for other in profile.finetune_seeds if other not in profile.seeds] if first else []
    for order in (seed, *more):
        tuned = {"finetuned": FINETUNED, "control": CONTROL}
        if order == profile.seeds[0] and profile.data.source == "embedded":
            chosen = profile.variants if target == profile.finetuned[0] else ("truth",)
            tuned |= {name: VARIANTS[name] for name in chosen if name in profile.variants}
        for name, (words, changed, share) in tuned.items():
            there = profile.data.unlabelled_songs
            data = replace(profile.data, unlabelled_songs=max(1, round(share * there)) if there else 0)
            settings = {"model": model, "data": data, "finetune": replace(profile.finetune, **changed)}
            variant = "" if name == "finetuned" else name
            add(f"{target}-{name}", "finetune", target, order, words, base, variant=variant, **settings)


def _add_peers(add: Callable[..., Run], profile: Profile, target: str, seed: int, base: Run) -> None:
    """Other systems; with the first seed all of them, and the base, at each learning rate of the shared grid too."""
    systems = [base]
    for system in profile.peers:
        if seed not in dict(profile.peer_seeds).get(system, profile.seeds):
            continue
        rate = dict(profile.peer_rates).get(system, profile.train.learning_rate)
        # bfloat16 makes none of them faster by a tenth on a CPU
        train = replace(profile.train, precision="float32", learning_rate=rate)
        peer = replace(peer_of(system), targets=(target,))
        systems.append(add(f"{target}-{system}", "train", target, seed, PEER_NAMES[system], model=peer, train=train))
    for run in systems if seed == profile.seeds[0] else ():
        chosen, name = run.profile.train, run.id.rsplit("-s", 1)[0]
        for rate in profile.rates:
            if rate != chosen.learning_rate:
                train = replace(chosen, learning_rate=rate)
                settings = {"model": run.profile.model, "train": train, "variant": "rate"}
                words = f"{run.change}, learning rate {rate:g}"
                add(f"{name}-rate{rate:g}", "train", target, seed, words, **settings)


def _add_details(add: Callable[..., Run], profile: Profile, target: str, seed: int, base: Run) -> None:
    """The changes that a profile names: scored with every base, or trained with some seeds."""
    for of_target, name in (detail_of(words, profile) for words in profile.details):
        change = change_of(name)
        if of_target != target or (not change.scored_only and seed not in profile.detail_seeds):
            continue
        settings = with_values(base.profile, change.changed)
        if name == "shared":
            settings = replace(settings, model=replace(settings.model, targets=profile.targets))
        parts = {part: getattr(settings, part) for part in ("model", "activity", "mixing", "loss", "train", "separate")}
        parts |= {"variant": name}
        if change.scored_only:
            add(f"{target}-{name}", "separate", target, seed, change.words, base, **parts)
            continue
        trained = add(f"{target}-{name}", "train", target, seed, change.words, **parts)
        for other in profile.targets[1:] if name == "shared" else ():  # the same weights, another of their targets
            add(f"{other}-{name}", "separate", other, seed, change.words, trained, **parts)


def peer_of(system: str) -> PeerConfig:
    """Another system's settings. Raises ConfigError: nobody knows it."""
    if system not in PEERS:
        raise ConfigError(f"unknown peer {system!r}: expected one of {', '.join(PEERS)}")
    return PEERS[system]


def detail_of(words: str, profile: Profile) -> tuple[str, str]:
    """Target and change of a profile's "drums/long"; "long" alone is of the first target."""
    target, _, name = words.rpartition("/")
    return target or profile.targets[0], name


def change_of(name: str) -> Change:
    """A change that a profile names among its details.

    Raises:
        ConfigError: nobody knows it.
    """
    known = DETAILS | EXTRAS
    if name not in known:
        raise ConfigError(f"unknown detail {name!r}: expected one of {', '.join(known)}")
    return known[name]


def get(profile_name: str, run_id: str) -> Run:
    """One run of a profile; ConfigError names the others if there is none of this id."""
    runs = grid(profile_name)
    if run_id not in runs:
        raise ConfigError(f"unknown run {run_id!r} of profile {profile_name!r}: expected one of {', '.join(runs)}")
    return runs[run_id]


def load(run: Run) -> dict:
    """The result of a finished run.

    Raises:
        MissingResult: it has not been computed; the message names the command that does.
    """
    path = run.result_path()
    if not path.is_file():
        name = run.profile.name
        raise MissingResult(
            f"no result of run {run.id!r} in profile {name!r} ({path.name}): `make reproduce PROFILE={name}` "
            f"computes all of them, `bsrnn run {run.id} --profile {name}` this one"
        )
    return read_json(path)


def is_complete(profile_name: str) -> bool:
    """Whether every run of a profile has a result (but for those that this machine cannot compute)."""
    return all(run.result_path().is_file() or not run.available() for run in grid(profile_name).values())
