"""Threads over the items of a batch: the same numbers sooner.

Source: ours. The figures are in the book's chapter "What it costs", measured by benchmarks/.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


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

    The channels of an item are apart, too, unless the model lets them see each other. A core takes one at a time: the
    buffers of many are so large that the system takes each back and clears new pages for the next, unless it was asked
    not to (:func:`bsrnn.runtime.memory.keep_freed_memory`).

    Args:
        model: a :class:`bsrnn.models.base.Separator`. mixture: (B, C, L), on the model's device.

    Returns:
        (B, S, C, L); equal to the model's own output to rounding, as batches of other sizes are.
    """
    apart = model.config.channels_apart
    items = mixture.flatten(0, 1)[:, None] if apart else mixture

    def some(part: Tensor) -> Tensor:
        with torch.inference_mode():
            if part.device.type != "cpu":
                return model(part)
            return torch.cat([model(one) for one in part.split(1)])

    estimates = torch.cat(on_each_core(some, items))
    return estimates.unflatten(0, mixture.shape[:2])[:, :, :, 0].transpose(1, 2) if apart else estimates
