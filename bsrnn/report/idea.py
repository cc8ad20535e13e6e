"""The idea of the method in one drawing, from song to stems: six panels, whose bands are those of the paper's split V7.

    python -m bsrnn.report.idea

writes it twice into book/_static: idea.html for the front page, where panels flow with the window and take the theme's
colours, and idea.svg, one picture, for README.md. The sounds in it are made up; nothing is measured.
"""

import sys
import textwrap
from html import escape

import numpy as np

from bsrnn.config import TARGETS
from bsrnn.report.figures import TARGET_COLOURS, band_edges_hz
from bsrnn.runtime import paths
from bsrnn.runtime.files import write_text

WIDTH, HEIGHT, GAP, CAPTION = 180, 120, 34, 58  # of a panel, between two, and of the words below it
SPLIT, NYQUIST_HZ, KNEE_HZ = "v7", 22_050.0, 700.0  # low frequencies are drawn wider, as the ear hears them
COLUMNS, ROWS = 30, 24  # of the drawn spectrogram
CELLS = (7, 5)  # of the drawn networks: frames and bands
LETTERS = 36  # of a line of the words below a panel
LABEL = 44.0  # room for a target's name, left of its stem
MASKED = "vocals"  # the target whose mask is drawn
WORDS = (
    ("A song", "The mixture of all that plays."),
    ("Its spectrogram", "Which frequencies sound, when and how loud."),
    ("Bands", "Cut where the instrument needs it: {bands} bands for {target}."),
    ("Recurrent networks", "Along time, then along the bands, and again."),
    ("A mask for each band", "How to scale and turn each number of the spectrogram."),
    ("The stems", "Masked, and turned back into sound; one model for each target."),
)
STYLE = """
.idea { --idea-ink: var(--pst-color-text-base, #24292f); --idea-paper: var(--pst-color-surface, #f3f4f5); }
.idea .ink { fill: var(--idea-ink); } .idea .line { stroke: var(--idea-ink); fill: none; }
.idea .paper { fill: var(--idea-paper); } .idea text { fill: var(--idea-ink); font-family: sans-serif; }
"""
DARK = "@media (prefers-color-scheme: dark) { .idea { --idea-ink: #e6edf3; --idea-paper: #22272e; } }\n"
FLOW = """
ol.idea { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1em; list-style: none; padding: 0; margin: 1em 0; }
@media (max-width: 600px) { ol.idea { grid-template-columns: repeat(2, 1fr); } }
ol.idea svg { display: block; width: 100%; }
ol.idea p { margin: 0.3em 0 0; font-size: 0.9em; line-height: 1.35; }
"""


def height_of(hertz) -> np.ndarray:
    """Where a frequency lies in a panel, as a share of its height."""
    return np.log1p(np.asarray(hertz) / KNEE_HZ) / np.log1p(NYQUIST_HZ / KNEE_HZ)


def stems() -> dict[str, np.ndarray]:
    """Target -> made-up magnitudes, (ROWS, COLUMNS), from 0 to 1; rows from low to high."""
    time, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS) / ROWS)
    beat = time % 6
    tone = 0.42 + 0.07 * np.sin(time / 3)  # a voice that glides, and its overtones
    voice = sum(np.exp(-(((row - tone - 0.16 * k) / 0.025) ** 2)) / (1 + k) for k in range(3)) * (time % 15 < 11)
    return {
        "vocals": voice,
        "drums": np.exp(-beat / 1.2) * np.where(time % 12 < 6, np.exp(-row / 0.2), 0.35 + 0.5 * row),
        "bass": np.exp(-(((row - 0.1 - 0.04 * (time // 12 % 2)) / 0.05) ** 2)) * (0.9 - 0.05 * (time % 6)),
        "other": sum(0.45 * np.exp(-(((row - place) / 0.02) ** 2)) for place in (0.3, 0.38, 0.55, 0.66)),
    }


def panels() -> list[str]:
    """The six drawings, as the insides of SVG elements of 180 by 120."""
    parts = stems()
    mixture = np.clip(sum(parts.values()), 0, 1)
    share = parts[MASKED] / (sum(parts.values()) + 0.05)
    return [
        _frame(_wave(mixture.mean(0), HEIGHT / 2, HEIGHT / 2 - 6, 'class="ink"')),
        _frame(_cells(mixture)),
        _frame(_cells(mixture) + _band_edges()),
        _frame(_networks()),
        _frame(_mask(share)),
        _frame(_stems(parts)),
    ]


def _frame(inside: str) -> str:
    return f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="4"/>{inside}'


def _wave(loudness: np.ndarray, middle: float, height: float, look: str, left: float = 4.0) -> str:
    """An outline as loud as this, mirrored at the middle, from ``left`` to the right edge."""
    ripple = 0.55 + 0.45 * np.abs(np.sin(np.arange(6 * COLUMNS) * 1.7))
    loud = np.repeat(loudness / loudness.max(), 6) * ripple * height
    xs = np.linspace(left, WIDTH - 4, len(loud))
    above = [f"{x:.0f},{middle - y:.1f}" for x, y in zip(xs, loud, strict=True)]
    below = [f"{x:.0f},{middle + y:.1f}" for x, y in zip(xs[::-1], loud[::-1], strict=True)]
    return f'<polygon {look} points="{" ".join(above + below)}"/>'


def _cells(magnitudes: np.ndarray) -> str:
    """A spectrogram as boxes, the more opaque the louder."""
    width, height = WIDTH / COLUMNS, HEIGHT / ROWS
    tenths, paths_of = np.round(10 * magnitudes).astype(int), []
    for tenth in range(1, 11):  # one path for all boxes of an opacity: a tenth of the text
        corners = zip(*np.nonzero(tenths == tenth), strict=True)
        boxes = "".join(f"M{c * width:.0f} {HEIGHT - (r + 1) * height:.0f}h{width:.0f}v{height:.0f}h-{width:.0f}z"
                        for r, c in corners)  # fmt: skip
        paths_of.append(f'<path class="ink" opacity="{tenth / 10}" d="{boxes}"/>' * bool(boxes))
    return "".join(paths_of)


def _edges() -> np.ndarray:
    return HEIGHT * (1 - height_of(band_edges_hz(SPLIT)))


def _band_edges() -> str:
    look = f'stroke="{TARGET_COLOURS[MASKED]}" stroke-width="0.8"'
    return "".join(f'<path {look} d="M0 {edge:.1f}H{WIDTH}"/>' for edge in _edges()[1:-1])


def _networks() -> str:
    """Frames and bands as boxes, with arrows along both."""
    columns, rows = CELLS
    xs, ys = np.linspace(24, WIDTH - 24, columns), np.linspace(20, HEIGHT - 20, rows)
    time, bands = TARGET_COLOURS["drums"], TARGET_COLOURS["vocals"]
    along = [_arrow(f"M{xs[0] - 16:.0f} {y:.0f}H{xs[-1] + 16:.0f}", time) for y in ys]
    across = [_arrow(f"M{x:.0f} {ys[-1] + 15:.0f}V{ys[0] - 15:.0f}", bands) for x in xs]
    boxes = [f'<rect class="ink" x="{x - 4:.0f}" y="{y - 4:.0f}" width="8" height="8" rx="2"/>' for x in xs for y in ys]
    return "".join([*along, *across, *boxes])


def _arrow(path: str, tint: str) -> str:
    """A straight line with a head, drawn without markers: their ids would clash on a page with two drawings."""
    direction, end = ("H", path.split("H")[1]) if "H" in path else ("V", path.split("V")[1])
    x, y = path[1:].split(direction)[0].split(" ")
    head = f"M{float(end) - 5:.0f} {float(y) - 3:.0f}l5 3l-5 3" if direction == "H" else (
        f"M{float(x) - 3:.0f} {float(end) + 5:.0f}l3 -5l3 5")  # fmt: skip
    return f'<path d="{path}{head}" fill="none" stroke="{tint}" stroke-width="1.5"/>'


def _mask(share: np.ndarray) -> str:
    """What of each band belongs to the target, in each pair of frames."""
    edges, tint = _edges(), TARGET_COLOURS[MASKED]
    boxes = []
    for low, high in zip(edges, edges[1:], strict=False):
        row = min(int(ROWS * (1 - (low + high) / 2 / HEIGHT)), ROWS - 1)
        for column in range(0, COLUMNS, 2):
            kept = float(share[row, column : column + 2].mean())
            if kept >= 0.1:
                boxes.append(f'<rect fill="{tint}" x="{column * WIDTH / COLUMNS:.0f}" y="{high + 0.3:.1f}" '
                             f'width="{2 * WIDTH / COLUMNS:.0f}" height="{low - high - 0.6:.1f}" '
                             f'opacity="{kept:.1f}"/>')  # fmt: skip
    return "".join(boxes)


def _stems(parts: dict[str, np.ndarray]) -> str:
    step = HEIGHT / len(TARGETS)
    drawn = []
    for number, target in enumerate(TARGETS):
        middle, tint = (number + 0.5) * step, TARGET_COLOURS[target]
        drawn.append(_wave(parts[target].mean(0), middle, step / 2 - 3, f'fill="{tint}"', LABEL))
        drawn.append(f'<text x="6" y="{middle + 4:.0f}" font-size="11">{target}</text>')
    return "".join(drawn)


def words() -> list[tuple[str, str]]:
    """Title and sentence of each panel."""
    filled = {"bands": len(band_edges_hz(SPLIT)) - 1, "target": MASKED}
    return [(title, sentence.format(**filled)) for title, sentence in WORDS]


def fragment() -> str:
    """The drawing as HTML for a page: a list whose panels flow."""
    items = [
        f'<li><svg class="idea" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{panel}</svg>'
        f"<p><strong>{number}. {escape(title)}.</strong> {escape(sentence)}</p></li>"
        for number, (panel, (title, sentence)) in enumerate(zip(panels(), words(), strict=True), start=1)
    ]
    return f'<style>{STYLE}{FLOW}</style><ol class="idea">{"".join(items)}</ol>\n'


def picture() -> str:
    """The drawing as one SVG, in two rows, that follows the reader's colour scheme."""
    parts = []
    for number, (panel, (title, sentence)) in enumerate(zip(panels(), words(), strict=True)):
        x, y = GAP / 2 + number % 3 * (WIDTH + GAP), GAP / 2 + number // 3 * (HEIGHT + CAPTION)
        lines = textwrap.wrap(sentence, LETTERS)
        said = [f'<text y="{HEIGHT + 17}" font-size="13" font-weight="bold">{number + 1}. {escape(title)}</text>']
        said += [f'<text y="{HEIGHT + 31 + 12 * line}" font-size="10.5">{escape(text)}</text>' for line, text in
                 enumerate(lines)]  # fmt: skip
        arrow = f'<path class="line" d="M{WIDTH + 7} {HEIGHT / 2:.0f}h{GAP - 16}m-6 -4l6 4l-6 4"/>' * (number % 3 < 2)
        parts.append(f'<g transform="translate({x:.0f} {y:.0f})">{panel}{"".join(said)}{arrow}</g>')
    size = f"0 0 {3 * (WIDTH + GAP)} {2 * (HEIGHT + CAPTION) + GAP}"
    label = "From a song to its stems: " + ", ".join(title.lower() for title, _ in words())
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="idea" viewBox="{size}" role="img" aria-label="{label}">'
            f'<style>{STYLE}{DARK}</style>{"".join(parts)}</svg>\n')  # fmt: skip


def main() -> int:
    """Write both files."""
    folder = paths.root() / "book" / "_static"
    write_text(folder / "idea.html", fragment())
    write_text(folder / "idea.svg", picture())
    return 0


if __name__ == "__main__":
    sys.exit(main())
