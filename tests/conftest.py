"""What every test shares."""

import os

# before torch is imported: pytest-xdist runs one process a core, and threads on top of that only fight
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis  # noqa: E402

# no deadline: the machine may be busy. derandomize: a red build can be had again
hypothesis.settings.register_profile("bsrnn", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bsrnn")
