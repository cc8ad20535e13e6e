"""Run JSONs as `bsrnn.study.compute.compute` writes them, with made-up numbers: for tests of what is drawn from
them."""

import math

import numpy as np

from bsrnn import baselines, metrics
from bsrnn.runtime.files import write_json
from bsrnn.study import compute, runs

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
    extra = {}
    if run.kind == "teacher":
        scores |= {"chunks": [chunk(rng, index) for index in range(40)]}
    if run.kind in ("train", "finetune") and run.profile.data.new_songs:
        extra["new"] = new_songs(run, rng, "model")
    if run.kind == "baselines" and run.profile.data.new_songs:
        extra["new"] = {method: new_songs(run, rng, method) for method in baselines.METHODS}
    return compute.describe(run) | {"training": trained, "scores": scores, "score_seconds": 12.5} | extra


def chunk(rng, index: int) -> dict:
    """One chunk of bsrnn.study.label_quality.judge_songs: in every fourth the target rests, and the estimate is 15
    to 35 dB down.
    """
    rests = index % 4 == 0
    row = {"song": f"song{index // 10}", "set": ("unlabelled-matched", "train")[index % 2], "seconds": 3.0}
    row |= {"true_target_down": 150.0 if rests else 6.0, "true_residual_down": 0.0 if rests else 4.0}
    for name in ("", "segment_", "whole_"):
        row[f"{name}target_down"] = round(float(rng.uniform(15, 35) if rests else rng.uniform(3, 12)), 2)
        row[f"{name}residual_down"] = round(float(rng.uniform(0, 8)), 2)
    for name in ("each_", "true_each_"):
        source = "" if name == "each_" else "true_"
        for which in ("target_down", "residual_down"):
            row[f"{name}{which}"] = [row[f"{source}{which}"] + shift for shift in (-1.0, 1.0)]
    for name in ("", "segment_"):
        row[f"{name}target_usdr"] = None if rests else round(float(rng.uniform(0, 6)), 2)
        row[f"{name}residual_usdr"] = round(float(rng.uniform(2, 9)), 2)
    return row | {"mixture_usdr": None if rests else -2.0}


def timbre_of(run: runs.Run) -> str | None:
    """Of a test song of the embedded set."""
    return None if run.kind == "real" else "seen"


def scored(run: runs.Run, rng, level: float, method: str, songs: int | None = None) -> dict:
    """Songs and summary; silence and mixture have no cSDR, as in life."""
    rows = []
    for index in range(songs or run.profile.data.test_songs or 4):
        usdr = 0.0 if method == "silence" else level + rng.normal() + 2 * math.sin(index)
        rows.append(
            {
                "song": f"test-{index:04d}",
                "timbre": timbre_of(run),
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


def new_songs(run: runs.Run, rng, method: str) -> dict:
    """The songs of new timbres, which are a test of their own."""
    scores = scored(run, rng, LEVELS[method] - 2, method, run.profile.data.new_songs)
    for row in scores["songs"]:
        row |= {"song": row["song"].replace("test", "test-new"), "timbre": "new"}
    return scores


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
            counts = {"labelled": 60, "used/target/labelled": 60, "used/residual/labelled": 60}
            if not control:
                counts |= {"pseudo": 48, "clean_residual": 9, "clean_target": 3}
                counts |= {"used/target/labelled": 33, "used/target/pseudo": 25, "used/target/clean_target": 2}
                counts |= {"used/residual/labelled": 30, "used/residual/pseudo": 25, "used/residual/clean_residual": 5}
            made_by = sum(entry["teacher_replaced"] for entry in history)
            entry |= {"teacher": made_by, "teacher_replaced": usdr > best, "teacher_usdr": max(usdr, best)}
            entry |= {"counts": counts}
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
    unlabelled = {"songs": 4, "segments": 20, "hours": 0.03, "silent": [], "unreadable": {}}
    return result | ({"start_valid_usdr": 3.9, "unlabelled": unlabelled} if run.kind == "finetune" else {})
