"""Sentences say what the table says: numbers by hand."""

import pandas as pd

from bsrnn.report import findings
from bsrnn.report.stamps import OURS

BOTH = ("paper", OURS)


def test_overlap_tells_gains_over_the_widest_hop_of_each_source():
    rows = [(hop, score + shift, source) for source, shift in zip(BOTH, (8.0, 0.0), strict=True)
            for hop, score in ((3.0, 1.0), (1.5, 1.25), (0.5, 1.5))]  # fmt: skip
    said = findings.overlap(pd.DataFrame(rows, columns=["hop_seconds", "usdr_mean", "source"]))
    assert said == (
        "Here the same weights gain, over a hop of 3 s: +0.25 dB at 1.5 s, +0.50 dB at 0.5 s. "
        "In the paper the same weights gain, over a hop of 3 s: +0.25 dB at 1.5 s, +0.50 dB at 0.5 s."
    )


def results_table() -> pd.DataFrame:
    scores = {
        "BSRNN": {"all": 3.0, "seen": 4.0, "new": 2.0},
        "Wiener, knows the song": {"all": 2.0, "seen": 2.0, "new": 2.0},
        "ratio mask, knows the stems": {"all": 12.0, "seen": 11.0, "new": 13.0},
    }
    rows = [("drums", method, timbre, usdr) for method, of in scores.items() for timbre, usdr in of.items()]
    return pd.DataFrame(rows, columns=["target", "method", "timbre", "usdr_mean"])


def test_seen_timbres_are_held_against_the_mask():
    assert "drums +2.00 dB for the model, -2.00 dB for the mask" in findings.seen_and_new(results_table())
    assert findings.seen_and_new(results_table().query("timbre == 'all'")) == ""
    apart = results_table().query("timbre != 'seen'")  # the songs of new timbres are a test of their own
    whole = apart.query("timbre == 'all'").set_index("method")["usdr_mean"]
    new = apart.query("timbre == 'new'").set_index("method")["usdr_mean"]
    model, mask = (whole[method] - new[method] for method in (findings.MODEL, findings.MASK))
    assert f"drums {model:+.2f} dB for the model, {mask:+.2f} dB for the mask" in findings.seen_and_new(apart)


def test_share_of_the_way_to_the_mask():
    assert "drums: 10% of the way (3.00 dB between 2.00 and 12.00 dB)" in findings.shares(results_table())
    table = results_table().replace({"usdr_mean": {3.0: 1.0}})
    assert "drums: not there yet (1.00 dB" in findings.shares(table)


def test_scale_is_told_by_the_doubling():
    rows = [("songs", 6, 1.0, 0.5), ("songs", 48, 2.5, 2.0), ("songs", 12, 9.0, 9.0), ("items", 5, 1.0, None),
            ("items", 20, 0.5, None)]  # fmt: skip
    said = findings.scale(pd.DataFrame(rows, columns=["what", "size", "usdr_mean", "new_usdr_mean"]))
    assert said == (
        "From 6 to 48 songs: 1.00 to 2.50 dB, +0.50 dB a doubling (new timbres +0.50 dB). "
        "From 5 to 20 items: 1.00 to 0.50 dB, -0.25 dB a doubling."
    )


def test_finetuning_is_told_beside_start_control_and_upper_bound():
    rows = [("start", 3.0, None, None), ("control", 3.2, 0.2, None), ("finetuned", 2.9, -0.1, -0.3),
            ("upper bound: true stems", 3.3, 0.3, 0.1)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "usdr_mean", "over_start", "over_control"]).assign(target="bass")
    assert findings.finetuning(table) == (
        "Bass: the finetuned model reaches 2.90 dB, its start 3.00 dB (0.10 dB worse), the control 3.20 dB (0.30 dB "
        "worse); the upper bound is 0.10 dB better than the control."
    )


def test_choices_count_what_lies_beyond_the_band():
    rows = [("a", 0.7, 0.8), ("b", -0.9, 0.8), ("c", 0.1, 0.8), ("same weights", -2.0, None)]
    said = findings.choices(pd.DataFrame(rows, columns=["another choice", "effect", "seed_band"]))
    assert "Of 3 trainings with one seed, 1 lies beyond the band of the seeds: b (-0.90 dB)." in said
    assert "The largest gain is a (+0.70 dB), inside its band of ±0.80 dB." in said
    assert findings.choices(pd.DataFrame(rows[3:], columns=["another choice", "effect", "seed_band"])) == ""


def test_rates_tell_the_lead_of_the_best():
    rows = [("BSRNN", "0.001", 1.0), ("BSRNN", "0.004", 2.5), ("BSRNN", "0.01", 2.25)]
    said = findings.rates(pd.DataFrame(rows, columns=["system", "learning_rate", "valid_usdr"]))
    assert "BSRNN 0.004, 0.25 dB before 0.01" in said


def test_the_guitars_split_and_the_filter():
    names = ("Wiener, trained", "BSRNN, V7", "BSRNN, guitar split", "guitar split over V7")
    rows = [("songs", name, usdr, None, None) for name, usdr in zip(names, (1.5, 1.0, 1.25, 0.25), strict=True)]
    rows[-1] = (*rows[-1][:3], -0.05, 0.55)
    said = findings.guitar(pd.DataFrame(rows, columns=["held out", "method", "usdr_mean", "low", "high"]))
    assert "the designed split changes +0.25 dB [-0.05, +0.55]" in said
    assert "has 1.50 dB, the better model 1.25 dB (0.25 dB worse)" in said


def test_the_oracles_splits_are_ranked():
    table = pd.DataFrame({"vocals": {"v7": 9.7, "uniform41": 8.0, "notes41": 11.2, "v1": 20.0}})
    said = findings.oracle(table, "vocals", ["v7", "uniform41", "notes41"])
    assert (
        said
        == "Vocals, splits of 41 bands: notes41 11.2 dB, v7 9.7 dB, uniform41 8.0 dB. 1 of the others lies before V7."
    )


def test_where_the_target_is_alone_a_model_may_take_it_away():
    rows = [("nothing else", 2.0, 20.0, 10.0), ("nothing else", 8.0, 26.0, 20.0), ("drums", 3.0, -4.0, 5.0)]
    table = pd.DataFrame(rows, columns=["with", "usdr_mean", "mixture", "seconds"])
    said = findings.alone(table, "vocals")
    assert said.startswith("Where vocals is alone, to do nothing would score 24.0 dB; the model scores 6.0 dB:")
    assert findings.alone(table[table["with"] == "drums"], "vocals") == ""
