"""What the system refuses on a path is one line, with the path, what is in the way and what to do."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
import torch

from bsrnn import checkpoint, cli
from bsrnn.errors import BSRNNError, DataError
from bsrnn.runtime.files import atomic_write, read_json, write_json
from bsrnn.runtime.system_errors import OBSTACLES, check_readable, reading, writing

# root obeys permissions like anybody without these two
LIKE_ANYBODY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
no_setpriv = pytest.mark.skipif(bool(LIKE_ANYBODY) and not shutil.which("setpriv"), reason="root, and no setpriv")


@pytest.mark.parametrize("number", sorted(set(OBSTACLES) - {errno.ENOSPC, errno.EDQUOT}) + [errno.ENOTRECOVERABLE])
def test_every_error_of_the_system_says_what_to_do(tmp_path, number):
    what = OBSTACLES[number][0] if number in OBSTACLES else os.strerror(number)
    with pytest.raises(BSRNNError) as failed, atomic_write(tmp_path / "a.json"):
        raise OSError(number, os.strerror(number), str(tmp_path / ".a.0123abcd.partial.json"))
    message = str(failed.value)
    assert message.startswith(f"{tmp_path}/a.json: cannot be written: {what}; ") and "partial" not in message
    with pytest.raises(DataError) as failed, reading(tmp_path / "a.json", "a JSON file"):
        raise OSError(number, os.strerror(number))
    assert str(failed.value).startswith(f"{tmp_path}/a.json: cannot be read: {what}, expected a JSON file; ")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_path_names_that_one(tmp_path):
    with pytest.raises(BSRNNError, match=f"^{tmp_path}/other: cannot be written: "), writing(tmp_path / "a"):
        raise OSError(errno.EACCES, "denied", f"{tmp_path}/other")


def test_pipes_and_networks_are_not_meant(tmp_path):
    for error in (BrokenPipeError(errno.EPIPE, "pipe"), ConnectionError("no network")):
        with pytest.raises(type(error)), writing(tmp_path / "a"):
            raise error


def in_the_way(folder):
    """(path that cannot be written, what is said of it) on any system, whoever the user is."""
    (folder / "folder.json").mkdir()
    (folder / "file").touch()
    (folder / "circle").symlink_to("circle")
    (folder / "nowhere").symlink_to("missing/folder")
    yield folder / "folder.json", "folder.json: cannot be written: a folder is there, and no file; move it away"
    yield folder / "file" / "a.json", "cannot make the folder"
    yield folder / "circle" / "a.json", "a file, or a link to no folder, is there; move it away"
    yield folder / "nowhere" / "a.json", "a file, or a link to no folder, is there; move it away"
    yield folder / ("x" * 300 + ".json"), "a name in it is too long for the system; choose a shorter one"
    yield folder / ("x" * 300) / "a.json", "a name in it is too long for the system; choose a shorter one"


def test_what_is_in_the_way_when_writing(tmp_path):
    for path, message in in_the_way(tmp_path):
        with pytest.raises(BSRNNError) as failed:
            write_json(path, {})
        assert message in str(failed.value) and "\n" not in str(failed.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file", "folder.json", "nowhere"]


def test_what_is_in_the_way_when_reading(tmp_path):
    list(in_the_way(tmp_path))
    for name, message in (("folder.json", "a folder is there, and no file"), ("circle", "lead in a circle"),
                          ("file/a", "a file and no folder"), ("x" * 300, "is too long for the system")):  # fmt: skip
        with pytest.raises(DataError, match=rf"cannot be read: .*{message}, expected a JSON file; "):
            read_json(tmp_path / name)
    with pytest.raises(DataError, match="cannot be read: .* is too long for the system, expected a model"):
        checkpoint.load(tmp_path / ("x" * 300))
    for name, message in (("circle", "in a circle"), ("x" * 300, "too long for the system")):
        with pytest.raises(DataError, match=f"cannot be read: .*{message}, expected audio"):
            check_readable(tmp_path / name, "audio")


REFUSED = """
import sys
from pathlib import Path
from bsrnn import checkpoint, resume
from bsrnn.runtime import preflight
from bsrnn.errors import BSRNNError
from bsrnn.runtime.files import make_folder, read_json, write_json
folder = Path(sys.argv[1])
for call, *given in ((write_json, folder / "closed" / "a.json", {}), (make_folder, folder / "closed" / "new"),
                     (preflight.place, folder / "closed" / "new"), (preflight.place, folder / "closed"),
                     (read_json, folder / "secret"), (checkpoint.read_tensors, folder / "secret"),
                     (checkpoint.load, folder / "hidden" / "model"), (resume._newest, folder)):
    try:
        call(*given)
    except BSRNNError as error:
        print(error)
"""


@no_setpriv
def test_without_permission(tmp_path):
    for name in ("closed", "hidden/model", "resume"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("secret", "resume/000000000001.safetensors"):
        (tmp_path / name).write_bytes(b"x")
        (tmp_path / name).chmod(0)
    (tmp_path / "closed").chmod(0o555)
    (tmp_path / "hidden").chmod(0o600)
    command = [*LIKE_ANYBODY, sys.executable, "-c", REFUSED, str(tmp_path)]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    finally:
        (tmp_path / "hidden").chmod(0o700)
    rights = "change the rights of it and of the folders above it (chmod, chown), or"
    assert lines == [
        f"{tmp_path}/closed/a.json: cannot be written: no permission; {rights} choose another place",
        f"cannot make the folder {tmp_path}/closed/new: no permission; {rights} choose another place",
        f"{tmp_path}/closed/new: cannot make the folder: no permission; {rights} choose another place",
        f"{tmp_path}/closed: cannot be written into: no permission; {rights} choose another place",
        f"{tmp_path}/secret: cannot be read: no permission, expected a JSON file; {rights} ask its owner",
        f"{tmp_path}/secret: cannot be read: no permission, expected a model's weights; {rights} ask its owner",
        f"{tmp_path}/hidden/model/config.json: cannot be read: no permission, expected a model; {rights} ask its owner",
        f"{tmp_path}/resume/000000000001.safetensors: cannot be read: no permission, expected the state of a training; "
        f"{rights} ask its owner",
    ]
    assert list((tmp_path / "closed").iterdir()) == []


def test_the_command_line_is_the_last_resort(monkeypatch, capsys):
    def fails(*_):
        raise OSError(errno.EROFS, "Read-only file system", "/somewhere/x")

    monkeypatch.setattr(cli, "_profile", fails)
    assert cli.main(["data"]) == 1
    assert capsys.readouterr().err == "bsrnn data: /somewhere/x: the disk is read-only; mount it to be written to\n"


def test_a_model_that_does_not_fit_is_one_line(tmp_path):
    from bsrnn.config import ModelConfig
    from bsrnn.models.bsrnn import BSRNN

    checkpoint.save(BSRNN(ModelConfig(targets=("a",), band_split="v1", features=4, modules=1)), tmp_path)
    checkpoint.write_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(1), "b": torch.zeros(1)})
    with pytest.raises(DataError) as failed:
        checkpoint.load(tmp_path)
    assert "does not fit" in str(failed.value) and "\n" not in str(failed.value)
