"""MPEG audio (mp3, mp2, mp1) walked frame by frame: how long it truly is, and what in the file is sound.

Such a file has no length of its own. libsndfile takes that of the first frame's Xing or Info tag, or guesses it from
the size of the file and of the first frame; of joined files, of one with a wrong tag and of one with neither tag nor
constant rate it then reads too little, or asks for more than is there. Here every frame's header is read instead.

A tag begins what an encoder wrote, so joined files are parts, each with an encoder's delay and padding of its own; they
are cut off as its tag says. Where a tag promises another number of frames than there are, its padding is not trusted.
Without a tag nothing is cut off, as ffmpeg does it. Frames of free format are not known here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from bsrnn.audio.spliced import Part

RATES = (44100, 48000, 32000)  # Hz, of MPEG 1; MPEG 2 has half, MPEG 2.5 a quarter
KBITS = {  # a second, by index; rows: (MPEG 1?, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
DECODER_DELAY = 529  # samples that a layer III decoder adds to the encoder's delay
BLOCK, FEW = 1 << 20, 1 << 12  # bytes that are read at a time, and to look at a file's beginning alone
TAG_BYTES = 192  # of a frame, within which a tag and its numbers lie


class Header(NamedTuple):
    """What the four bytes at a frame's beginning say."""

    size: int  # bytes of the frame
    samples: int  # a channel
    sample_rate: int
    channels: int
    layer: int
    mpeg1: bool

    @property
    def kind(self) -> tuple[int, int, int, bool]:
        """What stays alike in one stream."""
        return self.sample_rate, self.channels, self.layer, self.mpeg1


@lru_cache(maxsize=4096)
def header(four: bytes) -> Header | None:
    """Of four bytes; None if no frame begins so."""
    bits = int.from_bytes(four, "big")
    version, layer, rate = bits >> 19 & 3, 4 - (bits >> 17 & 3), bits >> 10 & 3
    bitrate, padding, mono = bits >> 12 & 15, bits >> 9 & 1, bits >> 6 & 3 == 3
    if len(four) < 4 or bits >> 21 != 0x7FF or version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    mpeg1 = version == 3
    hertz = RATES[rate] // (1 if mpeg1 else 2 if version == 2 else 4)
    per_second = KBITS[mpeg1, layer][bitrate - 1] * 1000
    if layer == 1:
        size, samples = (12 * per_second // hertz + padding) * 4, 384
    else:
        samples = 1152 if layer == 2 or mpeg1 else 576
        size = samples // 8 * per_second // hertz + padding
    return Header(size, samples, hertz, 1 if mono else 2, layer, mpeg1)


class Tag(NamedTuple):
    """A Xing, Info or VBRI tag: the frames that it promises, and the samples at both ends that are no sound."""

    frames: int | None
    delay: int = 0
    padding: int = 0


def tag(frame: bytes, head: Header) -> Tag | None:
    """Of the first frame's bytes; None if it is a frame of sound."""
    if head.layer != 3:
        return None
    if frame[36:40] == b"VBRI":
        return Tag(int.from_bytes(frame[50:54], "big"))
    place = 4 + ((32, 17) if head.mpeg1 else (17, 9))[head.channels == 1]
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[place + 4 : place + 8], "big")
    frames = int.from_bytes(frame[place + 8 : place + 12], "big") if flags & 1 else None
    encoder = place + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    if len(frame) < encoder + 24 or not frame[encoder]:
        return Tag(frames)
    ends = int.from_bytes(frame[encoder + 21 : encoder + 24], "big")
    return Tag(frames, (ends >> 12) + DECODER_DELAY, max(0, (ends & 0xFFF) - DECODER_DELAY))


@dataclass
class Stream:
    """Frames of one kind, as one encoder wrote them."""

    head: Header
    tag: Tag | None
    runs: list[list[int]] = field(default_factory=list)  # first byte, one past the last
    frames: int = 0
    first: tuple[int, int] = (0, 0)  # bytes of the first frame
    largest: int = 0  # bytes of a frame
    cut: bool = False  # the file ends within a frame

    def add(self, place: int, head: Header) -> None:
        if not self.frames:
            self.first = place, place + head.size
        if self.runs and self.runs[-1][1] == place:
            self.runs[-1][1] += head.size
        else:
            self.runs.append([place, place + head.size])
        self.frames += 1
        self.largest = max(self.largest, head.size)

    @property
    def promised(self) -> int | None:
        """Frames that the tag promises; None without; some tags count themselves."""
        frames = self.tag and self.tag.frames
        return self.frames if frames == self.frames + 1 and not self.cut else frames

    def part(self) -> Part:
        """What a decoder gets.

        The first frame follows again and again, so that the length which libsndfile guesses is beyond the true one:
        it would give no sample beyond its guess, and these are never asked for.
        """
        delay, padding = (self.tag.delay, self.tag.padding) if self.tag else (0, 0)
        if self.promised not in (None, self.frames):
            padding = 0
        total = self.frames * self.head.samples
        skip = min(delay, total - 1)
        return Part(
            pieces=tuple((first, stop) for first, stop in self.runs),
            frames=max(1, total - skip - padding),
            skip=skip,
            sample_rate=self.head.sample_rate,
            channels=self.head.channels,
            repeated=self.first,
            beyond=self.largest * (self.frames + 2),
        )


@dataclass(frozen=True)
class Walked:
    """What lies in a file: its parts, one after the other, and in words what its headers say differently, or ""."""

    parts: tuple[Part, ...]
    remark: str
    layer: int = 3

    @property
    def subtype(self) -> str:
        """soundfile's name."""
        return f"MPEG_LAYER_{'I' * self.layer}"


def begins(path: Path) -> bool:
    """Whether a file begins with a frame, or with tags and then one.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as handle:
        size = path.stat().st_size
        place, window = tags_end(handle, size), _Window(handle, size, FEW)
        head = header(window(place, 4))
        return head is not None and _goes_on(window, place, head)


def tags_end(handle: BinaryIO, size: int) -> int:
    """Place of the first byte after the tags that a file begins with, and after the zeros that fill them up."""
    window, place = _Window(handle, size, FEW), 0
    while (end := _tag_end(window, place)) > place:
        place = end
    while place and window(place, 1) == b"\0":
        place += 1
    return place


def walk(path: Path) -> Walked:
    """Every frame of a file of MPEG audio; no parts where it has none.

    Raises:
        OSError: the file cannot be read.
    """
    streams: list[Stream] = []
    strange = 0  # bytes between frames that are neither frames nor tags
    with open(path, "rb") as handle:
        window = _Window(handle, path.stat().st_size)
        end = 0  # of the frame before
        for place, head in _frames(window):
            if streams:
                strange += _untagged(window, end, place)
            end = place + head.size
            if found := tag(window(place, min(head.size, TAG_BYTES)), head):
                streams.append(Stream(head, found))
                continue
            if not streams or head.kind != streams[-1].head.kind:
                streams.append(Stream(head, None))
            streams[-1].add(place, head)
        if streams and (rest := header(window(end, 4))):
            streams[-1].cut = rest.kind == streams[-1].head.kind
    streams = [stream for stream in streams if stream.frames]
    layer = streams[0].head.layer if streams else 3
    return Walked(tuple(stream.part() for stream in streams), _remark(streams, strange), layer)


def _remark(streams: list[Stream], strange: int) -> str:
    parts = [stream.part() for stream in streams]
    words, total = [], sum(part.frames for part in parts)
    first = streams[0] if streams else None
    if len(streams) > 1:
        words.append(f"{len(streams)} files joined, its first header promises {parts[0].frames} samples")
    elif first and first.tag and first.promised is not None and first.promised != first.frames:
        promised = first.promised * first.head.samples - first.tag.delay - first.tag.padding
        words.append(f"its header promises {max(promised, 0)} samples")
    if words:
        words.append(f"it holds {total}, which are taken")
    if streams and streams[-1].cut:
        words.append("it ends within a frame, which is left out")
    if strange:
        words.append(f"{strange} bytes amid its sound are no MPEG audio and are left out: it may be damaged")
    return "; ".join(words)


class _Window:
    """Bytes at any place of a file, read in blocks."""

    def __init__(self, handle: BinaryIO, size: int, block_bytes: int = BLOCK):
        self.handle, self.size, self.block_bytes = handle, size, block_bytes
        self.first, self.block = 0, b""

    def __call__(self, place: int, count: int) -> bytes:
        at = place - self.first
        if at < 0 or at + count > len(self.block):
            self.handle.seek(place)
            self.first, self.block, at = place, self.handle.read(max(self.block_bytes, count)), 0
        return self.block[at : at + count]


def _frames(window: _Window) -> Iterator[tuple[int, Header]]:
    """Place and header of every whole frame; what a frame is not is passed over."""
    place, kind = 0, None
    while place + 4 <= window.size:
        head = header(window(place, 4))
        if head and place + head.size <= window.size and (head.kind == kind or _goes_on(window, place, head)):
            yield place, head
            place, kind = place + head.size, head.kind
        else:  # after what is no frame, a frame is one if another follows
            place, kind = _next_place(window, place), None


def _goes_on(window: _Window, place: int, head: Header) -> bool:
    """Whether a frame of the same kind, a tag or the end of the file follows."""
    place += head.size
    following = header(window(place, 4))
    return bool(following and following.kind == head.kind) or place == window.size or _tag_end(window, place) > place


def _next_place(window: _Window, place: int) -> int:
    """Where a frame may begin, after this place."""
    if (end := _tag_end(window, place)) > place:
        return end
    there = re.compile(rb"\xff|ID3|TAG|APETAGEX").search(window(place + 1, 1 << 12))
    return place + 1 + (there.start() if there else (1 << 12) - 8)


def _tag_end(window: _Window, place: int) -> int:
    """One past the last byte of a tag that begins here (ID3, APE), or ``place``."""
    start = window(place, 32)
    if start[:3] == b"ID3" and len(start) >= 10 and max(start[6:10]) < 128:
        size = sum(byte << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
        return place + 10 + size + 10 * bool(start[5] & 16)
    if start[:3] == b"TAG":
        return place + 128
    if start[:8] == b"APETAGEX" and len(start) == 32:  # its first 32 bytes, or, where no others follow, its last
        begins = int.from_bytes(start[20:24], "little") & 1 << 29
        return place + 32 + (int.from_bytes(start[12:16], "little") if begins else 0)
    return place


def _untagged(window: _Window, place: int, stop: int) -> int:
    """Bytes from ``place`` to ``stop`` that belong to no tag."""
    while place < stop and (end := _tag_end(window, place)) > place:
        place = end
    return max(0, stop - place)
