"""The chapter on the real recording."""

import pandas as pd

from bsrnn.report import artifact
from bsrnn.report.artifact import Runs
from bsrnn.report.stamps import REAL_RECORDING
from bsrnn.report.tables import METHODS, new_score, ordered, ours, scores_of
from bsrnn.runtime import paths
from bsrnn.study import runs
from bsrnn.study.results import Results, Study

SOLO_SINGING = "singing.csv"  # of results/pilots; measured by hand, since the clips may not be passed on
EXCHANGED, CLIP = "causes.csv", "clip.csv"  # likewise
# the model of many items, and what became of it at random tone, from the least of it to the most
BEFORE, *HALF, AFTER = "vocals-long-s0", "vocals-toned-mixes-s0", "vocals-toned-half-s0", "vocals-toned-s0"
MASK = "ratio mask that knows the stems"
SINGERS_PROFILE = "small"  # whose models were measured


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


def solo_singing() -> pd.DataFrame:
    """Ten clips of solo singing over accompaniment: a row a kind of training of vocals, the best mean uSDR first."""
    measured, planned = pd.read_csv(paths.results("pilots") / SOLO_SINGING), runs.planned(SINGERS_PROFILE)
    measured = measured[["onward" not in planned[run_id].roles for run_id in measured["run"]]]  # have their own table
    measured = measured.assign(training=[planned[run_id].change for run_id in measured["run"]])
    groups = measured.groupby("training", sort=False)["mean_usdr"]
    table = groups.agg(usdr_mean="mean", lowest="min", highest="max", trainings="count").reset_index()
    table = table.sort_values("usdr_mean", ascending=False, ignore_index=True)
    return table.rename(columns={"lowest": "lowest training (dB)", "highest": "highest training (dB)"})


def exchanged_parts() -> pd.DataFrame:
    """The same clips with parts of them exchanged for rendered ones: a row an exchange, with the mean uSDR in dB of the
    model of many items, of what it becomes at random tone, and of a mask that knows the stems."""
    measured = pd.read_csv(paths.results("pilots") / EXCHANGED)
    table = measured.pivot_table("mean_usdr", "clips", "model", sort=False)
    shown = {BEFORE: "40000 items", AFTER: "then random tone", MASK: MASK}
    return table[[*shown]].rename(columns=shown).reset_index().rename_axis(columns=None)


def price_of_tone() -> pd.DataFrame:
    """What random tone brings and costs, a row a model: mean uSDR in dB on rendered songs and on real recordings."""
    measured = {name: pd.read_csv(paths.results("pilots") / name, index_col="run") for name in (SOLO_SINGING, CLIP)}
    study, rows = Study(SINGERS_PROFILE), []
    for run_id in (BEFORE, *HALF, AFTER):
        done = study.finished(runs.get(SINGERS_PROFILE, run_id))
        row = {"model": done.run.change, "validation songs": done.training["best"]}
        row |= {"test songs": done.scores["summary"]["usdr_mean"], "new timbres": new_score([done])}
        row |= {"ten clips": measured[SOLO_SINGING].at[run_id, "mean_usdr"]}
        rows.append(row | {"Falcon 69": measured[CLIP].at[run_id, "usdr"]})
    return pd.DataFrame(rows)
