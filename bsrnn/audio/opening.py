"""Opening a file to be read, with its true length where its header has another, or that of its first part alone.

- MPEG audio: :mod:`bsrnn.audio.mpeg` walks its frames.
- Ogg (Vorbis, Opus, FLAC) may be several files joined, by its own rules; libsndfile reads the first. Of Vorbis it finds
  no place within the last page (its issue 885), so that is read from before it.
- flac that was written to a pipe does not know its length; libsndfile then takes the largest number for it. One whose
  header promises too few samples is known by the number in its last frame's header (RFC 9639, 9.1). Nor does libsndfile
  find places in a flac that has tags before it.
"""

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import soundfile

from bsrnn.audio import mpeg
from bsrnn.audio.kinds import MPEG
from bsrnn.audio.spliced import Decoder, Part, Pieces, Spliced

UNKNOWN = 1 << 62  # so many samples or more: a length that nobody knows
FLAC_LENGTH = 21  # place of the 36 bits of a flac's length, the upper 4 within this byte
FLAC_FRAME = re.compile(rb"\xff[\xf8\xf9]")  # with which a header begins; the last bit: frames of unlike lengths
FLAC_LENGTHS = {1: 192} | {code: 576 << code - 2 for code in range(2, 6)} | {code: 1 << code for code in range(8, 16)}
FLAC_TAIL = 1 << 18  # bytes at the end of a flac, in which its last frame begins: encoders make shorter ones
COUNTED = 1 << 16  # samples that are decoded at a time
PAGE = 27  # bytes of an Ogg page's header


def open_whole(path: Path) -> tuple[soundfile.SoundFile | Spliced, str]:
    """A handle that reads all of the file, and what is odd about it, in words or "".

    Raises:
        soundfile.SoundFileError, TypeError, OSError: it is no audio, or cannot be read.
    """
    status = path.stat()
    known = path.absolute(), status.st_size, status.st_mtime_ns  # what was walked once is not walked again
    if mpeg.begins(path) and (walked := _walked(*known)).parts:
        return Spliced(path, walked.parts, walked.subtype), walked.remark
    if path.suffix.lower() in MPEG and (error := _unknown(path, status.st_size)):
        if (walked := _walked(*known)).parts:  # after bytes that are no frames
            return Spliced(path, walked.parts, walked.subtype), walked.remark
        raise error
    handle = soundfile.SoundFile(system_path(path))
    if handle.format == "RAW":  # taken for sound by the ending of its name alone
        handle.close()
        raise TypeError("no header")
    if "MPEG_LAYER" in handle.subtype and (walked := _walked(*known)).parts:  # in a wav
        parts, remark = walked.parts, walked.remark
    elif handle.format == "OGG":
        parts, remark = _ogg_parts(*known)
    elif handle.format == "FLAC" and (
        not _begins_with(path, b"fLaC") or not _flac_reaches(*known) <= handle.frames < UNKNOWN
    ):
        parts, remark = _flac_parts(*known), ""
    else:
        return handle, ""
    subtype = handle.subtype
    handle.close()
    return Spliced(path, parts, subtype), remark


def system_path(path: Path) -> bytes | str:
    """The path as libsndfile opens it: names need not be UTF-8, but on Windows they are text."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def _begins_with(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(mark)) == mark


def _unknown(path: Path, size: int) -> soundfile.SoundFileError | None:
    """What libsndfile says of a file by its content; by an ending such as .mp3 it would try, and complain."""
    try:
        with Pieces(path, Part(((0, size),), 0, 0, 0)) as content, Decoder(content):
            return None
    except soundfile.SoundFileError as error:
        return error


@lru_cache(maxsize=4096)
def _walked(path: Path, size: int, modified: int) -> mpeg.Walked:
    return mpeg.walk(path)


@lru_cache(maxsize=4096)
def _ogg_parts(path: Path, size: int, modified: int) -> tuple[tuple[Part, ...], str]:
    """The Ogg files that lie in a file one after the other, mostly one, and what is odd about them."""
    pages = list(_ogg_pages(path, size))
    starts = [index for index, page in enumerate(pages) if page.begins and not (index and pages[index - 1].begins)]
    found = []
    for start, stop in zip(starts, [*starts[1:], len(pages)], strict=True):
        piece = pages[start].place, pages[stop].place if stop < len(pages) else size
        unknown = Part((piece,), 0, 0, 0)
        with Pieces(path, unknown) as content, Decoder(content) as decoder:
            before_last = max((page.samples for page in pages[start : stop - 1]), default=0)
            found.append(Part((piece,), decoder.frames, decoder.samplerate, decoder.channels, surely=before_last))
    if len(found) > 1:
        return tuple(found), f"{len(found)} files joined, and all are taken"
    whole = any(page.ends for page in pages)
    frames = found[0].frames
    return tuple(found), "" if whole else f"it has no last page and may be cut off; {frames} samples are taken"


class Page(NamedTuple):
    """Of an Ogg file: its first byte, whether a stream begins or ends with it, and the samples up to its end."""

    place: int
    begins: bool
    ends: bool
    samples: int


def _ogg_pages(path: Path, size: int) -> Iterator[Page]:
    place = 0
    with open(path, "rb") as handle:
        while place + PAGE <= size:
            handle.seek(place)
            head = handle.read(PAGE)
            if head[:4] != b"OggS":
                return
            yield Page(place, bool(head[5] & 2), bool(head[5] & 4), int.from_bytes(head[6:14], "little", signed=True))
            place += PAGE + head[26] + sum(handle.read(head[26]))


@lru_cache(maxsize=4096)
def _flac_parts(path: Path, size: int, modified: int) -> tuple[Part, ...]:
    """A flac without the tags before it, and with the length that it has when it is decoded to its end."""
    with open(path, "rb") as file:
        start = mpeg.tags_end(file, size)
        file.seek(start)
        head = file.read(FLAC_LENGTH + 5)
    rest = start + len(head), size
    with Pieces(path, Part((head, rest), 0, 0, 0)) as content, Decoder(content) as decoder:
        samples, rate, channels = decoder.frames, decoder.samplerate, decoder.channels
    if not _flac_reaches(path, size, modified) <= samples < UNKNOWN:
        with Pieces(path, Part((_flac_head(head, 0), rest), 0, 0, 0)) as content, Decoder(content) as decoder:
            samples = sum(iter(lambda: len(decoder.read(COUNTED, dtype="float32")), 0))
    return (Part((_flac_head(head, samples), rest), samples, rate, channels),)


def _flac_head(head: bytes, samples: int) -> bytes:
    """The beginning of a flac that promises so many samples; 0: it does not know how many."""
    upper = head[FLAC_LENGTH] & 0xF0 | samples >> 32
    return head[:FLAC_LENGTH] + bytes([upper]) + (samples & 0xFFFFFFFF).to_bytes(4, "big")


@lru_cache(maxsize=4096)
def _flac_reaches(path: Path, size: int, modified: int) -> int:
    """The samples of a flac up to the end of its last frame, by that frame's own header; 0 where none is found."""
    with open(path, "rb") as file:
        file.seek(mpeg.tags_end(file, size) + 10)
        usual = int.from_bytes(file.read(2), "big")  # samples of each frame but the last, where all are alike
        file.seek(max(0, size - FLAC_TAIL))
        tail = file.read()
    for found in reversed(list(FLAC_FRAME.finditer(tail))):
        header = tail[found.start() : found.start() + 16]
        if len(header) < 6:
            continue
        coded = 8 - (header[4] ^ 0xFF).bit_length()  # bytes of the frame's number, spelt as in UTF-8
        place = 4 + (coded or 1)  # of what else is spelt out: the frame's length, the rate
        code, rate = header[2] >> 4, header[2] & 15
        spelt = {6: 1, 7: 2}.get(code, 0)
        end = place + spelt + {12: 1, 13: 2, 14: 2}.get(rate, 0)
        if end < len(header) and _crc8(header[:end]) == header[end]:
            number = header[4] & 0x7F >> coded
            for byte in header[5:place]:
                number = number << 6 | byte & 0x3F
            length = int.from_bytes(header[place : place + spelt], "big") + 1 if spelt else FLAC_LENGTHS.get(code, 0)
            return (number if header[1] & 1 else number * usual) + length
    return 0


def _crc8(data: bytes) -> int:
    """The check that ends a flac frame's header."""
    check = 0
    for byte in data:
        check ^= byte
        for _ in range(8):
            check = (check << 1 ^ 0x07 * (check >> 7)) & 0xFF
    return check
