"""How tables and captions look on a page: numbers, headings, groups, cards; and what a figure leads to."""

import html
import itertools
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import fake_results
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from places import REPOSITORY

from bsrnn.data import musdb
from bsrnn.report import chapters, figures, formats, table_html, tables, trace
from bsrnn.report.stamps import OURS
from bsrnn.report.table_html import Layout
from bsrnn.runtime import paths
from bsrnn.study import profiles, runs
from bsrnn.study.results import Study

PROFILE = "quick"
RAW = re.compile(r"(?<!arXiv \d{4})\.\d{5}|\b\d{5}\b(?<!\.\d{5})|nan|NaN|<NA>|usdr_|_db")  # as pandas writes them
CSS = (REPOSITORY / "book" / "_static" / "look.css").read_text(encoding="utf-8")


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A root with all results of a profile."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.delenv("BSRNN_PROFILE", raising=False)
    monkeypatch.setattr(musdb, "can_be_decoded", lambda: True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "published").symlink_to(REPOSITORY / "data" / "published")
    fake_results.write_results(PROFILE)
    return tmp_path


def cells(page: str) -> list[str]:
    return [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", page)]


def words(*values, name: str = "x") -> list[str]:
    return formats.column_words(pd.DataFrame({name: list(values)}))[0]


def crowded_labels(figure) -> list[str]:
    """Labels that stick out of a figure, and those of one axis that lie over each other."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole, faults = figure.bbox.padded(1), []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [
                tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_visible()
            ]
            labels = [tick.label1 for tick in ticks if tick.label1.get_text()]
            boxes = [label.get_window_extent() for label in labels]
            shown = [*zip(labels, boxes, strict=True), (axis.label, axis.label.get_window_extent())]
            faults += [f"cut: {label.get_text()}" for label, box in shown if label.get_text() and not holds(whole, box)]
            faults += [
                f"over each other: {first.get_text()}, {second.get_text()}"
                for (first, first_box), (second, second_box) in itertools.pairwise(zip(labels, boxes, strict=True))
                if first_box.overlaps(second_box)
            ]
    return faults


def holds(outer, inner) -> bool:
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1


# ---- numbers ----


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((600.0, 1200.0), ["600", "1,200"]),
        ((405464.0, None), ["405,464", "–"]),
        ((16_000_000, 8), ["16,000,000", "8"]),
        ((13333.333333, 2.5), ["13,333", "2"]),
        ((18.200001, -3.905664), ["18.20", "-3.91"]),
        ((0.045144, 0.017), ["0.0451", "0.0170"]),
        ((-120.0, -34.375), ["-120.0", "-34.4"]),
        ((0.1, float("nan")), ["0.1", "–"]),
        ((-0.0004, 3.25), ["0.00", "3.25"]),
        (("-", "a word"), ["–", "a word"]),
        ((16, 0.001, 320_000), ["16", "0.001", "320,000"]),
        ((True, False), ["yes", "no"]),
        ((np.float32(1.5), np.int64(2)), ["1.5", "2.0"]),
        (("cosine", 0.00025), ["cosine", "0.00025"]),
    ],
)
def test_a_column_shows_the_digits_that_tell_its_numbers_apart(values, expected):
    assert words(*values) == expected


def test_an_effect_and_its_interval_have_one_number_of_decimals():
    table = pd.DataFrame({"effect": [0.0843], "low": [-0.048], "high": [0.23]})
    assert list(formats.column_words(table).values()) == [["0.08"], ["-0.05"], ["0.23"]]


@pytest.mark.parametrize(("number", "expected"), [(5e-05, "0.00005"), (0.5, "0.5"), (3.6e-07, "3.6e-07")])
def test_small_numbers_are_written_out(number, expected):
    assert formats.plain(number) == expected


def test_a_learning_rate_is_written_out_though_its_file_has_an_exponent():
    assert words("5e-05", "0.002", name="learning_rate") == ["0.00005", "0.002"]


def test_what_rounds_to_nothing_has_no_minus():
    assert [formats.signed(value) for value in (-0.0014, 0.0, -0.006)] == ["+0.00", "+0.00", "-0.01"]


def test_no_number_beside_hundreds_reads_nought_that_is_none():
    assert words(209.06, 0.0004, 1.6) == ["209.1", "0.0004", "1.6"]


def test_names_of_a_tuple_stand_without_brackets():
    assert words(("pseudo", "clean_target"), "chunk") == ["pseudo, clean_target", "chunk"]


def test_a_column_stands_to_one_side():
    table = pd.DataFrame({"name": ["a", "b", "c"], "mostly words": ["yes", "no", 30], "mostly numbers": [1, 2, "step"]})
    page = table_html.of_frame(table)
    assert '<td class="words">30</td>' in page and '<td class="number">step</td>' in page
    assert '<th scope="col">mostly words</th>' in page and '<th scope="col" class="number">mostly numbers</th>' in page


def test_short_words_stay_on_a_line_and_longer_ones_may_be_broken():
    page = table_html.of_frame(pd.DataFrame({"x": ["train-0000", "Wiener, knows the song", "a" * 30]}))
    assert re.findall(r'class="(words|phrase|text)"', page) == ["words", "phrase", "text"]


def test_a_table_begins_with_what_a_reader_looks_for():
    page = table_html.of_results(pd.DataFrame({"a": [1], "b": [2], "c": [3]}), "", Layout(hidden=("b",), first=("c",)))
    assert re.findall(r"<th[^>]*>(\w)</th>", page) == ["c", "a"]


def test_a_small_p_is_not_zero():
    assert words(0.00046, 0.0123, None, name="p") == ["< 0.001", "0.012", "–"]


def test_where_a_margin_decides_three_decimals_stand():
    table = pd.DataFrame({"claim": ["C3"], "effect": [0.0955], "margin": [0.1], "low": [0.0199], "high": [0.171]})
    page = table_html.of_results(table, "claims")
    assert cells(page)[-4:] == ["C3", "0.096", "0.100", "[0.020, 0.171]"]
    assert "| C3 | 0.096 | 0.100 | 0.020 | 0.171 |" in tables.to_markdown(table)
    assert words(0.0955, 1.0, name="effect") == ["0.10", "1.00"]  # of other tables


# ---- tables ----


def test_a_row_without_runs_brings_back_no_column_that_the_caption_says():
    table = pd.DataFrame({"claim": ["C1", "C2"], "seeds": ["0, 1", "-"], "songs": [50, 0], "effect": [0.5, None]})
    table = table.assign(source=OURS, data="songs", profile="quick")
    assert cells(table_html.of_results(table, "x"))[:2] == ["claim", "effect (dB)"]
    other = table.assign(seeds=["0, 1", "0"], songs=[50, 8])
    assert {"seeds", "songs"} <= set(cells(table_html.of_results(other, "x"))[:4])


def test_rows_of_other_sources_stand_under_headings_of_their_own_and_ours_are_marked():
    table = pd.DataFrame({"split": ["<V1>", "V7", "V4"], "usdr_mean": [1.234, None, 2.0]})
    table = table.assign(source=[OURS, "paper", OURS], data=["songs (version 1)", "MUSDB18", "songs (version 1)"])
    table = table.assign(profile=["quick", "-", "quick"], seeds=["0", "-", "0"], note=["one seed", "", ""])
    page = table_html.of_results(table, "Table I")
    assert cells(page) == ["split", "uSDR, mean (dB)", "our runs · songs · profile quick", "<V1>", "1.23", "V4", "2.00",
                           "paper · MUSDB18", "V7", "–"]  # fmt: skip
    assert re.findall(r"<tbody.*?>", page) == ['<tbody class="ours">', "<tbody>"]
    assert '<th scope="row" class="words">&lt;V1&gt;</th>' in page and '<td class="number">1.23</td>' in page
    assert '<div class="scrolls" tabindex="0" role="region" aria-label="Table I">' in page
    assert "ours" not in table_html.of_results(table[table["source"] == OURS], "x")  # they are all ours
    assert all(rule in CSS for rule in ("table.results tbody.ours", ".number {", ".scrolls", "tr.group"))


def test_words_of_neighbouring_cells_do_not_run_together_in_a_search():
    page = table_html.of_results(pd.DataFrame({"target": ["vocals"], "method": ["silence"], "chunks": [240]}), "x")
    text = re.sub(r"<[^>]*>", "", page)
    assert text.split() == ["target", "method", "chunks", "vocals", "silence", "240"]


def test_the_claims_say_their_verdict_once(finished):
    artifact = chapters.get("claims")
    page = table_html.of_results(artifact.draw(Study(PROFILE)), artifact.title, artifact.layout)
    heads = [cell for cell in cells(page) if cell in ("verdict", "our analogue", "paper's data", "statement")]
    assert sorted(heads) == ["our analogue", "paper's data"]


def test_the_ledger_is_a_card_a_detail_whose_first_line_has_what_matters(finished):
    artifact = chapters.get("open_details")
    table = artifact.draw(Study(PROFILE))
    page = table_html.of_results(table, artifact.title, artifact.layout)
    assert page.count('<details class="row-card">') == len(table) and "<table" not in page
    first = re.search(r"<summary>(.*?)</summary>", page)[1]
    assert table["detail"][0] in first and html.escape(table["our_choice"][0]) in first
    assert "<dt>test</dt><dd><code>" in page and "<dt>config key</dt><dd><code>" in page
    assert Layout(cards=("our_choice", "measured")).cards == artifact.layout.cards


def test_what_a_cell_leaves_has_the_same_look_and_no_empty_heading():
    counted = table_html.of_frame(pd.DataFrame({"split": ["V1"], "items": [600.0]}))
    assert cells(counted) == ["split", "items", "V1", "600"]
    named = table_html.of_frame(pd.DataFrame({"usdr_mean": [1.0, 2.5]}, index=["vocals", "drums"]))
    assert cells(named) == ["", "uSDR, mean (dB)", "vocals", "1.0", "drums", "2.5"]
    assert re.search(r"<th[^>]*></th>", named) is None and "<td></td>" in named
    levels = pd.DataFrame([[1.0]], columns=pd.MultiIndex.from_tuples([("vocals", "usdr")]), index=["gain"])
    assert "vocals, uSDR (dB)" in cells(table_html.of_frame(levels))


def test_no_table_of_the_registry_shows_a_raw_number_or_name(finished):
    for artifact in chapters.REGISTRY.values():
        if artifact.kind == "table" and not artifact.left_out(Study(PROFILE)):
            shown = cells(table_html.of_results(artifact.draw(Study(PROFILE)), artifact.title, artifact.layout))
            assert [cell for cell in shown if RAW.search(cell)] == [], artifact.id


def test_a_caption_has_title_words_and_source_apart():
    said = table_html.caption("What <is> shown.", "A title", "Source: our runs.")
    assert said == ("<figcaption><strong>A title.</strong> What &lt;is&gt; shown. "
                    '<span class="source">Source: our runs.</span></figcaption>')  # fmt: skip


# ---- what is drawn, and what the caption says of it ----


def test_a_caption_speaks_of_what_is_drawn_alone(finished, monkeypatch):
    about = chapters.get("finetuning").about(Study(PROFILE))
    figure = chapters.get("finetuning").draw(Study(PROFILE))
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert ("upper bound" in about) == ("true stems of the unlabelled songs" in names)
    assert ("triangle" in about) == ("student replaces teacher" in names)
    assert "interval" not in chapters.get("contrasts").about(Study(PROFILE))  # one seed has none
    settings = replace(profiles.QUICK, seeds=(0, 1), variants=("truth",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    assert "upper bound" in chapters.get("finetuning").about(Study(PROFILE))
    assert "interval" in chapters.get("contrasts").about(Study(PROFILE))


def test_no_text_of_a_figure_is_smaller_than_eleven_pixels_in_a_book_column(finished):
    column_pixels = 704  # measured at a window of 1300
    smallest = 11 / (column_pixels / (figures.WIDTH_INCHES * 72))
    for artifact in chapters.REGISTRY.values():
        if artifact.kind == "figure" and not artifact.left_out(Study(PROFILE)):
            drawn = artifact.draw(Study(PROFILE))
            texts = [
                text for text in drawn.findobj(lambda one: hasattr(one, "get_fontsize")) if text.get_text().strip()
            ]
            assert min(text.get_fontsize() for text in texts) >= smallest, artifact.id


# ---- from a figure to its runs ----


def test_no_label_of_a_figure_is_cut_off_or_lies_over_its_neighbour(finished):
    for artifact in chapters.REGISTRY.values():
        if artifact.kind != "figure" or artifact.left_out(Study(PROFILE)):
            continue
        drawn = artifact.draw(Study(PROFILE))
        assert crowded_labels(drawn) == [], artifact.id


def test_the_bars_of_the_results_have_names_that_can_be_read(finished):
    results = chapters.get("results").draw(Study(PROFILE))
    assert crowded_labels(chapters.ch08_results.score_bars(results)) == []
    target = results["target"].iloc[0]
    others = pd.DataFrame(
        {"target": target, "system": ["BSRNN", "Open-Unmix"], "usdr_mean": [9.87, 1.24], "seeds": "0, 3"}
    )
    drawn = chapters.ch08_results.score_bars(results, others)
    assert crowded_labels(drawn) == []
    first, second, *_ = drawn.axes  # the second target has no other system
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names[names.index("BSRNN") + 1] == "Open-Unmix (2 seeds)" and names.count("BSRNN") == 1
    written = [[text.get_text() for text in axes.texts if text.get_text()] for axes in (first, second)]
    assert "1.2" in written[0] and "9.9" not in written[0] and len(written[1]) == len(names) - 1


def test_millions_on_an_axis_are_written_as_such():
    figure = figures.new_figure(2)
    axes = figure.subplots()
    axes.plot([0, 1.6e7], [0, 1])
    figures.style(axes, "items", "")
    figure.draw_without_rendering()
    assert "10M" in {label.get_text() for label in axes.get_xticklabels()}
    assert axes.xaxis.get_offset_text().get_text() == ""


def test_below_a_figure_stand_its_runs_its_code_and_the_command(finished):
    study, artifact = Study(PROFILE), chapters.get("songs")
    page = trace.folded(artifact, study)
    links = re.findall(r'href="([^"]*)"', page)
    jsons = [link for link in links if link.endswith(".json")]
    assert {json.loads((finished / link).read_text())["id"] for link in jsons} == set(artifact.source.ids(study))
    source = next(link for link in links if link.startswith("source/bsrnn/report/chapters/ch06"))
    line = int(source.split("#line-")[1])
    text = (REPOSITORY / "bsrnn/report/chapters/ch06_separation_and_evaluation.py").read_text().splitlines()
    assert any("def song_by_song" in near for near in text[line - 1 : line + 2])
    assert f"<code>bsrnn artifacts --profile {PROFILE}</code>" in page and "seed 0</a>" in page
    key = runs.get(PROFILE, "vocals-s0").key
    assert f'title="key {key}"' in page


def test_a_place_that_differs_by_less_than_is_written_gives_the_same_bytes():
    drawn = []
    for shift in (0.0, 1e-13):
        figure = Figure()
        axes = [figure.add_axes((left + shift, 0.1, 0.35, 0.8)) for left in (0.1, 0.6)]
        for one in axes:
            one.plot([0, 1, 2], [1, 0, 2], marker="o")
            one.set(xticks=[], yticks=[])
        drawn.append(figures.figure_bytes(figure, "svg"))
    assert drawn[0] == drawn[1]
    named = set(re.findall(rb'id="([^"]*)"', drawn[0]))
    used = set(re.findall(rb'url\(#([^)]*)\)|xlink:href="#([^"]*)"', drawn[0]))
    used = {name for pair in used for name in pair if name}
    assert used <= named and len(re.findall(rb"url\(#(id\d+)\)", drawn[0])) >= 2
    assert len({name for name in used if name.startswith(b"id")}) == 3  # two clips and a marker


def test_a_pictures_file_says_what_it_was_drawn_from(finished):
    study, artifact = Study(PROFILE), chapters.get("songs")
    content = figures.figure_bytes(artifact.draw(study), "svg", trace.metadata(artifact, study))
    assert content == figures.figure_bytes(artifact.draw(study), "svg", trace.metadata(artifact, study))
    told = {element.tag.split("}")[1]: "".join(element.itertext()) for element in ET.fromstring(content).iter()
            if "purl.org/dc" in element.tag}  # fmt: skip
    assert told["title"].strip() == "Song by song" and "carries no claim" in told["description"]
    assert trace.of_result(runs.get(PROFILE, "vocals-s0").result_path()) in told["relation"]
    assert f"bsrnn artifacts --profile {PROFILE}" in told["source"] and "song_by_song" in told["source"]


def test_every_artifact_leads_somewhere(finished):
    for artifact in chapters.REGISTRY.values():
        if not artifact.left_out(Study(PROFILE)):
            page = trace.folded(artifact, Study(PROFILE))
            places = [link for link in re.findall(r'href="(results/[^"]*)"', page)]
            assert all((paths.root() / place).is_file() for place in places), artifact.id
            assert "source/bsrnn/report/chapters/" in page


def test_the_level_of_an_interval_is_a_percentage_that_does_not_round_to_all():
    table = pd.DataFrame({"level": [0.9958, 0.975, 0.95, None]})
    assert formats.column_words(table)[0] == ["99.6 %", "97.5 %", "95 %", formats.NOTHING]
