"""Which songs a training learns from; for telling two trainings apart the songs decide, not the path to them."""

from pathlib import Path

from bsrnn.data import songs
from bsrnn.data.songs import Mixtures
from bsrnn.data.unlabelled import unlabelled_songs
from bsrnn.study.profiles import Profile


def unlabelled_of(profile: Profile) -> Mixtures:
    """The mixtures that a profile's finetuning uses."""
    return unlabelled_songs(profile.data, profile.finetune.unlabelled, profile.model.sample_rate)


def with_songs(settings: dict, profile: Profile) -> dict:
    """A training's settings (:func:`bsrnn.study.runs.settings_of`), with the songs of its folder, should it have one.

    Raises:
        DataError: songs that cannot be used.
    """
    data = profile.data
    if data.source == "embedded" or not data.folder or not Path(data.folder).is_dir():
        return settings
    listed = [
        f"{split}: {song.name}, {song.frames} samples, {', '.join(song.stems)}"
        for split in ("train", "valid")
        for song in songs.load(data, split, targets=profile.model.targets)
    ]
    return settings | {"data": settings["data"] | {"songs": listed}}


def comparable(there: dict, settings: dict) -> tuple[dict, dict]:
    """Two trainings' settings, without the folder where both know their songs; else with its name for its path."""
    both = [there.get("data", {}), settings.get("data", {})]
    if all("songs" in data for data in both):
        both = [{name: value for name, value in data.items() if name != "folder"} for data in both]
    else:  # begun before songs were noted, or they are not here any more
        both = [
            {name: Path(value).name if name == "folder" else value for name, value in data.items() if name != "songs"}
            for data in both
        ]
    return there | {"data": both[0]}, settings | {"data": both[1]}
