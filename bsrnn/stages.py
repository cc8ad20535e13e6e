"""Computing a run: train or finetune, then score; each stage is kept, so that a killed run goes on where it was."""

import hashlib
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from bsrnn import baselines, checkpoint, metrics, paths, songs
from bsrnn.errors import DataError
from bsrnn.files import read_json, write_json
from bsrnn.finetune import SemiSupervised
from bsrnn.mixing import RandomMixes, index_sources
from bsrnn.model import BSRNN
from bsrnn.runs import STAGES, Run, data_recipe
from bsrnn.separate import separate
from bsrnn.songs import Song
from bsrnn.train import Supervised, fit, new_model, validation_usdr

# modules whose code decides a stage's numbers; their hash is recorded as provenance
CODE = {"train": ("activity", "bands", "finetune", "mixing", "model", "songs", "train"),
        "score": ("bands", "baselines", "metrics", "model", "separate", "songs")}


def compute(run: Run, *, device: str = "cpu", threads: int | None = None) -> dict:
    """The run's result, from its JSON or by computing it; what it starts from must be finished.

    Raises:
        MissingResult: a run that it needs has no result. DataError: songs that cannot be read.
    """
    path = run.result_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = paths.results(run.profile.name) / "weights" / f"{run.id}.{run.train_key}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # an orphaned process and its replacement never write together
        if path.is_file():
            return read_json(path)
        torch.set_num_threads(threads or run.threads)
        started = time.monotonic()
        trained = {"train": _train, "finetune": _finetune}.get(run.kind, _finished_start)(run, device)
        scores = {"baselines": _score_baselines, "real": _score_real}.get(run.kind, _score_model)(run, device)
        result = describe(run, device) | {"training": trained, "scores": scores,
                                          "score_seconds": round(time.monotonic() - started, 1)}
        write_json(path, result)
    return result


def describe(run: Run, device: str = "cpu") -> dict:
    """Everything but the numbers: settings, data, versions, code, device."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"CPU ({platform.machine()})"
    return {"id": run.id, "kind": run.kind, "key": run.key, "train_key": run.train_key, "target": run.target, "seed": run.seed,
            "change": run.change, "start": run.start.id if run.start else None, "profile": run.profile.name,
            "config": run.profile.asdict(), "data": data_recipe(run.profile), "stages": dict(STAGES), "versions": versions,
            "device": name, "threads": torch.get_num_threads(), "code": {stage: code_hash(stage) for stage in CODE}}


def code_hash(stage: str) -> str:
    """Hash of the source of the modules that decide a stage's numbers."""
    digest = hashlib.sha256()
    for module in CODE[stage]:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()[:12]


# ---- training ----


def _train(run: Run, device: str) -> dict:
    profile, folder = run.profile, run.weights_folder()
    if (folder / "training.json").is_file():
        return read_json(folder / "training.json")
    train_songs = songs.load(profile.data, "train", targets=profile.model.targets)
    mixes = RandomMixes(index_sources(train_songs, profile.activity), profile.model.targets, profile.mixing,
                        profile.train.max_items, run.seed, profile.model.sample_rate)
    model = new_model(profile.model, run.seed)
    return _fit(run, model, Supervised(mixes, profile.train), profile.train, device, train_songs)


def _finetune(run: Run, device: str) -> dict:
    profile, folder, config = run.profile, run.weights_folder(), run.profile.finetune
    if (folder / "training.json").is_file():
        return read_json(folder / "training.json")
    train_songs = songs.load(profile.data, "train", targets=profile.model.targets)
    unlabelled = unlabelled_songs(profile)
    start = run.start.weights_folder()
    model, teacher = checkpoint.load(start).to(device), checkpoint.load(start).to(device)
    valid = songs.load(profile.data, "valid", targets=profile.model.targets)
    score = validation_usdr(teacher, valid, profile.validate)
    source = SemiSupervised(train_songs, unlabelled, run.target, teacher, score, config, profile.mixing, profile.activity,
                            run.seed)
    return _fit(run, model, source, config.train, device, train_songs) | {"start_valid_usdr": score,
                                                                         "unlabelled_songs": len(unlabelled)}


def unlabelled_songs(profile) -> list[Song]:
    """The mixtures that finetuning may use."""
    kinds = {"both": ("matched", "shifted"), "matched": ("matched",), "shifted": ("shifted",), "none": ()}
    return [song for kind in kinds[profile.finetune.unlabelled] for song in songs.load(profile.data, f"unlabelled-{kind}")]


def _fit(run: Run, model: BSRNN, source, config, device: str, train_songs: list[Song]) -> dict:
    profile, folder = run.profile, run.weights_folder()
    valid = songs.load(profile.data, "valid", targets=profile.model.targets)
    info = {"run": run.id, "key": run.train_key, "profile": profile.name, "data": data_recipe(profile), "seed": run.seed}
    progress = fit(model, source, lambda m: validation_usdr(m, valid, profile.validate), config, folder, loss=profile.loss,
                   info=info, device=device, label=run.id)
    trained = asdict(progress) | {"parameters": model.count_parameters(), "train_songs": len(train_songs),
                                  "valid_songs": len(valid), "bands": len(model.widths)}
    for scratch in ("loss_sum", "steps", "bad_steps", "worse"):
        del trained[scratch]
    write_json(folder / "training.json", trained)
    shutil.rmtree(folder / "resume", ignore_errors=True)
    return trained


def _finished_start(run: Run, device: str) -> dict | None:
    return None


# ---- scoring ----


def _score_model(run: Run, device: str) -> dict:
    """Whole test songs, song by song."""
    model = checkpoint.load(run.weights_folder()).to(device)
    test_songs = songs.load(run.profile.data, "test", targets=run.profile.model.targets)
    rows = []
    for song in tqdm(test_songs, desc=f"{run.id}: scoring", unit="song", mininterval=2, dynamic_ncols=True):
        mixture = song.read("mixture")
        begun = time.monotonic()
        estimate = separate(model, mixture, song.sample_rate, **asdict(run.profile.separate))[run.target]
        seconds = time.monotonic() - begun
        rows.append(_row(song) | metrics.score(song.read(run.target), mixture, estimate, song.sample_rate)
                    | {"seconds": round(seconds, 2)})
    return {"songs": rows, "summary": metrics.aggregate(rows)}


def _score_baselines(run: Run, device: str) -> dict:
    """Every method of bsrnn.baselines on the test songs: method -> songs and summary."""
    train_songs = songs.load(run.profile.data, "train", targets=(run.target,))
    gains = baselines.wiener_gains(train_songs, run.target, run.profile.model)
    rows: dict[str, list] = {method: [] for method in baselines.METHODS}
    test_songs = songs.load(run.profile.data, "test", targets=(run.target,))
    for song in tqdm(test_songs, desc=f"{run.id}: scoring", unit="song", mininterval=2, dynamic_ncols=True):
        mixture, reference = song.read("mixture"), song.read(run.target)
        for method, estimate in baselines.estimates(song, run.target, gains, run.profile.model).items():
            rows[method].append(_row(song) | metrics.score(reference, mixture, estimate, song.sample_rate))
    return {method: {"songs": found, "summary": metrics.aggregate(found)} for method, found in rows.items()}


def _score_real(run: Run, device: str) -> dict:
    """The model beside mixture and oracle on the real recording of the stempeg wheel."""
    song = songs.musdb_clip(paths.data() / "real")
    if song is None:
        raise DataError(f"run {run.id!r} needs the real recording, which could not be read; see the line above")
    train_songs = songs.load(run.profile.data, "train", targets=(run.target,))
    gains = baselines.wiener_gains(train_songs, run.target, run.profile.model)
    model = checkpoint.load(run.weights_folder()).to(device)
    mixture, reference = song.read("mixture"), song.read(run.target)
    estimates = baselines.estimates(song, run.target, gains, run.profile.model)
    estimates["model"] = separate(model, mixture, song.sample_rate, **asdict(run.profile.separate))[run.target]
    rows = {method: _row(song) | metrics.score(reference, mixture, estimate, song.sample_rate)
            for method, estimate in estimates.items()}
    return {method: {"songs": [row], "summary": metrics.aggregate([row])} for method, row in rows.items()}


def _row(song: Song) -> dict:
    return {"song": song.name, "timbre": song.info.get("timbre"), "song_seconds": round(song.frames / song.sample_rate, 2)}
