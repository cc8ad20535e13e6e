"""One run: a training or an evaluation, declared as data, with the keys of its weights and of its result.

A run's result is one JSON file, whose name holds the run's key: the resolved settings, the data recipe and the version
of each stage. Source code is not part of the key, so that a reworded docstring throws away no training; the git commit
is recorded beside the result instead.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bsrnn.config import deciding
from bsrnn.data import musdb
from bsrnn.data.training_songs import data_recipe
from bsrnn.runtime import paths
from bsrnn.study.profiles import Profile

# Raise one when the numbers that its stage gives for the same settings change.
STAGES = {"train": 1, "score": 1}


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
    roles: frozenset[str] = frozenset()  # words of bsrnn.study.roles; no part of a key
    folder: Path | None = None  # where its result and its weights lie; None: results/<profile>; no part of a key

    threads: ClassVar[int] = 1  # on a CPU: on small models two runs side by side beat one run on two threads

    @property
    def without_seed(self) -> str:
        """Its id without the seed: what the same run has with other seeds."""
        return self.id.removesuffix(f"-s{self.seed}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Runs that must be finished before."""
        return (self.start.id,) if self.start else ()

    @property
    def its_start(self) -> "Run":
        """``start``, of a kind that has one."""
        assert self.start, f"a run of kind {self.kind!r} is declared with a start"
        return self.start

    @cached_property
    def train_key(self) -> str:
        """Key of the weights: of all that training depends on, and no more, so that new test songs retrain nothing."""
        if self.kind not in ("train", "finetune"):
            return self.start.train_key if self.start else ""
        profile = self.profile
        settings: dict[str, Any] = {
            "kind": self.kind,
            "target": self.target,
            "seed": self.seed,
            "data": self._data("train_songs", "amateur_songs", "valid_songs", "hold_out", "labelled_songs"),
            "version": STAGES["train"],
            **{name: asdict(getattr(profile, name)) for name in ("model", "activity", "mixing", "loss", "validate")},
        }
        if self.kind == "finetune":
            settings["data"] |= self._data("unlabelled_songs")
            settings |= {"start": self.its_start.train_key, "finetune": asdict(profile.finetune)}
        else:
            settings["train"] = asdict(profile.train)
        return _digest(settings)

    @cached_property
    def key(self) -> str:
        """Key of the result."""
        profile = self.profile
        settings: dict[str, Any] = {"kind": self.kind, "target": self.target, "seed": self.seed}
        settings |= {"train": self.train_key, "version": STAGES["score"], "data": {}}
        if self.kind != "real":
            settings["data"] = self._data("train_songs", "test_songs", "hold_out", "excerpt_seconds")
        if self.kind in ("train", "finetune", "baselines"):
            settings["data"] |= self._data("new_songs")
        if self.kind == "teacher":
            settings["data"] |= self._data("unlabelled_songs", "labelled_songs")
            settings |= {name: asdict(getattr(profile, name)) for name in ("activity", "mixing")}
        if self.kind == "baselines":
            settings["data"] |= self._data("amateur_songs")  # a model's are in its train_key
            settings["stft"] = (profile.model.sample_rate, profile.model.n_fft, profile.model.hop_samples)
        else:
            settings["separate"] = asdict(profile.separate)
        return _digest(settings)

    def _data(self, *names: str) -> dict:
        """The data recipe, with those settings alone, counts of songs for instance, that matter for a stage."""
        return data_recipe(self.profile) | {name: getattr(self.profile.data, name) for name in names}

    @property
    def home(self) -> Path:
        """The folder that its result and its weights lie in."""
        return self.folder or paths.results(self.profile.name)

    def result_path(self) -> Path:
        """results/<profile>/runs/<id>.<key>.json, or so in a folder of its own."""
        return self.home / "runs" / f"{self.id}.{self.key}.json"

    def weights_folder(self) -> Path:
        """Where the trained model lies: config.json and model.safetensors."""
        trained = self if self.kind in ("train", "finetune") else self.its_start
        return trained.home / "weights" / f"{trained.id}.{trained.train_key}"

    def finished(self) -> bool:
        """Whether it has a result."""
        return self.result_path().is_file()

    def available(self) -> bool:
        """False where this machine lacks what the run needs: ffmpeg for the real recording, songs for finetuning."""
        if self.kind == "finetune" and self.profile.data.source != "embedded":
            return self.profile.finetune.unlabelled == "none" or paths.unlabelled().is_dir()
        return self.kind != "real" or musdb.can_be_decoded()


def _digest(settings: dict) -> str:
    return hashlib.sha256(json.dumps(deciding(settings), sort_keys=True).encode()).hexdigest()[:12]
