"""Pickles as data: followed step by step, and nothing in them is ever called.

A pickle is a small program: it can name any function of any module and ask for it to be run. Python's own unpickler
does what it is asked, so a file from the network can do anything. Here its steps build plain containers, and tensors
that are looked up in the file; whatever else it asks for (a class, a function) becomes a `Placeholder`, which holds
what it was given and does nothing. A file that asks for what only an attack wants is refused by name.
"""

import pickletools
import struct
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path

import torch

from bsrnn.errors import DataError

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# What no checkpoint needs and attacks ask for. It is not what keeps us safe (nothing is called, whatever its name):
# it is there to tell the user what sort of file this is.
HOSTILE = tuple(
    """os posix nt subprocess _posixsubprocess sys shutil socket pty commands runpy importlib imp ctypes _ctypes code
    codeop pickle _pickle cloudpickle dill joblib marshal webbrowser multiprocessing asyncio signal tempfile io _io
    pathlib.Path.write_bytes pathlib.Path.write_text pathlib.Path.unlink http urllib requests pip timeit pdb bdb
    profile cProfile trace threading _thread types.CodeType types.FunctionType operator.attrgetter
    operator.methodcaller functools.reduce inspect platform gc torch.load torch.hub torch.jit torch.package
    torch.serialization.load torch.ops torch.classes torch._C torch.utils torch.multiprocessing torch.distributed
    numpy.load numpy.f2py numpy.testing numpy.distutils""".split()
)
BUILTINS = set(
    """object type dict list tuple set frozenset str bytes bytearray int float complex bool slice range
    getattr NotImplemented Ellipsis""".split()
)  # getattr: Python 3.11 writes the members of an enum with it


@dataclass(frozen=True)
class Name:
    """A class or function that the file names; never imported."""

    module: str
    name: str


@dataclass
class Placeholder:
    """Stands for an object of a class that is not read: what the file gave it, and no behaviour."""

    kind: Name | None
    arguments: object = None
    state: object = None


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file."""

    dtype: torch.dtype
    key: str
    numel: int


@dataclass(frozen=True)
class Stored:
    """A tensor that lies in the file: shape and place are checked, its numbers are not read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of its numbers."""
        return prod(self.shape) * self.storage.dtype.itemsize


def is_size(value: object) -> bool:
    """Whether a value out of a file is a whole number that a size can be."""
    return type(value) is int and 0 <= value < 1 << 63


def shown(name: object) -> str:
    """A name out of a file, fit for one line of a message."""
    text = repr(name) if isinstance(name, str) else f"({type(name).__name__})"
    return text if len(text) <= 80 else text[:77] + "...'"


LITERALS = set(
    """NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING
    SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
    BYTEARRAY8""".split()
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_SET": list, "EMPTY_DICT": dict}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARK = object()


class Machine:
    """Follows the steps of a pickle on a stack of its own; sets become lists, mappings dicts."""

    def __init__(self, path: Path):
        self.path = path
        self.storages: list[Storage] = []

    def run(self, file: BytesIO):
        """The value of the pickle that begins at the file's position."""
        self.stack: list = []
        self.memo: dict[int, object] = {}
        try:
            for opcode, argument, _ in pickletools.genops(file):
                self.step(opcode.name, argument)
            return self.stack.pop()
        except (ValueError, IndexError, KeyError, OverflowError, struct.error) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{self.path} is truncated or damaged: its pickle cannot be followed") from error

    def step(self, name: str, argument) -> None:
        """One step of the program; IndexError or KeyError where the stack or the memo lacks what it needs."""
        stack = self.stack
        if name in LITERALS:
            stack.append(CONSTANTS.get(name, argument))
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            stack.append(MARK)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self.since_mark()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(self.top(TUPLES[name]))]
        elif name in ("TUPLE", "FROZENSET"):
            stack.append(tuple(self.since_mark()))
        elif name == "LIST":
            stack.append(self.since_mark())
        elif name == "DICT":
            values = self.since_mark()
            stack.append({})
            self.fill(values)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            values = [stack.pop()] if name == "APPEND" else self.since_mark()
            if isinstance(stack[-1], list):  # else a placeholder, which needs nothing
                stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self.since_mark()
            self.fill(values)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, attribute = argument.split(" ", 1) if name == "GLOBAL" else [stack.pop(), stack.pop()][::-1]
            stack.append(self.named(module, attribute))
        elif name == "INST":
            values = self.since_mark()
            stack.append(self.called(self.named(*argument.split(" ", 1)), tuple(values)))
        elif name == "OBJ":
            kind, *values = self.since_mark()
            stack.append(self.called(kind, tuple(values)))
        elif name in ("REDUCE", "NEWOBJ"):
            values, kind = stack.pop(), stack.pop()
            stack.append(self.called(kind, values))
        elif name == "NEWOBJ_EX":
            _, values, kind = stack.pop(), stack.pop(), stack.pop()
            stack.append(self.called(kind, values))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Placeholder):
                stack[-1].state = state
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        else:
            raise DataError(f"{self.path}: its pickle has a step {name}, which torch.save does not write")

    def top(self, count: int) -> list:
        """The last so many values, left where they are."""
        if len(self.stack) < count:
            raise IndexError
        return self.stack[-count:]

    def since_mark(self) -> list:
        """Take the values above the last mark, and the mark."""
        values = []
        while (value := self.stack.pop()) is not MARK:
            values.append(value)
        return values[::-1]

    def fill(self, values: list) -> None:
        """Keys and values in turn into the dict on top. Other keys than names and numbers are passed over: nobody asks
        for them, and hashing one can be made to take for ever."""
        into = self.stack[-1]
        for key, value in zip(values[::2], values[1::2], strict=True):
            plain = isinstance(key, str) or (isinstance(key, int) and abs(key) < 1 << 63)
            if isinstance(into, dict) and plain:
                into[key] = value

    def named(self, module, name) -> Name:
        """A class or function by name, unless it is what attacks ask for."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise IndexError
        full = f"{module}.{name}"
        hostile = any(full == known or full.startswith(f"{known}.") for known in HOSTILE)
        if module in ("builtins", "__builtin__"):
            hostile = name not in BUILTINS
        if hostile:
            raise DataError(
                f"{self.path} is hostile: it asks for {shown(full)} to be run, which no checkpoint needs. Nothing was "
                "run; delete the file"
            )
        return Name(module, name)

    def called(self, kind, arguments):
        """What stands for ``kind(*arguments)``: a container, a tensor in the file, or a placeholder. Calls nothing."""
        if not isinstance(arguments, tuple) or not isinstance(kind, Name):
            return Placeholder(kind if isinstance(kind, Name) else None, arguments)
        if kind.module == "torch._utils" and kind.name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return self.tensor(*arguments[:4]) if len(arguments) >= 4 else self.odd_tensor()
        if kind.module == "torch._utils" and kind.name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return arguments[0] if arguments and isinstance(arguments[0], Stored) else self.odd_tensor()
        if kind in (Name("collections", "OrderedDict"), Name("collections", "defaultdict")):
            return {}  # Python 3 fills it by steps of its own
        return Placeholder(kind, arguments)

    def tensor(self, storage, offset, shape, stride) -> Stored:
        """A tensor in the file, whose place lies inside its storage and holds no value twice."""
        if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
            return self.odd_tensor()
        sizes = len(shape) == len(stride) <= 8 and all(map(is_size, (offset, *shape, *stride)))
        if not sizes:
            return self.odd_tensor()
        last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        if prod(shape) > storage.numel or (prod(shape) and last >= storage.numel):
            return self.odd_tensor()
        return Stored(storage, offset, shape, stride)

    def odd_tensor(self):
        """Refuse a tensor that does not lie in the file."""
        raise DataError(f"{self.path} has a tensor that does not lie inside the file: damaged, or no real checkpoint")

    def storage(self, description) -> Storage:
        """A persistent id of torch.save: ("storage", type, key, device, number of values, and nothing or None)."""
        if isinstance(description, tuple) and len(description) in (5, 6) and description[0] == "storage":
            kind, key, numel = description[1], description[2], description[4]
            known = isinstance(kind, Name) and kind.module == "torch" and kind.name in DTYPES
            whole = description[5:] in ((), (None,))  # and not a view of another storage
            if known and whole and isinstance(key, str) and is_size(numel):
                self.storages.append(Storage(DTYPES[kind.name], key, numel))
                return self.storages[-1]
        raise DataError(f"{self.path} has a storage of an unknown kind: expected those of torch.save")
