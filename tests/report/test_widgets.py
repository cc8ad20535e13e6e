"""A widget's output carries its script, its data and its fallback, and is readable to an XML parser, too."""

import json
import re
from xml.etree import ElementTree

import pytest

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.report import widgets

MODULE = "const few = 1 < 2 && 3 > 2;\nfunction render({ el }) { el.textContent = few; }\nexport default { render };\n"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone whose book has the script thing.js."""
    static = tmp_path / "book" / "_static"
    static.mkdir(parents=True)
    (tmp_path / "_config.yml").write_text("title: a clone\n")
    (static / "thing.js").write_text(MODULE)
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    return static


def test_an_output_carries_script_data_and_fallback_and_is_well_formed(clone):
    data = {"label": "</script><b>&amp; ]]> größer", "values": [1, 2.5, None]}
    markup = widgets.markup("thing", data, "<p>no scripts &amp; no sound</p>")
    page = ElementTree.fromstring(f"<body>{markup}</body>")  # as a reader of an EPUB would
    widget = page.find("div[@class='bsrnn-widget'][@data-widget='thing']")
    carried = re.search(r'<script type="application/json">(.*?)</script>', markup).group(1)  # as HTML would: raw text
    assert json.loads(carried) == data == json.loads(widget.find("script").text)
    assert widget.find("div[@class='bsrnn-fallback']/p").text == "no scripts & no sound"
    assert MODULE in page.find("script[@type='module']").text
    assert 'renderers["thing"] ??= render' in page.find("script[@type='module']").text
    assert markup.count("</script>") == 2  # nothing in data or module ends an element early


def test_show_displays_the_markup(clone, monkeypatch):
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    widgets.show("thing", {"a": 1}, "<p>none</p>")
    assert [output.data for output in shown] == [widgets.markup("thing", {"a": 1}, "<p>none</p>")]


def test_what_cannot_be_shown_is_refused_in_one_line(clone, monkeypatch):
    (clone / "open.js").write_text("function render() {}\n")
    (clone / "ends.js").write_text(MODULE + "// </script>\n")
    with pytest.raises(MissingResult, match=r"other\.js: no such script"):
        widgets.markup("other", {})
    with pytest.raises(ConfigError, match="expected the name of a script"):
        widgets.markup("../thing", {})
    for name in ("open", "ends"):
        with pytest.raises(ConfigError, match=rf"{name}\.js: expected an ES module"):
            widgets.markup(name, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        widgets.markup("thing", {"value": float("nan")})
