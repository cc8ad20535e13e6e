"""``bsrnn separate``: which files become which, what is said, and the exit code."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import Fake

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.audio import files as audio
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError
from bsrnn.runtime import paths, speed
from bsrnn.tool import separate as tool

COMMITTED = Path(__file__).parents[1] / "results" / "small" / "checkpoints"


@pytest.fixture
def models(tmp_path):
    """A folder of two tiny models."""
    for target in ("bass", "piano"):
        torch.manual_seed(0)
        config = ModelConfig(targets=(target,), band_split="v1", features=4, modules=1)
        checkpoint.save(bsrnn.BSRNN(config), tmp_path / "band" / "checkpoints" / target)
    return tmp_path / "band" / "checkpoints"


def write(path, frames=2000, rate=44100, channels=2):
    noise = np.random.default_rng(frames).uniform(-0.3, 0.3, (channels, frames)).astype(np.float32)
    audio.write(path, noise, rate)
    return noise


def run(*arguments):
    return cli.main(["separate", *map(str, arguments), "--segment", "0.1", "--hop", "0.1"])


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_models_gives_all_their_stems(models, tmp_path, capsys):
    write(tmp_path / "song.wav")
    assert run(tmp_path / "song.wav", "--model", models, "-o", tmp_path / "out", "--format", "flac") == 0
    assert below(tmp_path / "out") == ["band/song/bass.flac", "band/song/piano.flac"]
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [f"{tmp_path}/out/band/song/{stem}.flac" for stem in ("bass", "piano")]
    assert "bass: trained on unknown data: its config.json does not say" in captured.err


def test_several_models_and_two_stems(models, tmp_path, capsys):
    write(tmp_path / "song.wav", channels=1)
    given = ("--model", models / "piano", "--model", models / "bass")
    assert run(tmp_path / "song.wav", *given, "--two-stems", "bass", "-o", tmp_path / "out", "-q") == 0
    assert below(tmp_path / "out") == ["piano+bass/song/bass.wav", "piano+bass/song/no_bass.wav"]
    assert capsys.readouterr().err == ""
    shutil.copytree(models / "bass", tmp_path / "bass2")
    assert run(tmp_path / "song.wav", *given, "--model", tmp_path / "bass2", "-o", tmp_path / "out") == 1
    assert "expected each stem once" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(tmp_path / "song.wav", *given, "--two-stems", "bass", "--residual")


def test_without_a_model_it_takes_the_committed_ones_and_says_what_they_learnt(tmp_path, capsys, monkeypatch):
    write(tmp_path / "song.wav", 20_000, 48000)
    monkeypatch.chdir(tmp_path)  # outside of the clone: those around the package
    assert run(tmp_path / "song.wav", "-o", tmp_path / "out") == 0
    targets = sorted(path.name for path in COMMITTED.iterdir())
    assert {"drums", "vocals"} <= set(targets)
    assert below(tmp_path / "out") == [f"small/song/{target}.wav" for target in targets]
    said = capsys.readouterr().err
    for target in targets:
        assert f"{target}: trained on songs that this project renders itself, not real music; uSDR" in said
    for path in (tmp_path / "out").rglob("*.wav"):
        assert soundfile.info(path).frames == 20_000 and soundfile.info(path).samplerate == 48000


def test_without_a_model_and_without_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "package", lambda: tmp_path / "site-packages" / "bsrnn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BSRNN_ROOT", raising=False)
    with pytest.raises(ConfigError, match="no --model, and no results of this project here"):
        tool.default_models()


def test_folders_stand_for_what_is_in_them(models, tmp_path, capsys):
    music = tmp_path / "music"
    for name in ("b.flac", "a.wav", "cd 1/c.wav", "song/mixture.wav", "song/bass.wav", ".hidden/x.wav", ".y.wav"):
        write(music / name)
    (music / "cover.jpg").write_bytes(b"JFIF")
    (music / "cd 1" / "broken.mp3").write_bytes(b"broken")
    out = music / "out"  # in the folder itself: a second call must not separate the stems
    expected = [f"bass/{name}/bass.wav" for name in ("a", "b", "cd 1/c", "song")]
    for _ in range(2):
        assert run(music, "--model", models / "bass", "-o", out) == 1
        assert below(out) == expected
        captured = capsys.readouterr()
        assert captured.out.splitlines() == [str(out / name) for name in expected]
        assert "broken.mp3: not readable as audio" in captured.err and "1 of 5 songs could not be" in captured.err
    assert run(music / "song", "--model", models / "bass", "-o", tmp_path / "other") == 0
    assert below(tmp_path / "other") == ["bass/song/bass.wav"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_bad_songs_do_not_stop_the_others(models, tmp_path, jobs, capsys):
    for index in range(4):
        write(tmp_path / f"{index}.flac", 3000 + index)
    cut = tmp_path / "2.flac"
    cut.write_bytes(cut.read_bytes()[:3000])
    songs = [tmp_path / f"{index}.flac" for index in range(5)]
    assert run(*songs, "--model", models, "-o", tmp_path / "out", "-j", jobs) == 1
    assert below(tmp_path / "out") == [f"band/{index}/{stem}.wav" for index in (0, 1, 3) for stem in ("bass", "piano")]
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 6 and "2 of 5 songs could not be separated" in captured.err
    assert "4.flac: no such file" in captured.err and "2.flac: " in captured.err


def test_jobs_change_no_sample(models, tmp_path):
    for index in range(3):
        write(tmp_path / f"{index}.wav", 9000 + index, 22050)
    for jobs in (1, 3):
        songs = [tmp_path / f"{index}.wav" for index in range(3)]
        assert run(*songs, "--model", models, "-o", tmp_path / str(jobs), "-j", jobs, "--float32", "-q") == 0
    for name in below(tmp_path / "1"):
        one, other = (soundfile.read(tmp_path / jobs / name)[0] for jobs in ("1", "3"))
        assert np.abs(one - other).max() < 1e-6


def test_the_loudness_and_bad_samples_are_mentioned(models, tmp_path, capsys, monkeypatch):
    loud = write(tmp_path / "song.wav") * 4
    loud[0, 5] = np.nan
    soundfile.write(tmp_path / "song.wav", loud.T, 44100, "FLOAT")
    monkeypatch.setattr(checkpoint, "load", lambda *_: Fake(sample_rate=44100))
    assert run(tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "song.wav: 1 sample(s) not finite, taken as zero" in said
    quieter = 20 * np.log10(np.nanmax(np.abs(loud)) / 0.99)
    assert f"song.wav: all its stems are {quieter:.1f} dB quieter" in said


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_ends_all_and_leaves_no_half_files(models, tmp_path, jobs, monkeypatch, capsys):
    for index in range(4):
        write(tmp_path / f"{index}.wav", 44100)
    calls, lock = [], threading.Lock()

    def change(x):
        with lock:
            calls.append(1)
            if len(calls) == 5:
                raise KeyboardInterrupt
        return x[:, None]

    monkeypatch.setattr(checkpoint, "load", lambda *_: Fake(change, sample_rate=44100))
    songs = [tmp_path / f"{index}.wav" for index in range(4)]
    threads = torch.get_num_threads()
    assert run(*songs, "--model", models / "bass", "-o", tmp_path / "out", "-j", jobs) == 130
    assert torch.get_num_threads() == threads
    assert all(path.suffix == ".wav" and "partial" not in path.name for path in (tmp_path / "out").rglob("*.wav"))


def in_both_dtypes(models, folder):
    """A song's stem by ``--dtype float32`` and by ``--dtype bfloat16``."""
    write(folder / "song.wav", 20_000)
    for dtype in ("float32", "bfloat16"):
        assert run(folder / "song.wav", "--model", models / "bass", "--dtype", dtype, "-o", folder / dtype) == 0
    return [soundfile.read(folder / dtype / "bass" / "song" / "bass.wav")[0] for dtype in ("float32", "bfloat16")]


def test_bfloat16_is_close(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "fast_dtype", lambda device: "bfloat16")
    exact, fast = in_both_dtypes(models, tmp_path)
    assert 0 < np.abs(exact - fast).max() < 0.05 * np.abs(exact).max()
    said = capsys.readouterr().err
    assert "recurrent core in bfloat16" in said and "emulated" not in said


def test_bfloat16_that_would_be_emulated_is_one_line_and_float32(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "fast_dtype", lambda device: "float32")
    monkeypatch.setattr(speed, "bfloat16_cost", lambda: 7.6)
    assert np.array_equal(*in_both_dtypes(models, tmp_path))
    said = capsys.readouterr().err
    assert said.count("would be emulated on this machine and take 8 times as long as float32") == 1
    assert said.count("recurrent core in float32") == 2


@pytest.mark.precision
def test_every_dtype_separates_on_this_machine(models, tmp_path, capsys):
    exact, asked = in_both_dtypes(models, tmp_path)
    assert np.abs(exact - asked).max() < 0.05 * np.abs(exact).max()
    assert ("would be emulated" in capsys.readouterr().err) == np.array_equal(exact, asked)


def test_the_folder_is_called_after_the_models():
    assert tool.label(["results/small/checkpoints"]) == "small"
    assert tool.label(["models/piano/", "user/some-model@v2"]) == "piano+some-model"


def test_a_model_folder_without_models(models, tmp_path, capsys):
    shutil.rmtree(models / "bass")
    shutil.rmtree(models / "piano")
    assert run(tmp_path / "song.wav", "--model", models) == 1
    assert f"no model in {models}: expected a folder with config.json" in capsys.readouterr().err
