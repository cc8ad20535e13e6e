"""The book from executed chapters: what papermill computed stands in the pages, and nothing is executed again."""

import json

import nbformat
import pytest
import yaml

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime import paths
from bsrnn.workflow import pages

PARAMETERS, INJECTED = "profile = 'auto'", "# Parameters\nprofile = 'quick'"


def notebook(path, text, *code, outputs=()):
    """A notebook with a text, parameters, and cells of code; with ``outputs``: as papermill leaves it."""
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_markdown_cell(text), parameters]
    if outputs:
        cells.append(nbformat.v4.new_code_cell(INJECTED, metadata={"tags": ["injected-parameters"]}))
    shown = [[nbformat.v4.new_output("stream", text=words)] for words in outputs] or [[]] * len(code)
    cells += [nbformat.v4.new_code_cell(source, outputs=out) for source, out in zip(code, shown, strict=True)]
    ran = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}, "papermill": {"duration": 1.5}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=ran if outputs else {}), path)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A book of one chapter and one text, whose chapter has run with the profile quick."""
    settings = {
        "title": "A book",
        "execute": {"execute_notebooks": "force", "timeout": 600},
        "sphinx": {"local_extensions": {"map": "book/_ext"}, "config": {"language": "en"}},
    }
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    book = tmp_path / "book"
    notebook(book / "01_a.ipynb", "The text of today", "print(1)", "print(2)")
    notebook(
        paths.results("quick") / "notebooks" / "01_a.ipynb",
        "An older text",
        "print(1)",
        "print(2)",
        outputs=("one", "two"),
    )
    (book / "_toc.yml").write_text("root: index\nchapters:\n- file: 01_a\n- file: references\n")
    (book / "_ext").mkdir()
    (book / "_ext" / "map.py").write_text("")
    (book / "_static").mkdir()
    for name in ("index.md", "references.md", "references.bib", "_static/look.css"):
        (book / name).write_text(name)
    return tmp_path


def test_a_page_has_its_own_text_and_the_outputs_that_were_computed(project):
    folder = pages.assemble("quick")
    page = nbformat.read(folder / "01_a.ipynb", as_version=4)
    assert [cell.source for cell in page.cells] == ["The text of today", PARAMETERS, "print(1)", "print(2)"]
    assert [[out.text for out in cell.outputs] for cell in page.cells[1:]] == [[], ["one"], ["two"]]
    assert page.metadata == {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    own = json.loads((project / "book" / "01_a.ipynb").read_text())
    assert all(cell.get("outputs", []) == [] for cell in own["cells"])  # the source stays without


def test_the_folder_has_all_pages_and_settings_that_execute_no_notebook(project):
    folder = pages.assemble("quick")
    assert folder == project / "_build" / "executed"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "01_a.ipynb",
        "_config.yml",
        "_static/look.css",
        "_toc.yml",
        "index.md",
        "references.bib",
        "references.md",
    ]
    before, after = (yaml.safe_load((place / "_config.yml").read_text()) for place in (project, folder))
    assert after.pop("execute") == {"execute_notebooks": "force", "timeout": 600, "exclude_patterns": ["*.ipynb"]}
    assert after["sphinx"].pop("local_extensions") == {"map": str(project / "book" / "_ext")}
    assert before.pop("execute") and before["sphinx"].pop("local_extensions") == {"map": "book/_ext"}
    assert after == before


def test_what_is_no_page_any_more_goes_with_the_next_assembling(project):
    (pages.assemble("quick") / "gone.md").write_text("")
    assert not (pages.assemble("quick") / "gone.md").exists()


def test_a_chapter_that_has_not_run_is_named_and_the_folder_stays(project):
    folder = pages.assemble("quick")
    (paths.results("quick") / "notebooks" / "01_a.ipynb").unlink()
    with pytest.raises(MissingResult, match="no executed chapter at .*quick/notebooks/01_a.ipynb: make reproduce"):
        pages.assemble("quick")
    assert (folder / "01_a.ipynb").exists()


def test_outputs_of_other_code_are_refused(project, capsys):
    notebook(project / "book" / "01_a.ipynb", "The text of today", "print(1)", "print(3)")
    with pytest.raises(ConfigError, match="was executed from other code than .*book/01_a.ipynb"):
        pages.assemble("quick")
    assert pages.main(["--profile", "quick"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
