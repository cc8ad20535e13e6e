"""Tables as HTML, one look for all of them: those of the registry, and what the cells of a notebook leave.

The colours and spaces are book/_static/look.css's, numbers and headings those of :mod:`bsrnn.report.formats`. Rows of
other sources, data or profiles stand under headings of their own, as none of them may be compared across.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from bsrnn.report import formats
from bsrnn.report.stamps import OURS

GROUPED_BY = ("source", "data", "profile")
SAID_BY_THE_CAPTION = ("profile", "seeds", "songs")  # where all of our rows have the same
NO_SEEDS = "-"  # of a row that has no runs, a contrast that was not tested for instance: it is like any other
INTERVALS = {"low": "high", "new_low": "new_high"}
SHORT_TEXT, LONG_TEXT = 14, 30  # characters from which on a cell may be broken into lines, and needs room for them
TALL = 40  # rows from which on a table scrolls in its box
NUMBER = re.compile(rf"[<+-]?\s*[\d.,]+(e-?\d+)?\s*%?|\[[^\]]*\]|{formats.NOTHING}")


@dataclass(frozen=True)
class Layout:
    """What a page does to one table beside what it does to all.

    hidden: columns that say what others say. first: columns that stand before all others. cards: columns in the first
    line of a card; where there are any, each row is a card that opens, for a table of sentences. code: columns that
    name something in the code.
    """

    hidden: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


PLAIN = Layout()


class Column(NamedTuple):
    """One column as it is shown: its heading, and its cells as text."""

    name: str
    heading: str
    cells: list[str]

    @property
    def is_of_numbers(self) -> bool:
        """Whether most cells are numbers, of those that are not empty: then all stand to the right."""
        told = [cell for cell in self.cells if cell != formats.NOTHING]
        return 2 * sum(NUMBER.fullmatch(cell) is not None for cell in told) > len(told) or not told

    @property
    def has_a_word(self) -> bool:
        return not all(NUMBER.fullmatch(cell) for cell in self.cells)


def of_results(table: pd.DataFrame, label: str, layout: Layout = PLAIN) -> str:
    """A table of the registry; columns that are empty or only repeat the caption are left out. label: its title."""
    groups, table = _groups(table)
    own = table[table["source"] == OURS] if "source" in table else table
    own = own[own["seeds"] != NO_SEEDS] if "seeds" in own else own
    hidden = [name for name in SAID_BY_THE_CAPTION if name in table and _alike(own[name])]
    shown = table.drop(columns=[*GROUPED_BY, *hidden, "note", *layout.hidden], errors="ignore")
    first = [name for name in layout.first if name in shown]
    shown = shown[first + [name for name in shown if name not in first]]
    columns = [column for column in _columns(shown) if any(cell != formats.NOTHING for cell in column.cells)]
    if layout.cards:
        return _cards(columns, layout)
    return scrolling(_table(columns, groups), label, len(table) > TALL)


def of_frame(frame: pd.DataFrame) -> str:
    """What a cell of a notebook leaves: with its index, where that is more than the places of the rows."""
    counted = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    columns = _columns(frame)
    if not counted:
        index = frame.index.to_frame(index=False)
        index.columns = [name or "" for name in frame.index.names]
        columns = _columns(index) + columns
    named = ", ".join(column.heading for column in columns if column.heading)
    return scrolling(_table(columns, [("", "")] * len(frame)), f"Table: {named}", len(frame) > TALL)


def scrolling(body: str, label: str, tall: bool = False) -> str:
    """A box that scrolls where it must, and that the keyboard reaches."""
    kind = "scrolls tall" if tall else "scrolls"
    return f'<div class="{kind}" tabindex="0" role="region" aria-label="{html.escape(label)}">{body}</div>'


def caption(words: str, title: str = "", source: str = "") -> str:
    """A caption: title, what is shown, and where the numbers come from."""
    parts = [f"<strong>{html.escape(title)}.</strong>"] if title else []
    parts += [html.escape(words)] if words else []
    parts += [f'<span class="source">{html.escape(source)}</span>'] if source else []
    return f"<figcaption>{' '.join(parts)}</figcaption>"


def _alike(values: pd.Series) -> bool:
    return values.nunique() < 2


def _groups(table: pd.DataFrame) -> tuple[list[tuple[str, str]], pd.DataFrame]:
    """(words, CSS class) of each row's group, and the table with the rows of a group beside each other."""
    told = [name for name in GROUPED_BY if name in table and not _alike(table[name])]
    if not told:
        return [("", "")] * len(table), table
    words = table[told].astype(str).agg(lambda row: _group_words(dict(row)), axis=1)
    order = {name: place for place, name in enumerate(dict.fromkeys(words))}
    table = table.iloc[words.map(order).argsort(kind="stable")]
    ours = table["source"] == OURS if "source" in told else words[table.index] == ""
    return [(words[row], "ours" if mine else "") for row, mine in zip(table.index, ours, strict=True)], table


def _group_words(row: dict[str, str]) -> str:
    parts = [row.get("source", ""), row.get("data", "").split(" (")[0]]  # the caption has the version
    parts += [f"profile {row['profile']}"] if row.get("profile", "-") != "-" else []
    return " · ".join(filter(None, parts))


def _columns(table: pd.DataFrame) -> list[Column]:
    """The columns, an interval's two ends as one."""
    words, names = formats.column_words(table), list(table.columns)
    columns = []
    for place, name in enumerate(names):
        end = INTERVALS.get(name) if isinstance(name, str) else None
        if end in names:
            cells = [_interval(*ends) for ends in zip(words[place], words[names.index(end)], strict=True)]
            columns.append(Column(name, formats.heading(name).replace("low", "interval"), cells))
        elif name not in [INTERVALS[low] for low in INTERVALS if low in names]:
            columns.append(Column(str(name), formats.heading(name), words[place]))
    return columns


def _interval(low: str, high: str) -> str:
    return formats.NOTHING if formats.NOTHING in (low, high) else f"[{low}, {high}]"


def _table(columns: Sequence[Column], groups: Sequence[tuple[str, str]]) -> str:
    heads = "\n".join(_head(column) for column in columns)  # lines apart, or a search would run their words together
    bodies, before = [], None
    for place, (words, kind) in enumerate(groups):
        if (words, kind) != before:
            bodies.append([f'<tbody class="{kind}">' if kind else "<tbody>"])
            if words:
                spans = f'<th scope="rowgroup" colspan="{len(columns)}"><span>{html.escape(words)}</span></th>'
                bodies[-1].append(f'<tr class="group">{spans}</tr>')
            before = words, kind
        bodies[-1].append("<tr>{}</tr>".format("\n".join(_cells(columns, place))))
    body = "\n".join("\n".join(rows) + "</tbody>" for rows in bodies)
    return f'<table class="results"><thead><tr>{heads}</tr></thead>\n{body}</table>'


def _head(column: Column) -> str:
    if not column.heading:
        return "<td></td>"  # the corner above the names of rows is no heading
    kind = ' class="number"' if column.is_of_numbers else ""
    return f'<th scope="col"{kind}>{html.escape(column.heading)}</th>'


def _cells(columns: Sequence[Column], row: int) -> Iterator[str]:
    for place, column in enumerate(columns):
        text = column.cells[row]
        length = "words" if len(text) < SHORT_TEXT else "phrase" if len(text) < LONG_TEXT else "text"
        kind = "number" if column.is_of_numbers else length
        names_the_row = place == 0 and column.has_a_word
        tag, more = ("th", ' scope="row"') if names_the_row else ("td", "")
        yield f'<{tag}{more} class="{kind}">{html.escape(text)}</{tag}>'


def _cards(columns: Sequence[Column], layout: Layout) -> str:
    """A card a row, which opens: its name and what matters most in the first line, all columns inside."""
    cards = []
    for row, name in enumerate(columns[0].cells):
        first = [column for column in columns if column.name in layout.cards and column.cells[row] != formats.NOTHING]
        line = "".join(f'<span class="{column.name}">{html.escape(column.cells[row])}</span>' for column in first)
        inside = "".join(
            f"<dt>{html.escape(column.heading)}</dt><dd>{_inside(column, row, layout)}</dd>" for column in columns[1:]
        )
        summary = f'<summary><span class="card-name">{html.escape(name)}</span>{line}</summary>'
        cards.append(f'<details class="row-card">{summary}<dl>{inside}</dl></details>')
    return f'<div class="cards">{"".join(cards)}</div>'


def _inside(column: Column, row: int, layout: Layout) -> str:
    text = html.escape(column.cells[row])
    return f"<code>{text}</code>" if column.name in layout.code and text != formats.NOTHING else text
