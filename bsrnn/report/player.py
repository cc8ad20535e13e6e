"""What the player of book/_static/player.js is given: compressed tracks, their loudness, their spectrograms.

Every track is an MP3 of one encoder at one setting, so that all have one delay and one length: they begin together.
"""

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
import soundfile

from bsrnn.audio import files as audio
from bsrnn.report import figures, sounds

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz
COMPRESSIONS = (0.7, 0.8, 0.9)  # of libsndfile, 0 to 1, variable; the first: 100 kbit/s for a mixture, 40 for a bass
TYPICAL_BYTES = 14_000  # of a second of a track and its picture, as base64
MEGABYTES = 1.2  # of a player, unless told otherwise: a page with two stays below three
PEAK = 0.9  # of the loudest track, full scale being 1
SILENT_DB = -60.0  # mean square of what is not made louder: there is nothing to hear in it
MIXTURE_COLOUR = figures.GREY
# what stands in print and in an EPUB above the names of the tracks
WHERE_TO_HEAR = "Tracks, to be heard on this page of the book in a browser:"


def contents(
    tracks: Mapping[str, np.ndarray], sample_rate: int, title: str, megabytes: float = MEGABYTES
) -> tuple[dict, str]:
    """(data, fallback) of a player: the fullest part of the tracks, :func:`part`, at their own levels.

    Args:
        tracks: label -> (C, L), one or two channels, all of one length. sample_rate: in Hz.
        title: stands above. megabytes: about what it may weigh; many tracks are shown for fewer seconds.

    Raises:
        ValueError: no track, or tracks of unequal length.
    """
    lengths = {sound.shape[1] for sound in tracks.values()}
    if len(lengths) != 1:
        raise ValueError(f"got tracks of {sorted(lengths)} samples: expected one length, of one track or more")
    shown = part(tracks, sample_rate, megabytes)
    parts = {label: np.asarray(sound, np.float32)[:, shown] for label, sound in tracks.items()}
    if sample_rate not in MP3_RATES:
        parts = {label: audio.resample(sound, sample_rate, 44100) for label, sound in parts.items()}
        sample_rate = 44100
    peak = max(float(np.abs(sound).max(initial=0.0)) for sound in parts.values())
    scaled = {label: sound * (PEAK / peak if peak else 1.0) for label, sound in parts.items()}
    matched, levels = match_db(scaled), {label: sounds.level_db(sound.mean(0)) for label, sound in scaled.items()}
    top = max(float(level.max()) for level in levels.values())
    images = {label: address("image/jpeg", sounds.picture(level, sample_rate, top)) for label, level in levels.items()}
    seconds = next(iter(scaled.values())).shape[1] / sample_rate
    data = {
        "title": title,
        "seconds": seconds,
        "ticks": sounds.ticks(sample_rate),
        "tracks": [
            {"label": label, "colour": colour(label), "matchDb": round(matched[label], 2), "image": images[label]}
            for label in scaled
        ],
    }
    left = megabytes * 1e6 - sum(map(len, images.values()))
    return data, _fallback(title, images, compressed(scaled, sample_rate, left))


def part(tracks: Mapping[str, np.ndarray], sample_rate: int, megabytes: float = MEGABYTES) -> slice:
    """The samples that a player of these tracks has: the fullest part of the song, of :func:`seconds_shown`."""
    return sounds.fullest(tracks, sample_rate, seconds_shown(len(tracks), megabytes))


def seconds_shown(number: int, megabytes: float = MEGABYTES) -> float:
    """How long the part is of a player with so many tracks: 20 s, or as long as the megabytes hold."""
    return min(sounds.EXCERPT_SECONDS, megabytes * 1e6 / (TYPICAL_BYTES * number))


def match_db(tracks: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Gains in dB that give tracks, (C, L) within ±1, one mean square: the highest at which none is clipped.

    A track below -60 dB is as good as silent and stays as it is.
    """
    levels = {label: _mean_square_db(sound) for label, sound in tracks.items()}
    audible = {label: level for label, level in levels.items() if level > SILENT_DB}
    common = min((level - _peak_db(tracks[label]) for label, level in audible.items()), default=0.0)
    return {label: common - audible[label] if label in audible else 0.0 for label in tracks}


def _mean_square_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.square(sound, dtype=np.float64).mean() + 1e-20))


def _peak_db(sound: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(sound).max()))


def compressed(tracks: Mapping[str, np.ndarray], sample_rate: int, most_bytes: float) -> dict[str, str]:
    """Label -> address of its MP3, at the best quality with which all fit; at the least where none does."""
    addresses: dict[str, str] = {}
    for compression in COMPRESSIONS:
        contents_of = {label: mp3(sound, sample_rate, compression) for label, sound in tracks.items()}
        addresses = {label: address("audio/mpeg", content) for label, content in contents_of.items()}
        if sum(map(len, addresses.values())) <= most_bytes:
            break
    return addresses


def mp3(sound: np.ndarray, sample_rate: int, compression: float = COMPRESSIONS[0]) -> bytes:
    """(C, L) within ±1 as an MP3, of which a decoder gives back L samples from the first one on."""
    buffer = io.BytesIO()
    look = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE", "compression_level": compression}
    with soundfile.SoundFile(buffer, "w", sample_rate, len(sound), **look) as file:
        file.write(sound.T)
    return buffer.getvalue()


def address(kind: str, content: bytes) -> str:
    """Content as an address that a page carries in itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def colour(label: str) -> str:
    """Of the target that a label names."""
    return next((figures.TARGET_COLOURS[word] for word in label.split() if word in figures.TARGET_COLOURS),
                MIXTURE_COLOUR)  # fmt: skip


def _fallback(title: str, images: Mapping[str, str], addresses: Mapping[str, str]) -> str:
    """The tracks as plain players, and the spectrogram of the first. The player takes its sound from these."""
    first = next(iter(images))
    words = f"{html.escape(title)}: spectrogram of {html.escape(first)}"
    rows = [f'<figure><img alt="{words}" style="width:100%;height:160px" src="{images[first]}"/>'
            f"<figcaption>{words}</figcaption></figure>",
            f'<p class="bsrnn-unheard">{WHERE_TO_HEAR}</p>']  # fmt: skip
    for index, (label, sound) in enumerate(addresses.items()):
        name = html.escape(label)
        rows.append(f'<div><span>{name}</span><br/><audio controls="controls" preload="none" data-track="{index}" '
                    f'aria-label="{name}" src="{sound}"></audio></div>')  # fmt: skip
    return "".join(rows)
