"""Rules that every chapter keeps; none is executed here."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from places import REPOSITORY

from bsrnn.report import chapters, claims, tables
from bsrnn.study import profiles

BOOK = REPOSITORY / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
LINES = 12  # of a code cell, about; beside its imports


def cells(chapter: Path, kind: str) -> list:
    return [cell for cell in nbformat.read(chapter, 4).cells if cell.cell_type == kind]


def python(cell) -> str:
    """Source without magics."""
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_keeps_the_rules(chapter):
    notebook = nbformat.read(chapter, 4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in cells(chapter, "code"):
        assert not cell.outputs and cell.execution_count is None
        own = [line for line in cell.source.splitlines() if not line.startswith(("import ", "from "))]
        assert len(own) <= LINES, cell.source
        nodes = ast.walk(ast.parse(python(cell)))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in nodes), cell.source
    assert all(len(line) <= 120 for cell in notebook.cells for line in cell.source.splitlines())
    assert notebook.cells[0].source.startswith("# ") and "paper's claim" in notebook.cells[0].source
    words = "\n".join(cell.source for cell in notebook.cells[-3:])
    verdicts = (claims.CONSISTENT, claims.UNDECIDED, claims.NOT_TESTED, "show.verdict", "our_analogue")
    assert "erdict" in words and any(verdict in words.lower() for verdict in verdicts)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_one_parameters_cell_of_plain_literals(chapter):
    tagged = [cell for cell in cells(chapter, "code") if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(tagged[0].source).body}
    assert values["profile"] == "auto"
    source = "\n".join(python(cell) for cell in cells(chapter, "code"))
    assert "show.resolve_profile(profile)" in source  # which refuses an unknown one


def test_every_artifact_is_shown_once_and_in_its_chapter():
    shown = []
    for chapter in CHAPTERS:
        for cell in cells(chapter, "code"):
            shown += [(name, chapter.stem) for name in re.findall(r'show\.artifact\("(\w+)"', cell.source)]
    expected = [(artifact.id, artifact.chapter) for artifact in chapters.REGISTRY.values()]
    assert sorted(shown) == sorted(expected)


def test_every_claim_has_its_verdict_in_the_book():
    source = "\n".join(cell.source for chapter in CHAPTERS for cell in cells(chapter, "code"))
    assert 'show.artifact("claims"' in source
    assert {claim.id[:2] for claim in claims.CLAIMS} == {"C1", "C2", "C3", "C4", "C5"}


def test_ledger_keys_are_settings():
    from bsrnn.report.chapters.ch09_open_details import setting

    keys = tables.published("open_details")["config_key"]
    for key in keys:
        assert setting(profiles.PAPER, key)
