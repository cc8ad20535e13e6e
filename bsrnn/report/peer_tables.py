"""BSRNN beside other systems that were trained on the same items (claim C4)."""

import pandas as pd

from bsrnn import config
from bsrnn.report.contrasts import pairs
from bsrnn.report.detail_tables import measured
from bsrnn.report.tables import ordered, ours, seed_deviation, summaries_of
from bsrnn.study import costs
from bsrnn.study.results import Finished, Results, is_base, is_peer, is_rate, mean


def peers(results: Results) -> pd.DataFrame:
    """Every system: size, work, time, score, and how far BSRNN lies above it."""
    rows = []
    for target in results.targets(is_peer):
        base = results.find(is_base, target)
        rows.append({"target": target, "system": "BSRNN"} | _row(base) | ours(results, base))
        for system, name in config.PEER_NAMES.items():
            found = [one for one in results.find(is_peer, target) if one.run.profile.model.system == system]
            if not found:
                continue
            above = measured([a for a, _ in pairs(base, found)], found)
            row = {"target": target, "system": name} | _row(found) | ours(results, found)
            rows.append(row | {name: above[name] for name in ("effect", "low", "high")})
    columns = ("parameters", "gflop", "train_seconds", "usdr_mean", "seed_sd", "csdr_median", "effect", "low", "high")
    return ordered(rows, "target", "system", *columns, "songs").rename(columns={"effect": "bsrnn_above_it"})


def rates(results: Results) -> pd.DataFrame:
    """Every system at each learning rate of the shared grid, and which of them was taken for all seeds."""
    rows = []
    for one in results.finished:
        model, train = one.run.profile.model, one.run.profile.train
        row = {"target": one.run.target, "system": config.PEER_NAMES.get(getattr(model, "system", ""), "BSRNN")}
        row |= {"learning_rate": train.learning_rate, "taken": "-" if is_rate(one.run) else "yes"}
        row |= {"valid_usdr": one.training["best"], "usdr_mean": one.scores["summary"]["usdr_mean"]}
        rows.append(row | ours(results, [one]) | {"songs": one.scores["summary"]["songs"]})
    rows.sort(key=lambda row: (row["system"], row["learning_rate"]))  # BSRNN first, by its name
    rows = [row | {"learning_rate": f"{row['learning_rate']:g}"} for row in rows]  # two decimals would show none
    columns = ("learning_rate", "valid_usdr", "usdr_mean", "taken", "songs")
    return ordered(rows, "target", "system", *columns)


def _row(found: list[Finished]) -> dict:
    """Size, work, time and scores, means over seeds."""
    profile, summaries = found[0].run.profile, summaries_of(found)
    return {
        "parameters": found[0].training["parameters"],
        "gflop": costs.forward_operations(profile.model, profile.mixing.chunk_seconds) / 1e9,
        "train_seconds": mean([one.training["seconds"] for one in found]),
        "usdr_mean": mean([summary["usdr_mean"] for summary in summaries]),
        "seed_sd": seed_deviation(summaries),
        "csdr_median": mean([summary["csdr_median"] for summary in summaries]),
        "songs": summaries[0]["songs"],
    }
