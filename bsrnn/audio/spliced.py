"""Files that a decoder has to get in parts: what is put together from them reads as one file.

A part is a stretch of the file, or several, that libsndfile takes for a file of its own. Decoders see it through a
virtual file, so nothing is copied and memory does not grow.
"""

import io
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import soundfile

PIECE = 1 << 16  # samples that are decoded at a time, to get to others
BUFFER = 1 << 16  # bytes that are read at a time


@dataclass(frozen=True)
class Part:
    """What a decoder gets, and which of the samples that it gives are the part's."""

    pieces: tuple[bytes | tuple[int, int], ...]  # bytes, or where in the file they lie: first, one past the last
    frames: int  # samples a channel
    sample_rate: int
    channels: int
    skip: int = 0  # samples before them
    repeated: tuple[int, int] = (0, 0)  # bytes that follow the pieces again and again ...
    beyond: int = 0  # ... until there are so many of them
    surely: int | None = None  # the sample up to which its decoder can jump; None: anywhere


class Pieces(io.RawIOBase):
    """The bytes of a part as a file."""

    def __init__(self, path: Path, part: Part):
        self.handle = open(path, "rb")  # closed with this file
        self.part, self.place = part, 0
        sizes = [len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in part.pieces]
        self.starts = [0, *accumulate(sizes)]  # the last is where the repetition begins
        self.size = self.starts[-1] + part.beyond

    def close(self) -> None:
        self.handle.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence])
        return self.place

    def readinto(self, buffer) -> int:
        """Fills the buffer, but at the end; a file that cannot be read any more ends early."""
        done = 0
        while done < len(buffer) and self.place < self.size:
            piece = self._bytes_here(len(buffer) - done)
            if not piece:
                break
            buffer[done : done + len(piece)] = piece
            done += len(piece)
            self.place += len(piece)
        return done

    def _bytes_here(self, most: int) -> bytes:
        index = bisect_right(self.starts, self.place) - 1
        if index < len(self.part.pieces):
            piece, at = self.part.pieces[index], self.place - self.starts[index]
            if isinstance(piece, bytes):
                return piece[at : at + most]
            start, stop = piece
        else:
            start, stop = self.part.repeated
            at = (self.place - self.starts[-1]) % (stop - start)
        try:
            self.handle.seek(start + at)
            return self.handle.read(min(most, stop - start - at))
        except OSError:
            return b""  # the decoder's own word for it is that the file ends


class Decoder(soundfile.SoundFile):
    """A SoundFile that seeks when it is told to, and not after each read: mp3 and opus are garbled by that."""

    def seekable(self) -> bool:
        return False


class Spliced:
    """The parts of a file, one after the other; of soundfile.SoundFile what :class:`bsrnn.audio.files.Reader` uses."""

    def __init__(self, path: Path, parts: tuple[Part, ...], subtype: str):
        self.path, self.parts, self.subtype = path, parts, subtype
        self.starts = [0, *accumulate(part.frames for part in parts)]
        self.frames, self.samplerate, self.channels = self.starts[-1], parts[0].sample_rate, parts[0].channels
        self._position, self._index, self._at = 0, -1, 0  # of the file; the open part, and the next sample in it
        self._bytes: io.BufferedReader | None = None
        self._decoder: Decoder | None = None

    def close(self) -> None:
        for handle in (self._decoder, self._bytes):
            if handle is not None:
                handle.close()
        self._decoder = self._bytes = None
        self._index = -1

    def seekable(self) -> bool:
        return True

    def seek(self, frames: int) -> int:
        self._position = frames
        return frames

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """(frames, C), or fewer where the file ends; ``always_2d`` or not.

        Raises:
            soundfile.SoundFileError: it cannot be decoded.
        """
        blocks = [np.zeros((0, self.channels), dtype)]
        while frames > 0 and self._position < self.frames:
            index = bisect_right(self.starts, self._position) - 1
            wanted = min(frames, self.starts[index + 1] - self._position)
            block = self._read_part(index, self._position - self.starts[index], wanted, dtype)
            blocks.append(block)
            self._position += len(block)
            frames -= len(block)
            if len(block) < wanted:
                break
        return np.concatenate(blocks)

    def _read_part(self, index: int, start: int, frames: int, dtype: str) -> np.ndarray:
        decoder = self._decoder_of(index)
        self._go_to(decoder, self.parts[index], start, dtype)
        block = decoder.read(frames, dtype=dtype, always_2d=True)
        self._at = start + len(block)
        return block

    def _decoder_of(self, index: int) -> Decoder:
        """A part's decoder, where it was left; that of another part is closed."""
        if self._decoder is None or index != self._index:
            self.close()
            part = self.parts[index]
            self._bytes = io.BufferedReader(Pieces(self.path, part), BUFFER)
            self._decoder, self._index, self._at = Decoder(self._bytes), index, -part.skip
        return self._decoder

    def _go_to(self, decoder: Decoder, part: Part, start: int, dtype: str) -> None:
        """Make sample ``start`` of a part the next one."""
        if self._at == start:
            return
        aim = start if part.surely is None else min(start, part.surely)
        if not aim < self._at < start:  # else what lies in between is read, as below
            place = part.skip + aim if aim else 0  # the beginning is read with what comes before it
            if self._at != place - part.skip:
                decoder.seek(place)
            self._at = place - part.skip
        while self._at < start:
            self._at += len(decoder.read(min(PIECE, start - self._at), dtype=dtype, always_2d=True)) or start
