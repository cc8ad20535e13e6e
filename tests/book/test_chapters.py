"""Rules that every chapter keeps; none is executed here."""

import ast
import pkgutil
import re
import shlex
from pathlib import Path

import nbformat
import pytest
from places import REPOSITORY

from bsrnn import cli
from bsrnn.report import chapters, claim_map, claims, tables
from bsrnn.study import profiles

BOOK = REPOSITORY / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
LINES = 16  # of a code cell, about; beside its imports
COLUMNS = 88  # of code beside the text, at the font that look.css sets
RESULTS = "08_results"


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
        assert [line for line in cell.source.splitlines() if len(line) > COLUMNS] == []
    assert all(len(line) <= 120 for cell in notebook.cells for line in cell.source.splitlines())
    assert notebook.cells[0].source.startswith("# ") and "paper's claim" in notebook.cells[0].source
    ending = "\n".join(cell.source for cell in notebook.cells[-4:])
    tested = any("show.verdict(" in cell.source for cell in notebook.cells) or chapter.stem == RESULTS
    if tested:
        assert "## Verdict" in ending and ("show.verdict(" in ending or "our_analogue" in ending)
    else:  # no claim is tested here: no verdict, but something to do
        assert "erdict: " not in ending and "what you can do now" in ending.lower()
        assert 2 <= len(commands(notebook.cells[-1].source)) <= 4


def commands(text: str) -> list[str]:
    """Lines of the fenced blocks without a language."""
    return [
        line for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for line in block.splitlines()
    ]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_commands_that_a_chapter_ends_with_are_understood(chapter, capsys):
    """The command line's own parser takes them: no option is misspelt."""
    for command in commands(nbformat.read(chapter, 4).cells[-1].source):
        program, *arguments = shlex.split(command)
        assert program in {"bsrnn", "make", "python"}, command
        if program == "bsrnn":
            cli.parser().parse_args(arguments)
        elif program == "make":
            assert f"\n{arguments[0]}:" in (REPOSITORY / "Makefile").read_text(encoding="utf-8"), command


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


def test_what_the_ledger_names_in_the_code_is_there():
    """Each dotted name that begins with bsrnn: a module, and what it holds."""
    text = tables.published("open_details").to_csv()
    names = sorted(set(re.findall(r"\bbsrnn(?:\.\w+)+", text)))
    assert names, "the ledger names nothing of the code any more: this test can go"
    for name in names:
        assert pkgutil.resolve_name(name) is not None, name


# ---- what is folded ----

SHOWN = re.compile(r"show\.(artifact|verdict|finding|overview)\([^\n]*\)")
IN_CODE = re.compile(r"\*\*Definition [\d.]+ in code")
DRAWS = re.compile(r"new_figure\(|show\.(figure|player|spectrograms)\(")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_open_is_the_code_that_teaches(chapter):
    """Folded: what sets a page up or draws; without its code: what only shows an artifact. Open: "in code"."""
    before = None
    for cell in nbformat.read(chapter, 4).cells:
        tags = set(cell.metadata.get("tags", ())) & {"hide-input", "remove-input"}
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            teaches = before is not None and before.cell_type == "markdown" and IN_CODE.search(before.source)
            if all(SHOWN.fullmatch(line) for line in lines):
                assert tags == {"remove-input"}, cell.source
            elif "try-it" in cell.metadata.get("tags", ()) or (teaches and not DRAWS.search(cell.source)):
                assert tags == set(), cell.source
            elif teaches:
                assert tags <= {"hide-input"}, cell.source  # what is defined is drawn at once
            elif (
                DRAWS.search(cell.source)
                or "show.banner" in cell.source
                or "parameters" in cell.metadata.get("tags", ())
            ):
                assert tags == {"hide-input"}, cell.source
        before = cell


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_page_says_once_what_it_is_drawn_from(chapter):
    source = "\n".join(cell.source for cell in cells(chapter, "code"))
    assert "stamps.banner(settings)" not in source and "stamps.banner(profile)" not in source
    if "show.artifact(" in source:
        assert source.count("show.banner(") <= 1


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_numbers_are_formatted_in_one_place_and_figures_have_words(chapter):
    source = "\n".join(cell.source for cell in cells(chapter, "code"))
    assert ".style." not in source and "set_caption" not in source
    assert re.findall(r"display\((figure|drawn|chapter)", source) == []  # no words for who does not see it


def test_a_definition_has_its_chapters_number_and_is_the_only_one():
    for chapter in CHAPTERS:
        source = "\n".join(cell.source for cell in nbformat.read(chapter, 4).cells)
        defined = re.findall(r"admonition\} Definition (\S+)", source)
        assert defined == [f"{int(chapter.stem[:2])}.{place + 1}" for place in range(len(defined))]
        assert set(re.findall(r"Definition ([\d.]*\d)", source)) <= set(defined)


def test_the_map_of_claims_is_that_of_the_chapters():
    primary = [claim.id for claim in claims.CLAIMS if claim.primary]
    assert list(claim_map.EXPLAINED_IN) == primary
    for claim, (explained, decided) in claim_map.EXPLAINED_IN.items():
        assert explained <= decided <= claim_map.LAST_CHAPTER
        sources = "\n".join(cell.source for cell in cells(CHAPTERS[decided - 1], "code"))
        assert f'"{claim}"' in sources or 'show.artifact("claims"' in sources
