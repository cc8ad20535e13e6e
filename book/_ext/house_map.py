"""The directive ``house-map``: the library's folders as a drawing, from what its modules import, and a line on each.

Layers come from the import contract in pyproject.toml, arrows from the imports, lines from the docstrings: nothing is
drawn that the code does not say.
"""

import ast
import tomllib
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp
from docutils import nodes
from docutils.parsers.rst import Directive

ROOT = Path(__file__).resolve().parents[2]
METHOD = "the method"
LOWER = "The method's settings and band splits, which songs and audio need, too."
WORDS = "The library's folders from top to bottom; each imports only what stands below it."
WIDTH, LEFT, RIGHT = 760, 100, 560  # of the drawing, and of its boxes, in units of the view box
LINE, PAD, GAP, LETTER = 19, 9, 12, 6.9  # height of a line of names, inside and between boxes, width of a letter


@dataclass(frozen=True)
class Layer:
    """One row of the house: its name, what it is for, and its modules with the first line of each docstring."""

    name: str
    purpose: str
    modules: dict[str, str]


def layers(root: Path = ROOT) -> list[Layer]:
    """The rows, from the top one, which may import all others, to the lowest."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(item for item in settings["tool"]["importlinter"]["contracts"] if item["type"] == "layers")
    return [_layer(root / "bsrnn", [name.strip() for name in row.split(":")]) for row in contract["layers"]]


def _layer(package: Path, names: list[str]) -> Layer:
    """A row of the contract: a folder or a file, or all of the method's."""
    if len(names) > 1:
        method = "models" in names
        modules = {name: text for member in names for name, text in _modules(package / member, package).items()}
        purpose = "The paper's method: the files at the top of `bsrnn/`, and `models/`." if method else LOWER
        return Layer(METHOD if method else ", ".join(names), purpose, modules)
    [name] = names
    folder = package / name
    purpose = _first_line(folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py"))
    return Layer(name, purpose, _modules(folder, folder if folder.is_dir() else package))


def _modules(place: Path, base: Path) -> dict[str, str]:
    """Name below ``base`` -> first line of the docstring; a folder in a folder stands for its modules."""
    files = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    modules = {path.relative_to(base).with_suffix("").as_posix(): _first_line(path) for path in files}
    inner = sorted(folder for folder in place.iterdir() if (folder / "__init__.py").is_file()) if place.is_dir() else []
    modules |= {f"{folder.relative_to(base).as_posix()}/": _first_line(folder / "__init__.py") for folder in inner}
    return {name: text for name, text in modules.items() if Path(name).name != "__init__"}


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def imports(rows: list[Layer]) -> Counter:
    """(importing row, imported row) -> number of imports between their modules."""
    row_of = {}
    for row in rows:
        for module in row.modules if row.name == METHOD else row.name.split(", "):
            row_of[module.split("/")[0]] = row.name
    graph, counts = grimp.build_graph("bsrnn", cache_dir=None), Counter()
    for importer in graph.modules - {"bsrnn"}:
        for imported in graph.find_modules_directly_imported_by(importer) - {"bsrnn"}:
            pair = tuple(row_of.get(name.split(".")[1], "") for name in (importer, imported))
            counts[pair] += "" not in pair and pair[0] != pair[1]
    return +counts


def drawing(rows: list[Layer], counts: Counter) -> str:
    """The house as an SVG element that takes its colours from the page."""
    parts, middle, top = [], {}, 10.0
    for row in rows:
        lines = _wrapped(row)
        height = len(lines) * LINE + 2 * PAD
        middle[row.name] = top + height / 2
        kind = "house-method" if row.name == METHOD else "house-row"
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{top}" width="{RIGHT - LEFT}" height="{height}" rx="6"/>')
        parts.append(f'<text class="house-name" x="{LEFT - 10}" y="{middle[row.name] + 4}" text-anchor="end">'
                     f"<title>{escape(row.purpose)}</title>{escape(row.name)}</text>")  # fmt: skip
        for number, line in enumerate(lines):
            x = LEFT + PAD
            for name in line:
                label, y = "one file" if name == row.name else name, top + PAD + (number + 0.72) * LINE
                parts.append(f'<text class="house-module" x="{x:.0f}" y="{y:.0f}">'
                             f"<title>{escape(row.modules[name])}</title>{escape(label)}</text>")  # fmt: skip
                x += (len(label) + 2) * LETTER
        top += height + GAP
    order = [row.name for row in rows]
    for (importer, imported), count in sorted(counts.items()):
        down = order.index(imported) > order.index(importer)
        start, end = middle[importer], middle[imported]
        reach = RIGHT + 14 + 0.32 * abs(end - start)
        what = f"{importer} imports {imported}: {count} time{'s' * (count > 1)}"
        kind, width = "house-arrow" if down else "house-upward", 0.8 + count**0.5 / 4
        parts.append(f'<path class="{kind}" stroke-width="{width:.1f}"'
                     f' d="M {RIGHT} {start:.0f} Q {reach:.0f} {(start + end) / 2:.0f} {RIGHT + 2} {end:.0f}">'
                     f"<title>{escape(what)}</title></path>")  # fmt: skip
    return (f'<svg class="house-map" viewBox="0 0 {WIDTH} {top:.0f}" role="img" aria-label="{WORDS}">'
            f"{''.join(parts)}</svg>")  # fmt: skip


def _wrapped(row: Layer) -> list[list[str]]:
    """The names of a row, as lines that fit its box."""
    lines, used = [[]], 0.0
    for name in row.modules:
        width = (len(name) + 2) * LETTER
        if lines[-1] and used + width > RIGHT - LEFT - 2 * PAD:
            lines, used = [*lines, []], 0.0
        lines[-1].append(name)
        used += width
    return lines


class HouseMap(Directive):
    """``{house-map}``: the drawing, and below it a table of rows and what each is for."""

    def run(self):
        rows = layers()
        table = "".join(
            f"<tr><td><code>{escape(row.name)}</code></td><td>{_with_code(row.purpose)}</td></tr>" for row in rows
        )
        head = "<thead><tr><th>folder or file</th><th>what it is for</th></tr></thead>"
        table = f'<table class="table">{head}<tbody>{table}</tbody></table>'
        box = f'<div class="scrolls" tabindex="0" role="region" aria-label="{WORDS}">'
        html = f"<figure>{box}{drawing(rows, imports(rows))}</div></figure>{table}"
        return [nodes.raw("", html, format="html")]


def _with_code(text: str) -> str:
    parts = escape(text, quote=False).replace("``", "`").split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def setup(app):
    """Sphinx's entry point."""
    app.add_directive("house-map", HouseMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
