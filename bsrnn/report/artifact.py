"""One figure or table: the function that draws it, what it shows, and what it is drawn from.

It is drawn from the JSON of finished runs, from data/published or from the configuration, and from nothing else: a
figure never computes. Each file says on itself which data, profile and seeds its numbers come from, and whether they
carry a claim; on a page the caption does. Each is declared above the function that draws it, in the module of its
chapter in :mod:`bsrnn.report.chapters`; the function's docstring is its caption.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsrnn.errors import MissingResult
from bsrnn.report import figures, stamps
from bsrnn.report.stamps import OURS
from bsrnn.report.table_html import PLAIN, Layout
from bsrnn.runtime import paths
from bsrnn.study import runs
from bsrnn.study.results import Results, Study
from bsrnn.study.runs import Run


@dataclass(frozen=True)
class Runs:
    """Drawn from finished runs, by a function of their :class:`bsrnn.study.results.Results`.

    roles: words of :data:`bsrnn.study.runs.ROLES`; none: drawn from the profile's settings alone. essential: of these
    at least one must be there; none: of all. songs: how many songs stand behind the numbers, in words. listed: those of
    the runs that its numbers are of, in their order; None: all.
    """

    roles: frozenset[str] | set[str]
    essential: frozenset[str] | set[str] = frozenset()
    source: str = OURS
    songs: Callable[[Results], str] = stamps.scored_songs
    listed: Callable[[Results], list[Run]] | None = None

    def ids(self, study: Study) -> list[str]:
        """Ids of the runs, without those that can neither be found nor computed here."""
        return [run.id for run in study.present(self.roles)]

    def runs(self, study: Study) -> list[Run]:
        """Every finished run that is looked at."""
        if self.listed:
            return self.listed(self.results(study))
        return [run for run in study.present(self.roles) if run.finished()]

    def lacks(self, study: Study) -> str:
        """Why it cannot be drawn; "" if it can."""
        roles = self.essential or self.roles
        if not roles or study.present(roles):
            return ""
        wanted = [run.kind for run in study.grid.values() if run.roles & roles]
        reasons = {
            "real": "its runs need ffmpeg, which is not installed here",
            "finetune": f"its runs need unlabelled music in {paths.shown(paths.unlabelled())}",
        }
        if not wanted and any(run.roles & roles for run in runs.planned(study.profile.name).values()):
            return "its runs are planned, and wait for computing time"
        return reasons[wanted[0]] if wanted else "the profile has no such runs"

    def given_to(self, function: Callable, study: Study):
        """What a function makes of it: a figure, a table or words."""
        return function(self.results(study))

    def stamp(self, study: Study, claim: bool = True) -> str:
        """Source, data, profile, seeds, songs and claim in one line; claim: whether with the last."""
        results = self.results(study)
        if self.listed and (listed := self.listed(results)):
            results = results.only(listed)
        return stamps.stamp(results, self.source, self.songs, claim=claim)

    def results(self, study: Study) -> Results:
        """Raises MissingResult, naming the command, where a run has no result."""
        return Results(study, self.roles)


CONFIGURATION = Runs(frozenset(), source="drawn from the configuration")


@dataclass(frozen=True)
class Elsewhere:
    """Drawn from results of its own, the same in every profile, by a function without arguments.

    source: their name. missing: why they cannot be shown, "" if they can. behind: the finished runs.
    """

    source: str
    missing: Callable[[], str]
    behind: Callable[[], Sequence[Run]] = tuple

    def ids(self, study: Study) -> list[str]:
        return []

    def lacks(self, study: Study) -> str:
        return self.missing()

    def runs(self, study: Study) -> list[Run]:
        return list(self.behind())

    def given_to(self, function: Callable, study: Study):
        """What a function makes, which knows by itself what it is drawn from."""
        return function()

    def stamp(self, study: Study, claim: bool = True) -> str:
        return f"Source: {self.source}."


@dataclass(frozen=True)
class Artifact:
    """One figure or table. kind: "figure" or "table". chapter: the notebook that shows it.

    layout: of a table on a page. more: what the caption says beside the docstring, a function of what is drawn from.
    """

    id: str
    kind: str
    title: str
    source: Runs | Elsewhere
    function: Callable
    layout: Layout = PLAIN
    more: Callable[..., str] | None = None

    @property
    def chapter(self) -> str:
        return self.function.__module__.rsplit(".", 1)[-1].removeprefix("ch")

    def left_out(self, study: Study) -> str:
        """Why a profile does not have this artifact, in one line; "" if it has."""
        reason = self.source.lacks(study)
        return f"Left out: {self.id} ({self.title}) in profile {study.profile.name}: {reason}." if reason else ""

    def draw(self, study: Study):
        """The matplotlib Figure or the pandas DataFrame.

        Raises:
            MissingResult: a run has no result, or this profile does not have the artifact.
        """
        if reason := self.left_out(study):
            raise MissingResult(reason)
        return self.source.given_to(self.function, study)

    def draw_for_a_file(self, study: Study):
        """The same; a figure has its source on it, as its file may be seen without a caption."""
        drawn = self.draw(study)
        if self.kind == "figure":
            figures.add_footer(drawn, self.source.stamp(study))
        return drawn

    def files(self, study: Study) -> list[Path]:
        """Files that :func:`bsrnn.report.manifest.write_all` writes; none where the profile does not have it."""
        if self.left_out(study):
            return []
        folder = paths.results(study.profile.name)
        if self.kind == "table":
            return [folder / "tables" / f"{self.id}.csv"]
        return [folder / "figures" / f"{self.id}.{ending}" for ending in ("svg", "png")]

    def about(self, study: Study) -> str:
        """What it shows, in words: the docstring's, and what is said of these results alone."""
        words = " ".join((self.function.__doc__ or "").split())
        more = self.source.given_to(self.more, study) if self.more else ""
        return f"{words} {more}" if more else words

    def caption(self, study: Study) -> str:
        """Title, what it shows, and where its numbers come from."""
        return f"{self.title}. {self.about(study)} {self.source.stamp(study)}"


def figure(
    artifact_id: str, title: str, source: Runs | Elsewhere, more: Callable[..., str] | None = None
) -> Callable[[Callable], Callable]:
    """Declare the function below as that of a figure; it returns a matplotlib Figure."""
    return _declared(id=artifact_id, kind="figure", title=title, source=source, more=more)


def table(
    artifact_id: str,
    title: str,
    source: Runs | Elsewhere,
    layout: Layout = PLAIN,
    more: Callable[..., str] | None = None,
) -> Callable[[Callable], Callable]:
    """Declare the function below as that of a table; it returns a pandas DataFrame."""
    return _declared(id=artifact_id, kind="table", title=title, source=source, layout=layout, more=more)


def _declared(**said: Any) -> Callable[[Callable], Callable]:
    def declare(function: Any) -> Callable:
        function.artifact = Artifact(function=function, **said)
        return function

    return declare
