"""What a model was trained on and how good it is, in words: one line for the command line, a card for the Hub.

Both are written from the model's config.json, where the run's JSON has left data, seed, settings and scores.
"""

import json
import math
from pathlib import Path

from safetensors import safe_open

from bsrnn.checkpoint import CONFIG, WEIGHTS
from bsrnn.config import PEER_NAMES
from bsrnn.errors import DataError
from bsrnn.runtime.files import read_json, write_text

DATA = {
    "embedded": "songs that this project renders itself, not real music",
    "musdb18hq": "MUSDB18-HQ",
    "musdb18": "MUSDB18",
    "previews": "the 7 s previews of MUSDB18",
    "guitar": "eight real songs out of two packages of Debian",
}
ITEMS = {"both": "stereo mixtures", "one": "one channel of a mixture each"}
MIT, OPEN = "MIT", "not stated; the licences of the songs may bind it"
CITATION = (
    'Yi Luo and Jianwei Yu, "Music Source Separation with Band-split RNN", IEEE/ACM Transactions on Audio, Speech, and '
    "Language Processing 31 (2023), doi:10.1109/TASLP.2023.3271145"
)


def trained_on(info: dict) -> str:
    """The data of config.json's ``info``, in words."""
    if "imported" in info:
        return "what its publisher says; it was imported"
    data = _part(info, "data")
    if data.get("source") == "folder":
        return f"a user's own songs, in {data.get('folder') or 'a folder'!r}"
    words = DATA.get(str(data.get("source")), "unknown data: its config.json does not say")
    return words + ", in part sung by amateurs without a producer" * bool(data.get("amateur_songs"))


def describe(folder: str | Path) -> str:
    """One line: what the model separates, what it was trained on, and its score.

    Raises:
        DataError: no readable config.json.
    """
    values = _read(Path(folder))
    info = _part(values, "info")
    score = _score(info)
    return f"{', '.join(values['model']['targets'])}: trained on {trained_on(info)}{f'; {score}' if score else ''}"


def write(folder: str | Path) -> Path:
    """Write the card, README.md, beside config.json and model.safetensors.

    Raises:
        DataError: one of them is missing or damaged. BSRNNError: the disk is full.
    """
    path = Path(folder) / "README.md"
    write_text(path, card(folder))
    return path


def card(folder: str | Path) -> str:
    """The card of the model in ``folder``, with the head that the Hugging Face Hub reads."""
    folder = Path(folder)
    values = _read(folder)
    model, info = values["model"], _part(values, "info")
    targets, data = ", ".join(model["targets"]), _part(info, "data")
    ours = data.get("source") == "embedded"
    licence = MIT if ours else OPEN
    with safe_open(folder / WEIGHTS, "np") as file:
        slices = [file.get_slice(name) for name in file.keys()]
        parameters, kinds = sum(math.prod(part.get_shape()) for part in slices), {part.get_dtype() for part in slices}
    facts = [
        ("Separates", targets),
        ("Trained on", f"{trained_on(info)}: `{json.dumps(data, sort_keys=True)}`" if data else trained_on(info)),
        ("Seed", info.get("seed")),
        (f"Items ({ITEMS.get(str(info.get('item_channels')), ITEMS['both'])}) seen", info.get("items")),
        ("Run", f"`{info['id']}`, key `{info['key']}`" if {"id", "key"} <= info.keys() else None),
        ("Profile", f"`{info['profile']}`" if info.get("profile") else None),
        ("Scores", _score(info)),
        ("Model", f"{_sizes(model)}, {model['sample_rate']} Hz, {parameters} parameters, "
                  f"stored as {', '.join(sorted(kinds))}"),
        ("Licence", licence),
    ]  # fmt: skip
    return "\n".join(
        [
            "---",
            "library_name: bsrnn",
            "pipeline_tag: audio-to-audio",
            *["license: mit"] * ours,
            f"tags: [music-source-separation, audio-source-separation{', band-split-rnn' * ('system' not in model)}]",
            "---",
            "",
            f"# {PEER_NAMES.get(model.get('system'), 'Band-split RNN')}: {targets}",
            "",
            *(f"- {name}: {value}" for name, value in facts if value is not None and value != ""),
            "",
            "```",
            "bsrnn separate song.wav --model THIS_FOLDER_OR_HUB_ID",
            "```",
            "",
            "```python",
            "import bsrnn",
            "",
            'model = bsrnn.load("THIS_FOLDER_OR_HUB_ID")',
            "stems = bsrnn.separate(model, mixture, sample_rate=44100)  # (channels, samples) -> {name: estimate}",
            "```",
            "",
            f"{'The training is' if 'system' in model else 'The method is'} that of {CITATION}.",
            "",
        ]
    )


def _read(folder: Path) -> dict:
    values = read_json(folder / CONFIG)
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise DataError(f"{folder / CONFIG} describes no model: expected its settings under 'model'")
    return values


def _part(values: dict, name: str) -> dict:
    """What a model says of itself under a name; {} where it says nothing, or what cannot be meant: it works as well."""
    part = values.get(name)
    return part if isinstance(part, dict) else {}


def _score(info: dict) -> str:
    summary = _part(info, "summary")
    usdr, songs = summary.get("usdr_mean"), summary.get("usdr_songs")
    if not (isinstance(usdr, int | float) and isinstance(songs, int)):
        return ""
    return f"uSDR {usdr:.2f} dB (mean of {songs} held-out songs of that data)"


def _sizes(model: dict) -> str:
    if "system" in model:
        return f"width {model['width']}, depth {model['depth']}, window {model['window']}"
    return f"N {model['features']}, {model['modules']} modules, band split {_split(model['band_split'])}"


def _split(split: str | list) -> str:
    return f"`{split}`" if isinstance(split, str) else f"of {len(split)} bands"
