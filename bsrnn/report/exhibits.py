"""What chapters show beside the registry's figures and tables: a trained model at work on one song.

Nothing here trains. A model comes from results/<profile>, and where it is missing the message names the command.
"""

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
import soundfile

from bsrnn import checkpoint
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.models.bsrnn import BSRNN
from bsrnn.report import plots
from bsrnn.runtime import paths
from bsrnn.study import profiles, runs
from bsrnn.study import results as finished

PLAYER_SECONDS = 4.0  # a page with a dozen players stays below a megabyte
FLOOR_DB = -80.0  # of a spectrogram, below its loudest bin


def trained_model(profile_name: str, target: str) -> BSRNN:
    """The profile's model of a target: the published half-precision copy, else the training's own weights.

    Raises:
        ConfigError: unknown profile, or a target that it does not train. MissingResult: neither is there.
    """
    base = [run for run in runs.grid(profile_name).values() if finished.is_base(run) and run.target == target]
    best = finished.best_models(profile_name).get(target)
    if not base:
        known = ", ".join(profiles.profile(profile_name).targets)
        raise ConfigError(f"profile {profile_name!r} trains no model for {target!r}: expected one of {known}")
    published = paths.results(profile_name) / "checkpoints" / target
    for folder in (published, *([best.weights_folder()] if best else []), base[0].weights_folder()):
        if (folder / checkpoint.WEIGHTS).is_file():
            return checkpoint.load(folder)
    raise MissingResult(
        f"no trained model for {target!r} in results/{profile_name}: `make reproduce PROFILE={profile_name}` trains "
        f"all, `bsrnn run {base[0].id} --profile {profile_name}` this one"
    )


def excerpt(audio: np.ndarray, sample_rate: int, seconds: float = PLAYER_SECONDS) -> slice:
    """Where a stem, (C, L), has most energy for so long: its samples as a slice, on a grid of half a second."""
    length, step = min(round(seconds * sample_rate), audio.shape[1]), sample_rate // 2
    starts = range(0, audio.shape[1] - length + 1, step)
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64).sum(0))])
    best = max(starts, key=lambda start: energy[start + length] - energy[start])
    return slice(best, best + length)


def players(sounds: Mapping[str, np.ndarray], sample_rate: int) -> None:
    """Display an audio player for each sound, (C, L), mono and all at one level; at most `PLAYER_SECONDS` of each."""
    from IPython.display import HTML, display

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
    """Display the magnitude spectrograms of sounds, (C, L), mono, below each other with one colour scale in dB."""
    figure = plots.new_figure(1.6 * len(sounds) + 0.3)
    panels = figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
    levels = {name: _level_db(np.asarray(sound, np.float32).mean(0)) for name, sound in sounds.items()}
    top = max(float(level.max()) for level in levels.values())
    for axes, (name, level) in zip(panels, levels.items(), strict=True):
        seconds = next(iter(sounds.values())).shape[1] / sample_rate
        image = axes.imshow(
            level, aspect="auto", origin="lower", cmap="magma", vmin=top + FLOOR_DB, vmax=top, interpolation="nearest",
            extent=(0, seconds, 0, sample_rate / 2000), rasterized=True,
        )  # fmt: skip
        axes.set_ylim(0, 12)  # little lies above
        plots.style(axes, "", "kHz", name)
        axes.grid(False)
    panels[-1].set_xlabel("seconds", fontsize=plots.FONT_POINTS)
    bar = figure.colorbar(image, ax=list(panels), fraction=0.03, pad=0.01)
    bar.set_label("dB", fontsize=plots.FONT_POINTS)
    bar.ax.tick_params(labelsize=plots.FONT_POINTS - 1)
    show_figure(figure, title or "Spectrograms: " + ", ".join(sounds), "jpg")  # a photograph of a kind


def _level_db(mono: np.ndarray, n_fft: int = 2048, hop_samples: int = 1024) -> np.ndarray:
    """Hann-windowed power spectrogram in dB, (F, T)."""
    mono = np.pad(mono, (0, max(0, n_fft - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, n_fft)[::hop_samples]  # (T, n_fft)
    spectrum = np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1], axis=1).T
    return 10 * np.log10(np.square(np.abs(spectrum)) + 1e-10)


def show_figure(figure, words: str, ending: str = "svg", identity: str = "") -> None:
    """Display a figure as an image with its caption, which is also its text for those who do not see it."""
    from IPython.display import HTML, display

    from bsrnn.report import markup

    data = base64.b64encode(figure_bytes(figure, ending)).decode()
    kind = {"svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg"}[ending]
    name = f' id="{identity}"' if identity else ""
    # an image, not inline SVG: two figures on one page must not share the ids of their clip paths
    image = f'<img src="data:{kind};base64,{data}" alt="{html.escape(words)}" style="max-width:100%;background:white"/>'
    display(HTML(f'<figure{name} style="margin:1em 0">{image}{markup.caption(words)}</figure>'))


def figure_bytes(figure, ending: str) -> bytes:
    """The same figure gives the same bytes: no date, no random ids."""
    import matplotlib

    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}, "jpg": None}[ending]
    with matplotlib.rc_context({"svg.hashsalt": "bsrnn", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=ending, metadata=metadata, dpi={"svg": 72, "png": 150, "jpg": 110}[ending])
    return buffer.getvalue()
