"""How good the models are whose differences the claims are about, beside a filter that needs no network, in words."""

from collections.abc import Callable, Iterator

from bsrnn.report import formats
from bsrnn.report.stamps import seeds_of
from bsrnn.report.tables import mean_of, new_score, summaries_of
from bsrnn.study.results import Finished, Results, Study, mean

FILTER = "wiener"
Level = Callable[[list[Finished], str], float | None]  # a score of runs in dB; with the name of an estimator, of that


def how_good(study: Study) -> str:
    """By both scores of the paper, mean uSDR and median cSDR, on the test songs and on those of new timbres.

    One score alone may flatter: a model can lie above the filter by the mean and below it on the usual song.
    """
    results = Results(study, {"base", "long", "baselines"})
    if not any(_pairs(results, "base", _usdr)):
        return ""
    words = (
        "How good are the models that these verdicts are about? Their mean uSDR on the test songs, where silence has "
        "0 dB, beside that of a fixed filter, one gain for each frequency, learnt from the training songs:"
    )
    weak_words = "Where a model lies below the filter, a verdict compares models that do less than an equaliser can."
    said = [f"- Profile {study.profile.name}: {_listed(results, 'base', _usdr)}."]
    for what, level in (("By cSDR, the median over the test songs", _csdr), ("On songs of new timbres", on_new)):
        if listed := _listed(results, "base", level):
            said.append(f"- {what}: {listed}.")
    if longer := results.find("long"):
        times = longer[0].training["items"] / study.profile.train.max_items
        after = f"- After {times:g} times as many items, seed {seeds_of(longer)} (no verdict is of these)"
        said.append(f"{after}: {_listed(results, 'long', _usdr)}.")
    weak = any(model < known for level in (_usdr, _csdr) for _, model, known in _pairs(results, "base", level))
    return "\n".join([words, "", *said, *(["", weak_words] if weak else [])])


def _usdr(of: list[Finished], method: str = "") -> float | None:
    return _summary_score(of, method, "usdr_mean")


def _csdr(of: list[Finished], method: str = "") -> float | None:
    return _summary_score(of, method, "csdr_median")


def _summary_score(of: list[Finished], method: str, score: str) -> float | None:
    summaries = [done.scores[method]["summary"] for done in of] if method else summaries_of(of)
    return mean_of(summaries, score)


def on_new(of: list[Finished], method: str = "") -> float | None:
    """Mean uSDR on the songs of new timbres; None where these are no test of their own."""
    if not method:
        return new_score(of)
    return mean([song["usdr"] for done in of for song in done.new_songs(method)])


def _pairs(scores: Results, role: str, level: Level) -> Iterator[tuple[str, float, float]]:
    """Of each target that has both: its models of a role, and the filter."""
    for target in scores.targets(role):
        model, known = level(scores.find(role, target), ""), level(scores.find("baselines", target), FILTER)
        if model is not None and known is not None:
            yield target, model, known


def _listed(scores: Results, role: str, level: Level) -> str:
    return "; ".join(
        f"{target} {model:.2f} dB, {formats.beside(model - known)} the filter's {known:.2f} dB"
        for target, model, known in _pairs(scores, role, level)
    )
