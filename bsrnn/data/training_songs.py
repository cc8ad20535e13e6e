"""Which songs a training learns from; for telling two trainings apart the songs decide, not the path to them."""

from pathlib import Path

from bsrnn.config import DataConfig, Settings
from bsrnn.data import fretsonfire, songs


def with_songs(deciding: dict, settings: Settings) -> dict:
    """A training's settings (:func:`bsrnn.config.settings_of`), with the songs of its folder, should it have one.

    Raises:
        DataError: songs that cannot be used.
    """
    data = settings.data
    if data.source == "embedded" or not data.folder or not Path(data.folder).is_dir():
        return deciding
    listed = [
        f"{split}: {song.name}, {song.frames} samples, {', '.join(song.stems)}"
        for split in ("train", "valid")
        for song in songs.load(data, split, targets=settings.model.targets, sample_rate=settings.model.sample_rate)
    ]
    return deciding | {"data": deciding["data"] | {"songs": listed}}


def comparable(kept: dict, wanted: dict) -> tuple[dict, dict]:
    """Two trainings' settings, without the folder where both know their songs; else with its name for its path."""
    both = [kept.get("data", {}), wanted.get("data", {})]
    if all("songs" in data for data in both):
        both = [{name: value for name, value in data.items() if name != "folder"} for data in both]
    else:  # begun before songs were noted, or they are not here any more
        both = [
            {name: Path(value).name if name == "folder" else value for name, value in data.items() if name != "songs"}
            for data in both
        ]
    return kept | {"data": both[0]}, wanted | {"data": both[1]}


def data_recipe(settings: Settings) -> dict:
    """What decides the data's bytes, but for the number of songs."""
    data = settings.data
    if data.source == "guitar":
        return {"source": "guitar", "songs": dict(fretsonfire.SONGS)}
    if data.source != "embedded":
        return {"source": data.source, "folder": Path(data.folder).name}
    from bsrnn.data.synthetic import soundfont_hash

    return {
        "source": "embedded",
        "seed": data.seed,
        "song_seconds": data.song_seconds,
        "generator": data.generator_version,
        "soundfont": soundfont_hash(),
    }


def with_amateurs(recipe: dict, data: DataConfig) -> dict:
    """The recipe of a model's data, with its numbers of songs where some are sung by amateurs: for its config.json."""
    numbers = {"train_songs": data.train_songs, "amateur_songs": data.amateur_songs}
    return recipe | numbers if data.amateur_songs else recipe
