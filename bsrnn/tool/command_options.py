"""The options of each command of ``bsrnn``: a function that adds them to its parser; without what the command does."""

import argparse
from collections.abc import Callable
from pathlib import Path

from bsrnn.runtime.paths import place
from bsrnn.tool import separate_options
from bsrnn.tool.options import device_name, whole

SEED = whole(0, 2**32 - 1)  # what NumPy and torch both take
Options = Callable[[argparse.ArgumentParser], None]


def out(default: str, help: str) -> Options:
    """Where a command writes to."""

    def add(command: argparse.ArgumentParser) -> None:
        command.add_argument("--out", "-o", type=place, default=Path(default), help=f"{help} (default: {default})")

    return add


def device(command: argparse.ArgumentParser) -> None:
    """What computes."""
    command.add_argument("--device", type=device_name, default="cpu", help="cpu or cuda (default: cpu)")


def data(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn data``."""
    command.add_argument("--data", type=place, help="folder of songs to check; default: the profile's own data set")
    command.add_argument(
        "--target", action="append", default=[], help="stem that every song must have; may be repeated"
    )
    command.add_argument("--out", "-o", type=place, help="where rendered songs go (default: data/)")
    command.add_argument("--jobs", "-j", type=whole(1, 1024), help="songs rendered at a time (default: one a core)")


def _trains(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=place, help="folder of songs; default: the profile's own data set")
    command.add_argument("--target", default="vocals", help="stem to separate (default: vocals)")
    command.add_argument("--seed", type=SEED, default=0, help="of weights and data order (default: 0)")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one setting of the profile, e.g. train.max_items=2000 or finetune.train.max_items=400; "
        "may be repeated (names: bsrnn/config.py)",
    )
    device(command)


def train(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn train``."""
    _trains(command)
    command.add_argument(
        "--split",
        metavar="BANDS",
        help="band split of the model, such as v7 (default: the target's own, v7 for one that the paper does not have)",
    )


def finetune(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn finetune``."""
    _trains(command)
    command.add_argument("--from", dest="start", type=place, required=True, help="folder of the trained model")
    command.add_argument(
        "--unlabelled", type=place, required=True, help="folder of audio files; none: the control, labelled songs only"
    )


def evaluate(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn evaluate``."""
    command.add_argument("--model", type=place, required=True, help="folder of a model, or of several: taken together")
    command.add_argument("--data", type=place, help="folder of songs; default: the profile's own data set")
    command.add_argument(
        "--split",
        default="test",
        metavar="SONGS",
        help="part of the songs to score: train, valid or test (default: test)",
    )
    command.add_argument("--segment", type=float, help="seconds the model sees at a time (default: the profile's)")
    command.add_argument("--hop", type=float, help="seconds between segments (default: the profile's)")
    device(command)


def separate(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn separate``."""
    separate_options.add_arguments(command)
    command.add_argument(
        "--device", "-d", type=device_name, default=None, help="cpu or cuda (default: cuda if there is one)"
    )


def importing(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn import``."""
    command.add_argument("file", type=place, metavar="FILE", help="the replication's .ckpt (Zenodo record 17516442)")
    command.add_argument(
        "--target", action="append", default=[], help="stem of the file; repeat it in order where the file has several"
    )
    command.add_argument("--out", "-o", type=place, required=True, help="folder of the model")


def verify(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn verify``."""
    command.add_argument(
        "--replay",
        type=whole(0),
        default=2,
        metavar="STEPS",
        help="first steps of each training that are computed again, where its songs are here (default: 2; at most 3)",
    )
    command.add_argument("--out", "-o", type=place, help="also write the findings into this file")


def run(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn run``."""
    command.add_argument("id", help="of the run; an unknown one lists them")
    device(command)
    command.add_argument(
        "--micro-items", type=whole(0), help="items taken at a time, for the memory; changes rounding alone; 0: a batch"
    )
    command.add_argument("--threads", type=whole(1, 1024), help="CPU threads (default: the run's own)")


def artifacts(command: argparse.ArgumentParser) -> None:
    """Of ``bsrnn artifacts``."""
    command.add_argument("--print", action="store_true", help="print the result table, and draw nothing")
