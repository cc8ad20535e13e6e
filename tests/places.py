"""Where the tests find the repository, whatever folder of tests/ they lie in."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PYTHONPATH = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])  # for a test file that is started by itself
