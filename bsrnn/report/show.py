"""What a notebook calls: show a figure, a table, a verdict, a sound, each with its caption. Nothing here trains."""

import base64
import html
import io
import os
from collections.abc import Mapping

import numpy as np
import pandas as pd
import soundfile
from IPython.display import HTML, Markdown, display

from bsrnn.errors import ConfigError, MissingResult
from bsrnn.report import chapters, claims, figures, stamps, tables
from bsrnn.study import profiles
from bsrnn.study.results import Results, Study

LARGEST_FIRST = ("paper", "recommended", "small", "previews", "quick", "tiny")
PLAYER_SECONDS = 4.0  # a page with a dozen players stays below a megabyte
FLOOR_DB = -80.0  # of a spectrogram, below its loudest bin


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


def artifact(artifact_id: str, profile_name: str) -> None:
    """A figure or table of the registry with its caption; one line instead where the profile does not have it."""
    shown, study = chapters.get(artifact_id), Study(profile_name)
    if reason := shown.left_out(study):
        display(Markdown(reason))
    elif shown.kind == "figure":
        figure(shown.draw(study), shown.caption(study), identity=shown.id)
    else:
        table(shown.draw(study), shown.caption(study), identity=shown.id)


def figure(drawn, words: str, ending: str = "svg", identity: str = "") -> None:
    """A figure as an image with its caption, which is also its text for those who do not see it."""
    data = base64.b64encode(figures.figure_bytes(drawn, ending)).decode()
    kind = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}[ending]
    # an image, not inline SVG: two figures on one page must not share the ids of their clip paths
    image = f'<img src="data:{kind};base64,{data}" alt="{html.escape(words)}" style="max-width:100%;background:white"/>'
    _with_caption(image, words, identity)


def table(drawn: pd.DataFrame, words: str, identity: str) -> None:
    """A table with its caption; a wide one scrolls."""
    _with_caption(f'<div style="overflow-x:auto">{tables.to_html(drawn, identity)}</div>', words, identity)


def _with_caption(body: str, words: str, identity: str) -> None:
    name = f' id="{identity}"' if identity else ""
    display(HTML(f'<figure{name} style="margin:1em 0">{body}{tables.caption_html(words)}</figure>'))


# ---- claims ----


def overview(profile_name: str) -> None:
    """The primary contrasts in two columns, with where they come from. Raises MissingResult: a run without a result."""
    results = Results(Study(profile_name).deciding, claims.ROLES)
    words = f"The paper's claims. {claims.beside(results)} {stamps.stamp(results)}"
    table(claims.overview(results), words, "overview")


def verdict(profile_name: str, *ids: str) -> None:
    """The two verdicts of some claims, at the end of a chapter.

    Raises:
        ConfigError: unknown claim. MissingResult: a run without a result.
    """
    rows = claims.table(Results(Study(profile_name).deciding, claims.ROLES)).set_index("claim")
    if unknown := [name for name in ids if name not in rows.index]:
        raise ConfigError(f"unknown claim {', '.join(unknown)}: expected {', '.join(rows.index)}")
    for name in ids:
        row = rows.loc[name]
        measured = "" if pd.isna(row.effect) else f" Measured difference: {row.effect:+.2f} dB"
        measured += "" if pd.isna(row.low) else f" [{row.low:+.2f}, {row.high:+.2f}]"
        measured += f" ({row.contrast})." if measured else ""
        words = f"**{name}. {row.statement}** On the paper's data: *{row.paper_data}*. Our analogue ({row['data']}, "
        words += f"profile {row.profile}): *{row.our_analogue}* ({row.reason}).{measured}"
        display(Markdown(words))


# ---- sounds ----


def excerpt(audio: np.ndarray, sample_rate: int, seconds: float = PLAYER_SECONDS) -> slice:
    """Where a stem, (C, L), has most energy for so long: its samples as a slice, on a grid of half a second."""
    length, step = min(round(seconds * sample_rate), audio.shape[1]), sample_rate // 2
    starts = range(0, audio.shape[1] - length + 1, step)
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64).sum(0))])
    best = max(starts, key=lambda start: energy[start + length] - energy[start])
    return slice(best, best + length)


def players(sounds: Mapping[str, np.ndarray], sample_rate: int) -> None:
    """An audio player for each sound, (C, L), mono and all at one level; at most `PLAYER_SECONDS` of each."""
    length = round(PLAYER_SECONDS * sample_rate)
    mono = {name: np.asarray(sound, np.float32)[:, :length].mean(0) for name, sound in sounds.items()}
    peak = max((float(np.abs(sound).max()) for sound in mono.values() if sound.size), default=0.0)
    rows = []
    for name, sound in mono.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, 0.9 * sound / peak if peak else sound, sample_rate, format="MP3")
        data, label = base64.b64encode(buffer.getvalue()).decode(), html.escape(name)
        rows.append(
            f'<div style="margin:0.3em 0"><span style="display:inline-block;width:16em">{label}</span>'
            f'<audio controls aria-label="{label}" style="vertical-align:middle;max-width:100%" '
            f'src="data:audio/mpeg;base64,{data}"></audio></div>'
        )
    display(HTML("".join(rows)))


def spectrograms(sounds: Mapping[str, np.ndarray], sample_rate: int, title: str = "") -> None:
    """The magnitude spectrograms of sounds, (C, L), mono, below each other with one colour scale in dB."""
    drawn = figures.new_figure(1.6 * len(sounds) + 0.3)
    panels = drawn.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    levels = {name: _level_db(np.asarray(sound, np.float32).mean(0)) for name, sound in sounds.items()}
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
    bar.ax.tick_params(labelsize=figures.FONT_POINTS - 1)
    figure(drawn, title or "Spectrograms: " + ", ".join(sounds), "jpg")  # a photograph of a kind


def _level_db(mono: np.ndarray, n_fft: int = 2048, hop_samples: int = 1024) -> np.ndarray:
    """Hann-windowed power spectrogram in dB, (F, T)."""
    mono = np.pad(mono, (0, max(0, n_fft - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, n_fft)[::hop_samples]  # (T, n_fft)
    spectrum = np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1], axis=1).T
    return 10 * np.log10(np.square(np.abs(spectrum)) + 1e-10)
