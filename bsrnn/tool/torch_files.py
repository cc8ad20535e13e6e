"""Files of ``torch.save``: the zip files of PyTorch 1.6 and later, and the older files of one stream.

``torch.load(weights_only=True)`` reads them. It runs nothing but what builds a tensor; objects of other packages, which
Lightning puts beside the weights, come back as `Placeholder`s. Before that the pickle is looked over without following
it: torch bounds neither the memory nor the time that a file can make it take, and says on many lines what it refuses.
"""

import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from bsrnn.errors import DataError
from bsrnn.runtime.files import refuse_pointer
from bsrnn.runtime.system_errors import obstacle
from bsrnn.runtime.terminal import shown

MAX_PICKLE = 16 << 20  # bytes of names and numbers: a hundred times what a model of the paper's size has
MAX_WORK = 8_000_000  # values that torch may have to copy or hash: a pickle can name one list a million times
FILLS = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD")  # steps that put values into one below them
LEGACY_PICKLES = 5  # PyTorch before 1.6: a magic number, a version, the machine, the value, the storages' keys

# What torch itself makes of a file of weights. It knows more: `bytearray` and tensor classes, which take any memory
# that a number asks for, and `_codecs.encode`, which numpy's arrays need and which takes minutes for 40 kB as punycode.
OF_TORCH = set(
    """collections.OrderedDict torch.Size torch.device torch.nn.parameter.Parameter torch._utils._rebuild_tensor
    torch._utils._rebuild_tensor_v2 torch._utils._rebuild_parameter
    torch._utils._rebuild_parameter_with_state""".split()
) | {str(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
# What stands beside the weights in published checkpoints, and is not needed.
PACKAGES = tuple(
    """omegaconf. hydra. lightning. lightning_fabric. lightning_utilities. pytorch_lightning. torchmetrics.
    typing.""".split()
)
NAMES = set(
    """builtins.object builtins.type builtins.dict builtins.list builtins.tuple builtins.str builtins.bytes
    builtins.int builtins.float builtins.bool collections.defaultdict argparse.Namespace pathlib.PosixPath
    pathlib.WindowsPath""".split()
)
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # how the pickles that torch.save writes call them
# How torch fails on a file that is damaged, or made by hand.
FAILURES = (
    UnpicklingError, RuntimeError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OverflowError,
    TypeError, ValueError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


class Placeholder:
    """Stands for an object of a class that is not read: takes whatever the file gives it, and does nothing."""

    state: object = None

    def __init__(self, *_: object):
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


def _plain_dict(*_: object) -> dict:
    """Stands for ``defaultdict``: torch fills plain dicts only."""
    return {}


def read(path: Path) -> Any:
    """What a file of ``torch.save`` holds: plain containers of plain values, tensors on the CPU and `Placeholder`s.

    A zip file's tensors lie in the file until they are used.

    Raises:
        DataError: no such file, not of this format, truncated, damaged, or asking for something to be run.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe would wait for its writer
        raise DataError(f"{path}: no regular file, expected a checkpoint that torch.save wrote; check the path")
    refuse_pointer(path)
    try:
        with open(path, "rb") as file:
            head = file.read(512)
        packed = head[:2] == b"PK"
        if head[257:262] == b"ustar":
            raise DataError(f"{path} is a tar file of PyTorch 0.1: load and save it with a PyTorch of its time")
        if not packed and head[:1] != b"\x80":
            raise DataError(f"{path} is not a checkpoint: expected a file that torch.save wrote (.ckpt, .pt or .pth)")
        names = look_over(path, *(_pickle_of_zip(path) if packed else _pickles_of_stream(path)))
        room = path.stat().st_size

        def place(storage: Any, _: str) -> Any:  # a torch.UntypedStorage, of whose methods torch's types know few
            """On the CPU whatever the file says, and no more bytes than the file has."""
            nonlocal room
            room -= storage.nbytes()
            if room < 0:
                raise DataError(f"{path} claims more bytes of tensors than it has: not a real checkpoint")
            return storage if packed else storage.fill_(255)  # NaN: a storage whose values never come shows

        inert: list[Callable | tuple[Callable, str]] = [
            (_plain_dict if name == "collections.defaultdict" else Placeholder, name) for name in names - OF_TORCH
        ]
        with torch.serialization.safe_globals(inert):
            return torch.load(path, map_location=place, weights_only=True, mmap=packed)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {obstacle(error, expected='a checkpoint file')}") from error
    except DataError:
        raise
    except FAILURES as error:
        raise DataError(f"{path} is truncated, damaged or no checkpoint; get it again") from error


def floats(path: Path, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Name and numbers of each tensor out of the file, as float32.

    Raises:
        DataError: more numbers than the file has bytes for, a type that is no float, NaN or infinity.
    """
    total, there = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()), path.stat().st_size
    if total > there:
        raise DataError(f"{path} claims {total} bytes of tensors and has {there}: not a real checkpoint")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise DataError(f"{path}: tensor {shown(name)} is of type {tensor.dtype}, expected floats")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise DataError(f"{path}: tensor {shown(name)} has values more than once: damaged, or no real checkpoint")
        values = tensor.detach().float()
        if not torch.isfinite(values).all():
            raise DataError(f"{path}: tensor {shown(name)} has values that are NaN or infinite")
        yield name, values


# ---- before torch reads it ----


def _pickle_of_zip(path: Path) -> tuple[BytesIO, int]:
    """The one pickle of a zip file whose entries are whole; and that it is one."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = {entry.filename for entry in entries}
        folders = {name.split("/")[0] for name in names}
        pickles = [entry for entry in entries if entry.filename == f"{min(folders)}/data.pkl"]
        script = f"{min(folders, default='')}/constants.pkl" in names  # TorchScript, a program
        if len(pickles) != 1 or len(folders) != 1 or len(names) != len(entries) or script:
            raise DataError(f"{path} is a zip file without a checkpoint: expected one that torch.save wrote")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > path.stat().st_size:
                raise DataError(f"{path} packs {shown(entry.filename)}, which torch.save does not: no real checkpoint")
        if pickles[0].file_size > MAX_PICKLE:
            raise DataError(f"{path} has a pickle of {pickles[0].file_size} bytes, expected at most {MAX_PICKLE}")
        if damaged := archive.testzip():
            raise DataError(f"{path} is truncated or damaged: {shown(damaged)} is not what it was; get it again")
        return BytesIO(archive.read(pickles[0])), 1


def _pickles_of_stream(path: Path) -> tuple[BytesIO, int]:
    with open(path, "rb") as file:
        return BytesIO(file.read(MAX_PICKLE)), LEGACY_PICKLES


def look_over(path: Path, stream: BytesIO, count: int = 1) -> set[str]:
    """Names of the classes and functions that the next pickles ask for.

    Raises:
        DataError: a name that no checkpoint needs, a step that torch.save does not write, or so many copies of values
            that they would take for ever or all memory. ValueError and others of `FAILURES`: no pickle.
    """
    names, work = set(), 0
    for _ in range(count):
        stack: list[list[int] | None] = []  # for each value how many went into it, as a list of one number; or a mark
        memo: dict[int, list[int] | None] = {}  # the same list for the same value, which may still be filled
        steps: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]] = pickletools.genops(stream)
        for step, argument, _ in steps:
            if step.proto > 2 or argument != 2 and step.name == "PROTO":
                version = f"protocol {argument}" if step.name == "PROTO" else f"a step {step.name}"
                raise DataError(f"{path} has a pickle with {version}, which torch.save does not write: save it anew")
            if step.name in ("GLOBAL", "INST"):
                names.add(_allowed(path, argument))
            if step.name in ("BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif step.name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif step.name == "MARK":
                stack.append(None)
            else:
                taken = _taken(stack, step)
                filled = taken.pop() if step.name in FILLS else None
                weight = sum(values for [values] in taken)
                work += weight
                if work > MAX_WORK:
                    raise DataError(f"{path} has values that hold each other too often: not a real checkpoint")
                if filled:
                    filled[0] += weight
                    stack.append(filled)
                else:
                    stack += [[1 + weight] for _ in step.stack_after]
    return names


def _taken(stack: list, step: pickletools.OpcodeInfo) -> list:
    """The values that a step takes from the stack, removed from it."""
    taken, count = [], len(step.stack_before)
    if pickletools.markobject in step.stack_before:
        while (value := stack.pop()) is not None:
            taken.append(value)
        count = step.stack_before.index(pickletools.markobject)
    return taken + [stack.pop() for _ in range(count)]


def _allowed(path: Path, argument: str) -> str:
    """The full name of a class or function that a file may ask for."""
    module, _, name = argument.partition(" ")
    full = f"{PYTHON_2.get(module, module)}.{name}"
    storage = module == "torch" and name.endswith("Storage")
    if not (storage or full in OF_TORCH or full in NAMES or full.startswith(PACKAGES)):
        raise DataError(
            f"{path} asks for {shown(full)}, which no published checkpoint needs: it is hostile, or of a program that "
            "is not known here. Nothing was run"
        )
    return full
