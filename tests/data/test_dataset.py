"""The embedded data set on disk: what is missing is rendered, whole or not at all. Songs of seconds, for speed."""

import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

from bsrnn.config import TARGETS, DataConfig
from bsrnn.data import songs
from bsrnn.data.synthetic import SPLITS, count, data_folder, dataset, ensure, song_folder
from bsrnn.errors import ConfigError, DataError

SMALL = DataConfig(source="embedded", train_songs=2, valid_songs=1, test_songs=2, unlabelled_songs=1, song_seconds=2.0)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(root, folder) of a data set of two-second songs, every split."""
    root = tmp_path_factory.mktemp("data")
    return root, ensure(SMALL, root, SPLITS, jobs=1, progress=False)


def test_profiles_share_songs_but_not_other_seeds_and_lengths(tmp_path):
    folder = song_folder(tmp_path, SMALL, "train", 1)
    assert folder == song_folder(tmp_path, replace(SMALL, train_songs=99, test_songs=5), "train", 1)
    assert folder.relative_to(tmp_path).as_posix() == "embedded/v2-s0-2s/train/train-0001"
    for other in (replace(SMALL, seed=1), replace(SMALL, song_seconds=2.5)):
        assert song_folder(tmp_path, other, "train", 1) != folder


def test_counts_come_from_the_profile():
    assert [count(SMALL, split) for split in SPLITS] == [2, 1, 2, 1, 0, 0]
    with pytest.raises(ConfigError, match="unknown split 'training'"):
        count(SMALL, "training")
    with pytest.raises(ConfigError, match="unknown split 'all'"):
        ensure(SMALL, "nowhere", ("all",))


def fake_song(split, index, *, seconds, seed):
    return {t: np.full((2, 10), 2.0**-15, np.float32) for t in TARGETS}, {"split": split, "index": index}


def test_only_what_is_missing_is_rendered(tmp_path, monkeypatch):
    calls = []

    def render(split, index, **how):
        calls.append((split, index))
        return fake_song(split, index, **how)

    monkeypatch.setattr(dataset, "render_song", render)
    ensure(SMALL, tmp_path, ("train", "valid"), limit=1, jobs=1, progress=False)
    assert calls == [("train", 0), ("valid", 0)]
    ensure(SMALL, tmp_path, ("train",), jobs=1, progress=False)
    assert calls[2:] == [("train", 1)]
    ensure(SMALL, tmp_path, ("train", "valid"), jobs=1, progress=False)
    assert len(calls) == 3


def test_an_interrupted_song_leaves_nothing_and_is_made_next_time(tmp_path, monkeypatch):
    def interrupted(path, sound):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "render_song", fake_song)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    folder = song_folder(tmp_path, SMALL, "valid", 0)
    assert not folder.exists() and not list(folder.parent.iterdir())
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert folder.is_dir()


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    def full(path, sound):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(dataset, "render_song", fake_song)
    monkeypatch.setattr(dataset, "_write", full)
    with pytest.raises(DataError, match="cannot write .*valid-0000: .*No space left"):
        ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert not list(song_folder(tmp_path, SMALL, "valid", 0).parent.iterdir())


def test_leftovers_are_swept_but_not_what_another_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "render_song", fake_song)
    parent = song_folder(tmp_path, SMALL, "valid", 0).parent
    for name, age in ((".old.partial", 3600), (".young.partial", 5)):
        (parent / name).mkdir(parents=True)
        (parent / name / "bass.flac").write_bytes(b"")
        os.utime(parent / name, (time.time() - age,) * 2)
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert sorted(p.name for p in parent.iterdir()) == [".young.partial", "valid-0000"]


def test_a_song_that_another_process_is_writing_is_no_song_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_DATA", str(tmp_path))
    monkeypatch.setattr(dataset, "render_song", fake_song)
    ensure(SMALL, tmp_path, ("unlabelled-matched",), jobs=1, progress=False)
    seen, write = [], dataset._write

    def looking(path, sound):  # in the middle of writing
        write(path, sound)
        seen.append([song.name for song in songs.load(SMALL, "unlabelled-matched")])

    monkeypatch.setattr(dataset, "_write", looking)
    ensure(replace(SMALL, unlabelled_songs=2), tmp_path, ("unlabelled-matched",), jobs=1, progress=False)
    assert len(seen) == 5 and all(names == ["unlabelled-matched-0000"] for names in seen)


def test_the_slower_of_two_processes_keeps_the_song_of_the_faster(tmp_path, monkeypatch):
    folder = song_folder(tmp_path, SMALL, "valid", 0)

    def beaten(split, index, **how):
        folder.mkdir(parents=True)
        (folder / "song.json").write_text("faster")
        return fake_song(split, index, **how)

    monkeypatch.setattr(dataset, "render_song", beaten)
    ensure(SMALL, tmp_path, ("valid",), jobs=1, progress=False)
    assert (folder / "song.json").read_text() == "faster"
    assert [p.name for p in folder.parent.iterdir()] == ["valid-0000"]


def test_one_renders_and_the_others_wait_for_its_songs(tmp_path, monkeypatch, capsys):
    calls, folder = [], song_folder(tmp_path, SMALL, "valid", 0)

    def render(split, index, **how):
        calls.append((split, index))
        return fake_song(split, index, **how)

    monkeypatch.setattr(dataset, "render_song", render)
    held = FileLock(data_folder(tmp_path, SMALL) / ".rendering.lock")
    data_folder(tmp_path, SMALL).mkdir(parents=True)
    held.acquire()
    waiting = threading.Thread(target=ensure, args=(SMALL, tmp_path, ("valid",)), kwargs={"jobs": 1, "progress": False})
    waiting.start()
    waiting.join(1.0)
    assert waiting.is_alive() and not calls
    assert "another process is at work on this" in capsys.readouterr().err
    folder.mkdir(parents=True)
    held.release()
    waiting.join(60)
    assert not waiting.is_alive() and not calls


@pytest.mark.timeout(600)
def test_two_processes_at_once_make_one_whole_set(rendered, tmp_path):
    root, _ = rendered
    script = tmp_path / "render.py"
    script.write_text("""
import sys
from pathlib import Path
from bsrnn.config import DataConfig
from bsrnn.data.synthetic import ensure
if __name__ == "__main__":  # the workers import this file
    config = DataConfig(source="embedded", train_songs=2, song_seconds=2.0)
    ensure(config, Path(sys.argv[1]), ("train",), jobs=int(sys.argv[2]), progress=False)
""")
    running = [subprocess.Popen([sys.executable, str(script), str(tmp_path), jobs]) for jobs in ("1", "2")]
    assert [p.wait() for p in running] == [0, 0]
    songs = song_folder(tmp_path, SMALL, "train", 0).parent
    assert sorted(p.name for p in songs.iterdir()) == ["train-0000", "train-0001"]
    for path in songs.rglob("*.flac"):
        other = song_folder(root, SMALL, "train", 0).parent / path.relative_to(songs)
        assert path.read_bytes() == other.read_bytes()
