"""The mixtures that a finetuning uses, and those that it must not."""

from contextlib import suppress
from dataclasses import replace

from bsrnn.config import DataConfig
from bsrnn.data import songs
from bsrnn.data.songs import Mixtures
from bsrnn.errors import NoSongs
from bsrnn.runtime import paths


def without_held_out(unlabelled: Mixtures, data: DataConfig, sample_rate: int) -> Mixtures:
    """Leave out the labelled set's own validation and test songs, should they lie in the folder of unlabelled music.

    sample_rate: of the model, Hz; songs of any other cannot be read.
    """
    mixtures = [song.mixture.resolve() for song in unlabelled.songs if song.mixture]
    root = songs.folder_of(data).resolve()
    if data.source == "embedded" or not any(mixture.is_relative_to(root) for mixture in mixtures):
        return unlabelled
    held_out = set()
    for split in ("valid", "test"):
        with suppress(NoSongs):
            found = songs.load(data, split, sample_rate=sample_rate)
            held_out |= {path.resolve().parent for song in found for path in song.stems.values()}
    kept = [song for song in unlabelled.songs if not song.mixture or song.mixture.resolve().parent not in held_out]
    return replace(unlabelled, songs=kept, held_out=[song.name for song in unlabelled.songs if song not in kept])


def unlabelled_songs(data: DataConfig, which: str, sample_rate: int, limit: int | None = None) -> Mixtures:
    """The mixtures of a finetuning: embedded songs, or a user's own music beside real songs.

    With ``data.labelled_songs`` they are the training songs after the labelled ones.

    Args:
        which: :attr:`bsrnn.config.FinetuneConfig.unlabelled`. sample_rate: of the model, Hz. limit: the first so many
            embedded songs only.
    """
    if which == "none":
        return Mixtures([])
    if data.source != "embedded":
        return songs.read_mixtures(paths.unlabelled(), sample_rate)
    if data.labelled_songs:
        number = data.unlabelled_songs if limit is None else min(limit, data.unlabelled_songs)
        both = data.labelled_songs + number
        every = songs.load(replace(data, labelled_songs=0), "train", sample_rate=sample_rate, limit=both)
        return Mixtures(every[data.labelled_songs :])
    return Mixtures(songs.load(data, "unlabelled-matched", sample_rate=sample_rate, limit=limit))
