"""Formulas of an EPUB as small pictures: in a web page MathJax sets them, and an EPUB runs no script.

matplotlib draws them. What its TeX lacks is put in other words that mean the same; lines of an aligned formula are a
picture each. A formula that it cannot draw stays as it was written, with a warning.
"""

import base64
import html
import io
import re

from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser, math_to_image
from sphinx.util import logging

FORMULA = re.compile(r'<(span|div) class="math\b[^>]*>\s*\\[(\[](?P<tex>.*?)\\[)\]]\s*</\1>', re.DOTALL)
POINTS = 12
IN_OTHER_WORDS = (
    (re.compile(r"\\le(?![A-Za-z])"), r"\\leq"),
    (re.compile(r"\\[lr]Vert(?![A-Za-z])"), r"\\Vert"),
    (re.compile(r"\\[td]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\frac(\d)(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\(?:begin|end)\{(?:split|aligned|align|equation)\*?\}|(?<!\\)&"), ""),
)


def with_pictures(body: str) -> str:
    """A page's body with every formula drawn."""
    return FORMULA.sub(lambda match: _drawn(match[1], html.unescape(match["tex"])) or match[0], body)


def _drawn(element: str, tex: str) -> str:
    try:
        # fractions of a formula that stands by itself are as large as its other letters
        pictures = [picture(line.replace(r"\frac", r"\dfrac") if element == "div" else line) for line in lines(tex)]
    except ValueError as error:
        logging.getLogger(__name__).warning("a formula stays as it was written, %s: %s", tex, error)
        return ""
    return f'<{element} class="math">{"<br/>".join(pictures)}</{element}>'


def lines(tex: str) -> list[str]:
    """A formula in matplotlib's TeX, a line each."""
    for pattern, replacement in IN_OTHER_WORDS:
        tex = pattern.sub(replacement, tex)
    return [" ".join(line.split()) for line in tex.split(r"\\") if line.strip()]


def picture(tex: str) -> str:
    """One line of TeX as an image on the line of the text around it. Raises ValueError: matplotlib cannot read it."""
    look, buffer = FontProperties(size=POINTS, math_fontfamily="cm"), io.BytesIO()
    _, height, depth, *_ = MathTextParser("path").parse(f"${tex}$", 72, look)
    math_to_image(f"${tex}$", buffer, prop=look, dpi=72, format="svg")
    place = f"height:{height / POINTS:.2f}em;vertical-align:{-depth / POINTS:.2f}em"
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(tex)}" style="{place}" src="data:image/svg+xml;base64,{content}"/>'


def draw(app, pagename, templatename, context, doctree):
    """Of one page, before it is written."""
    if app.builder.name == "epub":
        context["body"] = with_pictures(context.get("body", ""))


def setup(app):
    """Sphinx's entry point."""
    app.connect("html-page-context", draw)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
