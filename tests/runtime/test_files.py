"""Files are the old one or the new one, whole."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bsrnn.errors import BSRNNError, DataError
from bsrnn.runtime.files import atomic_write, read_json, remove_leftovers, temporary_beside, write_json


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "scores.json"
    for text in ("one", "two"):
        with atomic_write(path) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".json" and temporary.name.startswith(".")
            temporary.write_text(text)
            if text == "two":
                assert path.read_text() == "one"  # the old one stays until the new one is whole
    assert path.read_text() == "two"
    assert [entry.name for entry in path.parent.iterdir()] == ["scores.json"]


def test_a_failing_body_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.bin"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="mine"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("mine")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),  # as safetensors has it
    ],
)
def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path, error):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    with (
        pytest.raises(BSRNNError, match=r"disk full while writing .*model\.safetensors.*free some space"),
        atomic_write(path) as temporary,
    ):
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_only_at_fsync(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BSRNNError, match="disk full"):
        write_json(tmp_path / "a.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_that_the_library_does_not_mention(tmp_path, monkeypatch):
    """torch.save only says "unexpected pos"."""
    for free, expected in ((0, BSRNNError), (1 << 30, RuntimeError)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        with pytest.raises(expected, match="unexpected pos"), atomic_write(tmp_path / "state.pt"):
            raise RuntimeError("unexpected pos 704 vs 598")


def test_json_round_trip_is_sorted_and_plain(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"b": np.float32(0.5), "a": np.arange(2), "é": (None, True, np.int64(3)), "p": tmp_path / "x"})
    assert path.read_text(encoding="utf-8").startswith('{\n "a": [\n  0,\n  1\n ],\n "b": 0.5,\n "p"')
    assert read_json(path) == {"a": [0, 1], "b": 0.5, "é": [None, True, 3], "p": (tmp_path / "x").as_posix()}


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), np.array([0.0, np.nan])])
def test_json_refuses_what_is_not_finite_and_says_where(tmp_path, value):
    with pytest.raises(BSRNNError, match=r"\$\.scores\[1\]\.usdr is NaN or infinite.*None"):
        write_json(tmp_path / "run.json", {"scores": [{"usdr": 1.0}, {"usdr": value}]})
    assert list(tmp_path.iterdir()) == []


def test_json_refuses_other_objects(tmp_path):
    with pytest.raises(TypeError, match="cannot hold a set"):
        write_json(tmp_path / "run.json", {"a": {1, 2}})


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1', b"", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000, b"9" * 5000],
    ids=lambda text: text[:6],
)
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"run\.json: not readable as JSON.*correct it, or move it away"):
        read_json(path)


def test_json_that_an_editor_has_saved_is_read(tmp_path):
    (tmp_path / "run.json").write_text('{"a": "ä"}', encoding="utf-8-sig")
    assert read_json(tmp_path / "run.json") == {"a": "ä"}


@pytest.mark.parametrize("number", [errno.EFBIG, errno.EACCES])
def test_what_the_system_refuses_a_library_is_said_as_if_we_had_been(tmp_path, number):
    """safetensors keeps the number of the error in its text alone."""
    path = tmp_path / "model.safetensors"
    refused = RuntimeError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")
    with pytest.raises(BSRNNError, match=r"model\.safetensors: cannot be written: "), atomic_write(path):
        raise refused
    assert not list(tmp_path.iterdir())


def test_missing_json_is_named(tmp_path):
    with pytest.raises(DataError, match=r"run\.json: no such file"):
        read_json(tmp_path / "run.json")


def test_others_may_read_what_the_owner_lets_them(tmp_path):
    """safetensors writes files for their owner alone; a cluster's other users want to load the model, too."""
    with atomic_write(tmp_path / "ours.safetensors") as temporary:
        save_file({"x": torch.zeros(1)}, temporary)
    (tmp_path / "usual").touch()
    usual, ours = ((tmp_path / name).stat().st_mode for name in ("usual", "ours.safetensors"))
    assert ours == usual


DIES = """
import os, signal, sys
from pathlib import Path
from bsrnn.runtime.files import atomic_write, temporary_beside
path = Path(sys.argv[1])
with atomic_write(path) as temporary, temporary_beside(path, ".float.wav"):
    temporary.write_text("half")
    print(temporary.name, flush=True)
    if sys.argv[2] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "vocals.wav"
    killed = subprocess.run([sys.executable, "-c", DIES, str(path), "dies"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2 and killed.stdout.strip() in {left.name for left in tmp_path.iterdir()}
    (tmp_path / ".vocals.mine.partial.wav").touch()  # no name of ours
    (tmp_path / ".drums.0123abcd.partial.wav").touch()  # of another file
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
    names = [".drums.0123abcd.partial.wav", ".vocals.mine.partial.wav", "vocals.wav"]
    assert sorted(left.name for left in tmp_path.iterdir()) == names
    assert [left.name for left in remove_leftovers(tmp_path)] == names[:1]


def test_what_another_process_is_writing_stays(tmp_path):
    path = tmp_path / "vocals.wav"
    with subprocess.Popen([sys.executable, "-c", DIES, str(path), "lives"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as writer:  # fmt: skip
        name = writer.stdout.readline().strip()
        assert remove_leftovers(tmp_path) == []
        with atomic_write(path) as temporary:
            temporary.write_text("mine")
        assert (tmp_path / name).is_file() and path.read_text() == "mine"
        writer.communicate("go on")
    assert path.read_text() == "half" and [left.name for left in tmp_path.iterdir()] == ["vocals.wav"]


def test_files_of_one_process_do_not_remove_each_other_even_where_a_library_replaces_them(tmp_path):
    """safetensors puts a file of its own, which nobody has locked, in the place of the temporary one."""
    with atomic_write(tmp_path / "model.safetensors") as temporary:
        save_file({"x": torch.zeros(1)}, temporary)
        with temporary_beside(tmp_path / "model.json") as other:
            assert remove_leftovers(tmp_path) == [] and other.is_file() and temporary.is_file()
    assert [left.name for left in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_name_that_is_no_utf8_goes_through_json(tmp_path):
    name = os.fsdecode(b"caf\xe9 \xc3\xa9")
    write_json(tmp_path / "a.json", {name: [name, "\u4f60"]})
    assert (tmp_path / "a.json").read_bytes().decode("utf-8").count("caf\\udce9 \u00e9") == 2
    assert read_json(tmp_path / "a.json") == {name: [name, "\u4f60"]}


@pytest.mark.parametrize("name", ["\u4f60" * 80 + ".json", "x" * 250 + ".json"])
def test_a_name_as_long_as_the_disk_takes_it(tmp_path, name):
    """The temporary one, beside it, must not be longer."""
    write_json(tmp_path / name, [1])
    assert read_json(tmp_path / name) == [1] and [left.name for left in tmp_path.iterdir()] == [name]
