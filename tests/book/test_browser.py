"""The built book in a real browser, the network cut off: what is tested of every page, and what its scripts do.

`make test-book` builds the book and runs this; BSRNN_SITE names the folder of another site.
"""

import os
from pathlib import Path

import pytest
from places import REPOSITORY

pytest.importorskip("playwright", reason="the test extra is not installed")
pytest.importorskip("axe_playwright_python", reason="the test extra is not installed")

import print_checks  # noqa: E402
import site_browser  # noqa: E402
import widget_checks  # noqa: E402

pytestmark = pytest.mark.book

SITE = Path(os.environ.get("BSRNN_SITE", REPOSITORY / "_build" / "html"))
PAGES = site_browser.pages_of(SITE)
CHECKS = ("requests", "console", "markup", "tables", "names", "contrast", "keyboard", "width", "cut", "fades", "axe")
WIDGETS = ("player", "explore_bands", "explore_threshold", "explore_overlap", "explore_contrasts")
PAGE_LIMIT, SITE_LIMIT = 3_000_000, 45_000_000  # bytes


def pages_with(widget):
    """Pages that carry a widget whose name begins so."""
    return [page for page in PAGES if f'data-widget="{widget}' in page.read_text(encoding="utf-8")]


def demand_none(lines):
    """Fail with the lines alone: each names page, place and value."""
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


@pytest.fixture(scope="module")
def browser():
    with site_browser.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def reader(browser):
    return site_browser.Reader(browser)


@pytest.fixture(scope="module")
def visit(reader):
    """page -> its visit; a page is loaded once for all checks."""
    known = {}

    def visited(page):
        if page not in known:
            known[page] = reader.visit(page)
        return known[page]

    return visited


# ---- every page ----


def test_the_site_is_built():
    names = {page.name for page in PAGES}
    assert {"index.html", "search.html", "references.html"} <= names, f"{SITE}: build the book first: make test-book"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_no_fault(visit, page, check):
    demand_none(visit(page).of(check))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(visit, page):
    demand_none(site_browser.broken_links(visit(page)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_light(visit, page):
    weight = site_browser.weight(visit(page))
    assert weight < PAGE_LIMIT, f"{page.name}: {weight / 1e6:.2f} MB with its pictures and sounds"


def test_the_site_is_light():
    weight = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    assert weight < SITE_LIMIT, f"{SITE}: {weight / 1e6:.1f} MB"


# ---- what the pages do ----


def test_the_themes_button_makes_a_page_dark_and_the_next_page_stays_so(browser):
    reader = site_browser.Reader(browser, theme=None)
    for page in ("index.html", "references.html"):
        window = reader.open(SITE / page)
        for _ in range(3):  # automatic, light, dark
            if window.evaluate("document.documentElement.dataset.theme") == "dark":
                break
            assert page == "index.html", "the second page has forgotten the choice"
            window.locator(".theme-switch-button:visible").first.click()
        assert window.evaluate("document.documentElement.dataset.theme") == "dark"
    reader.close()


def test_search_finds_a_word_from_the_disk(reader):
    reader.faults = []
    window = reader.open(SITE / "search.html", "?q=leakage")
    hits = window.locator("#search-results li")
    hits.first.wait_for(timeout=widget_checks.PATIENCE)
    window.wait_for_function("document.querySelector('.search-summary').textContent.includes('finished')")
    addresses = hits.locator("a").evaluate_all("links => links.map((link) => link.href)")
    assert all("leakage" in site_browser.local_path(address).read_text(encoding="utf-8") for address in addresses)
    snippets = hits.locator(".context").all_inner_texts()
    assert len(snippets) == hits.count()
    assert all("leakage" in snippet.lower() and len(snippet) < 300 for snippet in snippets), snippets
    window.wait_for_load_state("networkidle")
    demand_none([fault.line("search.html?q=leakage") for fault in reader.faults])


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_in_the_book(name):
    assert pages_with(f'{name}"') != [], f'no page has data-widget="{name}"'


@pytest.mark.parametrize("page", pages_with('player"'), ids=lambda page: page.stem)
def test_players_start_switch_in_step_and_stop_each_other(reader, page):
    window = reader.open(page)
    reader.faults = []  # those of the load have their own tests
    lines = widget_checks.player_faults(window, page.name)
    demand_none(lines + [fault.line(page.name) for fault in reader.faults])


@pytest.mark.parametrize("page", pages_with(""), ids=lambda page: page.stem)
def test_in_print_something_stands_in_a_widgets_place(reader, page):
    demand_none(widget_checks.fallback_faults(reader.open(page), page.name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_print_cuts_nothing_off_and_leaves_out_what_only_a_screen_can_use(reader, page):
    demand_none(print_checks.faults(reader.open(page), page.name))


def test_some_page_has_two_players_to_stop_each_other():
    counts = [page.read_text(encoding="utf-8").count('data-widget="player"') for page in PAGES]
    assert max(counts, default=0) > 1


def test_the_front_page_is_heard_at_the_first_press(reader):
    """Mixture, and for a stem or more the true one and its estimate: twenty seconds, stereo, not silent."""
    window = reader.open(SITE / "index.html")
    player = window.locator(widget_checks.PLAYER).first
    assert player.count() == 1, "index.html: no player"
    player.locator('button[data-action="play"]').click()
    window.locator(f'{widget_checks.PLAYER}[data-state="playing"]').wait_for(timeout=widget_checks.PATIENCE)
    sounds = widget_checks.sounds(player)
    assert "mixture" in sounds[0]["label"].lower() and len(sounds) >= 3
    assert [sound for sound in sounds if sound["channels"] != 2 or sound["seconds"] < 15] == []
    assert [sound for sound in sounds if sound["rms"] < 0.003] == []  # 50 dB below full scale


@pytest.mark.parametrize("page", pages_with("explore"), ids=lambda page: page.stem)
def test_explorers_answer_to_their_controls(reader, page):
    window = reader.open(page)
    reader.faults = []  # those of the load have their own tests
    lines = widget_checks.explorer_faults(window, page.name)
    demand_none(lines + [fault.line(page.name) for fault in reader.faults])
