"""Work that processes share."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bsrnn.runtime import processes


def test_every_task_is_done_whatever_the_number_of_processes(tmp_path):
    for jobs in (1, 2):
        counted = []
        tasks = [(tmp_path / f"{jobs}-{number}",) for number in range(3)]
        processes.share_out(os.mkdir, tasks, jobs, lambda counted=counted: counted.append(1))
        assert all(path.is_dir() for [path] in tasks) and len(counted) == 3
    processes.share_out(os.mkdir, [], 2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_error_ends_it(tmp_path, jobs):
    done = []
    with pytest.raises(FileExistsError):
        processes.share_out(os.mkdir, [(tmp_path,), (tmp_path,), (tmp_path,)], jobs, lambda: done.append(1), tidy=False)
    assert not done


def _begin(folder, number):
    """A task that leaves a file; the first fails when each process has begun one."""
    (folder / f"{number}").touch()
    while len([*folder.iterdir()]) < 2:
        time.sleep(0.01)
    if number == 0:
        raise FileExistsError(number)
    begun = time.monotonic()
    while not processes._Worker.ended.is_set() and time.monotonic() - begun < 50:  # until all have heard of the error
        time.sleep(0.01)


def test_what_has_not_begun_before_an_error_never_does(tmp_path):
    """A pool holds some tasks in readiness that cannot be cancelled; they are not begun, either."""
    with pytest.raises(FileExistsError):
        processes.share_out(_begin, [(tmp_path, number) for number in range(8)], 2)
    assert (
        2 <= len([*tmp_path.iterdir()]) <= 3
    )  # the failed one's process may have begun another before it was heard of


def _wait(folder, number):
    """A task that would take long, and is tidied up when it is interrupted."""
    (folder / f"{number}").touch()
    try:
        time.sleep(60)
    finally:
        (folder / f"{number} tidied").touch()


def test_an_interrupt_ends_each_process_tidily_and_begins_nothing_more(tmp_path):
    code = (
        "from pathlib import Path; from tests.runtime import test_processes; from bsrnn.runtime import processes\n"
        f"processes.share_out(test_processes._wait, [(Path({str(tmp_path)!r}), n) for n in range(8)], 2)"
    )
    program = "if __name__ == '__main__':\n " + code.replace("\n", "\n ")
    script = tmp_path.parent / f"{tmp_path.name}.py"  # spawned processes begin by reading it
    script.write_text(program)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(root)}, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    begun = time.monotonic()
    while len([*tmp_path.iterdir()]) < 2:
        assert process.poll() is None and time.monotonic() - begun < 50
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    process.communicate(timeout=50)
    assert process.returncode != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "0 tidied", "1", "1 tidied"]


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= processes.cores() <= os.cpu_count()
