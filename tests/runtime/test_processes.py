"""Work that processes share."""

import os

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


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= processes.cores() <= os.cpu_count()
