"""Where the stems of each song go, and what a stem's header says: two songs never meet."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import bsrnn
from bsrnn.audio import files as audio
from bsrnn.audio.kinds import FORMATS
from bsrnn.audio.origin import MARK, of_stem
from bsrnn.config import ModelConfig
from bsrnn.errors import DataError
from bsrnn.tool import stem_folders
from bsrnn.tool import stem_provenance as provenance
from bsrnn.tool.stem_folders import Places, file_identity
from bsrnn.tool.stem_provenance import Song

FILES = ["vocals.wav", "drums.wav"]


def song(path, seed=0, frames=500):
    audio.write(path, np.random.default_rng(seed).uniform(-0.3, 0.3, (2, frames)).astype(np.float32), 44100)
    return path


def separate(path, folder, frames=500, made_with="m", files=FILES):
    """As if its stems had been written."""
    comment = Song(path, made_with).origin.comment()
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        with audio.Writer(folder / file, 44100, 2, frames, comment=comment) as writer:
            writer.write(np.zeros((2, frames), np.float32))


def given(root, *songs, made_with="m", frames=500, inputs=frozenset()):
    """The folders that songs get in one call, below root; songs are (path, name) or path."""
    places = Places(root, FILES, inputs)
    pairs = [one if isinstance(one, tuple) else (one, Path(one.stem)) for one in songs]
    found = [places.give(Song(path, made_with), Path(name), frames) for path, name in pairs]
    return [(place.folder.relative_to(root).as_posix(), place.finished) for place in found], [p.note for p in found]


def test_songs_of_one_call_that_would_meet(tmp_path):
    root = tmp_path / "out"
    names = ("a/song.wav", "a/song.flac", "cd1/01.wav", "cd2/01.wav", "b/SONG.wav", "Stra\u00dfe.wav", "c/STRASSE.wav")
    songs = [song(tmp_path / name, seed) for seed, name in enumerate(names)]
    folders, notes = given(root, *songs)
    expected = ["song", "song.flac", "01", "cd2/01", "b/SONG", "Stra\u00dfe", "c/STRASSE"]
    assert folders == [(name, False) for name in expected]
    assert notes[1] == f"its stems go to {root}/song.flac, since {root}/song holds those of song.wav"
    assert [bool(note) for note in notes] == [False, True, False, True, True, False, True]


def test_songs_of_earlier_calls(tmp_path):
    root, first, second = tmp_path / "out", song(tmp_path / "song.wav"), song(tmp_path / "song.flac", 1)
    separate(first, root / "song")
    for _ in range(2):
        assert given(root, second)[0][0][0] == "song.flac"
        separate(second, root / "song.flac")
    assert given(root, second)[0] == [("song.flac", True)]
    assert given(root, second, first)[0] == [("song.flac", True), ("song", True)]
    other = song(tmp_path / "else" / "song.wav", 2)
    assert given(root, other)[0] == [("else/song", False)]
    separate(other, root / "else" / "song")
    deeper = song(tmp_path / "x" / "else" / "song.wav", 3)
    assert given(root, deeper)[0] == [("x/else/song", False)]


def test_the_same_song_from_another_place_or_in_a_new_version(tmp_path):
    root, path = tmp_path / "out", song(tmp_path / "song.wav")
    separate(path, root / "song")
    moved = tmp_path / "moved" / "song.wav"
    moved.parent.mkdir()
    moved.write_bytes(path.read_bytes())
    assert given(root, moved)[0] == [("song", True)]
    assert given(root, path, made_with="other models")[0] == [("song", False)]
    assert "of other settings, are replaced" in given(root, path, made_with="other models")[1][0]
    assert given(root, path, frames=499)[0] == [("song", False)]  # a stem that was cut off
    (root / "song" / "drums.wav").unlink()
    assert given(root, path)[0] == [("song", False)]
    song(path, 5)  # rendered anew
    folders, notes = given(root, path)
    assert folders == [("song", False)] and "of an older version of it" in notes[0]


def test_nobody_elses_file_is_replaced(tmp_path):
    root, path = tmp_path / "out", song(tmp_path / "music" / "song.wav")
    song(root / "song" / "drums.wav", 7)  # a user's own, or an older version's
    folders, notes = given(root, path)
    assert folders == [("song.wav", False)] and stem_folders.STRANGERS in notes[0]
    (root / "song" / "drums.wav").rename(root / "song" / "bass.wav")  # not in the way
    assert given(root, path)[0] == [("song", False)]
    (root / "song" / "vocals.wav").symlink_to("nowhere.wav")
    assert given(root, path)[0] == [("song.wav", False)]
    (root / "song.wav").touch()  # a file where the folder should go
    assert given(root, path)[0] == [("music/song", False)]


def test_no_input_is_written_over_even_where_it_is_a_stem_of_the_song(tmp_path):
    root, path = tmp_path / "out", song(tmp_path / "song.wav")
    separate(path, root / "song")
    stem = root / "song" / "vocals.wav"
    os.link(stem, tmp_path / "vocals.wav")
    for one in (stem, tmp_path / "vocals.wav"):
        inputs = {file_identity(path), file_identity(one)}
        (first, _), (second, _) = given(root, path, one, made_with="other", inputs=inputs)[0]
        assert first != "song" and root / second / "vocals.wav" != stem


def test_a_folder_called_like_a_stem_of_another_song(tmp_path):
    root = tmp_path / "out"
    songs = [(song(tmp_path / "a.wav"), "a"), (song(tmp_path / "b.wav", 1), "a/vocals.wav"),
             (song(tmp_path / "c.wav", 2), "d/drums.wav"), (song(tmp_path / "d.wav", 3), "d")]  # fmt: skip
    names = [name for name, _ in given(root, *songs)[0]]
    assert names[0] == "a" and names[2] == "d/drums.wav"
    for name in names:
        others = [root / other / file for other in names for file in FILES]
        assert not any(root / name == file or file in (root / name).parents for file in others)


@pytest.mark.parametrize("file", ["..wav", "...wav"])
def test_a_name_that_would_lead_out_of_the_folder(tmp_path, file):
    root, path = tmp_path / "out", song(tmp_path / "a.wav").rename(tmp_path / file)
    assert given(root, path)[0] == [(file, False)]


def test_no_name_is_free(tmp_path):
    root, path = tmp_path / "out", song(tmp_path / "song.wav")
    content = Song(path, "").origin.content[:8]
    places = Places(root, FILES)
    names = [Path("song"), *stem_folders.alternatives(Song(path, ""), Path("song"), "x")]
    assert names[1] == Path("song.wav") and names[-1] == Path(f"song {content}")
    for name in names:
        song(root / name / "vocals.wav", 9)
    with pytest.raises(DataError, match="hold other files; choose another --out"):
        places.give(Song(path, ""), Path("song"), 500)


@pytest.mark.parametrize("ending", list(FORMATS))
def test_every_format_keeps_what_a_stem_says_of_itself_and_its_samples(tmp_path, ending):
    path = song(tmp_path / os.fsdecode("\u4f60.wav".encode() + b"\xe9.wav") if ending == ".wav" else tmp_path / "s.wav")
    origin = Song(path, "m").origin
    for name, comment in (("with", origin.comment()), ("without", "")):
        with audio.Writer(tmp_path / f"{name}{ending}", 44100, 2, 500, comment=comment) as writer:
            writer.write(audio.read(path) if ending != ".wav" else np.full((2, 500), 0.25, np.float32))
    assert of_stem(tmp_path / f"with{ending}") == (origin, 500)
    assert of_stem(tmp_path / f"without{ending}") is None
    samples = [soundfile.read(tmp_path / f"{name}{ending}")[0] for name in ("with", "without")]
    np.testing.assert_array_equal(*samples)


def test_a_header_tells_no_folder(tmp_path):
    path = song(tmp_path / "secret project" / "song.wav")
    assert "song.wav" in Song(path, "m").origin.comment() and "secret" not in Song(path, "m").origin.comment()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"text"])
def test_what_is_no_stem(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    assert of_stem(tmp_path / "a.wav") is None and of_stem(tmp_path / "none.wav") is None
    with soundfile.SoundFile(tmp_path / "b.wav", "w", 44100, 1) as file:
        file.comment = MARK + "{broken"
        file.write(np.zeros(9))
    assert of_stem(tmp_path / "b.wav") is None


def test_models_and_settings_decide_what_stems_are_made_with():
    def model(seed, features=4):
        torch.manual_seed(seed)
        return bsrnn.BSRNN(ModelConfig(targets=("a",), band_split="v1", features=features, modules=1))

    base = provenance.made_with([model(0)], {"hop": 1.0})
    assert base == provenance.made_with([model(0)], {"hop": 1.0})
    others = [provenance.made_with(*case) for case in (
        ([model(1)], {"hop": 1.0}), ([model(0, 8)], {"hop": 1.0}), ([model(0)], {"hop": 0.5}),
        ([model(0), model(0)], {"hop": 1.0}))]  # fmt: skip
    assert len({base, *others}) == 5
    assert provenance.made_with([model(0).compute_in(torch.bfloat16)], {"hop": 1.0})
