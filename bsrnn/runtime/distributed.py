"""One training on several GPUs or machines: plain torch.distributed, started by torchrun (ours).

torchrun says in the environment who is who (RANK, WORLD_SIZE, LOCAL_RANK) and where all meet; nothing else is read. On
a SLURM cluster srun starts one torchrun a machine, see book/cluster.md. Every process runs the same code. What differs
is asked here: :func:`rank` and :func:`size` are 0 and 1 in an ordinary process, so that the training loop is one and
the same. Only rank 0 writes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from bsrnn.errors import ConfigError

WAIT = timedelta(hours=1)  # for the slowest process, which may be reading songs; then the training fails and says so


@contextmanager
def started(device: str = "cpu") -> Iterator[str]:
    """Join the other processes of this training, if there are any; gives the device of this one.

    Raises:
        ConfigError: a device that several processes cannot share.
    """
    processes, local_rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_RANK", 0))
    if processes == 1 or "RANK" not in os.environ or distributed.is_initialized():
        yield device
        return
    gpus = torch.cuda.device_count() if device.startswith("cuda") else 0
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"got device {device!r} for {processes} processes, expected cuda: each has a GPU of its own")
    if device == "cuda":
        if local_rank >= gpus:
            raise ConfigError(f"process {local_rank} of this machine finds {gpus} GPU(s): start one process a GPU")
        device = f"cuda:{local_rank}"
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    distributed.init_process_group(backend, timeout=WAIT)
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if _together() else 0


def size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if _together() else 1


def share(items: int) -> slice:
    """Which items of a batch are this process's: all of them lie in the order that one process would see.

    Raises:
        ConfigError: they cannot be dealt out equally.
    """
    if items % size():
        raise ConfigError(
            f"a batch of {items} items cannot be shared equally by {size()} processes: start a number of them that "
            f"divides {items}"
        )
    part = items // size()
    return slice(rank() * part, (rank() + 1) * part)


def wrap(module: nn.Module) -> nn.Module:
    """The module, or with several processes one whose backward pass takes the mean of their gradients."""
    if size() == 1:
        return module
    return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False, gradient_as_bucket_view=True)


def agree(value: bool) -> bool:
    """What rank 0 says, everywhere: others may see a file of a shared disk a moment later."""
    return bool(total(torch.tensor(float(value and rank() == 0))))


def all_agree(value: bool) -> bool:
    """Whether every process says so."""
    return bool(total(torch.tensor(float(value))) == size())


def total(values: Tensor) -> Tensor:
    """The sum over all processes, in place; every process gets the same bits."""
    if size() > 1:
        distributed.all_reduce(values)
    return values


def gather(values: Tensor) -> Tensor:
    """Every process's tensor of one shape, joined along the first axis in the order of the ranks."""
    if size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(size())]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def by_shares(function: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
    """``function(items)``, of which every process computes its share of the items alone; all get the same bits.

    The items (B, ...), on the CPU, must be the same in every process, and the function must map each by itself to one
    of a shape of its own, on the CPU. Where they cannot be shared equally, the last shares are filled up with zeros,
    whose results are thrown away. One process computes all at once.
    """
    if size() == 1 or not len(items):
        return function(items)
    part = -(-len(items) // size())
    mine = items[rank() * part : (rank() + 1) * part]
    filled = torch.cat([mine, items.new_zeros(part - len(mine), *items.shape[1:])])
    return gather(function(filled))[: len(items)]


def copy_first(values: dict[str, Tensor]) -> None:
    """Overwrite tensors by those of rank 0."""
    if size() > 1:
        for tensor in values.values():
            distributed.broadcast(tensor, 0)


def copy_bytes(data: bytes | None) -> bytes | None:
    """Rank 0's bytes, or its None, everywhere: bytes and no objects, so that nothing is unpickled."""
    if size() == 1:
        return data
    length = int(total(torch.tensor((-1 if data is None else len(data)) if rank() == 0 else 0)))
    if length <= 0:
        return None if length else b""
    first = bytes(length) if data is None or rank() > 0 else data  # to be overwritten, but at rank 0
    buffer = torch.frombuffer(bytearray(first), dtype=torch.uint8)
    distributed.broadcast(buffer, 0)
    return buffer.numpy().tobytes()
