"""What the command lines share: a parser that knows of files whose names begin with "-", and types of options."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bsrnn.audio.kinds import READABLE
from bsrnn.errors import ConfigError
from bsrnn.runtime.limits import TRILLION

PROFILE_DECIDES = {  # --profile, in each command
    "data": "which songs, and how many",
    "train": "songs, size of the model, length of the training; --data and --set change parts of it",
    "finetune": "songs and length of the finetuning; the model is that of --from",
    "evaluate": "songs, and the segments that the model sees; --data, --segment and --hop change these",
    "separate": "nothing here: the model brings its size along",
    "compare": "songs, size of the base, length of both trainings",
    "curve": "nothing here: each training knows its own",
    "import": "nothing here: the file brings the model's size along",
    "verify": "whose results",
    "run": "whose run",
    "artifacts": "whose figures and tables",
}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says how to give a file such as "-song.wav", which looks like an option."""

    def parse_known_args(self, args=None, namespace=None):
        self._given = sys.argv[1:] if args is None else list(args)
        options = self._given[: self._given.index("--")] if "--" in self._given else self._given
        for text in options:  # or else -other.wav would be read as --out ther.wav
            if text.startswith("-") and Path(text).suffix and os.path.isfile(text):
                self.error(f"got {text!r}")
        return super().parse_known_args(self._given, namespace)

    def error(self, message: str):
        given = getattr(self, "_given", [])
        if dashed := next((text for text in given if text.startswith("-") and _is_file(text)), None):
            message += f"; {dashed!r} begins with '-', which options do: for the file write ./{dashed}"
        super().error(message)


def _is_file(text: str) -> bool:
    suffix = Path(text).suffix.lower()
    return suffix in READABLE or (suffix != "" and os.path.isfile(text))


def whole(least: int, most: int = TRILLION) -> Callable[[str], int]:
    """Type of an option that is a whole number."""

    def read(text: str) -> int:
        limits = f"from {least} on" if most == TRILLION else f"from {least} to {most}"
        digits = text.lstrip("0") or text[-1:]
        # isascii: other scripts' digits, and superscripts, which are digits to Python and no numbers
        if not (text.isascii() and text.isdigit() and least <= int(digits[:20]) <= most):
            raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number {limits}")
        return int(digits)

    return read


def device_name(text: str) -> str:
    """Type of an option that is cpu, cuda or cuda:N; whether there is such a GPU the command asks."""
    name, colon, number = text.partition(":")
    if name not in ("cpu", "cuda") or (colon and not (name == "cuda" and number.isascii() and number.isdigit())):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected cpu, cuda or cuda:N")
    return text


def refuse_unused(command: str, assignment: str) -> None:
    """ConfigError for a setting that this command would not use, or that has an option of its own."""
    name = assignment.partition("=")[0]
    decided = {
        "model.targets": "--target",
        "data.folder": "--data",
        "data.source": "--data",
        "finetune.unlabelled": "--unlabelled",
    }
    if name in decided:
        raise ConfigError(f"got --set {assignment}: use {decided[name]} for it")
    used = {"train": ("model", "train"), "finetune": ("finetune",)}[command]
    used += ("data", "activity", "mixing", "loss", "validate")
    if name.split(".")[0] not in used:
        hint = "; the architecture is that of the model in --from" if name.startswith("model.") else ""
        hint = "; finetuning's own is finetune.train" if name.startswith("train.") else hint
        raise ConfigError(f"got --set {assignment}: bsrnn {command} uses {', '.join(used)} alone{hint}")
