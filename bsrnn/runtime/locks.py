"""One process at a time, where two would write the same files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bsrnn.runtime import distributed, terminal
from bsrnn.runtime.files import make_folder
from bsrnn.runtime.system_errors import writing


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds this lock: an orphaned process and its replacement never write together.

    The system takes a lock from a process that is killed. Of several processes of one training the first holds it.
    """
    if distributed.rank() > 0:
        yield
        return
    make_folder(lock.parent)
    held = FileLock(lock)
    with writing(lock):
        try:
            held.acquire(timeout=0)
        except Timeout:
            terminal.say("note", f"another process is at work on this ({lock} is locked): waiting for its end")
            held.acquire()
    try:
        yield
    finally:
        held.release()
