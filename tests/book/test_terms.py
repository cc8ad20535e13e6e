"""The page of terms and symbols: a letter means one thing, where it says so; a term is linked where first used."""

import re

import nbformat
import pytest
from places import REPOSITORY

BOOK = REPOSITORY / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
PAGE = (BOOK / "terms.md").read_text(encoding="utf-8")
NAMED = re.compile(r"\\(?:operatorname|mathrm|text|mathbb|begin|end)\s*\{[^{}]*\}")  # words, not letters
GREEK = {"tau", "delta", "eta", "theta", "sigma", "nu", "varepsilon", "Delta", "alpha", "beta", "gamma", "lambda", "mu"}
# common words, whose meaning a sentence gives:
EVERYDAY = {
    "band",
    "bin",
    "frame",
    "item",
    "segment",
    "chunk",
    "hop",
    "run",
    "target",
    "margin",
    "mask",
    "timbre",
    "BSRNN",
}

OTHER = r"\$\$.+?\$\$|\$[^$]+\$|\[[^\]]*\]\([^)]*\)|`[^`]*`"  # formulas, links, roles and code


def formulas(text: str) -> list[str]:
    """What stands between dollars."""
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL) if "$" in text else text
    found = re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", text, flags=re.DOTALL)
    return [display or inline for display, inline in found]


def letters(formula: str) -> set[str]:
    """The symbols of a formula, each as the page writes it."""
    formula = NAMED.sub(" ", formula)
    symbols = {r"\mathcal{L}"} & set(re.findall(r"\\mathcal\{L\}", formula)) | set(re.findall("f_s", formula))
    formula = re.sub(r"\\mathcal\{L\}|f_s", " ", formula)
    symbols |= {f"\\{name}" for name in re.findall(r"\\([A-Za-z]+)", formula) if name in GREEK}
    return symbols | set(re.findall("[A-Za-z]", re.sub(r"\\[A-Za-z]+", " ", formula)))


def prose(chapter) -> str:
    return "\n\n".join(cell.source for cell in nbformat.read(chapter, 4).cells if cell.cell_type == "markdown")


def without_fences(text: str) -> str:
    """Text as it is read: no commands, but what stands in admonitions."""
    text = re.sub(
        r"^```\{admonition\}[^\n]*\n(?::class:[^\n]*\n)?(.*?)^```$", r"\1", text, flags=re.DOTALL | re.MULTILINE
    )
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def symbols_of_the_page() -> dict[str, set[str]]:
    rows = re.findall(r"^\| \$(.+?)\$ \| .+ \| ([\d, ]+) \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) == len({symbol for symbol, _ in rows}) > 40, "a letter has two rows"
    return {symbol: {f"{int(number):02}" for number in chapters.split(",")} for symbol, chapters in rows}


def terms_of_the_page() -> list[str]:
    bodies = re.findall(r"```\{glossary\}\n(.*?)```", PAGE, flags=re.DOTALL)
    return [line for body in bodies for line in body.splitlines() if line and not line.startswith(" ")]


def test_the_page_stands_first_after_the_index():
    files = re.findall(r"file: (\w+)", (BOOK / "_toc.yml").read_text())
    assert files[0] == "terms" and "(terms.md)" in prose(CHAPTERS[0])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_letters_of_a_chapter_are_those_that_the_page_says(chapter):
    number = chapter.stem[:2]
    named = {symbol for symbol, chapters in symbols_of_the_page().items() if number in chapters}
    used = set().union(*map(letters, formulas(without_fences(prose(chapter)))), set())
    assert used == named


def test_letters_are_found_in_formulas():
    assert letters(r"\hat Y_{ft} = \operatorname{norm}_k(X) \cdot 10^{a_j / 20}") == {*"YftkXaj"}
    assert letters(r"\mathcal{L} = \frac{f_s}{h} \tau \text{ of a song}") == {r"\mathcal{L}", "f_s", "h", r"\tau"}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_term_is_linked_where_a_chapter_first_uses_it(chapter):
    text = re.sub(r"^[#|(:].*$", "", without_fences(prose(chapter)), flags=re.MULTILINE)  # headings, tables, markers
    late = []
    for term in set(terms_of_the_page()) - EVERYDAY:
        words = re.escape(term).replace(r"\ ", r"\s+")
        marked = re.sub(rf"\{{term\}}`(?:{words}|[^`]*<{words}>)`", "\0", text, flags=re.IGNORECASE)
        marked = re.sub(OTHER, " ", marked, flags=re.DOTALL)
        first = re.search(rf"\0|(?<![\w-]){words}(?:s|es)?(?![\w-])", marked, re.IGNORECASE)
        if first and first[0] != "\0":
            late.append(term)
    assert late == []


def test_links_lead_to_terms_of_the_page():
    terms = {term.lower() for term in terms_of_the_page()}
    for chapter in CHAPTERS:
        for link in re.findall(r"\{term\}`([^`]*)`", prose(chapter)):
            name = re.sub(r"\s+", " ", link)
            assert re.sub(r"^.*<(.+)>$", r"\1", name).lower() in terms, (chapter.stem, link)
