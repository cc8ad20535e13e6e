"""What a notebook calls: show a figure, a table, a verdict, a sound, each with its caption. Nothing here trains.

A notebook that imports this module also shows the tables of its cells in the look of all others, see :func:`use_look`.
"""

import html
import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import HTML, Markdown, display

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.report import chapters, claim_findings, claims, figures, findings, levels, stamps, table_html, trace, widgets
from bsrnn.report.player import MEGABYTES, address, contents
from bsrnn.report.player import part as part
from bsrnn.report.sounds import FLOOR_DB, level_db
from bsrnn.report.sounds import tracks as tracks
from bsrnn.study import profiles
from bsrnn.study.results import Study

VERDICT_WORDS = "[what the verdicts mean](terms.html#term-margin)"
LARGEST_FIRST = ("paper", "recommended", "small", "previews", "quick", "tiny")


def resolve_profile(name: str = "auto") -> str:
    """The profile whose results are shown: ``name``, or for "auto" BSRNN_PROFILE, else the largest complete one.

    Raises:
        ConfigError: unknown profile. MissingResult: none is complete; the message names the command.
    """
    if name == "auto":
        complete = (largest for largest in LARGEST_FIRST if Study(largest).complete)
        name = os.environ.get("BSRNN_PROFILE") or next(complete, "")
    if not name:
        raise MissingResult("no profile has all its results: `make reproduce` computes those of the profile quick")
    return profiles.profile(name).name


def banner(profile_name: str, more: str = "") -> None:
    """What all that stands on the page comes from, once and at its top. more: of this page alone."""
    words = "; ".join(filter(None, [stamps.banner(profiles.profile(profile_name)), more]))
    display(HTML(f'<p class="banner">{html.escape(words[0].upper() + words[1:])}.</p>'))


def artifact(artifact_id: str, profile_name: str) -> None:
    """A figure or table of the registry with its caption; one line instead where the profile does not have it."""
    shown, study = chapters.get(artifact_id), Study(profile_name)
    if shown.left_out(study):
        words = f"{shown.title}: not in profile {study.profile.name} ({shown.source.lacks(study)})."
        display(HTML(f'<p class="left-out">{html.escape(words)}</p>'))
        return
    drawn, about = shown.draw(study), shown.about(study)
    below = table_html.caption(about, shown.title, shown.source.stamp(study, claim=False)) + trace.folded(shown, study)
    if shown.kind == "figure":
        body = _picture(drawn, f"{shown.title}. {about}", "svg")
    else:
        body = table_html.of_results(drawn, shown.title, shown.layout)
    _shown(body, below, shown.id)


def finding(artifact_id: str, profile_name: str) -> None:
    """What an artifact says, in sentences made from its table; nothing where the profile lacks it or its results."""
    shown, study = chapters.get(findings.TABLES.get(artifact_id, artifact_id)), Study(profile_name)
    try:
        words = "" if shown.left_out(study) else findings.FINDINGS[artifact_id](shown.draw(study))
    except MissingResult:
        return
    said(words)


def figure(drawn, words: str, ending: str = "svg", identity: str = "") -> None:
    """A figure as an image with its caption, which is also its text for those who do not see it."""
    _shown(_picture(drawn, words, ending), table_html.caption(words), identity)


def table(drawn: pd.DataFrame, words: str, identity: str) -> None:
    """A table with its caption; a wide one scrolls."""
    _shown(table_html.of_results(drawn, words), table_html.caption(words), identity)


def use_look() -> None:
    """Let a notebook show every DataFrame that a cell ends with as :func:`bsrnn.report.table_html.of_frame` does."""
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, table_html.of_frame)
        shell.display_formatter.formatters["text/html"].for_type(
            pd.Series, lambda series: table_html.of_frame(series.to_frame(series.name or ""))
        )


def _picture(drawn, words: str, ending: str) -> str:
    kind = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}[ending]
    source = address(kind, figures.figure_bytes(drawn, ending))
    # an image, not inline SVG: two figures on one page must not share the ids of their clip paths
    image = f'<img src="{source}" alt="{html.escape(words)}"/>'
    return table_html.scrolling(image, words.split(". ")[0])


def _shown(body: str, below: str, identity: str) -> None:
    name = f' id="{identity}"' if identity else ""
    display(HTML(f'<figure{name} class="shown">{body}{below}</figure>'))


# ---- claims ----


def overview(profile_name: str) -> None:
    """The primary contrasts in two columns, with where they come from. Raises MissingResult: a run without a result."""
    study = Study(profile_name)
    said(levels.how_good(study))
    body = table_html.of_results(claims.overview(study), "The paper's claims")
    shown = chapters.get("claims")
    words = table_html.caption(claims.beside(study), "The paper's claims", shown.source.stamp(study))
    _shown(body, words + trace.folded(shown, study), "overview")
    finding("claims_csdr", profile_name)


def said(words: str) -> None:
    """Sentences whose numbers were made from results, as text of the page; nothing for none."""
    if words:
        display(Markdown(words))


def verdict(profile_name: str, *ids: str) -> None:
    """The two verdicts of some claims, at the end of a chapter, and what cSDR says otherwise.

    Raises:
        ConfigError: unknown claim. MissingResult: a run without a result.
    """
    rows, other_score = _of_claims(profile_name, ids), chapters.get("claims_csdr").draw(Study(profile_name))
    for name, row in rows.iterrows():
        difference = claims.difference_words(row)
        measured = f" Measured difference ({row.contrast}): {difference}." if difference else ""
        words = f"**{name}. {row.statement}** On the paper's data: *{row.paper_data}*. Our analogue ({row['data']}, "
        words += f"profile {row.profile}): *{row.our_analogue}* ({row.reason}).{measured}"
        display(Markdown(words))
        said(claim_findings.by_csdr(other_score[other_score["claim"] == name]))


def _of_claims(profile_name: str, ids: Sequence[str]) -> pd.DataFrame:
    """The rows of some claims in the table of claims, without secondary ones that are the primary one."""
    rows = claims.table(Study(profile_name)).set_index("claim")
    known = [claim.id for claim in claims.CLAIMS]
    if unknown := [name for name in ids if name not in known]:
        raise ConfigError(f"unknown claim {', '.join(unknown)}: expected {', '.join(known)}")
    return rows.loc[[name for name in ids if name in rows.index]]


def outcome(profile_name: str, *ids: str) -> None:
    """At the top of a chapter, what came of some claims, in a line each; nothing where their runs have no results yet.

    Raises:
        ConfigError: unknown claim.
    """
    try:
        rows = _of_claims(profile_name, ids)
    except MissingResult:
        return
    lines = [f"- **{name}.** {row.statement} {claims.outcome_words(row)}." for name, row in rows.iterrows()]
    source = f"profile {rows['profile'].iloc[0]}, {rows['data'].iloc[0]}"
    said("\n".join([f"**What came of it** ({source}; {VERDICT_WORDS}):", "", *lines]))


# ---- sounds ----


def player(heard: Mapping[str, np.ndarray], sample_rate: int, title: str, megabytes: float = MEGABYTES) -> None:
    """One player for several tracks, label -> (C, L) of a song: they start together and switch at the same sample.

    It has the fullest part of the song (:func:`part`), in stereo, compressed. :func:`tracks` lays a song out for it.

    Raises:
        ValueError: no track, or tracks of unequal length. ConfigError: no clone, whose book has the player's script.
    """
    widgets.show("player", *contents(heard, sample_rate, title, megabytes))


def spectrograms(sounds: Mapping[str, np.ndarray], sample_rate: int, title: str = "") -> None:
    """The magnitude spectrograms of sounds, (C, L), mono, below each other with one colour scale in dB."""
    drawn = figures.new_figure(1.6 * len(sounds) + 0.3)
    panels = drawn.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    levels = {name: level_db(np.asarray(sound, np.float32).mean(0)) for name, sound in sounds.items()}
    top = max(float(level.max()) for level in levels.values())
    seconds = next(iter(sounds.values())).shape[1] / sample_rate
    for axes, (name, level) in zip(panels, levels.items(), strict=True):
        image = axes.imshow(
            level, aspect="auto", origin="lower", cmap="magma", vmin=top + FLOOR_DB, vmax=top, interpolation="nearest",
            extent=(0, seconds, 0, sample_rate / 2000), rasterized=True,
        )  # fmt: skip
        axes.set_ylim(0, 12)  # little lies above
        figures.style(axes, "", "kHz", name)
        axes.grid(False)
    panels[-1].set_xlabel("seconds", fontsize=figures.FONT_POINTS)
    bar = drawn.colorbar(image, ax=list(panels), fraction=0.03, pad=0.01)
    bar.set_label("dB", fontsize=figures.FONT_POINTS)
    bar.ax.tick_params(labelsize=figures.SMALL_POINTS)
    figure(drawn, title or "Spectrograms: " + ", ".join(sounds), "jpg")  # a photograph of a kind


use_look()
