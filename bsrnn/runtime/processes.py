"""Work that processes of this machine share."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.synchronize import Event


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_out(
    work: Callable[..., object],
    tasks: Sequence[tuple],
    jobs: int,
    done: Callable[[], object] = lambda: None,
    tidy: bool = True,
) -> None:
    """``work(*task)`` for each task, by so many processes at a time; by this one where one is enough.

    The first error or interrupt ends it: what has not begun by then never does.

    Args:
        work: a function of a module, so that other processes find it. done: called here after each task.
        tidy: an interrupt lets each process remove what it has begun; False: it ends them at once.
    """
    if min(jobs, len(tasks)) < 2:
        for task in tasks:
            work(*task)
            done()
        return
    spawn = multiprocessing.get_context("spawn")  # the forked copy of a process with OpenMP threads may hang
    ended = spawn.Event()
    with ProcessPoolExecutor(jobs, spawn, _take_part, (ended, tidy)) as pool:
        futures = [pool.submit(_unless_ended, work, task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                done()
        except BaseException:  # an interrupt too: do not begin with the others
            ended.set()  # what the processes hold in readiness cannot be cancelled
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Worker:
    """What one of the processes knows: that all has ended, or that it was interrupted itself, which comes first."""

    ended: Event
    interrupted = False


def _take_part(ended: Event, tidy: bool) -> None:
    """Begin a process."""
    _Worker.ended = ended
    signal.signal(signal.SIGINT, _interrupt if tidy else signal.SIG_DFL)


def _interrupt(number: int, frame: object) -> None:
    _Worker.interrupted = True
    raise KeyboardInterrupt


def _unless_ended(work: Callable[..., object], task: tuple) -> None:
    if not (_Worker.interrupted or _Worker.ended.is_set()):
        work(*task)
