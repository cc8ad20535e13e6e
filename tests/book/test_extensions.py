"""The book's own Sphinx extensions: what they lay beside the pages and take out of them."""

import importlib.util
import json
import re
from types import SimpleNamespace

import pytest
import yaml
from places import REPOSITORY

from bsrnn.report import trace
from bsrnn.runtime import paths
from bsrnn.study.results import Study


def extension(name: str):
    """A module of book/_ext."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_carries_the_results_that_its_figures_lead_to(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    monkeypatch.delenv("BSRNN_PROFILE", raising=False)
    traceable = extension("traceable")
    monkeypatch.setattr(traceable.show, "resolve_profile", lambda name: "small")
    traceable.lay_results(tmp_path)
    assert traceable.profiles_shown() == ["small", "guitar"]
    laid = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")}
    runs = list(Study("small").grid.values())
    assert {trace.of_result(run.result_path()) for run in runs if run.finished()} <= laid
    first = next(run for run in runs if run.finished())
    of_first = (tmp_path / trace.of_result(first.result_path())).read_text()
    assert json.loads(of_first) == json.loads(first.result_path().read_text()) and len(of_first.splitlines()) < 40
    assert (tmp_path / "results" / "small" / "tables" / "results.csv").read_bytes() == (
        REPOSITORY / "results" / "small" / "tables" / "results.csv"
    ).read_bytes()


def test_the_site_carries_the_source_with_an_anchor_a_line(tmp_path):
    extension("traceable").lay_source(tmp_path)
    path = paths.package() / "metrics.py"
    page = (tmp_path / trace.of_source(path)).read_text(encoding="utf-8")
    lines = path.read_text(encoding="utf-8").rstrip("\n").splitlines()
    assert f'id="line-{len(lines)}"' in page and f'id="line-{len(lines) + 1}"' not in page
    assert "<script" not in page and not re.search(r'(src|href)="(https?:)?//', page)


def test_only_a_build_of_pages_that_succeeded_gets_them(tmp_path, monkeypatch):
    traceable, laid = extension("traceable"), []
    monkeypatch.setattr(traceable, "lay_results", laid.append)
    monkeypatch.setattr(traceable, "lay_source", laid.append)
    app = SimpleNamespace(outdir=str(tmp_path), builder=SimpleNamespace(name="epub"))
    traceable.lay_all(app, None)
    app.builder.name = "html"
    traceable.lay_all(app, RuntimeError("a cell failed"))
    assert laid == []
    traceable.lay_all(app, None)
    assert laid == [tmp_path, tmp_path]


def test_a_page_is_freed_of_thebe_and_of_roles_that_a_list_must_not_have():
    body = '<div role="list"><div class="citation" role="doc-biblioentry"><a role="doc-backlink" href="#x">1</a></div>'
    settings = SimpleNamespace(filename=None, attributes={"body": 'const THEBE_JS_URL = "x"; const thebe_selector = 1'})
    scripts = [settings, SimpleNamespace(filename="sphinx-thebe.js", attributes={}),
               SimpleNamespace(filename="look.js", attributes={})]  # fmt: skip
    context = {"script_files": scripts, "css_files": ["_static/sphinx-thebe.css", "_static/look.css"], "body": body}
    app = SimpleNamespace(builder=SimpleNamespace(name="html"))
    extension("tidy_pages").tidy(app, "references", "page.html", context, None)
    assert [script.filename for script in context["script_files"]] == ["look.js"]
    assert context["css_files"] == ["_static/look.css"]
    assert 'role="listitem"' in context["body"] and "doc-b" not in context["body"]


def test_an_epub_has_nothing_that_runs_plays_folds_or_leads_nowhere():
    body = ('<script type="module">//<![CDATA[\nlet x = 1 < 2;//]]></script><p>words</p>'
            '<details class="admonition hide above-input"><summary>Show</summary><div>import x</div></details>'
            '<div><span>drums</span><br/><audio src="data:audio/mpeg;base64,AAAA"></audio></div>'
            '<details class="trace"><summary>Where</summary><a href="results/a.json">a</a></details>'
            '<details class="row-card"><summary>gain</summary><dl><dt>ours</dt></dl></details>'
            '<a href="08_results.html#claims">b</a><a href="https://x.org/a.html">c</a>'
            '<svg viewBox="0 0 1 1"></svg>')  # fmt: skip
    assert extension("tidy_pages").for_an_epub(body) == (
        '<div class="bd-article"><p>words</p><div><span>drums</span><br/></div>'
        '<details open="open" class="row-card"><summary>gain</summary><dl><dt>ours</dt></dl></details>'
        '<a href="08_results.xhtml#claims">b</a><a href="https://x.org/a.html">c</a>'
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"></svg></div>'
    )


@pytest.mark.parametrize(
    ("tex", "lines"),
    [
        (r"\delta \le \frac12", [r"\delta \leq \frac{1}{2}"]),
        (
            r"\begin{aligned} a &= \lVert b \rVert_1 \\ c &= \tfrac{1}{2} \end{aligned}",
            [r"a = \Vert b \Vert_1", r"c = \frac{1}{2}"],
        ),
    ],
)
def test_formulas_of_an_epub_are_pictures_that_say_what_they_are(tex, lines):
    drawn = extension("epub_formulas").with_pictures(f'<p>x <span class="math notranslate">\\({tex}\\)</span></p>')
    assert re.findall(r'alt="([^"]*)"', drawn) == lines
    assert drawn.count('src="data:image/svg+xml;base64,') == len(lines) and "\\(" not in drawn


def test_fractions_of_a_formula_by_itself_are_large():
    drawn = extension("epub_formulas").with_pictures('<div class="math notranslate">\n\\[\\frac{a}{b}\\]</div>')
    assert re.findall(r'alt="([^"]*)"', drawn) == [r"\dfrac{a}{b}"] and drawn.startswith('<div class="math">')


def test_matplotlib_draws_every_formula_of_the_book():
    formulas = extension("epub_formulas")
    for page in [*REPOSITORY.glob("book/*.ipynb"), *REPOSITORY.glob("book/*.md")]:
        text = page.read_text(encoding="utf-8")
        cells = json.loads(text)["cells"] if page.suffix == ".ipynb" else [{"cell_type": "markdown", "source": [text]}]
        for cell in cells:
            words = re.sub(r"```[^{].*?```|`[^`]*`", "", "".join(cell["source"]), flags=re.DOTALL)
            for tex in re.findall(r"\$\$?([^$]+?)\$\$?", words) if cell["cell_type"] == "markdown" else ():
                assert all(map(formulas.picture, formulas.lines(tex))), (page.name, tex)


@pytest.mark.parametrize(("builder", "media"), [("html", "print"), ("epub", None)])
def test_the_sheet_of_print_is_the_last_and_all_of_an_epub_has_it(tmp_path, builder, media):
    sheets = [SimpleNamespace(filename=f"_static/{name}.css", attributes={}) for name in ("print", "look", "mystnb.1a")]
    for sheet in sheets[:2]:
        (tmp_path / sheet.filename).parent.mkdir(exist_ok=True)
        (tmp_path / sheet.filename).touch()
    context = {"css_files": sheets, "script_files": [], "body": ""}
    app = SimpleNamespace(builder=SimpleNamespace(name=builder), outdir=tmp_path, srcdir=tmp_path)
    extension("tidy_pages").tidy(app, "index", "page.html", context, None)
    assert context["css_files"][-1].filename == "_static/print.css"
    assert context["css_files"][-1].attributes.get("media") == media
    assert ("_static/mystnb.1a.css" in [sheet.filename for sheet in context["css_files"]]) == (builder == "html")


def test_an_epub_says_what_it_is_and_lists_the_chapters():
    settings = yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    assert settings["project"] == yaml.safe_load((REPOSITORY / "_config.yml").read_text(encoding="utf-8"))["title"]
    assert settings["epub_tocscope"] == "includehidden" and settings["epub_identifier"] != "unknown"


@pytest.mark.parametrize("known", [True, False], ids=["the version we know", "another one"])
def test_of_mathjax_stays_what_pages_load(tmp_path, known):
    carried = ["input/tex.js", "input/tex/extensions/ams.js", "output/chtml/fonts/tex.js"]
    names = ["tex-svg.js", "sre/mathmaps/de.json", "sre/mathmaps/en.json", "output/svg/fonts/a.js", "output/svg.js",
             "output/chtml/fonts/woff-v2/a.woff", "input/tex/extensions/cancel.js", *carried]  # fmt: skip
    for name in names + ["tex-chtml.js"] * known:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('a.preLoad("core","input/tex","output/chtml/fonts/tex.js");b.preLoad("[tex]/ams")')
    extension("tidy_pages").without_unused(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    gone = {"tex-svg.js", "sre/mathmaps/de.json", "output/svg/fonts/a.js", "output/svg.js", *carried}
    assert left == ({*names, "tex-chtml.js"} - gone if known else set(names))


def test_a_reference_is_labelled_as_the_text_cites_it():
    from pybtex.database import parse_file

    labels = extension("reference_labels").AuthorYearLabels()
    entries = parse_file(str(REPOSITORY / "book" / "references.bib")).entries
    named = dict(zip(entries, labels.format_labels(entries.values()), strict=True))
    assert named["luo2023"] == "Luo and Yu, 2023" and named["magron2026"] == "Magron et al., 2026"
    assert named["defossez2019"] == "Défossez et al., 2019" and len(set(named.values())) == len(named)


def test_every_arxiv_number_is_a_field_that_becomes_a_link():
    text = (REPOSITORY / "book" / "references.bib").read_text(encoding="utf-8")
    assert "arXiv:" not in text and text.count("eprint") >= 10


def test_maps_to_sources_are_left_out_of_a_site(tmp_path):
    names = ("theme.js", "theme.js.map", "css/theme.css", "css/theme.css.map", "city.map")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    extension("tidy_pages").without_maps(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["city.map", "css/theme.css", "theme.js"]
