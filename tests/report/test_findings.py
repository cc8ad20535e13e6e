"""Sentences say what the table says: numbers by hand."""

import math

import pandas as pd

from bsrnn.report import claim_findings, findings, finetuning_findings, scale_findings


def test_overlap_tells_gains_over_the_widest_hop_of_each_source():
    rows = [(hop, score + shift, source, "0, 1") for source, shift in (("-", 8.0), ("small", 0.0))
            for hop, score in ((3.0, 1.0), (1.5, 1.25), (0.5, 1.5))]  # fmt: skip
    rows.append((1.0, 9.0, "small", "0"))  # of another number of trainings: not to be compared
    said = findings.overlap(pd.DataFrame(rows, columns=["hop_seconds", "usdr_mean", "profile", "seeds"]))
    assert said == (
        "In the paper, with the same weights, against a hop of 3 s: +0.25 dB at 1.5 s, +0.50 dB at 0.5 s. "
        "In profile small, with the same weights, against a hop of 3 s: +0.25 dB at 1.5 s, +0.50 dB at 0.5 s."
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
    assert findings.seen_and_new(results_table().query("timbre == 'seen'")) == ""  # no song has new timbres


def test_share_of_the_way_to_the_mask():
    assert "drums: 10% of the way (model 3.00 dB, filter 2.00 dB, mask 12.00 dB)" in findings.shares(results_table())
    table = results_table().replace({"usdr_mean": {3.0: 1.0}})
    assert "drums: below the filter (model 1.00 dB" in findings.shares(table)


def test_scale_is_told_by_the_doubling():
    rows = [("songs", 6, 1.0, 0.5, -1.5), ("songs", 48, 2.5, 2.0, 0.0), ("songs", 12, 9.0, 9.0, 6.5),
            ("items", 5, 1.0, None, 0.5), ("items", 20, 0.5, None, 0.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["what", "size", "usdr_mean", "new_usdr_mean", "effect"])
    table = table.assign(seeds="0", low=None, high=None)
    said = scale_findings.scale(table.assign(seed_band=None))
    assert said == (
        "From 6 to 48 songs: +1.50 dB, +0.50 dB a doubling (new timbres +0.50 dB), best with 12, of one training at "
        "each end. From 5 to 20 items: -0.50 dB, -0.25 dB a doubling, of one training at each end."
    )
    none = "; neither end can be told from the base: no gain is seen"  # of 0.5 dB within its band, not of 1.5
    banded = scale_findings.scale(table.assign(seed_band=[0.6, None, 0.6, 0.6, None]))
    assert banded.startswith(f"{said[:-1]}{none}. ") and banded.endswith(
        "such trainings are 0.60 dB; of 3 sizes with one seed 2 lie farther from the base than that."
    )
    several = table.assign(seed_band=None, low=table["effect"] - 0.6, high=table["effect"] + 0.6, seeds="0, 1")[3:]
    with_intervals = "; over several seeds, against the base: 5 +0.50 dB [-0.10, +1.10]"
    assert scale_findings.scale(several) == f"From 5 to 20 items: -0.50 dB, -0.25 dB a doubling{with_intervals}{none}."
    other = table.assign(seed_band=None, seeds=["0", "0, 1", "0", "0", "0"])  # the new timbres' means: of other seeds
    assert "new timbres" not in scale_findings.scale(other) and "of one training at one end" in scale_findings.scale(
        other
    )


def test_what_many_more_items_bring_is_told_beside_filters_and_mask():
    rows = [("bass", 5, 1.0, 0.1), ("bass", 40, 2.5, 0.25), ("mean", 5, 1.0, 0.1), ("mean", 40, 4.0, 0.4)]
    table = pd.DataFrame(rows, columns=["target", "items", "usdr_mean", "of_the_mask"])
    new = {"new_usdr_mean": [None, 2.0, None, None], "new_wiener": 1.25, "new_wiener_oracle": 4.0}
    assert scale_findings.longer(table.assign(wiener=1.5, wiener_oracle=2.501, ratio_mask=10.0, **new)) == (
        "- Bass: 1.00 dB with 5 items, 2.50 dB with 40, 1.00 dB above the trained filter and level with the filter "
        "that knows the song, 25% of what the mask has; on songs of new timbres 2.00 dB, 0.75 dB above the one and "
        "2.00 dB below the other.\n"
        "- Mean: 1.00 dB with 5 items, 4.00 dB with 40, 2.50 dB above the "
        "trained filter and 1.50 dB above the filter that knows the song, 40% of what the mask has."
    )


def test_finetuning_is_told_beside_start_control_and_upper_bound():
    rows = [("start", 3.0, None, None), ("control", 3.2, 0.2, None), ("finetuned", 2.9, -0.1, -0.3),
            ("upper bound: true stems", 3.3, 0.3, 0.1)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "usdr_mean", "over_start", "over_control"]).assign(target="bass")
    table = table.assign(seeds="0, 1", low=table["over_control"] - 0.05, high=table["over_control"] + 0.05)
    assert finetuning_findings.finetuning(table) == (
        "Bass: the finetuned model scores 2.90 dB, 0.10 dB worse than its start (3.00 dB) and 0.30 dB worse "
        "[-0.35, -0.25] than the control (3.20 dB); the upper bound is 0.10 dB better [+0.05, +0.15] than the control. "
        "So a gain of 0.3 dB from the unlabelled songs, beyond more training, is ruled out. Their true stems have "
        "something to teach, and the teacher's labels do not pass it on: with them the model scores 0.40 dB less. That "
        "room is smaller than the 0.5 dB that [the plan](plan.html) asks for before a verdict speaks of the method."
    )
    one_seed = finetuning_findings.finetuning(table.assign(seeds="0"))
    assert (
        "0.30 dB worse than the control (3.20 dB); the upper bound is 0.10 dB better than" in one_seed
    )  # an interval over songs knows no seeds
    assert one_seed.endswith("with another seed the order may be another one, and nothing follows from this one.")
    bound = table["model"] == "upper bound: true stems"
    roomy = table.assign(high=table["high"].mask(bound, 0.8))
    assert finetuning_findings.finetuning(roomy).endswith("do not pass it on: with them the model scores 0.40 dB less.")
    none = table.assign(low=table["low"].mask(bound, -0.05))
    assert finetuning_findings.finetuning(none).endswith("gain less than 0.5 dB: no room for labels is seen.")
    unsure = roomy.assign(low=table["low"].mask(bound, -0.2))
    assert "Whether there was room for labels, these" in finetuning_findings.finetuning(unsure)
    tuned = {"over_control": {-0.3: 0.3}, "low": {-0.35: 0.25}, "high": {-0.25: 0.35}}
    assert "So the unlabelled songs helped" in finetuning_findings.finetuning(table.replace(tuned))
    assert "these seeds do not tell" in finetuning_findings.finetuning(table.replace({"high": {-0.25: 0.4}}))
    for shown in (["start", "finetuned"], ["start", "finetuned", "upper bound: true stems"]):
        without_control = finetuning_findings.finetuning(table[table["model"].isin(shown)].assign(over_control=None))
        assert without_control.endswith("2.90 dB, 0.10 dB worse than its start (3.00 dB).")


def test_an_effect_that_is_another_one_by_csdr_says_so():
    table = pd.DataFrame({"another choice": ["a", "b"], "effect": [-0.5, 0.4], "csdr_of_medians": [0.27, 0.1],
                          "low": [-0.9, 0.1], "high": [-0.1, 0.7], "seeds": "0, 1, 2", "seed_band": None})  # fmt: skip
    said = findings.choices(table)
    assert "*a* (-0.50 dB, but +0.27 dB by the median of cSDR), *b* (+0.40 dB)." in said


def test_choices_count_what_lies_beyond_the_band_and_call_an_effect_one_from_three_seeds():
    rows = [("a", 0.7, 0.8, None, "0"), ("b", -0.9, 0.8, None, "0"), ("c", 0.1, 0.8, None, "0"),
            ("same weights", -2.0, None, None, "0"), ("two", 0.9, None, 0.1, "0, 1"),
            ("yes", 0.3, None, 0.2, "0, 1, 2"), ("no", 0.3, None, 0.4, "0, 1, 4")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["another choice", "effect", "seed_band", "half", "seeds"])
    table = table.assign(low=table["effect"] - table["half"], high=table["effect"] + table["half"])
    said = findings.choices(table)
    assert said.startswith("Of 2 choices with three seeds or more, the interval leaves out 0 for 1: *yes* (+0.30 dB). ")
    assert "Of 3 trainings with one seed, 1 lies beyond the band of the seeds: *b* (-0.90 dB)." in said
    assert "The largest gain among these is *a* (+0.70 dB), inside its band of ±0.80 dB." in said
    assert findings.choices(table[3:5]) == ""
    assert findings.beyond(table.rename(columns={"another choice": "what is other"})) == said
    assert findings.choices(table[-1:]).endswith("leaves out 0 for 0.")


def test_rates_tell_the_lead_of_the_best():
    rows = [("BSRNN", "0.001", 1.0), ("BSRNN", "0.004", 2.5), ("BSRNN", "0.01", 2.25)]
    said = findings.rates(pd.DataFrame(rows, columns=["system", "learning_rate", "valid_usdr"]))
    assert "BSRNN 0.004, 0.25 dB before 0.01" in said


def test_the_guitars_split_and_the_filter():
    names = ("Wiener, trained", "BSRNN, V7", "BSRNN, guitar split", "guitar split over V7")
    rows = [("songs", name, usdr, None, None) for name, usdr in zip(names, (1.5, 1.0, 1.25, 0.25), strict=True)]
    rows[-1] = (*rows[-1][:3], -0.05, 0.55)
    said = findings.guitar(pd.DataFrame(rows, columns=["held out", "method", "usdr_mean", "low", "high"]))
    assert "the designed split changes the score by +0.25 dB [-0.05, +0.55]" in said
    assert "scores 1.50 dB, the better model 1.25 dB (0.25 dB worse)" in said


def test_the_oracles_splits_are_ranked():
    table = pd.DataFrame({"vocals": {"v7": 9.7, "uniform41": 8.0, "notes41": 11.2, "v1": 20.0}})
    said = findings.oracle(table, "vocals", ["v7", "uniform41", "notes41"])
    assert (
        said
        == "Vocals, splits of 41 bands: notes41 11.2 dB, v7 9.7 dB, uniform41 8.0 dB. 1 of the others does better than "
        "V7."
    )


def test_where_the_target_is_alone_a_model_may_take_it_away():
    rows = [("nothing else", 2.0, 20.0, 10.0), ("nothing else", 8.0, 26.0, 20.0), ("drums", 3.0, -4.0, 5.0)]
    table = pd.DataFrame(rows, columns=["with", "usdr_mean", "mixture", "seconds"])
    said = findings.alone(table, "vocals")
    assert said.startswith("Where nothing but the target plays (vocals), the mixture itself would score 24.0 dB; the "
                           "model scores 6.0 dB: it removes a part")  # fmt: skip
    assert findings.alone(table[table["with"] == "drums"], "vocals") == ""


def test_splits_are_compared_within_a_profile_and_with_the_same_seeds():
    rows = [("V1", 8.0, "-", "-"), ("V4", 9.25, "-", "-"), ("V7", 10.0, "-", "-"), ("V1", 1.0, "small", "0, 1"),
            ("V4", 1.5, "small", "0, 1"), ("V7", 1.75, "small", "0"), ("UNIFORM41", 2.0, "small", "0")]  # fmt: skip
    table = pd.DataFrame(rows, columns=["split", "usdr_mean", "profile", "seeds"])
    assert findings.splits(table) == (
        "V4 over V1, finer bands at low frequencies: +1.25 dB in the paper, +0.50 dB in profile small. "
        "V7 over V4, more bands: +0.75 dB in the paper. "
        "V7 over 41 equal bands, where the bands are, not how many: -0.25 dB in profile small. "
        "What later looks at more songs say, which may be otherwise, and how sure that is, stands in [the table of all "
        "claims](08_results.html#every-claim)."
    )
    assert findings.splits(table[table["split"] == "V7"]) == ""


def test_systems_are_told_best_first():
    table = pd.DataFrame({"target": "vocals", "system": ["BSRNN", "Open-Unmix", "X"], "usdr_mean": [1.5, 2.25, 1.0]})
    table["profile"], table["seeds"] = "small", ["0, 1, 2, 3, 4", "0", "0, 3"]
    words = "The systems of profile small, best first. Vocals: Open-Unmix 2.25 dB (one seed), BSRNN 1.50 dB, X 1.00 dB"
    words += " (2 seeds)."
    assert findings.systems(table) == words


def test_the_real_recording_holds_models_against_the_trained_filter():
    scores = {"vocals": {"BSRNN": 0.5, "Wiener, trained": 0.75}, "drums": {"BSRNN": 6.0, "Wiener, trained": 4.0}}
    rows = [(target, method, usdr) for target, of in scores.items() for method, usdr in of.items()]
    said = findings.on_real_music(pd.DataFrame(rows, columns=["target", "method", "usdr"]))
    assert "drums 6.00 dB, 2.00 dB above; vocals 0.50 dB, 0.25 dB below the filter" in said


def test_failures_tell_the_two_ends_and_what_a_seed_does():
    rows = [("all", 1.5, 0.6), ("the 5 best", 4.0, 0.5), ("the 5 worst", -0.04, 0.4)]
    table = pd.DataFrame(rows, columns=["group", "usdr_mean", "seed_sd"])
    table = table.assign(target="vocals", profile="small")
    assert findings.failures(table) == (
        "On the test songs of profile small. "
        "Vocals: the 5 best songs have a mean of 4.0 dB, the 5 worst 0.0 dB; from seed to seed a song's score has a "
        "standard deviation of 0.6 dB."
    )
    assert findings.failures(table.assign(seed_sd=None)).endswith("the 5 worst 0.0 dB.")
    assert findings.failures(table[:1]) == ""


def test_the_rules_are_counted_at_the_papers_threshold():
    rows = [("clean residual", 20.0, 90, 100, 100, 80), ("clean residual", 30.0, 90, 100, 31, 30)]
    columns = ["kind", "threshold_db", "chunks", "truly_clean", "called_clean", "of_them_right"]
    assert finetuning_findings.rules(pd.DataFrame(rows, columns=columns).assign(target="drums")) == (
        "At 30 dB, 31 of 90 chunks (drums) are called clean residual, 30 of them rightly, and 100 truly are."
    )


def test_labels_stand_beside_the_mixture():
    table = pd.DataFrame({"target": ["drums"], "unlabelled": ["songs of their own"], "mixture_as_target_db": [-6.06],
                          "target_3s_db": [3.46], "target_6s_db": [3.3]})  # fmt: skip
    assert "drums, songs of their own: 3.5 dB, -6.1 dB for the mixture itself." in finetuning_findings.labels(table)


def test_trainings_that_were_best_at_their_end_had_not_converged():
    table = pd.DataFrame({"items": [500, 500, 500], "best_items": [500, 400, 500]}, index=["a-s0", "b-s0", "c-s0"])
    assert findings.trainings(table) == (
        "Of 3 trainings 2 were best at the very end, which a learning rate that falls to zero makes likely, however "
        "long the training is."
    )
    assert findings.trainings(table[1:2]) == "Of 1 trainings 0 were best at the very end."
    assert findings.trainings(table[:0]) == ""
    said = findings.trainings(table.assign(best_items=[250, 251, 100]))
    assert "kept: a-s0, c-s0. There the mean of the few validation songs" in said


def test_a_choice_by_validation_is_told_where_both_kinds_have_several_trainings():
    rows = [("bass", findings.EARLY, 3, 1.9), ("bass", findings.LATE, 4, 2.5), ("bass", "the last", 5, 2.6),
            ("drums", findings.LATE, 9, 3.0),
            ("other", findings.EARLY, 2, 1.0), ("other", findings.LATE, 5, 1.2)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["target", "kept", "trainings", "usdr_mean"])
    table = table.assign(over_best=table["kept"].map({"the last": 0.21}), low=0.1, high=0.32)
    assert findings.kept_weights(table) == (
        "Mean uSDR of the test songs, which had no part in the choice. Bass: 3 of 7 trainings keep weights of their "
        "first half; these score 1.90 dB, the others 2.50 dB; the last weights have +0.21 dB [+0.10, +0.32] over the "
        "best ones of the same trainings."
    )
    assert findings.kept_weights(table[3:]) == ""


def test_what_a_doubling_gains_is_told_with_its_seeds():
    rows = [("vocals", "BSRNN", 0.8, -0.4, 2.0, "0, 1, 2"), ("drums", "finetuned", -0.04, None, None, "0")]
    table = pd.DataFrame(rows, columns=["target", "what", "effect", "low", "high", "seeds"])
    assert scale_findings.doubled(table) == (
        "What twice the items gain: vocals, BSRNN: +0.80 dB [-0.40, +2.00] (3 seeds); drums, finetuned: -0.04 dB "
        "(1 seed)."
    )
    assert scale_findings.doubled(table[:0]) == ""


def test_of_the_claims_on_new_timbres_the_primary_ones_are_named():
    table = pd.DataFrame(
        {"claim": ["C1", "C1, control", "C2", "C3"], "new_effect": [-0.08, 1.0, 0.2, None], "songs_wanted": None,
         "new_low": [-0.4, 0.0, None, None], "new_high": [0.3, 2.0, None, None], "new_songs": 16}
    )  # fmt: skip
    said = "On the 16 songs of new timbres, which decide nothing: C1 -0.08 dB [-0.40, +0.30]; C2 +0.20 dB."
    assert claim_findings.of_claims(table) == said and claim_findings.on_new_timbres(table[3:]) == ""
    at_first = table.assign(
        claim=["C1, first look", "C1, control", "C2", "C2, first look"], new_effect=[-0.08, 1.0, 0.2, 0.9]
    )
    assert claim_findings.on_new_timbres(at_first) == said.replace("C1", "C1, first look")


def test_with_how_many_songs_a_claim_could_be_told_from_none():
    table = pd.DataFrame(
        {"claim": ["C1", "C1, control", "C2", "C3", "C4"], "songs": 50,
         "songs_wanted": [1234.0, 5.0, math.inf, 31.0, None],
         "seeds_wanted": [3.0, 3.0, 22.0, math.inf, None], "seeds": ["0, 1, 2, 3, 4"] * 5}
    )  # fmt: skip
    said = claim_findings.power(table)
    assert "? C1 about 1300 (it has 50); C3 about 31 (it has 50); C2: with none, as the seeds alone move it" in said
    assert "on the songs that are there? C1 about 5 (it has 5); C2 about 22 (it has 5); C3 with none. 5 are" in said
    assert "control" not in said and "C4" not in said
    assert claim_findings.power(table[table["claim"] == "C4"]) == ""
