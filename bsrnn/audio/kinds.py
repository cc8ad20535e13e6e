"""Kinds of audio files by their endings: what is read, what is written, and what another program must convert first."""

import shlex
from pathlib import Path

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}  # that are written
READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".bwf", ".caf", ".mp1", ".mp2", ".mpa",
            ".mpga", ".oga", ".opus", ".rf64", ".snd", ".voc", ".w64", ".wave")  # fmt: skip
KINDS = "wav, flac, ogg, opus, mp3, aiff, ..."
# sound that libsndfile does not read, and ffmpeg does
UNREAD = (".3gp", ".aac", ".ac3", ".alac", ".amr", ".ape", ".asf", ".avi", ".dff", ".dsf", ".dts", ".eac3", ".flv",
          ".m4a", ".m4b", ".m4p", ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpc", ".ra", ".rm", ".spx", ".tak", ".tta",
          ".webm", ".weba", ".wma", ".wmv", ".wv")  # fmt: skip
MPEG = (".mp1", ".mp2", ".mp3", ".mpa", ".mpga")


def to_wav(path: Path) -> str:
    """The command that makes a wav of a file, beside it."""
    new = path.with_name(f"{path.stem}{'-new' * (path.suffix.lower() == '.wav')}.wav")
    old, made = (shlex.quote(f"./{name}" if str(name).startswith("-") else str(name)) for name in (path, new))
    return f"ffmpeg -i {old} {made}"
