"""The contrasts of the claims by cSDR, the paper's other score. The plan is of uSDR: these decide nothing.

Two things set them apart. uSDR counts what is left where the target rests, while cSDR leaves such frames out. And a
mean over songs follows the few on which a model fails, which a median does not see.
"""

import pandas as pd

from bsrnn.report import claims
from bsrnn.report.statistics import difference_of_medians, difference_table, mean_difference, mean_interval
from bsrnn.report.tables import ordered, ours
from bsrnn.study.results import Results, mean

COLUMNS = ("claim", "contrast", "usdr", "csdr", "low", "high", "csdr_of_medians", "ahead", "leakage", "margin", "songs")


def table(results: Results) -> pd.DataFrame:
    """Every contrast that has runs; differences in dB.

    usdr, csdr: mean difference of a song, that of cSDR with its 95 % interval over seeds and songs (low and high).
    csdr_of_medians: difference of the medians over songs, mean over targets and seeds. ahead: with how many seeds that
    is above 0. leakage: of the level where the target rests, in the songs that have such frames.
    """
    rows = []
    for contrast in claims.contrasts(results.study):
        differences = difference_table(contrast.compared, score="csdr")
        if not differences.size:
            continue
        row = {"claim": contrast.claim.id, "contrast": contrast.claim.contrast, "margin": contrast.claim.margin_db}
        row["usdr"] = mean_difference(contrast.differences)
        row["csdr"], row["low"], row["high"] = mean_interval(differences)
        of_seeds = [difference_of_medians([pair for pair in contrast.compared if pair[0].run.seed == seed])
                    for seed in differences.index]  # fmt: skip
        row["csdr_of_medians"], row["songs"] = mean(of_seeds), differences.shape[1]
        row["ahead"] = f"{sum(value is not None and value > 0 for value in of_seeds)} of {len(of_seeds)}"
        row["leakage"] = mean_difference(difference_table(contrast.compared, score="leakage_db"))
        behind = [done for pair in contrast.compared for done in pair]
        rows.append(row | ours(results, behind))
    return ordered(rows, *COLUMNS)
