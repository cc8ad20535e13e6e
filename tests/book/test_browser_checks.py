"""The checks of test_browser.py themselves: each has tiny pages that it must refuse and others that it must not."""

from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the test extra is not installed")
pytest.importorskip("axe_playwright_python", reason="the test extra is not installed")

import print_checks  # noqa: E402
import site_browser  # noqa: E402
import widget_checks  # noqa: E402

pytestmark = pytest.mark.book  # the browser is that of test_browser.py

CARD = '<div class="cell_output"><div class="output text_html" style="background: #ced6dd">{}</div></div>'
DRAWING = '<svg width="200" height="50" role="img" aria-label="a drawing">{}</svg>'
ARTICLE = '<div class="bd-article">{}</div>'
TABLE = "<table><tr><td style='padding: {0}'>22</td><td style='padding: {0}'>46</td></tr></table>"

# check -> (page that it refuses, what the line says), (pages that it lets pass)
REFUSED = {
    "contrast": [
        (CARD.format('<figcaption style="color: #ced6dd">Words</figcaption>'), "contrast 1.00, wanted 4.5"),
        ('<p style="color: #949494">Words</p>', "contrast 3.03, wanted 4.5"),
        ('<p style="color: #bbb; font-size: 30px">Words</p>', "contrast 1.92, wanted 3"),
        ('<div style="opacity: 0.3"><p style="color: #000">Words</p></div>', "rgb(179 179 179) on rgb(255 255 255)"),
        ('<p style="color: #ff8; background: linear-gradient(#000, #fff)">Words</p>', "on rgb(255 255 255)"),
        ("<details><summary>More</summary><p style='color: white'>Words</p></details>", "contrast 1.00"),
        (
            DRAWING.format('<rect width="200" height="50"/><text y="30" fill="#222">Words</text>'),
            "rgb(34 34 34) on rgb(0 0 0)",
        ),
        ('<label>Find <input style="background: #fff; color: #ddd" value="Words"></label>', "rgb(221 221 221)"),
        ("<style>[data-theme=dark] p { background: #111; color: #333 }</style><p>Words</p>", "(dark, 1300 px)"),
        ("<style>@media (width < 400px) { p { color: #eee } }</style><p>Words</p>", "(dark, 390 px)"),
        ("<p style='color: white'>Words</p><p style='color: white'>More</p>", '"Words" and 1 more'),
    ],
    "markup": [
        ("<p>| statement | here | | --- | --- |</p>", "a table of Markdown"),
        ("<p>## Results</p>", "a heading of Markdown"),
        ("<p>It is <b>very</b> **bold**.</p>", "** of Markdown"),
        ("<p>$$x = 1$$</p>", "a formula of TeX"),
        ("<p>See [the data](data.csv).</p>", "a link of Markdown"),
        ("<p>See {ref}`the data`.</p>", "a role of MyST"),
        ('<p><span class="math notranslate">E = mc^2</span></p>', "a formula that is not set"),
        ("<p><math><merror><mtext>Missing</mtext></merror></math></p>", "a formula that MathJax refuses"),
    ],
    "tables": [
        (TABLE.format("0"), 'cells run together: "22" and "46"'),
        ('<table class="results"><tr><td style="height: 20.4px">22</td></tr></table>', "rows of broken pixels"),
        (
            "<table><thead><tr><th style='max-width: 2em'>FinetuneConfig</th></tr></thead></table>",
            'a heading wider than its column: "FinetuneConfig"',
        ),
    ],
    "names": [
        ('<img src="data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22/>">', "no alt text"),
        ('<img src="dot.svg" alt="_images/9d1765.png">', "a file's name for an alt text"),
        ('<img src="dot.svg" alt=" ">', "no alt text: dot.svg"),
        ('<img src="nowhere.png" alt="A curve">', "shows nothing: nowhere.png"),
        ('<audio controls src="data:audio/wav;base64,"></audio>', "plays something without a name"),
    ],
    "keyboard": [
        ('<div style="overflow-x: auto"><p style="width: 2000px">Words</p></div>', "takes no focus"),
        (
            '<div style="overflow-y: auto; height: 20px"><p style="height: 90px">Words</p></div>',
            "px down), takes no focus",
        ),
        ('<div style="overflow-x: auto"><p style="width: 600px">Words</p></div>', "(dark, 390 px)"),
    ],
    "width": [
        ('<p id="wide" style="width: 1500px">Words</p>', "(light, 1300 px) p#wide: the page is"),
        ('<p id="wide" style="width: 500px">Words</p>', "(dark, 390 px) p#wide: the page is"),
    ],
    "cut": [
        (ARTICLE.format(f"<pre style='overflow: auto'>{'x' * 300}</pre>"), "px cut off"),
        (ARTICLE.format(f"<div class='cell_output'><pre>{'x' * 80}</pre></div>"), "(dark, 390 px)"),
    ],
    "fades": [
        (ARTICLE.format(f"<pre style='overflow: auto'>{'x' * 80}</pre>"), "does not fade out"),
        (
            ARTICLE.format(
                '<div class="scrolls" style="overflow: auto"><img src="dot.svg" alt="A dot" width="900"></div>'
            ),
            "cut off at the right and does not fade out",
        ),
    ],
    "console": [
        ("<script>console.error('no such stem')</script>", "no such stem"),
        ("<script>const twice = 1;</script><script>const twice = 2;</script>", "'twice' has already been declared"),
        ("<script>Promise.reject(new TypeError('no sound'))</script>", "TypeError: no sound"),
    ],
    "requests": [
        ('<img src="nowhere.png" alt="A curve">', "net::ERR_FILE_NOT_FOUND for file:"),
        ('<script src="https://example.org/script.js"></script>', "for https://example.org/script.js"),
        ("<script>fetch('http://example.org/data').catch(() => {})</script>", "for http://example.org/data"),
    ],
    "axe": [
        ("<button></button>", "button: button-name (critical): Buttons must have discernible text"),
        ('<input type="range" min="0" max="9">', "label (critical)"),
    ],
}
PASSED = {
    "contrast": [
        CARD.format('<figcaption style="color: #222">Words</figcaption>'),
        '<p style="color: #949494; font-size: 24px">Words</p>',
        '<p style="color: #949494; font-size: 19px; font-weight: 700">Words</p>',
        '<p style="color: white; position: absolute; overflow: hidden; width: 1px; height: 1px"><b>Words</b></p>',
        '<p style="color: white; opacity: 0">Words</p><p style="color: white; visibility: hidden">Words</p>',
        DRAWING.format('<text y="30">Words</text><rect width="200" height="50"/>'),
        DRAWING.format('<rect width="200" height="50"/><text y="30" fill="#fff">Words</text>'),
        '<button disabled style="color: #ddd">Words</button>',
    ],
    "markup": ["<pre>| a | b |</pre><p><code>f(**settings)</code> costs $5 | or less; 2 * 3</p>"],
    "tables": [TABLE.format("0 4px"), "<table><tr><td style='padding: 0'>22</td><td></td></tr></table>"],
    "names": [
        '<img src="dot.svg" alt="A dot"><a href="#top"><img src="dot.svg" alt="">Up</a>',
        '<audio controls aria-label="mixture" src="data:audio/wav;base64,"></audio>',
    ],
    "keyboard": [
        '<div tabindex="0" style="overflow-x: auto"><p style="width: 2000px">Words</p></div>',
        '<div style="overflow-x: auto"><p style="width: 2000px"><a href="#top">Words</a></p></div>',
    ],
    "width": ['<div tabindex="0" style="overflow-x: auto"><p style="width: 2000px">Words</p></div>'],
    "cut": [
        ARTICLE.format(f"<pre style='overflow: auto'>{'x' * 80}</pre>"),
        ARTICLE.format(f"<div class='cell_output'><pre style='white-space: pre-wrap'>{'some words ' * 40}</pre></div>"),
    ],
    "fades": [
        ARTICLE.format(
            f"<pre style='overflow: auto; mask-image: linear-gradient(to left, transparent, #000)'>{'x' * 80}</pre>"
        ),
        ARTICLE.format("<pre>short</pre>"),
    ],
    "console": ["<script>console.log('played')</script>"],
    "requests": ['<img src="dot.svg" alt="A dot">'],
    "axe": ["<button>Play</button>"],
}


@pytest.fixture(scope="module")
def reader():
    with site_browser.chromium() as browser:
        yield site_browser.Reader(browser)


@pytest.fixture
def write(tmp_path):
    """Body of a page -> its file; beside the page lies a picture."""
    (tmp_path / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="3"/></svg>'
    )

    def written(body, name="page.html"):
        head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title></head>'
        (tmp_path / name).write_text(f"{head}<body><main><h1>A page</h1>{body}</main></body></html>", encoding="utf-8")
        return tmp_path / name

    return written


@pytest.fixture
def visit(reader, write):
    """Body of a page -> its visit."""
    return lambda *page: reader.visit(write(*page))


@pytest.mark.parametrize(
    ("check", "body", "words"),
    [pytest.param(check, *case, id=f"{check}: {case[1]}") for check, cases in REFUSED.items() for case in cases],
)
def test_a_check_refuses(visit, check, body, words):
    lines = visit(body).of(check)
    assert len(lines) == 1, lines
    assert words in lines[0]
    assert lines[0].startswith("page.html (") and "\n" not in lines[0]


@pytest.mark.parametrize(("check", "body"), [(check, body) for check, bodies in PASSED.items() for body in bodies])
def test_a_check_lets_pass(visit, check, body):
    assert visit(body).of(check) == []


def test_faults_of_one_page_are_not_those_of_the_next(visit):
    assert visit("<script>fetch('http://example.org/data')</script>").of("requests") != []
    assert visit("<p>Words</p>").faults == []


def test_broken_links(visit, tmp_path):
    visit("<h2 id='here'>Here</h2>", "other.html")
    (tmp_path / "data.csv").touch()
    good = (
        "<a href='other.html#here'>a</a><a href='other.html'>b</a><a href='data.csv'>c</a><a href='https://x.org'>d</a>"
    )
    bad = "<a id='a' href='nowhere.html'>e</a><a id='b' href='other.html#there'>f</a><a id='c' href='#there'>g</a>"
    assert site_browser.broken_links(visit(good + bad)) == [
        "page.html a#a: no file nowhere.html",
        "page.html a#b: no #there in other.html",
        "page.html a#c: no #there in page.html",
    ]


def test_a_page_weighs_what_it_loads(visit, tmp_path):
    (tmp_path / "sound.wav").write_bytes(bytes(1000))
    page = visit('<img src="dot.svg" alt="A dot"><img src="dot.svg" alt="Again"><audio src="sound.wav"></audio>')
    own, picture = ((tmp_path / name).stat().st_size for name in ("page.html", "dot.svg"))
    assert site_browser.weight(page) == own + picture + 1000


# ---- players and explorers ----

ROW = """<li data-track="{0}" data-label="track {0}" data-audible="false"><button data-action="solo">Track {0}</button>
  <button data-action="mute">Mute</button></li>"""
PLAYER = f"""<div class="bsrnn-player" role="group" aria-label="A song" data-state="paused">
  <button data-action="play">Play</button> <button data-action="loop">Loop</button>
  <button data-action="match">Match</button>
  <ol>{ROW.format(0)}{ROW.format(1)}</ol></div>"""
SMALL_PLAYER = Path(__file__).with_name("small_player.js").read_text(encoding="utf-8")


def players(fault):
    """A page with two players that share a fault, or "none"."""
    starts = f"document.querySelectorAll('.bsrnn-player').forEach((root) => smallPlayer(root, '{fault}'))"
    return f"{PLAYER}{PLAYER}<script>{SMALL_PLAYER}\n{starts}</script>"


def test_whole_players_have_no_fault(reader, write):
    window = reader.open(write(players("none")))
    assert widget_checks.player_faults(window, "page.html") == []
    sounds = widget_checks.sounds(window.locator(widget_checks.PLAYER).first)
    assert [(sound["label"], sound["channels"], sound["seconds"]) for sound in sounds] == [
        ("track 0", 2, 2), ("track 1", 2, 2)
    ]  # fmt: skip
    assert [sound["rms"] for sound in sounds] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("mute button", "player 1 (A song): does not start: its state stays paused"),
        ("still", "player 1 (A song): stands still at 0.50 s"),
        ("late", "player 1 (A song): its 2 tracks do not start as one: [{'when': "),
        ("together", "player 2 (A song): 2 players play at once"),
        ("jump", "player 1 (A song): the switch to track 1 jumps by +1.0"),
        ("again", "player 1 (A song): the switch to track 1 starts a track again"),
        ("deaf", "player 1 (A song): after the switch to track 1 the tracks' levels are [1, 0]"),
        ("mute", "player 1 (A song): mute leaves data-audible at true, wanted false"),
        ("match", "player 1 (A song): match is not pressed after a press"),
        ("ends", "player 1 (A song): with the loop on it stands at "),
        ("endless", "player 2: a second press of play does not pause it: playing"),
    ],
)
def test_a_fault_of_a_player_is_seen(reader, write, monkeypatch, fault, words):
    monkeypatch.setattr(widget_checks, "PATIENCE", 1000)
    lines = widget_checks.player_faults(reader.open(write(players(fault))), "page.html")
    assert any(line.startswith(f"page.html {words}") for line in lines), lines


def test_in_print_a_widget_must_show_something(reader, write):
    def faults(content):
        widget = f'<div class="bsrnn-widget" data-widget="hop">{content}</div>'
        return widget_checks.fallback_faults(reader.open(write(widget)), "page.html")

    nothing = ["page.html hop: nothing stands in its place in print"]
    assert faults('<div class="bsrnn-fallback"><p>The hop is 3 s.</p></div>') == []
    assert faults('<div class="bsrnn-fallback"><audio controls></audio></div>') == []
    assert faults('<div class="bsrnn-fallback"> </div>') == nothing
    assert faults('<div class="bsrnn-fallback" style="display: none">The hop is 3 s.</div>') == nothing
    assert faults("<p>The hop is 3 s.</p>") == nothing


EXPLORER = """<div class="bsrnn-widget" data-widget="explore_hop">
  <label>Hop <input type="range" min="1" max="4"></label>
  <label>Window <select><option>flat</option><option>triangle</option></select></label>
  <p aria-live="polite">hop 3</p></div>
  <script>const [hop, shape, words] = document.querySelectorAll("input, select, [aria-live]");
  hop.oninput = () => { words.textContent = `hop ${WORDS}`; };
  shape.onchange = () => { words.textContent = `window ${shape.value}`; };</script>"""


def test_an_explorer_must_answer_to_each_control(reader, write):
    def faults(body):
        return widget_checks.explorer_faults(reader.open(write(body)), "page.html")

    assert faults(EXPLORER.replace("WORDS", "hop.value")) == []
    assert faults(EXPLORER.replace("WORDS", "3")) == ['page.html explore_hop Hop: moved, and the words stay "hop 3"']
    assert faults(EXPLORER.replace("WORDS", "hop.value / 'x'")) == [
        'page.html explore_hop Hop: moved, and the words are "hop NaN"'
    ]
    assert faults(EXPLORER.replace("shape.onchange", "shape.onkeyup").replace("WORDS", "hop.value")) == [
        'page.html explore_hop Window: moved, and the words stay "hop 4"'
    ]
    assert faults(EXPLORER.replace("aria-live", "data-words")) == [
        "page.html explore_hop: no words of it have aria-live"
    ]
    assert faults('<div class="bsrnn-widget" data-widget="explore_hop"><p aria-live="polite">hop</p></div>') == [
        "page.html explore_hop: no control takes the keys"
    ]


# ---- files and programs ----


def test_pages_of_a_site_leave_the_themes_files_out(tmp_path):
    for name in ("index.html", "part/page.html", "_static/macros.html", "data.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [page.name for page in site_browser.pages_of(tmp_path)] == ["index.html", "page.html"]


def test_the_browser_is_the_named_one_and_a_missing_one_is_an_error(tmp_path, monkeypatch):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("BSRNN_CHROMIUM", str(program))
    assert site_browser.find_chromium() == str(program)
    monkeypatch.delenv("BSRNN_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert site_browser.find_chromium() == str(program)
    program.unlink()
    assert site_browser.find_chromium() is None
    with pytest.raises(pytest.skip.Exception, match="^no Chromium found: install one .as root on Debian"):
        with site_browser.chromium():
            pass
    monkeypatch.setenv("BSRNN_CHROMIUM", "chromium")
    with pytest.raises(FileNotFoundError, match="BSRNN_CHROMIUM=chromium is no program; install one"):
        site_browser.find_chromium()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<div class="scrolls"><table style="width: 900px"><tr><td>22</td></tr></table></div>', "cut off at the right"),
        ('<details class="hide" open><summary>Show</summary>import x</details>', "only a screen can use it"),
        ('<button class="copybtn">Copy</button>', "copybtn: only a screen can use it"),
        ("<details><summary>Answer</summary>Six</details>", "stays folded"),
    ],
)
def test_a_fault_in_print_is_told(reader, write, body, said):
    lines = print_checks.faults(reader.open(write(ARTICLE.format(body))), "page.html")
    assert lines and all(line.startswith("page.html (print)") for line in lines) and said in lines[0]


def test_print_may_have_what_fits_and_is_open(reader, write):
    body = "<details open><summary>Answer</summary>Six</details><table><tr><td>22</td></tr></table>"
    assert print_checks.faults(reader.open(write(ARTICLE.format(body))), "page.html") == []
