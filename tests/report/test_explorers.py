"""What the explorers of the book are given, and that their scripts compute with it what the library does."""

import json
import math
import shutil
import subprocess
from dataclasses import replace

import fake_results
import numpy as np
import pytest
import torch
from places import REPOSITORY

from bsrnn import bands
from bsrnn.config import SeparateConfig
from bsrnn.data import musdb
from bsrnn.errors import DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.report.chapters import ch05_finetuning
from bsrnn.report.explorers import band_splits, contrasts, overlap, threshold
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.separation import fade
from bsrnn.study import costs, profiles
from bsrnn.study.results import Results, Study

PAPER = profiles.PAPER.model
OWN_WIDTHS = [1] * 100 + [25] * 20 + [425]  # of nobody's split
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs node; the browser test tries the pages, too")


def evaluated(tmp_path, script: str, expression: str, argument) -> object:
    """What a JavaScript expression of a script's exports and of ``argument`` gives."""
    module = tmp_path / f"{script}.mjs"
    shutil.copy(REPOSITORY / "book" / "_static" / f"{script}.js", module)
    (tmp_path / "argument.json").write_text(json.dumps(argument))
    program = (
        f'import * as script from "{module}"; import {{ readFileSync }} from "node:fs";'
        f'const argument = JSON.parse(readFileSync("{tmp_path}/argument.json"));'
        f"console.log(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


# ---- band splits ----


class MadeUpSong:
    """Four seconds: noises that grow louder towards other ends of the spectrum; a stem that rests."""

    name, sample_rate, frames, stems = "made up", 44100, 4 * 44100, ("bass", "drums", "vocals")

    def read(self, stem: str) -> np.ndarray:
        noise = np.random.default_rng(len(stem)).normal(size=(2, self.frames)) * 0.1
        if stem == "vocals":
            return np.zeros((2, self.frames), np.float32)
        coloured = noise + (0.01 * np.cumsum(noise, axis=1) if stem == "bass" else 2 * np.diff(noise, prepend=0))
        envelope = 1 + np.sin(np.arange(self.frames) / (9000 if stem == "bass" else 5000))
        return (coloured * envelope).astype(np.float32)


@pytest.fixture(scope="module")
def sums():
    return band_splits.of_song(MadeUpSong(), PAPER)


@pytest.fixture(scope="module")
def page(sums):
    return band_splits.page_data(sums, PAPER, "made up")


def by_hand(stem: str, widths: list[int], start: int) -> float:
    """The oracle as its definition says: the gain of each band and block, applied to the mixture."""
    song, window = MadeUpSong(), torch.hann_window(2048)
    samples = 2048 + (band_splits.BLOCKS * band_splits.BLOCK_FRAMES - 1) * 512
    spectra = {
        name: torch.stft(torch.from_numpy(song.read(name)[:, start : start + samples]), 2048, 512, window=window,
                         center=False, return_complex=True).numpy().astype(complex)
        for name in song.stems
    }  # fmt: skip
    mixture, left, low = sum(spectra.values()), 0.0, 0
    for width in widths:
        for first in range(0, mixture.shape[2], band_splits.BLOCK_FRAMES):
            cut = np.s_[:, low : low + width, first : first + band_splits.BLOCK_FRAMES]
            x, s = mixture[cut], spectra[stem][cut]
            gain = (x.conj() * s).real.sum() / (np.abs(x) ** 2).sum()
            left += (np.abs(s - gain * x) ** 2).sum()
        low += width
    return 10 * math.log10((np.abs(spectra[stem]) ** 2).sum() / left)


@pytest.mark.parametrize("widths", [bands.band_widths("v1"), bands.band_widths("v7"), OWN_WIDTHS])
def test_the_oracle_of_the_sums_is_that_of_the_spectrograms(sums, widths):
    scores = band_splits.oracle_db(sums, widths)
    start = round(sums.start_seconds * 44100)
    assert scores["bass"] == pytest.approx(by_hand("bass", widths, start), abs=1e-3)
    assert scores["drums"] == pytest.approx(by_hand("drums", widths, start), abs=1e-3)
    assert scores["vocals"] is None


def test_the_excerpt_is_where_the_quietest_stem_is_loudest():
    rests_first = np.r_[np.zeros(50), np.ones(50)][None]
    loud_first = np.r_[np.ones(50), np.full(50, 0.1)][None]
    assert band_splits._fullest([rests_first, loud_first], samples=20, step=10) == 40  # half of each
    assert band_splits._fullest([np.zeros((1, 100))], samples=20, step=10) == 0


def test_a_song_that_cannot_be_explored_is_refused():
    song = MadeUpSong()
    song.frames = 44100
    with pytest.raises(
        DataError, match="'made up' has 3 stems and 44100 samples, expected one stem or more and 112128"
    ):
        band_splits.of_song(song, PAPER)


@pytest.mark.parametrize("model", [PAPER, profiles.SMALL.model, replace(PAPER, mlp_layers=2)])
def test_costs_are_the_librarys_own_counts(model):
    line = band_splits.cost_of_bands(model)
    for name in band_splits.LABELS:
        widths = tuple(bands.band_widths(name))
        with torch.device("meta"):
            counted = BSRNN(replace(model, band_split=widths)).count_parameters()
        assert line["parameters_base"] + line["parameters_band"] * len(widths) == counted
        split = replace(model, band_split=widths)
        macs = (costs.forward_operations(split, 11.0) - costs.forward_operations(split, 1.0)) / 20
        assert line["macs_base"] + line["macs_band"] * len(widths) == pytest.approx(macs)


def test_every_split_of_the_paper_can_be_chosen(page):
    chosen = {split["name"]: split["widths"] for split in page["splits"]}
    users_of_v7 = {"vocals", "other"}
    assert set(chosen) == (set(bands.SCHEMES) | set(bands.DERIVED)) - users_of_v7
    assert all(sum(widths) == 1025 for widths in chosen.values()) and page["first"] in chosen
    assert len(json.dumps(page)) < 200_000
    assert page["picture"].startswith("data:image/jpeg;base64,")


@needs_node
def test_the_script_scores_any_split_as_the_library_does(page, sums, tmp_path):
    splits = [split["widths"] for split in page["splits"]] + [OWN_WIDTHS, [1] * 1025, [1025]]
    expression = (
        "argument.splits.map((widths) => script.oracle(argument.page, script.runningSums(argument.page), widths))"
    )
    scored = evaluated(tmp_path, "explore_bands", expression, {"page": page, "splits": splits})
    for widths, scores in zip(splits, scored, strict=True):
        expected = band_splits.oracle_db(sums, widths)
        assert scores["vocals"] is None and expected["vocals"] is None
        assert [scores[stem] for stem in ("bass", "drums")] == pytest.approx(
            [expected[stem] for stem in ("bass", "drums")], abs=0.05
        )
    assert scored[0] != scored[5]


@needs_node
def test_the_script_counts_costs_as_the_library_does(page, tmp_path):
    [counted] = evaluated(tmp_path, "explore_bands", "[script.costOf(argument, 41)]", page)
    assert counted["parameters"] == BSRNN(replace(PAPER, band_split="v7")).count_parameters()
    assert counted["macs"] == pytest.approx(page["cost"]["macs_base"] + 41 * page["cost"]["macs_band"])


def test_the_table_for_paper_has_every_split(sums):
    table = band_splits.table_of_splits(sums, PAPER)
    assert table["K"].tolist() == [len(bands.band_widths(name)) for name in band_splits.LABELS]
    html = band_splits.fallback(sums, PAPER)
    assert "41 equal bands" in html and html.count("<tr") == 1 + len(table)


# ---- the energy rules ----


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A root whose profile quick has made-up results."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    shutil.copytree(REPOSITORY / "data" / "published", tmp_path / "data" / "published")
    monkeypatch.setattr(musdb, "can_be_decoded", lambda: True)
    fake_results.write_results("quick")
    return tmp_path


def test_every_committed_chunk_is_given_with_its_song(made_up):
    results = Results(Study("quick"), {"teacher"})
    data = threshold.page_data(results)
    assert [teacher["target"] for teacher in data["teachers"]] == [done.run.target for done in results.finished]
    teacher, chunks = data["teachers"][0], results.finished[0].scores["chunks"]
    assert len(teacher["chunks"]) == len(chunks) == 40
    for row, chunk in zip(teacher["chunks"], chunks, strict=True):
        assert row[:2] == [chunk["target_down"], chunk["residual_down"]]
        assert teacher["songs"][row[4]] == chunk["song"] and row[5] == chunk["seconds"]
    assert (made_up / teacher["file"]).is_file()
    assert data["paper_db"] == 30


@needs_node
@pytest.mark.parametrize("threshold_db", [0, 2, 6, 20, 30, 60])
def test_the_script_judges_as_the_library_does(made_up, threshold_db, tmp_path):
    results = Results(Study("quick"), {"teacher"})
    data, question = threshold.page_data(results), ch05_finetuning.Question()
    given = {"chunks": data["teachers"][0]["chunks"], "threshold": threshold_db}
    counted = evaluated(tmp_path, "explore_threshold", "script.counts(argument.chunks, argument.threshold, 30)", given)
    for kind, row in counted.items():
        judged = ch05_finetuning._judged(results.finished[0].scores["chunks"], kind, threshold_db, question)
        expected = {"called": "called_clean", "right": "of_them_right", "truly": "truly_clean"}
        assert row == {name: judged[column] for name, column in expected.items()}


# ---- overlap ----


def test_the_scores_of_a_hop_are_those_of_its_runs(made_up):
    results = Results(Study("quick"), {"hop"})
    data = overlap.page_data(results)
    assert [row["hop_seconds"] for row in data["measured"]] == [0.5, 1.0, 1.5, 3.0]
    for row in data["measured"]:
        [done] = [read_json(made_up / file) for file in row["files"]]
        assert row["usdr"] == pytest.approx(done["scores"]["summary"]["usdr_mean"])
        assert done["config"]["separate"]["hop_seconds"] == row["hop_seconds"]
    assert data["target"] == "vocals" and {done.run.target for done in results.finished} == {"vocals"}
    assert data["paper"] == {"0.5": 10.04, "1.0": 10.0, "1.5": 9.94, "3.0": 9.75}
    assert data["window"] == SeparateConfig().window and data["segment_seconds"] == 3


def test_drawn_windows_are_the_librarys(made_up):
    for window in overlap.page_data(Results(Study("quick"), {"hop"}))["windows"]:
        assert window["weights"] == pytest.approx(fade(120, window["name"]).tolist(), abs=1e-5)


@needs_node
@pytest.mark.parametrize(
    ("window", "hop", "ripple"),
    [("triangle", 60, 0), ("triangle", 120, 1 - 1 / 60), ("flat", 60, 0), ("flat", 50, 1 / 3), ("triangle", 40, None)],
)
def test_the_script_sums_windows(made_up, window, hop, ripple, tmp_path):
    given = next(row for row in overlap.page_data(Results(Study("quick"), {"hop"}))["windows"] if row["name"] == window)
    expression = "{ sums: script.sumOfWindows(argument, %d), ripple: script.ripple(script.sumOfWindows(argument, %d)) }"
    counted = evaluated(tmp_path, "explore_overlap", f"({expression % (hop, hop)})", given["weights"])
    total = np.zeros(1000)
    for start in range(0, 1000 - 120, hop):
        total[start : start + 120] += fade(120, window).numpy()
    first = 5 * hop if hop > 100 else 10 * hop
    assert counted["sums"] == pytest.approx(total[first : first + hop], abs=1e-4)
    expected = 1 - total[first : first + hop].min() / total[first : first + hop].max() if ripple is None else ripple
    assert counted["ripple"] == pytest.approx(expected, abs=2e-3)


# ---- contrasts ----


def test_every_dot_is_a_difference_of_two_committed_scores(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    data = contrasts.page_data("small")
    assert len(json.dumps(data)) < 200_000
    groups = [contrast["group"] for contrast in data["contrasts"]]
    assert groups == sorted(groups, key=[contrasts.CLAIMS, contrasts.OPEN, contrasts.BEYOND].index)
    labels = [contrast["label"].partition(":")[0] for contrast in data["contrasts"]]
    assert "C1, first look" in labels and "C1, second look" not in labels  # its dots are the third look's
    single = 0
    assert len({tuple(songs) for songs in data["songs"]}) == len(data["songs"]) > 1
    for contrast in data["contrasts"]:
        names = data["songs"][contrast["songs"]]
        dots = [value for seed in contrast["seeds"] for value in seed["differences"]]
        assert np.mean(dots) == pytest.approx(contrast["effect"], abs=1e-3)
        assert len(contrast["interval"]) in (0, 2)
        # what was trained with one seed has the band of the seeds in its interval's place
        of_claim = contrast["group"] == contrasts.CLAIMS  # which waits for seeds, and is undecided
        trained_once = len(contrast["seeds"]) == 1 and contrast["interval_over"] == "-" and not of_claim
        assert (contrast["seed_band"] is not None) == trained_once and not (trained_once and contrast["interval"])
        for seed in contrast["silent"]:
            [row] = [row for row in contrast["seeds"] if row["seed"] == seed]
            runs_of_seed = [read_json(paths.root() / file) for files in row["files"] for file in files]
            assert min(abs(run["scores"]["summary"]["usdr_mean"]) for run in runs_of_seed) < 0.1
        for seed in contrast["seeds"]:
            changed, against = ([read_json(paths.root() / file) for file in files] for files in seed["files"])
            assert changed and against and len(seed["differences"]) == len(names)
            if len(changed) == len(against) == 1:
                scores = [{row["song"]: row["usdr"] for row in run["scores"]["songs"]} for [run] in (changed, against)]
                by_hand = [scores[0][song] - scores[1][song] for song in names]
                assert seed["differences"] == pytest.approx(by_hand, abs=6e-4)
                single += 1
    assert single > 10


def test_contrasts_follow_the_results_that_are_there(made_up):
    labels = [contrast["label"] for contrast in contrasts.page_data("quick")["contrasts"]]
    assert "C1: V4 - V1, vocals" not in labels and "C3: hop 1.5 s - hop 3 s, vocals" in labels
    assert "vocals: segments of 10 s, 10 % fade (replication)" in labels


@needs_node
def test_ticks_are_round_numbers_inside(tmp_path):
    given = [[-1.2, 2.6], [-0.004, 0.031], [0.0, 60.0]]
    ticks = evaluated(tmp_path, "explore_contrasts", "argument.map(([low, high]) => script.ticks(low, high))", given)
    assert ticks == [[-1, 0, 1, 2], [0, 0.01, 0.02, 0.03], [0, 10, 20, 30, 40, 50, 60]]
