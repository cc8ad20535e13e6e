"""What a user should know though nothing failed: a line on standard error."""

import sys
from functools import cache


@cache  # a folder that is read for training is read again for validation
def note(line: str) -> None:
    """Say it, once in a process."""
    print(f"note: {line}", file=sys.stderr, flush=True)
