import subprocess

import pytest

from bsrnn.runtime import paths, provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "clone" / "bsrnn"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("steps = 1\n")
    monkeypatch.setattr(paths, "package", lambda: folder)
    provenance.code_state.cache_clear()
    yield folder
    provenance.code_state.cache_clear()


def git(folder, *arguments):
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def state():
    provenance.code_state.cache_clear()
    return provenance.code_state()


def test_the_commit_and_whether_the_package_differs_from_it(package):
    clone = package.parent
    git(clone, "init", "-q")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "first")
    commit = git(clone, "rev-parse", "HEAD")
    assert state() == {"commit": commit, "dirty": False}
    (clone / "README.md").write_text("not part of the package\n")
    assert state() == {"commit": commit, "dirty": False}
    (package / "train.py").write_text("steps = 2\n")
    assert state() == {"commit": commit, "dirty": True}
    git(clone, "commit", "-q", "-a", "-m", "second")
    (package / "new.py").write_text("")
    assert state() == {"commit": git(clone, "rev-parse", "HEAD"), "dirty": True}


def test_outside_of_git_there_is_no_commit(package, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(package.parents[1]))
    assert state() == {"commit": None, "dirty": None}


def test_what_runs_is_what_was_read_at_first(package):
    git(package.parent, "init", "-q")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "first")
    before = state()
    (package / "train.py").write_text("steps = 2\n")
    assert provenance.code_state() == before
