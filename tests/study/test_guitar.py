"""Guitar from real recordings: packages, folds that keep songs apart, results that are kept."""

import io
import json
import lzma
import os
import shutil
import tarfile
import tempfile
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from places import REPOSITORY

from bsrnn import baselines, checkpoint, cli, metrics, train
from bsrnn.audio import files as audio
from bsrnn.bands import band_widths
from bsrnn.config import DataConfig, ModelConfig, SeparateConfig, deciding
from bsrnn.data import fretsonfire, songs
from bsrnn.errors import ConfigError, DataError, NoSongs
from bsrnn.report import manifest
from bsrnn.report.chapters import ch04_training
from bsrnn.report.statistics import FEWEST_SONGS
from bsrnn.runtime import paths, precision
from bsrnn.runtime.files import write_json
from bsrnn.study import guitar, profiles, runs
from bsrnn.study.compute import compute
from bsrnn.study.results import Results, Study, trained_model

RATE = 44100
BAND = "usr/share/games/fretsonfire/data/songs/sectoid"
INI = b"[song]\nartist = Composed and performed by Sectoid\nname = 100% / tested\n"


# ---- packages ----


@cache  # each encoding has a random serial number
def ogg(seconds: float = 0.5, rate: int = RATE, level: float = 0.3, seed: int = 0) -> bytes:
    """Noise, stereo, as Ogg Vorbis."""
    noise = level * np.random.default_rng(seed).standard_normal((round(seconds * rate), 2)).clip(-2, 2)
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, rate, format="OGG")
    return buffer.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(path: Path, data: bytes, name: str = "data.tar.xz") -> Path:
    """A package as dpkg makes it: an ar archive of three members, the second of odd length."""
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", name: data}
    content = b"!<arch>\n"
    for member, body in members.items():
        content += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode() + body
        content += b"\n" * (len(body) % 2)
    path.write_bytes(content)
    return path


def package(tmp_path: Path, **files: bytes) -> Path:
    """A package with one song; ``files`` by stem take the place of the usual ones, None leaves one out."""
    there = {"song.ini": INI, "guitar.ogg": ogg(seed=1), "song.ogg": ogg(seed=2), "notes.mid": b"-"}
    there |= {f"{stem}.ogg": content for stem, content in files.items()}
    inside = {f"{BAND}/a song/{name}": content for name, content in there.items() if content is not None}
    return deb(tmp_path / "songs.deb", lzma.compress(tar(inside)))


def test_a_package_becomes_a_folder_of_songs(tmp_path):
    [note] = fretsonfire.convert(package(tmp_path), tmp_path / "out")
    assert note["name"] == "Sectoid - 100% _ tested" and note["licence"] == "MIT-style"
    [song] = songs.read_songs(tmp_path / "out", targets=("guitar",))
    assert (song.name, song.frames, sorted(song.stems)) == (note["name"], RATE // 2, ["guitar", "other"])
    assert song.info == note
    for stem, seed in (("guitar", 1), ("other", 2)):
        decoded = soundfile.read(io.BytesIO(ogg(seed=seed)), dtype="float32")[0].T
        np.testing.assert_allclose(song.read(stem), note["gain"] * decoded, atol=0.51 / 2**15)
    assert 0.99 < np.abs(song.read("mixture")).max() <= 1.0 and note["gain"] < 1  # noise as loud as this would clip


def test_an_unpacked_tree_gives_the_same_songs(tmp_path):
    """The same files and digests whether a package is read here or unpacked by dpkg."""
    [note] = fretsonfire.convert(package(tmp_path), tmp_path / "out")
    folder = tmp_path / "tree" / BAND / "a song"
    folder.mkdir(parents=True)
    for name, content in (("song.ini", INI), ("guitar.ogg", ogg(seed=1)), ("song.ogg", ogg(seed=2))):
        (folder / name).write_bytes(content)
    assert fretsonfire.convert(tmp_path / "tree", tmp_path / "again") == [note]
    for name in ("guitar.wav", "other.wav"):
        one, other = (tmp_path / out / note["name"] / name for out in ("out", "again"))
        assert one.read_bytes() == other.read_bytes()


def test_other_rates_and_lengths_are_made_alike(tmp_path):
    source = package(tmp_path, guitar=ogg(0.5, 48000, seed=1), song=ogg(0.7, seed=2), rhythm=ogg(0.6, 22050, seed=3))
    [note] = fretsonfire.convert(source, tmp_path / "out")
    [song] = songs.read_songs(tmp_path / "out")
    assert (song.frames, song.sample_rate, sorted(song.stems)) == (RATE // 2, RATE, ["guitar", "other", "rhythm"])
    whole = soundfile.read(io.BytesIO(ogg(0.5, 48000, seed=1)), dtype="float32")[0].T
    expected = note["gain"] * audio.resample(whole, 48000, RATE)
    np.testing.assert_allclose(song.read("guitar"), expected, atol=0.51 / 2**15)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"song": None}, "lacks song.ogg"),
        ({"guitar": None}, "lacks guitar.ogg"),
        ({"guitar": ogg(level=0)}, "guitar.ogg is silent"),
        ({"guitar": b"OggS, not really"}, "not readable as audio"),
        ({"song": None, "guitar": None}, "no song in it"),
    ],
)
def test_songs_that_cannot_be_used(tmp_path, files, said):
    with pytest.raises(DataError, match=said):
        fretsonfire.convert(package(tmp_path, **files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(params=["dpkg-deb", "bsdtar"])
def unpacker(request, monkeypatch):
    """One of the two programs that unpack, as if the other were not here."""
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: which(name) if name == request.param else None)


@pytest.mark.usefixtures("unpacker")
def test_either_program_unpacks_a_package(tmp_path):
    [note] = fretsonfire.convert(package(tmp_path), tmp_path / "out")
    assert (note["name"], note["seconds"]) == ("Sectoid - 100% _ tested", 0.5)


def test_no_program_that_unpacks(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DataError, match=r"neither dpkg-deb nor bsdtar is here; install one"):
        fretsonfire.convert(package(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_that_takes_for_ever(tmp_path, monkeypatch):
    waiting = tmp_path / "bin" / "dpkg-deb"
    waiting.parent.mkdir()
    waiting.write_text("#!/bin/sh\nexec sleep 60\n")
    waiting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{waiting.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(fretsonfire, "UNPACKING", 0.2)
    with pytest.raises(DataError, match="took dpkg-deb more than 0.2 s"):
        fretsonfire.convert(package(tmp_path), tmp_path / "out")


@pytest.mark.usefixtures("unpacker")
def test_packages_that_cannot_be_read(tmp_path):
    out = tmp_path / "out"
    whole = lzma.compress(tar({"song.ogg": ogg()}))
    half = whole[: len(whole) // 2]
    with pytest.raises(DataError, match=r"cannot be unpacked"):
        fretsonfire.convert(deb(tmp_path / "songs.deb", half), out)
    with pytest.raises(DataError, match="cannot be unpacked|no song in it"):
        fretsonfire.convert(deb(tmp_path / "songs.deb", b"", "something"), out)
    (tmp_path / "songs.deb").write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be unpacked"):
        fretsonfire.convert(tmp_path / "songs.deb", out)
    with pytest.raises(DataError, match="no such file or folder"):
        fretsonfire.convert(tmp_path / "none.deb", out)
    assert not out.exists()


@pytest.mark.usefixtures("unpacker")
def test_names_in_a_package_lead_nowhere_else(tmp_path, monkeypatch):
    scratch = tmp_path / "deep" / "scratch"
    scratch.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    away = {"../../a song/guitar.ogg": ogg(seed=1), "../../a song/song.ogg": ogg(seed=2)}
    with pytest.raises(DataError, match="cannot be unpacked"):
        fretsonfire.convert(deb(tmp_path / "songs.deb", lzma.compress(tar(away))), tmp_path / "x" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "scratch", "songs.deb"]


def test_words_in_a_package_lead_nowhere_else(tmp_path):
    files = {"a/guitar.ogg": ogg(seed=1), "a/song.ogg": ogg(seed=2)}
    files["a/song.ini"] = b"[song]\nartist = ..\nname = ../../away\n"
    [note] = fretsonfire.convert(deb(tmp_path / "songs.deb", lzma.compress(tar(files))), tmp_path / "x" / "out")
    assert [path.name for path in (tmp_path / "x" / "out").iterdir()] == [note["name"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["songs.deb", "x"]
    assert note["licence"] == "unknown"


def test_checksums_are_compared_and_differences_said(tmp_path, capsys):
    source = package(tmp_path)
    assert "another checksum" in fretsonfire.check_package(source)
    assert fretsonfire.main([str(source), "--out", str(tmp_path / "out")]) == 0
    assert "not among the recorded songs" in capsys.readouterr().out
    known = {"name": "Sectoid - Feelings", "digest": fretsonfire.SONGS["Sectoid - Feelings"], "seconds": 288}
    assert fretsonfire.check_song(known).endswith("288.0 s, as recorded")
    assert "not the recording" in fretsonfire.check_song(known | {"digest": "0"})
    assert fretsonfire.main([str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("bsrnn.data.fretsonfire: ")


# ---- folds ----


def test_every_song_is_held_out_once_a_kind_and_never_trains_then():
    names = list(fretsonfire.SONGS)
    made = guitar.folds(names)
    assert [fold.kind for fold in made] == ["songs"] * 4 + ["artists"] * 2
    for kind in ("songs", "artists"):
        assert sorted(name for fold in made if fold.kind == kind for name in fold.test) == names
    for fold in made[:4]:
        assert sorted(map(guitar.artist, fold.test)) == ["Muldjord", "Sectoid"]
    assert [{guitar.artist(name) for name in fold.test} for fold in made[4:]] == [{"Muldjord"}, {"Sectoid"}]
    assert all(len(fold.test) == 4 for fold in made[4:])
    assert guitar.folds(names[::-1]) == made


def test_the_guitar_split_costs_what_v7_does():
    """As many bands, all bins, and the finest where the open strings' fundamentals lie."""
    widths = guitar.WIDTHS
    assert len(widths) == len(band_widths("v7")) == 41 and sum(widths) == 1025
    strings = round(82.4 * 2048 / RATE), round(329.6 * 2048 / RATE)
    edges = np.cumsum(widths)
    bands = [int(np.searchsorted(edges, bin_, side="right")) for bin_ in strings]
    assert {widths[band] for band in range(bands[0], bands[1] + 1)} == {2}


def test_the_grid_is_both_splits_and_the_estimators_in_each_fold():
    grid = runs.grid("guitar")
    assert [run_id.removeprefix("songs-1-") for run_id in list(grid)[:3]] == ["baselines-s0", "v7-s0", "guitar-s0"]
    assert len(grid) == 18 and len({run.key for run in grid.values()}) == 18
    for fold in guitar.FOLDS:
        estimators, v7, own = (grid[f"{fold.id}-{name}-s0"] for name in ("baselines", "v7", "guitar"))
        assert (estimators.kind, v7.kind, own.kind) == ("baselines", "train", "train")
        assert {run.profile.data.hold_out for run in (estimators, v7, own)} == {fold.test}
        assert v7.profile.model == replace(own.profile.model, band_split="v7")
        assert own.profile.model.band_split == guitar.WIDTHS


def test_folds_of_two_targets_are_refused():
    with pytest.raises(ConfigError, match="got folds with the targets guitar, other: expected one target"):
        replace(profiles.GUITAR, targets=("guitar", "other"))


@pytest.mark.parametrize(("setting", "trained"), [("hold_out", True), ("excerpt_seconds", False)])
def test_a_key_depends_on_the_fold_and_on_what_is_scored(setting, trained):
    run = runs.grid("guitar")["songs-1-v7-s0"]
    changed = {"hold_out": guitar.FOLDS[1].test, "excerpt_seconds": 30.0}[setting]
    other = replace(run, profile=replace(run.profile, data=replace(run.profile.data, **{setting: changed})))
    assert other.key != run.key and (other.train_key != run.train_key) == trained


def test_a_key_depends_on_the_recordings(monkeypatch):
    before = runs.grid("guitar")["songs-1-baselines-s0"].key
    monkeypatch.setitem(fretsonfire.SONGS, "Sectoid - Feelings", "0")
    assert runs.grid("guitar")["songs-1-baselines-s0"].key != before


# ---- computing ----


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two artists with four songs of 3 s each, noise of different colour."""
    root = tmp_path_factory.mktemp("recordings")
    for index in range(8):
        noise = 0.1 * np.random.default_rng(index).standard_normal((2, 2, 3 * RATE)).astype(np.float32)
        folder = root / f"{'AB'[index // 4]} - {index}"
        audio.write(folder / "guitar.wav", noise[0] + np.roll(noise[0], 1, 1), RATE)
        audio.write(folder / "other.wav", noise[1] - np.roll(noise[1], 1, 1), RATE)
    return root


@pytest.fixture
def data(recordings):
    """A fold: the second song of each artist is held out, and the middle 2 s of each are scored."""
    return DataConfig("folder", folder=str(recordings), hold_out=("A - 1", "B - 5"), excerpt_seconds=2.0)


@pytest.fixture
def grid(recordings, tmp_path, monkeypatch):
    """The runs over these recordings, in two steps each."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    base = profiles.GUITAR
    folds = guitar.folds([path.name for path in recordings.iterdir()])
    profile = replace(
        base, data=DataConfig("folder", folder=str(recordings), excerpt_seconds=2.0), splits=(("guitar", (1000, 25)),),
        model=ModelConfig(targets=("guitar",), features=4, modules=1, hop_samples=1024, band_split="v7"),
        train=replace(base.train, max_items=4, validate_items=2), mixing=replace(base.mixing, chunk_seconds=0.3),
        separate=SeparateConfig(1.0, 1.0), folds=tuple((fold.id, fold.test) for fold in folds),
    )  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, "guitar", profile)
    return runs.grid("guitar")


def test_a_fold_deals_every_song_once_and_validates_on_none(data):
    dealt = {split: [song.name for song in songs.load(data, split)] for split in ("train", "valid", "test", None)}
    assert dealt["test"] == ["A - 1", "B - 5"] and dealt["valid"] == []
    assert dealt["train"] == ["A - 0", "A - 2", "A - 3", "B - 4", "B - 6", "B - 7"]
    assert dealt[None] == sorted(dealt["train"] + dealt["test"])


def test_a_fold_that_cannot_be_is_one_line(data):
    with pytest.raises(DataError, match="got no song 'C - 1', which data.hold_out names, but 'A - 0', .*'B - 7'; add"):
        songs.load(replace(data, hold_out=("A - 1", "C - 1")), "train")
    everything = tuple(song.name for song in songs.load(data, None))
    with pytest.raises(NoSongs, match="a fold of 8 songs, of which data.hold_out names 8, has none in split 'train'"):
        songs.load(replace(data, hold_out=everything), "train")
    with pytest.raises(ConfigError, match="got data.hold_out with data.source 'embedded': expected songs of a folder"):
        DataConfig("embedded", hold_out=("test-0000",))


def test_an_excerpt_is_the_middle_of_every_stem(data):
    whole, [excerpt, _] = songs.load(replace(data, excerpt_seconds=0.0), "test")[0], songs.load(data, "test")
    assert (excerpt.frames, whole.frames) == (2 * RATE, 3 * RATE)
    middle = slice(RATE // 2, RATE // 2 + 2 * RATE)
    for stem in ("guitar", "mixture"):
        np.testing.assert_array_equal(excerpt.read(stem), whole.read(stem)[:, middle])
        np.testing.assert_array_equal(excerpt.read(stem, 100, 50), whole.read(stem)[:, middle][:, 100:150])
        np.testing.assert_array_equal(excerpt.read(stem, 100), whole.read(stem)[:, middle][:, 100:])
    np.testing.assert_array_equal(excerpt.residual("guitar"), whole.residual("guitar")[:, middle])
    assert whole.excerpt(3.0) == whole == whole.excerpt(60.0)
    assert [song.frames for song in songs.load(data, "train")] == [3 * RATE] * 6


def test_songs_that_are_not_the_recorded_ones_are_refused(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_DATA", str(tmp_path))
    with pytest.raises(DataError, match="guitar: no such folder; fetch the two packages and convert them"):
        songs.load(DataConfig("guitar"), None)
    shutil.copytree(recordings, tmp_path / "guitar")
    with pytest.raises(DataError, match="got A - 0, .*, B - 7: not the recordings that data.source 'guitar' stands fo"):
        songs.load(DataConfig("guitar"), None)
    monkeypatch.setattr(fretsonfire, "SONGS", {path.name: path.name[0] for path in recordings.iterdir()})
    for path in (tmp_path / "guitar").iterdir():
        write_json(path / "song.json", {"digest": path.name[0]})
    assert len(songs.load(DataConfig("guitar"), None)) == 8


@pytest.mark.precision
def test_scores_are_of_the_middle_of_each_held_out_song(grid):
    run = grid["artist-a-v7-s0"]
    result = compute(run)
    assert runs.load(run) == json.loads(json.dumps(result))
    rows, trained = result["scores"]["songs"], result["training"]
    assert [row["song"] for row in rows] == ["A - 0", "A - 1", "A - 2", "A - 3"]
    assert trained["items"] == 4 and len(trained["first_losses"]) == 2 and trained["valid_songs"] == 0
    assert trained["arithmetic"] == {"asked": "bfloat16", "got": precision.fast_dtype()}
    for row, song in zip(rows, songs.load(replace(run.profile.data, excerpt_seconds=0.0), "test"), strict=True):
        reference, mixture = (song.read(stem)[:, RATE // 2 :][:, : 2 * RATE] for stem in ("guitar", "mixture"))
        assert row["usdr_mixture"] == pytest.approx(metrics.usdr(reference, mixture), abs=1e-9)
    assert result["scores"]["summary"] == metrics.aggregate(rows)


def test_estimators_learn_from_whole_songs_and_are_scored_on_excerpts(grid):
    run = grid["songs-2-baselines-s0"]
    scores, data = compute(run)["scores"], run.profile.data
    assert list(scores) == list(baselines.METHODS)
    excerpt = songs.load(data, "test")[0]
    gains = baselines.wiener_gains(songs.load(data, "train"), "guitar", run.profile.model)
    for method, estimate in baselines.estimates(excerpt, "guitar", gains, run.profile.model).items():
        assert scores[method]["songs"][0]["song"] == "A - 1"
        expected = metrics.usdr(excerpt.read("guitar"), estimate)
        assert scores[method]["songs"][0]["usdr"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.precision
def test_without_validation_songs_the_last_weights_are_kept(grid, monkeypatch):
    """Of two points where others would validate, neither chooses; what was not measured is not a number."""
    run, last, step = grid["songs-1-v7-s0"], [], train.Trainer.step

    def weights(model):
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    def step_and_note(trainer, *batch):
        step(trainer, *batch)
        last.append(weights(trainer.model))

    monkeypatch.setattr(train.Trainer, "step", step_and_note)
    trained = compute(run)["training"]
    assert len(last) == 2 and not torch.equal(*last)
    assert torch.equal(weights(checkpoint.load(run.weights_folder())), last[-1])
    assert [entry["valid_usdr"] for entry in trained["history"]] == [None, None]
    assert (trained["best"], trained["best_items"]) == (None, 4)
    assert Study("guitar").best_models() == {}  # and none of them is published


def test_a_profile_of_folds_has_no_role_in_the_tables_of_the_paper():
    assert {run.roles for run in runs.grid("guitar").values()} == {frozenset({"fold"})}
    assert "Left out: results" in manifest.result_table("guitar")
    with pytest.raises(ConfigError, match="'guitar' trains no model for 'guitar': expected another profile, this one"):
        trained_model("guitar", "guitar")


@pytest.mark.precision
def test_the_command_line_trains_on_a_fold(recordings, tmp_path, capsys):
    settings = {"data.hold_out": "A - 0,B - 4", "train.max_items": 2, "train.batch_items": 1, "model.features": 4,
                "model.modules": 1, "mixing.chunk_seconds": 0.3}  # fmt: skip
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    out = tmp_path / "model"
    assert cli.main(["train", "--target", "guitar", "--data", str(recordings), "--out", str(out), *given]) == 0
    assert f"no validation songs, so the last weights, of item 2: {out}" in capsys.readouterr().out
    assert json.loads((out / "settings.json").read_text())["data"]["hold_out"] == ["A - 0", "B - 4"]


def test_spectra_without_songs_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    assert guitar.main() == 1
    assert capsys.readouterr().err.startswith("bsrnn.study.guitar: ")


def test_third_octaves_hold_the_power_of_a_tone():
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    thirds = dict(zip(guitar.THIRDS_HZ, guitar._thirds(np.stack([tone, tone])), strict=True))
    assert thirds[1000.0] == pytest.approx(0, abs=0.05) and max(v for hz, v in thirds.items() if hz != 1000) < -20


# ---- tables ----


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A results/guitar where song i scores i dB with V7; the guitar split 1 dB more over songs, 2 less over artists."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    from bsrnn.report.chapters import ch12_guitar

    names = list(fretsonfire.SONGS)
    for run in runs.grid("guitar").values():
        usdr = {song: names.index(song) for song in run.profile.data.hold_out}
        if run.variant == "guitar":
            usdr = {song: value + (1 if run.id.startswith("songs") else -2) for song, value in usdr.items()}
        rows = [{"song": song, "usdr": value, "csdr": value / 2} for song, value in usdr.items()]
        unscored = [row | {"usdr": 0.0, "csdr": None} for row in rows]
        baseline = {name: {"songs": unscored if name == "silence" else rows} for name in baselines.METHODS}
        write_json(run.result_path(), {"scores": baseline if run.kind == "baselines" else {"songs": rows}})
    return ch12_guitar


def test_means_and_differences_by_hand(made_up):
    means = made_up.means().set_index(["held out", "method"])
    for kind, gain in (("songs", 1), ("artists", -2)):
        assert means.loc[(kind, "BSRNN, V7"), "usdr_mean"] == pytest.approx(3.5)  # of 0 to 7
        assert means.loc[(kind, "BSRNN, guitar split"), "usdr_mean"] == pytest.approx(3.5 + gain)
        assert means.loc[(kind, "BSRNN, guitar split"), "csdr_median"] == pytest.approx((3.5 + gain) / 2)
        assert means.loc[(kind, "silence"), ["csdr_median"]].isna().all()
        row = means.loc[(kind, "guitar split over V7")]
        assert row["usdr_mean"] == row["low"] == row["high"] == gain and row["songs"] == 8  # alike in every song
    songs_of = made_up.song_by_song()
    assert len(songs_of) == 16 and set(songs_of["note"]) == {"one seed, carries no claim"}
    assert made_up.progress() == "all 6 folds are computed"


def test_a_fold_that_is_not_whole_is_left_out_and_named(made_up):
    folder = paths.results("guitar") / "runs"
    for run_id in ("songs-2-guitar-s0", "artist-sectoid-baselines-s0"):
        runs.get("guitar", run_id).result_path().unlink()
    assert made_up.progress() == "4 of 6 folds are computed; still missing: songs-2, artist-sectoid"
    counts = made_up.song_by_song()["held out"].value_counts()
    assert (counts["songs"], counts["artists"]) == (6, 4) and made_up.lacks_scores() == ""
    for path in folder.glob("songs-*-v7-*"):  # but for one fold, of two songs
        if "songs-1" not in path.name:
            path.unlink()
    gain = made_up.means().set_index(["held out", "method"]).loc[("songs", "guitar split over V7")]
    assert gain["songs"] == 2 and gain[["low", "high"]].isna().all() and gain["usdr_mean"] == 1
    for path in folder.glob("*-v7-*"):
        path.unlink()
    assert "no finished fold" in made_up.lacks_scores() and "no spectra" in made_up.lacks_spectra()


# ---- what is committed ----


@pytest.fixture
def committed(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    from bsrnn.report.chapters import ch12_guitar

    return ch12_guitar


def test_committed_results_are_those_of_the_registry(committed):
    grid = runs.grid("guitar")
    folder = paths.results("guitar")
    assert {path.name for path in (folder / "runs").iterdir()} == {run.result_path().name for run in grid.values()}
    assert guitar.spectra_path().is_file()
    for run in grid.values():
        result = runs.load(run)
        assert (result["id"], result["key"], result["train_key"]) == (run.id, run.key, run.train_key)
        now = deciding(asdict(run.profile))
        for part in ("model", "mixing", "activity", "loss", "train", "separate", "data"):
            assert deciding(result["config"][part]) == json.loads(json.dumps(now[part]))
        scores = result["scores"]
        for part in [scores] if "songs" in scores else scores.values():
            assert part["summary"] == metrics.aggregate(part["songs"])
            assert [row["song"] for row in part["songs"]] == list(run.profile.data.hold_out)
    assert not list(folder.rglob("*.wav"))


def test_minutes_of_unknown_scoring_are_no_number(committed):
    """The older trainings do not say how long they were scored; the estimators' time is known."""
    table = ch04_training.what_was_run(Results(Study("guitar"), runs.ROLES)).set_index("run")
    assert len(table) == 18
    for run_id, row in table.iterrows():
        result = runs.load(runs.get("guitar", f"{run_id}-s0"))
        if row["kind"] == "baselines":
            assert row["minutes"] == pytest.approx(result["score_seconds"] / 60)
        else:
            assert result["score_seconds"] is None and row[["score_seconds", "minutes"]].isna().all()


def test_tables_compare_the_same_songs(committed):
    if committed.lacks_scores():
        pytest.skip(committed.lacks_scores())
    table, means = committed.scores(), committed.means()
    assert table["fold"].nunique() == len(committed.whole_folds())
    for kind, part in table.groupby("kind"):
        rows = means[means["held out"] == kind].set_index("method")
        assert rows.loc["BSRNN, V7", "usdr_mean"] == pytest.approx(part["v7"].mean())
        gain = rows.loc["guitar split over V7"]
        assert gain["usdr_mean"] == pytest.approx((part["guitar"] - part["v7"]).mean())
        if len(part) < FEWEST_SONGS:
            assert gain[["low", "high"]].isna().all()
        else:
            assert gain["low"] <= gain["usdr_mean"] <= gain["high"]
    assert (table["silence"].abs() < 1e-6).all() and (table["ratio_mask"] > table["mixture"]).all()
