"""Take out of a finished site what browsers and screen readers stumble over, and what this book does not use.

- sphinx-thebe writes its settings twice into each page, which is an error of JavaScript, and fetches its script from
  the network when it is called; no page of ours calls it.
- docutils gives a list of references roles that a list must not have.
- sphinx-mathjax-offline lays all of MathJax beside the pages, of which they load one file and its fonts. What that file
  carries itself goes; of the languages that formulas can be read out in, English stays.
- The theme brings maps from its scripts and style sheets to their sources, which only its own developers open.
- An EPUB runs no script and plays nothing, and its files lie alone: scripts, players, folded code and lists of files
  that only the site has are left out of it, and what is folded beside these is open.
- What print changes is a style sheet of its own, the last one: for print alone in a web page, for all of an EPUB.
"""

import re
import shutil
from pathlib import Path

THEBE = "thebe"
ROLES = {'role="doc-biblioentry"': 'role="listitem"', 'role="doc-backlink"': ""}

LOADED = "tex-chtml.js"
NEVER_LOADED = (
    *("output/svg", "input/mml", "adaptors"),
    *("output/svg.js", "input/asciimath.js", "input/tex-full.js", "input/tex/extensions/all-packages.js"),
)
CARRIED = re.compile(r"\bpreLoad\(([^)]*)\)")  # in LOADED: the files that it stands for
NAMED = re.compile(r'"([^"]+)"')
SPOKEN = ("base.json", "en.json", "nemeth.json")

NOT_IN_AN_EPUB = re.compile(
    r'<script\b.*?</script>|<audio\b.*?</audio>|<details class="[^"]*\b(?:hide|trace)\b.*?</details>'
    r"|<button\b.*?</button>",
    re.DOTALL,
)
FOLDED, OPEN = re.compile(r"<details\b(?! open)"), '<details open="open"'
IN_AN_EPUB = (  # pages are XHTML there: they have another ending, and a drawing has to say that it is one
    (re.compile(r'(href="(?![a-z]+:)[^"#]*)\.html(?=["#])'), r"\1.xhtml"),
    (re.compile(r"<svg\b(?![^>]*\bxmlns=)"), '<svg xmlns="http://www.w3.org/2000/svg"'),
)
ON_PAPER = "print.css"


def is_of_thebe(script) -> bool:
    """Whether an entry of a page's scripts belongs to thebe."""
    attributes = getattr(script, "attributes", {})
    return THEBE in str(getattr(script, "filename", script)) or THEBE in attributes.get("body", "")


def tidy(app, pagename, templatename, context, doctree):
    """Of one page, before it is written."""
    for name in ("script_files", "css_files"):
        context[name] = [entry for entry in context.get(name, ()) if not is_of_thebe(entry)]
    body = context.get("body", "")
    for old, new in ROLES.items():
        body = body.replace(old, new)
    context["body"] = body
    context["css_files"].sort(key=is_for_paper)
    for entry in filter(is_for_paper, context["css_files"]):
        if app.builder.name != "epub":
            entry.attributes["media"] = "print"
    if app.builder.name == "epub":
        context["body"] = for_an_epub(body)
        context["css_files"] = [entry for entry in context["css_files"] if is_laid(entry, app.outdir, app.srcdir)]


def for_an_epub(body: str) -> str:
    """A page's body with nothing in it that runs, plays, folds, or leads to a file that the EPUB has not.

    It stands in an article, as in the theme's pages, so that the book's style sheets apply.
    """
    body = FOLDED.sub(OPEN, NOT_IN_AN_EPUB.sub("", body))
    for pattern, replacement in IN_AN_EPUB:
        body = pattern.sub(replacement, body)
    return f'<div class="bd-article">{body}</div>'


def is_laid(entry, *folders) -> bool:
    """Whether a style sheet's file is there: myst-nb and sphinx-thebe lay theirs beside web pages alone."""
    return any(Path(folder, name_of(entry)).is_file() for folder in folders)


def is_for_paper(entry) -> bool:
    """Whether a style sheet is the one of print."""
    return Path(name_of(entry)).name == ON_PAPER


def name_of(entry) -> str:
    """The file of an entry of a page's style sheets."""
    return str(getattr(entry, "filename", entry))


def without_unused(mathjax: Path) -> None:
    """Remove from MathJax's folder what no page loads."""
    if not (mathjax / LOADED).is_file():
        return  # another version, or formulas made otherwise: better too large than broken
    for path in [*mathjax.glob("*.js"), *mathjax.glob("sre/mathmaps/*.json")]:
        if path.name not in (LOADED, *SPOKEN):
            path.unlink()
    for name in NEVER_LOADED:
        if (mathjax / name).is_dir():
            shutil.rmtree(mathjax / name)
        else:
            (mathjax / name).unlink(missing_ok=True)
    carried = " ".join(CARRIED.findall((mathjax / LOADED).read_text(encoding="utf-8")))
    for name in NAMED.findall(carried):
        place = name.removesuffix(".js").replace("[tex]", "input/tex/extensions")
        (mathjax / f"{place}.js").unlink(missing_ok=True)


def without_maps(static: Path) -> None:
    """Remove the maps to sources from a folder of scripts and style sheets and from those in it."""
    for kind in ("js", "css"):
        for path in static.rglob(f"*.{kind}.map"):
            path.unlink()


def lighten(app, exception) -> None:
    """After a build into a folder of pages."""
    if exception is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        without_unused(static / "mathjax")
        without_maps(static)


def setup(app):
    """Sphinx's entry point."""
    app.connect("html-page-context", tidy, priority=900)  # after the theme and sphinx-thebe
    app.connect("build-finished", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
