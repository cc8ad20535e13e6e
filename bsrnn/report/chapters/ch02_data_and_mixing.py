"""The chapter on data and mixing: what the source activity detector finds in the stems of a song."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.figure import Figure

from bsrnn import activity
from bsrnn.config import ActivityConfig
from bsrnn.data.songs import Song
from bsrnn.report import figures
from bsrnn.report.figures import colour


def activity_of_stems(song: Song, settings: ActivityConfig, sections: Iterable[Mapping] = ()) -> Figure:
    """Chunk energies, threshold and salient segments of each stem; grey: sections in which it has no notes."""
    figure = figures.new_figure(1.2 * len(song.stems) + 0.4)
    chunk_seconds = activity.chunk_samples(song.sample_rate, settings) / song.sample_rate
    panels = figure.subplots(len(song.stems), 1, sharex=True, squeeze=False)[:, 0]
    for axes, stem in zip(panels, song.stems, strict=True):
        energies = activity.chunk_energies(song, stem, settings)
        levels = 20 * np.log10(energies)
        axes.step(np.arange(len(levels)) * chunk_seconds, levels, where="post", color=colour(stem), linewidth=1)
        threshold = 20 * np.log10(activity.threshold(energies, settings))
        axes.axhline(threshold, color="black", linestyle="--", linewidth=0.8)
        for start in activity.salient_chunks(energies, settings):
            span = np.array([start, start + settings.chunks]) * chunk_seconds
            axes.plot(span, [3 + 3 * (start // (settings.chunks // 2) % 2)] * 2, color="black", linewidth=2)
        for section in (section for section in sections if stem not in section["sounds"]):
            axes.axvspan(section["start"], section["end"], color="lightgrey", zorder=0)
        figures.style(axes, "", "dB of full scale", f"{stem}: threshold {threshold:.0f} dB")
    panels[-1].set_xlabel("seconds", fontsize=figures.FONT_POINTS)
    return figure
