"""Any band split of a song's excerpt: what it costs, and what the best gain a band could do with it.

The oracle is that of the chapter on band splits with time in blocks: one real gain for a band and a block of frames,
both channels alike. For a stem S of the mixture X it needs three sums a bin f and block b,

    cross[b, f] = sum Re(conj(X) S),    power[b, f] = sum |X|^2,    energy = sum |S|^2,

each over the frames and channels of the block. A band's sums are those of its bins, its best gain is cross / power, and
what it leaves of the stem is energy - sum cross^2 / power. So these sums hold the score of every split, and a page
that carries them needs no audio. The stems add up to the mixture, so that power is the sum of their cross powers.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from bsrnn import bands, config
from bsrnn.config import ModelConfig
from bsrnn.data.songs import Song
from bsrnn.errors import DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.report.player import address
from bsrnn.study import costs

BLOCKS, BLOCK_FRAMES = 18, 12  # of 0.14 s: 2.5 s of music in 150 kB
LEVELS = 2047  # of a packed number: 12 bits with its sign, two characters of base64
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LINEAR_HZ, LINEAR_SHARE = 1000.0, 0.42  # of the picture's width: linear to 1 kHz, logarithmic above
PICTURE_PIXELS, FLOOR_DB = 640, -75.0
USERS_OF_V7 = ", ".join(target for target in config.TARGETS if bands.SCHEMES[target] == bands.SCHEMES["v7"])
LABELS = {f"v{number}": f"V{number}" for number in range(1, 7)} | {
    "v7": f"V7 (the paper's for {USERS_OF_V7})",
    "bass": "the paper's for bass",
    "drums": "the paper's for drums",
    "simo": "the replication's for all at once",
    "uniform41": "41 equal bands",
    "mel41": "41 bands on the mel scale",
    "notes41": "41 bands along the notes",
    "energy41": "41 bands of equal energy of vocals",
}


@dataclass(frozen=True)
class Sums:
    """Of an excerpt: stem -> cross power (blocks, F), and stem -> energy. level_db: of the mixture, (T, F)."""

    cross: Mapping[str, np.ndarray]
    energy: Mapping[str, float]
    level_db: np.ndarray
    start_seconds: float
    seconds: float

    @property
    def power(self) -> np.ndarray:
        """Of the mixture, (blocks, F)."""
        return np.sum(list(self.cross.values()), axis=0)


def of_song(song: Song, model: ModelConfig) -> Sums:
    """The sums of the excerpt in which all stems are heard best.

    Raises:
        DataError: the song has no stems, or is shorter than the excerpt.
    """
    samples = model.n_fft + (BLOCKS * BLOCK_FRAMES - 1) * model.hop_samples
    if not song.stems or song.frames < samples:
        raise DataError(
            f"song {song.name!r} has {len(song.stems)} stems and {song.frames} samples, expected one stem or more and "
            f"{samples} samples at least; choose another song"
        )
    stems = {name: song.read(name) for name in song.stems}
    start = _fullest(list(stems.values()), samples, song.sample_rate // 2)
    window = torch.hann_window(model.n_fft)
    spectra = {}
    for name, sound in stems.items():
        part = torch.from_numpy(sound[:, start : start + samples])
        spectrum = torch.stft(part, model.n_fft, model.hop_samples, window=window, center=False, return_complex=True)
        spectra[name] = spectrum.numpy().astype(np.complex128)  # (C, F, T)
    mixture = np.sum(list(spectra.values()), axis=0)
    cross = {name: _in_blocks((mixture.conj() * stem).real) for name, stem in spectra.items()}
    energy = {name: float(np.square(np.abs(stem)).sum()) for name, stem in spectra.items()}
    level = 10 * np.log10(np.square(np.abs(mixture)).sum(0).T + 1e-12)
    return Sums(cross, energy, level, start / song.sample_rate, samples / song.sample_rate)


def _fullest(stems: Sequence[np.ndarray], samples: int, step: int) -> int:
    """First sample of the excerpt in which the stem that is heard least, each against its own loudest, is loudest."""
    starts = np.arange(0, stems[0].shape[1] - samples + 1, step)
    shares = []
    for sound in stems:
        energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64).sum(0))])
        inside = energy[starts + samples] - energy[starts]
        if inside.max() > 0:  # a stem that rests throughout has no say
            shares.append(inside / inside.max())
    return int(starts[np.min(shares, axis=0).argmax()]) if shares else 0


def _in_blocks(values: np.ndarray) -> np.ndarray:
    """(C, F, T) -> sums (blocks, F)."""
    channels, bins, _ = values.shape
    return values.reshape(channels, bins, BLOCKS, BLOCK_FRAMES).sum((0, 3)).T


def oracle_db(sums: Sums, widths: Sequence[int]) -> dict[str, float | None]:
    """Stem -> signal to error in dB of the best gain a band and block; None where the stem rests.

    Raises:
        ConfigError: widths that do not fill the spectrum.
    """
    power = sums.power
    starts = np.cumsum([0, *bands.check_widths(widths, power.shape[1])[:-1]])
    of_bands = np.add.reduceat(power, starts, axis=1)
    scores: dict[str, float | None] = {}
    for stem, cross in sums.cross.items():
        explained = np.square(np.add.reduceat(cross, starts, axis=1)) / np.maximum(of_bands, 1e-30)
        energy = sums.energy[stem]
        left = energy - float(explained.sum())
        scores[stem] = 10 * float(np.log10(energy / max(left, 1e-9 * energy))) if energy > 0 else None
    return scores


# ---- what a split costs ----


def cost_of_bands(model: ModelConfig) -> dict[str, float]:
    """Parameters and multiply-adds for each second of stereo music of a model with K bands: ``base + band * K``.

    Both are straight lines in K: a band brings its own biases, norms and first mask layer, and its share of each
    recurrent step; what its width brings adds up to the number of bins, which is the same for every split. So the
    library's own counts of one band and of two hold the line.
    """
    bins = model.n_fft // 2 + 1
    parameters, operations = [], []
    for widths in ((bins,), (1, bins - 1)):
        split = replace(model, band_split=widths)
        with torch.device("meta"):  # shapes alone
            parameters.append(BSRNN(split).count_parameters())
        of_a_second = costs.forward_operations(split, 2.0) - costs.forward_operations(split, 1.0)
        operations.append(of_a_second / 2)  # a multiplication with its addition counts as two there
    lines: dict[str, float] = {}
    for name, (of_one, of_two) in (("parameters", parameters), ("macs", operations)):
        lines |= {f"{name}_band": of_two - of_one, f"{name}_base": 2 * of_one - of_two}
    return lines


# ---- for the page ----


def page_data(sums: Sums, model: ModelConfig, song: str) -> dict:
    """What book/_static/explore_bands.js draws; under 200 kB. ``model``: whose size the costs are of."""
    loudest = max(float(np.abs(cross).max()) for cross in sums.cross.values())
    splits = {name: bands.band_widths(name, model.n_fft, model.sample_rate) for name in LABELS}
    return {
        "song": song,
        "start_seconds": round(sums.start_seconds, 2),
        "seconds": round(sums.seconds, 2),
        "block_seconds": round(BLOCK_FRAMES * model.hop_samples / model.sample_rate, 3),
        "sample_rate": model.sample_rate,
        "n_fft": model.n_fft,
        "splits": [{"name": name, "label": LABELS[name], "widths": widths} for name, widths in splits.items()],
        "first": "v7",
        "cost": cost_of_bands(model) | {"features": model.features, "modules": model.modules},
        "axis": {"linear_hz": LINEAR_HZ, "linear_share": LINEAR_SHARE},
        "levels": LEVELS,
        "loudest": loudest,
        "blocks": BLOCKS,
        "stems": {
            stem: {"energy": sums.energy[stem], "cross": pack(cross, loudest)} for stem, cross in sums.cross.items()
        },
        "picture": _picture(sums, model),
    }


def pack(values: np.ndarray, loudest: float) -> str:
    """Signed numbers as two characters each: fourth roots in 12 bits, so that soft ones keep their digits, too.

    Rounding moves a number by a thousandth, and a score of 15 dB or less by a few hundredths of a dB at most.
    """
    roots = np.sign(values) * (np.abs(values) / max(loudest, 1e-30)) ** 0.25
    numbers = np.rint(LEVELS * roots).astype(int) + LEVELS
    return "".join(DIGITS[number // 64] + DIGITS[number % 64] for number in numbers.ravel())


def _picture(sums: Sums, model: ModelConfig) -> str:
    """The mixture's level as a JPEG, frequency to the right, time down, as a data URI."""
    from matplotlib.image import imsave

    share = (np.arange(PICTURE_PIXELS) + 0.5) / PICTURE_PIXELS
    top = model.sample_rate / 2
    above = LINEAR_HZ * (top / LINEAR_HZ) ** ((share - LINEAR_SHARE) / (1 - LINEAR_SHARE))
    hz = np.where(share < LINEAR_SHARE, LINEAR_HZ * share / LINEAR_SHARE, above)
    level = sums.level_db[:, np.minimum((hz * model.n_fft / model.sample_rate).astype(int), model.n_fft // 2)]
    buffer, loudest = io.BytesIO(), level.max()
    look = {"cmap": "magma", "vmin": loudest + FLOOR_DB, "vmax": loudest, "pil_kwargs": {"quality": 45}}
    imsave(buffer, level, format="jpg", **look)
    return address("image/jpeg", buffer.getvalue())


def table_of_splits(sums: Sums, model: ModelConfig) -> pd.DataFrame:
    """Every named split: its bands, parameters, multiply-adds and the oracle's score of each stem."""
    line, rows = cost_of_bands(model), []
    for name, label in LABELS.items():
        widths = bands.band_widths(name, model.n_fft, model.sample_rate)
        of_k = {part: line[f"{part}_base"] + line[f"{part}_band"] * len(widths) for part in ("parameters", "macs")}
        row = {"split": label, "K": len(widths), "parameters, millions": of_k["parameters"] / 1e6}
        row["multiply-adds a second, billions"] = of_k["macs"] / 1e9
        rows.append(row | {f"{stem} (dB)": score for stem, score in oracle_db(sums, widths).items()})
    return pd.DataFrame(rows)


def fallback(sums: Sums, model: ModelConfig) -> str:
    """The table of :func:`table_of_splits` as HTML, for paper and for readers without scripts."""
    look = {"classes": "results", "float_format": "{:.2f}".format, "na_rep": "–", "border": 0}
    return table_of_splits(sums, model).to_html(index=False, **look)
