"""`bsrnn compare` and `bsrnn curve` on a folder of someone's own stems: trained for real, by the profile `tiny`."""

import json

import made_songs
import pytest

from bsrnn import cli

RATE = 44100
SPLIT, HOP = ("--set", "model.band_split=v1"), ("--set", "separate.hop_seconds=3")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Four songs with the stems piano and rest."""
    return made_songs.of_tones(tmp_path_factory.mktemp("songs"), 4)


def compare(songs, out, *more):
    return cli.main(["compare", "--data", str(songs), "--target", "piano", "--profile", "tiny", "-o", str(out), *more])


def test_a_comparison_trains_both_once_and_another_one_takes_its_base(songs, tmp_path, monkeypatch, capsys):
    """Outside of any clone, as an installed package is called: one's own songs are all that is needed."""
    monkeypatch.delenv("BSRNN_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    assert compare(songs, out, *SPLIT) == 0
    said = capsys.readouterr()
    assert "to train: piano-s0, piano-band_split=v1-s0" in said.err
    lines = said.out.splitlines()
    assert lines[0] == "model.band_split=v1 against the base: piano, profile tiny, uSDR in dB"
    [folder] = out.iterdir()
    [base] = folder.glob("weights/piano-s0.*/model.safetensors")
    [summary] = folder.glob("piano-band_split=v1.*.json")
    values = json.loads(summary.read_text())
    assert values["sentence"] in lines and values["same_items"]
    scores = {run["side"]: json.loads((folder / run["file"]).read_text()) for run in values["runs"]}
    usdr = {side: result["scores"]["songs"][0]["usdr"] for side, result in scores.items()}
    assert values["effect"]["mean"] == pytest.approx(usdr["changed"] - usdr["base"])
    assert scores["changed"]["config"]["model"]["band_split"] == "v1"
    trained = base.stat().st_mtime_ns
    assert compare(songs, out, *HOP) == 0  # the same weights, scored in another way
    said = capsys.readouterr().err
    assert "to score: piano-hop_seconds=3-s0" in said and "to train" not in said
    assert base.stat().st_mtime_ns == trained and len(list(folder.glob("weights/*/model.safetensors"))) == 2
    assert compare(songs, out, *HOP) == 0
    assert "all results are there, nothing is trained or scored" in capsys.readouterr().err
    figure = tmp_path / "curve.svg"
    assert cli.main(["curve", *map(str, folder.glob("weights/piano-*/")), "--out", str(figure)]) == 0
    assert "finished, " in capsys.readouterr().out and b"<svg" in figure.read_bytes()
    monkeypatch.undo()  # in a clone, which has what others published
    for place in (figure, tmp_path / "curve.png"):  # once more replaces its own figure, and nobody else's
        assert [cli.main(["curve", str(next(folder.glob("weights/piano-*/"))), "--out", str(place)])] * 2 == [0, 0]
    figure.write_text("<svg>mine</svg>")
    assert cli.main(["curve", str(next(folder.glob("weights/piano-*/"))), "--out", str(figure)]) == 1
    assert "curve.svg is there already, is not of this command" in capsys.readouterr().err
    assert figure.read_text() == "<svg>mine</svg>"


@pytest.mark.parametrize(
    ("change", "said"),
    [(("--set", "model.band_split=v7"), "the base is just so, so there is nothing to compare"),
     (("--set", "data.excerpt_seconds=3"), "it changes the songs that are scored"),
     (("--set", "data.train_songs=3"), "only the embedded songs are counted so"),
     (("--set", "model.features=0"), "got model.features 0: expected")],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_leaves_nothing(songs, tmp_path, change, said, capsys):
    assert compare(songs, tmp_path / "out", *change) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("bsrnn compare: ") and said in line
    assert not (tmp_path / "out").exists()


def test_a_split_is_given_in_one_way(songs, tmp_path, capsys):
    arguments = ["train", "--data", str(songs), "--target", "piano", "--profile", "tiny", "--out", str(tmp_path / "m")]
    assert cli.main([*arguments, "--split", "v1", *SPLIT]) == 1
    assert "got --split v1 and --set model.band_split=v1: expected one of the two" in capsys.readouterr().err


def test_a_figure_of_another_kind_is_refused(tmp_path, capsys):
    assert cli.main(["curve", str(tmp_path), "--out", str(tmp_path / "curve.pdf")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "expected a file that ends in .svg or .png" in lines[0] and "holds no training" in lines[1]
    assert list(tmp_path.iterdir()) == []
