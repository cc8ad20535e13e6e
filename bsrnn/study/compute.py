"""Computing a run: train or finetune, then score; each stage is kept, so that a killed run goes on where it was."""

import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from bsrnn import checkpoint, recipes
from bsrnn.data import songs
from bsrnn.data.training_songs import data_recipe, with_amateurs
from bsrnn.runtime import distributed, paths, terminal
from bsrnn.runtime.files import make_folder, read_json, write_json
from bsrnn.runtime.locks import alone
from bsrnn.runtime.memory import keep_freed_memory
from bsrnn.runtime.provenance import code_state, peak_memory_gb
from bsrnn.study import curves, profiles, scoring
from bsrnn.study.results import Study, is_silence
from bsrnn.study.runs import STAGES, Run, load, planned
from bsrnn.tool import cards
from bsrnn.train import validation_scores


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
        twin = _finished_twin(run)
        if twin and distributed.size() == 1:
            own = {name: describe(run, device)[name] for name in ("id", "change", "start")}
            result = load(twin) | own | {"copied_from": twin.id}
            if twin.weights_folder().is_dir():  # what starts from this run looks for them here
                shutil.copytree(twin.weights_folder(), run.weights_folder(), dirs_exist_ok=True)
            write_json(path, result)
            return result
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


def _finished_twin(run: Run) -> Run | None:
    """A run of the profile that has been computed under another name, with the same settings, songs and seed."""
    name = run.profile.name
    if run.kind not in TRAINERS or run.folder or name not in profiles.PROFILES:
        return None  # a run of no grid
    known = planned(name)
    same = (other for other in known.values() if run.id in known and other.key == run.key and other.id != run.id)
    return next((other for other in same if other.finished()), None)


def _lock_path(run: Run) -> Path:
    folder = run.home / "weights"
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
        "config": asdict(run.profile),
        "data": data_recipe(run.profile),
        "stages": dict(STAGES),
        "versions": versions,
        "device": name,
        "threads": torch.get_num_threads(),
        "processes": distributed.size(),
        "code": code_state(),
    }


# ---- training ----


SEED_STEP = 100  # ours: from the seed of a training that stayed silent to that of the next try (book/plan.md)


def _train(run: Run, device: str) -> dict:
    """Train with the run's seed, or with a later one where that model learnt nothing but to be silent.

    Whatever the system; by what the model that it keeps scores on the validation songs, in the mean and on each. One
    that is worse than silence, or good on some songs and bad on others, must not have another try for that. The result
    names the seed that it is of, and every silent training before it; their weights stay beside.
    """
    folder = run.weights_folder()
    silent: list[dict] = []
    while True:
        seed = run.seed + SEED_STEP * len(silent)
        aside = folder.with_name(f"{folder.name}.silent-{seed}")
        if distributed.agree((aside / "training.json").is_file()):  # found silent before this command was cut off
            trained = read_json(aside / "training.json")
        else:
            on_track = curves.remark(run.profile, run.seed)
            trained = recipes.train_model(run.profile, seed, folder, device, run.id, on_track)
            # the mean first: to score each song takes a while
            learnt = not (is_silence([trained["best"]]) and is_silence(_validation(run, device)))
            if learnt or len(silent) == run.profile.more_tries:
                return trained | {"seed": seed, "silent": silent}
            if distributed.rank() == 0:
                terminal.say(
                    "note", f"run {run.id!r} with seed {seed} stayed silent: training it again with another seed"
                )
                folder.rename(aside)
        silent.append({"seed": seed, "best": trained["best"]})


def _validation(run: Run, device: str) -> list[float]:
    """uSDR in dB of the run's model, song by song."""
    model = checkpoint.load(run.weights_folder()).to(device)
    valid = songs.load(run.profile.data, "valid", targets=model.config.targets, sample_rate=model.config.sample_rate)
    return validation_scores(model, valid, run.profile.validate).tolist()


def _finetune(run: Run, device: str) -> dict:
    teaching = recipes.Teaching(run.target, run.its_start.weights_folder(), recipes.unlabelled_of(run.profile))
    return recipes.finetune_model(run.profile, run.seed, teaching, run.weights_folder(), device, run.id)


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
    """Copy the models that a profile has to offer into its results, in half precision.

    Which, and where: :func:`bsrnn.study.results.Study.published`.
    """
    written = []
    for name, run in Study(profile_name).published().items():
        folder = paths.results(profile_name) / name
        if not (run.weights_folder() / "training.json").is_file():  # a clone has the published copy alone
            if checkpoint.info_of(folder).get("train_key") != run.train_key:
                terminal.say("note", f"{name}: the model of run {run.id!r} belongs there, but its weights are not "
                                     "here; what is published stays as it is")  # fmt: skip
            continue
        result = load(run)
        info = {name: result[name] for name in ("id", "key", "train_key", "profile", "data", "seed")}
        info["data"] = with_amateurs(info["data"], run.profile.data)
        info |= {"items": _items_seen(run), "summary": result["scores"]["summary"]}
        info |= {"item_channels": result["config"]["mixing"].get("item_channels", "both")}  # older results: both
        checkpoint.save(checkpoint.load(run.weights_folder()), folder, info, "float16")
        cards.write(folder)
        written.append(folder)
    return written


def _items_seen(run: Run) -> int:
    """By a model, those of its start included."""
    return load(run)["training"]["items"] + (_items_seen(run.start) if run.start else 0)
