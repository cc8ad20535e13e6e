"""What the operating system refuses on a path, in one line: what was tried, what is in the way, and what to do.

Whatever opens or writes a file does so inside :func:`reading` or :func:`writing`, so that nobody meets a traceback.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeGuard

from bsrnn.errors import BSRNNError, DataError

ELSEWHERE = "choose another place"
RIGHTS = "change the rights of it and of the folders above it (chmod, chown)"
# what is in the way, and what to do when reading and when writing
OBSTACLES = {
    errno.EACCES: ("no permission", f"{RIGHTS}, or ask its owner", f"{RIGHTS}, or {ELSEWHERE}"),
    errno.EPERM: ("not permitted", f"{RIGHTS}, or ask its owner", f"{RIGHTS}, or {ELSEWHERE}"),
    errno.EROFS: ("the disk is read-only", "mount it to be written to", ELSEWHERE),
    errno.ENOENT: ("no such file or folder", "check the path", f"check the path and the links in it, or {ELSEWHERE}"),
    errno.ENOTDIR: ("a part of the path is a file and no folder", "check the path", ELSEWHERE),
    errno.EISDIR: ("a folder is there, and no file", "name a file in it", f"move it away, or {ELSEWHERE}"),
    errno.EEXIST: ("a file, or a link to no folder, is there", "check the path", f"move it away, or {ELSEWHERE}"),
    errno.ELOOP: ("its links lead in a circle", "remove the link", f"remove the link, or {ELSEWHERE}"),
    errno.ENAMETOOLONG: ("a name in it is too long for the system", "give it a shorter name", "choose a shorter one"),
    errno.EILSEQ: ("the disk does not take the letters of its name", "rename it", f"rename it, or {ELSEWHERE}"),
    errno.EINVAL: ("the system does not take this path", "rename it", f"rename it, or {ELSEWHERE}"),
    errno.EFBIG: ("the disk takes no file that large", "copy it to another disk", ELSEWHERE),
    errno.EIO: ("the disk reports an error", "try again; the disk may fail", f"{ELSEWHERE}; the disk may fail"),
    errno.EMFILE: ("too many files are open", "raise `ulimit -n`, or ask for less at a time", "raise `ulimit -n`"),
    errno.ESTALE: ("its server has lost it", "try again", f"try again, or {ELSEWHERE}"),
    errno.ENOSPC: ("the disk is full", "free some space", f"free some space, or {ELSEWHERE}"),
    errno.EDQUOT: ("the quota is used up", "free some space", f"free some space, or {ELSEWHERE}"),
}
NO_OBSTACLES = (errno.EPIPE, errno.EINTR, errno.ECHILD)  # of processes and pipes, not of paths


def obstacle(error: OSError, write: bool = False, expected: str = "") -> str:
    """What is in the way, what was expected and what to do: "no permission, expected audio; change the rights ..."."""
    unknown = error.strerror or str(error), "check the path and the disk", f"check the disk, or {ELSEWHERE}"
    what, to_read, to_write = OBSTACLES.get(error.errno or 0, unknown)
    return f"{what}{f', expected {expected}' if expected else ''}; {to_write if write else to_read}"


def of_a_path(error: BaseException | None) -> TypeGuard[OSError]:
    """Whether it is the system's, of a file or folder (and not of a pipe, or a network library's own)."""
    return isinstance(error, OSError) and bool(error.errno) and error.errno not in NO_OBSTACLES


def _named(error: OSError, path: str | Path) -> str:
    """The path that the system names, should it be another; but not a temporary file's, which nobody knows."""
    named = error.filename
    return str(path) if not isinstance(named, str) or ".partial" in named else named


@contextmanager
def reading(path: str | Path, expected: str = "") -> Iterator[None]:
    """Turn the system's errors into a DataError about ``path``; ``expected`` says in words what should be there."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BSRNNError) or not of_a_path(error):
            raise
        raise DataError(f"{_named(error, path)}: cannot be read: {obstacle(error, expected=expected)}") from error


@contextmanager
def writing(path: str | Path, verb: str = "cannot be written") -> Iterator[None]:
    """Turn the system's errors into a BSRNNError about ``path``."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BSRNNError) or not of_a_path(error):
            raise
        raise BSRNNError(f"{_named(error, path)}: {verb}: {obstacle(error, write=True)}") from error


def check_readable(path: str | Path, expected: str = "") -> None:
    """DataError where the system forbids to read a file; libraries that open it tell less, or something else.

    What is missing, or no regular file, is left to who opens it.
    """
    with reading(path, expected):
        try:
            regular = stat.S_ISREG(os.stat(path).st_mode)
        except FileNotFoundError:
            return
        if regular:
            open(path, "rb").close()
