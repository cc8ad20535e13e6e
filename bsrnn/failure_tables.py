"""Where the models do well and where they fail: the test songs in groups that are known without listening."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from bsrnn.metrics import interval
from bsrnn.results import Results, is_base, is_baselines, mean
from bsrnn.tables import ordered, ours

WORST = 5  # songs at either end


def failures(results: Results) -> pd.DataFrame:
    """Groups of the test songs, each with the model's uSDR and that of the filter that knows the song.

    Scores of a song are means over seeds first; low and high are a 95 % interval over a group's songs. Groups overlap.
    """
    rows = []
    for target in results.targets(is_base):
        songs = _songs(results, target)
        for words, inside in _groups(songs).items():
            chosen = [song for song in songs if inside(song)]
            if not chosen:
                continue
            bounds = interval([song["usdr"] for song in chosen], np.random.default_rng(0)) if len(chosen) > 1 else ()
            row = {"target": target, "group": words, "songs": len(chosen)}
            for name in ("usdr", "wiener_oracle", "mixture", "seed_sd"):
                row[name] = mean([song[name] for song in chosen])
            row |= dict(zip(("low", "high"), bounds, strict=False))
            rows.append(row | {"above_filter": row["usdr"] - row["wiener_oracle"]} | ours(results))
    columns = ("usdr", "low", "high", "seed_sd", "mixture", "wiener_oracle", "above_filter")
    return ordered(rows, "target", "group", "songs", *columns).rename(columns={"usdr": "usdr_mean"})


def worst(results: Results, target: str, first: int) -> int:
    """Index of the song that a target's models separate worst, of the ``first`` test songs."""
    songs = _songs(results, target)[:first]
    return min(songs, key=lambda song: song["usdr"])["index"]


def _songs(results: Results, target: str) -> list[dict]:
    """One row a song whose target is not silent: scores, means over seeds."""
    seeds = [one.scores["songs"] for one in results.find(is_base, target)]
    filters = results.find(is_baselines, target)[0].scores["wiener_oracle"]["songs"]
    rows = []
    for index, song in enumerate(seeds[0]):
        if song["usdr"] is None:
            continue
        scores = [songs[index]["usdr"] for songs in seeds]
        row = {"index": index, "timbre": song["timbre"], "rests": song["silent_frames"] / song["csdr_frames"]}
        row |= {"usdr": float(np.mean(scores)), "seed_sd": float(np.std(scores, ddof=1)) if len(scores) > 1 else None}
        rows.append(row | {"mixture": song["usdr_mixture"], "wiener_oracle": filters[index]["usdr"]})
    return rows


def _groups(songs: list[dict]) -> dict[str, Callable[[dict], bool]]:
    """Words -> whether a song is inside."""
    level, rests = (float(np.median([song[name] for song in songs])) for name in ("mixture", "rests"))
    ranked = sorted(song["usdr"] for song in songs)
    few = min(WORST, len(ranked))
    return {
        "all": lambda song: True,
        "seen timbres": lambda song: song["timbre"] == "seen",
        "new timbres": lambda song: song["timbre"] == "new",
        "target loud in the mixture (upper half)": lambda song: song["mixture"] > level,
        "target quiet in the mixture (lower half)": lambda song: song["mixture"] <= level,
        "few rests of the target (lower half)": lambda song: song["rests"] <= rests,
        "many rests of the target (upper half)": lambda song: song["rests"] > rests,
        f"the {few} best": lambda song: song["usdr"] >= ranked[-few],
        f"the {few} worst": lambda song: song["usdr"] <= ranked[few - 1],
    }
