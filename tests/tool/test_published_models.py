"""The page on published models: each of its commands runs as it stands, on files of the same names and structure."""

import json
import re
import shlex

import numpy as np
import pytest
from places import REPOSITORY
from test_import_replication import Twin, lightning, write

import bsrnn
from bsrnn import cli
from bsrnn.audio import files as audio
from bsrnn.bands import band_widths
from bsrnn.report import tables
from bsrnn.runtime.precision import separating_dtype

PAGE = REPOSITORY / "book" / "published_models.md"
RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


def commands():
    [block] = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [shlex.split(line) for line in block.splitlines()]


@pytest.fixture
def place(tmp_path):
    """A folder with two checkpoints, a song, and MUSDB18-HQ's layout with one song for testing."""
    folder = tmp_path
    for name in ("bsrnn-opt", "simo-bsrnn-opt"):
        (folder / name).mkdir()
    twin = Twin(band_widths("vocals"), n=2, heads=2, tac=3)
    write(folder / "bsrnn-opt" / "vocals.ckpt", lightning(twin, targets=["vocals"]))
    twin = Twin(band_widths("simo"), n=2, heads=2, tac=3, targets=4)
    write(folder / "simo-bsrnn-opt" / "separator.ckpt", lightning(twin, targets=list(STEMS)))
    generator = np.random.default_rng(0)
    stems = {stem: generator.uniform(-0.2, 0.2, (2, 2 * RATE)).astype(np.float32) for stem in STEMS}
    stems["mixture"] = sum(stems.values())
    for split, song in (("train", "A Classic Education - NightOwl"), ("test", "AM Contra - Heart Peripheral")):
        for stem, samples in stems.items():
            audio.write(folder / "data" / "musdb18hq" / split / song / f"{stem}.wav", samples, RATE)
    audio.write(folder / "song.wav", stems["mixture"], RATE)
    return folder


def test_every_command_of_the_page_runs_as_it_stands(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    lines = commands()
    assert [line[:2] for line in lines] == [
        ["bsrnn", name] for name in ("import", "separate", "evaluate") for _ in "12"
    ]
    for line in lines:
        assert cli.main(line[1:]) == 0, line
    printed = capsys.readouterr().out
    for model, targets in (("obsrnn-vocals", ("vocals",)), ("obsrnn-simo", STEMS)):
        assert bsrnn.load(place / "models" / model).config.targets == targets
        assert {path.stem for path in (place / "separated" / model / "song").iterdir()} == set(targets)
        found = json.loads((place / "scores" / model / "scores.json").read_text())
        assert found["separate"]["segment_seconds"] == 10 and found["separate"]["hop_seconds"] == 9
        assert [row["song"] for row in found["scores"]["vocals"]["songs"]] == ["AM Contra - Heart Peripheral"]
        for target in targets:
            assert (
                f"{target}: uSDR {found['scores'][target]['summary']['usdr_mean']:.2f} dB (mean of 1 songs), cSDR"
                in printed
            )


def test_the_stems_are_those_of_the_segments_that_the_page_names(place, monkeypatch):
    monkeypatch.chdir(place)
    for line in commands():
        if line[1] != "evaluate":
            assert cli.main(line[1:]) == 0, line
    mixture = audio.read(place / "song.wav")
    model = bsrnn.load(place / "models" / "obsrnn-vocals", separating_dtype())  # as the command chooses it
    expected = bsrnn.separate(model, mixture, RATE, 10, 9)["vocals"]
    written = audio.read(place / "separated" / "obsrnn-vocals" / "song" / "vocals.wav")
    assert np.abs(written - expected).max() < 2**-15  # files of 16 bit


def test_no_published_score_is_typed_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    table = tables.published("replication")
    scores = {f"{value:.2f}" for name in table if name.endswith("_csdr") for value in table[name]}
    assert len(scores) == 15 and not any(score in text for score in scores)
