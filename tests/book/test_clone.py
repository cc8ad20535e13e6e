"""A clone works as git makes it on any system, and the book's extension from any working folder."""

import os
import subprocess
import sys

import pytest
from places import REPOSITORY


def git(*arguments, **options):
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True, **options)
    return done.stdout


@pytest.fixture(scope="module")
def tracked():
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a clone")
    return git("ls-files", "-z").split("\0")[:-1]


def test_every_file_is_either_text_with_lf_or_named_as_binary(tracked):
    """By what it holds: a new kind of binary file needs a line in .gitattributes, a text file gets LF everywhere."""
    listed = git("check-attr", "-z", "--stdin", "text", "eol", input="\0".join(tracked)).split("\0")[:-1]
    attributes = {}
    for path, name, value in zip(listed[::3], listed[1::3], listed[2::3], strict=True):
        attributes.setdefault(path, {})[name] = value
    assert attributes.keys() == set(tracked)
    for path, found in attributes.items():
        data = (REPOSITORY / path).read_bytes() if (REPOSITORY / path).is_file() else b""
        if b"\0" in data:
            assert found["text"] == "unset", path
        else:
            assert (found["text"], found["eol"]) == ("auto", "lf"), path
            assert b"\r\n" not in data, path


def test_a_checkout_with_windows_line_endings_has_the_same_bytes(tracked, tmp_path):
    """What make, sh and the hashes of results read; .gitattributes wins over core.autocrlf."""
    wanted = [".ci/environment.sh", "Makefile", "results/small/manifest.json", "results/small/tables/results.csv"]
    index = {**os.environ, "GIT_INDEX_FILE": str(tmp_path / "index")}  # neither the real index nor the files change
    git("read-tree", "HEAD", env=index)
    windows = ("-c", "core.autocrlf=true", "checkout-index", f"--prefix={tmp_path}/", "--")
    git(*windows, ".gitattributes", *wanted, env=index)
    for path in wanted:
        assert (tmp_path / path).read_bytes() == git("show", f"HEAD:{path}").encode(), path


def test_the_books_extension_knows_its_place(tmp_path):
    code = "import current_results, os; from bsrnn.runtime import paths; print(paths.root(), os.environ['BSRNN_ROOT'])"
    variables = {name: value for name, value in os.environ.items() if name != "BSRNN_ROOT"}
    variables["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "book" / "_ext"), str(REPOSITORY)])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.stdout.split() == [str(REPOSITORY)] * 2, done.stderr
