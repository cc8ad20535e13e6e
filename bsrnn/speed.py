"""What makes the same numbers sooner: threads over items, kept memory, the dtype that a processor is fast in.

Source: ours. The figures are in the book's chapter "What it costs", measured by benchmarks/.
"""

import ctypes
import platform
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


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


def in_threads(model, mixture: Tensor) -> Tensor:
    """``model(mixture)`` without gradients; on a CPU each core takes some of the items through the whole model.

    The threads of one matrix product wait for each other at every step of a recurrence. Items do not touch each
    other, and nor do their channels unless the model has a stereo module, so that each can have a core to itself.

    Args:
        model: a :class:`bsrnn.BSRNN`. mixture: (B, C, L), on the model's device.

    Returns:
        (B, S, C, L); equal to the model's own output to rounding, as batches of other sizes are.
    """
    cores = torch.get_num_threads()
    apart = not model.config.tac_factor  # each channel an item of its own
    items = mixture.flatten(0, 1)[:, None] if apart else mixture
    threads = min(cores, len(items))
    if mixture.device.type != "cpu" or threads < 2:
        with torch.inference_mode():
            return model(mixture)

    def some(part: Tensor) -> Tensor:
        torch.set_num_threads(cores // threads)  # OpenMP's: of this thread
        with torch.inference_mode():  # is a thread's own, too
            return model(part)

    with ThreadPoolExecutor(threads) as pool:
        try:
            estimates = torch.cat(list(pool.map(some, items.tensor_split(threads))))
        finally:
            torch.set_num_threads(cores)  # what threads yet to come begin with, which the ones above have changed
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
