"""What a reader may give to a chapter is a parameter that papermill finds, and it changes what the chapter shows."""

import json
import re

import pytest
from places import REPOSITORY

from bsrnn import bands
from bsrnn.data import songs
from bsrnn.errors import ConfigError
from bsrnn.report import comparison as report
from bsrnn.study import comparison, profiles

pytest.importorskip("papermill", reason="the book extra is not installed")

GIVEN = {
    "01_band_split": {"split": "v2"},
    "02_data_and_mixing": {"target": "drums", "song": 1},
    "05_finetuning": {"threshold_db": 15.0},
    "06_separation_and_evaluation": {"target": "drums", "song": 1, "hop": 3.0},
    "13_change_one_thing": {"change": "model.band_split=v1", "target": "vocals", "seeds": 2},
}


@pytest.mark.parametrize("chapter", GIVEN)
def test_papermill_finds_the_parameters(chapter):
    """It passes over a line with two equals signs, and then takes the parameter for an unknown one."""
    from bsrnn.workflow.notebooks import check_parameters

    check_parameters(REPOSITORY / "book" / f"{chapter}.ipynb", {"profile": "small"} | GIVEN[chapter])


@pytest.mark.parametrize("chapter", GIVEN)
def test_each_parameter_is_used(chapter):
    cells = json.loads((REPOSITORY / "book" / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    used = [cell for cell in cells if cell["cell_type"] == "code" and "parameters" not in str(cell["metadata"])]
    code = "\n".join("".join(cell["source"]) for cell in used)
    for name in GIVEN[chapter]:
        assert re.search(rf"(?<!\w){name}(?!\w|\s*=[^=])", code), name


def test_auto_is_the_profiles_own_and_a_value_is_checked():
    small = profiles.profile("small")
    assert profiles.with_parameters(small, {"separate.hop_seconds": "auto"}) == small
    assert profiles.with_parameters(small, {"separate.hop_seconds": 3.0}).separate.hop_seconds == 3.0
    with pytest.raises(ConfigError, match="segments of 3 s every 9 s"):
        profiles.with_parameters(small, {"separate.hop_seconds": 9.0})
    assert profiles.resolve_target(small, "auto") == small.targets[0]
    assert profiles.resolve_target(small, "piano", ["piano"]) == "piano"
    with pytest.raises(ConfigError, match="got target 'piano': expected auto, or one of vocals"):
        profiles.resolve_target(small, "piano")
    assert songs.chosen(["a", "b"], 1) == "b"
    for wrong in (2, -1, "1", 0.5):
        with pytest.raises(ConfigError, match="expected a whole number from 0 to 1"):
            songs.chosen(["a", "b"], wrong)


@pytest.mark.book
def test_another_split_shows_other_bands(tmp_path, monkeypatch):
    from bsrnn.workflow.notebooks import execute

    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    output = tmp_path / "out.ipynb"
    execute(REPOSITORY / "book" / "01_band_split.ipynb", output, {"profile": "tiny", "split": "v2"})
    [table] = [text for text in texts(output) if "E1, lowest string of a bass" in text]
    assert "v2" in table and "v7" not in table
    # the third harmonic of E1, 124 Hz, lies in the first band: 23 bins of 21.5 Hz instead of V7's four
    hertz = bands.band_widths("v2")[0] * 44100 / 2048
    assert f"{hertz / (440 * 2 ** ((28 - 69) / 12)):.2f}" in table


@pytest.mark.book
def test_the_change_is_what_the_chapter_compares(tmp_path, monkeypatch):
    """By committed runs: nothing is trained."""
    from bsrnn.workflow.notebooks import main

    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    output = tmp_path / "out.ipynb"
    given = ["-p", "change", "model.band_split=v1", "-p", "target", "vocals", "-p", "seeds", "2"]
    assert main([str(REPOSITORY / "book" / "13_change_one_thing.ipynb"), str(output), *given]) == 0
    plan = comparison.plan(profiles.SMALL, ["model.band_split=v1"], "vocals", 2, tmp_path)
    shown = "\n".join(texts(output))
    assert "profile small; to train: nothing" in shown
    assert report.compared(plan).sentence in shown


def texts(path):
    """What the cells of an executed notebook show as text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    data = [output.get("data", {}) for output in outputs]
    shown = [said.get("text/markdown") or said.get("text/plain", "") for said in data]
    return ["".join(output.get("text") or words) for output, words in zip(outputs, shown, strict=True)]
