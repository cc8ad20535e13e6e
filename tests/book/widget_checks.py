"""What the scripts of a page do when they are used: players and explorers, with the mouse and with keys.

The names in a page that this relies on are those at the head of book/_static/player.js, and bsrnn.report.widgets'.
"""

from collections.abc import Iterator

from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as TooLate

PLAYER = ".bsrnn-player"
EXPLORER = '.bsrnn-widget[data-widget^="explore"]'
PATIENCE = 30_000  # milliseconds, for what takes a tenth of a second: the machine may be busy
STEP_SECONDS = 0.05  # by how much a switch may move the playback, by the clock of the sounds
RANGE, CHOICE, HANDLE = "input[type=range]", "select", "svg [tabindex='0'], svg[tabindex='0']"


def player_faults(window: Page, page: str) -> list[str]:
    """Start every player of an open page, switch, mute and stop it; a line for each thing that goes wrong."""
    lines = []
    players = window.locator(PLAYER)
    for number in range(players.count()):
        player = players.nth(number)
        where = f"{page} player {number + 1} ({player.get_attribute('aria-label') or 'without a label'})"
        lines += [f"{where}: {words}" for words in _faults_of_one(window, player)]
        playing = window.locator(f'{PLAYER}[data-state="playing"]').count()
        if playing != 1:
            lines.append(f"{where}: {playing} players play at once")
    if players.count():
        lines += [f"{page} player {players.count()}: {words}" for words in _pause(players.last)]
    return lines


def _faults_of_one(window: Page, player: Locator) -> Iterator[str]:
    if not player.get_attribute("aria-label"):
        yield "has no label"
    window.evaluate("soundStarts.length = 0")
    player.locator('button[data-action="play"]').press("Enter")
    if not _comes(window, player, "element.dataset.state === 'playing'"):
        yield f"does not start: its state stays {player.get_attribute('data-state')}"
        return
    starts = window.evaluate("soundStarts.splice(0)")
    tracks = player.locator("li[data-track]")
    if len(starts) != tracks.count() or any(start != starts[0] for start in starts):
        yield f"its {tracks.count()} tracks do not start as one: {starts}"
    begin = _position(player)
    if not _comes(window, player, f"element.player.position() > {begin} + 0.1"):
        yield f"stands still at {begin:.2f} s"
    for number in range(tracks.count()):
        yield from _switch(window, player, number)
    mute = tracks.last.locator('button[data-action="mute"]')
    for audible in ("false", "true"):
        mute.click()
        if tracks.last.get_attribute("data-audible") != audible:
            yield f"mute leaves data-audible at {tracks.last.get_attribute('data-audible')}, wanted {audible}"
    for action in ("match", "loop"):
        button = player.locator(f'button[data-action="{action}"]')
        button.click()
        if button.get_attribute("aria-pressed") != "true":
            yield f"{action} is not pressed after a press"
    yield from _go_round(window, player)


def _switch(window: Page, player: Locator, number: int) -> Iterator[str]:
    """Choose one track: it alone is heard, at the place where the others were."""
    clock = "element => [element.player.position(), soundClock.currentTime]"
    label = player.locator("li[data-track]").nth(number).get_attribute("data-label")
    before = player.evaluate(clock)
    player.locator("li[data-track]").nth(number).locator('button[data-action="solo"]').click()
    after = player.evaluate(clock)
    jump = (after[0] - before[0]) - (after[1] - before[1])
    if abs(jump) > STEP_SECONDS:
        yield f"the switch to {label} jumps by {jump:+.2f} s"
    if window.evaluate("soundStarts.splice(0)"):
        yield f"the switch to {label} starts a track again"
    audible = player.evaluate("element => [...element.querySelectorAll('li')].map((row) => row.dataset.audible)")
    levels = player.evaluate("element => element.player.buffers().map((_, track) => element.player.level(track))")
    if [index for index, is_heard in enumerate(audible) if is_heard == "true"] != [number]:
        yield f"after the switch to {label} the tracks' data-audible are {audible}"
    if [index for index, level in enumerate(levels) if level > 0] != [number]:
        yield f"after the switch to {label} the tracks' levels are {levels}"


def _go_round(window: Page, player: Locator) -> Iterator[str]:
    """With the loop on: past the end it is at the beginning, and plays."""
    seconds = player.evaluate("element => element.player.buffers()[0].duration")
    player.evaluate(f"element => element.player.seek({seconds} - 0.2)")
    if not _comes(window, player, f"element.player.position() < {seconds} / 2"):
        yield f"with the loop on it stands at {_position(player):.2f} of {seconds:.2f} s"
    if player.get_attribute("data-state") != "playing":
        yield "the loop ends"
    player.locator('button[data-action="loop"]').click()
    window.evaluate("soundStarts.length = 0")


def _pause(player: Locator) -> Iterator[str]:
    player.locator('button[data-action="play"]').click()
    begin = _position(player)
    player.page.wait_for_timeout(150)
    if player.get_attribute("data-state") != "paused" or _position(player) != begin:
        yield f"a second press of play does not pause it: {player.get_attribute('data-state')}"


def _position(player: Locator) -> float:
    return player.evaluate("element => element.player.position()")


def _comes(window: Page, element: Locator, condition: str) -> bool:
    """Whether a condition on ``element`` comes true within the time that we wait."""
    try:
        window.wait_for_function(f"element => {condition}", arg=element.element_handle(), timeout=PATIENCE)
    except TooLate:
        return False
    return True


def sounds(player: Locator) -> list[dict]:
    """Of each track of a player that has played: its label, channels, seconds and root mean square."""
    return player.evaluate(
        """element => element.player.buffers().map((buffer, track) => {
             const samples = buffer.getChannelData(0);
             const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
             const { label } = element.querySelector(`li[data-track="${track}"]`).dataset;
             return { label, channels: buffer.numberOfChannels, seconds: buffer.duration, rms: Math.sqrt(power) };
           })"""
    )


def fallback_faults(window: Page, page: str) -> list[str]:
    """A line for each widget of an open page that leaves an empty place in print, where no script draws."""
    lines = []
    window.emulate_media(media="print")
    for widget in window.locator(".bsrnn-widget").all():
        fallback = widget.locator(".bsrnn-fallback")
        is_shown = fallback.count() and fallback.is_visible()
        if not is_shown or not (fallback.inner_text().strip() or fallback.locator("img, svg, audio, table").count()):
            lines.append(f"{page} {widget.get_attribute('data-widget')}: nothing stands in its place in print")
    window.emulate_media(media="screen")
    return lines


def explorer_faults(window: Page, page: str) -> list[str]:
    """Move each control of every explorer of an open page; a line for each that changes nothing in its words."""
    lines = []
    for widget in window.locator(EXPLORER).all():
        where = f"{page} {widget.get_attribute('data-widget')}"
        if not widget.locator("[aria-live]").count():
            lines.append(f"{where}: no words of it have aria-live")
            continue
        controls = widget.locator(f"{RANGE}, {CHOICE}, {HANDLE}").all()
        if not controls:
            lines.append(f"{where}: no control takes the keys")
        for control in controls:
            lines += [f"{where} {words}" for words in _moved(widget, control)]
    return lines


def _moved(widget: Locator, control: Locator) -> Iterator[str]:
    name = control.evaluate(
        "element => element.ariaLabel || element.labels?.[0]?.firstChild.textContent || element.localName"
    )
    name = " ".join(name.split())[:40]
    before = _live_words(widget)
    if control.evaluate("element => element.localName === 'select'"):
        options = control.evaluate(
            "element => [...element.options].filter((option) => !option.disabled && !option.selected)"
            ".map((option) => option.value)"
        )
        if not options:
            return
        control.select_option(options[-1])
    else:
        for key in ("ArrowRight", "ArrowLeft", "ArrowLeft"):  # it may stand at one end
            control.press(key)
            if _live_words(widget) != before:
                break
    after = _live_words(widget)
    if after == before:
        yield f'{name}: moved, and the words stay "{before[:60]}"'
    elif "NaN" in after or "undefined" in after or "Infinity" in after:
        yield f'{name}: moved, and the words are "{after[:60]}"'


def _live_words(widget: Locator) -> str:
    return " ".join(" ".join(widget.locator("[aria-live]").all_inner_texts()).split())
