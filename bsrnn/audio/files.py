"""Audio files in and out through soundfile: arrays are (C, L) float32, full scale 1.0.

Written are wav, flac, ogg and mp3; read is whatever libsndfile knows, aiff and opus for instance, at any rate.
"""

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bsrnn.audio.kinds import FORMATS, KINDS, UNREAD, to_wav
from bsrnn.audio.opening import open_whole, system_path
from bsrnn.audio.resampling import resample, resampled_frames, stretch
from bsrnn.audio.shapes import LAYOUTS, MOST_CHANNELS, to_stereo
from bsrnn.audio.spliced import Spliced
from bsrnn.errors import DataError
from bsrnn.runtime.files import atomic_write, refuse_pointer
from bsrnn.runtime.system_errors import check_readable, reading
from bsrnn.runtime.terminal import note

__all__ = ["LAYOUTS", "AudioInfo", "Reader", "Writer", "info", "read", "resample", "to_stereo", "write"]

# Estimates may exceed full scale: float keeps them, 16 bit would clip them. Ogg and mp3 have one encoding each.
DEFAULT_SUBTYPES = {".wav": "FLOAT", ".flac": "PCM_24", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
QUALITY: dict[str, dict[str, Any]] = {
    ".mp3": {"bitrate_mode": "CONSTANT", "compression_level": 0.0},
    ".ogg": {"compression_level": 0.2},
}
WIDTHS = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}  # bytes a sample
WAV_BYTES = 0xFFFF0000  # beyond, a wav's own count of bytes overflows
DELICATE = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "OPUS")  # are read in long pieces only
LONG, RUN_UP = 1 << 15, 1 << 14  # samples of each channel that are then decoded at a time, and before a jump's aim
PIECE = 1 << 16  # samples of each channel that are encoded at a time
PCM_BITS = {"PCM_16": 16, "PCM_24": 24}
RATES = (100, 768_000)  # Hz: what is taken for a rate; at 1 Hz, some seconds' samples would be resampled to hours
SYSTEM_ERROR = 2  # libsndfile's number for whatever the system refuses
# a file written to a pipe declares a length as large as this or larger, for want of the true one: 0xFFFFFFFF (ffmpeg),
# 0x7FFFF000 (sox's wav), 0x7F000000 and some bytes (sox's aiff)
STREAMED = 0x7F000000
# libsndfile shortens a cut-off file silently and only notes it in its log: of wav, of aiff, of au, and of w64 and rf64,
# for which it notes the whole file's length
CUT = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) +: (\d+) \(should be (\d+)\)", re.MULTILINE)
CUT_VOC = "Seems to be a truncated file."


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file: length in samples a channel, rate in Hz, number of channels."""

    frames: int
    sample_rate: int
    channels: int
    remark: str = ""  # what is odd about the file, in words


def info(path: str | Path, sample_rate: int | None = None) -> AudioInfo:
    """Read the header alone; with ``sample_rate``, what the file will be once it is resampled to that.

    Of mp3, Ogg and the like that is not enough: their frames are walked. What is odd about a file is noted once.

    Raises:
        DataError: the file is missing, empty, not audio, without samples, or a wav shorter than its header says.
    """
    with Reader(path, sample_rate) as reader:
        if reader.remark:
            note(f"{path}: {reader.remark}")
        return AudioInfo(reader.frames, reader.sample_rate, reader.channels, reader.remark)


def read(
    path: str | Path, start: int = 0, frames: int = -1, channels: int = 2, sample_rate: int | None = None
) -> np.ndarray:
    """Read samples ``start`` to ``start + frames``, seeking on the disk; nothing else is loaded.

    Args:
        path: wav, flac, ogg, mp3, aiff, ...
        start: first sample.
        frames: how many samples; -1 = up to the end.
        channels: how many are wanted. A mono file gives that many equal channels; 0 = as the file has them.
        sample_rate: Hz; a file of another rate is resampled, and ``start`` and ``frames`` count at this rate. The
            samples are those of resampling the whole file at once. None = as the file has it.

    Returns:
        (C, L) float32, contiguous.

    Raises:
        DataError: as :func:`info`; or the file has another number of channels, ends before the wanted samples, cannot
            be decoded, or holds values that are not finite.
    """
    with Reader(path, sample_rate) as reader:
        if channels and reader.channels not in (1, channels):
            raise DataError(
                f"{path}: {reader.channels} channels, expected 1 or {channels}; mix it down to "
                f"{channels} first, with `ffmpeg -i IN -ac {channels} OUT` for instance"
            )
        audio = reader.read(start, frames)
    return np.repeat(audio, channels, axis=0) if len(audio) == 1 and channels > 1 else audio


class Reader:
    """An open file, read in stretches: ``frames``, ``sample_rate`` (both after resampling), ``channels``, ``path``.

    Use it in a ``with`` statement. Only the wanted stretch and the resampling kernel's margin come from the disk; each
    stretch equals that of the whole file, resampled at once.

    Args:
        sample_rate: Hz that is wanted; None = the file's own.
        forgiving: take samples that are not finite as zero, and count them in ``replaced``, instead of raising.

    Raises:
        DataError: as :func:`info`.
    """

    def __init__(self, path: str | Path, sample_rate: int | None = None, forgiving: bool = False):
        self.path, self.forgiving, self.replaced, self._seen = Path(path), forgiving, 0, 0
        self._handle, self.remark = _open(self.path)
        self.channels, self.file_rate, self.file_frames = (
            self._handle.channels,
            self._handle.samplerate,
            self._handle.frames,
        )
        self.sample_rate = sample_rate or self.file_rate
        self._position = 0
        self._kept = (0, np.zeros((self.channels, 0), np.float32))  # first sample, samples
        self.frames = resampled_frames(self.file_frames, self.file_rate, self.sample_rate)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self._handle.close()

    def read(self, start: int = 0, frames: int = -1) -> np.ndarray:
        """Samples ``start`` to ``start + frames`` (-1: up to the end) -> (C, frames) float32, contiguous.

        Raises:
            DataError: the file ends before, cannot be decoded, or holds values that are not finite.
        """
        wanted = self.frames - start if frames < 0 else frames
        if start < 0 or wanted < 0 or start + wanted > self.frames:
            raise DataError(
                f"{self.path}: samples {start} to {start + wanted} asked for, but it has {self.frames}; "
                "ask for samples that lie within the file"
            )
        if self.sample_rate == self.file_rate:
            return self._read(start, wanted)
        return stretch(self._read, self.file_frames, start, wanted, self.file_rate, self.sample_rate)

    def _read(self, start: int, wanted: int) -> np.ndarray:
        """At the file's own rate."""
        delicate = self._handle.subtype in DELICATE or not self._handle.seekable()
        return (self._read_in_order if delicate else self._decode)(start, wanted)

    def _read_in_order(self, start: int, wanted: int) -> np.ndarray:
        """Long pieces, one after the other: of mp3 and opus libsndfile garbles short ones, and what follows a jump."""
        first, piece = self._kept
        end = first + piece.shape[1]
        if not first <= start <= end:  # a jump: begin so much before that the decoder has settled
            first = end = max(0, start - RUN_UP)
            piece = piece[:, :0]
        if start + wanted > end:
            last = max(start + wanted, end + LONG)
            last = self.file_frames if last > self.file_frames - LONG else last
            piece = np.concatenate([piece, self._decode(end, last - end)], -1)[:, start - first :]
            first = start
        self._kept = (first, piece)
        return piece[:, start - first :][:, :wanted].copy()

    def _decode(self, start: int, wanted: int) -> np.ndarray:
        try:
            if self._position != start:  # some formats cannot seek
                self._handle.seek(start)
            audio = self._handle.read(wanted, dtype="float32", always_2d=True)  # (L, C)
            self._position = start + len(audio)
        except soundfile.SoundFileError as error:
            raise DataError(
                f"{self.path}: cannot be decoded from sample {start} on ({error}); it is damaged: "
                "get or encode it again"
            ) from error
        if len(audio) != wanted:
            raise DataError(
                f"{self.path}: ends after {start + len(audio)} of the {start + wanted} samples that its "
                "header promises; it is cut off: get or encode it again"
            )
        if not (finite := np.isfinite(audio)).all():
            if not self.forgiving:
                raise DataError(
                    f"{self.path}: samples {start} to {start + wanted} hold values that are not finite, "
                    "expected numbers around [-1, 1]; the file is damaged: get or render it again"
                )
            self.replaced += int((~finite[max(0, self._seen - start) :]).sum())  # a margin is read twice
            audio[~finite] = 0
        self._seen = max(self._seen, start + wanted)
        return np.ascontiguousarray(audio.T)  # (C, L)


def write(path: str | Path, audio: np.ndarray, sample_rate: int, subtype: str | None = None) -> None:
    """Write ``audio`` (C, L) to ``path``, whole or not at all; the ending chooses the format.

    ``subtype`` is soundfile's name of the encoding ("PCM_16", "PCM_24", "FLOAT", ...). None: float for wav, 24 bit for
    flac. "PCM_16" and "PCM_24" round to the nearest step and clip at full scale: what was read from such a file is
    written unchanged.

    Raises:
        DataError: an unknown ending, or ``audio`` is not (C, L).
        BSRNNError: the disk is full.
    """
    path, audio = Path(path), np.asarray(audio)
    check_ending(path)
    if audio.ndim != 2 or not 1 <= audio.shape[0] <= MOST_CHANNELS:
        raise DataError(f"{path}: audio of shape {audio.shape}, expected (channels, samples); transpose it")
    channels, frames = audio.shape
    with atomic_write(path) as temporary, Writer(temporary, sample_rate, channels, frames, subtype, path) as writer:
        writer.write(audio)


def check_ending(path: Path) -> None:
    """DataError if the name's ending is none that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise DataError(
            f"{path}: unknown ending {path.suffix.lower()!r}, expected one of {', '.join(FORMATS)}; rename the output"
        )


class Writer:
    """A file that is written block by block, in a ``with`` statement; its ending chooses the format.

    Args:
        path: where; not atomic by itself, see :func:`bsrnn.runtime.files.atomic_write`.
        frames: that will come, in all; a wav that would pass 4 GB becomes an RF64 one, which the usual programs read.
        subtype: as in :func:`write`. mp3 is written at its best rate, ogg at quality 8.
        named: how errors call the file (default: ``path``).
        comment: a line of ASCII that goes into the file's header ("": none).

    Raises:
        DataError: the format does not have this rate, number of channels or subtype.
    """

    def __init__(  # noqa: PLR0913 -- what a header says
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        frames: int,
        subtype: str | None = None,
        named: Path | None = None,
        comment: str = "",
    ):
        suffix = Path(path).suffix.lower()
        self.path, self.named, self.subtype = Path(path), named or path, subtype or DEFAULT_SUBTYPES[suffix]
        large = suffix == ".wav" and frames * channels * WIDTHS.get(self.subtype, 4) > WAV_BYTES
        self.wanted = f"{suffix} may not hold {channels} channel(s) at {sample_rate} Hz"
        try:
            self._handle = soundfile.SoundFile(
                system_path(path),
                "w",
                sample_rate,
                channels,
                self.subtype,
                None,
                "RF64" if large else FORMATS[suffix],
                **QUALITY.get(suffix, {}),
            )
            if comment:
                self._handle.comment = comment
        except (soundfile.SoundFileError, ValueError) as error:
            raise self._problem(error, channels) from error

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file; once more does nothing."""
        self._handle.close()

    def write(self, audio: np.ndarray) -> None:
        """Append (C, L)."""
        try:
            for at in range(0, audio.shape[1], PIECE):  # libsndfile crashes on long pieces of ogg
                self._handle.write(_encoded(audio[:, at : at + PIECE], self.subtype).T)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all samples went out
            raise self._problem(error, len(audio)) from error

    def _problem(self, error: Exception, channels: int) -> Exception:
        if shutil.disk_usage(self.path.parent).free < PIECE * channels * 8:
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # atomic_write says what to do
        if getattr(error, "code", SYSTEM_ERROR) == SYSTEM_ERROR:  # libsndfile does not say which: ask the system again
            try:
                with open(self.path, "ab") as file:
                    file.write(bytes(4096))
            except OSError as refused:
                return refused
        return DataError(
            f"{self.named}: could not be written: {self.wanted} ({error or 'short write'}); choose "
            "another format, or check the folder's permissions"
        )


def _encoded(audio: np.ndarray, subtype: str) -> np.ndarray:
    """Integers for the PCM encodings: libsndfile itself rounds floats down, half a step too low on average."""
    if audio.dtype.kind != "f" or subtype not in PCM_BITS:
        return audio
    bits = PCM_BITS[subtype]
    full = 2 ** (bits - 1)
    steps = np.clip(np.rint(audio.astype(np.float64) * full), -full, full - 1)
    return steps.astype(np.int16) if bits == 16 else steps.astype(np.int32) << (32 - bits)  # the upper bits are kept


def _open(path: Path) -> tuple[soundfile.SoundFile | Spliced, str]:
    """Open for reading, with errors that name the file and say what to do; and what is odd about it, in words."""
    wanted = f"expected audio ({KINDS})"
    _check_file(path, wanted)
    try:
        with reading(path, "audio"):
            handle, remark = open_whole(path)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        reason = getattr(error, "error_string", "samples without a header")
        advice = f"convert it with `{to_wav(path)}` for instance"
        if path.suffix.lower() not in UNREAD:
            advice = f"it is damaged or of another kind: get it again, {advice}, or remove it from the folder"
        raise DataError(
            f"{path}: not readable as audio ({path.stat().st_size} bytes; {reason}), {wanted}; {advice}"
        ) from error
    if problem := _problem_of(handle):
        handle.close()
        raise DataError(f"{path}: {problem}")
    return handle, remark


def _check_file(path: Path, wanted: str) -> None:
    """DataError where no file can be read, or where one only stands for another."""
    check_readable(path, "audio")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file" if path.exists() else "no such file"
        raise DataError(f"{path}: {what}, {wanted}; check the path")
    if not path.stat().st_size:
        raise DataError(f"{path}: an empty file (0 bytes), {wanted}; get it again, or remove it from the folder")
    refuse_pointer(path)


def _problem_of(handle: soundfile.SoundFile | Spliced) -> str | None:
    """What is wrong with an open file, and what to do."""
    if handle.frames < 1:
        return "a header without samples, expected audio; it is damaged: get or render it again"
    if not RATES[0] <= handle.samplerate <= RATES[1]:
        return (
            f"a rate of {handle.samplerate} Hz, expected {RATES[0]} to {RATES[1]}; its header is damaged: get or "
            "render it again"
        )
    if isinstance(handle, Spliced):
        return _change_of(handle)
    log = handle.extra_info
    for promised, present in (map(int, cut.groups()) for cut in CUT.finditer(log)):
        unknown = 1 << 62 if handle.format in ("W64", "RF64") else STREAMED
        if present < promised < unknown:
            return f"cut off, {present} of {promised} bytes; it is damaged: get or render it again"
    return "cut off before its end; it is damaged: get or render it again" if CUT_VOC in log else None


def _change_of(handle: Spliced) -> str | None:
    """Where a file's parts are not alike."""
    for part, start in zip(handle.parts, handle.starts, strict=False):
        if (part.sample_rate, part.channels) != (handle.samplerate, handle.channels):
            return (
                f"from {start / handle.samplerate:.1f} s on it has {part.channels} channel(s) of "
                f"{part.sample_rate} Hz, before that {handle.channels} of {handle.samplerate}; expected all alike: "
                f"convert it with `{to_wav(handle.path)}`, or take the parts apart"
            )
    return None
