"""Where the models do well and where they fail: the test songs in groups that are known without listening."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np
import pandas as pd

from bsrnn.config import SeparateConfig
from bsrnn.data.songs import Song
from bsrnn.metrics import usdr
from bsrnn.models.base import Separator
from bsrnn.report.effects import song_interval
from bsrnn.report.tables import ordered, ours
from bsrnn.separation import separate
from bsrnn.study.results import Results, is_base, is_baselines, mean

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
            scores = [song["usdr"] for song in chosen]
            bounds = song_interval(scores, np.random.default_rng(0)) if len(chosen) > 1 else ()
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


def by_section(model: Separator, found: Iterable[Song], target: str, settings: SeparateConfig) -> pd.DataFrame:
    """Scores in each kind of section of songs whose song.json names their sections, as the embedded ones' does.

    A kind is a section's name and what sounds in it beside the target. Its scores are means over its sections, of the
    target's uSDR where the target sounds; where it rests: the level of what the model leaves of the others, below the
    mixture.

    Returns:
        columns section, with, songs, seconds, usdr_mean, mixture, left_db; empty where no song names its sections.
    """
    rows = []
    for song in found:
        sections = song.info.get("sections", ())
        if not sections:
            continue
        mixture, reference = song.read("mixture"), song.read(target)
        estimate = separate(model, mixture, song.sample_rate, **asdict(settings))[target]
        for section in sections:
            part = slice(*(round(section[end] * song.sample_rate) for end in ("start", "end")))
            whole, wanted, got = (sound[:, part] for sound in (mixture, reference, estimate))
            others = " and ".join(stem for stem in section["sounds"] if stem != target) or "nothing else"
            row = {"section": section["name"], "with": others, "song": song.name}
            if target in section["sounds"]:
                row |= {"usdr_mean": usdr(wanted, got), "mixture": usdr(wanted, whole)}
            else:
                row |= {"section": f"{section['name']}, {target} rests", "left_db": _level(got) - _level(whole)}
            rows.append(row | {"seconds": whole.shape[1] / song.sample_rate})
    table = pd.DataFrame(rows, columns=["section", "with", "song", "seconds", "usdr_mean", "mixture", "left_db"])
    parts = {"songs": ("song", "nunique"), "seconds": ("seconds", "sum")}
    parts |= {name: (name, "mean") for name in ("usdr_mean", "mixture", "left_db")}
    return table.groupby(["section", "with"], as_index=False).agg(**parts)


def _level(sound: np.ndarray) -> float:
    """In dB of full scale, not below -120."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


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
