"""The chapter on the real recording."""

import pandas as pd

from bsrnn.report import artifact
from bsrnn.report.artifact import Runs
from bsrnn.report.stamps import REAL_RECORDING
from bsrnn.report.tables import METHODS, ordered, ours, scores_of
from bsrnn.study.results import Results


@artifact.table("real", "On a real recording", Runs({"real"}))
def on_a_real_recording(results: Results) -> pd.DataFrame:
    """The models, trained on this profile's songs only, on real music, beside estimators without a network."""
    rows = []
    for done in results.finished:
        for method, words in METHODS.items():
            scores = scores_of([done.scores[method]["summary"]])
            row = {"target": done.run.target, "method": words} | scores
            rows.append(row | ours(results, [done], REAL_RECORDING))
    names = {"usdr_mean": "usdr", "csdr_median": "csdr", "leakage_db_mean": "leakage_db"}  # of one song
    return ordered(rows, "target", "method", *names, "csdr_frames_kept", "csdr_frames").rename(columns=names)
