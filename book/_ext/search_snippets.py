"""Snippets of the search page that come from a script instead of from the pages.

Sphinx fetches each page that it has found to quote from it. A page opened from a disk may fetch none, and quotes of
tables run their cells together. So Sphinx's are switched off, and search_texts.js carries the words of all pages, with
a mark between the cells, and search_snippets.js.
"""

import html.parser
import json
from pathlib import Path

NAME = "search_texts.js"
SCRIPT = Path(__file__).with_suffix(".js")
UNREAD = {"script", "style", "noscript", "metadata", "math", "button"}
WITHIN_A_LINE = {"a", "abbr", "b", "cite", "code", "em", "i", "kbd", "small", "span", "strong", "sub", "sup"}


class _Reader(html.parser.HTMLParser):
    """Collects what is read in the article of a page, without the signs that link to its headings."""

    def __init__(self):
        super().__init__()
        self.parts, self.inside, self.unread, self.in_sign = [], False, 0, False

    def handle_starttag(self, tag, attrs):
        self.inside = self.inside or tag == "article"
        self.unread += tag in UNREAD
        self.in_sign = ("class", "headerlink") in attrs
        self.parts.append("" if tag in WITHIN_A_LINE else " ")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "article"
        self.unread -= tag in UNREAD
        self.in_sign = False
        self.parts.append(" · " if tag in ("td", "th") else "" if tag in WITHIN_A_LINE else " ")

    def handle_data(self, data):
        if self.inside and not self.unread and not self.in_sign:
            self.parts.append(data.replace("\\(", "").replace("\\)", ""))  # what marks a formula


def text_of(page: str) -> str:
    """The words of a page's article in one line, `·` after each cell of a table."""
    reader = _Reader()
    reader.feed(page)
    return " ".join("".join(reader.parts).split())


def load_on_the_search_page(app, pagename, templatename, context, doctree):
    """Name the script in that page alone."""
    if pagename == "search":
        app.add_js_file(NAME)


def write(app, exception):
    """Beside the pages of a finished build: the words of them all, and the script that quotes them."""
    if exception is not None or app.builder.format != "html":
        return
    pages = sorted(Path(app.outdir).glob("*.html"))
    texts = {page.name: text_of(page.read_text(encoding="utf-8")) for page in pages}
    content = f"const pageTexts = {json.dumps(texts, ensure_ascii=False)};\n{SCRIPT.read_text(encoding='utf-8')}"
    Path(app.outdir, "_static", NAME).write_text(content, encoding="utf-8")


def setup(app):
    """Sphinx's entry point."""
    app.connect("html-page-context", load_on_the_search_page)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
