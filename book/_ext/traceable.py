"""Lay beside the pages what they lead to: the results behind their figures, and the library's source with its lines.

The links stand in the folded lists of :mod:`bsrnn.report.trace`, which names the places. Only formats of HTML that are
read in a folder get them.
"""

import json
import shutil
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from bsrnn.errors import MissingResult
from bsrnn.report import show, trace
from bsrnn.runtime import paths

KEPT = ("runs/*.json", "tables/*.csv", "figures/*.svg")  # a picture is on its page already
FREE = "guitar"  # shown in every profile


def profiles_shown() -> list[str]:
    """The profile in force, and the guitar's."""
    try:
        return [show.resolve_profile("auto"), FREE]
    except MissingResult:
        return [FREE]


def lay_results(site: Path) -> None:
    """Copy the results of the profiles that the pages show, JSON with a line for each of its outermost keys: a quarter
    less than with a line a number."""
    for name in profiles_shown():
        for pattern in KEPT:
            for path in sorted(paths.results(name).glob(pattern)):
                place = site / trace.of_result(path)
                place.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".json":
                    place.write_text(_a_line_a_key(path.read_text(encoding="utf-8")), encoding="utf-8")
                else:
                    shutil.copyfile(path, place)


def _a_line_a_key(text: str) -> str:
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in json.loads(text).items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def lay_source(site: Path) -> None:
    """A page for each file of the library, a line an anchor."""
    for path in sorted(paths.package().rglob("*.py")):
        if path.stat().st_size == 0:
            continue
        place = site / trace.of_source(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        title = path.relative_to(paths.package().parent).as_posix()
        # spans and not anchors, which would be links without words; lines fold on a narrow screen
        fold = "white-space: pre-wrap; overflow-wrap: anywhere"
        look = HtmlFormatter(full=True, title=title, linespans="line", prestyles=fold)
        page = highlight(path.read_text(encoding="utf-8"), PythonLexer(), look)
        place.write_text(page.replace("<html>", '<html lang="en">', 1), encoding="utf-8")


def lay_all(app, exception) -> None:
    """After a build into a folder of pages."""
    if exception is None and app.builder.name == "html":
        lay_results(Path(app.outdir))
        lay_source(Path(app.outdir))


def setup(app):
    """Sphinx's entry point."""
    app.connect("build-finished", lay_all)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
