"""Recipes: songs and settings -> a trained model in a folder, which is gone on with should it be cut off."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from bsrnn import checkpoint, resume
from bsrnn.config import ModelConfig, PeerConfig, Settings, deciding, settings_of
from bsrnn.data import songs
from bsrnn.data.songs import Mixtures
from bsrnn.data.training_songs import comparable, data_recipe, with_amateurs, with_songs
from bsrnn.data.unlabelled import unlabelled_songs, without_held_out
from bsrnn.errors import ConfigError, DataError
from bsrnn.finetune import SemiSupervised, Teacher
from bsrnn.mixing import RandomMixes, check_channels, index_sources
from bsrnn.models.base import Separator
from bsrnn.runtime import distributed
from bsrnn.runtime.files import read_json, write_json
from bsrnn.runtime.provenance import peak_memory_gb
from bsrnn.runtime.terminal import counted
from bsrnn.train import Anchor, ItemSource, Remark, Supervised, Trainer, new_model, no_remark, validation_usdr


def train_model(
    settings: Settings,
    seed: int,
    folder: Path,
    device: str = "cpu",
    label: str = "train",
    remark: Remark = no_remark,
) -> dict:
    """Train ``settings.model`` into ``folder``, or go on with what lies there; what belongs into the run's JSON.

    Raises:
        DataError: songs that cannot be used. ConfigError: the folder holds something else. TrainingError: see
            :class:`bsrnn.train.Trainer`.
    """
    check_channels(settings.mixing, settings.model)
    folder = Path(folder)
    claim = _claim(folder, with_songs(settings_of(settings, "train", seed), settings))
    if distributed.agree((done := folder / "training.json").is_file()):
        return read_json(done)
    source, model = supervised(settings, seed), new_model(settings.model, seed)
    claim()
    trainer = Trainer(model, source, settings.train, settings.loss, device, folder)
    return _run(trainer, settings, seed, label, remark=remark)


def supervised(settings: Settings, seed: int) -> Supervised:
    """The batches that a training learns from."""
    targets = settings.model.targets
    train_songs = songs.load(settings.data, "train", targets=targets, sample_rate=settings.model.sample_rate)
    mixes = RandomMixes(
        index_sources(train_songs, settings.activity, targets),
        targets,
        settings.mixing,
        settings.train.max_items,
        seed,
        settings.model.sample_rate,
    )
    return Supervised(mixes, settings.train)


class Teaching(NamedTuple):
    """What a finetuning has beside its settings."""

    target: str
    start: Path  # folder of the trained model that is the first student and the first teacher
    unlabelled: Mixtures  # none: the control


def finetune_model(
    settings: Settings, seed: int, teaching: Teaching, folder: Path, device: str = "cpu", label: str = "finetune"
) -> dict:
    """Finetune a model into ``folder``, or go on with what lies there; what belongs into the run's JSON.

    Raises:
        ConfigError: the model separates something else. All others: as :func:`train_model`.
    """
    target, start, unlabelled = teaching
    folder, start = Path(folder), Path(start)
    model, teacher = checkpoint.load(start).to(device), checkpoint.load(start).to(device)
    if model.config.targets != (target,):
        separated = ", ".join(model.config.targets)
        raise ConfigError(f"cannot finetune {target!r}: the model in {start} separates {separated}")
    unlabelled = without_held_out(unlabelled, settings.data, settings.model.sample_rate)
    _check_items(settings, model.config, unlabelled)
    claim = _claim(folder, _of_finetuning(settings, seed, start, unlabelled))
    if distributed.agree((done := folder / "training.json").is_file()):
        return read_json(done)
    valid = songs.load(settings.data, "valid", targets=model.config.targets, sample_rate=model.config.sample_rate)
    score = validation_usdr(teacher, valid, settings.validate)
    source = finetuning_items(settings, target, seed, unlabelled, teacher, score)
    report = source.report()
    if report["songs"]:
        report["unreadable"] = unlabelled.unreadable | report["unreadable"]
        report["held_out"] = unlabelled.held_out
    claim()
    share = settings.finetune.keep_start
    anchor = Anchor({name: value.clone() for name, value in model.state_dict().items()}, share) if share else None
    trainer = Trainer(model, source, settings.finetune.train, settings.loss, device, folder, anchor)
    return _run(trainer, settings, seed, label, {"start_valid_usdr": score, "unlabelled": report})


def _of_finetuning(settings: Settings, seed: int, start: Path, unlabelled: Mixtures) -> dict:
    """What tells a finetuning from another: settings, songs, and the weights that it starts from."""
    digest = hashlib.sha256((start / checkpoint.WEIGHTS).read_bytes()).hexdigest()[:12]
    names = [f"{song.name}, {song.frames} samples" for song in unlabelled.songs]
    deciding = with_songs(settings_of(settings, "finetune", seed), settings)
    return deciding | {"start": digest, "unlabelled": names}


def unlabelled_of(settings: Settings, limit: int | None = None) -> Mixtures:
    """The mixtures that the settings' finetuning uses; ``limit``: the first so many embedded ones of each kind."""
    return unlabelled_songs(settings.data, settings.finetune.unlabelled, settings.model.sample_rate, limit)


def finetuning_items(
    settings: Settings, target: str, seed: int, unlabelled: Mixtures, teacher: Separator, score: float = 0.0
) -> ItemSource:
    """The batches that a finetuning learns from; ``score`` is the teacher's validation, for self-boosting.

    Raises:
        ConfigError: items of one channel for a model that compares them; random mixes, and unlabelled songs.
    """
    _check_items(settings, teacher.config, unlabelled)
    if settings.finetune.pools == "mixes":
        return supervised(replace(settings, train=settings.finetune.train), seed)
    labelled = songs.load(settings.data, "train", targets=(target,), sample_rate=settings.model.sample_rate)
    return SemiSupervised(labelled, unlabelled.songs, Teacher(teacher, target, score), settings, seed)


def _check_items(settings: Settings, model: ModelConfig | PeerConfig, unlabelled: Mixtures) -> None:
    check_channels(settings.mixing, model)
    if settings.finetune.pools == "mixes" and unlabelled.songs:
        raise ConfigError(
            f"got finetune.pools 'mixes' and {counted(len(unlabelled.songs), 'unlabelled song')}: expected none "
            "(--unlabelled none), random mixes are of labelled songs alone"
        )


def _run(
    trainer: Trainer,
    settings: Settings,
    seed: int,
    label: str,
    extra: dict | None = None,
    remark: Remark = no_remark,
) -> dict:
    """Train until the end; what belongs into the run's JSON, with ``extra``, which then lies in training.json too."""
    valid = songs.load(settings.data, "valid", targets=settings.model.targets, sample_rate=settings.model.sample_rate)
    info = {"label": label, "profile": settings.name, "seed": seed}
    info |= {"data": with_amateurs(data_recipe(settings), settings.data)}
    info |= {"item_channels": settings.mixing.item_channels}
    validate = settings.validate
    progress = trainer.run(
        lambda model: validation_usdr(model, valid, validate) if valid else None, info, label, remark
    )
    scratch = ("loss_sum", "steps", "bad_steps", "worse")
    trained = {name: value for name, value in asdict(progress).items() if name not in scratch}
    model = trainer.model
    trained |= {"parameters": model.count_parameters(), "bands": len(model.widths), "valid_songs": len(valid)}
    trained |= extra or {}
    trained["memory_gb"] = peak_memory_gb(trainer.device)
    if distributed.rank() == 0:
        write_json(trainer.folder / "training.json", trained)
        resume.remove(trainer.folder)
    return trained


def _claim(folder: Path, settings: dict) -> Callable[[], None]:
    """Refuse a folder that holds another model or training; what is given back notes these settings in it.

    That is for when all else is well: settings or songs that cannot be used must not take the folder. One that holds
    settings alone, as a training that failed before its first validation leaves it, has nothing to lose.
    """
    path = folder / "settings.json"
    settings = json.loads(json.dumps(settings))  # tuples become lists, as they come back
    if not distributed.agree(_holds_work(folder)):
        if distributed.agree(path.is_file() and not _of_a_training(path)):
            raise ConfigError(f"{path} is of no training, and would be replaced: choose another --out")
        return lambda: write_json(path, settings) if distributed.rank() == 0 else None
    if not path.is_file():
        raise ConfigError(f"{folder} holds a model, but no training of this program: choose another --out")
    kept = read_json(path)
    if not isinstance(kept, dict):
        raise DataError(f"{path} describes no training: expected its settings by name; choose another --out")
    kept, settings = comparable(deciding(kept), settings)  # an older version noted settings of speed, too
    if other := sorted(name for name in kept.keys() | settings.keys() if kept.get(name) != settings.get(name)):
        raise ConfigError(
            f"{folder} holds a training with another {', '.join(other)}: choose another --out, or go on with that "
            f"training by the settings in its {path.name}"
        )
    return lambda: None


def _of_a_training(path: Path) -> bool:
    """Whether a settings.json is a training's, of this or an older version."""
    kept = read_json(path)
    return isinstance(kept, dict) and "seed" in kept


def _holds_work(folder: Path) -> bool:
    """Whether something in a folder would be lost: weights, a finished training, or the state of an unfinished one."""
    made = (folder / checkpoint.WEIGHTS, folder / "training.json")
    return any(path.is_file() for path in made) or bool(resume.files(folder))
