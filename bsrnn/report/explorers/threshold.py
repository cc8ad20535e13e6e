"""The energy rules of the finetuning at any threshold: every chunk of the committed labels, and what the stems say."""

from bsrnn.config import FinetuneConfig
from bsrnn.report.stamps import banner
from bsrnn.runtime import paths
from bsrnn.study.results import Results

PAPER_DB = FinetuneConfig().threshold_db
TRUE_DB = 30.0  # what the true stems are held to, whatever the threshold: see the chapter's own tables
COLUMNS = ("target_down", "residual_down", "true_target_down", "true_residual_down")
FALLBACK = (
    '<p>With scripts, a threshold can be chosen here; <a href="#label_thresholds">the table above</a> has the counts '
    "at four of them.</p>"
)


def page_data(results: Results) -> dict:
    """What book/_static/explore_threshold.js draws: a list of chunks for each teacher among ``results``.

    A chunk is [target_down, residual_down, true_target_down, true_residual_down, song, seconds]: four levels in dB
    below the mixture, the place of its song in ``songs`` and where in it the chunk begins.
    """
    teachers = []
    for done in results.find("teacher"):
        chunks = done.scores["chunks"]
        songs = list(dict.fromkeys(chunk["song"] for chunk in chunks))
        rows = [
            [*(round(chunk[name], 2) for name in COLUMNS), songs.index(chunk["song"]), chunk["seconds"]]
            for chunk in chunks
        ]
        file = done.run.result_path().relative_to(paths.root()).as_posix()
        teachers.append({"target": done.run.target, "songs": songs, "chunks": rows, "file": file})
    return {"paper_db": PAPER_DB, "true_db": TRUE_DB, "teachers": teachers, "banner": banner(results.profile)}
