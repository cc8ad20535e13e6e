"""What makes the same numbers sooner: threads over items, kept memory, the dtype that a processor is fast in.

Source: ours. The figures are in the book's chapter "What it costs", measured by benchmarks/.
"""

import ctypes
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def share_one_arena() -> bool:
    """Ask glibc to serve all threads from one heap; whether it could be asked.

    Threads' own heaps give memory back whatever was asked for: a training step in threads took 1.9 times as long. This
    must come before the first threads, whose heaps later ones inherit, so it happens when this module is imported.
    """
    arena_max = -8  # malloc.h
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).mallopt(arena_max, 1))


def keep_freed_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; whether it could be asked.

    By default each large buffer goes back to the kernel when it is freed and comes back as new pages that have to be
    cleared: a quarter of the time of a small training or of a separation. It costs memory (1.7 instead of 1.3 GB in
    such a training).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h
    return all([mallopt(mmap_max, 0), mallopt(trim_threshold, -1), mallopt(top_pad, 64 << 20)])


def on_each_core(function: Callable[..., T], *tensors: Tensor) -> list[T]:
    """``function`` of a few items of each tensor, on a CPU in as many threads as there are cores; results in order.

    The threads of one matrix product wait for each other at every step of a recurrence, and those of different items
    do not. Gradient mode and autocast are a thread's own: ``function`` sets what it needs. On a GPU, with one item or
    with one core it is called once, with everything.
    """
    cores = torch.get_num_threads()
    threads = min(cores, len(tensors[0]))
    if tensors[0].device.type != "cpu" or threads < 2:
        return [function(*tensors)]

    def some(*parts: Tensor) -> T:
        torch.set_num_threads(cores // threads)  # OpenMP's: of this thread
        return function(*parts)

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(some, *(tensor.tensor_split(threads) for tensor in tensors)))
        finally:
            torch.set_num_threads(cores)  # what threads yet to come begin with, which the ones above have changed


def in_threads(model, mixture: Tensor) -> Tensor:
    """``model(mixture)`` without gradients, some of the items on each core (:func:`on_each_core`).

    The channels of an item are apart, too, unless the model lets them see each other.

    Args:
        model: a :class:`bsrnn.models.base.Separator`. mixture: (B, C, L), on the model's device.

    Returns:
        (B, S, C, L); equal to the model's own output to rounding, as batches of other sizes are.
    """
    apart = model.config.channels_apart
    items = mixture.flatten(0, 1)[:, None] if apart else mixture

    def some(part: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(part)

    estimates = torch.cat(on_each_core(some, items))
    return estimates.unflatten(0, mixture.shape[:2])[:, :, :, 0].transpose(1, 2) if apart else estimates


def fast_dtype(device: str | torch.device = "cpu") -> str:
    """``"bfloat16"`` where the processor or GPU multiplies in it faster than in float32, else ``"float32"``.

    On others bfloat16 is emulated and slower.
    """
    if torch.device(device).type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = torch.cpu.get_capabilities()
        fast = has.get("avx512_bf16", False) or has.get("amx_bf16", False)
    return "bfloat16" if fast else "float32"


share_one_arena()
