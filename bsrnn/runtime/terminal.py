"""What the command line says of names, of the system's errors and of interruptions, whatever the terminal."""

import sys

from bsrnn.errors import SeveralErrors
from bsrnn.runtime.system_errors import obstacle

LAST_SAVED = "the same command goes on where the training was saved last, a minute ago at most"
ANEW = "the same command starts anew"
INTERRUPTED = {  # what is true of each command, and before it is known which
    "": "nothing was begun",
    "data": "songs that were rendered stay, the same command renders the others",
    "train": LAST_SAVED,
    "finetune": LAST_SAVED,
    "evaluate": f"nothing was written, {ANEW}",
    "separate": "the stems of finished songs stay, the same command goes on with the other songs",
    "import": ANEW,
    "verify": ANEW,
    "run": f"{LAST_SAVED}; scoring starts anew",
    "artifacts": "what was written is whole, the same command writes all of it anew",
}


def print_any_name() -> None:
    """Print what the terminal's encoding lacks, and names that are no UTF-8, as escapes: no song fails for its name."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put something else
            stream.reconfigure(errors="backslashreplace")


def say_error(command: str, error: Exception) -> None:
    """A line on standard error for each thing that is wrong."""
    for each in error.errors if isinstance(error, SeveralErrors) else [error]:
        say(command, str(each))


def say(command: str, text: str) -> None:
    """One line on standard error, whatever letters the names in it have."""
    print(f"{f'bsrnn {command}'.strip()}: {one_line(text)}", file=sys.stderr)


def one_line(text: str) -> str:
    """Line breaks, which names of files may have, as escapes."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def say_system_error(command: str, error: OSError) -> None:
    """The last resort, of a path that nobody has expected to fail; what opens and writes says more."""
    say(command, f"{error.filename or 'a file, or the standard output'}: {obstacle(error)}")


def say_interrupted(command: str) -> None:
    """What became of the command, and what the same one does next."""
    say(command, f"interrupted; {INTERRUPTED[command]}")
