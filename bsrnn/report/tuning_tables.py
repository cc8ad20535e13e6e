"""The tables of the finetuning chapter: what the energy rules decide, how good the labels are, what it all gains."""

import numpy as np
import pandas as pd

from bsrnn.finetune import kind_of
from bsrnn.report.effects import mean_interval
from bsrnn.report.tables import ordered, ours, summaries_of
from bsrnn.study.results import (
    Finished,
    Results,
    is_control,
    is_finetuned,
    is_start,
    is_teacher,
    is_variant,
    mean,
)

THRESHOLDS_DB = (10.0, 20.0, 30.0, 40.0)
SETS = {"unlabelled-matched": "matched", "unlabelled-shifted": "shifted"}
# What the rules may be asked about, as keys of bsrnn.study.pseudo_labels.judge_songs
CHOICES = {
    "3 s": ("target_down", "residual_down", "true_"),
    "teacher sees 6 s": ("segment_target_down", "segment_residual_down", "true_"),
    "teacher sees 6 s, energies over them": ("whole_target_down", "whole_residual_down", "true_"),
    "each channel by itself": ("each_target_down", "each_residual_down", "true_"),
}
USED = {
    "labelled": "labelled",
    "pseudo": "pseudo label",
    "clean_target": "clean target",
    "clean_residual": "clean residual",
}


def label_thresholds(results: Results) -> pd.DataFrame:
    """Chunks that the rules would call clean at each threshold, and how many of them are, by the stems."""
    rows = []
    for one in results.find(is_teacher):
        for kind in ("clean_residual", "clean_target"):
            for threshold in THRESHOLDS_DB:
                row = {"target": one.run.target, "kind": kind.replace("_", " "), "threshold_db": threshold}
                row |= _rule(one.scores["chunks"], kind, threshold, *CHOICES["3 s"])
                rows.append(row | ours(results, [one]))
    columns = ("truly_clean", "called_clean", "of_them_right", "leak_median_db")
    return ordered(rows, "target", "kind", "threshold_db", "chunks", *columns)


def label_choices(results: Results) -> pd.DataFrame:
    """The same at the profile's threshold, for each way to read the rules."""
    rows = []
    threshold = results.profile.finetune.threshold_db
    for one in results.find(is_teacher):
        for kind in ("clean_residual", "clean_target"):
            for words, keys in CHOICES.items():
                row = {"target": one.run.target, "kind": kind.replace("_", " "), "the rules see": words}
                row |= _rule(one.scores["chunks"], kind, threshold, *keys)
                rows.append(row | ours(results, [one]))
    columns = ("truly_clean", "called_clean", "of_them_right", "leak_median_db")
    return ordered(rows, "target", "kind", "the rules see", "chunks", *columns)


def _rule(chunks: list[dict], kind: str, threshold: float, target: str, residual: str, true: str) -> dict:
    """What a rule calls clean, held against the stems.

    Truly clean is what the rule would call clean at 30 dB if the teacher were perfect. The leak is what a called chunk
    holds of the signal that it should be free of, in dB below the mixture; its median over the called ones.
    """
    each = isinstance(chunks[0][target], list)
    true_names = [f"{true}{'each_' if each else ''}{which}" for which in ("target_down", "residual_down")]
    signals = [
        (drops, truths)
        for chunk in chunks
        for drops, truths in zip(
            zip(*(np.atleast_1d(chunk[name]) for name in (target, residual)), strict=True),
            zip(*(np.atleast_1d(chunk[name]) for name in true_names), strict=True),
            strict=True,
        )
    ]
    truly = [kind_of(*truths) == kind for _, truths in signals]
    called = [kind_of(*drops, threshold) == kind for drops, _ in signals]
    leak_of = 0 if kind == "clean_residual" else 1
    leaks = [-truths[leak_of] for (_, truths), yes in zip(signals, called, strict=True) if yes]
    return {
        "chunks": len(signals),
        "truly_clean": sum(truly),
        "called_clean": sum(called),
        "of_them_right": sum(a and b for a, b in zip(truly, called, strict=True)),
        "leak_median_db": float(max(np.median(leaks), -120.0)) if leaks else None,
    }


def label_quality(results: Results) -> pd.DataFrame:
    """uSDR of the pseudo labels, of chunks that no rule calls clean; by set, and by what the teacher sees."""
    rows = []
    for one in results.find(is_teacher):
        for name, words in SETS.items():
            rule = results.profile.finetune.threshold_db
            chunks = [
                chunk
                for chunk in one.scores["chunks"]
                if chunk["set"] == name and kind_of(chunk["target_down"], chunk["residual_down"], rule) == "pseudo"
            ]
            if not chunks:
                continue
            row = {"target": one.run.target, "unlabelled": words, "chunks": len(chunks)}
            row["mixture_as_target_db"] = _median(chunks, "mixture_usdr")
            for view, prefix in (("3s", ""), ("6s", "segment_")):
                row[f"target_{view}_db"] = _median(chunks, f"{prefix}target_usdr")
                row[f"residual_{view}_db"] = _median(chunks, f"{prefix}residual_usdr")
            rows.append(row | ours(results, [one]))
    views = ("target_3s_db", "target_6s_db", "residual_3s_db", "residual_6s_db")
    return ordered(rows, "target", "unlabelled", "chunks", "mixture_as_target_db", *views)


def _median(chunks: list[dict], key: str) -> float | None:
    values = [chunk[key] for chunk in chunks if chunk[key] is not None]
    return float(np.median(values)) if values else None


def finetuning_counts(results: Results) -> pd.DataFrame:
    """What the rules decided and what the items were made of, teacher by teacher."""
    rows = []
    for one in results.find(is_finetuned):
        stages: dict[int, dict] = {}
        for entry in one.training["history"]:
            stage = stages.setdefault(entry["teacher"], {"until": 0})
            stage["until"] = entry["items"]
            for name, count in entry["counts"].items():
                stage[name] = stage.get(name, 0) + count
        for teacher, stage in stages.items():
            row = {"target": one.run.target, "teacher": f"P{teacher}", "until_item": stage["until"]}
            row |= {name: stage.get(name, 0) for name in ("labelled", "pseudo", "clean_target", "clean_residual")}
            for role in ("target", "residual"):
                used = {kind: stage.get(f"used/{role}/{kind}", 0) for kind in USED}
                row[f"{role}s_from_unlabelled"] = 1 - used["labelled"] / max(1, sum(used.values()))
            rows.append(row | ours(results, [one]) | {"seed": one.run.seed})
    kinds = ("labelled", "pseudo", "clean_target", "clean_residual")
    shares = ("targets_from_unlabelled", "residuals_from_unlabelled")
    return ordered(rows, "target", "seed", "teacher", "until_item", *kinds, *shares)


GROUPS = ("seen", "new", "shifted")


def finetuning_gain(results: Results) -> pd.DataFrame:
    """Start, control, finetuned and its variants: mean uSDR on each group of test songs, and gains with intervals.

    The gain over the control is the effect of the unlabelled songs; its interval is over test songs, and over seeds
    where there are several.
    """
    rows = []
    for target in results.targets(is_finetuned):
        models = {"start": results.find(is_start, target), "control": results.find(is_control, target)}
        models["finetuned"] = results.find(is_finetuned, target)
        for one in results.find(is_variant, target):
            models.setdefault(one.run.change, []).append(one)
        for name, runs in models.items():
            if not runs:
                continue
            rows.append({"target": target, "model": name} | _row(results, target, runs, models) | ours(results, runs))
    groups = [f"{group}_usdr" for group in GROUPS]
    gains = ("over_start", "over_control", "low", "high", "shifted_over_control", "shifted_low", "shifted_high")
    return ordered(
        rows, "target", "model", "best_item", "usdr_mean", *groups, *gains, "csdr_median", "csdr_over_control", "songs"
    )


def _row(results: Results, target: str, runs: list[Finished], models: dict[str, list[Finished]]) -> dict:
    whole = summaries_of(runs)
    row = {"usdr_mean": mean([s["usdr_mean"] for s in whole]), "csdr_median": mean([s["csdr_median"] for s in whole])}
    row["songs"] = whole[0]["usdr_songs"]
    if runs is not models["start"]:
        row["best_item"] = ", ".join(str(one.training["best_items"]) for one in runs)
    for group in GROUPS:
        scores = [_song_usdr(results, one, group) for one in runs]
        row[f"{group}_usdr"] = mean([value for one in scores for value in one.values()])
    row["over_start"] = _gain(results, runs, models["start"], "all")[0]
    if runs is models["start"] or runs is models["control"]:
        return row
    control = models["control"]
    names = ("over_control", "low", "high")
    row |= dict(zip(names, _gain(results, runs, control, "all"), strict=True))
    names = ("shifted_over_control", "shifted_low", "shifted_high")
    row |= dict(zip(names, _gain(results, runs, control, "shifted"), strict=True))
    pairs = [(a, b) for a in runs for b in control if a.run.seed == b.run.seed]
    differences = [_difference(*(one.scores["summary"]["csdr_median"] for one in pair)) for pair in pairs]
    return row | {"csdr_over_control": mean(differences)}


def _gain(results: Results, runs: list[Finished], others: list[Finished], group: str) -> tuple:
    """Mean difference of uSDR, and its 95 % interval over songs and seeds; of a run and its start, or of one seed.

    Orders of the data from one start are averaged first where there are several starts: those are what may vary.
    """
    by_start: dict[str, list[list[float]]] = {}
    for one in runs:
        for other in others:
            starts = one.run.start is not None and one.run.start.id == other.run.id
            if one is other or not (starts or one.run.start == other.run.start and one.run.seed == other.run.seed):
                continue
            mine, theirs = (_song_usdr(results, each, group) for each in (one, other))
            row = [mine[song] - theirs[song] for song in mine if song in theirs]
            by_start.setdefault(one.run.start.id, []).append(row)
    differences = [row for rows in by_start.values() for row in rows]
    if not differences or not differences[0]:
        return None, None, None
    if len(by_start) > 1:
        differences = [np.mean(rows, axis=0) for rows in by_start.values()]
    return mean_interval(differences)


def _song_usdr(results: Results, one: Finished, group: str) -> dict[str, float]:
    """Song -> uSDR of the test songs, "all" or of a group; the start's shifted ones are scored by its "teacher" run."""
    if group == "shifted":
        if is_start(one.run):
            found = results.find(is_teacher, one.run.target, one.run.seed)
            songs = found[0].scores.get("songs", []) if found else []
        else:
            songs = one.result.get("shifted", {}).get("songs", [])
    else:
        songs = [song for song in one.scores["songs"] if group in ("all", song["timbre"])]
    return {song["song"]: song["usdr"] for song in songs if song["usdr"] is not None}


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
