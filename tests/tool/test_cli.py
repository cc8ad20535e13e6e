"""The command line on a folder of someone's own stems: data, train, evaluate, separate, finetune, and its errors."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import made_songs
import numpy as np
import pytest
import soundfile
from places import REPOSITORY

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.audio import files as audio
from bsrnn.runtime import files
from bsrnn.study import profiles

RATE = 44100
MODELS = str(REPOSITORY / "results" / "small" / "checkpoints")
FINETUNE = ("finetune", "--from", f"{MODELS}/vocals", "--unlabelled", "none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six songs with the stems piano and rest; four are for training."""
    return made_songs.of_tones(tmp_path_factory.mktemp("songs"), 6)


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "piano"
    assert cli.main(["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "--out", str(out)]) == 0
    return out


def test_songs_of_another_rate_train_with_a_model_of_that_rate(tmp_path, capsys):
    songs, model = made_songs.of_tones(tmp_path / "songs", 4, 48000), str(tmp_path / "model")
    of_songs = ["--data", str(songs), "--profile", "tiny"]
    arguments = ["train", "--target", "piano", *of_songs, "--out", model]
    assert cli.main(arguments) == 1 and "train with `--set model.sample_rate=48000`" in capsys.readouterr().err
    assert cli.main([*arguments, "--set", "model.sample_rate=48000"]) == 0
    assert bsrnn.load(model).config.sample_rate == 48000
    assert cli.main(["evaluate", "--model", model, *of_songs, "--out", str(tmp_path / "scores")]) == 0


@pytest.mark.parametrize("profile", list(profiles.PROFILES))
def test_data_says_what_is_there(folder, profile, capsys):
    """With each profile's settings: its own songs, folds and finetuning are not asked for."""
    assert cli.main(["data", "--data", str(folder), "--target", "piano", "--profile", profile]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{split}: {count} songs, {count * 7 / 60:.1f} min, stems piano, rest"
                     for split, count in (("train", 4), ("valid", 1), ("test", 1))]  # fmt: skip


def test_a_trained_model_says_what_it_was_trained_on_and_can_be_loaded(model):
    values = files.read_json(model / "config.json")
    assert values["model"]["targets"] == ["piano"]
    assert values["info"]["data"]["source"] == "folder"
    assert bsrnn.load(model).config.band_split == "v7"  # the paper has no split for a piano


def test_training_again_into_a_finished_folder_changes_nothing(folder, model, capsys):
    before = (model / "model.safetensors").read_bytes()
    assert cli.main(["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "-o", str(model)]) == 0
    assert (model / "model.safetensors").read_bytes() == before
    assert "best validation uSDR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "named"),
    [(["--target", "rest"], "model"), (["--seed", "1"], "seed"), (["--split", "v1"], "model"),
     (["--set", "model.band_split=v1"], "model")],
)  # fmt: skip
def test_a_folder_that_holds_another_training_is_refused(folder, model, change, named, capsys):
    arguments = ["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "--out", str(model)]
    before = (model / "model.safetensors").read_bytes()
    assert cli.main(arguments + change) == 1
    assert f"holds a training with another {named}: choose another --out" in capsys.readouterr().err
    assert (model / "model.safetensors").read_bytes() == before


def test_settings_that_cannot_be_take_no_folder(folder, tmp_path, capsys):
    out = tmp_path / "new"
    arguments = ["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "--out", str(out)]
    for wrong in (["--split", "v9"], ["--set", "train.batch_items=0"], ["--set", "train.learning_rate=nan"],
                  ["--set", "train.max_items=-5"], ["--set", "mixing.chunk_seconds=0.001"],
                  ["--set", "validate.segment_seconds=1e9"], ["--set", "data.seed=-1"]):  # fmt: skip
        assert cli.main(arguments + wrong) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("bsrnn train: ") and "expected" in line
        assert not out.exists()


def test_a_folder_with_settings_alone_is_taken_over_and_one_with_work_is_kept(folder, tmp_path, capsys):
    arguments = ["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "--out", str(tmp_path)]
    files.write_json(tmp_path / "settings.json", {"seed": 7})
    (tmp_path / "resume").mkdir()
    for name in ("resume/000000000002.safetensors", "model.safetensors", "training.json"):
        (tmp_path / name).write_bytes(b"hours of work")
        assert cli.main(arguments) == 1
        line = capsys.readouterr().err
        assert "holds a training with another activity, data" in line and "remove" not in line and "delete" not in line
        assert (tmp_path / name).read_bytes() == b"hours of work"
        (tmp_path / name).unlink()
    assert cli.main(arguments) == 0
    assert files.read_json(tmp_path / "settings.json")["seed"] == 0
    bsrnn.load(tmp_path)


def test_a_model_that_was_not_trained_here_is_not_overwritten(folder, model, tmp_path, capsys):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    arguments = ["train", "--target", "piano", "--data", str(folder), "--profile", "tiny", "--out", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert "holds config.json and model.safetensors, which no training here has made" in capsys.readouterr().err
    assert (tmp_path / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_the_same_songs_by_another_path_are_the_same_training(folder, model, tmp_path, monkeypatch, capsys):
    """Relative, linked, moved and with settings noted before songs were; other songs under the same name are not."""
    weights = (model / "model.safetensors").read_bytes()

    def again(data):
        code = cli.main(["train", "--target", "piano", "--data", str(data), "--profile", "tiny", "-o", str(model)])
        assert (model / "model.safetensors").read_bytes() == weights
        return code, capsys.readouterr().err

    monkeypatch.chdir(folder.parent)
    (tmp_path / "linked").symlink_to(folder)
    shutil.copytree(folder, tmp_path / "moved")
    for data in (folder.name, folder, tmp_path / "linked", tmp_path / "moved", Path("..", *folder.parts[-2:])):
        assert again(data)[0] == 0
    settings = files.read_json(model / "settings.json")
    first = settings["data"]["songs"][0]
    assert len(settings["data"]["songs"]) == 5 and first.endswith(f", {7 * RATE} samples, piano, rest")
    song = next(path for path in (tmp_path / "moved").iterdir() if first.startswith(f"train: {path.name},"))
    for stem in ("piano", "rest"):
        audio.write(song / f"{stem}.flac", audio.read(song / f"{stem}.flac")[:, :-1], RATE)
    code, said = again(tmp_path / "moved")
    assert code == 1 and "holds a training with another data: choose another --out" in said and "remove" not in said
    del settings["data"]["songs"]
    files.write_json(model / "settings.json", settings)
    assert again(folder.name)[0] == 0 and again(tmp_path / "linked")[0] == 1


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_broken_song_is_an_error_in_any_split(tmp_path, capsys, split):
    for index, name in enumerate(("train", "valid", "test")):
        for stem in ("piano", "rest"):
            audio.write(tmp_path / name / "song" / f"{stem}.wav", np.full((2, 1000 + index), 0.1, np.float32), RATE)
    assert cli.main(["data", "--data", str(tmp_path), "--target", "piano"]) == 0
    audio.write(tmp_path / split / "song" / "rest.wav", np.full((2, 900), 0.1, np.float32), RATE)
    assert cli.main(["data", "--data", str(tmp_path), "--target", "piano"]) == 1
    assert "song 'song': stems of unequal length" in capsys.readouterr().err
    shutil.rmtree(tmp_path / split)
    assert cli.main(["data", "--data", str(tmp_path), "--target", "piano"]) == (0 if split == "test" else 1)


def test_songs_of_one_name_do_not_overwrite_each_other(model, tmp_path, capsys):
    """Two files called mixture take their folders' names; two that would meet all the same have these before theirs."""
    for name in ("a/mixture.wav", "b/mixture.wav", "c/song.wav", "d/song.wav"):
        audio.write(tmp_path / name, np.zeros((2, RATE), np.float32), RATE)
    files = [str(tmp_path / name) for name in ("a/mixture.wav", "b/mixture.wav", "c/song.wav", "d/song.wav")]
    place = tmp_path / "out" / "piano"
    assert cli.main(["separate", *files, "--model", str(model), "-o", str(tmp_path / "out")]) == 0
    folders = [path.parent.relative_to(place).as_posix() for path in place.rglob("*.wav")]
    assert sorted(folders) == ["a", "b", "d/song", "song"]
    said = capsys.readouterr().err
    assert f"{files[3]}: its stems go to {place}/d/song, since {place}/song holds those of song.wav" in said


@pytest.mark.parametrize("bad", [["--device", "gpu"], ["--seed", "-1"]])
def test_options_that_cannot_work_are_named_by_the_parser(bad, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--data", str(tmp_path), *bad])
    assert stop.value.code == 2 and f"argument {bad[0]}: got '{bad[1]}', expected" in capsys.readouterr().err


def test_an_output_folder_below_a_file_is_one_line(folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["train", "--target", "piano", "--data", str(folder), "--profile", "tiny"]
    assert cli.main([*arguments, "-o", str(tmp_path / "file" / "model")]) == 1
    assert "cannot make the folder" in capsys.readouterr().err


def test_separated_stems_and_residual_add_up_to_the_song(folder, model, tmp_path, capsys):
    mixture = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3 * RATE + 17)).astype(np.float32)
    audio.write(tmp_path / "song.wav", mixture, RATE)
    out = tmp_path / "out"
    arguments = ["separate", str(tmp_path / "song.wav"), "--model", str(model), "-o", str(out), "--residual"]
    assert cli.main([*arguments, "--float32", "--dtype", "float32"]) == 0
    paths = [out / "piano" / "song" / name for name in ("piano.wav", "residual.wav")]
    assert capsys.readouterr().out.splitlines() == list(map(str, paths))
    piano, residual = (soundfile.read(path, dtype="float32", always_2d=True)[0].T for path in paths)
    np.testing.assert_allclose(piano + residual, mixture, atol=1e-6)
    in_memory = bsrnn.separate(bsrnn.load(model), mixture, RATE, 3.0, 1.5)["piano"]
    np.testing.assert_array_equal(piano, in_memory)


def test_one_bad_file_does_not_stop_the_others_and_the_exit_code_tells(model, tmp_path, capsys):
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    audio.write(tmp_path / "good.wav", np.zeros((2, RATE), np.float32), RATE)
    arguments = ["separate", str(tmp_path / "bad.wav"), str(tmp_path / "good.wav"), "--model", str(model)]
    assert cli.main([*arguments, "-o", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out" / "piano" / "good" / "piano.wav").is_file()
    assert not (tmp_path / "out" / "piano" / "bad").exists()
    assert "bad.wav" in capsys.readouterr().err


def test_models_of_one_target_in_a_folder_are_scored_by_the_mean_of_their_estimates(folder, model, tmp_path):
    together = tmp_path / "together"
    shutil.copytree(model, together / "one")
    checkpoint.save(bsrnn.BSRNN(bsrnn.load(model).config), together / "other")
    arguments = ["evaluate", "--data", str(folder), "--profile", "tiny", "-o", str(tmp_path / "out")]
    assert cli.main([*arguments, "--model", str(together)]) == 0
    [row] = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]["piano"]["songs"]
    song = next(path for path in folder.iterdir() if path.name == row["song"])
    piano, rest = (audio.read(song / f"{stem}.flac") for stem in ("piano", "rest"))
    separate = profiles.profile("tiny").separate
    models = [bsrnn.load(together / name) for name in ("one", "other")]
    each = [
        bsrnn.separate(model, piano + rest, RATE, separate.segment_seconds, separate.hop_seconds)["piano"]
        for model in models
    ]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    assert row["usdr"] == pytest.approx(bsrnn.usdr(piano, (each[0] + each[1]) / 2), abs=1e-5)


def test_evaluation_writes_scores_that_agree_with_the_library(folder, model, tmp_path):
    arguments = ["evaluate", "--model", str(model), "--data", str(folder), "--profile", "tiny", "-o", str(tmp_path)]
    assert cli.main(arguments) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    [row] = scores["scores"]["piano"]["songs"]
    song = next(path for path in folder.iterdir() if path.name == row["song"])
    piano, rest = (audio.read(song / f"{stem}.flac") for stem in ("piano", "rest"))
    separate = profiles.profile("tiny").separate
    estimate = bsrnn.separate(bsrnn.load(model), piano + rest, RATE, separate.segment_seconds, separate.hop_seconds)
    assert row["usdr"] == pytest.approx(bsrnn.usdr(piano, estimate["piano"]), abs=1e-6)
    assert row["usdr_mixture"] == pytest.approx(bsrnn.usdr(piano, piano + rest), abs=1e-6)


def test_finetuning_takes_its_architecture_from_the_start_and_names_files_that_it_cannot_read(
    folder, model, tmp_path, capsys
):
    music = tmp_path / "music"
    audio.write(music / "one.ogg", np.random.default_rng(0).uniform(-0.3, 0.3, (2, 8 * RATE)).astype(np.float32), RATE)
    (music / "two.mp3").write_bytes(b"broken")
    out = tmp_path / "finetuned"
    status = cli.main(["finetune", "--target", "piano", "--from", str(model), "--data", str(folder), "--unlabelled",
                       str(music), "--profile", "tiny", "--out", str(out),
                       "--set", "finetune.teacher_sees=segment"])  # fmt: skip
    assert status == 0
    assert bsrnn.load(out).config == bsrnn.load(model).config
    captured = capsys.readouterr()
    assert "two.mp3" in captured.err and "best validation uSDR" in captured.out
    assert "1 songs used (0.00 h, 1 salient segments); left out: 0 short, 0 silent, 1 unreadable" in captured.out
    assert files.read_json(out / "settings.json")["finetune"]["teacher_sees"] == "segment"
    counts = files.read_json(out / "training.json")["history"][0]["counts"]
    assert counts["labelled"] == sum(counts.get(kind, 0) for kind in ("pseudo", "clean_target", "clean_residual")) > 0


def test_a_model_goes_on_with_a_users_songs_at_random_tone(folder, model, tmp_path, capsys):
    """As the chapter on a real recording says it."""
    out = tmp_path / "toned"
    command = ["finetune", "--target", "piano", "--from", str(model), "--data", str(folder), "--profile", "tiny"]
    changes = (
        "mixing.tone_db=12",
        "finetune.keep_start=0.5",
        "finetune.pools=mixes",
        "finetune.train.kept_weights=last",
    )
    command += [part for change in changes for part in ("--set", change)]
    assert cli.main([*command, "--unlabelled", "none", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "last validation uSDR" in said and "signals" not in said and "teacher" not in said
    noted = files.read_json(out / "settings.json")
    assert noted["mixing"]["tone_db"] == 12 and noted["finetune"]["keep_start"] == 0.5
    assert bsrnn.load(out).config == bsrnn.load(model).config
    music = tmp_path / "music"
    audio.write(music / "one.wav", np.full((2, 8 * RATE), 0.1, np.float32), RATE)
    assert cli.main([*command, "--unlabelled", str(music), "--out", str(tmp_path / "no")]) == 1
    assert "got finetune.pools 'mixes' and 1 unlabelled song: expected none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "--data", "nowhere"], "nowhere: no such folder"),
        (["data", "--data", "songs", "--out", "x"], "got --out: songs of data.source 'folder' are read where they lie"),
        (["data", "--profile", "paper", "-o", "x", "-j2"], "got --out and --jobs: songs of data.source 'musdb18hq'"),
        (["separate", "song.wav", "--model", "nowhere"], "no model in nowhere"),
        (["separate", "song.wav", "--two-stems", "kazoo", "--model", MODELS], "no model for the stem 'kazoo'"),
        (["separate", "song.wav", "--format", "mp3", "--int24", "--model", MODELS], "mp3 has one encoding of its own"),
        (["separate", "song.wav", "--format", "flac", "--float32", "--model", MODELS], "flac holds int16 or int24"),
        (["evaluate", "--model", "nowhere"], "no model in nowhere"),
        (["run", "no-such-run"], "unknown run 'no-such-run'"),
        (["train", "--set", "train.speed=3"], "there is no 'speed'"),
        (["train", "--set", "model.targets=piano"], "use --target for it"),
        (["train", "--set", "finetune.threshold_db=20"], "bsrnn train uses model, train, data"),
        (["train", "--set", "seeds=1,2"], "bsrnn train uses model, train, data"),
        ([*FINETUNE, "--set", "model.features=8"], "that of the model in --from"),
        ([*FINETUNE, "--set", "train.max_items=9"], "own is finetune.train"),
        ([*FINETUNE, "--set", "finetune.unlabelled=none"], "use --unlabelled"),
    ],
)
def test_errors_are_one_line_without_a_traceback(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    monkeypatch.chdir(tmp_path)
    audio.write(Path("song.wav"), np.zeros((2, 1000), np.float32), RATE)
    assert cli.main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"bsrnn {arguments[0]}: ") and message in lines[0]


def test_an_unknown_target_names_what_the_songs_have(folder, tmp_path, capsys):
    assert cli.main(["train", "--target", "kazoo", "--data", str(folder), "--out", str(tmp_path)]) == 1
    assert "lacks the stem 'kazoo', it has 'piano', 'rest'" in capsys.readouterr().err


def test_every_command_has_an_example_in_its_help(capsys):
    for command in cli.EPILOG:
        with pytest.raises(SystemExit) as stop:
            cli.main([command, "--help"])
        text = capsys.readouterr().out
        assert stop.value.code == 0 and f"example: bsrnn {command}" in text and "--profile" in text


def shown(capsys, *arguments):
    """The help of a command, on one line."""
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--help"])
    return " ".join(capsys.readouterr().out.split())


def test_the_help_says_in_a_few_words_what_each_profile_is(capsys):
    assert list(profiles.ABOUT) == list(profiles.PROFILES)
    said = shown(capsys)
    for name, words in profiles.ABOUT.items():
        assert f"{name} {words}" in said and 20 < len(words) < 90
    minutes = {"quick": profiles.QUICK, "small": profiles.SMALL}
    assert all(settings.data.source == "embedded" and "synthetic" in profiles.ABOUT[name]
               for name, settings in minutes.items())  # fmt: skip


def test_each_command_says_what_its_profile_and_its_split_decide(capsys):
    assert "--profile {tiny" in shown(capsys, "separate")
    assert "decides nothing here: the model brings its size along" in shown(capsys, "separate")
    assert "decides nothing here: the file brings the model's size along" in shown(capsys, "import")
    assert "decides songs, size of the model, length of the training" in shown(capsys, "train")
    assert "--split BANDS band split of the model, such as v7" in shown(capsys, "train")
    assert "--split SONGS part of the songs to score: train, valid or test" in shown(capsys, "evaluate")


def test_the_command_line_is_there_before_torch(tmp_path):
    program = (
        "import sys, bsrnn, bsrnn.cli\n"
        "try:\n    bsrnn.cli.main(['separate', '--help'])\n"
        "except SystemExit:\n    assert 'torch' not in sys.modules, 'torch'\n"
        "from bsrnn import BSRNN, usdr\n"
        "assert BSRNN.__module__ == 'bsrnn.models.bsrnn' and bsrnn.usdr is usdr and 'load' in dir(bsrnn)\n"
        "assert not hasattr(bsrnn, 'nothing')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


def test_an_interrupt_while_options_are_read_is_a_line(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", interrupted)
    assert cli.main(["separate", "song.wav"]) == 130
    assert capsys.readouterr().err == "bsrnn: interrupted; nothing was begun\n"
