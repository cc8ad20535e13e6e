"""Things on a page that answer to a hand: a script of book/_static, its data, and what stands there without scripts.

An output carries all that it needs in itself, since a browser refuses ``<script type="module" src=...>`` on a page
opened from a disk, and a cell of a notebook is kept and shown alone. The script is an ES module that ends in
``export default { render };``. Once an element it is called with

    el        an empty ``<div class="bsrnn-live">`` to draw into
    data      what was given to :func:`show`
    fallback  the ``<div class="bsrnn-fallback">`` that holds the HTML for readers without scripts

The fallback is hidden once ``render`` has returned; it comes back in print, and stays where ``render`` throws. A page
may carry the same script many times: the first one renders every element of its name, so that what a module keeps
(which player plays) it keeps once a page. Colours to draw with are the variables ``--bsrnn-...`` of :data:`STYLE`.
"""

import json
import re

from IPython.display import HTML, display

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime import paths

# Sphinx's theme, JupyterLab, then neither: the widget brings its own background, so it is readable on any card
STYLE = """
.bsrnn-widget {
  --bsrnn-text: var(--pst-color-text-base, var(--jp-ui-font-color1, #222));
  --bsrnn-muted: var(--pst-color-text-muted, var(--jp-ui-font-color2, #555));
  --bsrnn-surface: var(--pst-color-background, var(--jp-layout-color0, #fff));
  --bsrnn-raised: var(--pst-color-surface, var(--jp-layout-color2, #eee));
  --bsrnn-border: var(--pst-color-border, var(--jp-border-color1, #bbb));
  --bsrnn-accent: var(--pst-color-primary, var(--jp-brand-color1, #0a5c8a));
  margin: 1em 0; padding: 0.5em; color: var(--bsrnn-text); background: var(--bsrnn-surface);
}
.bsrnn-live :where(button, select) {
  font: inherit; line-height: 1.3; padding: 0.25em 0.7em; border: 1px solid var(--bsrnn-border); border-radius: 0.3em;
  color: var(--bsrnn-text); background: var(--bsrnn-raised);
}
.bsrnn-live :where(button) { cursor: pointer; }
.bsrnn-unheard { margin: 0.5em 0 0; }
.cell_output .output.text_html:has(.bsrnn-widget) { background: none !important; padding: 0 !important; }
@media print {
  .bsrnn-widget .bsrnn-live { display: none; }
  .bsrnn-widget .bsrnn-fallback { display: block !important; }
  .bsrnn-widget audio { display: none; }
}
"""

EXPORT = re.compile(r"^export default \{ render \};?$", re.MULTILINE)

# `render` is a name of the module that stands before this text, in the same script
MOUNT = """
const renderers = (window.bsrnnRenderers ??= {});
renderers[NAME] ??= render;
for (const widget of document.querySelectorAll(`.bsrnn-widget[data-widget="${NAME}"]:not([data-mounted])`)) {
  widget.dataset.mounted = "";
  const fallback = widget.querySelector(".bsrnn-fallback");
  const live = document.createElement("div");
  live.className = "bsrnn-live";
  const data = JSON.parse(widget.querySelector('script[type="application/json"]').textContent);
  try {
    widget.append(live);
    renderers[NAME]({ el: live, data, fallback });
    fallback.style.display = "none";
  } catch (error) {
    live.remove();
    console.error(error);
  }
}
"""


def show(name: str, data: dict, fallback: str = "") -> None:
    """Display a widget: book/_static/<name>.js draws ``data``; ``fallback`` (HTML) stands in without scripts.

    Raises:
        ConfigError: no clone, whose book holds the scripts. MissingResult: it has no such script.
        ValueError: a NaN or an infinity in ``data``, which JSON does not have.
    """
    display(HTML(markup(name, data, fallback)))


def markup(name: str, data: dict, fallback: str = "") -> str:
    """The HTML of :func:`show`; also well-formed XHTML, for an EPUB, where ``fallback`` is."""
    carried = json.dumps(data, ensure_ascii=False, allow_nan=False)
    for sign in "<>&":  # none may end the element, or begin another
        carried = carried.replace(sign, f"\\u{ord(sign):04x}")
    return (
        f'<div class="bsrnn-widget" data-widget="{name}"><style>{STYLE}</style>'
        f'<script type="application/json">{carried}</script><div class="bsrnn-fallback">{fallback}</div></div>'
        f'<script type="module">//<![CDATA[\n{script(name)}{MOUNT.replace("NAME", json.dumps(name))}//]]></script>'
    )


def script(name: str) -> str:
    """The text of the ES module book/_static/<name>.js.

    Raises:
        ConfigError: no clone, a name that is no plain word, or a text that would end the element that it stands in.
        MissingResult: no such script.
    """
    file = paths.root() / "book" / "_static" / f"{name}.js"
    if not name.isidentifier():
        raise ConfigError(f"got {name!r}: expected the name of a script in book/_static, without its ending")
    if not file.is_file():
        raise MissingResult(f"{file}: no such script; widgets are drawn by those of a clone's book/_static, see `ls`")
    text = file.read_text(encoding="utf-8")
    if "</script" in text or "]]>" in text or not EXPORT.search(text):
        raise ConfigError(
            f"{file}: expected an ES module that has the line `export default {{ render }};`, and neither </script "
            "nor ]]> in it; write these in two parts"
        )
    return text
