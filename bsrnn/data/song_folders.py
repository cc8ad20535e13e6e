"""How data sets lie on a disk: split folders, folders of songs, and the files of a song.

People name these differently; what they mean is known by :data:`SPLIT_NAMES` and
:data:`bsrnn.audio.walking.MIXTURES`, in letters of any size.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bsrnn.audio import files as audio
from bsrnn.audio import walking
from bsrnn.audio.kinds import KINDS, to_wav
from bsrnn.audio.walking import stem_name
from bsrnn.errors import DataError
from bsrnn.runtime.limits import named
from bsrnn.runtime.system_errors import reading
from bsrnn.runtime.terminal import note

LABELLED = ("train", "valid", "test")
SPLITS = (*LABELLED, "unlabelled-matched", "test-new", "train-amateurs")
SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SUM_PLACES, SUM_SAMPLES = 8, 4096  # where in a song, and how many samples, a stem is compared with the others' sum
SUM_STEP = 2.0**-15  # of 16 bit: by so much for each stem the sum of rounded stems may be off
AUDIBLE = 1e-3  # largest sample below which a place counts as silent


def check_split(split: str | None) -> None:
    """ConfigError for a split that nobody knows; None: of all."""
    if split is not None:
        named("split", split, dict.fromkeys(SPLITS))


def split_folders(root: Path) -> dict[str, dict[str, Path]]:
    """Split -> its songs, of the folders with songs in them that are named as splits are.

    Raises:
        DataError: two of them are for one split.
    """
    folders: dict[str, Path] = {}
    available = {}
    for folder in listing(root).folders:
        split = _split_of(folder.name)
        if not split or not (found := song_folders_in(folder)):
            continue
        if split in folders:
            raise DataError(
                f"{root}: both {folders[split].name}/ and {folder.name}/ hold songs of the split {split!r}"
                f", expected one folder; put their songs together in {root / split}"
            )
        folders[split], available[split] = folder, found
    return {name: available[name] for name in SPLITS if name in available}


def _split_of(name: str) -> str | None:
    """The split that people mean by a folder's name."""
    name = stem_name(name)
    known = [split for split, names in SPLIT_NAMES.items() if name in names]
    return known[0] if known else name if name in SPLITS else None


def note_unused(root: Path, in_splits: bool) -> None:
    """Name songs that lie where none is looked for."""
    inside = listing(root)
    unused = {}
    for folder in inside.folders:
        songs = len(song_folders_in(folder)) + bool(sound(folder) and in_splits)
        if songs and not (in_splits and _split_of(folder.name)):
            unused[folder.name] = songs
    loose = inside.files + inside.unread
    words = [f"{name}/ ({count} song(s))" for name, count in unused.items()]
    words += [f"{len(loose)} loose file(s) ({', '.join(path.name for path in loose[: walking.NAMED])})"] * bool(loose)
    if words:
        used = (
            "the split folders, known as " + ", ".join(sum(SPLIT_NAMES.values(), ()))
            if in_splits
            else "the folders directly in it that have audio files"
        )
        note(f"{root}: not used: {', '.join(words)}; used are {used}")


def where_they_lie(root: Path) -> str:
    """In brackets, where the songs of a folder lie that has none where they are looked for; "" where none is seen."""
    inside = listing(root)
    if inside.files:
        return " (its audio files lie loose: put each song's into a folder)"
    deeper = [folder.name for folder in inside.folders if song_folders_in(folder)]
    if not deeper:
        return ""
    what = f"give {root / deeper[0]} instead" if len(deeper) == 1 else "move each up"
    return f" (songs lie one level deeper, in {', '.join(deeper[: walking.NAMED])}: {what})"


def stem_files(folder: Path, targets: tuple[str, ...]) -> tuple[dict[str, Path], Path | None]:
    """Stem -> file, and the mixture's. Stems are named as the targets are, else in small letters.

    Raises:
        DataError: two files for one, or one of a kind that is not read.
    """
    inside = listing(folder)
    for path in inside.unread:
        raise DataError(
            f"{path}: of a kind that is not read, expected {KINDS}; convert it, with "
            f"`{to_wav(path)}` for instance, and remove it, or it would be there twice"
        )
    asked = {stem_name(target): target for target in targets}
    files: dict[str, Path] = {}
    for path in inside.files:
        name = stem_name(path.stem)
        stem = asked.get(name) or ("mixture" if walking.is_mixture(name) else name)
        if stem in files:
            raise DataError(
                f"song {folder.name!r}: both {files[stem].name} and {path.name} for stem {stem!r}"
                f", expected one file a stem; remove one of them from {folder}"
            )
        files[stem] = path
    mixture = files.pop("mixture", None) if "mixture" not in targets else None
    return dict(sorted(files.items())), mixture


def sum_of_the_others(files: Mapping[str, Path], frames: int) -> str | None:
    """The one stem of three or more that is the sum of the others, within rounding, wherever it is looked at.

    Of two stems that are alike none is a mixture, nor where others are silent throughout, so that more than one fits.
    """
    if len(files) < 3:
        return None
    candidates, heard = set(files), False
    with ExitStack() as stack:
        readers = {stem: stack.enter_context(audio.Reader(path)) for stem, path in files.items()}
        for place in range(SUM_PLACES):
            start = frames * (2 * place + 1) // (2 * SUM_PLACES)
            count = min(SUM_SAMPLES, frames - start)
            parts = {stem: reader.read(start, count) for stem, reader in readers.items()}
            total = sum(parts.values())
            candidates = {
                stem for stem in candidates if np.abs(total - 2 * parts[stem]).max(initial=0) <= SUM_STEP * len(files)
            }
            heard = heard or any(np.abs(part).max(initial=0) > AUDIBLE for part in parts.values())
            if not candidates:
                return None
    return candidates.pop() if heard and len(candidates) == 1 else None


def listing(folder: Path) -> walking.Listing:
    """DataError where the folder cannot be read."""
    with reading(folder, "a folder of songs"):
        return walking.listing(folder)


def sound(folder: Path) -> list[Path]:
    """Files of sound, read or not."""
    inside = listing(folder)
    return inside.files + inside.unread


def song_folders_in(folder: Path) -> dict[str, Path]:
    """Song name -> folder, sorted."""
    return {path.name: path for path in listing(folder).folders if sound(path)}


def check_header(song: str, stem: str, header: audio.AudioInfo, sample_rate: int) -> None:
    """DataError for a stem of too many channels, or of another rate (Hz) than the model's."""
    if header.channels > 2:
        raise DataError(
            f"{song}: {stem} has {header.channels} channels, expected 1 or 2; mix it down, with "
            "`ffmpeg -i IN -ac 2 OUT` for instance"
        )
    if header.sample_rate != sample_rate:
        raise DataError(
            f"{song}: {stem} has {header.sample_rate} Hz, expected the model's {sample_rate} Hz; resample "
            f"every file of it, with `ffmpeg -i IN -ar {sample_rate} OUT` for instance, or train with "
            f"`--set model.sample_rate={header.sample_rate}`"
        )
