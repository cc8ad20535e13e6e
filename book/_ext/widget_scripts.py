"""Widgets' scripts, which outputs carry (bsrnn.report.widgets), in the pages: once each, and nowhere else.

Jupyter Book puts every .js file of book/_static into every page as a classic script, where ``export`` is an error. And
each output of a chapter carries its widget's whole script; on a page the first one renders all elements of its name.
"""

import re
from pathlib import Path

from docutils import nodes

MODULE = re.compile(r"^export default \{ render \};?$", re.MULTILINE)
SCRIPT = re.compile(r'<script type="module">//<!\[CDATA\[.*?//\]\]></script>', re.DOTALL)


def leave_out_modules(app, config):
    """Take those that are ES modules from the scripts that every page has."""
    config.html_js_files = [entry for entry in config.html_js_files if not _is_module(app.srcdir, entry)]


def _is_module(book, entry) -> bool:
    name = entry if isinstance(entry, str) else entry[0]
    file = Path(book, "_static", name)
    return file.is_file() and MODULE.search(file.read_text(encoding="utf-8")) is not None


def once_a_page(app, doctree, page):
    """Take a script that the page has already from the outputs after the first with it."""
    present = set()

    def first_of_its_kind(match):
        repeated = match.group() in present
        present.add(match.group())
        return "" if repeated else match.group()

    for raw in doctree.findall(nodes.raw):
        if "</script>" in raw.astext():
            raw[:] = [nodes.Text(SCRIPT.sub(first_of_its_kind, raw.astext()))]


def setup(app):
    """Sphinx's entry point."""
    app.connect("config-inited", leave_out_modules)
    app.connect("doctree-resolved", once_a_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
