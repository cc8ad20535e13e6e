"""`python -m bsrnn.notebooks` is `python -m bsrnn.workflow.notebooks`, as scripts have called it."""

import sys

from bsrnn.workflow.notebooks import main

if __name__ == "__main__":
    sys.exit(main())
