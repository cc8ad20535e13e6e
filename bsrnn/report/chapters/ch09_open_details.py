"""The chapter on what the paper leaves open: the ledger, and what another choice does to the scores."""

from dataclasses import dataclass
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from bsrnn.report import artifact, claims, figures
from bsrnn.report.artifact import Runs
from bsrnn.report.formats import signed
from bsrnn.report.statistics import EQUAL, difference_of_medians, difference_table, mean_difference, measured, pairs
from bsrnn.report.table_html import Layout
from bsrnn.report.tables import ordered, ours, published, seed_deviation, summaries_of
from bsrnn.study import costs
from bsrnn.study.ablations import DETAILS, EXTRAS, FINETUNING_DETAILS, VARIANTS
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Results
from bsrnn.study.runs import Run

ONE_SEED = "songs, one seed"
BESIDE = ("csdr_of_medians", "new_effect")  # an effect by the paper's other score, and on other songs
COMPARED = {"base", "hop", "detail", "finetuned", "variant"}
LEDGER = "paper, authors' public code, replication (arXiv 2603.09187), the configuration, and our runs"


@dataclass(frozen=True)
class Comparison:
    """Runs with one other choice, and what they are held against.

    words: what is other. detail: the ledger's row; "": the paper does not leave it open.
    """

    target: str
    words: str
    detail: str
    changed: list[Finished]
    against: list[Finished]

    def row(self, results: Results) -> dict:
        """The effect in dB uSDR with its interval, and where it comes from.

        A training with one seed has no interval: one over songs alone knows nothing of the spread between seeds, and
        would leave out 0 by the luck of a seed. It has the band of that spread instead.
        """
        row = {"target": self.target} | ours(results, self.changed) | measured(self.changed, self.against)
        both = pairs(self.changed, self.against)
        row["csdr_of_medians"] = difference_of_medians(both)
        row["new_effect"] = mean_difference(difference_table(both, Finished.new_songs))
        if self.retrained and row["interval_over"] == ONE_SEED:
            claim = "C5" if self.changed[0].run.kind == "finetune" else "C1"
            row |= {
                "low": None,
                "high": None,
                "interval_over": "-",
                "seed_band": claims.seed_band(results.study, claim),
            }
        return row

    @property
    def retrained(self) -> bool:
        """Whether the changed runs have weights of their own, which another seed would make others."""
        keys = {done.run.train_key for done in self.against}
        return any(done.run.train_key not in keys for done in self.changed)


def comparisons(results: Results) -> list[Comparison]:
    """Every changed run's, target by target."""
    compared = []
    for target in results.profile.targets:
        for name, change in (DETAILS | EXTRAS).items():
            against = _against(results, target, change.against)
            changed = _of_variant(results, "detail", target, name)
            compared.append(Comparison(target, change.words, change.detail, changed, against))
        for name, detail in FINETUNING_DETAILS.items():
            changed, tuned = _of_variant(results, "variant", target, name), results.find("finetuned", target)
            compared.append(Comparison(target, f"finetuning: {VARIANTS[name][0]}", detail, changed, tuned))
    return [comparison for comparison in compared if comparison.changed]


def _of_variant(results: Results, role: str, target: str, name: str) -> list[Finished]:
    return [done for done in results.find(role, target) if done.run.variant == name]


def _against(results: Results, target: str, kind: str) -> list[Finished]:
    """The base, or the runs of another change, or those with the hop that "hop1.5" names."""
    if not kind:
        return results.find("base", target)
    if kind in DETAILS | EXTRAS:
        return _of_variant(results, "detail", target, kind)
    return [done for done in results.find("hop", target) if done.run.without_seed == f"{target}-{kind}"]


def _behind(results: Results, left_open: bool) -> list[Run]:
    """The runs of both sides of every comparison, of choices that the paper leaves open or of those beyond it."""
    compared = [comparison for comparison in comparisons(results) if bool(comparison.detail) is left_open]
    both = [done.run for part in compared for pair in pairs(part.changed, part.against) for done in pair]
    return list({run.id: run for run in both}.values())


OPEN = Runs(COMPARED, {"open", "variant"}, listed=partial(_behind, left_open=True))
BEYOND = Runs({"beyond", "compared"}, {"beyond"}, listed=partial(_behind, left_open=False))


@artifact.table("details", "What another choice does", OPEN)
def other_choices(results: Results) -> pd.DataFrame:
    """One choice other than the base's, or than the finetuning's, trained or separated so with the same seeds:
    difference of the mean uSDR on the test songs in dB, with its 95 % interval over songs, and over seeds where there
    are several. Where a model was trained anew with one seed, no interval but a band: two standard deviations, over
    seeds, of the difference of two trained splits of vocals (of two finetunings, where it is one); an effect inside
    the band may be the seed's. Beside it, with the same seeds: the difference of the medians of cSDR, and that of the
    mean uSDR on the songs of new timbres."""
    rows = [
        comparison.row(results) | {"another choice": comparison.words, "what is left open": comparison.detail}
        for comparison in comparisons(results)
        if comparison.detail
    ]
    columns = ("what is left open", "effect", "low", "high", "interval_over", "seed_band", *BESIDE, "songs")
    return ordered(rows, "target", "another choice", *columns)


def choices_and_band(table: pd.DataFrame) -> Figure:
    """Effects of other choices, over the grey band in which another seed may lie; of vocals where no target is named.

    table: columns what, target, effect, seed_band.
    """
    rows = table.sort_values("effect", ascending=False).reset_index(drop=True)
    figure = figures.new_figure(0.3 * len(rows) + 0.8)
    axes = figure.add_subplot()
    for place, row in enumerate(rows.itertuples()):
        axes.barh(place, 2 * row.seed_band, left=-row.seed_band, height=0.8, color=figures.LIGHT)
        axes.plot(row.effect, place, "o", color=figures.colour(row.target), markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    names = rows["what"].where(rows["target"] == "vocals", rows["what"] + " (" + rows["target"] + ")")
    axes.set_yticks(range(len(rows)), names, fontsize=figures.SMALL_POINTS)
    axes.invert_yaxis()
    figures.style(axes, "difference of the mean uSDR (dB)", "")
    axes.grid(visible=False, axis="y")
    return figure


@artifact.table("beyond", "Beyond the paper", BEYOND)
def beyond(results: Results) -> pd.DataFrame:
    """Models, splits, tones and songs that the paper does not have, as in the table above: against the base, but the
    songs by amateurs against as many usual ones, and V4 with 32 features against V1 with 32. Difference of the mean
    uSDR in dB with its 95 % interval, or with the band of the seeds, vocals' for every target; beside it those of the
    medians of cSDR, and on songs of new timbres.
    Work: operations of one item forward, of both channels where the model needs them, for every target that it has,
    relative to the base."""
    rows = []
    for comparison in comparisons(results):
        if not comparison.detail:
            work = costs.item_operations(comparison.changed[0].run.profile)
            work /= costs.item_operations(comparison.against[0].run.profile)
            rows.append(comparison.row(results) | {"what is other": comparison.words, "work": work})
    return ordered(
        rows, "target", "what is other", "effect", "low", "high", "interval_over", "seed_band", *BESIDE, "work", "songs"
    )


CARDS = Layout(cards=("our_choice", "measured"), code=("config_key", "our_setting", "test"))


@artifact.table("open_details", "What the paper leaves open", Runs(COMPARED, source=LEDGER), CARDS)
def open_details(results: Results) -> pd.DataFrame:
    """What the paper, the authors' public code and the replication say, what is done here and which test holds it, and
    what another choice was measured to change."""
    table = published("open_details")
    table["our_setting"] = [setting(results.profile, key) for key in table["config_key"]]
    told: dict[str, list[str]] = {"number of seeds": list(filter(None, [_spread(results)]))}
    for comparison in comparisons(results):
        told.setdefault(comparison.detail, []).extend(_told(comparison, results))
    table["measured"] = ["; ".join(told.get(detail, ())) or "-" for detail in table["detail"]]
    columns = ["detail", "paper", "authors_code", "replication", "our_choice", "config_key", "our_setting", "test"]
    return table[[*columns, "measured"]].assign(profile=results.profile.name)


def _told(comparison: Comparison, results: Results) -> list[str]:
    """What was measured, in words; nothing where no song was scored with both."""
    row = comparison.row(results)
    if row["effect"] is None:
        return []
    where = f"({comparison.target}; {row['interval_over']}; profile {results.profile.name})"
    if row["interval_over"] == EQUAL:
        return [f"{comparison.words}: nothing came of it {where}"]
    if row["low"] is not None:
        return [f"{comparison.words}: {signed(row['effect'])} dB [{signed(row['low'])}, {signed(row['high'])}] {where}"]
    band = row.get("seed_band")
    says = (
        f"{'within' if abs(row['effect']) <= band else 'beyond'} ±{band:.2f} dB of another seed" if band else "one seed"
    )
    where = f"({comparison.target}; profile {results.profile.name})"
    return [f"{comparison.words}: {signed(row['effect'])} dB, {says} {where}"]


def _spread(results: Results) -> str:
    """Standard deviation of the mean uSDR over the seeds of each base; "" for one seed."""
    words = []
    for target in results.targets("base"):
        deviation = seed_deviation(summaries_of(results.find("base", target)))
        words += [] if deviation is None else [f"{target} {deviation:.2f} dB"]
    return f"standard deviation over seeds: {', '.join(words)} (profile {results.profile.name})" if words else ""


def setting(profile: Profile, key: str) -> str:
    """The value of "model.features" in a profile; "-" for a choice that is no setting."""
    if key == "-":
        return "-"
    value = profile
    for name in key.split("."):
        value = getattr(value, name)
    return str(value)
