"""Every layout that users have, and every way in which a data set can be wrong."""

import json
import re
import shutil
import sys
import tracemalloc
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bsrnn.audio import files as audio
from bsrnn.audio.origin import Origin
from bsrnn.config import DataConfig
from bsrnn.data import songs, synthetic, unlabelled
from bsrnn.data.musdb import CLIP_NAME, MUSDB_VALIDATION, clip_bounds, decode_clip
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.runtime import paths
from bsrnn.study import profiles

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg and ffprobe decode MUSDB18's mp4"
)


def make_song(folder, stems=STEMS, *, frames=400, rate=RATE, channels=2, mixture=True, suffix=".wav", seed=0):
    rng = np.random.default_rng(seed)
    parts = {stem: rng.uniform(-0.2, 0.2, (channels, frames)).astype(np.float32) for stem in stems}
    for stem, part in parts.items():
        audio.write(folder / f"{stem}{suffix}", part, rate)
    if mixture:
        audio.write(folder / "mixture.wav", sum(parts.values()) if parts else np.ones((channels, frames)) / 2, rate)
    return parts


def names(found):
    return [song.name for song in found]


def tree(root, **splits):
    for split, song_names in splits.items():
        for index, name in enumerate(song_names):
            make_song(root / split.replace("_", "-") / name, frames=40, seed=index)
    return root


def test_split_folders(tmp_path):
    tree(tmp_path, train=["b", "a"], valid=["c"], test=["d", "e"])
    for split, expected in (("train", ["a", "b"]), ("valid", ["c"]), ("test", ["d", "e"]), (None, list("abcde"))):
        assert names(songs.read_songs(tmp_path, split, targets=STEMS)) == expected
    assert names(songs.read_songs(tmp_path, "test", limit=1)) == ["d"]


def test_a_song_reads_its_stems_mixture_and_residual(tmp_path):
    parts = make_song(tmp_path / "train" / "a")
    (song,) = songs.read_songs(tmp_path, "train")
    assert (song.frames, song.sample_rate, song.info, list(song.stems)) == (400, RATE, {}, sorted(STEMS))
    assert np.array_equal(song.read("vocals"), parts["vocals"])
    assert np.array_equal(song.read("drums", 100, 50), parts["drums"][:, 100:150])
    assert np.allclose(song.read("mixture", 10, 20), sum(parts.values())[:, 10:30], atol=1e-7)
    expected = parts["drums"] + parts["bass"] + parts["other"]
    assert np.allclose(song.residual("vocals", 5, 9), expected[:, 5:14], atol=1e-7)
    with pytest.raises(DataError, match="song 'a' has no stem 'piano', it has 'bass', 'drums', 'other', 'vocals'"):
        song.read("piano")
    with pytest.raises(DataError, match="no stem 'piano'"):
        song.residual("piano")


def test_residual_with_a_single_stem_comes_from_the_mixture(tmp_path):
    voice = make_song(tmp_path / "s", ["vocals"], mixture=False)["vocals"]
    audio.write(tmp_path / "s" / "mixture.wav", 3 * voice, RATE)
    (song,) = songs.read_songs(tmp_path)
    assert np.allclose(song.residual("vocals"), 2 * voice, atol=1e-7)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_any_folder_with_any_stems_and_formats(tmp_path, suffix):
    for name in ("one", "two", "three"):
        make_song(tmp_path / name, ["guitar", "lead vox"], frames=5000, suffix=suffix, mixture=False)
    found = songs.read_songs(tmp_path, targets=["guitar"])
    assert names(found) == ["one", "three", "two"] and found[0].mixture is None
    mixture = found[0].read("mixture", 1000, 3000)
    assert mixture.shape == (2, 3000)
    assert np.array_equal(mixture, found[0].read("guitar", 1000, 3000) + found[0].read("lead vox", 1000, 3000))


def test_mixed_formats_and_mono_in_one_song(tmp_path):
    mono = make_song(tmp_path / "s", ["guitar"], channels=1, mixture=False)["guitar"]
    make_song(tmp_path / "s", ["piano"], suffix=".FLAC", mixture=False, seed=1)
    (song,) = songs.read_songs(tmp_path)
    assert list(song.stems) == ["guitar", "piano"]
    assert np.array_equal(song.read("guitar"), np.repeat(mono, 2, axis=0))
    assert song.read("mixture").shape == (2, 400)


def test_song_json_and_unlabelled_mixtures(tmp_path):
    make_song(tmp_path / "unlabelled-matched" / "m", [])
    (tmp_path / "unlabelled-matched" / "m" / "song.json").write_text(json.dumps({"style": "shuffle"}))
    tree(tmp_path, train=["a"], test_new=["s"])
    (song,) = songs.read_songs(tmp_path, "unlabelled-matched")
    assert song.info == {"style": "shuffle"} and not song.stems and np.all(song.read("mixture") == 0.5)
    assert names(songs.read_songs(tmp_path, "test-new")) == ["s"]
    assert names(songs.read_songs(tmp_path)) == ["a"]  # None: the labelled ones


def test_hidden_and_stray_things_are_passed_over(tmp_path):
    make_song(tmp_path / "train" / "a")
    make_song(tmp_path / "train" / ".a.partial")
    (tmp_path / "train" / "notes").mkdir()
    for stray in ("train/README.txt", "train/a/._vocals.wav", "train/a/.DS_Store", "train/a/cover.jpg", ".hidden.wav"):
        (tmp_path / stray).write_bytes(b"stray")
    (song,) = songs.read_songs(tmp_path, "train")
    assert song.name == "a" and set(song.stems) == set(STEMS)


@pytest.mark.parametrize("mixture", ["Mixture.wav", "MIX.flac", "mixdown.wav", "Full Mix.wav", "master.wav"])
def test_stems_and_mixture_as_people_write_them(tmp_path, mixture):
    parts = make_song(tmp_path / "s", ["Vocals", "DRUMS"], mixture=False)
    total = sum(parts.values())
    audio.write(tmp_path / "s" / mixture, total, RATE, "PCM_24")
    (song,) = songs.read_songs(tmp_path, targets=["vocals"])
    assert list(song.stems) == ["drums", "vocals"] and song.mixture.name == mixture
    assert np.array_equal(song.read("vocals"), parts["Vocals"])
    assert np.allclose(song.read("mixture"), total, atol=1e-6)
    assert np.array_equal(song.residual("vocals"), parts["DRUMS"])
    (song,) = songs.read_songs(tmp_path, targets=["VOCALS"])  # a model whose target is spelt so
    assert list(song.stems) == ["VOCALS", "drums"]


def test_two_mixtures_or_two_spellings_of_a_stem(tmp_path):
    make_song(tmp_path / "s", ["vocals"])
    make_song(tmp_path / "s", ["Mix"], mixture=False)
    with pytest.raises(DataError, match=r"song 's': both Mix\.wav and mixture\.wav for stem 'mixture'"):
        songs.read_songs(tmp_path)
    make_song(tmp_path / "t" / "s", ["vocals"], mixture=False)
    make_song(tmp_path / "t" / "s", ["Vocals"], suffix=".flac", mixture=False)
    with pytest.raises(DataError, match=r"song 's': both Vocals\.flac and vocals\.wav for stem 'vocals'"):
        songs.read_songs(tmp_path / "t")


def test_a_stem_that_is_the_sum_of_the_others_is_the_mixture(tmp_path, capsys):
    parts = make_song(tmp_path / "s", ["vocals", "drums"], frames=9000, mixture=False)
    for stem, part in parts.items():
        audio.write(tmp_path / "s" / f"{stem}.wav", part, RATE, "PCM_16")
    audio.write(tmp_path / "s" / "The Song.wav", sum(parts.values()), RATE, "PCM_16")
    (song,) = songs.read_songs(tmp_path, targets=["vocals"])
    assert list(song.stems) == ["drums", "vocals"] and song.mixture.name == "The Song.wav"
    said = capsys.readouterr().err
    assert "The Song.wav: equals the sum of the song's other stems, and is taken as its mixture" in said
    audio.write(tmp_path / "s" / "The Song.wav", 0.9 * sum(parts.values()), RATE, "PCM_16")
    (song,) = songs.read_songs(tmp_path)
    assert list(song.stems) == ["drums", "the song", "vocals"] and song.mixture is None
    audio.write(tmp_path / "s" / "The Song.wav", parts["vocals"], RATE, "PCM_16")  # both fit: neither is the mixture
    audio.write(tmp_path / "s" / "drums.wav", 0 * parts["drums"], RATE, "PCM_16")
    (song,) = songs.read_songs(tmp_path)
    assert list(song.stems) == ["drums", "the song", "vocals"] and song.mixture is None


@pytest.mark.parametrize(
    "train, valid, test",
    [
        ("Train", "validation", "TEST"),
        ("training", "val", "eval"),
        ("TRAIN", "dev", "testing"),
        ("train", "Valid", "Evaluation"),
    ],
)
def test_split_folders_as_people_name_them(tmp_path, train, valid, test):
    for folder, song in ((train, "a"), (train, "b"), (valid, "c"), (test, "d")):
        make_song(tmp_path / folder / song, ["vocals"])
    for split, expected in (("train", ["a", "b"]), ("valid", ["c"]), ("test", ["d"]), (None, list("abcd"))):
        assert names(songs.read_songs(tmp_path, split)) == expected


def test_two_folders_for_one_split(tmp_path):
    tree(tmp_path, train=["a"], val=["b"], validation=["c"])
    with pytest.raises(DataError, match=r"both val/ and validation/ hold songs of the split 'valid', expected one f"):
        songs.read_songs(tmp_path, "train")


def test_songs_that_are_not_used_are_named(tmp_path, capsys):
    tree(tmp_path / "splits", train=["a"], test=["b"], extra=["c", "d"])
    make_song(tmp_path / "splits" / "loose song")
    make_song(tmp_path / "splits", ["vocals"], mixture=False)
    assert names(songs.read_songs(tmp_path / "splits", "test")) == ["b"]
    assert (
        "splits: not used: extra/ (2 song(s)), loose song/ (1 song(s)), 1 loose file(s) (vocals.wav); used are the "
        "split folders, known as train, training, valid,"
    ) in capsys.readouterr().err
    tree(tmp_path / "plain" / "deep", one=["a"])
    make_song(tmp_path / "plain" / "b")
    tree(tmp_path / "plain", cd1=["c"])
    assert names(songs.read_songs(tmp_path / "plain")) == ["b"]
    assert "plain: not used: cd1/ (1 song(s)); used are the folders directly in it" in capsys.readouterr().err


def test_a_stem_of_a_kind_that_is_not_read(tmp_path):
    make_song(tmp_path / "a", ["vocals"])
    (tmp_path / "a" / "bass.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    with pytest.raises(DataError, match=r"bass\.m4a: of a kind that is not read, .*`ffmpeg -i \S*\.m4a \S*bass\.wav`"):
        songs.read_songs(tmp_path, targets=["vocals"])
    make_song(tmp_path / "b" / "s", ["vocals"])
    (tmp_path / "b" / "t").mkdir()
    (tmp_path / "b" / "t" / "vocals.m4a").write_bytes(b"")  # a song of nothing else
    with pytest.raises(DataError, match=r"vocals\.m4a: of a kind that is not read"):
        songs.read_songs(tmp_path / "b")


def test_dots_and_links_hide_no_song(tmp_path):
    make_song(tmp_path / "data" / "train" / "...Title", ["vocals"])
    make_song(tmp_path / "elsewhere", ["vocals"])
    (tmp_path / "data" / "train" / "linked").symlink_to(tmp_path / "elsewhere")
    assert names(songs.read_songs(tmp_path / "data")) == ["...Title", "linked"]


# held-out songs


def test_validation_songs_are_those_of_musdb():
    yaml = pytest.importorskip("yaml")
    from importlib.util import find_spec

    spec = find_spec("musdb")  # found, not imported: the import needs ffmpeg
    if spec is None:
        pytest.skip("musdb is not installed")
    setup = yaml.safe_load((Path(spec.origin).parent / "configs" / "mus.yaml").read_text(encoding="utf-8"))
    assert sorted(setup["validation_tracks"]) == list(MUSDB_VALIDATION) and len(MUSDB_VALIDATION) == 14


def test_musdb_hq_holds_out_its_fourteen(tmp_path):
    tree(tmp_path, train=[*MUSDB_VALIDATION, "X - Y", "Z - W"], test=["T - T"])
    assert names(songs.read_songs(tmp_path, "train", targets=STEMS)) == ["X - Y", "Z - W"]
    assert names(songs.read_songs(tmp_path, "valid")) == list(MUSDB_VALIDATION)
    assert names(songs.read_songs(tmp_path, "test")) == ["T - T"]


def test_train_and_test_without_valid_and_without_musdb_songs(tmp_path):
    everyone = [f"song {index}" for index in range(14)]
    tree(tmp_path, train=everyone, test=["t"])
    train, valid = (names(songs.read_songs(tmp_path, split)) for split in ("train", "valid"))
    assert len(valid) == 2 and sorted(train + valid) == sorted(everyone)
    assert names(songs.read_songs(tmp_path, "test")) == ["t"]


@pytest.mark.parametrize(
    "count, sizes", [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (7, (5, 1, 1)), (14, (10, 2, 2))]
)
def test_plain_folders_hold_songs_out(tmp_path, count, sizes):
    for index in range(count):
        make_song(tmp_path / f"song {index:02}", ["guitar"], frames=20)
    got = {}
    for split, size in zip(("train", "valid", "test"), sizes, strict=True):
        if size:
            got[split] = names(songs.read_songs(tmp_path, split))
            assert len(got[split]) == size and got[split] == sorted(got[split])
        else:
            with pytest.raises(DataError, match=rf"no songs in split '{split}', got {count} song"):
                songs.read_songs(tmp_path, split)
    assert sorted(sum(got.values(), [])) == names(songs.read_songs(tmp_path))


def test_the_choice_does_not_depend_on_how_a_letter_is_spelt():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for other in map(str, range(5)):
        first, second = (songs._hold_out([name, other])["train"][0] for name in (composed, decomposed))
        assert (first == composed) == (second == decomposed)


def test_names_need_not_be_utf_8():
    assert sorted(sum(songs._hold_out(["caf\udce9", "b", "c"]).values(), [])) == ["b", "c", "caf\udce9"]


def test_the_choice_depends_on_the_names_alone():
    everyone = [f"song {index}" for index in range(30)]
    dealt = songs._hold_out(everyone)
    assert dealt == songs._hold_out(reversed(everyone))
    assert dealt["valid"] == ["song 5", "song 2", "song 7", "song 1"]  # by SHA-256: the same on every machine


# what can be wrong


def test_missing_empty_and_loose(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected one folder a song.*check the path"):
        songs.read_songs(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no song in it; expected one folder a song.*put songs there"):
        songs.read_songs(tmp_path / "empty")
    make_song(tmp_path / "loose")
    with pytest.raises(DataError, match=r"loose: no song in it \(its audio files lie loose: put each song's into"):
        songs.read_songs(tmp_path / "loose", "train")
    with pytest.raises(DataError, match="a file; expected one folder"):
        songs.read_songs(tmp_path / "loose" / "vocals.wav")


@pytest.mark.parametrize("names", [["Songs"], ["A", "B"]])
def test_songs_that_lie_a_level_deeper_are_said_where(tmp_path, names):
    for name in names:
        make_song(tmp_path / name / f"moises-{name}")
    what = f"give {tmp_path / 'Songs'} instead" if len(names) == 1 else "move each up"
    said = f"no song in it (songs lie one level deeper, in {', '.join(names)}: {what}); expected one folder a song"
    with pytest.raises(DataError, match=re.escape(said)):
        songs.read_songs(tmp_path)


def test_unknown_and_absent_split(tmp_path):
    tree(tmp_path, train=["a", "b"])
    with pytest.raises(ConfigError, match="unknown split 'dev': expected one of train, valid, test, unlab"):
        songs.read_songs(tmp_path, "dev")
    with pytest.raises(DataError, match=r"no songs in split 'test', got folders 'train'; expected songs in .*test; "):
        songs.read_songs(tmp_path, "test")


def test_a_folder_that_holds_unlabelled_songs_alone(tmp_path):
    make_song(tmp_path / "unlabelled-matched" / "s", ())
    with pytest.raises(DataError) as refused:
        songs.read_songs(tmp_path)
    said = "no labelled songs, got folders 'unlabelled-matched'; expected songs in train, valid, test; make one"
    assert said in str(refused.value) and "None" not in str(refused.value)
    assert len(songs.read_songs(tmp_path, "unlabelled-matched")) == 1


def test_song_lacking_a_stem(tmp_path):
    make_song(tmp_path / "train" / "good")
    make_song(tmp_path / "train" / "Mine", ["drums", "bass"])
    with pytest.raises(
        DataError,
        match=r"song 'Mine' lacks the stem 'vocals', it has 'bass', 'drums'; put vocals\.wav "
        r"into .*Mine, or choose",
    ):
        songs.read_songs(tmp_path, "train", targets=["bass", "vocals"])
    assert len(songs.read_songs(tmp_path, targets=["bass"])) == 2


def test_stems_of_unequal_length(tmp_path):
    make_song(tmp_path / "s", ["vocals", "drums"], mixture=False)
    make_song(tmp_path / "s", ["bass"], frames=399, mixture=False)
    with pytest.raises(
        DataError,
        match=r"song 's': stems of unequal length \(bass 399, drums 400, vocals 400 samples\)"
        ", expected all alike; export",
    ):
        songs.read_songs(tmp_path)


def test_stems_of_unequal_rate(tmp_path):
    make_song(tmp_path / "s", ["vocals"], mixture=False)
    make_song(tmp_path / "s", ["bass"], rate=48000, mixture=False)
    with pytest.raises(DataError, match=r"song 's': stems of unequal rate \(bass 48000, vocals 44100 Hz\)"):
        songs.read_songs(tmp_path)


def test_rate_of_the_model(tmp_path):
    make_song(tmp_path / "s", rate=48000)
    with pytest.raises(DataError, match="song 's': .* has 48000 Hz, expected the model's 44100 Hz; resample .* -ar"):
        songs.read_songs(tmp_path)
    assert songs.read_songs(tmp_path, sample_rate=48000)[0].sample_rate == 48000


def test_too_many_channels(tmp_path):
    make_song(tmp_path / "s", ["vocals"], channels=6, mixture=False)
    with pytest.raises(DataError, match="song 's': vocals has 6 channels, expected 1 or 2; mix it down"):
        songs.read_songs(tmp_path)


def test_damaged_files(tmp_path):
    make_song(tmp_path / "s")
    (tmp_path / "s" / "drums.wav").write_bytes(b"not audio")
    with pytest.raises(DataError, match=r"drums\.wav: not readable as audio .*expected audio.*get it again"):
        songs.read_songs(tmp_path)
    make_song(tmp_path / "s")
    (tmp_path / "s" / "song.json").write_text("{")
    with pytest.raises(DataError, match=r"song\.json: not readable as JSON"):
        songs.read_songs(tmp_path)


def test_two_files_for_one_stem(tmp_path):
    make_song(tmp_path / "s", ["vocals"], mixture=False)
    make_song(tmp_path / "s", ["vocals"], mixture=False, suffix=".flac")
    with pytest.raises(DataError, match=r"song 's': both vocals\.flac and vocals\.wav for stem 'vocals'"):
        songs.read_songs(tmp_path)


def test_finding_songs_reads_headers_only(tmp_path):
    make_song(tmp_path / "s", ["vocals", "drums"], frames=20 * RATE)  # 7 MB a file
    tracemalloc.start()
    (song,) = songs.read_songs(tmp_path)
    found = tracemalloc.get_traced_memory()[1]
    song.residual("vocals", 10 * RATE, RATE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found < 200_000 and peak < 4 * RATE * 2 * 4  # bytes


# mixtures alone


def test_mixtures_below_a_folder(tmp_path, capsys):
    parts = make_song(tmp_path / "album" / "b song", ["guitar", "drums"])  # stems beside a mixture are no music to use
    mono = make_song(tmp_path, ["c track"], channels=1, mixture=False)["c track"]
    make_song(tmp_path / "album", ["a track"], suffix=".flac", mixture=False)
    make_song(tmp_path / "album", ["fast"], rate=48000, mixture=False)
    make_song(tmp_path / ".b song.partial", ["guitar"])
    (tmp_path / "album" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "playlist.m3u").write_text("a track.flac")
    found = songs.read_mixtures(tmp_path)
    unreadable, found = found.unreadable, found.songs
    assert names(found) == ["c track", "a track", "fast", "b song"] and not any(song.stems for song in found)
    assert np.array_equal(found[3].read("mixture"), parts["drums"] + parts["guitar"])
    assert np.array_equal(found[0].read("mixture", 5, 10), np.repeat(mono[:, 5:15], 2, axis=0))
    assert songs.read_mixture(tmp_path / "c track.wav") == found[0]
    noted, passed_over = capsys.readouterr().err.splitlines()
    assert noted == (
        f"note: {tmp_path}: passed over 2 stems beside a mixture (album/b song/drums.wav, "
        "album/b song/guitar.wav), 1 file that is not a sound file (playlist.m3u)"
    )
    assert list(unreadable) == ["album/broken.wav"] and unreadable["album/broken.wav"] in passed_over
    assert passed_over.startswith("passed over: ") and "broken.wav: not readable as audio" in passed_over


def test_songs_of_one_stem_without_a_mixture_are_named(tmp_path, capsys):
    make_song(tmp_path / "a", ["vocals"], mixture=False)
    make_song(tmp_path / "b", ["vocals", "drums"], mixture=False)
    make_song(tmp_path / "c", ["vocals"])
    assert names(songs.read_songs(tmp_path, targets=["vocals"])) == ["a", "b", "c"]
    said = f"note: {tmp_path}: 1 song(s) with one stem and no mixture, from which nothing can be separated: a\n"
    assert capsys.readouterr().err == said


def test_stems_that_separate_has_written_are_no_unlabelled_songs(tmp_path, capsys):
    make_song(tmp_path, ["own"], mixture=False)
    stems = tmp_path / "separated" / "small" / "own"
    stems.mkdir(parents=True)
    for name in ("vocals.wav", "drums.flac"):
        comment = Origin("own.wav", "0", "0", "0").comment()
        with audio.Writer(stems / name, RATE, 2, 100, "PCM_16", comment=comment) as writer:
            writer.write(np.zeros((2, 100), np.float32))
    assert names(songs.read_mixtures(tmp_path).songs) == ["own"]
    assert capsys.readouterr().err == (
        f"note: {tmp_path}: passed over 2 files that bsrnn separate has written (separated/small/own/drums.flac, "
        "separated/small/own/vocals.wav)\n")  # fmt: skip


@pytest.mark.parametrize("rate, frames", [(48000, 368), (22050, 800), (44100, 400)])
def test_a_mixture_of_another_rate_is_resampled_as_it_is_read(tmp_path, rate, frames):
    part = make_song(tmp_path, ["song"], rate=rate, mixture=False)["song"]
    song = songs.read_mixture(tmp_path / "song.wav", RATE)
    whole = audio.resample(part, rate, RATE)
    assert (song.frames, song.sample_rate) == (frames, RATE) and whole.shape == (2, frames)
    assert np.abs(song.read("mixture") - whole).max() < 1e-6
    assert np.abs(song.read("mixture", 100, 77) - whole[:, 100:177]).max() < 1e-6


def test_a_mixture_with_more_channels_is_mixed_down(tmp_path):
    wide = make_song(tmp_path, ["wide"], channels=6, mixture=False)["wide"]
    song = songs.read_mixture(tmp_path / "wide.wav")
    left, right, centre, _, rear_left, rear_right = wide
    expected = np.stack([left + 0.5**0.5 * (centre + rear_left), right + 0.5**0.5 * (centre + rear_right)])
    assert np.allclose(song.read("mixture", 7, 50), expected[:, 7:57] / (1 + 2**0.5), atol=1e-6)


def test_mixtures_that_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder; expected a folder with audio files"):
        songs.read_mixtures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no readable audio file in it .0 cannot be read., expected"):
        songs.read_mixtures(tmp_path / "empty")
    make_song(tmp_path, ["wide"], channels=9, mixture=False)
    with pytest.raises(DataError, match=r"wide\.wav: 9 channels, expected at most 8; mix it down"):
        songs.read_mixture(tmp_path / "wide.wav")


def test_held_out_songs_that_are_broken_do_not_become_music_to_learn_from(tmp_path):
    for split in ("train", "valid"):
        make_song(tmp_path / split / "s", ["vocals", "drums"])
    profile = replace(profiles.profile("tiny"), data=DataConfig("folder", folder=str(tmp_path)))
    music = songs.read_mixtures(tmp_path)
    kept = unlabelled.without_held_out(music, profile.data, 44100)  # without a test split
    assert len(music.songs) == 2 and [song.mixture.parent.parent.name for song in kept.songs] == ["train"]
    audio.write(tmp_path / "valid" / "s" / "drums.wav", np.zeros((2, 9)), RATE)
    with pytest.raises(DataError, match="song 's': stems of unequal length"):
        unlabelled.without_held_out(music, profile.data, 44100)


def test_songs_of_another_rate_are_held_out_with_a_model_of_that_rate(tmp_path):
    for split in ("train", "valid"):
        make_song(tmp_path / split / "s", ["vocals", "drums"], rate=48000)
    music = songs.read_mixtures(tmp_path, 48000)
    kept = unlabelled.without_held_out(music, DataConfig("folder", folder=str(tmp_path)), 48000)
    assert [song.mixture.parent.parent.name for song in kept.songs] == ["train"] and len(kept.held_out) == 1


# a profile's data set


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_DATA", str(tmp_path / "data"))
    return paths.data()


def test_load_embedded(tmp_path, data_folder, monkeypatch):
    asked = []

    def ensure(config, root, splits, *, limit=None, jobs=None, progress=True):
        asked.append((config.seed, root, tuple(splits), limit))
        return tree(tmp_path / "set", train=["a", "b", "c"], valid=["v"], test=["t"], unlabelled_matched=["u", "w"])

    monkeypatch.setitem(
        sys.modules, "bsrnn.data.synthetic", types.SimpleNamespace(ensure=ensure, count=synthetic.count)
    )
    config = DataConfig("embedded", train_songs=2, valid_songs=1, test_songs=0, unlabelled_songs=1, seed=5)
    assert names(songs.load(config, "train", targets=["vocals"])) == ["a", "b"]  # as many as the profile says
    assert names(songs.load(config, "train", limit=1)) == ["a"]
    assert names(songs.load(config, "unlabelled-matched")) == ["u"]
    assert names(songs.load(config, None)) == ["a", "b", "v"]
    assert asked[:2] == [(5, data_folder, ("train",), None), (5, data_folder, ("train",), 1)]
    with pytest.raises(DataError, match="has no test songs in this profile"):
        songs.load(config, "test")


def test_songs_of_amateurs_train_behind_the_others(tmp_path, data_folder, monkeypatch):
    asked = []

    def ensure(config, root, splits, *, limit=None, jobs=None, progress=True):
        asked.append((*splits, limit))
        return tree(tmp_path / "set", **{split: [f"{split}-{i}" for i in range(4)] for split in splits})

    monkeypatch.setitem(
        sys.modules, "bsrnn.data.synthetic", types.SimpleNamespace(ensure=ensure, count=synthetic.count)
    )
    config = DataConfig("embedded", train_songs=2, valid_songs=1, amateur_songs=3)
    every = ["train-0", "train-1", "train-amateurs-0", "train-amateurs-1", "train-amateurs-2"]
    assert names(songs.load(config, "train")) == every and names(songs.load(config, "valid")) == ["valid-0"]
    assert names(songs.load(config, "train-amateurs")) == every[2:]
    asked.clear()
    assert [names(songs.load(config, "train", limit=limit)) for limit in (1, 2, 4)] == [every[:1], every[:2], every[:4]]
    assert asked == [("train", 1), ("train", 2), ("train", 4), ("train-amateurs", 2)]  # none for nothing
    for wrong in ({"train_songs": 0}, {"labelled_songs": 1}, {"source": "folder", "folder": "songs"}):
        with pytest.raises(ConfigError, match="got 3 data.amateur_songs with .*: expected embedded songs, all of them"):
            replace(config, **wrong)


def test_an_embedded_split_is_whole_whatever_else_is_rendered(tmp_path, data_folder, monkeypatch):
    """On a new machine train/ is there before valid/: nothing is held out of it then."""

    def ensure(config, root, splits, *, limit=None, jobs=None, progress=True):
        return tree(tmp_path / "set", **{split: [f"{split}-{i}" for i in range(7)] for split in splits})

    monkeypatch.setitem(
        sys.modules, "bsrnn.data.synthetic", types.SimpleNamespace(ensure=ensure, count=synthetic.count)
    )
    config = DataConfig("embedded", train_songs=7, valid_songs=2)
    before = names(songs.load(config, "train"))
    assert before == [f"train-{i}" for i in range(7)]
    assert names(songs.load(config, "valid")) == ["valid-0", "valid-1"]
    assert names(songs.load(config, "train")) == before


def test_load_folder_and_musdb_hq(tmp_path, data_folder):
    tree(data_folder / "musdb18hq", train=["A - B", "Young Griffo - Pennies"], test=["T - T"])
    assert names(songs.load(DataConfig("musdb18hq"), "valid")) == ["Young Griffo - Pennies"]
    assert names(songs.load(DataConfig("musdb18hq"), "train", limit=5)) == ["A - B"]
    make_song(tmp_path / "mine" / "s", ["guitar"])
    mine = DataConfig("folder", folder=str(tmp_path / "mine"))
    assert names(songs.load(mine, None, targets=["guitar"])) == ["s"]
    elsewhere = replace(DataConfig("musdb18hq"), folder=str(data_folder / "musdb18hq"))
    assert names(songs.load(elsewhere, "test")) == ["T - T"]


def test_load_says_what_to_do(data_folder):
    with pytest.raises(DataError, match=r"musdb18hq: no such folder; get MUSDB18-HQ as data/README\.md says"):
        songs.load(DataConfig("musdb18hq"), "test")
    with pytest.raises(DataError, match=r"previews: no such folder; get the 7 s previews with `python -c"):
        songs.load(DataConfig("previews"), "test")
    with pytest.raises(ConfigError, match="unknown split 'dev'"):
        songs.load(DataConfig("embedded"), "dev")


# mp4


def stem_file():
    stempeg = pytest.importorskip("stempeg")
    return Path(stempeg.example_stem_path())


@needs_ffmpeg
def test_musdb18_is_decoded_once_and_goes_on_where_it_stopped(data_folder, monkeypatch):
    root = data_folder / "musdb18"
    for name in ("train/A - B", "train/Young Griffo - Pennies", "train/._A - B"):
        target = root / f"{name}.stem.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stem_file(), target)
    config = DataConfig("musdb18")
    (first,) = songs.load(config, "train", targets=STEMS, limit=1)  # decodes one song
    written = (first.stems["vocals"].stat().st_mtime_ns, first.mixture.stat().st_mtime_ns)
    assert first.name == "A - B" and [p.name for p in first.mixture.parent.parent.iterdir()] == ["A - B"]
    assert names(songs.read_songs(root, "valid")) == ["Young Griffo - Pennies"]  # decodes the other
    assert names(songs.load(config, "train")) == ["A - B"]
    assert (first.stems["vocals"].stat().st_mtime_ns, first.mixture.stat().st_mtime_ns) == written
    with pytest.raises(DataError, match="no songs in split 'test', got folders 'train'"):
        songs.load(config, "test")

    musdb = pytest.importorskip("musdb")
    track = next(track for track in musdb.DB(root=str(root), subsets=["train"]) if track.name == "A - B")
    assert np.array_equal(first.read("vocals"), track.targets["vocals"].audio.T)  # musdb's samples, none changed
    assert np.array_equal(first.read("mixture"), track.audio.T)

    monkeypatch.setitem(sys.modules, "musdb", None)  # all is decoded: musdb is not needed any more
    assert len(songs.load(config, None, targets=STEMS)) == 2


@needs_ffmpeg
def test_a_damaged_mp4_is_named(data_folder):
    pytest.importorskip("musdb")
    root = data_folder / "musdb18"
    (root / "test").mkdir(parents=True)
    (root / "test" / "A - B.stem.mp4").write_bytes(b"not a film")
    with pytest.raises(DataError, match=r"A - B\.stem\.mp4: cannot be decoded .*get it again"):
        songs.load(DataConfig("musdb18"), "test")
    assert not list(data_folder.glob("decoded/*/test/*"))


def test_mp4_without_a_decoder(data_folder, monkeypatch):
    root = data_folder / "musdb18"
    (root / "test").mkdir(parents=True)
    (root / "test" / "A - B.stem.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "musdb", None)
    with pytest.raises(BSRNNError, match=r"musdb decodes, but musdb cannot be used .*install ffmpeg .*bsrnn\[musdb\]"):
        songs.load(DataConfig("musdb18"), "test")


@needs_ffmpeg
def test_the_real_clip(tmp_path):
    stem_file()
    clip = songs.musdb_clip(tmp_path)
    assert clip.name == CLIP_NAME and set(clip.stems) == set(STEMS) and clip.mixture is None
    assert 5.9 < clip.frames / clip.sample_rate < 6.0 and clip.info["licence"] == "CC BY-NC-SA"
    stems = np.stack([clip.read(stem) for stem in clip.stems])  # (S, C, L)
    assert np.allclose(clip.read("mixture"), stems.sum(axis=0), atol=1e-6)
    # The click is alike in all stems, so they correlate where it stands; music of four instruments does not.
    for end in (stems[:, :, :256], stems[:, :, -256:]):
        assert np.abs(end).max(axis=(1, 2)).min() < 0.3  # the click: 0.69 and 0.97 in the quietest stem
    assert np.abs(stems[:, :, :64]).max() > 0.01  # and no silence is left before the music
    again = songs.musdb_clip(tmp_path)
    assert again == clip


def test_clip_bounds_finds_the_clicks():
    streams = np.full((5, 40000, 2), 0.1)
    streams[:, :2112] = streams[:, -1500:] = 0
    streams[:, 2112:2124] = 0.7
    streams[:, -1600:-1500] = -1
    streams[0, 20000] = 1  # loud, but neither in every stream nor at an end
    streams[:, 25000] = 1
    assert clip_bounds(streams, margin=100) == (2224, 38300)
    assert clip_bounds(np.full((5, 40000, 2), 0.1)) == (0, 40000)


def test_without_stempeg_one_line_says_how_to_get_the_clip(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "stempeg", None)
    assert decode_clip(tmp_path) is None and songs.musdb_clip(tmp_path) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Left out: the real recording (The Easton Ellises")
    assert "install ffmpeg" in lines[0] and "pip install bsrnn[musdb]" in lines[0]
    assert list(tmp_path.iterdir()) == []
