"""What the search page quotes of the other pages."""

import json
import sys
from types import SimpleNamespace

import pytest
from places import REPOSITORY


@pytest.fixture
def snippets(monkeypatch):
    """The extension of the book."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "book" / "_ext"))
    import search_snippets

    yield search_snippets
    del sys.modules["search_snippets"]


PAGE = r"""<html><head><title>Title</title></head><body><nav>Contents</nav><article>
<h1>Loss<a class="headerlink" href="#loss" title="Link">#</a></h1><p>The <b>leak</b>age of \(S\), in<br>dB.</p>
<script>const hidden = "<p>none</p>";</script><svg><metadata>key</metadata><title>drawing</title></svg>
<table><tr><th>vocals</th><td>0.00</td><td>-120.0</td></tr></table></article><footer>License</footer></body></html>"""


def test_words_of_a_page_are_those_of_its_article_and_cells_stay_apart(snippets):
    assert snippets.text_of(PAGE) == "Loss The leakage of S, in dB. drawing vocals · 0.00 · -120.0 ·"


def test_one_script_has_the_words_of_every_page(snippets, tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "loss.html").write_text(PAGE, encoding="utf-8")
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html"))
    snippets.write(app, RuntimeError("a cell failed"))
    assert list((tmp_path / "_static").iterdir()) == []
    snippets.write(app, None)
    first, rest = (tmp_path / "_static" / "search_texts.js").read_text(encoding="utf-8").split(";\n", 1)
    assert json.loads(first.removeprefix("const pageTexts = ")) == {"loss.html": snippets.text_of(PAGE)}
    assert rest == (REPOSITORY / "book" / "_ext" / "search_snippets.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "scripts"), [("search", ["search_texts.js"]), ("index", [])])
def test_the_search_page_alone_loads_it(snippets, page, scripts):
    added = []
    snippets.load_on_the_search_page(SimpleNamespace(add_js_file=added.append), page, "", {}, None)
    assert added == scripts
