"""Evaluation: cSDR of whole songs, ours against museval."""

import numpy as np

from benchmarks import measure
from benchmarks.subjects import RATE
from bsrnn import config, metrics


def evaluation(options) -> dict:
    """cSDR of a 4-minute song with four targets: ours against museval, which is run once."""
    import museval

    seconds = 10 if options.toy else 240
    generator = np.random.default_rng(0)
    references = {name: 0.1 * generator.standard_normal((2, seconds * RATE)) for name in config.TARGETS}
    estimates = {name: audio + 0.05 * generator.standard_normal(audio.shape) for name, audio in references.items()}
    found = {}

    def theirs():
        stacked = [np.stack([part[name].T for name in config.TARGETS]) for part in (references, estimates)]
        sdr = museval.evaluate(*stacked, win=RATE, hop=RATE)[0]
        found["museval"] = dict(zip(config.TARGETS, np.nanmedian(sdr, axis=1), strict=True))

    def ours():
        found["ours"] = metrics.csdr(references, estimates)

    once = measure.alternate({"museval": theirs}, 1, warm_up=0)["museval"][0]
    mine = measure.alternate({"ours": ours}, options.rounds)["ours"]
    difference = max(abs(found["ours"][name] - found["museval"][name]) for name in config.TARGETS)
    return {
        "seconds": {"museval, once": once, "ours": measure.spread(mine)},
        "csdr_vs_museval": measure.spread([once / value for value in mine]),
        "largest_difference_db": float(difference),
    }
