"""Data sets of multitrack songs, read straight from disk: one reader for every layout.

A song is a folder with one audio file a stem; the file's name is the stem's, in letters of any size. "mixture" is the
mix, and so is what else people call it (:data:`bsrnn.audio.walking.MIXTURES`) and a stem that equals the sum of the
others, which is noted. Songs lie

- in split folders ``train/ valid/ test/`` (and ``unlabelled-matched/``), as the embedded set,
  or as people call these (:data:`bsrnn.data.song_folders.SPLIT_NAMES`), in letters of any size;
- in ``train/`` and ``test/`` only, MUSDB18-HQ's way: validation songs are then the 14 that musdb marks, or, where none
  of those is there, held out of ``train/`` by the rule below; "train" leaves them out;
- as ``.stem.mp4`` files in ``train/`` and ``test/``, MUSDB18's way: decoded once into wav files;
- in no split folder: one seventh (rounded, at least one from three songs on) is held out for testing, as many (at least
  one from two songs on) for validation. The songs are ranked by the SHA-256 of their names, so the choice depends on
  the names alone; as songs are added, some may change side: make split folders to fix it.

Files that are no sound and folders without audio are passed over; sound of a kind that is not read is an error, and
songs that are not used are named.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bsrnn.audio import files as audio
from bsrnn.audio import walking
from bsrnn.audio.kinds import FORMATS
from bsrnn.audio.walking import stem_name
from bsrnn.config import DataConfig
from bsrnn.data import fretsonfire, song_folders
from bsrnn.data import musdb as musdb_source
from bsrnn.data.musdb import MUSDB_VALIDATION
from bsrnn.data.song_folders import LABELLED
from bsrnn.errors import ConfigError, DataError, NoSongs
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.runtime.terminal import note, say

HELD_OUT = 7  # one song in so many, for validation and as many for testing (ours)
LAYOUT = (
    "expected one folder a song, each with one file a stem (vocals.wav, guitar.flac, ...), "
    "directly in it or in train/, valid/, test/"
)


@dataclass(frozen=True)
class Song:
    """One song: names and header only; samples are read on demand."""

    name: str
    stems: Mapping[str, Path]  # stem name -> file, sorted by name; empty for an unlabelled song
    mixture: Path | None  # None: the sum of the stems
    frames: int  # samples a channel
    sample_rate: int  # Hz
    info: Mapping = field(default_factory=dict)  # song.json's content, {} where there is none
    first: int = 0  # sample of its files that it begins with; not 0 in an excerpt alone

    def read(self, stem: str, start: int = 0, frames: int = -1) -> np.ndarray:
        """Samples of a stem or of "mixture" -> (2, L) float32, at the song's ``sample_rate``.

        A mono file gives two equal channels. A single file (:func:`read_mixture`) is resampled as it is read, and mixed
        down if it has more than two channels.

        Raises:
            DataError: the song has no such stem, or its file cannot be read.
        """
        if stem == "mixture" and self.mixture is None:
            return self._sum(self.stems, start, frames)
        start, frames = self._in_files(start, frames)
        if stem == "mixture" and self.mixture is not None:
            return audio.to_stereo(audio.read(self.mixture, start, frames, 0, self.sample_rate))
        if stem not in self.stems:
            raise DataError(
                f"song {self.name!r} has no stem {stem!r}, it has {_listed(self.stems)}; ask for one of "
                "these, or add the file"
            )
        return audio.read(self.stems[stem], start, frames)

    def residual(self, target: str, start: int = 0, frames: int = -1) -> np.ndarray:
        """Sum of every stem but ``target`` -> (2, L) float32; where no other stem is there, mixture minus target."""
        others = [stem for stem in self.stems if stem != target]
        if others and target in self.stems:
            return self._sum(others, start, frames)
        return self.read("mixture", start, frames) - self.read(target, start, frames)

    def _sum(self, stems: Iterable[str], start: int, frames: int) -> np.ndarray:
        start, frames = self._in_files(start, frames)
        first, *others = stems
        total = audio.read(self.stems[first], start, frames)
        for stem in others:
            np.add(total, audio.read(self.stems[stem], start, frames), out=total)
        return total

    def _in_files(self, start: int, frames: int) -> tuple[int, int]:
        """First sample and number of samples (-1: to the end) in the song's files."""
        to_the_end = self.frames - start if self.first else -1
        return self.first + start, to_the_end if frames < 0 else frames

    def excerpt(self, seconds: float) -> "Song":
        """Its middle, read as if it were a song; the song itself where it is no longer than that."""
        frames = round(seconds * self.sample_rate)
        first = (self.frames - frames) // 2
        return replace(self, first=self.first + first, frames=frames) if first > 0 else self


def read_songs(
    root: str | Path,
    split: str | None = None,
    *,
    targets: Iterable[str] = (),
    sample_rate: int = 44100,
    limit: int | None = None,
    musdb: bool = False,
) -> list[Song]:
    """Find and check the songs of a data set, sorted by name.

    Args:
        root: folder in one of the layouts of this module.
        split: one of :data:`bsrnn.data.song_folders.SPLITS`; None = all labelled songs.
        targets: stems that every song must have.
        sample_rate: rate that every file must have, in Hz.
        limit: the first so many songs only.
        musdb: the songs are MUSDB's, whichever of them are there.

    Raises:
        ConfigError: unknown split.
        DataError: missing or empty folder, split that is not there, song without a wanted stem, stems of unequal length
            or rate, more than two channels, damaged file. The message says what was got, expected, and what to do.
    """
    song_folders.check_split(split)
    root, targets = Path(root), tuple(targets)
    if not root.is_dir():
        what = "a file" if root.exists() else "no such folder"
        raise DataError(f"{root}: {what}; {LAYOUT}; check the path")
    folders = _song_folders(root, split, musdb, limit)
    songs = [_song(folder, targets, sample_rate) for folder in folders[:limit]]
    alone = sorted(song.name for song in songs if targets and len(song.stems) == 1 and not song.mixture)
    if alone:
        note(f"{root}: {len(alone)} song(s) with one stem and no mixture, from which nothing can be separated: "
             f"{', '.join(alone[: walking.NAMED])}{', ...' if len(alone) > walking.NAMED else ''}")  # fmt: skip
    return sorted(songs, key=lambda song: song.name)


def load(
    data: DataConfig,
    split: str | None,
    *,
    targets: Iterable[str] = (),
    sample_rate: int = 44100,
    limit: int | None = None,
) -> list[Song]:
    """Songs of a profile's data set; the embedded one is rendered, MUSDB18's mp4 decoded, where that is not done yet.

    Of a fold (``data.hold_out``) "valid" is empty. Test songs are excerpts where ``data.excerpt_seconds`` says so.

    Raises:
        ConfigError: unknown split. DataError: as :func:`read_songs`, or not the songs that the data set is known by.
    """
    song_folders.check_split(split)
    if data.hold_out:
        found = _of_fold(_load(data, None, tuple(targets), sample_rate, None), data.hold_out, split)[:limit]
    else:
        found = _load(data, split, tuple(targets), sample_rate, limit)
    if split == "train" and data.labelled_songs:
        found = found[: data.labelled_songs]
    if split == "train" and data.amateur_songs and (left := None if limit is None else limit - len(found)) != 0:
        found += _load(data, "train-amateurs", tuple(targets), sample_rate, left)
    return [song.excerpt(data.excerpt_seconds) for song in found] if split == "test" and data.excerpt_seconds else found


def chosen(songs: Sequence[Song], number: int) -> Song:
    """A song by its number, from 0 on. Raises ConfigError: there are fewer."""
    if number not in range(len(songs)):
        raise ConfigError(f"got song {number!r}: expected a whole number from 0 to {len(songs) - 1}")
    return songs[number]


def _of_fold(found: list[Song], hold_out: tuple[str, ...], split: str | None) -> list[Song]:
    """The songs held out are the test songs, the others train."""
    if missing := set(hold_out) - {song.name for song in found}:
        raise DataError(
            f"got no song {_listed(sorted(missing))}, which data.hold_out names, but "
            f"{_listed(song.name for song in found)}; add it, or hold out another"
        )
    parts = {
        None: found,
        "valid": [],
        "test": [song for song in found if song.name in hold_out],
        "train": [song for song in found if song.name not in hold_out],
    }
    if split not in parts or (split == "train" and not parts["train"]):
        raise NoSongs(
            f"a fold of {len(found)} songs, of which data.hold_out names {len(hold_out)}, has none in split "
            f"{split!r}; hold out fewer"
        )
    return parts[split]


def _load(
    data: DataConfig, split: str | None, targets: tuple[str, ...], sample_rate: int, limit: int | None
) -> list[Song]:
    if data.source == "embedded":
        from bsrnn.data.synthetic import count as songs_of  # its dependencies are an extra
        from bsrnn.data.synthetic import ensure

        songs = []
        for name in (split,) if split else LABELLED:
            count = songs_of(data, name)
            count = count if limit is None else min(limit, count)
            if count > 0:
                root = ensure(data, paths.data(), splits=(name,), limit=limit)
                # the split's folder alone, whole: what else is rendered yet must not change what it holds
                songs += read_songs(root / name, targets=targets, sample_rate=sample_rate, limit=count)
        if not songs:
            raise NoSongs(
                f"the embedded data set has no {split or 'labelled'} songs in this profile (its counts are "
                "0); choose a profile or DataConfig with more"
            )
        return sorted(songs, key=lambda song: song.name)[:limit]
    root = folder_of(data)
    own = data.source in ("folder", "guitar")
    if not root.is_dir() and data.source != "folder":
        how = fretsonfire.HOW_TO_GET if data.source == "guitar" else musdb_source.how_to_get(data.source, root)
        raise DataError(f"{root}: no such folder; {how}")
    found = read_songs(root, split, targets=targets, sample_rate=sample_rate, limit=limit, musdb=not own)
    if data.source == "guitar":
        fretsonfire.require_recorded({song.name: song.info.get("digest", "") for song in found})
    return found


def folder_of(data: DataConfig) -> Path:
    """Where the songs of a data set lie, or would lie."""
    return Path(data.folder) if data.folder else paths.data() / data.source


def read_mixture(path: str | Path, sample_rate: int = 44100) -> Song:
    """An audio file of any rate as a song without stems, named after the file, or after its folder if a "mixture".

    Its ``frames`` and ``sample_rate`` are those after resampling to ``sample_rate``. :meth:`Song.read` gives two
    channels: mono is doubled, more than two are mixed down (:func:`bsrnn.audio.files.to_stereo`).

    Raises:
        DataError: it cannot be read, or has more than 8 channels.
    """
    path = Path(path)
    header = audio.info(path, sample_rate)
    if header.channels > max(audio.LAYOUTS):
        raise DataError(
            f"{path}: {header.channels} channels, expected at most {max(audio.LAYOUTS)}; mix it down, with "
            "`ffmpeg -i IN -ac 2 OUT` for instance"
        )
    name = path.resolve().parent.name if stem_name(path.stem) == "mixture" else path.stem
    return Song(name, {}, path, header.frames, header.sample_rate)


@dataclass(frozen=True)
class Mixtures:
    """What a folder of music holds: songs without stems, and file -> what is wrong with it."""

    songs: list[Song]
    unreadable: dict[str, str] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)  # names of songs left out: they are for validation or testing


def read_mixtures(folder: str | Path, sample_rate: int = 44100) -> Mixtures:
    """Every audio file below a folder as a song without stems, resampled to ``sample_rate`` as it is read.

    A file or folder that cannot be opened is named on standard error, passed over and counted. Where a folder has a
    mixture, the files beside it are its stems and are passed over, as are other kinds of files: a line names them.

    Raises:
        DataError: no such folder, or no readable file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; expected a folder with audio files in it or below; check the path")
    inside = walking.below(folder)
    found, unreadable = [], {str(path.relative_to(folder)): why for path, why in inside.closed.items()}
    if passed_over := inside.passed_over(folder):
        note(passed_over)
    for path in inside.songs:
        try:
            found.append(read_mixture(path, sample_rate))
        except DataError as error:
            unreadable[str(path.relative_to(folder))] = str(error)
    for why in unreadable.values():
        say("passed over", why)
    if not found:
        raise DataError(
            f"{folder}: no readable audio file in it ({len(unreadable)} cannot be read), expected some of "
            f"{', '.join(FORMATS)}; check the path"
        )
    return Mixtures(found, unreadable)


def musdb_clip(folder_to_cache: str | Path) -> Song | None:
    """The real four-stem clip of the stempeg wheel, 6 s, decoded into ``folder_to_cache``; mixture = sum of stems.

    None, after one line that says what is left out and how to get it, where stempeg, ffmpeg or ffprobe is missing.
    """
    folder = musdb_source.decode_clip(Path(folder_to_cache))
    return None if folder is None else _song(folder, (), 44100)


def _song_folders(root: Path, split: str | None, musdb: bool, limit: int | None) -> list[Path]:
    """Folders of the split's songs, sorted by name; decodes ``.stem.mp4`` files on the way."""
    stem_files = {name: files for name in ("train", "test") if (files := musdb_source.stem_files(root, name))}
    available = {name: {musdb_source.song_name(path): path for path in files} for name, files in stem_files.items()}
    if not available:
        available = song_folders.split_folders(root)
    if available:
        fixed = musdb or bool(stem_files) or bool(set(MUSDB_VALIDATION) & set(available.get("train", ())))
        chosen = _from_split_folders(available, split, fixed)
    else:
        found = song_folders.song_folders_in(root)
        if not found:
            where = song_folders.where_they_lie(root)
            raise DataError(f"{root}: no song in it{where}; {LAYOUT}; put songs there or correct the path")
        chosen = [found[name] for name in (found if split is None else _hold_out(found).get(split, ()))]
    song_folders.note_unused(root, bool(available))
    if not chosen:
        there = f"folders {_listed(available)}" if available else f"{len(found)} song(s) and no split folders"
        if split is None:
            raise NoSongs(f"{root}: no labelled songs, got {there}; expected songs in {', '.join(LABELLED)}; make one "
                          "of these folders, or ask for a split that is there")  # fmt: skip
        raise NoSongs(
            f"{root}: no songs in split {split!r}, got {there}; expected songs in {root / split}; "
            "make that folder, or ask for another split"
        )
    chosen = sorted(chosen, key=lambda path: path.name)
    if not stem_files:
        return chosen
    cache = paths.data() / "decoded" / f"{root.name}-{hashlib.sha256(_bytes(str(root.resolve()))).hexdigest()[:8]}"
    chosen = chosen[:limit]
    for name in stem_files:
        musdb_source.decode(root, cache, name, [musdb_source.song_name(p) for p in chosen if p.parent.name == name])
    return [cache / path.parent.name / musdb_source.song_name(path) for path in chosen]


def _from_split_folders(available: Mapping[str, Mapping[str, Path]], split: str | None, fixed: bool) -> list[Path]:
    """``fixed``: the validation songs are musdb's 14, should there be no valid/ folder."""
    if split is None:
        return [path for name in LABELLED for path in available.get(name, {}).values()]
    if split not in ("train", "valid") or "valid" in available:
        return list(available.get(split, {}).values())
    train = available.get("train", {})
    held_out = set(MUSDB_VALIDATION) if fixed else set(_hold_out(train, test=False)["valid"])
    return [path for name, path in train.items() if (name in held_out) == (split == "valid")]


def _hold_out(names: Iterable[str], test: bool = True) -> dict[str, list[str]]:
    """Deal songs to the splits by the rule of this module; ``test=False``: the test songs have their own folder."""
    # file systems differ in how they spell an accented letter; NFC makes the rank the same on each
    ranked = sorted(names, key=lambda name: hashlib.sha256(_bytes(unicodedata.normalize("NFC", name))).hexdigest())
    share = round(len(ranked) / HELD_OUT)
    valid = max(share, 1) if len(ranked) >= 2 else 0
    tested = (max(share, 1) if len(ranked) >= 3 else 0) if test else 0
    return {"valid": ranked[:valid], "test": ranked[valid : valid + tested], "train": ranked[valid + tested :]}


def _song(folder: Path, targets: tuple[str, ...], sample_rate: int) -> Song:
    """Read the headers of a song's files and check them against each other."""
    files, mixture = song_folders.stem_files(folder, targets)
    headers = {stem: audio.info(path) for stem, path in (({"mixture": mixture} if mixture else {}) | files).items()}
    for target in targets:
        if target not in files:
            raise DataError(
                f"song {folder.name!r} lacks the stem {target!r}, it has {_listed(files)}; put "
                f"{target}.wav into {folder}, or choose a target that every song has"
            )
    for what, unit in (("sample_rate", "Hz"), ("frames", "samples")):
        values = {stem: getattr(header, what) for stem, header in headers.items()}
        if len(set(values.values())) > 1:
            got = ", ".join(f"{stem} {value}" for stem, value in values.items())
            raise DataError(
                f"song {folder.name!r}: stems of unequal {'rate' if unit == 'Hz' else 'length'} ({got} "
                f"{unit}), expected all alike; export the stems of {folder} again"
            )
    for stem, header in headers.items():
        song_folders.check_header(f"song {folder.name!r}", stem, header, sample_rate)
    if not mixture and (whole := song_folders.sum_of_the_others(files, header.frames)) and whole not in targets:
        note(f"{files[whole]}: equals the sum of the song's other stems, and is taken as its mixture")
        mixture = files.pop(whole)
    about = folder / "song.json"
    return Song(
        folder.name, files, mixture, header.frames, header.sample_rate, read_json(about) if about.is_file() else {}
    )


def _bytes(name: str) -> bytes:
    """Of a name on the disk, which need not be UTF-8."""
    return name.encode(errors="surrogateescape")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
