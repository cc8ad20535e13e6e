"""Validation curves: that of a training in a folder, finished or not, and the band of the finished runs of its kind.

"Am I on track?" is asked of the first validations, long before an end: so a validation is held against what the runs of
the same settings, but for the seed, had after as many items. A training whose settings no run has is held against the
runs of its profile's base, where it is validated on the same songs in the same way.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bsrnn import checkpoint, resume
from bsrnn.config import Settings, deciding, settings_of
from bsrnn.errors import ConfigError, DataError
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.study import profiles, runs
from bsrnn.study.runs import Run

SETTINGS = "settings.json"
VALIDATED_ALIKE = ("data", "validate")  # sections; with the targets, what makes two validations comparable
STARTS = ("start", "unlabelled")  # of a finetuning's settings: whose weights and songs, no setting of a run


@dataclass(frozen=True)
class Curve:
    """Validations of one training: items learnt from, and mean uSDR in dB."""

    name: str
    items: tuple[int, ...]
    usdr: tuple[float, ...]

    def at(self, items: int) -> float | None:
        """uSDR after so many items, between two validations on the line through both; None: outside of all."""
        if not self.items or not self.items[0] <= items <= self.items[-1]:
            return None
        return float(np.interp(items, self.items, self.usdr))


@dataclass(frozen=True)
class Band:
    """The curves of finished runs of one kind, a seed each. of: which, in words."""

    of: str
    curves: tuple[Curve, ...]

    def at(self, items: int) -> tuple[float, float, int] | None:
        """(lowest uSDR, highest, number of seeds) after so many items; None: none was validated around there."""
        values = [value for value in (curve.at(items) for curve in self.curves) if value is not None]
        return (min(values), max(values), len(values)) if values else None

    def place(self, items: int, usdr: float) -> str:
        """Where a validation lies, in a few words; "" where no run tells."""
        if not (known := self.at(items)):
            return ""
        low, high, count = known
        if count == 1:
            return f"{usdr - low:+.2f} dB to the one finished run"
        span = f"{count} seeds' {low:.2f} to {high:.2f}"
        if usdr < low:
            return f"{low - usdr:.2f} dB below {span}"
        return f"within {span}" if usdr <= high else f"{usdr - high:.2f} dB above {span}"


@dataclass(frozen=True)
class Training:
    """A training in a folder. running: it has not come to its end yet, or was cut off. band: of its kind, if any."""

    folder: Path
    curve: Curve
    running: bool
    band: Band | None


def remark(settings: Settings, seed: int):
    """What a training says beside each validation, see :data:`bsrnn.train.Remark`."""
    band = band_of(_plain(settings_of(settings, "train", seed)), "train", settings.name)
    return band.place if band else lambda items, usdr: ""


def read(folder: Path) -> Training:
    """A training's curve with its band; a training that is running is not disturbed.

    Raises:
        ConfigError: no training, or none that was validated yet.
    """
    folder = Path(folder)
    done, state = folder / "training.json", resume.peek(folder)
    if done.is_file():
        values = read_json(done)
        history = values.get("history") if isinstance(values, dict) else None
        if not isinstance(history, list) or not all(map(_is_validation, history)):
            raise DataError(f"{done} describes no training: expected its history of validations")
    elif state:
        history = state.history
    elif (folder / SETTINGS).is_file():
        raise ConfigError(f"{folder}: this training has saved nothing yet, it does so each minute; wait for it, or go "
                          "on with it by `bsrnn train`")  # fmt: skip
    else:
        raise ConfigError(f"{folder} holds no training: expected a folder as `bsrnn train --out` makes, with "
                          "training.json, or resume/ while it goes on")  # fmt: skip
    kept = _validations(history)
    if not kept:
        why = "it has no validation songs" if history else "its first validation is still to come"
        raise ConfigError(f"{folder}: no curve to draw: {why}")
    curve = _curve(folder.name, kept)
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    if not isinstance(settings, dict) or not isinstance(settings.get("model", {}), dict):
        raise DataError(f"{folder / SETTINGS} describes no training: expected its settings by name")
    kind = "finetune" if "finetune" in settings else "train"
    band = band_of(deciding(settings), kind, _profile_of(folder)) if settings else None
    return Training(folder, curve, not done.is_file(), band)


def band_of(settings: dict, kind: str, profile_name: str = "") -> Band | None:
    """The band of the finished runs that a training with these settings (:func:`bsrnn.config.settings_of`) is like.

    profile_name: whose base is taken where no run has these very settings; None: there are no such runs either.
    """
    try:
        alike = [run for run in _finished(kind) if _without_seed(_settings(run)) == _without_seed(settings)]
        words = "the same settings"
        if not alike and profile_name:
            of_profile = [run for run in _finished(kind, profile_name) if run.roles & {"base", "finetuned"}]
            alike = [run for run in of_profile if _validated(_settings(run)) == _validated(settings)]
            words = f"the profile's own settings for {alike[0].target}" if alike else ""
    except ConfigError:  # no clone, so no results
        return None
    if not alike:
        return None
    alike = [run for run in alike if run.profile.name == alike[0].profile.name]
    curves = [_curve(f"seed {run.seed}", _validations(runs.load(run)["training"]["history"])) for run in alike]
    curves = [curve for curve in curves if curve.items]
    return Band(f"{words}, profile {alike[0].profile.name}", tuple(curves)) if curves else None


def _finished(kind: str, profile_name: str = "") -> Iterator[Run]:
    """Finished runs of a kind, of one profile or of all that have results here."""
    for name in [profile_name] if profile_name else profiles.PROFILES:
        if name in profiles.PROFILES and (paths.results(name) / "runs").is_dir():
            yield from (run for run in runs.grid(name).values() if run.kind == kind and run.finished())


def _settings(run: Run) -> dict:
    return _plain(settings_of(run.profile, run.kind, run.seed))


def _plain(settings: dict) -> dict:
    """As it comes back from JSON."""
    return json.loads(json.dumps(settings))


def _without_seed(settings: dict) -> dict:
    return {name: value for name, value in settings.items() if name not in ("seed", *STARTS)}


def _validated(settings: dict) -> tuple:
    targets = settings.get("model", {}).get("targets")
    return (targets, *(settings.get(section) for section in VALIDATED_ALIKE))


def _is_validation(entry: object) -> bool:
    """Whether an entry of a history read from a file is as trainings write it."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("items"), int)
        and isinstance(entry.get("valid_usdr", ""), float | int | None)
    )


def _validations(history: list[dict]) -> list[dict]:
    return [entry for entry in history if entry["valid_usdr"] is not None]


def _curve(name: str, history: list[dict]) -> Curve:
    return Curve(name, tuple(entry["items"] for entry in history), tuple(entry["valid_usdr"] for entry in history))


def _profile_of(folder: Path) -> str:
    """The profile that the model in a folder was trained by; "" where it does not say."""
    return str(checkpoint.info_of(folder).get("profile", ""))
