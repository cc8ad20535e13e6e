"""Files of ``torch.save``: the zip files of PyTorch 1.6 and later, and the older files of one stream.

Their pickles are read by `bsrnn.tool.pickle_data`, which calls nothing; tensors are looked up in the file as they are
needed.
"""

import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import torch

from bsrnn.errors import DataError
from bsrnn.tool.pickle_data import Machine, Storage, Stored, shown

MAX_PICKLE = 16 << 20  # bytes of names and numbers: a hundred times what a model of the paper's size has
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # PyTorch before 1.6 begins a file with it


@dataclass
class TorchFile:
    """What a file holds: plain containers of plain values, `Stored` tensors and `Placeholder`s."""

    path: Path
    content: object
    _read: Callable[[str], bytes] = field(repr=False)  # key of a storage -> its bytes

    def tensors(self, wanted: dict[str, Stored]) -> Iterator[tuple[str, torch.Tensor]]:
        """Name and numbers of each wanted tensor, as float32.

        Raises:
            DataError: more numbers than the file has bytes for, a type that is no float, NaN or infinity, damage.
        """
        total, there = sum(tensor.bytes for tensor in wanted.values()), self.path.stat().st_size
        if total > there:
            raise DataError(f"{self.path} claims {total} bytes of tensors and has {there}: not a real checkpoint")
        storages: dict[str, torch.Tensor] = {}
        for name, tensor in wanted.items():
            storage = tensor.storage
            if not storage.dtype.is_floating_point:
                raise DataError(f"{self.path}: tensor {shown(name)} is of type {storage.dtype}, expected floats")
            if storage.key not in storages:
                size = storage.numel * storage.dtype.itemsize
                numbers = bytearray(self._read(storage.key)[:size])
                if len(numbers) < size:
                    raise DataError(f"{self.path} is truncated or damaged: its tensor {shown(name)} is cut off")
                storages[storage.key] = torch.frombuffer(numbers, dtype=storage.dtype) if size else torch.empty(0)
            values = storages[storage.key].as_strided(tensor.shape, tensor.stride, tensor.offset).float()
            if not torch.isfinite(values).all():
                raise DataError(f"{self.path}: tensor {shown(name)} has values that are NaN or infinite")
            yield name, values


def read(path: Path) -> TorchFile:
    """Read a file that ``torch.save`` wrote, without calling anything that it names.

    Raises:
        DataError: no such file, not of this format, truncated, damaged, or hostile.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            if head[:2] == b"PK":
                return _read_zip(path)
            if head[257:262] == b"ustar":
                raise DataError(f"{path} is a tar file of PyTorch 0.1: load and save it with a PyTorch of its time")
            if head[:1] == b"\x80":
                return _read_legacy(path, file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; expected a checkpoint file") from error
    raise DataError(f"{path} is not a checkpoint: expected a file that torch.save wrote (.ckpt, .pt or .pth)")


def _read_zip(path: Path) -> TorchFile:
    try:
        archive = zipfile.ZipFile(path)
        entries = {entry.filename: entry for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}; get it again") from error

    def content(name: str) -> bytes:
        entry = entries[name]
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > path.stat().st_size:
            raise DataError(f"{path} packs {shown(name)} in a way that torch.save does not: not a real checkpoint")
        try:
            return archive.read(entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, struct.error) as error:
            raise DataError(f"{path} is truncated or damaged: {error}; get it again") from error

    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise DataError(f"{path} is a zip file without a checkpoint: expected one that torch.save wrote")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in entries and content(f"{folder}byteorder").strip() != b"little":
        raise DataError(f"{path} was written on a big-endian machine: load and save it there with little-endian order")
    if (size := entries[pickles[0]].file_size) > MAX_PICKLE:
        raise DataError(f"{path} has a pickle of {size} bytes, expected at most {MAX_PICKLE}")
    machine = Machine(path)
    value = machine.run(BytesIO(content(pickles[0])))
    for storage in machine.storages:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None or entry.file_size < storage.numel * storage.dtype.itemsize:
            raise DataError(f"{path} is truncated or damaged: {_lacks(storage)}")
    return TorchFile(path, value, lambda key: content(f"{folder}data/{key}"))


def _read_legacy(path: Path, file: BinaryIO) -> TorchFile:
    """Before PyTorch 1.6: pickles of a magic number, a version, the machine, the value and the storages' keys; then
    each storage's number of values (8 bytes) and the values."""
    file.seek(0)
    head = BytesIO(file.read(MAX_PICKLE))
    machine = Machine(path)
    if machine.run(head) != LEGACY_MAGIC:
        raise DataError(f"{path} is a pickle, but not a checkpoint: expected a file that torch.save wrote")
    machine.run(head)  # 1001, the version
    machine.run(head)  # byte order and sizes of integers
    value = machine.run(head)
    keys = machine.run(head)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise DataError(f"{path} is damaged: its list of storages cannot be read")
    sizes = {storage.key: storage for storage in machine.storages}
    places, position, length = {}, head.tell(), path.stat().st_size
    for key in keys:
        if key not in sizes:
            raise DataError(f"{path} is damaged: its storage {shown(key)} belongs to no tensor")
        file.seek(position)
        size = sizes[key].numel * sizes[key].dtype.itemsize
        places[key] = (position + 8, size)
        position += 8 + size
        if position > length or int.from_bytes(file.read(8), "little") != sizes[key].numel:
            raise DataError(f"{path} is truncated or damaged: {_lacks(sizes[key])}")
    for storage in machine.storages:
        if storage.key not in places or places[storage.key][1] < storage.numel * storage.dtype.itemsize:
            raise DataError(f"{path} is damaged: {_lacks(storage)}")

    def content(key: str) -> bytes:
        start, size = places[key]
        with open(path, "rb") as again:
            again.seek(start)
            return again.read(size)

    return TorchFile(path, value, content)


def _lacks(storage: Storage) -> str:
    return f"storage {shown(storage.key)} of {storage.numel} values is not there whole"
