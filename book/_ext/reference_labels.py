"""References whose labels are the words by which the text cites them: "Luo and Yu, 2023"."""

from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle

NAMED = 2  # authors; of more, the first and "et al."


class AuthorYearLabels(BaseLabelStyle):
    """Names and year, as sphinxcontrib-bibtex writes a citation."""

    def format_labels(self, sorted_entries):
        """A label an entry."""
        for entry in sorted_entries:
            names = [Text.from_latex(" ".join(person.last_names)) for person in entry.persons["author"]]
            words = Text(" and ").join(names) if len(names) <= NAMED else Text(names[0], " et al.")
            yield str(Text(words, ", ", entry.fields["year"]))


class AuthorYearStyle(PlainStyle):
    """The plain style with these labels."""

    default_label_style = AuthorYearLabels


def setup(app):
    """Sphinx's entry point."""
    register_plugin("pybtex.style.formatting", "author_year", AuthorYearStyle)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
