"""Every "Try it" box is done: its cell runs as it stands and with each change that it suggests, and its answer holds.

A box is three cells: the question, a code cell tagged `try-it` whose first statements set what a reader changes, and
the folded answer. The cell's metadata `try_it` lists changes, {"change": {name: new expression}, "holds": an expression
that is true afterwards}; in it `default` has the names that the cell set when it ran unchanged.

Of a chapter only the cells that the boxes need run, once: the others are left out by the names that they set and read.
"""

import ast
import contextlib
import dis
import io
import re
from dataclasses import dataclass, field
from types import CodeType

import nbformat
import pytest
from places import REPOSITORY

BOOK = REPOSITORY / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
FEWEST = {"01": 3, "02": 3, "03": 3, "04": 3, "05": 3, "06": 3, "07": 1, "08": 1, "09": 1, "10": 1, "12": 1}
CHANGE = "# change it to"


@dataclass
class Cell:
    """A code cell, the names that it sets, those whose parts it sets, and those that it reads before it sets them."""

    id: str
    source: str
    try_it: list[dict]
    sets: set[str] = field(default_factory=set)
    alters: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)

    def __post_init__(self):
        self._follow(compile(self.source, self.id, "exec"))
        for node in ast.walk(ast.parse(self.source)):
            if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
                while isinstance(node, ast.Subscript | ast.Attribute):
                    node = node.value
                self.alters |= {node.id} if isinstance(node, ast.Name) else set()

    def _follow(self, code: CodeType) -> None:
        """In the order of the byte code; what stands in a comprehension or lambda is inside."""
        for step in dis.get_instructions(code):
            if step.opname in ("STORE_NAME", "STORE_GLOBAL"):
                self.sets.add(step.argval)
            elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in self.sets:
                self.reads.add(step.argval)
            elif isinstance(step.argval, CodeType):
                self._follow(step.argval)


def code_cells(chapter) -> list[Cell]:
    cells = [cell for cell in nbformat.read(chapter, 4).cells if cell.cell_type == "code"]
    sources = [re.sub(r"^[%!].*", "", cell.source, flags=re.MULTILINE) for cell in cells]
    return [Cell(cell.id, source, cell.metadata.get("try_it", [])) for cell, source in zip(cells, sources, strict=True)]


def needed(cells: list[Cell]) -> list[Cell]:
    """The cells that the boxes need, and the boxes, in their order."""
    kept, wanted = [], set()
    for cell in reversed(cells):
        if cell.try_it or (cell.sets | cell.alters) & wanted:
            kept.append(cell)
            wanted = (wanted - cell.sets) | cell.reads
            wanted |= {name for tried in cell.try_it for name in Cell("", tried["holds"], []).reads - cell.sets}
    return kept[::-1]


def changed(source: str, change: dict[str, str]) -> str:
    """The cell with other values in its first statements; each name must be set there, once."""
    tree, left = ast.parse(source), dict(change)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in left:
            node.value = ast.parse(left.pop(node.targets[0].id), mode="eval").body
    assert not left, f"the cell sets no {', '.join(left)}"
    return ast.unparse(ast.fix_missing_locations(tree))


def do(source: str, namespace: dict) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "<cell>", "exec"), namespace)


def test_what_is_changed_is_the_first_statement_of_its_name():
    cell = "hop = 1.5  # change it to 3.0\nsegments = 3 / hop"
    namespace: dict = {}
    do(changed(cell, {"hop": "3.0"}), namespace)
    assert namespace["segments"] == 1
    with pytest.raises(AssertionError, match="sets no hip"):
        changed(cell, {"hip": "3.0"})


def test_only_what_a_box_needs_is_run():
    sources = ["import math\na = 1", "slow = 2", "b = {}\nb['x'] = a", "c = b", "d = 9"]
    cells = [Cell(str(number), source, []) for number, source in enumerate(sources)]
    cells.insert(4, Cell("box", "z = b['x']", [{"change": {}, "holds": "z == 1"}]))
    assert [cell.id for cell in needed(cells)] == ["0", "2", "box"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_box_is_a_question_a_cell_with_a_parameter_and_a_folded_answer(chapter):
    cells = nbformat.read(chapter, 4).cells
    boxes = [index for index, cell in enumerate(cells) if "try-it" in cell.metadata.get("tags", [])]
    assert len(boxes) >= FEWEST.get(chapter.stem[:2], 0)
    for index in boxes:
        question, cell, answer = cells[index - 1 : index + 2]
        assert question.source.startswith("```{admonition} Try it") and "?" in question.source
        assert CHANGE in "".join(cell.source.splitlines()[:3])
        assert answer.source.startswith("```{admonition} Answer\n:class: dropdown")
        changes = [set(tried["change"]) for tried in cell.metadata["try_it"]]
        assert any(changes) and all(set(tried) == {"change", "holds"} for tried in cell.metadata["try_it"])
    asked = sum("{admonition} Try it" in cell.source for cell in cells)
    assert asked == len(boxes), "a box without a cell: nobody tries it"


@pytest.mark.parametrize("chapter", [path for path in CHAPTERS if path.stem[:2] in FEWEST], ids=lambda path: path.stem)
def test_every_answer_holds(chapter, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace: dict = {"__name__": "chapter"}
    for cell in needed(code_cells(chapter)):
        do(cell.source, namespace)
        default = {name: namespace[name] for name in cell.sets if name in namespace}
        for tried in cell.try_it:
            namespace |= default
            if tried["change"]:
                do(changed(cell.source, tried["change"]), namespace)
            told = {name: namespace.get(name) for name in cell.sets}
            assert eval(tried["holds"], namespace | {"default": default}), (cell.id, tried, told)
        namespace |= default
