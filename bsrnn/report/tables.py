"""The tables, each a pandas DataFrame drawn from :class:`bsrnn.study.results.Results`.

Published rows come first, ours after them, and the columns ``source`` and ``data`` keep them apart. The last columns
say for every row of ours which profile and seeds it comes from, and whether it carries a claim. A value of ours is the
mean over seeds of what :func:`bsrnn.metrics.aggregate` gives for one.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from bsrnn.bands import band_widths
from bsrnn.metrics import aggregate
from bsrnn.report.markup import HEADINGS
from bsrnn.study.results import (
    OURS,
    REAL_RECORDING,
    Finished,
    Results,
    Role,
    claim_words,
    data_words,
    is_base,
    is_baselines,
    is_finetuned,
    is_hop,
    is_peer,
    is_real,
    is_split,
    is_system,
    mean,
    published,
    seed_words,
    with_claims,
)

METHODS = {
    "silence": "silence",
    "mixture": "mixture",
    "wiener": "Wiener, trained",
    "wiener_oracle": "Wiener, knows the song",
    "model": "BSRNN",
    "ratio_mask": "ratio mask, knows the stems",
}
PUBLISHED = {"profile": "-", "seeds": "-", "note": "as published"}
SCORES = ["usdr_mean", "csdr_median", "leakage_db_mean", "csdr_frames_kept", "csdr_frames", "songs"]


def ours(results: Results, found: Sequence[Finished] = (), data: str | None = None) -> dict:
    """The last columns of a row of ours; ``found``: the runs behind it, where it may not have all of the seeds."""
    profile = results.profile
    seeds = sorted({one.run.seed for one in found})
    drawn = {one.run.seed for one in found if one.run.kind != "baselines"}  # these are computed once
    return {
        "source": OURS,
        "data": data or data_words(profile),
        "profile": profile.name,
        "seeds": ", ".join(map(str, seeds)) or seed_words(profile),
        "note": claim_words(profile, drawn),
    }


def scores_of(summaries: list[dict]) -> dict:
    """Mean over seeds of each summary's scores, with the standard deviation of the first; counts are of one seed."""
    averaged = {name: mean([summary[name] for summary in summaries]) for name in SCORES[:3]}
    averaged["seed_sd"] = seed_deviation(summaries)
    return averaged | {name: summaries[0][name] for name in SCORES[3:]}


def seed_deviation(summaries: list[dict]) -> float | None:
    """Standard deviation over seeds of the mean uSDR; None for one seed."""
    values = [summary["usdr_mean"] for summary in summaries if summary["usdr_mean"] is not None]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def summaries_of(runs: list[Finished]) -> list[dict]:
    return [one.scores["summary"] for one in runs]


def _by_method(results: Results, target: str) -> dict[str, list[list[dict]]]:
    """Method -> one list of song rows a seed, in the order of METHODS."""
    found = {name: [] for name in METHODS}
    for one in results.find(is_baselines, target):
        for name, scores in one.scores.items():
            found[name].append(scores["songs"])
    found["model"] = [one.scores["songs"] for one in results.find(is_base, target)]
    return {name: songs for name, songs in found.items() if songs}


def _behind(results: Results) -> dict[str, list[Finished]]:
    """Method -> its runs: an estimator without a network is computed once, whatever seeds the profile has."""
    return dict.fromkeys(METHODS, results.find(is_baselines)) | {"model": results.find(is_base)}


def results(results: Results) -> pd.DataFrame:
    """target x method x timbre; where several targets are there, their mean uSDR as a target of its own."""
    rows, behind = [], _behind(results)
    for target in results.targets(is_base):
        for method, seeds in _by_method(results, target).items():
            timbres = sorted({song["timbre"] for song in seeds[0] if song["timbre"]}, reverse=True)  # seen, new
            for timbre in ("all", *(timbres if len(timbres) > 1 else ())):
                chosen = [[song for song in songs if timbre in ("all", song["timbre"])] for songs in seeds]
                name = {"target": target, "method": METHODS[method], "timbre": timbre}
                rows.append(name | scores_of([aggregate(songs) for songs in chosen]) | ours(results, behind[method]))
    table = pd.DataFrame(rows)
    if table["target"].nunique() < 2:
        return _whole_counts(table)
    whole, methods = table[table["timbre"] == "all"], {words: name for name, words in METHODS.items()}
    means = [
        {"target": "mean", "method": method, "timbre": "all", "usdr_mean": mean(part["usdr_mean"].tolist())}
        | {"songs": int(part["songs"].iloc[0])}
        | ours(results, behind[methods[method]])
        for method, part in whole.groupby("method", sort=False)
    ]
    return _whole_counts(pd.concat([table, pd.DataFrame(means)], ignore_index=True))


def short_results(table: pd.DataFrame) -> pd.DataFrame:
    """Of :func:`results`, the rows of all songs and the columns for a reader in a hurry."""
    short = table[table["timbre"] == "all"][
        ["target", "method", "usdr_mean", "csdr_median", "leakage_db_mean", "songs"]
    ]
    return short.rename(columns=HEADINGS).reset_index(drop=True)


def table1(results: Results) -> pd.DataFrame:
    """Band splits: the paper's rows, and ours, also of the profile that decides the claims."""
    rows = [
        {"split": row.split.upper(), "bands": len(band_widths(row.split)), "usdr_mean": row.value}
        | {"source": row.source, "data": row.data}
        | PUBLISHED
        for row in published("table1").itertuples()
    ]
    rows += _of_both(results, is_split, _our_splits)
    return ordered(rows, "split", "bands", "usdr_mean", "seed_sd", "songs")


def _of_both(results: Results, role: Role, rows_of: Callable[[Results], list[dict]]) -> list[dict]:
    """Rows of the profile, then of the one that decides its claims: other songs, other trainings."""
    return [row for of_profile in with_claims(results, role) for row in rows_of(of_profile)]


def _our_splits(results: Results) -> list[dict]:
    """A row a split; some are trained with fewer seeds than the profile has."""
    found: dict[str, list[Finished]] = {}
    for one in results.finished:
        found.setdefault(_split_name(one.run.profile.model.band_split), []).append(one)
    rows = []
    for name in sorted(found):
        summaries = summaries_of(found[name])
        row = {"split": name, "bands": found[name][0].training["bands"], "songs": summaries[0]["songs"]}
        row |= {"usdr_mean": mean([s["usdr_mean"] for s in summaries]), "seed_sd": seed_deviation(summaries)}
        rows.append(row | ours(results, found[name]))
    return rows


def _split_name(scheme: str | tuple) -> str:
    """The paper gives vocals the split V7."""
    if not isinstance(scheme, str):
        return f"{len(scheme)} given widths"
    return "V7" if scheme == "vocals" else scheme.upper()


def table2(results: Results) -> pd.DataFrame:
    """Hops of the overlap-add."""
    segment = results.profile.separate.segment_seconds
    rows = [
        {"hop_seconds": row.hop_seconds, "cost": segment / row.hop_seconds, "usdr_mean": row.value}
        | {"source": row.source, "data": row.data}
        | PUBLISHED
        for row in published("table2").itertuples()
    ]
    for hop in sorted({one.run.profile.separate.hop_seconds for one in results.find(is_hop)}):
        runs = [one for one in results.find(is_hop) if one.run.profile.separate.hop_seconds == hop]
        summaries = summaries_of(runs)
        seconds = mean([song["seconds"] for one in runs for song in one.scores["songs"]])
        row = {"hop_seconds": hop, "cost": segment / hop, "usdr_mean": mean([s["usdr_mean"] for s in summaries])}
        rows.append(row | {"seconds_per_song": seconds, "songs": summaries[0]["songs"]} | ours(results, runs))
    return ordered(rows, "hop_seconds", "cost", "usdr_mean", "seconds_per_song", "songs")


def table3(results: Results) -> pd.DataFrame:
    """Systems: the paper's rows, the replication's, and ours, also of the profile that decides the claims."""
    table = pd.concat([published("table3"), published("replication")], ignore_index=True).assign(**PUBLISHED)
    rows = _of_both(results, is_system, _our_systems)
    scores = [name for name in table.columns if name.endswith(("_usdr", "_csdr"))]
    table = _whole_counts(pd.concat([table, pd.DataFrame(rows)], ignore_index=True))
    return table[["model", "source", "data", "profile", "seeds", *scores, "songs", "note"]]  # names may be twice


def _our_systems(results: Results) -> list[dict]:
    systems = {name: {} for name in (*METHODS, "finetuned")}  # method -> target -> one summary a seed
    behind = _behind(results) | {"finetuned": results.find(is_finetuned)}
    for target in results.targets(is_base):
        for method, seeds in _by_method(results, target).items():
            systems[method][target] = [aggregate(songs) for songs in seeds]
        if tuned := results.find(is_finetuned, target):
            systems["finetuned"][target] = summaries_of(tuned)
        for one in results.find(is_peer, target):
            systems.setdefault(one.run.change, {}).setdefault(target, []).append(one.scores["summary"])
            behind.setdefault(one.run.change, []).append(one)
    model = results.profile.model
    size = f"BSRNN (N {model.features}, {model.modules} modules)"  # never to be taken for the paper's row
    names = METHODS | {"model": size, "finetuned": f"{size} + finetuning"}
    peers = [name for name in systems if name not in (*METHODS, "finetuned")]
    names |= {name: f"{name}, small, from scratch" for name in peers}
    order = ("silence", "mixture", "wiener", "wiener_oracle", *peers, "model", "finetuned", "ratio_mask")
    rows = []
    for method in order:
        if not systems[method]:
            continue
        row = {"model": names[method], "songs": next(iter(systems[method].values()))[0]["songs"]}
        for target, summaries in systems[method].items():
            row[f"{target}_usdr"] = mean([s["usdr_mean"] for s in summaries])
            row[f"{target}_csdr"] = mean([s["csdr_median"] for s in summaries])
        if len(systems[method]) == 4:  # "all" is the mean of four targets, and of nothing less
            for score in ("usdr", "csdr"):
                row[f"all_{score}"] = mean([row[f"{target}_{score}"] for target in systems[method]])
        rows.append(row | ours(results, behind[method]))
    return rows


def grid(results: Results) -> pd.DataFrame:
    """What was run, in groups of the same run with other seeds: how many, and how long it took.

    Of the profile, and of the one that decides its claims where that is another.
    """
    rows = []
    for of_profile in with_claims(results, lambda run: True):
        groups: dict[tuple[str, str], list[Finished]] = {}
        for one in of_profile.finished:
            groups.setdefault((one.run.kind, one.run.id.rsplit("-s", 1)[0]), []).append(one)
        rows += [_group(kind, run, found, of_profile) for (kind, run), found in groups.items()]
    return ordered(rows, "run", "kind", "what", "runs", "train_seconds", "score_seconds", "minutes")


def _group(kind: str, name: str, found: list[Finished], results: Results) -> dict:
    training = [one.training["seconds"] if one.training else 0.0 for one in found]
    scoring = [one.result["score_seconds"] for one in found]
    row = {"run": name, "kind": kind, "what": found[0].run.change, "runs": len(found)}
    row |= {"train_seconds": mean(training), "score_seconds": mean(scoring)}
    row["minutes"] = None if None in scoring else (sum(training) + sum(scoring)) / 60  # None: older than this record
    return row | ours(results, found)


def real(results: Results) -> pd.DataFrame:
    """The real recording, method by method."""
    rows = []
    for target in results.targets(is_real):
        for one in results.find(is_real, target):
            for method, words in METHODS.items():
                scores = scores_of([one.scores[method]["summary"]])
                rows.append({"target": target, "method": words} | scores | ours(results, [one], REAL_RECORDING))
    names = {"usdr_mean": "usdr", "csdr_median": "csdr", "leakage_db_mean": "leakage_db"}  # of one song
    kept = ("target", "method", "usdr_mean", "csdr_median", "leakage_db_mean", "csdr_frames_kept", "csdr_frames")
    return ordered(rows, *kept).rename(columns=names)


def ordered(rows: list[dict], *columns: str) -> pd.DataFrame:
    """The named columns, then those that say where a row comes from."""
    table = pd.DataFrame(rows, columns=[*columns, "source", "data", "profile", "seeds", "note"])
    return _whole_counts(table)


def _whole_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, also beside empty cells."""
    return table.astype({name: "Int64" for name in ("songs", "csdr_frames_kept", "csdr_frames") if name in table})
