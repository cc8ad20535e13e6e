"""``bsrnn separate``: which files become which, what is said, and the exit code."""

import builtins
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import Fake
from places import REPOSITORY

import bsrnn
from bsrnn import __main__, checkpoint, cli
from bsrnn.audio import files as audio
from bsrnn.audio import walking
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError
from bsrnn.runtime import paths, precision, terminal
from bsrnn.tool import cards, chosen_models, stems
from bsrnn.tool import separate as tool

COMMITTED = REPOSITORY / "results" / "small" / "checkpoints"


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
    assert run(tmp_path / "song.wav", "--model", models, "--model", models / "bass", "-o", tmp_path / "out") == 0
    with pytest.raises(SystemExit):
        run(tmp_path / "song.wav", *given, "--two-stems", "bass", "--residual")


def test_stems_that_add_up_lie_apart_from_those_that_do_not(models, tmp_path, capsys):
    write(tmp_path / "song.wav", channels=1)
    song = soundfile.read(tmp_path / "song.wav")[0]
    given = (tmp_path / "song.wav", "--model", models, "-o", tmp_path / "out", "--float32", "-q")
    stems_of = []
    for extra in ((), ("--add-up",), ()):
        assert run(*given, *extra) == 0
        stems_of.append([soundfile.read(path)[0] for path in capsys.readouterr().out.splitlines()])
    apart, added, again = stems_of
    assert np.abs(sum(added) - song).max() < 1e-6 < 1e-3 < np.abs(sum(apart) - song).max()
    for before, after in zip(apart, added, strict=True):
        assert np.abs(after - before - (song - sum(apart)) / 2).max() < 1e-6
    assert all(map(np.array_equal, apart, again))  # not written over
    assert run(tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out", "--add-up") == 1
    assert "got bass to add up to the song: expected two stems or more" in capsys.readouterr().err


def test_models_of_one_stem_in_a_folder_give_the_mean_of_their_estimates(models, tmp_path, capsys):
    torch.manual_seed(1)
    config = checkpoint.load(models / "bass").config
    checkpoint.save(bsrnn.BSRNN(config), models / "bass-again")
    write(tmp_path / "song.wav", channels=1)
    as_floats = ("-o", tmp_path / "out", "--float32", "--dtype", "float32")
    got = {}
    for given in (models, models / "bass", models / "bass-again"):
        assert run(tmp_path / "song.wav", "--model", given, *as_floats) == 0
        folder = tmp_path / "out" / chosen_models.label([str(given)]) / "song"
        got[given.name] = soundfile.read(folder / "bass.wav")[0]
        assert ("bass: the mean of the estimates of 2 models" in capsys.readouterr().err) == (given == models)
    one, other = got["bass"], got["bass-again"]
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(got["checkpoints"] - (one + other) / 2).max() < 1e-6


def test_without_a_model_it_takes_the_committed_ones_and_says_what_they_learnt(tmp_path, capsys, monkeypatch):
    write(tmp_path / "song.wav", 20_000, 48000)
    monkeypatch.chdir(tmp_path)  # outside of the clone: those around the package
    assert run(tmp_path / "song.wav", "-o", tmp_path / "out") == 0
    targets = [target for path in sorted(COMMITTED.iterdir()) for target in bsrnn.load(path).config.targets]
    assert targets == ["bass", "bass", "drums", "other", "vocals", "vocals"]
    assert below(tmp_path / "out") == [f"small/song/{target}.wav" for target in dict.fromkeys(targets)]
    said = capsys.readouterr().err
    for target in ("vocals", "bass"):
        assert said.count(f"{target}: trained on") == 2 and f"{target}: the mean of the estimates of 2 models" in said
    for target in ("drums", "other"):
        assert f"{target}: trained on songs that this project renders itself, not real music; uSDR" in said
    for path in (tmp_path / "out").rglob("*.wav"):
        assert soundfile.info(path).frames == 20_000 and soundfile.info(path).samplerate == 48000


def test_a_missing_song_is_said_before_the_models_are_loaded(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "load", lambda *_: pytest.fail("the songs are looked at first"))
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", "--model", models, "-o", tmp_path / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(f"bsrnn separate: {tmp_path}/{name}.wav: no such file" in line
               for name, line in zip("ab", lines[:2], strict=True))  # fmt: skip
    assert lines[2:] == [f"bsrnn separate: 2 of 2 songs could not be separated: {tmp_path}/a.wav, {tmp_path}/b.wav"]
    monkeypatch.undo()
    write(tmp_path / "a.wav")
    assert run(tmp_path / "a.wav", tmp_path / "b.wav", "--model", models, "-o", tmp_path / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert "b.wav: no such file" in lines[0] and lines[1].startswith("bass: trained on")


def test_many_songs_that_failed_are_named_in_part(models, tmp_path, capsys):
    songs = [tmp_path / f"{index}.wav" for index in range(7)]
    assert run(*songs, "--model", models, "-o", tmp_path / "out") == 1
    named = ", ".join(map(str, songs[:5]))
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"bsrnn separate: 7 of 7 songs could not be separated: {named} and 2 more"


def test_without_a_model_and_without_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "package", lambda: tmp_path / "site-packages" / "bsrnn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BSRNN_ROOT", raising=False)
    with pytest.raises(ConfigError, match="no --model, and no results of this project here"):
        chosen_models.default()


def test_folders_stand_for_what_is_in_them(models, tmp_path, capsys):
    music = tmp_path / "music"
    for name in ("b.flac", "a.wav", "cd 1/c.wav", "song/mixture.wav", "song/bass.wav", "...Hits/x.wav", ".y.wav"):
        write(music / name)
    (music / "cover.jpg").write_bytes(b"JFIF")
    (music / "cd 1" / "broken.mp3").write_bytes(b"broken")
    out = music / "out"  # in the folder itself: a second call must not separate the stems
    in_order = [f"bass/{name}/bass.wav" for name in (".y", "a", "b", "...Hits/x", "cd 1/c", "song")]
    expected = sorted(in_order)
    said = []
    for _ in range(2):
        assert run(music, "--model", models / "bass", "-o", out) == 1
        assert below(out) == expected
        captured = capsys.readouterr()
        assert captured.out.splitlines() == [str(out / name) for name in in_order]
        assert "broken.mp3: not readable as audio" in captured.err and "1 of 7 songs could not be" in captured.err
        assert captured.err.endswith(f"could not be separated: {music / 'cd 1' / 'broken.mp3'}\n")
        said.append(captured.err)
    left_out = "1 stem beside a mixture (song/bass.wav), 1 file that is not a sound file (cover.jpg)"
    line = f"note: {music}: passed over {left_out}"
    assert said[0].splitlines().count(line) == 1
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
    last = f"bsrnn separate: 2 of 5 songs could not be separated: {songs[4]}, {songs[2]}"
    assert len(captured.out.splitlines()) == 6 and captured.err.splitlines()[-1] == last
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
    monkeypatch.setattr(precision, "fast_dtype", lambda device: "bfloat16")
    exact, fast = in_both_dtypes(models, tmp_path)
    assert 0 < np.abs(exact - fast).max() < 0.05 * np.abs(exact).max()
    said = capsys.readouterr().err
    assert "recurrent core in bfloat16" in said and "emulated" not in said


def test_bfloat16_that_would_be_emulated_is_one_line_and_float32(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "fast_dtype", lambda device: "float32")
    monkeypatch.setattr(precision, "bfloat16_cost", lambda: 7.6)
    assert np.array_equal(*in_both_dtypes(models, tmp_path))
    said = capsys.readouterr().err
    assert said.count("would be emulated on this machine and take 8 times as long as float32") == 1
    assert said.count("recurrent core in float32") == 2


@pytest.mark.parametrize(("cost", "taken"), [(0.55, "bfloat16"), (1.6, "float32")])
def test_who_asks_for_no_dtype_gets_the_faster_one(models, tmp_path, monkeypatch, capsys, cost, taken):
    monkeypatch.setattr(precision, "fast_dtype", lambda device: "bfloat16")
    monkeypatch.setattr(precision, "bfloat16_cost", lambda features: cost)
    write(tmp_path / "song.wav", 20_000)
    assert run(tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out") == 0
    assert f"recurrent core in {taken}" in capsys.readouterr().err


@pytest.mark.precision
def test_every_dtype_separates_on_this_machine(models, tmp_path, capsys):
    exact, asked = in_both_dtypes(models, tmp_path)
    assert np.abs(exact - asked).max() < 0.05 * np.abs(exact).max()
    assert ("would be emulated" in capsys.readouterr().err) == np.array_equal(exact, asked)
    assert precision.trains_in_bfloat16() or np.array_equal(exact, asked)  # no minutes of emulation


def test_the_folder_is_called_after_the_models():
    assert chosen_models.label(["results/small/checkpoints"]) == "small"
    assert chosen_models.label(["models/piano/", "user/some-model@v2"]) == "piano+some-model"


def test_a_model_folder_without_models(models, tmp_path, capsys):
    shutil.rmtree(models / "bass")
    shutil.rmtree(models / "piano")
    write(tmp_path / "song.wav")
    assert run(tmp_path / "song.wav", "--model", models) == 1
    assert f"no model in {models}: expected a folder with config.json" in capsys.readouterr().err


def test_a_name_that_is_not_utf_8(models, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write(tmp_path / "song.wav")
    try:
        (tmp_path / "song.wav").rename(tmp_path / f"{name}.wav")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    [job], problems = tool.collect([tmp_path / f"{name}.wav"], tmp_path / "out")
    assert problems == {} and str(job.name) == name and job.frames == 2000
    files = stems.separate_file(Fake(sample_rate=44100), job.path, tmp_path / "out" / job.name).files
    assert soundfile.info(os.fsencode(files[0])).frames == 2000


def test_a_folder_that_cannot_be_read_is_a_problem(models, tmp_path, monkeypatch):
    write(tmp_path / "music" / "a.wav")
    write(tmp_path / "music" / "closed" / "b.wav")
    real = walking.listing

    def listing(folder):
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(walking, "listing", listing)
    jobs, problems = tool.collect([tmp_path / "music"], tmp_path / "out")
    assert [job.path.name for job in jobs] == ["a.wav"]
    closed = f"{tmp_path}/music/closed"
    [(place, problem)] = problems.items()
    assert str(place) == closed
    assert problem.startswith(f"{closed}: cannot be read: no permission, expected a folder of songs; change the rights")


def fake(monkeypatch, change=None):
    monkeypatch.setattr(checkpoint, "load", lambda *_: Fake(change, sample_rate=44100))


def test_stems_of_two_songs_never_meet_in_one_call_or_in_two(models, tmp_path, capsys):
    names = ("song.wav", "song.flac", "cd1/01.wav", "cd2/01.wav")
    songs = [tmp_path / name for name in names]
    for frames, path in enumerate(songs, 2000):
        write(path, frames)
    given = ("--model", models / "bass", "-o", tmp_path / "out", "-q")
    assert run(*songs, *given) == 0
    folders = ("song", "song.flac", "01", "cd2/01")
    lengths = {f"bass/{folder}/bass.wav": frames for frames, folder in enumerate(folders, 2000)}
    assert {name: soundfile.info(tmp_path / "out" / name).frames for name in below(tmp_path / "out")} == lengths
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in lengths}
    for path, folder in reversed(list(zip(songs, folders, strict=True))):  # one by one, as the old advice was
        capsys.readouterr()
        assert run(path, *given) == 0
        assert capsys.readouterr().out.splitlines() == [f"{tmp_path}/out/bass/{folder}/bass.wav"]
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in below(tmp_path / "out")} == before


def test_one_file_by_several_paths_is_one_song(models, tmp_path, monkeypatch, capsys):
    write(tmp_path / "music" / "song.wav")
    (tmp_path / "link.wav").symlink_to("music/song.wav")
    os.link(tmp_path / "music" / "song.wav", tmp_path / "hard.wav")
    monkeypatch.chdir(tmp_path)
    songs = ("music/song.wav", tmp_path / "music/song.wav", "music/../music/song.wav", "link.wav", "hard.wav", "music")
    assert run(*songs, "--model", models / "bass", "-o", "out", "-q") == 0
    assert below(tmp_path / "out") == ["bass/song/bass.wav"] and capsys.readouterr().err == ""


@pytest.mark.parametrize("above", [False, True])
def test_out_may_be_the_folder_of_the_songs_or_above_it(models, tmp_path, above, capsys):
    write(tmp_path / "music" / "a.wav")
    write(tmp_path / "music" / "b" / "mixture.wav", 1500)
    given, out = tmp_path / "music", tmp_path if above else tmp_path / "music"
    if above:
        given = tmp_path
        shutil.move(models.parent, tmp_path.parent / f"{tmp_path.name}-models")
        models = tmp_path.parent / f"{tmp_path.name}-models" / "checkpoints"
    assert run(given, "--model", models, "-o", out, "-q") == 0
    written = below(tmp_path)
    assert len(written) == 6 or not above
    for _ in range(2):
        capsys.readouterr()
        terminal.note.cache_clear()  # as in a process of its own
        assert run(given, "--model", models, "-o", out, "-q") == 0
        assert below(tmp_path) == written
        assert "passed over 4 files that bsrnn separate has written (" in capsys.readouterr().err
    shutil.move(out / models.parent.name, tmp_path / "kept")  # stems are known wherever they are
    assert run(tmp_path / "kept", "--model", models, "-o", tmp_path / "other", "-q") == 1
    said = capsys.readouterr().err
    assert "passed over 4 files that bsrnn separate has written (" in said and "kept: no song in it" in said
    stem = next((tmp_path / "kept").rglob("bass.wav"))
    assert run(stem, "--model", models, "-o", tmp_path / "other", "-q") == 0  # but who names one wants it


def test_the_same_command_skips_what_is_finished(models, tmp_path, capsys):
    songs = [tmp_path / f"{index}.wav" for index in range(3)]
    for frames, path in enumerate(songs, 2000):
        write(path, frames)
    given = ("--model", models, "-o", tmp_path / "out", "-q")
    assert run(*songs[:2], *given) == 0
    (tmp_path / "out" / "band" / "1" / "piano.wav").unlink()
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in below(tmp_path / "out")}
    capsys.readouterr()
    assert run(*songs, *given) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 6
    assert f"{songs[0]}: already separated: {tmp_path}/out/band/0; --again separates it once more" in captured.err
    assert captured.err.count("already separated") == 1
    again = {name for name in times if (tmp_path / "out" / name).stat().st_mtime_ns != times[name]}
    assert again == {"band/1/bass.wav"}
    for options in (["--again"], ["--float32"], ["--clip-mode", "clamp"], ["--dtype", "float32"]):
        assert run(songs[0], *given, *options) == 0
        assert "already" not in capsys.readouterr().err
    write(songs[0], 2222)
    assert run(songs[0], *given) == 0
    assert soundfile.info(tmp_path / "out" / "band" / "0" / "bass.wav").frames == 2222


def test_after_an_interruption_the_same_command_goes_on(models, tmp_path, monkeypatch, capsys):
    songs = [tmp_path / f"{index}.wav" for index in range(3)]
    for path in songs:
        write(path, 44100)
    calls = []

    def change(x):
        calls.append(1)
        if len(calls) == 21:  # ten segments of two channels for each song
            raise KeyboardInterrupt
        return x[:, None]

    fake(monkeypatch, change)
    given = ("--model", models / "bass", "-o", tmp_path / "out", "-q")
    assert run(*songs, *given) == 130
    said = capsys.readouterr().err
    assert said == ("bsrnn separate: interrupted; the stems of finished songs stay, the same command goes on with the "
                    "other songs\n")  # fmt: skip
    assert below(tmp_path / "out") == ["bass/0/a.wav"]
    del calls[:]
    calls += [1] * 21
    assert run(*songs, *given) == 0
    assert len(calls) == 21 + 40 and capsys.readouterr().err.count("already separated") == 1


def test_no_input_is_written_over(models, tmp_path, monkeypatch, capsys):
    """OUT so that the stem of a song would be that song, or another one of the call."""
    fake(monkeypatch)
    places = ("out/bass/a/a.wav", "out/bass/song/a.wav", "song.wav")
    before = {name: write(tmp_path / name, frames) for frames, name in enumerate(places, 2000)}
    content = {name: (tmp_path / name).read_bytes() for name in places}
    assert run(*(tmp_path / name for name in places), "--model", models / "bass", "-o", tmp_path / "out", "-q") == 0
    assert {name: (tmp_path / name).read_bytes() for name in places} == content
    stems = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(set(stems)) == 3 and not {tmp_path / name for name in places} & set(stems)
    assert sorted(soundfile.info(stem).frames for stem in stems) == sorted(mix.shape[1] for mix in before.values())


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from bsrnn import checkpoint, cli
from fake_models import Fake
def change(x):
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint.load = lambda *_: Fake(change, sample_rate=44100)
cli.main(["separate", *sys.argv[2:]])
"""


def test_what_a_killed_call_left_is_removed_by_the_next(models, tmp_path):
    write(tmp_path / "song.wav", 44100)
    write(tmp_path / "other.wav")
    arguments = [tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out", "-q"]
    command = [sys.executable, "-c", KILLED, REPOSITORY / "tests", *arguments]
    assert subprocess.run(list(map(str, command)), capture_output=True).returncode == -signal.SIGKILL
    left = below(tmp_path / "out")
    assert len(left) == 2 and all(".partial" in name for name in left)
    assert run(tmp_path / "other.wav", *arguments[1:]) == 0  # not even the same song
    assert below(tmp_path / "out") == ["bass/other/bass.wav"]
    assert not (tmp_path / "out" / "bass" / "song").exists()


def test_names_print_on_a_terminal_that_lacks_their_letters(models, tmp_path):
    for name in ("\u4f60\u597d.wav", "z.wav"):
        write(tmp_path / "music" / name)
    (tmp_path / "music" / "\u00e9.mp3").write_bytes(b"broken")
    command = [sys.executable, "-m", "bsrnn.cli", "separate", tmp_path / "music", "--model", models / "bass", "-o",
               tmp_path / "out", "--segment", "0.1", "--hop", "0.1"]  # fmt: skip
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    got = subprocess.run(list(map(str, command)), capture_output=True, env=environment)
    assert got.returncode == 1
    assert got.stdout.decode("ascii").splitlines() == [
        f"{tmp_path}/out/bass/{name}/bass.wav" for name in ("z", "\\u4f60\\u597d")
    ]
    said = got.stderr.decode("ascii")
    assert "/music/\\xe9.mp3: not readable as audio" in said and "Traceback" not in said


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes a stream")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_streams_that_are_closed_are_not_missed(models, tmp_path, closed):
    """As daemons have them."""
    write(tmp_path / "song.wav")
    command = shlex.join([sys.executable, "-m", "bsrnn", "separate", "song.wav", "--model", str(models / "bass"),
                          "--segment", "0.1", "--hop", "0.1"])  # fmt: skip
    assert subprocess.run(f"{command} {closed}", shell=True, cwd=tmp_path).returncode == 0
    assert below(tmp_path / "separated") == ["bass/song/bass.wav"]


def test_ctrl_c_while_libraries_load_is_a_line(monkeypatch, capsys):
    real = builtins.__import__

    def slow(name, globals=None, locals=None, fromlist=(), level=0):
        if name == "bsrnn" and fromlist == ("cli",):
            raise KeyboardInterrupt
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", slow)
    assert __main__.main() == 130
    assert capsys.readouterr().err == "bsrnn: interrupted; nothing was begun\n"


@pytest.mark.parametrize(
    "info",
    [[1], "x", {"data": "mine"}, {"data": {"source": ["a"]}}, {"summary": "good"}, {"summary": {"usdr_mean": "x"}},
     {"summary": {"usdr_mean": 1.5}}, {"summary": {"usdr_mean": 1.5, "usdr_songs": "x"}}, {"item_channels": ["one"]}],
    ids=str,
)  # fmt: skip
def test_a_model_separates_whatever_it_says_of_itself(models, tmp_path, info, capsys):
    write(tmp_path / "song.wav")
    config = models / "bass" / "config.json"
    config.write_text(json.dumps({"model": json.loads(config.read_text())["model"], "info": info}))
    assert run(tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out") == 0
    assert "bass: trained on unknown data: its config.json does not say" in capsys.readouterr().err
    assert "- Trained on: unknown data" in cards.card(models / "bass")


def test_a_stem_goes_below_a_folder_whose_name_is_no_utf8(models, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write(tmp_path / "song.wav")
    assert run(tmp_path / "song.wav", "--model", models / "bass", "-o", folder, "-q", "--float32") == 0
    assert below(folder) == ["bass/song/bass.wav"]


def test_all_that_is_wrong_is_said_before_any_song(models, tmp_path, capsys):
    write(tmp_path / "song.wav")
    (tmp_path / "file").touch()
    given = ("--model", models, "--model", tmp_path / "none", "--format", "mp3", "--int24")
    assert run(tmp_path / "song.wav", *given, "-o", tmp_path / "file" / "out") == 1
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("bsrnn separate: ") for line in lines) and len(lines) == 3
    for line, words in zip(lines, ("mp3 has one encoding", "cannot make the folder", "no model in"), strict=True):
        assert words in line


def test_too_small_a_disk_is_said_before_any_song(models, tmp_path, monkeypatch, capsys):
    write(tmp_path / "song.wav", 44100)
    usage = type("Usage", (), {"free": 44100 * 2 * 2 * (2 + 4) - 1})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    given = (tmp_path / "song.wav", "--model", models, "-o", tmp_path / "out", "-q")
    assert run(*given) == 1
    assert "1.1 MB are free on this disk, but separating them takes about 1.1 MB" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    usage.free += 1
    assert run(*given) == 0


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from bsrnn import checkpoint, cli
from fake_models import Fake
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
checkpoint.load = lambda *_: Fake(sample_rate=44100)
sys.exit(cli.main(["separate", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("encoding", [[], ["--float32"]])
def test_a_file_that_grows_too_large_for_the_system(models, tmp_path, encoding):
    """libsndfile says "System error" alone, of the stem or of the floats beside it."""
    write(tmp_path / "song.wav", 44100)
    arguments = [tmp_path / "song.wav", "--model", models / "bass", "-o", tmp_path / "out", "-q", *encoding]
    command = [sys.executable, "-c", LIMITED, REPOSITORY / "tests", *arguments]
    got = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert got.returncode == 1 and below(tmp_path / "out") == []
    lines = got.stderr.splitlines()
    stem = tmp_path / "out" / "bass" / "song" / "a.wav"
    assert len(lines) == 2 and lines[0].startswith(f"bsrnn separate: {stem}: cannot be written: the disk takes no file")


def test_line_breaks_in_names_are_said_in_one_line(models, tmp_path, capsys):
    (tmp_path / "a\nb.wav").write_bytes(b"broken")
    assert run(tmp_path / "a\nb.wav", "--model", models / "bass", "-o", tmp_path / "out", "-q") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "a\\nb.wav: not readable as audio" in lines[0]


def test_a_song_that_is_gone_when_its_turn_comes(models, tmp_path, monkeypatch, capsys):
    songs = [tmp_path / f"{index}.wav" for index in range(2)]
    for path in songs:
        write(path)
    rooms = tool.preflight.room
    monkeypatch.setattr(tool.preflight, "room", lambda *given: (songs[0].unlink(), rooms(*given)))
    assert run(*songs, "--model", models / "bass", "-o", tmp_path / "out", "-q") == 1
    assert below(tmp_path / "out") == ["bass/1/bass.wav"]
    assert f"{songs[0]}: cannot be read: no such file or folder" in capsys.readouterr().err


def test_a_model_given_by_two_paths_is_one(models, tmp_path, monkeypatch):
    write(tmp_path / "song.wav")
    monkeypatch.chdir(models)
    given = ("--model", "bass", "--model", "./bass/", "--model", models / "bass")
    assert run(tmp_path / "song.wav", *given, "-o", tmp_path / "out", "-q", "--float32") == 0
    assert below(tmp_path / "out") == ["bass/song/bass.wav"]
