"""Work that processes of this machine share."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed


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

    The first error ends it: what has not begun by then never does.

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
    with ProcessPoolExecutor(jobs, spawn, None if tidy else _end_at_once) as pool:
        futures = [pool.submit(work, *task) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
                done()
        except BaseException:  # an interrupt too: do not begin with the others
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_at_once() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
