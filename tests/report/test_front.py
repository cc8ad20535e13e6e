"""The front page and the summary: what they play, and that their words say what the results say."""

import json

import fake_results
import numpy as np
import pandas as pd
import pytest
from places import REPOSITORY

from bsrnn.data import songs
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.report import front, idea, show, summary
from bsrnn.runtime.files import read_json
from bsrnn.study.results import Study
from bsrnn.study.runs import load

RATE = 8000


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, in order."""
    outputs = []
    for module in (front, summary, show):
        monkeypatch.setattr(module, "display", outputs.append)
    return outputs


@pytest.fixture
def clone(monkeypatch):
    """This repository, with its committed results."""
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))


def bases_of(profile_name):
    """The results of the targets' own models, straight from their JSON files."""
    runs = [run for run in Study(profile_name).grid.values() if "base" in run.roles]
    return [json.loads(run.result_path().read_text(encoding="utf-8")) for run in runs]


def scores_of(profile_name):
    """target -> mean uSDR over seeds."""
    of_targets = {}
    for run in bases_of(profile_name):
        of_targets.setdefault(run["target"], []).append(run["scores"]["summary"]["usdr_mean"])
    return {target: float(np.mean(values)) for target, values in of_targets.items()}


class FakeSong:
    """Stems that play in some of ten seconds."""

    def __init__(self, name, **seconds_of):
        self.name, self.sample_rate = name, RATE
        self.stems = {}
        for stem, (begin, end) in seconds_of.items():
            self.stems[stem] = np.zeros((2, 30 * RATE), np.float32)
            self.stems[stem][:, begin * RATE : end * RATE] = 0.1

    def read(self, stem, start=0, frames=-1):
        sound = self.stems[stem] if stem != "mixture" else sum(self.stems.values())
        return sound[:, start : start + frames] if frames >= 0 else sound[:, start:]


def test_the_fullest_song_is_the_one_whose_stems_play_together_the_longest():
    apart = FakeSong("apart", vocals=(0, 14), drums=(15, 30))
    together = FakeSong("together", vocals=(8, 28), drums=(8, 30))
    song, first, stems = front.fullest_song([apart, together], ["vocals", "drums"])
    assert (song.name, first) == ("together", 8 * RATE)
    assert {stem.shape for stem in stems.values()} == {(2, 20 * RATE)} and stems["vocals"].all()


def test_a_song_whose_excerpt_opens_with_sound_goes_before_a_fuller_one():
    late = FakeSong("late", vocals=(0, 30), drums=(0, 30))
    for stem in late.stems.values():
        stem[:, : 12 * RATE] = 0  # every part of twenty seconds holds a silence in its first five
        stem[:, 14 * RATE : 16 * RATE] = 0
        stem[:, 5 * RATE : 6 * RATE] = 0.1
    emptier = FakeSong("emptier", vocals=(0, 30), drums=(20, 30))
    song, first, _ = front.fullest_song([late, emptier], ["vocals", "drums"])
    assert (song.name, first) == ("emptier", 10 * RATE)


def test_the_target_that_is_separated_best_comes_first():
    known = {"vocals": {"model": 1.0}, "other": {"model": 2.0}, "bass": {"model": 2.0}, "guitar": {}}
    assert list(front.best_first(known)) == ["bass", "other", "vocals", "guitar"]


def test_the_player_has_the_models_estimates_of_the_part_that_it_shows(clone, monkeypatch):
    study, played = Study("small"), []
    targets = list(front.best_first(front.scores(study)))
    song = FakeSong("a song", **{target: (5, 30) for target in targets})
    monkeypatch.setattr(songs, "load", lambda *arguments, **settings: [song])
    monkeypatch.setattr(front, "trained_model", lambda profile_name, target: target)
    monkeypatch.setattr(front, "separate", lambda model, mixture, rate, **settings: {model: mixture / 4})
    monkeypatch.setattr(show, "player", lambda *arguments: played.append(arguments))
    front.listen("small")
    [(tracks, rate, title, _)] = played
    assert list(tracks) == ["mixture", *(f"{kind} {target}" for target in targets for kind in ("true", "estimated"))]
    assert rate == RATE and title.startswith("a song, one of the ") and title.endswith("profile small")
    np.testing.assert_array_equal(tracks[f"estimated {targets[0]}"], tracks["mixture"] / 4)
    np.testing.assert_allclose(tracks["mixture"], 0.1 * len(targets), rtol=1e-6)  # all play, all the time


def test_without_models_the_front_page_says_what_is_missing(clone, monkeypatch, shown):
    def none(profile_name, target):
        raise MissingResult("no trained model; `make reproduce` trains all")

    monkeypatch.setattr(front, "trained_model", none)
    front.listen("small")
    assert [output.data for output in shown] == [
        "There is nothing to hear on this page yet: no trained model; `make reproduce` trains all"
    ]


def test_the_words_on_the_models_have_the_scores_of_the_runs(clone, shown):
    front.quality("small")
    said, fold = (output.data for output in shown)
    assert "vocals-s0." in fold and "Where this comes from" in fold
    expected = scores_of("small")
    for target, score in expected.items():
        new = np.mean([[song["usdr"] for song in run["new"]["songs"] if song["usdr"] is not None]
                       for run in bases_of("small") if run["target"] == target])  # fmt: skip
        assert f"**{target} {score:.1f} dB**" in said and f"new timbres {new:.1f} dB" in said
    assert len(expected) > 1
    longer = [run for run in Study("small").grid.values() if "long" in run.roles]
    words = [f"{run.target} {load(run)['scores']['summary']['usdr_mean']:.1f} dB" for run in longer]
    assert longer and f"After 8 times as many training items, seed 0: **{', '.join(words)}**." in said
    order = sorted(expected, key=expected.get, reverse=True)
    assert [said.index(f"**{target} {expected[target]:.1f} dB**") for target in order] == sorted(
        said.index(f"**{target} {expected[target]:.1f} dB**") for target in order
    )


def test_a_song_has_its_place_among_all_test_songs(clone):
    playing = read_json(Study("small").best_models()["vocals"].result_path())
    scored = sorted(playing["scores"]["songs"], key=lambda song: -song["usdr"])
    for place in (1, 7, 50):
        song = scored[place - 1]
        said = front.place_among_songs(Study("small"), song["song"], ["vocals"])
        assert f"vocals {song['usdr']:.1f} dB (place {place} of 50)" in said
    assert front.place_among_songs(Study("small"), "a song of another test", ["vocals"]) == ""


def test_the_models_that_play_are_named_with_their_own_scores(clone):
    said, playing = front.which_are_heard(Study("small")), Study("small").best_models()
    assert list(playing) == ["vocals", "drums", "bass", "other"]
    for target, run in playing.items():
        score = read_json(run.result_path())["scores"]["summary"]["usdr_mean"]
        assert f"{run.id} (mean of the test songs {score:.1f} dB)" in said and run.target == target
    assert said.endswith("For vocals and bass `bsrnn separate` takes a second model, too.")


def test_a_model_below_the_filter_is_said_to_be_below_it():
    assert front._score("drums", {"model": 1.0, "wiener": 1.2}) == "**drums 1.0 dB**, 0.2 dB below a fixed filter"
    assert front._score("drums", {"model": 1.5, "wiener": 1.0}) == "**drums 1.5 dB**, 0.5 dB above a fixed filter"
    assert front._score("drums", {"model": 1.5}) == "**drums 1.5 dB**"


def test_your_scores_stand_beside_the_committed_ones():
    ours = {"vocals": {"model": 1.0, "wiener": 0.5}, "drums": {"model": 3.0}}
    table = front.side_by_side(ours, {"vocals": {"model": 0.25}, "bass": {"silence": 0.0}})
    rows = {(row.target, row.method): (row.committed, row.yours) for row in table.itertuples()}
    assert list(rows) == [
        ("drums", "BSRNN"), ("vocals", "Wiener, trained"), ("vocals", "BSRNN"), ("bass", "silence")]  # fmt: skip
    assert rows["vocals", "BSRNN"] == (1.0, 0.25)
    assert rows["vocals", "Wiener, trained"][0] == 0.5 and np.isnan(rows["vocals", "Wiener, trained"][1])


def test_a_clone_shows_nothing_of_yours_and_a_reproduction_shows_both(shown, tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    for name in ("results/small", "data/published"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(REPOSITORY / name)
    front.yours("small", "small")
    assert shown == []
    fake_results.write_results("tiny")
    front.yours("small", "tiny")  # stands for any other profile that is complete
    text = [output.data for output in shown]
    for target, value in scores_of("tiny").items():
        assert f">{value:.2f}</td>" in text[1], target
    assert "Yours: profile tiny" in text[1] and "Committed: profile small" in text[1]
    assert "- C3, hop 1.5 s - hop 3 s, vocals: " in text[2]


def test_the_summary_counts_what_the_results_hold(clone, shown):
    summary.cost("small")
    summary.verdicts("small")
    summary.method("small")
    summary.open_choices()
    cost, verdicts, method, choices = [output.data for output in shown]
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "results/small/runs").glob("*.json")]
    runs = [run for run in runs if run["id"] in Study("small").grid]  # another run's result may wait
    trained = [run for run in runs if run["training"]]
    assert f"Profile small: {len(runs)} runs, {len(trained)} of them trainings." in cost
    own = [run for run in runs if "copied_from" not in run]  # the others are counted where they were computed
    for device in {run["device"] for run in own}:
        there = [run for run in own if run["device"] == device]
        seconds = sum(run["training"]["seconds"] for run in there if run["training"])
        scoring = sum(run["score_seconds"] for run in there)
        assert f"{seconds / 3600:.1f} hours of training and {scoring / 3600:.1f} of scoring on {device} with" in cost
    assert verdicts.count("\n- **C") == 5 and "On the paper's own data none was tested." in verdicts
    sizes = {run["training"]["parameters"] for run in bases_of("small")}
    assert all(f"{size:,}" in method for size in (min(sizes), max(sizes)))
    ledger = (REPOSITORY / "data/published/open_details.csv").read_text(encoding="utf-8").splitlines()
    assert f"The ledger has {len(ledger) - 1} choices: those that the paper leaves open" in choices


def test_the_summary_says_how_near_the_aims_are(clone, shown):
    summary.aims("small")
    [said] = [output.data for output in shown]
    tables = REPOSITORY / "results" / "small" / "tables"
    usdr = pd.read_csv(tables / "table3.csv").query("profile == 'small'").set_index("model").filter(like="_usdr")
    ours, learnt, knowing = (
        usdr[usdr.index.str.startswith(name)].iloc[0] for name in ("BSRNN (", "Wiener, t", "Wiener, k")
    )
    for target in ("vocals", "bass", "other"):
        assert f"{target} {knowing[f'{target}_usdr'] - ours[f'{target}_usdr']:.2f} dB below" in said
    long = pd.read_csv(tables / "long.csv").query("target != 'mean' and items == 40000").set_index("target")
    above = long["usdr_mean"] - long["wiener_oracle"]
    assert f"one training each, vocals {above['vocals']:.2f} dB above, drums {above['drums']:.2f} dB above" in said
    gains = (ours - learnt)["all_usdr"], (long["usdr_mean"] - long["wiener"]).mean()
    assert (
        "in the mean of the targets.* {:.1f} dB; after 40000 items, one training each, {:.1f} dB".format(*gains) in said
    )
    rows = pd.read_csv(tables / "claims.csv").set_index("claim")
    primary = rows[~rows.index.str.contains(",")]
    for claim, row in primary.iterrows():
        assert (f"{claim} ({row['detectable']:.3f} dB" in said) == (row["detectable"] > row["margin"])
    assert f"Undecided: {', '.join(primary.index[primary['our_analogue'] == 'undecided'])}." in said


def test_a_chapter_opens_with_what_came_of_its_claims(clone, shown):
    show.outcome("small", "C1", "C4")
    [said] = [output.data for output in shown]
    table = pd.read_csv(REPOSITORY / "results" / "small" / "tables" / "claims.csv").set_index("claim")
    for claim in ("C1", "C4"):
        row = table.loc[claim]
        verdict = row.our_analogue.capitalize() + ", and the other way round" * bool(row.high < 0)
        assert f"- **{claim}.** {row.statement} *{verdict}* ({row.contrast}: " in said
        interval = "" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]"
        assert f"{row.effect:+.2f} dB{interval}" in said
    show.outcome("recommended", "C1")  # whose runs have no results
    show.finding("table1", "recommended")
    assert len(shown) == 1
    with pytest.raises(ConfigError, match="C9"):
        show.outcome("small", "C9")


def test_the_committed_results_are_shown_where_they_are_whole(monkeypatch):
    class Whole:
        def __init__(self, name):
            self.complete = name == "small"

    monkeypatch.setattr(front, "Study", Whole)
    assert front.committed("quick") == "small"
    monkeypatch.setattr(front, "README_PROFILE", "previews")
    assert front.committed("quick") == "quick"


# ---- the drawing ----


def test_the_drawing_in_the_book_is_the_one_that_the_code_draws():
    static = REPOSITORY / "book" / "_static"
    assert (static / "idea.html").read_text(encoding="utf-8") == idea.fragment(), "run python -m bsrnn.report.idea"
    assert (static / "idea.svg").read_text(encoding="utf-8") == idea.picture(), "run python -m bsrnn.report.idea"


def test_the_drawing_has_the_papers_bands():
    """V7 has 41 bands, so 40 edges between them; 1 kHz lies higher than 500 Hz."""
    assert idea.panels()[2].count(f'stroke="{idea.TARGET_COLOURS[idea.MASKED]}"') == 40
    assert "41 bands for vocals" in idea.picture() and "41 bands for vocals" in idea.fragment()
    assert idea.height_of(0) == 0 and idea.height_of(22_050) == 1 and idea.height_of(1000) > idea.height_of(500)
