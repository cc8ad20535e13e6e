"""What one change does: the paired difference with its interval, beside the spread between seeds.

Paired: base and changed system have the same seeds and are scored on the same songs, so that a song that is hard for
both drops out of their difference. From three seeds on the interval is over seeds and songs
(:func:`bsrnn.report.statistics.crossed_effect`); with fewer it is over songs alone, and says nothing of another seed.
That is then told by the spread: the standard deviation over seeds of such differences, in runs of the same kind with
several seeds. Fewer than four songs give no interval at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.config import ModelConfig, deciding
from bsrnn.errors import ConfigError, DataError
from bsrnn.report import figures, stamps, tables
from bsrnn.report.claims import MIN_SEEDS
from bsrnn.report.statistics import FEWEST_SONGS, crossed_effect, difference_table, pairs, song_interval
from bsrnn.runtime import paths
from bsrnn.runtime.files import atomic_write, write_json, write_text
from bsrnn.runtime.terminal import counted
from bsrnn.study.comparison import USED, Comparison, Pair
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Study

CROSSED_SEEDS = 3  # with two, the spread between seeds is known from one difference alone
NEAR_ALL = 1.96  # standard deviations: 95 of 100 draws of a normal distribution
SEVERAL_SEEDS = 3  # a group of runs whose spread counts has as many
SEEDS_PROFILE = "small"  # whose committed runs have several
UNKNOWN = "the spread between seeds of such trainings is not known, so another seed alone may change as much"
OF_SYSTEMS = ("targets", "band_split")  # settings of the model in which the systems of one profile differ
BETTER, WORSE = "#009E73", "#D55E00"
Effect = tuple[float, float | None, float | None]  # mean, and both ends of its interval, in dB


@dataclass(frozen=True)
class Spread:
    """What another seed alone changes.

    deviation: standard deviation in dB, over seeds, of the mean difference of two systems with the same seed, pooled.
    contrasts: how many pairs of systems stand behind it. seeds: of each, at least. targets: whose. scored_only: the
    two of a pair are the same weights, scored in two ways.
    """

    deviation: float
    contrasts: int
    seeds: int
    profile: str
    targets: tuple[str, ...]
    scored_only: bool

    def band(self, seeds: int) -> float:
        """The mean of so many seeds' differences lies within +- this 95 times in 100 where seeds alone differ."""
        return NEAR_ALL * self.deviation / seeds**0.5

    @property
    def words(self) -> str:
        between = "two ways to score the same weights" if self.scored_only else "two trainings"
        return (f"{counted(self.contrasts, 'difference')} between {between}, {', '.join(self.targets)}, "
                f"{self.seeds} seeds each, profile {self.profile}")  # fmt: skip


def spread(profile: Profile, target: str, scored_only: bool) -> Spread | None:
    """From finished runs of BSRNN of the profile's kind with several seeds; None: there are none.

    Of this kind are those with the same songs, length and all other settings but for target and band split: longer
    trainings, or other songs, have another spread. Of the target where it has such runs, else of all targets.
    scored_only: between systems of the same weights.
    """
    for name in dict.fromkeys([profile.name, SEEDS_PROFILE]):
        try:
            study = Study(name)
            groups = _groups(study, scored_only) if _kind(study.profile) == _kind(profile) else {}
        except ConfigError:  # no clone, or a profile that is not among the named ones
            continue
        for targets in ([target], sorted({group[0].run.target for group in groups.values()})):
            found = list(_deviations([group for group in groups.values() if group[0].run.target in targets]))
            if found:
                pooled = float(np.sqrt(np.mean([deviation**2 for deviation, _ in found])))
                least = min(seeds for _, seeds in found)
                return Spread(pooled, len(found), least, name, tuple(targets), scored_only)
    return None


def _kind(profile: Profile) -> dict:
    """The settings that decide how much a difference of two trainings moves with the seed."""
    settings = deciding({section: asdict(getattr(profile, section)) for section in USED})
    settings["model"] = {name: value for name, value in settings["model"].items() if name not in OF_SYSTEMS}
    return settings


def _groups(study: Study, scored_only: bool) -> dict[str, list[Finished]]:
    """Runs of one system, with all its seeds: trainings; or bases and what their weights are scored as."""
    groups: dict[str, list[Finished]] = {}
    for run in study.grid.values():
        of_kind = run.kind == "train" and (not scored_only or "base" in run.roles)
        of_kind |= scored_only and run.kind == "separate" and run.target == run.its_start.target
        if of_kind and isinstance(run.profile.model, ModelConfig) and run.finished():
            groups.setdefault(run.without_seed, []).append(study.finished(run))
    return {name: group for name, group in groups.items() if len(group) >= SEVERAL_SEEDS}


def _deviations(groups: list[list[Finished]]) -> Iterator[tuple[float, int]]:
    """Standard deviation over seeds and their number, of each two groups of a target."""
    for one, other in combinations(groups, 2):
        differences = difference_table(pairs(one, other))
        # a hop that is the base's own gives the same scores once more, and no difference
        if len(differences) >= SEVERAL_SEEDS and differences.to_numpy().any():
            yield float(differences.mean(axis=1).std(ddof=1)), len(differences)


@dataclass(frozen=True)
class Compared:
    """A comparison with its results: what stands in its table, figure, sentence and files."""

    comparison: Comparison
    results: Sequence[Pair]

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Changed minus base, uSDR in dB: a row a seed, a column a song."""
        return difference_table([(changed, base) for base, changed in self.results])

    @cached_property
    def spread(self) -> Spread | None:
        return spread(self.comparison.profile, self.comparison.target, self.comparison.scored_only)

    @cached_property
    def effect(self) -> Effect:
        """With 95 %, see :func:`interval`."""
        return interval(self.differences.to_numpy())

    @property
    def claim(self) -> str:
        """What it says of itself where it is too small for a claim; else nothing."""
        seeds = len(self.comparison.seeds)
        return "" if self.comparison.profile.carries_claims and seeds >= MIN_SEEDS else stamps.no_claim(seeds)

    @property
    def over(self) -> str:
        """What the interval is over."""
        return _over(self.differences.to_numpy())

    @property
    def sentence(self) -> str:
        """What it says, in plain words."""
        if not self.differences.any(axis=None):
            return "equal in every song: the change has changed nothing"
        seeds, songs = self.differences.shape
        said = conclusion(self.effect, self.spread.band(seeds) if self.spread else None, seeds, songs)
        return "; ".join(filter(None, [said, self.claim]))

    @property
    def caption(self) -> str:
        """What the figure and the table show, and where their numbers come from."""
        comparison = self.comparison
        items = "the same items in the same order" if comparison.same_items else "items that the change makes others"
        learnt = "The same weights, scored in two ways" if comparison.scored_only else f"Trained on {items}"
        beside = UNKNOWN
        if self.spread:
            beside = "grey: the spread between seeds, where 95 of 100 differences lie that seeds alone make "
            beside += f"({self.spread.words})"
        shown = f"{comparison.words} against the base, {comparison.target}: difference of the uSDR, song by song"
        mean = f"Mean with its 95 % interval over {self.over}"
        if self.effect[1] is None:
            mean = f"Mean of {counted(self.differences.shape[1], 'song')}, too few for an interval"
        return f"{shown}, a dot for each seed. {learnt}. {mean}; {beside}. {self.stamp}"

    @property
    def stamp(self) -> str:
        profile = self.comparison.profile
        seeds = ", ".join(map(str, self.differences.index))
        parts = [f"Source: {stamps.OURS}", f"our data: {stamps.data_words(profile)}", f"profile {profile.name}"]
        parts += [f"seeds: {seeds}", f"{counted(self.differences.shape[1], 'song')} scored"]
        return "; ".join(filter(None, [*parts, self.claim])) + "."


def compared(comparison: Comparison) -> Compared:
    """A comparison whose results are there.

    Raises:
        MissingResult: some are not. DataError: no song has a score with both.
    """
    done = Compared(comparison, comparison.pairs())
    if not done.differences.size:
        raise DataError(f"no song to compare: {comparison.target} is silent in all test songs; add songs that have it")
    return done


def interval(differences: np.ndarray) -> Effect:
    """The mean of a table (seeds, songs) with its interval of 95 %: over both from three seeds on, else over songs.

    Of fewer than four songs there is none, as in the chapter on the guitar: its ends are None.
    """
    if differences.shape[1] < FEWEST_SONGS:
        return float(differences.mean()), None, None
    if len(differences) >= CROSSED_SEEDS:
        low, high = crossed_effect(differences).interval()
    else:
        low, high = song_interval(differences.mean(0), np.random.default_rng(0))
    return float(differences.mean()), low, high


def conclusion(effect: Effect, band: float | None, seeds: int, songs: int) -> str:
    """One plain sentence.

    Args:
        effect: of the difference. band: the spread between seeds, dB; None: not known. seeds, songs: how many.
    """
    mean, low, high = effect
    sign = "better" if mean > 0 else "worse"
    if low is None or high is None:
        said = f"{mean:+.2f} dB, the mean of {counted(songs, 'song')}; an interval takes {FEWEST_SONGS}: "
        holds_zero = False
    else:
        said = f"{mean:+.2f} dB [{low:+.2f}, {high:+.2f}]: "
        holds_zero = low <= 0 <= high
    agree = ", and the interval holds 0" if holds_zero else ""
    if low is not None and seeds >= CROSSED_SEEDS:  # which knows of seeds; the band is pooled over other changes
        return f"{said}the interval over seeds and songs {'holds 0' if holds_zero else f'leaves out 0: {sign}'}"
    if band is None:
        return f"{said}{UNKNOWN}{agree}"
    seed = f"the spread between seeds ({band:.2f} dB)"
    if abs(mean) < band:
        return f"{said}smaller than {seed}{agree}"
    if holds_zero:
        return f"{said}larger than {seed}, but the interval holds 0"
    return f"{said}larger than {seed}{'' if low is None else f': {sign}'}"


def _over(differences: np.ndarray) -> str:
    """What the interval of a table (seeds, songs) is over."""
    if differences.shape[1] < FEWEST_SONGS:
        return f"none, fewer than {FEWEST_SONGS} songs"
    return "seeds and songs" if len(differences) >= CROSSED_SEEDS else "songs"


# ---- table and figure ----


def table(done: Compared) -> pd.DataFrame:
    """A row a seed, its interval over songs, and from two seeds on one for all."""
    rows = []
    means_of = by_song(done).groupby("seed")[["base", "changed"]].mean()
    for base, _ in done.results:
        seed = base.run.seed
        if seed in done.differences.index:
            of_seed = done.differences.loc[[seed]].to_numpy()
            rows.append({"seed": str(seed)} | means_of.loc[seed].to_dict() | _numbers(of_seed))
    if len(rows) > 1:
        means = {name: float(np.mean([row[name] for row in rows])) for name in ("base", "changed")}
        rows.append({"seed": "all"} | means | _numbers(done.differences.to_numpy()))
    columns = ["seed", "base", "changed", "effect", "low", "high", "interval_over", "songs"]
    return pd.DataFrame(rows, columns=columns).astype({"low": float, "high": float})


def _numbers(differences: np.ndarray) -> dict:
    mean, low, high = interval(differences)
    over, songs = _over(differences), differences.shape[1]
    return {"effect": mean, "low": low, "high": high, "interval_over": over, "songs": songs}


def by_song(done: Compared) -> pd.DataFrame:
    """A row for each seed and song: both scores and their difference in dB."""
    rows = []
    for base, changed in done.results:
        scores = {song["song"]: song["usdr"] for song in changed.scores["songs"]}
        for song in base.scores["songs"]:
            if song["song"] in done.differences:
                values = {"base": song["usdr"], "changed": scores[song["song"]]}
                values["difference"] = values["changed"] - values["base"]
                rows.append({"seed": base.run.seed, "song": song["song"]} | values)
    return pd.DataFrame(rows, columns=["seed", "song", "base", "changed", "difference"])


def draw(done: Compared) -> Figure:
    """The differences song by song, and their mean for each seed and for all."""
    figure = figures.new_figure(3.0)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    ordered = done.differences[done.differences.mean(axis=0).sort_values().index]
    places = np.arange(1, ordered.shape[1] + 1)
    for seed, row in ordered.iterrows():
        left.plot(places, row, ".", color=figures.GREY, markersize=4, alpha=0.6, gid=f"seed-{seed}")
    left.plot(places, ordered.mean(axis=0), "_", color="black", markersize=7)
    right.xaxis.grid(False)
    rows = table(done)
    for place, row in enumerate(rows.itertuples()):
        last = place == len(rows) - 1
        colour = (BETTER if row.effect > 0 else WORSE) if last else figures.GREY
        spans = None if pd.isna(row.low) else [[row.effect - row.low], [row.high - row.effect]]
        right.errorbar(place, row.effect, spans, fmt="D" if last else "o", color=colour, capsize=3, markersize=5)
    if done.spread:
        band = done.spread.band(len(done.differences))
        right.axhspan(
            -band,
            band,
            color=figures.LIGHT,
            zorder=0,
            label="spread between seeds: 95 of 100\ndifferences that seeds alone make",
        )
        figures.legend_below(right)
    for axes in (left, right):
        axes.axhline(0, color="black", linewidth=0.8)
    words = f"{done.comparison.target}: {done.comparison.words}"
    figures.style(left, "songs, in order of their difference", "changed - base (dB)", words)
    figures.whole_numbers(left.xaxis)
    figures.style(right, "seed", "", "mean" if done.effect[1] is None else "mean, 95 % interval")
    right.set_xticks(range(len(rows)), rows["seed"])
    right.set_xlim(-0.7, len(rows) - 0.3)
    figure.draw_without_rendering()  # one pass of a constrained layout would cut the label of the left axis off
    return figure


# ---- files ----


def summary(done: Compared) -> dict:
    """All of it for JSON: the change, the effect, the spread, both scores of each song and seed, the runs behind."""
    comparison = done.comparison
    mean, low, high = done.effect
    shown = done.spread and {"deviation": done.spread.deviation, "band": done.spread.band(len(comparison.seeds)),
                             "from": done.spread.words}  # fmt: skip
    runs = [
        {"side": side, "id": one.run.id, "key": one.run.key, "train_key": one.run.train_key, "seed": one.run.seed,
         "code": one.result.get("code"), "file": _file(one, comparison.folder)}
        for pair in done.results
        for side, one in zip(("base", "changed"), pair, strict=True)
    ]  # fmt: skip
    return {
        "changes": list(comparison.changes),
        "target": comparison.target,
        "profile": comparison.profile.name,
        "data": stamps.data_words(comparison.profile),
        "seeds": list(comparison.seeds),
        "same_items": comparison.same_items,
        "scored_only": comparison.scored_only,
        "effect": {"mean": mean, "low": low, "high": high, "level": 0.95, "interval_over": done.over},
        "another_seed": shown,
        "sentence": done.sentence,
        "songs": by_song(done).to_dict("records"),
        "runs": runs,
    }


def _file(one: Finished, folder: Path) -> str:
    """A result's JSON, from the comparison's folder on, or from the project's root for one of results/."""
    path = one.run.home / "runs" / f"{one.result['id']}.{one.run.key}.json"
    return path.relative_to(folder if path.is_relative_to(folder) else paths.root()).as_posix()


def write(done: Compared) -> list[Path]:
    """The table, the table by song, the figure and the JSON into the comparison's folder; their paths.

    Their names hold a hash of all settings: what belongs to another comparison is never written over.
    """
    stem = done.comparison.folder / done.comparison.name
    files = [stem.with_name(f"{stem.name}{ending}") for ending in (".csv", ".songs.csv", ".svg", ".json")]
    write_text(files[0], tables.csv_text(table(done)))
    write_text(files[1], tables.csv_text(by_song(done)))
    figure = draw(done)
    figures.add_footer(figure, done.stamp)  # a file may be seen without the caption
    with atomic_write(files[2]) as temporary:
        temporary.write_bytes(figures.figure_bytes(figure, "svg"))
    write_json(files[3], summary(done))
    return files
