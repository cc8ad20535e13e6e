"""Audio files in and out: wav, flac, ogg and mp3 through soundfile. Arrays are (C, L) float32, full scale 1.0."""

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from bsrnn.errors import BSRNNError, DataError
from bsrnn.files import atomic_write

FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}
# Estimates may exceed full scale: float keeps them, 16 bit would clip them. Ogg and mp3 have one encoding each.
DEFAULT_SUBTYPES = {".wav": "FLOAT", ".flac": "PCM_24", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
PCM_BITS = {"PCM_16": 16, "PCM_24": 24}
STREAMED = 0x7FFFFFFF  # a wav written to a pipe declares a length as large as this, for want of the true one


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file: length in samples a channel, rate in Hz, number of channels."""

    frames: int
    sample_rate: int
    channels: int


def info(path: str | Path) -> AudioInfo:
    """Read the header alone.

    Raises:
        DataError: the file is missing, empty, not audio, without samples, or a wav shorter than its header says.
    """
    with _open(Path(path)) as handle:
        return AudioInfo(handle.frames, handle.samplerate, handle.channels)


def read(path: str | Path, start: int = 0, frames: int = -1, channels: int = 2) -> np.ndarray:
    """Read samples ``start`` to ``start + frames``, seeking on the disk; nothing else is loaded.

    Args:
        path: wav, flac, ogg or mp3.
        start: first sample.
        frames: how many samples; -1 = up to the end.
        channels: how many are wanted. A mono file gives that many equal channels; 0 = as the file has them.

    Returns:
        (C, L) float32, contiguous.

    Raises:
        DataError: as :func:`info`; or the file has another number of channels, ends before the wanted samples, cannot
            be decoded, or holds values that are not finite.
    """
    path = Path(path)
    with _open(path) as handle:
        if channels and handle.channels not in (1, channels):
            raise DataError(f"{path}: {handle.channels} channels, expected 1 or {channels}; mix it down to "
                            f"{channels} first, with `ffmpeg -i IN -ac {channels} OUT` for instance")
        wanted = handle.frames - start if frames < 0 else frames
        if start < 0 or wanted < 0 or start + wanted > handle.frames:
            raise DataError(f"{path}: samples {start} to {start + wanted} asked for, but it has {handle.frames}; "
                            "ask for samples that lie within the file")
        try:
            handle.seek(start)
            audio = handle.read(wanted, dtype="float32", always_2d=True)  # (L, C)
        except soundfile.SoundFileError as error:
            raise DataError(f"{path}: cannot be decoded from sample {start} on ({error}); it is damaged: "
                            "get or encode it again") from error
    if len(audio) != wanted:
        raise DataError(f"{path}: ends after {start + len(audio)} of the {start + wanted} samples that its header "
                        "promises; it is cut off: get or encode it again")
    if not np.isfinite(audio).all():
        raise DataError(f"{path}: samples {start} to {start + wanted} hold values that are not finite, expected "
                        "numbers around [-1, 1]; the file is damaged: get or render it again")
    if audio.shape[1] == 1 and channels > 1:
        audio = np.repeat(audio, channels, axis=1)
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
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"{path}: unknown ending {suffix!r}, expected one of {', '.join(FORMATS)}; rename the output")
    audio = np.asarray(audio)
    if audio.ndim != 2 or not 1 <= audio.shape[0] <= 16:  # more "channels" than that: (L, C) by mistake
        raise DataError(f"{path}: audio of shape {audio.shape}, expected (channels, samples); transpose it")
    subtype = subtype or DEFAULT_SUBTYPES[suffix]
    with atomic_write(path) as temporary:
        try:
            soundfile.write(temporary, _encoded(audio, subtype).T, sample_rate, subtype=subtype,
                            format=FORMATS[suffix])
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all samples went out
            if shutil.disk_usage(path.parent).free < audio.size * 8:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise DataError(f"{path}: could not be written ({error or 'short write'}); check the folder's permissions "
                            f"and that {suffix} can hold {audio.shape[0]} channels at {sample_rate} Hz") from error


def resample(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample (C, L) by torchaudio's windowed sinc -> (C, ceil(L to_rate / from_rate)) float32.

    Raises:
        BSRNNError: torchaudio is missing or does not fit the installed torch.
    """
    if from_rate == to_rate:
        return np.asarray(audio, dtype=np.float32)
    import torch
    try:
        from torchaudio.functional import resample as sinc_resample
    except (ImportError, OSError) as error:  # OSError: its binaries were built for another torch
        raise BSRNNError(f"resampling from {from_rate} to {to_rate} Hz needs torchaudio beside a torch of the same "
                         f"version ({error}); install both with `pip install bsrnn[audio]`, or resample the file "
                         f"with `ffmpeg -i IN -ar {to_rate} OUT`") from error
    tensor = torch.from_numpy(np.array(audio, dtype=np.float32))  # (C, L), a copy: the input may be read-only
    return sinc_resample(tensor, from_rate, to_rate).numpy()


def _encoded(audio: np.ndarray, subtype: str) -> np.ndarray:
    """Integers for the PCM encodings: libsndfile itself rounds floats down, half a step too low on average."""
    if audio.dtype.kind != "f" or subtype not in PCM_BITS:
        return audio
    bits = PCM_BITS[subtype]
    full = 2 ** (bits - 1)
    steps = np.clip(np.rint(audio.astype(np.float64) * full), -full, full - 1)
    return steps.astype(np.int16) if bits == 16 else steps.astype(np.int32) << (32 - bits)  # the upper bits are kept


def _open(path: Path) -> soundfile.SoundFile:
    """Open for reading, with errors that name the file and say what to do."""
    wanted = f"expected audio ({', '.join(FORMATS)})"
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise DataError(f"{path}: {what}, {wanted}; check the path")
    try:
        handle = soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        size = path.stat().st_size
        what = "an empty file (0 bytes)" if size == 0 else f"not readable as audio ({size} bytes; {error})"
        raise DataError(f"{path}: {what}, {wanted}; it is damaged or of another kind: get it again, or remove it "
                        "from the folder") from error
    problem = None
    if handle.frames < 1:
        problem = "a header without samples"
    # libsndfile shortens a cut-off wav silently and only notes it in its log
    elif cut := re.search(r"^data : (\d+) \(should be (\d+)\)", handle.extra_info, re.MULTILINE):
        promised, present = map(int, cut.groups())
        if present < promised < STREAMED:
            problem = f"cut off, {present} of {promised} bytes of samples"
    if problem:
        handle.close()
        raise DataError(f"{path}: {problem}, {wanted}; it is damaged: get or render it again")
    return handle
