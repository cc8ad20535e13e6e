"""Explorers and player under a hand: mouse, finger and keys in a browser, and what stands there without scripts."""

import os
import re
import shutil

import numpy as np
import pytest
from places import REPOSITORY

pytest.importorskip("playwright", reason="the test extra is not installed")

from playwright.sync_api import sync_playwright  # noqa: E402

from bsrnn import bands  # noqa: E402
from bsrnn.report import player, widgets  # noqa: E402
from bsrnn.report.explorers import band_splits, contrasts, threshold  # noqa: E402
from bsrnn.study import profiles  # noqa: E402
from bsrnn.study.results import Results, Study  # noqa: E402

MODEL = profiles.PAPER.model
NAMES = (os.environ.get("BSRNN_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
WIDTHS = (390, 1300)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, (shutil.which(name) for name in NAMES if name)), None)
    if program is None:
        pytest.skip("no Chromium found")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser, tmp_path):
    """(widget, data, fallback, settings of the window) -> the open page; at the end, that it had no fault."""
    faults, contexts = [], []

    def open_page(name, data, fallback, **settings):
        page = tmp_path / "page.html"
        page.write_text(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<body>{widgets.markup(name, data, fallback)}"
        )
        context = browser.new_context(**({"viewport": {"width": WIDTHS[1], "height": 900}} | settings))
        contexts.append(context)
        window = context.new_page()
        window.on("pageerror", lambda error: faults.append(str(error)))
        window.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        window.goto(page.as_uri())
        return window

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


# ---- band splits ----


@pytest.fixture(scope="module")
def sums():
    """Of noise: two stems that are louder at either end of the spectrum."""
    rng, bins = np.random.default_rng(0), np.arange(1025)
    shares = {"bass": 1 / (1 + bins / 40), "drums": bins / 400}
    powers = {name: share * rng.exponential(size=(band_splits.BLOCKS, 1025)) for name, share in shares.items()}
    energy = {name: 1.2 * float(power.sum()) for name, power in powers.items()}
    level = rng.normal(size=(band_splits.BLOCKS * band_splits.BLOCK_FRAMES, 1025))
    return band_splits.Sums(powers, energy, level, 0.0, 2.5)


@pytest.fixture
def bands_page(opened, sums):
    def open_page(**settings):
        data = band_splits.page_data(sums, MODEL, "noise")
        return opened("explore_bands", data, band_splits.fallback(sums, MODEL), **settings)

    return open_page


def shown_scores(window) -> dict[str, float]:
    return {
        cell.get_attribute("data-stem"): float(cell.inner_text().split(" dB")[0])
        for cell in window.locator(".gains [data-stem]").all()
    }


def edge(window) -> int:
    return int(re.search(r"bin (\d+)", window.locator(".edge-words").inner_text())[1])


@pytest.mark.parametrize("name", ["v1", "v4", "v7", "drums", "energy41"])
def test_a_chosen_split_shows_the_librarys_numbers(bands_page, sums, name):
    window = bands_page()
    window.locator("select").select_option(name)
    widths = bands.band_widths(name)
    assert window.locator(".numbers").inner_text().startswith(f"{len(widths)} bands; ")
    assert shown_scores(window) == pytest.approx(band_splits.oracle_db(sums, widths), abs=0.05)
    assert window.locator(".bsrnn-fallback").is_hidden()
    assert window.locator("[role=slider]").count() == len(widths) - 1
    assert window.locator("[role=slider][tabindex='0']").count() == 1


def test_keys_move_and_remove_an_edge_and_the_scores_follow(bands_page, sums):
    window = bands_page()
    window.locator("select").select_option("v1")
    widths, slider = bands.band_widths("v1"), window.locator("[role=slider][tabindex='0']")
    slider.focus()
    for key, moved in (("ArrowRight", 1), ("PageUp", 11), ("ArrowLeft", 10)):
        window.keyboard.press(key)
        assert edge(window) == widths[0] + moved
        changed = [widths[0] + moved, widths[1] - moved, *widths[2:]]
        assert shown_scores(window) == pytest.approx(band_splits.oracle_db(sums, changed), abs=0.05)
    assert window.locator("select").input_value() == ""  # a split of one's own
    window.keyboard.press("Delete")
    joined = [widths[0] + widths[1], *widths[2:]]
    assert window.locator(".numbers").inner_text().startswith(f"{len(joined)} bands; ")
    assert shown_scores(window) == pytest.approx(band_splits.oracle_db(sums, joined), abs=0.05)
    window.keyboard.press("ArrowUp")
    assert edge(window) == sum(widths[:3])
    assert slider.evaluate("element => element === document.activeElement")
    window.keyboard.press("End")
    for _ in range(8):  # to the end of the spectrum and no further
        window.keyboard.press("PageUp")
    assert edge(window) == 1024


def test_an_edge_is_added_in_the_middle_of_a_band(bands_page):
    window = bands_page()
    window.locator("select").select_option("v1")
    widths = bands.band_widths("v1")
    window.get_by_role("button", name="add an edge").click()
    assert edge(window) == widths[0] + widths[1] // 2
    assert window.locator(".numbers").inner_text().startswith(f"{len(widths) + 1} bands; ")
    window.get_by_role("button", name="remove this edge").click()
    assert window.locator(".numbers").inner_text().startswith(f"{len(widths)} bands; ")


@pytest.mark.parametrize("width", WIDTHS)
def test_an_edge_is_dragged_with_the_mouse(bands_page, width):
    window = bands_page(viewport={"width": width, "height": 900})
    window.locator("select").select_option("v1")
    line = window.locator(".edge").nth(0).locator("line").bounding_box()
    window.mouse.move(line["x"] + 3, line["y"] + 30)
    window.mouse.down()
    window.mouse.move(line["x"] - 40, line["y"] + 30, steps=4)
    dragged = edge(window)
    window.mouse.up()
    window.mouse.move(line["x"] - 80, line["y"] + 30)
    assert 5 < edge(window) == dragged < bands.band_widths("v1")[0]
    assert window.evaluate("document.documentElement.scrollWidth") <= width


def test_an_edge_is_dragged_with_a_finger(bands_page):
    window = bands_page(viewport={"width": 390, "height": 900}, has_touch=True, is_mobile=True)
    window.locator("select").select_option("v1")
    line, session = (
        window.locator(".edge").nth(0).locator("line").bounding_box(),
        window.context.new_cdp_session(window),
    )
    places = [line["x"] + shift for shift in (4, -5, -20, -40)]
    for kind, place in zip(("touchStart", "touchMove", "touchMove", "touchMove"), places, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": place, "y": line["y"] + 30}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert 5 < edge(window) < bands.band_widths("v1")[0] - 3


def test_without_scripts_the_table_stands_there(bands_page):
    window = bands_page(java_script_enabled=False)
    assert window.locator(".bsrnn-fallback table").is_visible()
    assert "41 equal bands" in window.locator(".bsrnn-fallback").inner_text()


# ---- the others ----


def test_the_threshold_follows_the_keys_and_the_button(opened):
    data = threshold.page_data(Results(Study("small"), {"teacher"}))
    window = opened("explore_threshold", data, threshold.FALLBACK)
    chunks = data["teachers"][0]["chunks"]

    def called(threshold_db):
        return sum(chunk[0] > threshold_db for chunk in chunks), sum(chunk[1] > threshold_db for chunk in chunks)

    cells = window.locator("tbody tr td:nth-of-type(1)")
    assert [int(text) for text in cells.all_inner_texts()] == list(called(30))
    window.locator("input").focus()
    for _ in range(10):
        window.keyboard.press("ArrowLeft")
    assert window.locator("output").inner_text() == "20 dB"
    assert [int(text) for text in cells.all_inner_texts()] == list(called(20)) != list(called(30))
    assert window.locator(".dot.clean_residual").count() == called(20)[0]
    right = int(window.locator("tbody tr[data-kind=clean_residual] td:nth-of-type(2)").inner_text())
    assert window.locator("circle.right.clean_residual").count() == right
    assert window.locator("path.wrong.clean_residual").count() == called(20)[0] - right
    looks = [window.locator(look).first.evaluate("dot => [getComputedStyle(dot).fill, getComputedStyle(dot).stroke]")
             for look in (".dot.right", ".dot.wrong", ".dot.rest")]  # fmt: skip
    assert looks == [["rgb(0, 114, 178)", "none"], ["none", "rgb(213, 94, 0)"], ["rgb(136, 136, 136)", "none"]]
    assert window.locator("circle.dot, path.dot").count() == len(chunks)
    window.get_by_role("button").click()
    assert window.locator("output").inner_text() == "30 dB"


def test_the_arrows_walk_along_the_songs_of_a_contrast(opened):
    data = contrasts.page_data("small")
    window = opened("explore_contrasts", data, contrasts.FALLBACK)
    contrast = data["contrasts"][0]
    words = window.locator(".dot-words")
    first, songs = contrast["seeds"][0], data["songs"][contrast["songs"]]
    ranked = sorted(zip(first["differences"], songs, strict=True))
    window.locator(".dot[tabindex='0']").focus()
    for key, place in (("Home", 0), ("ArrowRight", 1), ("End", -1)):
        window.keyboard.press(key)
        assert f"{abs(ranked[place][0]):.2f} dB" in words.inner_text()
        assert first["files"][0][0] in words.inner_text() and first["files"][1][0] in words.inner_text()
    song, last = songs[-1], len(songs) - 1  # drawn last: no other of hundreds lies upon it
    window.locator(f".dot[data-seed='{len(contrast['seeds']) - 1}'][data-song='{last}']").hover(force=True)
    assert f"seed {contrast['seeds'][-1]['seed']}, {song}".lower() in words.inner_text().lower()
    title = window.locator(".dot title").first.text_content()
    assert title.startswith(f"seed {first['seed']}, {songs[0]}: ")


# ---- the player's keys ----


@pytest.fixture
def player_page(opened):
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2, 44100)).astype(np.float32)
    window = opened("player", *player.contents({"mixture": noise[0], "true drums": noise[1]}, 44100, "a song"))
    return window


def comes_to(window, state):
    window.locator(f'.bsrnn-player[data-state="{state}"]').wait_for()


def test_space_plays_with_the_keys_open_and_opens_them_when_closed(player_page):
    window, keys = player_page, player_page.locator("details")
    keys.locator("summary").click()
    assert keys.inner_text().split("Keys")[1].strip().startswith("After a click into the player: Space or P: ")
    for state in ("playing", "paused"):
        window.keyboard.press("Space")
        comes_to(window, state)
        assert keys.get_attribute("open") is not None
    window.keyboard.press("Enter")
    assert keys.get_attribute("open") is None
    window.keyboard.press("Space")
    assert keys.get_attribute("open") is not None
    comes_to(window, "paused")


def test_keys_are_the_players_after_a_click_anywhere_in_it_and_after_none_outside(player_page):
    window = player_page
    window.locator(".bsrnn-player .title").click()
    window.keyboard.press("p")
    comes_to(window, "playing")
    window.keyboard.press("p")
    comes_to(window, "paused")
    window.mouse.click(5, 850)  # below it
    window.keyboard.press("p")
    comes_to(window, "paused")
