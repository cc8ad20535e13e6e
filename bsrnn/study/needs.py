"""What trainings, runs and renderings need until their end, tried first (:mod:`bsrnn.runtime.preflight`)."""

from collections.abc import Iterable
from pathlib import Path

import torch

from bsrnn import checkpoint
from bsrnn.config import DataConfig
from bsrnn.data import songs
from bsrnn.errors import ConfigError
from bsrnn.models.other_systems import build
from bsrnn.runtime import paths, preflight
from bsrnn.study import runs
from bsrnn.study.profiles import Profile
from bsrnn.study.runs import Run

# a training's files, in float32 copies of its model: three resume files of weights and two moments each, two models
STATES, STATES_GOING_ON = 11, 4  # a training that goes on has most of them already
# bytes a second: four stems and their mixture, stereo, 16 bit; FLAC takes 0.3 of it
RENDERED = 0.4 * 5 * 44100 * 2 * 2
HEARD = ("train", "train-amateurs", "valid")  # splits that a training reads
SCORED = (*HEARD, "test", "test-new")  # and those that a run is scored on
ON_DISK = ("folder", "guitar", "musdb18hq")  # data that lie there as they are read: to look at them costs no rendering


def data(settings: DataConfig, split: str | None, targets: tuple[str, ...], sample_rate: int) -> None:
    """DataError unless every song of a split (None: of all) can be read at the rate in Hz, and there are some.

    What is decoded first is left to the command itself, as is what is rendered (:func:`rendering` looks for its room).
    """
    if settings.source in ON_DISK:
        songs.load(settings, split, targets=targets, sample_rate=sample_rate)


def unrendered(settings: DataConfig, root: Path, splits: Iterable[str]) -> int:
    """How many of the embedded songs of some splits are missing below ``root``."""
    from bsrnn.data.synthetic import count, song_folder  # its dependencies are an extra

    places = [(split, index) for split in splits for index in range(count(settings, split))]
    return sum(not song_folder(root, settings, *place).is_dir() for place in places)


def rendering(settings: DataConfig, splits: Iterable[str], root: Path | None = None) -> None:
    """BSRNNError unless the embedded songs that are missing below ``root`` (None: the clone's) can be written there."""
    if settings.source != "embedded":
        return  # the songs of others need no clone
    root = root or paths.data()
    if missing := unrendered(settings, root, splits):
        preflight.place(root)
        needed = missing * settings.song_seconds * RENDERED
        preflight.room(root, needed, f"rendering {missing} songs")


def own_folder(folder: Path) -> None:
    """ConfigError for a folder with a model that no training has put there: its own folder has a settings.json, too."""
    there = [name for name in (checkpoint.CONFIG, checkpoint.WEIGHTS) if (folder / name).exists()]
    if there and not (folder / "settings.json").exists():
        raise ConfigError(f"{folder} holds {' and '.join(there)}, which no training here has made and which would be "
                          "replaced: choose another --out")  # fmt: skip


def training(check: preflight.Checks, profile: Profile | None, folder: Path, splits: Iterable[str] = HEARD) -> None:
    """All that a training needs until its end; where its profile is wrong (None), the folder alone.

    splits: of the embedded songs, what it renders where that is missing.
    """
    check(own_folder, folder)
    check(preflight.place, folder, checkpoint.CONFIG, checkpoint.WEIGHTS, "settings.json", "training.json")
    if profile is None:
        return
    for split in (None, "valid"):  # all: what fails to be read is said once, whatever its split
        check(data, profile.data, split, profile.model.targets, profile.model.sample_rate)
    check(rendering, profile.data, splits)
    parameters = check(_parameters, profile)
    if parameters and not (folder / "training.json").is_file():
        states = STATES_GOING_ON if (folder / "settings.json").is_file() else STATES
        check(preflight.room, folder, states * 4 * parameters, "this training")


def run(wanted: Run, device_name: str) -> None:
    """All that a run needs until its result is written; nothing where it is there.

    Raises:
        BSRNNError: all that is wrong, at once.
    """
    path = wanted.result_path()
    if path.is_file():
        return
    with preflight.all_at_once() as check:
        check(preflight.device, device_name)
        check(preflight.place, path.parent, path.name)
        if wanted.start:
            check(runs.load, wanted.start)
        if wanted.kind in ("train", "finetune"):
            training(check, wanted.profile, wanted.weights_folder(), SCORED)
        elif wanted.kind != "real":  # which reads one recording
            check(rendering, wanted.profile.data, SCORED)
        # it is scored at the end, on the test songs
        check(data, wanted.profile.data, None, (wanted.target,), wanted.profile.model.sample_rate)


def _parameters(profile: Profile) -> int:
    """Of the model, from its shapes alone."""
    with torch.device("meta"):
        return build(profile.model).count_parameters()
