"""Files that are either the old one or the new one, whole, and never half of the new one."""

import errno
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from bsrnn.errors import BSRNNError, DataError
from bsrnn.runtime.system_errors import obstacle, reading, writing

try:
    import fcntl
except ImportError:  # Windows, where leftovers of killed processes stay
    fcntl = None  # type: ignore[assignment]  # mypy knows no module that may be missing

LEFTOVER = re.compile(r"\.[0-9a-f]{8}\.partial(\.\w+)*$")
_in_use: set[str] = set()  # temporary files of this process: some libraries put another file in their place
OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how safetensors tells of what the system refuses
NEARLY_NOTHING = 1 << 16  # bytes free on a disk that counts as full, once writing to it has failed


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on leaving, flush it to the disk and put it in the place of ``path``.

    The parent folder is made. The temporary name begins with a dot, so that no reader of songs or results takes it for
    a finished file, and keeps the ending of ``path``, by which some libraries choose the format. If the body fails, the
    temporary file is removed, an older ``path`` stays as it was, and the error goes on. What a killed process has left
    of an earlier attempt is removed.

    Raises:
        BSRNNError: the system refuses (no permission, a folder in the place, a name too long, ...), or the disk is full
            (also where a library reports that by an error of its own).
    """
    path = Path(path)
    make_folder(path.parent)
    with writing(path), _full_disk_named(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        remove_leftovers(path.parent, path.stem)
        with temporary_beside(path) as temporary:
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # safetensors makes files that nobody but their owner may read
            with open(temporary, "rb+") as handle:
                os.fsync(handle.fileno())  # a full disk or a lost server may come to light only here
            os.replace(temporary, path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path``, whose name begins with a dot; on leaving, put it in the place of ``path``.

    Where another process has put the same there meanwhile, that one stays. If the body fails, the folder is removed and
    the error goes on.

    Raises:
        BSRNNError: the folder cannot be made.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with writing(path):
            unfinished.mkdir(parents=True)
        yield unfinished
        os.replace(unfinished, path)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def temporary_beside(path: Path, ending: str | None = None) -> Iterator[Path]:
    """An empty hidden file in the folder of ``path``, removed on leaving; ``ending``: instead of that of ``path``.

    As long as this process lives it holds a lock on the file, by which :func:`remove_leftovers` knows it.
    """
    name = f"{_short(path.stem)}.{secrets.token_hex(4)}.partial{path.suffix if ending is None else ending}"
    temporary = path.with_name(f".{name}")
    handle = _create_locked(temporary)
    _in_use.add(os.path.abspath(temporary))
    try:
        yield temporary
    finally:
        _in_use.discard(os.path.abspath(temporary))
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _short(stem: str) -> str:
    """The first letters of a name: with all of them the temporary name could be too long for the disk."""
    return os.fsencode(stem)[:100].decode("utf-8", "ignore")


def _create_locked(path: Path) -> int:
    """A new file's descriptor, with a lock on it; where it was removed before it was locked, the next one's."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if fcntl:
            with suppress(OSError):  # a disk without locks: nobody will then take the file for a leftover
                fcntl.flock(handle, fcntl.LOCK_EX)
        if path.exists():
            return handle
        os.close(handle)


def remove_leftovers(folder: Path, stem: str | None = None) -> list[Path]:
    """Remove the temporary files of killed processes, which nobody holds any more; those removed.

    Args:
        folder: is searched, not below. stem: those of files of this name alone; None: of any.
    """
    begin = f".{_short(stem)}." if stem is not None else "."
    removed = []
    for path in folder.iterdir():
        if not (path.name.startswith(begin) and LEFTOVER.search(path.name)) or path.is_symlink():
            continue
        if os.path.abspath(path) in _in_use:
            continue
        with suppress(OSError):  # held by another process, or another user's
            handle = os.open(path, os.O_RDWR)
            try:
                if fcntl:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed.append(path)
            finally:
                os.close(handle)
    return removed


def make_folder(path: Path) -> None:
    """Make a folder and those above it; BSRNNError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BSRNNError(f"cannot make the folder {path}: {obstacle(error, write=True)}") from error


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """BSRNNError that says what to do, in whatever words a full disk is reported; what else the system refuses is its
    own error, also where a library keeps but the number of it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, BSRNNError):  # one of several files: said once
            raise
        if not _disk_full(error, path.parent):
            if not isinstance(error, OSError) and (number := OS_ERROR.search(str(error))):
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
            raise
        raise BSRNNError(
            f"disk full while writing {path}: {error}; nothing was changed, an older file is intact; "
            f"free some space in {path.parent} (or point BSRNN_DATA or --out to another disk) and "
            "run the same command again"
        ) from error


def _disk_full(error: BaseException, folder: Path) -> bool:
    """safetensors keeps only the text of the system's error, torch.save not even that: then look at the disk itself."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if "no space left" in str(error).lower():
        return True
    return folder.is_dir() and shutil.disk_usage(folder).free < NEARLY_NOTHING


def write_json(path: str | Path, obj: object) -> None:
    """Write ``obj`` atomically as JSON: sorted keys, indent 1, UTF-8; NumPy scalars and arrays become plain values.

    Raises:
        BSRNNError: a NaN or an infinity, which JSON does not have (the message names its place), or a full disk.
    """
    if place := _not_finite(obj, "$"):
        raise BSRNNError(
            f"{path}: {place} is NaN or infinite, which JSON cannot hold; write None where there is no value"
        )
    text = json.dumps(obj, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
    write_text(path, text + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 atomically. Names of files that are no UTF-8 come out as the escapes that JSON has for them, too."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r}")


def _not_finite(value: object, place: str) -> str | None:
    """Where the first NaN or infinity lies, as "$.scores[3]", or None."""
    if isinstance(value, dict):
        children = ((item, f"{place}.{key}") for key, item in value.items())
    elif isinstance(value, list | tuple):
        children = ((item, f"{place}[{index}]") for index, item in enumerate(value))
    elif isinstance(value, np.ndarray):
        return place if value.dtype.kind in "fc" and not np.isfinite(value).all() else None
    else:
        return place if isinstance(value, float | np.floating) and not math.isfinite(value) else None
    return next((found for item, where in children if (found := _not_finite(item, where))), None)


def read_json(path: str | Path) -> Any:
    """What :func:`write_json` wrote.

    Raises:
        DataError: there is no such file, it may not be read, or it is not JSON.
    """
    path = Path(path)
    with reading(path, "a JSON file"):
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a byte order mark
        except FileNotFoundError as error:
            raise DataError(
                f"{path}: no such file; expected a JSON file; check the path, or run what writes it"
            ) from error
        except (ValueError, RecursionError) as error:  # also an integer of thousands of digits, and lists in lists
            raise DataError(
                f"{path}: not readable as JSON ({error}); correct it, or move it away and run what wrote it again"
            ) from error


def refuse_pointer(path: str | Path) -> None:
    """DataError for what Git LFS leaves in the place of a file that a clone did not fetch."""
    begins = b"version https://git-lfs.github.com/spec/"
    try:
        with open(path, "rb") as file:
            is_pointer = file.read(len(begins)) == begins
    except OSError:  # whoever reads it says so
        return
    if is_pointer:
        raise DataError(
            f"{path}: a pointer of Git LFS, not the file itself; run `git lfs pull` in that clone, or download the file"
        )
