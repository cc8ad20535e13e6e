"""Real songs with a guitar apart: two free Debian packages of the game Frets on Fire as a folder of songs.

``python -m bsrnn.data.fretsonfire FILE.deb ... --out data/guitar`` writes ``<artist> - <song>/guitar.wav`` and
``other.wav``, the layout that :mod:`bsrnn.data.songs` reads. A package holds a folder a song, with ``guitar.ogg``,
``song.ogg`` (the rest) and, in other packages of the game, ``rhythm.ogg``.

A package is unpacked by ``dpkg-deb``, or by ``bsdtar`` where there is no dpkg; they let no file out of their folder.
"""

import argparse
import configparser
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from bsrnn.audio import files as audio
from bsrnn.errors import DataError
from bsrnn.runtime import terminal
from bsrnn.runtime.files import write_json

RATE = 44100  # Hz
STEMS = {"guitar.ogg": "guitar", "song.ogg": "other", "rhythm.ogg": "rhythm"}
UNPACKING = 120  # seconds after which a package counts as damaged
SILENT = 1e-4  # RMS below which a stem counts as missing

# word in the package's song.ini -> artist, composer, licence: as the packages' copyright files give them
ARTISTS = {
    "sectoid": ("Sectoid", "Carlos Viola Iborra", "MIT-style"),
    "muldjord": ("Muldjord", "El Senator", "CC BY-SA 3.0"),
}
# SHA-256 of the packages that the committed results were computed with
PACKAGES = {
    "fretsonfire-songs-sectoid_1.dfsg-3.1_all.deb": "14c1ed3e43c1a6a80eae7698f0469a0825cd1184e441968d62df89ca418aa0b4",
    "fretsonfire-songs-muldjord_2.dfsg-2.1_all.deb": "b37adf8b08b46d4182c283e760e4f40622d83674e05803960ea1e11a92600c7b",
}
# song -> SHA-256, its first 16 digits, of guitar.ogg and song.ogg: the same whichever way they were unpacked
SONGS = {
    "Muldjord - Armygeddon": "ffa0ff9eae9d460a",
    "Muldjord - Chaos God": "c92aedc5a92f70e0",
    "Muldjord - Internal Degeneration": "b96e5abc0c94efbe",
    "Muldjord - Mutilated Mime": "32a61be50332bd7b",
    "Sectoid - Escape from chaosland": "ee07914e89b15843",
    "Sectoid - Feelings": "a433fe2e2967b36b",
    "Sectoid - Metal madness": "1c4664daf08af995",
    "Sectoid - War of freedom": "c826d342a6fbe692",
}
HOW_TO_GET = "fetch the two packages and convert them with `python -m bsrnn.data.fretsonfire`, as data/README.md says"


def convert(source: str | Path, out: str | Path) -> list[dict]:
    """Write every song of a package, or of the folder that it was unpacked into, below ``out``; what was written.

    Each song is resampled to 44.1 kHz where it is not, cut to its shortest stem, and scaled as a whole so that
    neither a stem nor their sum passes full scale: 16 bit hold it then, and no ratio of stems changes.

    Returns:
        For each song what its song.json says: name, artist, composer, licence, seconds, digest, gain.

    Raises:
        DataError: neither package nor folder, no song in it, a stem that is missing, silent or damaged.
    """
    source, written = Path(source), []
    with tempfile.TemporaryDirectory(prefix="fretsonfire-") as scratch:
        for folder in _songs(source, Path(scratch)):
            written.append(_convert(folder, Path(out)))
    if not written:
        raise DataError(f"{source}: no song in it, expected folders with guitar.ogg and song.ogg; give a package "
                        "fretsonfire-songs-*.deb, or the folder that it was unpacked into")  # fmt: skip
    return written


def check_package(path: Path) -> str:
    """Whether a package is the very one that the committed results come from, in a line."""
    with open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    if digest in PACKAGES.values():
        return f"{path.name}: checksum as recorded"
    return f"{path.name}: another checksum than the recorded ones (SHA-256 {digest}); scores may differ"


def check_song(song: dict) -> str:
    """Whether a song is the very one that the committed results come from, in a line."""
    words = {True: "as recorded", False: "not the recording that the committed results come from"}
    known = words[SONGS[song["name"]] == song["digest"]] if song["name"] in SONGS else "not among the recorded songs"
    return f"{song['name']}: {song['seconds']:.1f} s, {known}"


def require_recorded(digests: Mapping[str, str]) -> None:
    """DataError unless these songs (name -> digest) are among those that the committed results come from."""
    if other := sorted(name for name, digest in digests.items() if SONGS.get(name) != digest):
        raise DataError(f"got {', '.join(other)}: not the recordings that data.source 'guitar' stands for; make the "
                        f"folder again ({HOW_TO_GET}), or take your songs with data.source 'folder'")  # fmt: skip


# ---- a song ----


def _convert(folder: Path, out: Path) -> dict:
    """One unpacked folder into ``out``."""
    ini = _ini(folder / "song.ini")
    artist, composer, licence = _credits(ini.get("artist", folder.parent.name))
    title = ini.get("name", folder.name)
    name = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", f"{artist} - {title}").strip(" .")
    files = {stem: folder / file for file, stem in STEMS.items() if (folder / file).is_file()}
    if lacking := [file for file in ("guitar.ogg", "song.ogg") if STEMS[file] not in files]:
        raise DataError(f"song {name!r} lacks {', '.join(lacking)}, expected guitar.ogg and song.ogg; unpack it again")
    stems = {stem: audio.read(path, sample_rate=RATE) for stem, path in files.items()}  # finite, or DataError
    samples = min(stem.shape[1] for stem in stems.values())
    stems = {stem: signal[:, :samples] for stem, signal in stems.items()}
    for stem, signal in stems.items():
        if (level := float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))) < SILENT:
            raise DataError(f"song {name!r}: {files[stem].name} is silent (RMS {level:.1g}), expected sound; the file "
                            "is damaged: get the package again")  # fmt: skip
    peak = max(float(np.abs(signal).max()) for signal in (*stems.values(), sum(stems.values())))
    gain = min(1.0, 0.999 / peak)
    digest = hashlib.sha256(b"".join(files[stem].read_bytes() for stem in stems)).hexdigest()[:16]
    note = {"name": name, "artist": artist, "composer": composer, "licence": licence, "title": title,
            "seconds": samples / RATE, "digest": digest, "gain": gain}  # fmt: skip
    for stem, signal in stems.items():
        audio.write(out / name / f"{stem}.wav", gain * signal, RATE, "PCM_16")
    write_json(out / name / "song.json", note)
    return note


def _ini(path: Path) -> dict[str, str]:
    """The section [song] of a song.ini, {} where there is none or it cannot be read."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_bytes().decode("utf-8", "replace"))
    except (OSError, configparser.Error):
        return {}
    return {key: value.strip() for key, value in parser["song"].items()} if parser.has_section("song") else {}


def _credits(words: str) -> tuple[str, str, str]:
    """Artist, composer and licence; of an unknown artist the first is what song.ini says."""
    for word, credit in ARTISTS.items():
        if word in words.casefold():
            return credit
    return words, "unknown", "unknown"


# ---- packages ----


def _songs(source: Path, scratch: Path) -> Iterator[Path]:
    """Folders with guitar.ogg: of an unpacked tree as they are, of a package those that it unpacks into ``scratch``."""
    if source.is_dir():
        yield from sorted({path.parent for name in STEMS for path in source.rglob(name)})
        return
    if not source.is_file():
        raise DataError(f"{source}: no such file or folder, expected a package fretsonfire-songs-*.deb, or the folder "
                        "that it was unpacked into; check the path")  # fmt: skip
    _unpack(source, scratch)
    yield from _songs(scratch, scratch)


def _unpack(package: Path, folder: Path) -> None:
    """The files of a Debian package into ``folder``.

    Raises:
        DataError: nothing here that can unpack one, or a package that cannot be unpacked.
    """
    if shutil.which("dpkg-deb"):
        _call(package, "dpkg-deb", "-x", package, folder)
    elif shutil.which("bsdtar"):
        _call(package, "bsdtar", "-xf", package, "-C", folder, "data.tar*")  # the one archive lies in the other
        for data in folder.glob("data.tar*"):
            _call(package, "bsdtar", "-xf", data, "-C", folder)
    else:
        raise DataError(f"{package} cannot be unpacked: neither dpkg-deb nor bsdtar is here; install one (dpkg, or "
                        "libarchive), or unpack it elsewhere and give the folder instead")  # fmt: skip


def _call(package: Path, *command: str | Path) -> None:
    """Run a command; DataError with the last line that it says if it fails, or hangs (dpkg-deb on half a zstd file)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=UNPACKING)
    except subprocess.TimeoutExpired as error:
        words = f"took {command[0]} more than {UNPACKING} s"
        raise DataError(f"{package} {words}: it is damaged, get it again") from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"{package} cannot be unpacked ({words}); expected a whole Debian package: get it again")


def main(arguments: list[str] | None = None) -> int:
    """The command; 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m bsrnn.data.fretsonfire", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, nargs="+", help="fretsonfire-songs-*.deb, or what it was unpacked into")
    parser.add_argument("--out", "-o", type=Path, default=Path("data/guitar"), help="(default: data/guitar)")
    options = parser.parse_args(arguments)
    with terminal.Command("bsrnn.data.fretsonfire", terminal.ANEW) as command:
        for source in options.source:
            if source.is_file():
                print(check_package(source))
            for song in convert(source, options.out):
                print(f"  {check_song(song)}")
        print(f"`bsrnn data --data {options.out} --target guitar` checks them")
    return command.code


if __name__ == "__main__":
    sys.exit(main())
