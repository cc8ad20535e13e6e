"""The strict notebook runner, on notebooks of a few cells."""

import json
import os
import re
import subprocess
import sys

import pytest

from bsrnn.errors import ConfigError
from bsrnn.workflow.notebooks import NotebookError, code_hash, execute, main

nbformat = pytest.importorskip("nbformat", reason="the book extra is not installed")
pytest.importorskip("papermill", reason="the book extra is not installed")


def write(path, *sources, parameters="profile = 'auto'\nsongs = 2", texts=("A title",)):
    """A notebook of text cells, one parameters cell and the code cells in ``sources``."""
    cells = [nbformat.v4.new_markdown_cell(text) for text in texts]
    if parameters is not None:
        cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # fixed, so that two notebooks with the same cells are the same file
    nbformat.write(notebook, path)
    return path


def printed(path):
    cells = json.loads(path.read_text())["cells"]
    return "".join("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", []))


def test_parameters_arrive_with_their_types(tmp_path):
    notebook = write(tmp_path / "in.ipynb", "print(profile, songs + 1)")
    output = tmp_path / "made" / "out.ipynb"
    assert main([str(notebook), str(output), "-p", "profile", "quick", "-p", "songs", "4"]) == 0
    assert printed(output) == "quick 5\n"
    assert [path.name for path in output.parent.iterdir()] == ["out.ipynb"]


@pytest.mark.parametrize(
    "parameters, has", [("profile = 'auto'\nsongs = 2", "it has profile, songs"), (None, "it has none")]
)
def test_unknown_parameter_is_refused_before_anything_runs(tmp_path, parameters, has):
    notebook = write(tmp_path / "in.ipynb", f"open({str(tmp_path / 'ran')!r}, 'w')", parameters=parameters)
    with pytest.raises(ConfigError, match=f"in.ipynb has no parameter 'profil': {has}"):
        execute(notebook, tmp_path / "out.ipynb", {"profil": "quick"})
    assert [path.name for path in tmp_path.iterdir()] == ["in.ipynb"]


def test_missing_notebook_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no notebook at .*absent.ipynb"):
        execute(tmp_path / "absent.ipynb", tmp_path / "out.ipynb", {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"RIFF\xb1\x02", "expected JSON"),
        (b"", "expected JSON"),
        (b"[1, 2]", "expected JSON with cells and nbformat 4"),
        (b'{"a": 1}', "expected JSON with cells and nbformat 4"),
        (b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no notebook that Jupyter takes: "),
        (b'{"cells": [{}], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "no notebook that Jupyter takes: "),
        (b'{"cells": [], "nbformat": "x", "nbformat_minor": 5, "metadata": {}}', "cells and nbformat 4"),
        (b'{"cells": [], "nbformat": 4, "nbformat_minor": [], "metadata": {}}', "cells and nbformat 4"),
    ],
)
def test_a_file_that_is_no_notebook_is_one_line(content, said, tmp_path, capsys):
    (tmp_path / "song.wav").write_bytes(content)
    assert main([str(tmp_path / "song.wav"), str(tmp_path / "out.ipynb")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'song.wav'} is no notebook") and said in line
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize("text, said", [("[tiny", "no YAML (expected ',' or ']'"), ("a: b: c", "no YAML (mapping"),
                                        ("2020-01-01", "which YAML reads as a date"), ("\t", "no YAML")])  # fmt: skip
def test_a_value_that_is_none_is_one_line(text, said, tmp_path, capsys):
    notebook = write(tmp_path / "in.ipynb", "print(profile)")
    assert main([str(notebook), str(tmp_path / "out.ipynb"), "-p", "profile", text]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: got -p profile ") and said in line


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, capsys):
    notebook = write(tmp_path / "in.ipynb", "print(profile)")
    (tmp_path / "folder").mkdir()
    for output, said in (("in.ipynb/out.ipynb", "cannot make the folder"), ("folder", "is a folder: expected a file")):
        assert main([str(notebook), str(tmp_path / output)]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert said in line


def test_a_notebook_of_a_project_runs_from_elsewhere(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "bsrnn").mkdir(parents=True)
    (project / "_config.yml").touch()
    notebook = write(project / "book.ipynb", "import os", "print(os.environ.get('BSRNN_ROOT'))")
    monkeypatch.delenv("BSRNN_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # set for the kernel's sake
    assert main([str(notebook), "out.ipynb"]) == 0
    assert printed(tmp_path / "out.ipynb") == f"{project}\n"


def test_failing_notebook_is_kept_and_its_cell_named(tmp_path, capsys):
    notebook = write(tmp_path / "in.ipynb", "print('before')", "value = 1\n1 / 0", "print('after')")
    output = tmp_path / "out.ipynb"
    output.write_text("an older copy")
    assert main([str(notebook), str(output), "-p", "songs", "3"]) == 1
    message = capsys.readouterr().err
    assert "in.ipynb: cell 4 of 5 failed ('value = 1') with ZeroDivisionError: division by zero" in message
    kept = tmp_path / "out.failed.ipynb"
    assert str(kept) in message
    assert "before" in printed(kept) and "after" not in printed(kept)
    assert output.read_text() == "an older copy"
    write(notebook, "print('mended')")
    execute(notebook, output, {})
    assert not kept.exists() and "mended" in printed(output)


@pytest.mark.parametrize("leave", ["import sys; sys.exit()", "import sys\nsys.exit(0)", "raise SystemExit"])
def test_a_notebook_that_stops_early_is_no_whole_one(tmp_path, leave):
    notebook = write(tmp_path / "in.ipynb", leave, "print('last ran')", parameters="x = 1")
    said = f"in.ipynb: cell 3 of 4 ended the run ('{leave.partition(chr(10))[0]}'), and the code after it never ran; "
    with pytest.raises(NotebookError, match=re.escape(f"{said}see {tmp_path / 'out.failed.ipynb'}")):
        execute(notebook, tmp_path / "out.ipynb", {"x": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ipynb", "out.failed.ipynb"]


def test_cells_without_code_or_told_to_be_skipped_need_not_run(tmp_path):
    notebook = write(tmp_path / "in.ipynb", "", "# a comment", "1 / 0", "print('last ran')")
    cells = json.loads(notebook.read_text())
    cells["cells"][4]["metadata"]["tags"] = ["skip-execution"]
    notebook.write_text(json.dumps(cells))
    execute(notebook, tmp_path / "out.ipynb", {})
    assert printed(tmp_path / "out.ipynb") == "last ran\n"


def test_dead_kernel_is_an_error(tmp_path):
    notebook = write(tmp_path / "in.ipynb", "print('before', flush=True)", "import os\nos._exit(3)")
    with pytest.raises(NotebookError, match="in.ipynb: Kernel died"):
        execute(notebook, tmp_path / "out.ipynb", {})
    assert not (tmp_path / "out.ipynb").exists()


def test_code_hash_follows_code_alone(tmp_path):
    first = code_hash(write(tmp_path / "a.ipynb", "x = 1", texts=("One text",)))
    assert code_hash(write(tmp_path / "b.ipynb", "x = 1", texts=("Another", "and more"))) == first
    assert code_hash(write(tmp_path / "c.ipynb", "x = 2", texts=("One text",))) != first


def test_scripts_find_the_runner_under_its_earlier_name(tmp_path):
    command = [sys.executable, "-m", "bsrnn.notebooks", "song.wav", "out.ipynb", "-p", "profile", "tiny"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr == "error: no notebook at song.wav\n"
