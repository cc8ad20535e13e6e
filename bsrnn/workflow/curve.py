"""``bsrnn curve``: is a training, finished or going on, where those of its kind were?"""

import argparse
from pathlib import Path

from bsrnn.errors import ConfigError
from bsrnn.runtime import preflight
from bsrnn.runtime.files import atomic_write
from bsrnn.runtime.paths import place

EXAMPLES = """example: bsrnn curve models/piano
         bsrnn curve models/a models/b --out both.svg"""
ENDINGS = (".svg", ".png")
MARK = "bsrnn curve"  # in each file that it draws


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options of its own."""
    words = "of a training: what `bsrnn train --out` was given; one that is going on is not disturbed"
    command.add_argument("folders", nargs="+", type=place, metavar="FOLDER", help=words)


def run(options) -> None:
    """Read, print a line for each, draw."""
    from bsrnn.report import curves as report
    from bsrnn.report import figures
    from bsrnn.study import curves

    out: Path = options.out
    with preflight.all_at_once() as check:
        check(_ending, out)
        check(preflight.place, out.parent, out.name)
        check(preflight.ours, out, MARK)
        read = [check(curves.read, folder) for folder in options.folders]
    trainings = [training for training in read if training]
    print(*report.sentences(trainings), sep="\n")
    with atomic_write(out) as temporary:
        drawn = figures.figure_bytes(report.draw(trainings), out.suffix[1:].lower(), {"Source": MARK})
        temporary.write_bytes(drawn)
    print(out)


def _ending(out: Path) -> None:
    if out.suffix.lower() not in ENDINGS:
        raise ConfigError(f"got --out {out}: expected a file that ends in {' or '.join(ENDINGS)}")
