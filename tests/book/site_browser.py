"""Opens the pages of a built site in Chromium, without the network, and lists what a reader would stumble over."""

import html.parser
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, sync_playwright

HOW_TO_GET_ONE = "install one (as root on Debian or Ubuntu: apt-get install chromium) or name one in BSRNN_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, NARROW, HEIGHT = 1300, 390, 900  # pixels: a window on a desk, a phone, and how high both are
PATIENCE = 120_000  # milliseconds, for what takes a second: the machine may be busy
SCRIPT = Path(__file__).with_name("page_checks.js")
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
# Runs before a page's own scripts: what is started to sound is written down
LISTENING = """
window.soundStarts = [];
window.soundClock = { currentTime: 0 };
const { start } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when = 0, offset = 0, ...rest) {
  soundStarts.push({ when, offset, samples: this.buffer.length });
  window.soundClock = this.context;
  return start.call(this, when, offset, ...rest);
};
"""
AXE_OPTIONS = {
    "resultTypes": ["violations"],
    "preload": False,  # would ask for the style sheets again, which a page from a disk may not
    # ours sees what axe gives up on, and is faster; frames there are none
    "rules": {"color-contrast": {"enabled": False}},
}


class Fault(NamedTuple):
    """One thing that is wrong in a page: which check says so, in which view, where, and what."""

    check: str
    view: str
    selector: str
    value: str

    def line(self, page: str) -> str:
        """The fault in one line that names the page."""
        return f"{page} ({self.view}) {self.selector}: {self.value}"


@dataclass
class Visit:
    """What one load of a page gave."""

    page: Path
    faults: list[Fault] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)  # what the page loads of its own: pictures, sounds

    def of(self, check: str) -> list[str]:
        """The faults that one check found, a line each."""
        return [fault.line(self.page.name) for fault in self.faults if fault.check == check]


def find_chromium() -> str | None:
    """The browser that BSRNN_CHROMIUM names, or one that is installed; None where there is none.

    Raises:
        FileNotFoundError: BSRNN_CHROMIUM names a program that is not there.
    """
    named = os.environ.get("BSRNN_CHROMIUM")
    if named and not shutil.which(named):
        raise FileNotFoundError(f"BSRNN_CHROMIUM={named} is no program; {HOW_TO_GET_ONE}")
    return next(filter(None, map(shutil.which, [named] if named else NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser for all pages; skips the test where none is installed and none is demanded."""
    program = find_chromium()
    if program is None:
        pytest.skip(f"no Chromium found: {HOW_TO_GET_ONE}")
    with sync_playwright() as playwright:
        # no sandbox: where tests run as root Chromium has none; the sounds are played and not heard
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--mute-audio"])
        yield browser
        browser.close()


class Reader:
    """One window, which goes from page to page; what a page asks of the network is refused and noted."""

    def __init__(self, browser: Browser, theme: str | None = "light"):
        look = {"color_scheme": "light", "reduced_motion": "reduce"}
        self.context = browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, offline=True, **look)
        self.context.set_default_timeout(PATIENCE)
        self.context.route("**/*", self._answer)
        self.context.add_init_script(LISTENING)
        if theme:  # the choice that the theme finds of an earlier visit
            self.context.add_init_script(f"for (const key of ['mode', 'theme']) localStorage.setItem(key, '{theme}');")
        self.window: Page = self.context.new_page()
        self.window.on("console", self._on_console)
        self.window.on("pageerror", lambda error: self._note("console", "script", f"{error.name}: {error.message}"))
        self.window.on("requestfailed", self._on_failure)
        self.view, self.faults = "", []

    def _note(self, check: str, selector: str, value: str) -> None:
        """Keep a fault, once for all views that it shows in."""
        fault = Fault(check, self.view, selector, " ".join(value.split()))
        if not any(is_same(fault, known) for known in self.faults):
            self.faults.append(fault)

    def _answer(self, route: Route) -> None:
        if urlsplit(route.request.url).scheme in ("file", "data", "blob", "about"):
            route.continue_()
        else:
            route.abort("internetdisconnected")

    def _on_console(self, message: ConsoleMessage) -> None:
        # what fails to load has its own fault
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note("console", "script", message.text)

    def _on_failure(self, request: Request) -> None:
        if not (request.failure == "net::ERR_ABORTED" and request.resource_type == "media"):  # a player that has enough
            self._note("requests", request.resource_type, f"{request.failure} for {shortened(request.url)}")

    def open(self, page: Path, query: str = "") -> Page:
        """Load a page and wait until its formulas are set and what appears on scrolling has appeared.

        Returns:
            The window, with `pageChecks` in it.
        """
        self.view = f"light, {WIDE} px"
        self.window.set_viewport_size({"width": WIDE, "height": HEIGHT})
        self.window.goto(page.resolve().as_uri() + query, wait_until="load")
        self.window.add_style_tag(content=STILL)
        self.window.evaluate("async () => window.MathJax?.startup?.promise")
        self.window.evaluate(
            "async () => { for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {"
            "  scrollTo(0, y); await new Promise(requestAnimationFrame); } scrollTo(0, 0); }"
        )
        self.window.evaluate(SCRIPT.read_text(encoding="utf-8"))
        return self.window

    def close(self) -> None:
        """Close the window."""
        self.context.close()

    def visit(self, page: Path) -> Visit:
        """Every check of one page: once wide and light, then wide and dark, then narrow, in one load."""
        self.faults = []
        window = self.open(page)
        window.evaluate("pageChecks.unfold()")
        self._checks("markup", "tables", "names", "contrast", "keyboard", "width", "cut")
        self._axe()
        links, files = window.evaluate("[pageChecks.links(), pageChecks.files()]")
        self.view = f"dark, {WIDE} px"
        window.evaluate("Object.assign(document.documentElement.dataset, { theme: 'dark', mode: 'dark' })")
        self._checks("contrast")
        self.view = f"dark, {NARROW} px"
        window.set_viewport_size({"width": NARROW, "height": HEIGHT})
        self._checks("contrast", "keyboard", "width", "cut", "fades")
        result = Visit(page, self.faults, links, {local_path(address) for address in files})
        self.faults = []
        window.goto("about:blank")  # so that what the page leaves unfinished is not the next one's
        self.faults = []
        return result

    def _checks(self, *checks: str) -> None:
        for check in checks:
            faults = self.window.evaluate(f"pageChecks.{check}()")
            for _ in range(3 if check in ("keyboard", "fades") and faults else 0):
                self.window.wait_for_timeout(500)  # tab stops and fading come a moment after the size has changed
                faults = self.window.evaluate(f"pageChecks.{check}()")
            for fault in faults:
                self._note(check, fault["selector"], fault["value"])

    def _axe(self) -> None:
        for violation in Axe().run(self.window, options=AXE_OPTIONS).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                for node in violation["nodes"]:
                    selector = " ".join(map(str, node["target"]))
                    self._note("axe", selector, f"{violation['id']} ({violation['impact']}): {violation['help']}")


def is_same(fault: Fault, known: Fault) -> bool:
    """Whether two faults are one in two views; what is too wide is so by another number of pixels in each."""
    value = known.value if fault.check in ("keyboard", "width", "cut") else fault.value
    return (fault.check, fault.selector, value) == (known.check, known.selector, known.value)


# ---- files ----


def shortened(address: str) -> str:
    """An address that fits into a line."""
    return address if len(address) <= 100 else f"{address[:80]}... ({len(address)} characters)"


def local_path(address: str) -> Path:
    """The file behind a file: address, without query and anchor."""
    return Path(unquote(urlsplit(address).path))


ONE_OF_THE_SOURCES = "source/bsrnn/bands.html"  # the others are made alike, by book/_ext/traceable


def pages_of(site: Path) -> list[Path]:
    """Every page of a built site, sorted by path; what the theme keeps in _static is none."""
    pages = {page.relative_to(site): page for page in site.rglob("*.html")}
    own = [page for place, page in pages.items() if place.parts[0] != "source" and not place.parts[0].startswith("_")]
    return sorted(own + [page for place, page in pages.items() if place.match(ONE_OF_THE_SOURCES)])


class _Anchors(html.parser.HTMLParser):
    """Collects what an address can end in."""

    def __init__(self):
        super().__init__()
        self.names = {"", "top"}

    def handle_starttag(self, tag, attrs):
        self.names |= {value for name, value in attrs if value and (name == "id" or (tag, name) == ("a", "name"))}


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page, the empty one for its top among them."""
    parser = _Anchors()
    parser.feed(page.read_text(encoding="utf-8"))
    return frozenset(parser.names)


def broken_links(visit: Visit) -> list[str]:
    """Links to files that are not there, and to anchors that their page has not, a line each."""
    lines = set()
    for link in visit.links:
        address = urlsplit(link["href"])
        if address.scheme != "file":
            continue
        target, anchor = local_path(link["href"]), unquote(address.fragment)
        if not target.is_file():
            lines.add(f"{visit.page.name} {link['selector']}: no file {target.name}")
        elif target.suffix == ".html" and anchor not in anchors(target):
            lines.add(f"{visit.page.name} {link['selector']}: no #{anchor} in {target.name}")
    return sorted(lines)


def weight(visit: Visit) -> int:
    """Bytes of a page: its own file, and the pictures and sounds that it loads."""
    return visit.page.stat().st_size + sum(path.stat().st_size for path in visit.files if path.is_file())
