"""MUSDB18's ``.stem.mp4`` files and the clip in the stempeg wheel, decoded once into wav files in MUSDB18-HQ's layout.

Both need ffmpeg and ffprobe; nothing else in the library does.
"""

import importlib.util
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bsrnn.audio import files as audio
from bsrnn.audio.walking import hidden
from bsrnn.errors import BSRNNError, DataError
from bsrnn.runtime.files import atomic_folder, write_json

# mus.yaml of musdb 0.4.3, "validation_tracks" (all lie in train/); a test compares the two
MUSDB_VALIDATION = (
    "ANiMAL - Rockshow",
    "Actions - One Minute Smile",
    "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Fergessen - Nos Palpitants",
    "James May - On The Line",
    "Johnny Lokke - Promises & Lies",
    "Leaf - Summerghost",
    "Meaxic - Take A Step",
    "Patrick Talbot - A Reason To Leave",
    "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens",
    "Triviul - Angelsaint",
    "Young Griffo - Pennies",
)
STEM_SUFFIX = ".stem.mp4"
STREAMS = ("mixture", "drums", "bass", "other", "vocals")  # of a .stem.mp4, in this order
CLIP_NAME = "The Easton Ellises - Falcon 69"
HOW_TO_GET = "install ffmpeg (with ffprobe) on the PATH and `pip install bsrnn[musdb]`"


def stem_files(root: Path, folder: str) -> list[Path]:
    """The ``.stem.mp4`` files in ``root/folder``, sorted; hidden ones left out."""
    found = (root / folder).glob(f"*{STEM_SUFFIX}")
    return sorted(path for path in found if not hidden(path.name))


def song_name(path: Path) -> str:
    """ "A - B" of "A - B.stem.mp4"."""
    return path.name.removesuffix(STEM_SUFFIX)


def decode(root: Path, cache: Path, folder: str, names: Iterable[str]) -> None:
    """Decode songs of ``root/folder`` (train or test) into ``cache/folder/<song>/{mixture,...}.wav``, 16 bit.

    musdb decodes, so the samples are those that published MUSDB18 scores are computed on; mixture.wav is the file's own
    mixture stream, not the sum. A song appears in the cache whole or not at all, so an interrupted call goes on
    where it stopped.

    Raises:
        BSRNNError: musdb, ffmpeg or ffprobe is missing.
        DataError: a file cannot be decoded.
    """
    missing = {name for name in names if not (cache / folder / name).is_dir()}
    if not missing:
        return
    try:
        import musdb
    except (ImportError, RuntimeError) as error:  # stempeg raises RuntimeError where ffmpeg is missing
        raise BSRNNError(
            f"{root} holds MUSDB18's {STEM_SUFFIX} files, which musdb decodes, but musdb cannot be used "
            f"({error}); {HOW_TO_GET}"
        ) from error
    try:
        tracks = [track for track in musdb.DB(root=str(root), subsets=[folder]) if track.name in missing]
    except _decoder_errors() as error:  # musdb reads all headers at once and does not say which file it was
        raise _undecodable(_damaged(root, folder), error) from error
    for track in tqdm(tracks, desc=f"decoding {folder}", unit="song", disable=len(tracks) < 2):
        try:
            streams = {name: source.audio for name, source in track.sources.items()}  # (L, C) each
            streams["mixture"] = track.audio
            if any(stream.ndim != 2 or len(stream) == 0 for stream in streams.values()):
                raise ValueError("a stream without samples")
        except _decoder_errors() as error:
            raise _undecodable(Path(track.path), error) from error
        _store(
            cache / folder / track.name,
            {name: stream.T for name, stream in streams.items()},
            int(track.rate),
            "PCM_16",
            {"source": f"{folder}/{Path(track.path).name}"},
        )


def can_be_decoded() -> bool:
    """Whether what decodes mp4 files is on this machine."""
    return bool(shutil.which("ffmpeg") and shutil.which("ffprobe") and importlib.util.find_spec("stempeg"))


def decode_clip(folder: Path) -> Path | None:
    """Decode the four-stem clip that the stempeg wheel carries into ``folder/<song>/*.wav`` and return that folder.

    6 s of "Falcon 69" by The Easton Ellises (MUSDB18; CC BY-NC-SA), so it must not be committed. Where stempeg, ffmpeg
    or ffprobe is missing: None, after one line that says what is left out and how to get it.
    """
    song = folder / CLIP_NAME
    if song.is_dir():
        return song
    try:
        import stempeg
    except (ImportError, RuntimeError) as error:
        reason = str(error).split("!")[0]
        print(f"Left out: the real recording ({CLIP_NAME}): {reason}. To have it, {HOW_TO_GET}, then run this again.")
        return None
    path = stempeg.example_stem_path()
    try:
        streams, sample_rate = stempeg.read_stems(path, dtype=np.float32)  # (5, L, C)
    except _decoder_errors() as error:
        raise _undecodable(Path(path), error) from error
    start, stop = clip_bounds(streams)
    stems = {name: streams[index, start:stop].T for index, name in enumerate(STREAMS) if name != "mixture"}
    note = {
        "name": CLIP_NAME,
        "source": "the stempeg wheel's example, from MUSDB18",
        "licence": "CC BY-NC-SA",
        "kept_samples": [start, stop],
        "mixture": "sum of the four stems",
    }
    _store(song, stems, sample_rate, "FLOAT", note)  # float: the AAC stems are not 16 bit, some exceed full scale
    return song


def clip_bounds(streams: np.ndarray, margin: int = 512) -> tuple[int, int]:
    """First and one past the last sample of the music in the clip's streams (S, L, C).

    A click stands at both ends of it, alike in all five streams: 12 samples of about 0.69 after the decoder's 2112
    samples of silence, and 100 samples of about 1.0 before the silence at the end. They are found as the samples within
    a quarter second of either end at which every stream exceeds 0.35 (elsewhere the vocals alone stay below 0.1 to
    0.3), not by position, since decoders differ in the silence that they keep. ``margin`` samples more are cut at each
    side, half an AAC frame, for what the codec smears.
    """
    length = streams.shape[1]
    loud = (np.abs(streams).max(axis=2) > 0.35).all(axis=0)  # (L,)
    clicks = np.flatnonzero(loud)
    head, tail = clicks[clicks < 11025], clicks[clicks >= length - 11025]
    start = int(head[-1]) + 1 + margin if len(head) else 0
    stop = int(tail[0]) - margin if len(tail) else length
    return start, stop


def how_to_get(source: str, root: Path) -> str:
    """What to do where the folder of "musdb18hq", "musdb18" or "previews" is missing."""
    if source == "previews":
        return (
            f"get the 7 s previews with `python -c \"import musdb; musdb.DB(root='{root}', download=True)\"`, "
            f"or unzip MUSDB18-7-STEMS.zip of sigsep/sigsep-mus-db's release v0.4.0 to {root}"
        )
    return (
        f"get {'MUSDB18-HQ' if source == 'musdb18hq' else 'MUSDB18'} as data/README.md says, unzip it to {root}, "
        "or set DataConfig.folder to where it lies"
    )


def _store(song: Path, stems: dict[str, np.ndarray], sample_rate: int, subtype: str, note: dict) -> None:
    """Write a song's folder; it is whole or absent, whoever else writes it."""
    with atomic_folder(song) as unfinished:
        for name, stem in stems.items():
            audio.write(unfinished / f"{name}.wav", stem, sample_rate, subtype)
        write_json(unfinished / "song.json", note)


def _decoder_errors() -> tuple[type[Exception], ...]:
    """What stempeg raises on a file that ffmpeg cannot read: its own Warning, ffmpeg's Error, or on short output."""
    import ffmpeg

    return (ffmpeg.Error, Warning, ValueError, KeyError, IndexError, RuntimeError)


def _damaged(root: Path, folder: str) -> Path:
    import stempeg

    for path in stem_files(root, folder):
        try:
            stempeg.Info(str(path))
        except _decoder_errors():
            return path
    return root / folder


def _undecodable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be decoded ({type(error).__name__}: {str(error)[:200]}), expected MUSDB18's "
        f"{STEM_SUFFIX} with five audio streams; get it again"
    )
