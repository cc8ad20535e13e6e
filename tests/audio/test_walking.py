"""Which files of a folder are read, which are stems of another, and what is said of the rest."""

import os
from pathlib import Path

import pytest

from bsrnn.audio import files as audio
from bsrnn.audio import kinds, origin, walking
from bsrnn.errors import DataError


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def names(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def test_only_leftovers_are_passed_over_without_a_word(tmp_path):
    make(tmp_path, "._a.wav", ".DS_Store", ".s.0a1b2c3d.partial.wav", ".s.0a1b.partial.float.wav", ".s.partial/b.wav")
    make(tmp_path, "...Hits/..Second.wav", ".c.wav", "d.WAVE", "e.bwf", "f.mp2", "g.partial.wav", ".h.partially.wav")
    inside = walking.below(tmp_path)
    expected = [".c.wav", ".h.partially.wav", "d.WAVE", "e.bwf", "f.mp2", "g.partial.wav", "...Hits/..Second.wav"]
    assert names(inside.songs, tmp_path) == expected
    assert inside.passed_over(tmp_path) == ""


def test_all_else_is_counted_and_named(tmp_path):
    make(tmp_path, "a.wav", "cover.jpg", "b.m4a", "cd/c.wma", *(f"cd/{index}.txt" for index in range(7)))
    make(tmp_path, "song/Mixture.WAV", "song/bass.wav", "song/drums.flac")
    inside = walking.below(tmp_path)
    assert names(inside.songs, tmp_path) == ["a.wav", "song/Mixture.WAV"]
    assert inside.passed_over(tmp_path) == (
        f"{tmp_path}: passed over 2 stems beside a mixture (song/bass.wav, song/drums.flac), 2 sound files of a kind "
        f"that is not read (b.m4a, cd/c.wma; convert with `ffmpeg -i {tmp_path}/b.m4a {tmp_path}/b.wav`), 8 files that "
        "are not sound files (cover.jpg, cd/0.txt, cd/1.txt, cd/2.txt, cd/3.txt, ...)"
    )


def test_links_are_followed_once(tmp_path):
    make(tmp_path, "elsewhere/a.wav", "music/b.wav", "music/sub/c.wav")
    music = tmp_path / "music"
    targets = {"linked": tmp_path / "elsewhere", "loop": music, "again": "sub", "x.wav": "nowhere.wav"}
    for name, target in targets.items():
        (music / name).symlink_to(target)
    (music / "self").symlink_to("self")
    inside = walking.below(music)
    assert names(inside.songs, music) == ["b.wav", "x.wav", "again/c.wav", "linked/a.wav"]
    said = inside.passed_over(music)
    assert "1 file that is not a sound file (self)" in said
    assert "2 links to folders that are read already (loop, sub)" in said


def test_one_of_a_sort_is_said_as_one(tmp_path):
    make(tmp_path, "song/mixture.wav", "song/bass.wav", "cover.jpg")
    assert walking.below(tmp_path).passed_over(tmp_path) == (
        f"{tmp_path}: passed over 1 stem beside a mixture (song/bass.wav), 1 file that is not a sound file (cover.jpg)"
    )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_named(tmp_path):
    make(tmp_path, "a.wav", "closed/b.wav")
    (tmp_path / "closed").chmod(0)
    inside = walking.below(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert names(inside.songs, tmp_path) == ["a.wav"]
    [why] = inside.closed.values()
    assert why.startswith(f"{tmp_path}/closed: cannot be read: no permission, expected a folder of songs; change the")


@pytest.mark.parametrize(
    "files, mixture",
    [
        (("MIXTURE.wav", "song.wav"), "MIXTURE.wav"),
        (("Full Mix.wav", "Vocals.wav", "x.wav"), "Full Mix.wav"),
        (("master.flac", "Bass.flac"), "master.flac"),
        (("Master.wav", "Servant.wav"), None),  # two songs of an album
        (("vocals.wav", "drums.wav"), None),
        (("remix.wav", "vocals.wav"), None),
    ],
)
def test_a_mixture_is_known_by_its_name_and_its_neighbours(files, mixture):
    found = walking.mixture_among(Path(name) for name in files)
    assert (found and found.name) == mixture


@pytest.mark.parametrize("name", ["Mixture", "MIX", "mix down", "Mix-Down", "master", "full_mix", "FullMix"])
def test_usual_names_of_the_mixture(name):
    assert walking.is_mixture(name) and not walking.is_mixture(f"{name} of a song")


def test_the_command_that_converts_can_be_run(tmp_path):
    assert kinds.to_wav(Path("a b/it's.m4a")) == """ffmpeg -i 'a b/it'"'"'s.m4a' 'a b/it'"'"'s.wav'"""
    assert kinds.to_wav(Path("x.wav")) == "ffmpeg -i x.wav x-new.wav"  # not onto itself


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
@pytest.mark.timeout(20)
def test_a_pipe_among_songs_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert origin.of_stem(tmp_path / "pipe.wav") is None
    found = walking.below(tmp_path)
    assert found.songs == [tmp_path / "pipe.wav"]  # opening it says what it is
    with pytest.raises(DataError, match=r"pipe\.wav: no regular file, expected audio"):
        audio.info(tmp_path / "pipe.wav")


def test_the_command_for_a_name_that_looks_like_an_option():
    assert kinds.to_wav(Path("-x.m4a")) == "ffmpeg -i ./-x.m4a ./-x.wav"
