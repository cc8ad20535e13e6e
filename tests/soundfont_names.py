"""What a soundfont calls its presets and recordings: two presets that share a recording share their timbre."""

import numpy as np

from bsrnn.data.synthetic import soundfont


def _text(name: bytes) -> str:
    return name.split(b"\0")[0].decode("latin1")


def of_presets() -> dict[tuple[int, int], str]:
    """(bank, program) -> name."""
    data = soundfont.soundfont_path().read_bytes()
    offset, size = soundfont._chunks(data)[b"phdr"]
    rows = np.frombuffer(data, soundfont.PRESET_RECORD, size // soundfont.PRESET_RECORD.itemsize, offset)
    return {(int(row["bank"]), int(row["program"])): _text(row["name"]) for row in rows[:-1]}  # the last ends the list


def of_recordings(bank: int, program: int, key: int | None = None) -> set[str]:
    """Of the recordings behind a preset, or behind one key of it."""
    font = soundfont.soundfont()
    zones = font.presets[bank, program]
    return {
        _text(font._headers[zone.sample]["name"])
        for zone in zones
        if key is None or zone.keys[0] <= key <= zone.keys[1]
    }
