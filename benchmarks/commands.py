"""What a whole command costs: processor minutes, minutes on the clock, and the memory of its largest process.

    python -m benchmarks.commands make reproduce PROFILE=quick
    python -m benchmarks.commands make test

writes benchmarks/commands.json, from which the README has its sentence (:func:`sentence`; a test holds them together).
Start each from the state that is to be measured: after ``make env``, and for ``make reproduce`` in a clone without
results of the profile. Minutes of the processor hardly depend on what else the machine does; those on the clock do.
"""

import platform
import resource
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.__main__ import machine
from bsrnn.runtime import provenance
from bsrnn.runtime.files import read_json, write_json

FIGURES = Path(__file__).parent / "commands.json"
REPRODUCE, TEST = "make reproduce PROFILE=quick", "make test"
KIBIBYTE = 1 if platform.system() == "Darwin" else 1024  # the unit of ru_maxrss, in bytes


def measure(command: list[str]) -> dict[str, float]:
    """Run a command to its end; minutes of the processor (user and system) and on the clock, and peak memory in GB.

    The memory is that of the largest single process: the system keeps no sum over those that run at a time.

    Raises:
        subprocess.CalledProcessError: it failed, so that its cost is none.
    """
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "processor_minutes": round(processor / 60, 2),
        "minutes": round(seconds / 60, 2),
        "largest_process_gb": round(after.ru_maxrss * KIBIBYTE / 1e9, 2),
    }


def record(command: list[str], file: Path = FIGURES) -> dict:
    """Measure a command and keep its figures in ``file``, beside those of other commands."""
    figures = measure(command) | {
        "date": datetime.now(UTC).date().isoformat(),
        **provenance.code_state(),
        "machine": machine(),
    }
    write_json(file, (read_json(file) if file.exists() else {}) | {shlex.join(command): figures})
    return figures


def sentence(file: Path = FIGURES) -> str:
    """The README's sentence on what the two commands cost, from what was measured."""
    figures = read_json(file) if file.exists() else {}
    if not {REPRODUCE, TEST} <= figures.keys():
        return "What the two cost on your machine, `python -m benchmarks.commands` measures."
    reproduce, test = figures[REPRODUCE], figures[TEST]
    return (
        f"Beside the installation, the first takes {reproduce['processor_minutes']:.0f} minutes of a processor core "
        f"and the second {test['processor_minutes']:.0f}, shared by the cores that there are; the largest process "
        f"holds {max(reproduce['largest_process_gb'], test['largest_process_gb']):.1f} GB "
        f"({reproduce['machine']['processor']}; measured by `python -m benchmarks.commands`)."
    )


def main(command: list[str]) -> int:
    """Measure the command that stands on the command line."""
    if not command:
        print("error: got no command: expected one, as in python -m benchmarks.commands make test", file=sys.stderr)
        return 2
    try:
        figures = record(command)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}: nothing is recorded", file=sys.stderr)
        return 1
    print(f"{shlex.join(command)}: {figures['processor_minutes']} minutes of a core, "
          f"{figures['minutes']} on the clock, {figures['largest_process_gb']} GB")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
