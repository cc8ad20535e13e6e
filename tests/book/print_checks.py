"""What a page on paper must not have: anything cut off at the right, and what only a screen can use."""

from playwright.sync_api import Page

PAPER, SCREEN = {"width": 718, "height": 1040}, {"width": 1300, "height": 900}  # pixels: A4 within its margins
ONLY_ON_A_SCREEN = ".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article, .prev-next-footer, details.hide, " \
                   "details.trace, .bsrnn-live, .bd-article button, .bd-article audio"  # fmt: skip
SEEN = """(selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility())
  .map((element) => element.className || element.localName)"""
CUT = """() => [...document.querySelectorAll(".bd-article :is(.scrolls, pre, table, img)")]
  .filter((box) => box.checkVisibility() && box.getBoundingClientRect().right > innerWidth + 1)
  .map((box) => `${box.localName} ${box.getAttribute("aria-label") ?? box.textContent.trim().slice(0, 40)}`)"""
FOLDED = """() => [...document.querySelectorAll(".bd-article details:not(.hide, .trace)")]
  .filter((fold) => !fold.open).map((fold) => fold.textContent.trim().slice(0, 40))"""


def faults(window: Page, page: str) -> list[str]:
    """A line for each thing on an open page that print cuts off, keeps folded, or shows in vain."""
    window.emulate_media(media="print")
    window.set_viewport_size(PAPER)
    window.evaluate("dispatchEvent(new Event('beforeprint'))")
    lines = [f"{page} (print) {name}: only a screen can use it" for name in window.evaluate(SEEN, ONLY_ON_A_SCREEN)]
    lines += [f"{page} (print) {name}: cut off at the right" for name in window.evaluate(CUT)]
    lines += [f'{page} (print): stays folded: "{words}"' for words in window.evaluate(FOLDED)]
    window.evaluate("dispatchEvent(new Event('afterprint'))")
    window.emulate_media(media="screen")
    window.set_viewport_size(SCREEN)
    return lines
