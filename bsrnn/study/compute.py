"""Computing a run: train or finetune, then score; each stage is kept, so that a killed run goes on where it was."""

import hashlib
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from bsrnn import checkpoint
from bsrnn.config import TrainConfig
from bsrnn.data import songs
from bsrnn.data.songs import Mixtures
from bsrnn.data.unlabelled import without_held_out
from bsrnn.errors import ConfigError, DataError
from bsrnn.finetune import SemiSupervised
from bsrnn.mixing import RandomMixes, check_channels, index_sources
from bsrnn.models.base import Separator
from bsrnn.runtime import distributed, paths, terminal
from bsrnn.runtime.files import make_folder, read_json, write_json
from bsrnn.runtime.locks import alone
from bsrnn.runtime.memory import keep_freed_memory
from bsrnn.runtime.provenance import code_state
from bsrnn.study import scoring
from bsrnn.study.profiles import Profile
from bsrnn.study.results import best_models
from bsrnn.study.runs import STAGES, Run, data_recipe, deciding, load, settings_of
from bsrnn.study.training_songs import comparable, unlabelled_of, with_songs
from bsrnn.tool import cards
from bsrnn.train import ItemSource, Supervised, fit, new_model, validation_usdr


def compute(run: Run, *, device: str = "cpu", threads: int | None = None) -> dict:
    """The run's result, from its JSON or by computing it; what it starts from must be finished.

    Of several processes (:mod:`bsrnn.runtime.distributed`) all train, and the first alone scores; the others give {}.

    Raises:
        MissingResult: a run that it needs has no result. DataError: songs that cannot be read.
    """
    path = run.result_path()
    make_folder(path.parent)
    with alone(_lock_path(run)):
        if distributed.agree(path.is_file()):
            return read_json(path)
        torch.set_num_threads(threads or run.threads)
        keep_freed_memory()
        _ensure_start(run, device)
        trained = TRAINERS[run.kind](run, device) if run.kind in TRAINERS else None
        if distributed.rank() > 0:
            return {}
        started = time.monotonic()
        result = describe(run, device) | {"training": trained} | scoring.score(run, device)
        result["score_seconds"] = round(time.monotonic() - started, 1)
        result["memory_gb"] = peak_memory_gb(device)
        write_json(path, result)
    return result


def peak_memory_gb(device: str) -> float:
    """The most memory that this process has held, in GB: of the GPU, or of the machine."""
    if device.startswith("cuda"):
        return round(torch.cuda.max_memory_allocated() / 1e9, 2)
    try:
        import resource  # not on Windows
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


def _lock_path(run: Run) -> Path:
    folder = paths.results(run.profile.name) / "weights"
    make_folder(folder)
    return folder / f"{run.id}.{run.train_key}.lock"


def describe(run: Run, device: str = "cpu") -> dict:
    """Everything but the numbers: settings, data, versions, code, device."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"CPU ({platform.machine()})"
    return {
        "id": run.id,
        "kind": run.kind,
        "key": run.key,
        "train_key": run.train_key,
        "target": run.target,
        "seed": run.seed,
        "change": run.change,
        "start": run.start.id if run.start else None,
        "profile": run.profile.name,
        "config": run.profile.asdict(),
        "data": data_recipe(run.profile),
        "stages": dict(STAGES),
        "versions": versions,
        "device": name,
        "threads": torch.get_num_threads(),
        "processes": distributed.size(),
        "code": code_state(),
    }


# ---- training ----


def _train(run: Run, device: str) -> dict:
    return train_model(run.profile, run.seed, run.weights_folder(), device, label=run.id)


def _finetune(run: Run, device: str) -> dict:
    unlabelled = unlabelled_of(run.profile)
    start, folder = run.start.weights_folder(), run.weights_folder()
    return finetune_model(run.profile, run.target, run.seed, start, unlabelled, folder, device, label=run.id)


def train_model(profile: Profile, seed: int, folder: Path, device: str = "cpu", label: str = "train") -> dict:
    """Train ``profile.model`` into ``folder``, or go on with what lies there; what belongs into the run's JSON.

    Raises:
        DataError: songs that cannot be used. TrainingError: see :func:`bsrnn.train.fit`.
    """
    check_channels(profile.mixing, profile.model)
    claim = _claim(Path(folder), with_songs(settings_of(profile, "train", seed), profile))
    if distributed.agree((done := Path(folder) / "training.json").is_file()):
        return read_json(done)
    source, model = supervised(profile, seed), new_model(profile.model, seed)
    claim()
    return _fit(profile, seed, model, source, profile.train, folder, device, label, {})


def supervised(profile: Profile, seed: int) -> Supervised:
    """The batches that a training learns from."""
    targets = profile.model.targets
    train_songs = songs.load(profile.data, "train", targets=targets)
    mixes = RandomMixes(
        index_sources(train_songs, profile.activity, targets),
        targets,
        profile.mixing,
        profile.train.max_items,
        seed,
        profile.model.sample_rate,
    )
    return Supervised(mixes, profile.train)


def _claim(folder: Path, settings: dict) -> Callable[[], None]:
    """Refuse a folder that holds another model or training; what is given back notes these settings in it.

    That is for when all else is well: settings or songs that cannot be used must not take the folder. One that holds
    settings alone, as a training that failed before its first validation leaves it, has nothing to lose.
    """
    path = folder / "settings.json"
    settings = json.loads(json.dumps(settings))  # tuples become lists, as they come back
    if not distributed.agree(_holds_work(folder)):
        return lambda: write_json(path, settings) if distributed.rank() == 0 else None
    if not path.is_file():
        raise ConfigError(f"{folder} holds a model, but no training of this program: choose another --out")
    there = read_json(path)
    if not isinstance(there, dict):
        raise DataError(f"{path} describes no training: expected its settings by name; choose another --out")
    there, settings = comparable(deciding(there), settings)  # an older version noted settings of speed, too
    if other := sorted(name for name in there.keys() | settings.keys() if there.get(name) != settings.get(name)):
        raise ConfigError(
            f"{folder} holds a training with another {', '.join(other)}: choose another --out, or go on with that "
            f"training by the settings in its {path.name}"
        )
    return lambda: None


def _holds_work(folder: Path) -> bool:
    """Whether something in a folder would be lost: weights, a finished training, or the state of an unfinished one."""
    kept = (folder / checkpoint.WEIGHTS, folder / "training.json")
    return any(path.is_file() for path in kept) or any((folder / "resume").glob("*.safetensors"))


def finetune_model(
    profile: Profile,
    target: str,
    seed: int,
    start: Path,
    unlabelled: Mixtures,
    folder: Path,
    device: str = "cpu",
    label: str = "finetune",
) -> dict:
    """Finetune the model in ``start`` into ``folder``, or go on with what lies there; no unlabelled songs: the control.

    Raises:
        DataError, TrainingError: as :func:`train_model`.
    """
    model, teacher = checkpoint.load(start).to(device), checkpoint.load(start).to(device)
    if model.config.targets != (target,):
        separated = ", ".join(model.config.targets)
        raise ConfigError(f"cannot finetune {target!r}: the model in {start} separates {separated}")
    digest = hashlib.sha256((Path(start) / checkpoint.WEIGHTS).read_bytes()).hexdigest()[:12]
    unlabelled = without_held_out(unlabelled, profile.data)
    names = [f"{song.name}, {song.frames} samples" for song in unlabelled.songs]
    settings = with_songs(settings_of(profile, "finetune", seed), profile)
    claim = _claim(Path(folder), settings | {"start": digest, "unlabelled": names})
    if distributed.agree((done := Path(folder) / "training.json").is_file()):
        return read_json(done)
    valid = songs.load(profile.data, "valid", targets=model.config.targets)
    score = validation_usdr(teacher, valid, profile.validate)
    source = semi_supervised(profile, target, seed, unlabelled, teacher, score)
    report = source.report()
    if report["songs"]:
        report["unreadable"] = unlabelled.unreadable | report["unreadable"]
        report["held_out"] = unlabelled.held_out
    claim()
    extra = {"start_valid_usdr": score, "unlabelled": report}
    return _fit(profile, seed, model, source, profile.finetune.train, folder, device, label, extra)


def semi_supervised(
    profile: Profile, target: str, seed: int, unlabelled: Mixtures, teacher: Separator, score: float = 0.0
) -> SemiSupervised:
    """The batches that a finetuning learns from; ``score`` is the teacher's validation, for self-boosting."""
    labelled = songs.load(profile.data, "train", targets=(target,))
    settings = profile.finetune, profile.mixing, profile.activity
    return SemiSupervised(labelled, unlabelled.songs, target, teacher, score, *settings, seed)


def _fit(
    profile: Profile,
    seed: int,
    model: Separator,
    source: ItemSource,
    config: TrainConfig,
    folder: Path,
    device: str,
    label: str,
    extra: dict,
) -> dict:
    folder = Path(folder)
    valid = songs.load(profile.data, "valid", targets=profile.model.targets)
    info = {"label": label, "profile": profile.name, "data": data_recipe(profile), "seed": seed}
    info |= {"item_channels": profile.mixing.item_channels}
    progress = fit(
        model,
        source,
        lambda m: validation_usdr(m, valid, profile.validate),
        config,
        folder,
        loss=profile.loss,
        info=info,
        device=device,
        label=label,
    )
    scratch = ("loss_sum", "steps", "bad_steps", "worse")
    trained = {name: value for name, value in asdict(progress).items() if name not in scratch}
    trained |= {"parameters": model.count_parameters(), "bands": len(model.widths), "valid_songs": len(valid)} | extra
    trained["memory_gb"] = peak_memory_gb(device)
    if distributed.rank() == 0:
        write_json(folder / "training.json", trained)
        shutil.rmtree(folder / "resume", ignore_errors=True)
    return trained


TRAINERS = {"train": _train, "finetune": _finetune}


def _ensure_start(run: Run, device: str) -> None:
    """What a run starts from must have a result; its weights are trained again where a clone lacks them."""
    if run.start is None:
        return
    load(run.start)
    with alone(_lock_path(run.start)):
        if not distributed.agree((run.start.weights_folder() / "training.json").is_file()):
            terminal.note(f"the weights of run {run.start.id!r} are not here: training them again")
            TRAINERS[run.start.kind](run.start, device)


def publish(profile_name: str) -> list[Path]:
    """Copy the best model of every target to results/<profile>/checkpoints/<target>/, in half precision.

    Best on the validation songs, see :func:`bsrnn.study.results.best_models`.
    """
    written = []
    for target, run in best_models(profile_name).items():
        if not (run.weights_folder() / "training.json").is_file():
            continue  # a clone has the published copy, and not the training's own
        result = load(run)
        info = {name: result[name] for name in ("id", "key", "train_key", "profile", "data", "seed")}
        info |= {"items": result["training"]["items"], "summary": result["scores"]["summary"]}
        info |= {"item_channels": result["config"]["mixing"].get("item_channels", "both")}  # older results: both
        folder = paths.results(profile_name) / "checkpoints" / target
        checkpoint.save(checkpoint.load(run.weights_folder()), folder, info, "float16")
        cards.write(folder)
        written.append(folder)
    return written
