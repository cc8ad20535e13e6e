"""The built book in a real browser, the network cut off: what is tested of every page, and what its scripts do.

`make test-book` builds the book and runs this; BSRNN_SITE names the folder of another site.
"""

import os
from pathlib import Path

import pytest
from places import REPOSITORY

pytest.importorskip("playwright", reason="the test extra is not installed")
pytest.importorskip("axe_playwright_python", reason="the test extra is not installed")

import site_browser  # noqa: E402

pytestmark = pytest.mark.book

SITE = Path(os.environ.get("BSRNN_SITE", REPOSITORY / "_build" / "html"))
PAGES = site_browser.pages_of(SITE)
CHECKS = ("requests", "console", "markup", "names", "contrast", "keyboard", "width", "axe")
PAGE_LIMIT, SITE_LIMIT = 3_000_000, 45_000_000  # bytes
# What is the theme's own and cannot be mended from here: (page or "*", rule of axe) -> why. One that no page needs fails.
ALLOWED: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="module")
def browser():
    with site_browser.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def reader(browser):
    return site_browser.Reader(browser)


@pytest.fixture(scope="module")
def visits(reader):
    """page -> its visit; a page is loaded once for all tests."""
    known = {}

    def visit(page):
        if page not in known:
            known[page] = reader.visit(page)
        return known[page]

    return visit


def demand_none(lines):
    """Fail with the lines alone: each names page, place and value."""
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_the_site_is_built():
    names = {page.name for page in PAGES}
    assert {"index.html", "search.html", "references.html"} <= names, f"{SITE}: build the book first: make test-book"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_no_fault(visits, page, check):
    faults = visits(page).of(check)
    demand_none([line for line in faults if not any(f" {rule} (" in line for _, rule in ALLOWED)])
