"""The book: chapters fit to be executed and committed, pages that follow the results and work without the network."""

import ast
import importlib.util
import json
import re
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
from docutils import nodes
from places import REPOSITORY

from bsrnn.errors import MissingResult
from bsrnn.report import show, widgets
from bsrnn.runtime import paths
from bsrnn.workflow import reproduce as workflow

CHAPTERS = sorted((REPOSITORY / "book").glob("*.ipynb"))
CHAPTER_IDS = [path.stem for path in CHAPTERS]


@pytest.mark.book
def test_contents_list_every_chapter_in_order(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    assert workflow.chapters() == CHAPTER_IDS
    assert len(CHAPTER_IDS) == 14


def test_the_drawn_map_has_every_module_and_no_arrow_upwards():
    house_map = extension_of_the_book("house_map")
    rows = house_map.layers()
    drawn = [name for row in rows for name in row.modules]
    package = REPOSITORY / "bsrnn"
    files = {path.relative_to(package).with_suffix("") for path in package.rglob("*.py") if path.stem != "__init__"}
    named = {"/".join(path.parts[:2]) + "/" * (len(path.parts) > 2) for path in files}  # a folder in a folder: one name
    assert len(drawn) == len(named)
    assert {name.strip("/").split("/")[-1] for name in named} == {name.strip("/").split("/")[-1] for name in drawn}
    assert all(row.purpose.endswith(".") and all(row.modules.values()) for row in rows)
    counts, order = house_map.imports(rows), [row.name for row in rows]
    assert counts["study", "the method"] > 10
    assert [pair for pair in counts if order.index(pair[0]) > order.index(pair[1])] == []
    svg = house_map.drawing(rows, counts)
    assert svg.count("<path ") == len(counts) and "house-upward" not in svg
    assert "house-upward" in house_map.drawing(rows, counts + Counter({("runtime", "cli"): 1}))


@pytest.mark.book
@pytest.mark.parametrize("path", CHAPTERS, ids=CHAPTER_IDS)
def test_chapter_rejects_an_unknown_profile(path, tmp_path, monkeypatch):
    from bsrnn.workflow.notebooks import NotebookError, execute

    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    with pytest.raises(NotebookError, match="ConfigError: unknown profile 'quik'"):
        execute(path, tmp_path / path.name, {"profile": "quik"})


@pytest.mark.book
def test_pages_need_no_network():
    """Links may lead out; scripts, styles, fonts and pictures may not."""
    pages = sorted((REPOSITORY / "_build" / "html").glob("*.html"))
    assert len(pages) > 9, "build the book first: make test-book"
    outside = re.compile(
        r"""<(?:script|img|audio|source|iframe)\b[^>]*\bsrc=["'](?:https?:)?//[^>]*>"""
        r"""|<link\b[^>]*\bhref=["'](?:https?:)?//[^>]*>"""
    )
    found = {page.name: outside.findall(page.read_text(encoding="utf-8")) for page in pages}
    assert {name: tags for name, tags in found.items() if tags} == {}
    assert 'src="_static/mathjax/' in (REPOSITORY / "_build" / "html" / "03_model.html").read_text(encoding="utf-8")


# ---- the local Sphinx extensions ----


def extension_of_the_book(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """The extension over an empty project, whose profile in force is "small"."""
    (tmp_path / "bsrnn").mkdir()
    (tmp_path / "bsrnn" / "model.py").write_text("old")
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.setattr(show, "resolve_profile", lambda name: "small")
    paths.results("small").mkdir(parents=True)
    (paths.results("small") / "manifest.json").write_text("old")
    return extension_of_the_book("current_results")


def pages_read_again(extension, env):
    return extension.outdated(None, env, set(), set(), set())


def no_results(name):
    raise MissingResult("none")


@pytest.mark.parametrize(
    "change",
    [
        lambda root, monkeypatch: (root / "results" / "small" / "manifest.json").write_text("new"),
        lambda root, monkeypatch: (root / "bsrnn" / "model.py").write_text("new"),
        lambda root, monkeypatch: monkeypatch.setattr(show, "resolve_profile", lambda name: "quick"),
        lambda root, monkeypatch: monkeypatch.setattr(show, "resolve_profile", no_results),
    ],
    ids=["results", "library", "profile", "no results"],
)
def test_pages_are_outdated_after_a_change(extension, tmp_path, monkeypatch, change):
    env = SimpleNamespace(found_docs={"index", "08_results"})
    pages_read_again(extension, env)
    assert pages_read_again(extension, env) == []
    change(tmp_path, monkeypatch)
    assert pages_read_again(extension, env) == ["08_results", "index"]
    assert pages_read_again(extension, env) == []


def test_pages_are_outdated_after_a_change_of_the_committed_results_whatever_is_shown(extension, tmp_path, monkeypatch):
    """The front page shows them beside yours."""
    monkeypatch.setattr(show, "resolve_profile", lambda name: "quick")
    env = SimpleNamespace(found_docs={"index"})
    pages_read_again(extension, env)
    assert pages_read_again(extension, env) == []
    (tmp_path / "results" / "small" / "manifest.json").write_text("new")
    assert pages_read_again(extension, env) == ["index"]


def test_finished_build_names_its_profile(extension, tmp_path):
    app = SimpleNamespace(outdir=tmp_path / "html", builder=SimpleNamespace(format="html"))
    app.outdir.mkdir()
    (app.outdir / "profile-quick.txt").write_text("")
    extension.name_profile(app, RuntimeError("a cell failed"))
    assert [path.name for path in app.outdir.iterdir()] == ["profile-quick.txt"]
    extension.name_profile(app, None)
    assert [path.name for path in app.outdir.iterdir()] == ["profile-small.txt"]


def test_a_widgets_script_stands_once_in_a_page_and_in_no_page_by_itself(monkeypatch, tmp_path):
    widget_scripts = extension_of_the_book("widget_scripts")
    static = tmp_path / "book" / "_static"
    static.mkdir(parents=True)
    (static / "player.js").write_text("export default { render };\n")
    (static / "classic.js").write_text("let shown = 0;\n")
    config = SimpleNamespace(html_js_files=["player.js", "classic.js", ("https://elsewhere/x.js", {})])
    widget_scripts.leave_out_modules(SimpleNamespace(srcdir=static.parent), config)
    assert config.html_js_files == ["classic.js", ("https://elsewhere/x.js", {})]
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    page = nodes.document(None, None)
    page += [nodes.raw("", widgets.markup("player", {"number": number}), format="html") for number in range(3)]
    page += nodes.raw("", "<p>a < b</p>", format="html")
    widget_scripts.once_a_page(None, page, "chapter")
    texts = [raw.astext() for raw in page.findall(nodes.raw)]
    assert [text.count("export default") for text in texts] == [1, 0, 0, 0]
    assert [f'{{"number": {number}}}' in text for number, text in enumerate(texts[:3])] == [True] * 3
    assert texts[3] == "<p>a < b</p>"


@pytest.mark.parametrize("path", CHAPTERS, ids=CHAPTER_IDS)
def test_a_chapter_asks_modules_of_ours_for_what_they_have(path):
    """Without running it: so a name that moved is noticed by `make test`, too."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    tree = ast.parse(re.sub(r"^[%!].*", "", code, flags=re.MULTILINE))
    modules = {"bsrnn": importlib.import_module("bsrnn")}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "bsrnn":
            for name in node.names:
                home = importlib.import_module(node.module)
                if hasattr(home, "__path__") and importlib.util.find_spec(f"{node.module}.{name.name}"):
                    modules[name.asname or name.name] = importlib.import_module(f"{node.module}.{name.name}")
                else:
                    assert hasattr(home, name.name), f"{node.module}.{name.name}"
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    assert [f"{name}.{attribute}" for name, attribute in asked if not hasattr(modules[name], attribute)] == []
