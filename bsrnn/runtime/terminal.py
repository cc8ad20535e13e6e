"""What the command lines say on standard error: a line each, whatever letters the names in it have."""

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Self

from bsrnn.errors import BSRNNError, SeveralErrors
from bsrnn.runtime.system_errors import obstacle, of_a_path

LAST_SAVED = "the same command goes on where the training was saved last, a minute ago at most"
ANEW = "the same command starts anew"
NOTHING_YET = "nothing was begun"
INTERRUPTED = {  # what is true of each command
    "data": "songs that were rendered stay, the same command renders the others",
    "train": LAST_SAVED,
    "finetune": LAST_SAVED,
    "evaluate": f"nothing was written, {ANEW}",
    "separate": "the stems of finished songs stay, the same command goes on with the other songs",
    "compare": f"finished runs stay; {LAST_SAVED}",
    "curve": ANEW,
    "import": ANEW,
    "verify": ANEW,
    "run": f"{LAST_SAVED}; scoring starts anew",
    "artifacts": "what was written is whole, the same command writes all of it anew",
}


class Command:
    """Carries out a command in a ``with`` statement: what goes wrong for a reason that users can act on is a line.

    Args:
        name: with which its lines begin. interrupted: what became of it after Ctrl-C, and what the same one does next.

    ``code`` is its exit code: 0, what is set, 1 where it failed, 130 where it was interrupted. Our own mistakes go on.
    """

    def __init__(self, name: str, interrupted: str = NOTHING_YET):
        self.name, self.interrupted, self.code = name, interrupted, 0
        print_any_name()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, KeyboardInterrupt):
            say(self.name, f"interrupted; {self.interrupted}")
            self.code = 130
            return True
        if isinstance(error, BrokenPipeError):  # `bsrnn ... | head`: nobody reads on, and the end shall not complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif isinstance(error, BSRNNError):
            for each in error.errors if isinstance(error, SeveralErrors) else [error]:
                say(self.name, str(each))
        elif of_a_path(error):  # the last resort; what opens and writes says more
            say(self.name, f"{error.filename or 'a file, or the standard output'}: {obstacle(error)}")
        else:
            return False
        self.code = 1
        return True


def print_any_name() -> None:
    """Print what the terminal's encoding lacks, and names that are no UTF-8, as escapes: no song fails for its name.

    What is printed to a stream that was closed before we began, as daemons do, goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 -- as long as the process
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put something else
            stream.reconfigure(errors="backslashreplace")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number and what is counted, in the right form: "1 song", "2 songs". nouns: of several, where no "s" does it."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def shown(name: object) -> str:
    """A name out of a file, fit for one line of a message."""
    text = repr(name) if isinstance(name, str) else f"({type(name).__name__})"
    return text if len(text) <= 80 else text[:77] + "...'"


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first of many names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def line(who: str, text: str) -> str:
    """One line; line breaks, which names of files may have, as escapes."""
    return f"{who}: {text}".replace("\r", "\\r").replace("\n", "\\n")


def say(who: str, text: str) -> None:
    """A line on standard error."""
    print(line(who, text), file=sys.stderr, flush=True)


@cache  # a folder that is read for training is read again for validation
def note(text: str) -> None:
    """What a user should know though nothing failed, once in a process."""
    say("note", text)
