"""Any hop of the overlap-add: the windows that it lays over each other, and the scores where a run has that hop."""

from bsrnn.config import SeparateConfig
from bsrnn.report.stamps import banner
from bsrnn.report.tables import by_hop, mean_of, published, summaries_of
from bsrnn.runtime import paths
from bsrnn.separation import fade
from bsrnn.study.results import Results

POINTS_A_SECOND = 40  # of the drawn windows: hops are steps of 1 / 40 s
STEP_SECONDS = 0.25  # of the slider
WINDOWS = {"triangle": "triangle", "tenth": "linear over a tenth at each end", "flat": "none"}
FALLBACK = (
    '<p>With scripts, a hop can be chosen here; the figure above shows three, and <a href="#table2">Table II</a> has '
    "the scores.</p>"
)


def page_data(results: Results) -> dict:
    """What book/_static/explore_overlap.js draws; ``results``: those of the role "hop"."""
    settings = results.profile.separate
    points = round(settings.segment_seconds * POINTS_A_SECOND)
    return {
        "segment_seconds": settings.segment_seconds,
        "points_a_second": POINTS_A_SECOND,
        "step_seconds": STEP_SECONDS,
        "hop_seconds": settings.hop_seconds,
        "window": SeparateConfig().window,
        "windows": [
            {"name": name, "label": label, "weights": [round(weight, 5) for weight in fade(points, name).tolist()]}  # type: ignore[arg-type]
            for name, label in WINDOWS.items()
        ],
        "measured": _measured(results),
        "target": published("table2")["target"].iloc[0],  # the runs of this role are of the same one
        "paper": {str(row.hop_seconds): float(row.value) for row in published("table2").itertuples()},
        "banner": banner(results.profile),
    }


def _measured(results: Results) -> list[dict]:
    """A row a hop with a score: the mean uSDR in dB over seeds and songs, and the files that it comes from."""
    rows = []
    for hop, scored in by_hop(results).items():
        summaries = summaries_of(scored)
        files = [done.run.result_path().relative_to(paths.root()).as_posix() for done in scored]
        row = {"hop_seconds": hop, "usdr": mean_of(summaries, "usdr_mean"), "songs": summaries[0]["songs"]}
        rows.append(row | {"window": scored[0].run.profile.separate.window, "files": files})
    return [row for row in rows if row["usdr"] is not None]
