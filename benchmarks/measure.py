"""How things are measured: alternately, in one process, as ratios; work in FLOPs; memory in a fresh process."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from bsrnn import band_widths
from bsrnn.config import ModelConfig


def alternate(tasks: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each task in each round. The tasks take turns: a busy minute of the machine hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(warm_up + rounds):
        for name, task in tasks.items():
            synchronise()
            begun = time.perf_counter()
            task()
            synchronise()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def synchronise() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Median, quartiles and number of measured values."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(median), "quartile_low": float(low), "quartile_high": float(high), "rounds": len(values)}


def ratio(seconds: Mapping[str, Sequence[float]], slow: str, fast: str) -> dict[str, float | int]:
    """How many times faster ``fast`` is than ``slow``: round by round, then median and quartiles."""
    return spread([a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)])


def rnn_flops(config: ModelConfig, items: int, samples: int) -> float:
    """FLOPs (a multiply-add is two) of the RNN core's matrix products; items: batch times channels.

    Of each LSTM step: 4 gates of H from N inputs and H states, two directions; then the linear layer 2H -> N.
    """
    n, hidden = config.features, config.lstm_hidden
    frames, bands = samples // config.hop_samples + 1, len(band_widths(config.band_split))
    step = 2 * (2 * 4 * hidden * (n + hidden)) + 2 * (2 * hidden * n)
    return float(step) * 2 * config.modules * frames * bands * items


def products(dtype: torch.dtype, size: int = 2048) -> tuple[dict[str, Callable[[], object]], float]:
    """Plain square matrix products, and the FLOPs of each: the fastest of them is the best that the machine can do.

    PyTorch's own, and oneDNN's, which is a convolution with a kernel of one here (on some processors much faster in
    float32); all cores on one product, and a product on each core.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator).to(dtype) for _ in range(2))
    images, kernels = a.view(-1, 1, 64, size).permute(0, 3, 1, 2), b[:, :, None, None]
    cores = torch.get_num_threads()
    pool = ThreadPoolExecutor(cores)

    def on_each_core(product: Callable[[], object]) -> None:
        def alone(_: int) -> None:
            torch.set_num_threads(1)
            on_all(product, cores)

        list(pool.map(alone, range(cores)))
        torch.set_num_threads(cores)

    def on_all(product: Callable[[], object], times: int = cores**2) -> None:
        with torch.inference_mode():
            for _ in range(times):
                product()

    kinds = {"torch": lambda: a @ b, "oneDNN": lambda: functional.conv2d(images, kernels)}
    ways = {"all cores together": on_all, "each core alone": on_each_core}
    tasks = {f"{kind}, {way}": partial(ways[way], kinds[kind]) for kind in kinds for way in ways}
    return tasks, 2.0 * size**3 * cores**2


# Linux hands getrusage's figure down to a child, so that a large parent would hide it: VmHWM is the process's own.
PEAK = """
import re, resource, sys
try:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024)
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def in_fresh_process(code: str, *arguments: str) -> str:
    """What Python code prints in a process of its own.

    Raises:
        RuntimeError: the code failed; with what it wrote to standard error.
    """
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the measured process failed:\n{done.stderr}")
    return done.stdout


def peak_memory_gb(code: str, *arguments: str) -> float:
    """Run Python code in a fresh process; the largest resident size that it had, in GB (10^9 bytes).

    Raises:
        RuntimeError: the code failed; with what it wrote to standard error.
    """
    return int(in_fresh_process(code + "\n" + PEAK, *arguments).split()[-1]) / 1e9
