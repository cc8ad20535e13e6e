"""What the command lines share: files that begin with "-", numbers, devices, and places as people write them."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from places import REPOSITORY

from bsrnn import cli
from bsrnn.errors import ConfigError
from bsrnn.runtime import paths
from bsrnn.tool import chosen_models, options
from bsrnn.workflow import reproduce as workflow


def stopped(arguments, capsys, main=cli.main):
    """The last line of what the parser says before it gives up."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["-song.wav", "-q song.MP3", "-old.flac"])
def test_a_song_that_looks_like_an_option_is_said_how_to_give(name, capsys):
    assert f"'{name}' begins with '-', which options do: for the file write ./{name}" in stopped(
        ["separate", name], capsys
    )


def test_a_file_of_any_kind_that_looks_like_an_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("-x.ckpt").touch()
    assert "for the file write ./-x.ckpt" in stopped(["import", "-x.ckpt", "--out", "model"], capsys)


@pytest.mark.parametrize("name", ["-other.wav", "-n.ogg", "-quiet.mp3"])
def test_no_song_is_taken_for_the_value_of_an_option(name, tmp_path, monkeypatch, capsys):
    """-other.wav is --out ther.wav to argparse: the song would be passed over, and a folder made of its name."""
    monkeypatch.chdir(tmp_path)
    for file in ("song.wav", name):
        Path(file).touch()
    assert f"write ./{name}" in stopped(["separate", "song.wav", name], capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["song.wav", name])


def test_after_two_dashes_all_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-song.wav").touch()
    options = cli.parser().parse_args(["separate", "-o", "out", "--", "-song.wav"])
    assert list(map(str, options.songs)) == ["-song.wav"] and str(options.out) == "out"


def test_other_mistakes_say_nothing_of_files(capsys):
    assert "begins with" not in stopped(["separate", "--modle", "x"], capsys)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", "²", "٣", "0", "1025", "9" * 5000])
def test_whole_numbers_within_limits(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1 to 1024"):
        options.whole(1, 1024)(text)
    assert options.whole(1, 1024)("1024") == 1024
    assert options.whole(1, 1024)("0" * 5000 + "5") == 5 and options.whole(0)("00") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data", "--jobs", "0"], "argument --jobs/-j: got '0', expected a whole number from 1 to 1024"),
        (["separate", "song.wav", "-j", "0"], "argument --jobs/-j: got '0', expected a whole number from 1 to 1024"),
        (["separate", ""], "argument SONG: got nothing, expected a place (is a variable empty?)"),
        (["separate", "song.wav", "-o", ""], "argument --out/-o: got nothing, expected a place"),
        (["separate", "song.wav", "--model", ""], "argument --model/-n: got nothing, expected a place"),
        (["finetune", "--from", "", "--unlabelled", "none"], "argument --from: got nothing, expected a place"),
        (["data", "--jobs", "-3"], "argument --jobs/-j: got '-3', expected a whole number"),
        (["run", "x", "--threads", "-1"], "argument --threads: got '-1', expected a whole number"),
        (["run", "x", "--micro-items", "-1"], "argument --micro-items: got '-1', expected a whole number from 0 on"),
        (["verify", "--replay", "-1"], "argument --replay: got '-1', expected a whole number from 0 on"),
        (["train", "--seed", "99999999999999999999"], "argument --seed: got '99999999999999999999', expected a whole"),
        (["train", "--device", "cuda:x"], "argument --device: got 'cuda:x', expected cpu, cuda or cuda:N"),
        (["train", "--device", "cpu:0"], "argument --device: got 'cpu:0', expected cpu, cuda or cuda:N"),
    ],
)
def test_options_out_of_range(arguments, said, capsys):
    assert said in stopped(arguments, capsys)


def test_a_gpu_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert options.device_name("cuda:1") == "cuda:1"
    assert cli.main(["train", "--device", "cuda:2"]) == 1
    assert "got --device cuda:2, but torch can use 2 GPU(s)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cores", "0"], "argument --cores: got '0', expected a whole number from 1 on"),
        (["--cores", "some"], "argument --cores: got 'some', expected a whole number from 1 on"),
        (["--processes", "0"], "argument --processes: got '0', expected a whole number from 1 to 1024"),
        (["--device", "gpu"], "argument --device: got 'gpu', expected cpu, cuda or cuda:N"),
        (["--until", "boook"], "argument --until: invalid choice: 'boook'"),
    ],
)
def test_options_of_the_reproduction(arguments, said, capsys):
    assert said in stopped(arguments, capsys, workflow.main)


def test_a_reproduction_without_its_gpu_is_refused_and_its_plan_has_a_note(monkeypatch, capsys):
    """The plan is not made: what Snakemake says to it is no matter here."""
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(workflow, "alone_in", lambda root: pytest.fail("the GPU is asked for first"))
    assert workflow.main(["--profile", "tiny", "--device", "cuda"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: got --device cuda and 1 process(es): this machine has 0 GPU(s)")
    assert said.count("\n") == 1
    monkeypatch.setattr(workflow, "alone_in", lambda root: (_ for _ in ()).throw(ConfigError("planned")))
    assert workflow.main(["--profile", "tiny", "--device", "cuda", "--dry-run"]) == 1
    assert capsys.readouterr().err.startswith("note: got --device cuda and 1 process(es): this machine has 0 GPU(s)")
    assert workflow.main(["--profile", "tiny", "--device", "cuda", "--cluster", "clusters/slurm"]) == 1
    assert capsys.readouterr().err == "error: planned\n"  # the queue's machines may have one


def test_what_cannot_be_rehearsed_is_one_line(capsys):
    assert workflow.main(["--rehearse", "--profile", "quick"]) == 1
    assert capsys.readouterr().err.startswith("error: got --rehearse for profile 'quick'")


def test_the_package_can_be_called():
    done = subprocess.run([sys.executable, "-m", "bsrnn", "--help"], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0 and done.stdout.startswith("usage: bsrnn ")


# ---------------------------------------------------------------------------------------------------------- places


def test_home_and_variables_are_filled_in_unless_something_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("DISK", "/disk")
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert paths.place("~/songs") == tmp_path / "me" / "songs"
    assert paths.place("$HOME/a") == tmp_path / "me" / "a" and paths.place("${DISK}/b") == Path("/disk/b")
    assert paths.expanded("hf://user/name") == "hf://user/name" and paths.expanded("user/name") == "user/name"
    assert paths.place("$NOWHERE/Ke$ha.wav") == Path("$NOWHERE/Ke$ha.wav")
    for name in ("~", "$DISK", "Cash $HOME.wav"):
        Path(name).mkdir()
        assert paths.place(name) == Path(name)


def test_options_are_places(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    read = cli.parser().parse_args(["separate", "~/a.wav", "--model", "~/m", "--model", "hf://u/n", "--out=~/o"])
    assert read.songs == [tmp_path / "a.wav"] and read.model == [f"{tmp_path}/m", "hf://u/n"]
    assert read.out == tmp_path / "o"
    read = cli.parser().parse_args(["train", "--data", "~/d"])
    assert read.data == tmp_path / "d"


@pytest.mark.parametrize("given", ["nowhere", ".", "file"])
def test_a_root_that_is_no_project_is_one_line(given, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    soundfile.write("song.wav", [0.0] * 100, 44100)
    monkeypatch.setenv("BSRNN_ROOT", given)
    for arguments in (["verify", "--profile", "small"], ["artifacts", "--print"], ["separate", "song.wav"]):
        assert cli.main(arguments) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert f"got BSRNN_ROOT '{given}': expected the folder of a clone, which holds _config.yml" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "song.wav"]


def test_places_of_the_environment_are_filled_in(tmp_path, monkeypatch):
    (tmp_path / "_config.yml").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BSRNN_ROOT", "~")
    monkeypatch.setenv("BSRNN_DATA", "$HOME/disk")
    assert paths.root() == tmp_path.resolve() and paths.data() == tmp_path.resolve() / "disk"
    (tmp_path / "disk").touch()
    with pytest.raises(ConfigError, match="got BSRNN_DATA .*which is a file: expected a folder"):
        paths.data()


def test_the_models_of_a_clone_around_the_package_serve_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("BSRNN_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert chosen_models.default() == REPOSITORY / "results" / "small" / "checkpoints"
