"""One figure or table: what it shows, which runs it needs, and the function that draws it.

It is drawn from the JSON of finished runs, from data/published and from the configuration, and from nothing else: a
figure never computes. Each says on itself which data, profile and seeds its numbers come from, and whether they carry a
claim. What there is stands in :mod:`bsrnn.report.catalogue`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bsrnn.errors import MissingResult
from bsrnn.runtime import paths
from bsrnn.study import results as finished
from bsrnn.study import runs
from bsrnn.study.results import OURS, Results, Role


@dataclass(frozen=True)
class Artifact:
    """One figure or table.

    kind: "figure" or "table". about: what it shows, one or two sentences. maker: "module.function" that draws it from
    :class:`bsrnn.study.results.Results`. role: which runs of the grid it needs; None: it is drawn from the
    configuration. chapter: the notebook that shows it. of_claims: drawn from the profile that decides the claims, see
    :func:`bsrnn.study.results.claims_profile`; both: from the profile and from that one.
    """

    id: str
    kind: str
    title: str
    chapter: str
    about: str
    maker: str
    role: Role | None = None
    source: str = OURS
    data: str | None = None  # what was scored, where it is not the profile's songs
    songs: Callable[[Results], str] = finished.test_words  # how many songs stand behind the numbers, in words
    essential: Role | None = None  # of these at least one must be there; None: of all that ``role`` names
    of_claims: bool = False
    both: bool = False
    # of an artifact with results of its own, the same in every profile: "module.function" that says why it cannot be
    # shown, "" if it can
    lacks: str = ""

    def drawn_from(self, profile_name: str) -> str:
        """The profile whose runs it is drawn from."""
        return finished.claims_profile(profile_name) if self.of_claims else profile_name

    def runs(self, profile_name: str) -> list[str]:
        """Ids of the runs that it needs, from the grid; without those that can neither be found nor computed here.

        Those of another profile with its name before them: "seeds/vocals-s0".
        """
        source = self.drawn_from(profile_name)
        before = "" if source == profile_name else f"{source}/"
        grid = runs.grid(source).values() if self.role else ()
        return [f"{before}{run.id}" for run in grid if self.role(run) and finished.present(run)]

    def left_out(self, profile_name: str) -> str:
        """Why a profile does not have this artifact, in one line; "" if it has."""
        if self.lacks:
            reason = _maker(self.lacks)()
            return f"Left out: {self.id} ({self.title}): {reason}." if reason else ""
        role = self.essential or self.role
        wanted = [run for run in runs.grid(self.drawn_from(profile_name)).values() if role and role(run)]
        if role is None or any(finished.present(run) for run in wanted):
            return ""
        reasons = {
            "real": "its runs need ffmpeg, which is not installed here",
            "finetune": f"its runs need unlabelled music in {paths.unlabelled().relative_to(paths.root())}",
        }
        reason = reasons[wanted[0].kind] if wanted else "the profile has no such runs"
        return f"Left out: {self.id} ({self.title}) in profile {profile_name}: {reason}."

    def results(self, profile_name: str) -> Results:
        """What it is drawn from. Raises MissingResult, naming the command, where a run has no result."""
        return Results(self.drawn_from(profile_name), self.role)

    def draw(self, profile_name: str):
        """The matplotlib Figure, or the pandas DataFrame.

        Raises:
            MissingResult: a run has no result, or this profile does not have the artifact.
        """
        if reason := self.left_out(profile_name):
            raise MissingResult(reason)
        results = self.results(profile_name)
        drawn = _maker(self.maker)(results)
        if self.kind == "figure":
            from bsrnn.report import plots

            plots.add_footer(drawn, self.stamp(results))
        return drawn

    def paths(self, profile_name: str) -> list[Path]:
        """Files that :func:`write_all` writes; none where the profile does not have the artifact."""
        if self.left_out(profile_name):
            return []
        folder = paths.results(profile_name)
        if self.kind == "table":
            return [folder / "tables" / f"{self.id}.csv"]
        return [folder / "figures" / f"{self.id}.{ending}" for ending in ("svg", "png")]

    def stamp(self, results: Results) -> str:
        """Source, data, profile, seeds, songs and claim in one line."""
        if self.lacks:
            return f"Source: {self.source}."
        return finished.stamp(results, self.source, self.data, self.songs)

    def caption(self, profile_name: str) -> str:
        """Title, what it shows, and where its numbers come from."""
        results = self.results(profile_name)
        words = [f"{self.title}. {self.about}", self.stamp(results)]
        if self.both:
            words += [finished.stamp(other, OURS) for other in finished.with_claims(results, self.role)[1:]]
        return " ".join(words)


def _maker(name: str) -> Callable:
    """Imported when it is drawn: matplotlib and pandas are an extra."""
    module, function = name.split(".")
    return getattr(importlib.import_module(f"bsrnn.report.{module}"), function)
