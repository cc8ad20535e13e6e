"""Run JSONs as `bsrnn.stages.compute` writes them, with made-up numbers: for tests of what is drawn from them."""

import math

import numpy as np

from bsrnn import baselines, metrics, runs, stages
from bsrnn.files import write_json

LEVELS = {"silence": 0.0, "mixture": -5.0, "wiener": 1.2, "wiener_oracle": 2.0, "ratio_mask": 9.0, "model": 4.0}


def write_results(profile: str, leave_out: tuple[str, ...] = ()) -> None:
    """Give every run of a profile a result in the current BSRNN_ROOT."""
    for run in runs.grid(profile).values():
        if run.id not in leave_out:
            write_json(run.result_path(), fake(run))


def fake(run: runs.Run) -> dict:
    """One run's JSON."""
    rng = np.random.default_rng(sum(run.id.encode()))
    trained = training(run, rng) if run.kind in ("train", "finetune") else None
    if run.kind == "baselines":
        scores = {method: scored(run, rng, LEVELS[method], method) for method in baselines.METHODS}
    elif run.kind == "real":
        scores = {method: scored(run, rng, LEVELS[method] / 2, method, 1) for method in (*baselines.METHODS, "model")}
    else:
        scores = scored(run, rng, LEVELS["model"], "model")
    return stages.describe(run) | {"training": trained, "scores": scores, "score_seconds": 12.5}


def scored(run: runs.Run, rng, level: float, method: str, songs: int | None = None) -> dict:
    """Songs and summary; silence and mixture have no cSDR, as in life."""
    rows = []
    for index in range(songs or run.profile.data.test_songs or 4):
        usdr = 0.0 if method == "silence" else level + rng.normal() + 2 * math.sin(index)
        rows.append(
            {
                "song": f"test-{index:04d}",
                "timbre": None if run.kind == "real" else ("seen", "new")[index % 2],
                "song_seconds": 30.0,
                "usdr": usdr,
                "usdr_mixture": -5.0 + math.cos(index),
                "csdr": None if method in ("silence", "mixture") else usdr + rng.normal() / 5,
                "csdr_frames_kept": 25,
                "csdr_frames": 30,
                "leakage_db": -40.0 + rng.normal(),
                "silent_frames": 4,
            }
            | ({"seconds": round(1 / run.profile.separate.hop_seconds, 2)} if method == "model" else {})
        )
    return {"songs": rows, "summary": metrics.aggregate(rows)}


def training(run: runs.Run, rng) -> dict:
    """A rising curve."""
    config = run.profile.finetune.train if run.kind == "finetune" else run.profile.train
    history, best = [], 3.9
    for items in range(config.validate_items, config.max_items + 1, config.validate_items):
        share = items / config.max_items
        usdr = (3.9 + 0.4 * share if run.kind == "finetune" else 4 * share**0.3) + 0.1 * rng.normal()
        entry = {
            "items": items,
            "valid_usdr": usdr,
            "loss": 0.05 * (1.2 - share),
            "learning_rate": 1e-3 * (1 - share),
            "skipped_steps": 0,
        }
        if run.kind == "finetune":
            control = run.profile.finetune.unlabelled == "none"
            counts = {"labelled": 60} | ({} if control else {"pseudo": 48, "clean_residual": 9, "clean_target": 3})
            entry |= {"teacher_replaced": usdr > best, "teacher_usdr": max(usdr, best), "counts": counts}
            best = max(usdr, best)
        history.append(entry)
    result = {
        "items": config.max_items,
        "best": max(entry["valid_usdr"] for entry in history),
        "best_items": config.max_items,
        "skipped": 0,
        "seconds": 100.0,
        "history": history,
        "parameters": 1000,
        "bands": 41,
        "valid_songs": run.profile.data.valid_songs,
    }
    return result | ({"start_valid_usdr": 3.9, "unlabelled_songs": 4} if run.kind == "finetune" else {})
