"""Files of torch.save as data: what they hold is read, and nothing that they ask for is ever run."""

import ast
import functools
import io
import os
import pickle
import shutil
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections import OrderedDict, defaultdict
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from bsrnn import cli
from bsrnn.errors import DataError
from bsrnn.tool.pickle_data import Machine, Name, Placeholder
from bsrnn.tool.torch_files import read

WEIGHT = "BN.0.0.weight"


def spring(path):
    """A function of no hostile module: only never calling anything keeps it from running."""
    Path(path).touch()


class Trap:
    """Asks whoever unpickles it to call something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


TRAPS = {
    "os.system": lambda path: Trap(os.system, f"touch '{path}'"),
    "eval": lambda path: Trap(eval, f"__import__('pathlib').Path({path!r}).touch()"),
    "exec": lambda path: Trap(exec, f"import pathlib; pathlib.Path({path!r}).touch()"),
    "open": lambda path: Trap(open, path, "w"),
    "mkdir": lambda path: Trap(os.mkdir, path),
    "subprocess": lambda path: Trap(subprocess.check_call, ["touch", path]),
    "copy": lambda path: Trap(shutil.copyfile, __file__, path),
    "method": lambda path: Trap(Path(path).touch),  # pickled as getattr(Path(path), "touch")
    "partial": lambda path: Trap(functools.partial(spring, path)),
    "own": lambda path: Trap(spring, path),
}
INERT = ("method", "partial", "own")  # no hostile module: read over, and nothing happens


def places(trap):
    """The trap at every place of a checkpoint."""
    weights = OrderedDict({WEIGHT: torch.ones(2)})
    yield "top", trap
    yield "beside", {"state_dict": weights, "callbacks": trap}
    yield "settings", {"state_dict": weights, "hyper_parameters": {"a": [{"b": (1, trap)}]}}
    yield "key", {"state_dict": weights, "hyper_parameters": {trap: 1}}
    yield "state_dict", {"state_dict": OrderedDict({WEIGHT: torch.ones(2), "BN.0.0.bias": trap})}
    yield "instead", {"state_dict": trap}
    for place, arguments in {
        "storage": (trap, 0, (2,), (1,), False, OrderedDict()),
        "offset": (torch.ones(2).untyped_storage(), trap, (2,), (1,), False, OrderedDict()),
        "shape": (torch.ones(2).untyped_storage(), 0, (trap,), (1,), False, OrderedDict()),
        "hooks": (torch.ones(2).untyped_storage(), 0, (2,), (1,), False, trap),
    }.items():
        yield f"rebuild {place}", {"state_dict": {WEIGHT: Trap(torch._utils._rebuild_tensor_v2, *arguments)}}
    yield "parameter", {"state_dict": {WEIGHT: Trap(torch._utils._rebuild_parameter, trap, True, OrderedDict())}}


class Pickler(pickle.Pickler):
    """Lets storages be whatever a test says they are."""

    def persistent_id(self, value):
        if isinstance(value, torch.UntypedStorage | torch.TypedStorage):
            return ("storage", torch.FloatStorage, "0", "cpu", 2)
        return value.description if isinstance(value, Storage) else None


class Storage:
    def __init__(self, *description):
        self.description = description


def craft(path, content, protocol=2, method=zipfile.ZIP_STORED, storages=None):
    """A checkpoint of any content: the pickle is ours, storages are {key: bytes}."""
    stream = io.BytesIO()
    Pickler(stream, protocol).dump(content)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        for key, value in (storages or {"0": np.ones(2, np.float32).tobytes()}).items():
            archive.writestr(f"archive/data/{key}", value)
    return path


def tensor(storage, offset, shape, stride):
    """A tensor whose place in its storage may be any."""
    return Trap(torch._utils._rebuild_tensor_v2, storage, offset, shape, stride, False, OrderedDict())


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", TRAPS)
def test_no_trap_is_sprung(kind, protocol, tmp_path, capsys):
    """Hostile ones are refused by name; every one of them does spring where a pickle is loaded."""
    sprung = tmp_path / "sprung"
    trap = TRAPS[kind](str(sprung))
    if hasattr(result := pickle.loads(pickle.dumps(trap, protocol)), "close"):
        result.close()
    assert sprung.exists()
    sprung.rmdir() if sprung.is_dir() else sprung.unlink()
    for place, content in places(trap):
        path = craft(tmp_path / "file.ckpt", content, protocol)
        code = cli.main(["import", str(path), "--target", "x", "--out", str(tmp_path / "model")])
        error = capsys.readouterr().err
        assert not sprung.exists() and not (tmp_path / "model").exists(), place
        assert code == 1 and error.count("\n") == 1, place
        if kind not in INERT:
            assert "is hostile: it asks for" in error and "Nothing was run" in error, (place, error)


@pytest.mark.parametrize("kind", TRAPS)
def test_no_trap_is_sprung_in_the_older_format(kind, tmp_path):
    sprung = tmp_path / "sprung"
    trap = TRAPS[kind](str(sprung))
    path = tmp_path / "file.ckpt"
    torch.save({"state_dict": {WEIGHT: torch.ones(2)}, "x": trap}, path, _use_new_zipfile_serialization=False)
    if kind in INERT:
        assert isinstance(read(path).content["x"], Placeholder)
    else:
        with pytest.raises(DataError, match="hostile"):
            read(path)
    path.write_bytes(pickle.dumps(trap))  # a pickle and nothing else
    with pytest.raises(DataError, match="hostile|not a checkpoint"):
        read(path)
    assert not sprung.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cposix\nsystem\n(V%s\ntR.",
        b"(iposix\nsystem\n.",
        b"(cos\nsystem\nV%s\no.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93.",
        b"\x80\x02c__builtin__\neval\n.",
        b"\x80\x02cbuiltins\n__import__\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x0cdict.__new__\x93.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02ctorch.hub\nload\n.",
        b"\x80\x02ctorch._C\n_jit_init\n.",
    ],
)
def test_names_that_only_an_attack_asks_for(code):
    with pytest.raises(DataError, match="hostile: it asks for"):
        Machine(Path("file")).run(io.BytesIO(code))


@pytest.mark.parametrize("opcode", [b"\x82\x01", b"\x83\x01\x01", b"P0\n", b"\x97", b"\x98"])
def test_steps_that_torch_does_not_write(opcode):
    """The extension registry, text persistent ids, and out-of-band buffers."""
    with pytest.raises(DataError, match="its pickle has a step"):
        Machine(Path("file")).run(io.BytesIO(b"\x80\x05N" + opcode + b"."))


# ------------------------------------------------------------------------------------------------ what takes too much

BIG = 10**12
ONE = ("storage", torch.FloatStorage, "0", "cpu", 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tensor(Storage(*ONE), 0, (BIG,), (0,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (BIG,), (1,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (2, 2), (1, 0)), "does not lie inside"),
        (tensor(Storage(*ONE), 1, (2,), (1,)), "does not lie inside"),
        (tensor(Storage(*ONE), -1, (1,), (1,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (-1,), (1,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (2,), (-1,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (2,), (1, 1)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (1,) * 9, (1,) * 9), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (1 << 70, 0), (1, 1)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, (True,), (1,)), "does not lie inside"),
        (tensor(Storage(*ONE), 0, 2, 1), "does not lie inside"),
        (tensor([1.0, 2.0], 0, (2,), (1,)), "does not lie inside"),
        (Trap(torch._utils._rebuild_tensor_v2), "does not lie inside"),
        (Trap(torch._utils._rebuild_parameter, 3), "does not lie inside"),
        (tensor(Storage("storage", torch.FloatStorage, "0", "cpu", BIG), 0, (BIG,), (1,)), "is not there whole"),
        (tensor(Storage("storage", torch.FloatStorage, "7", "cpu", 2), 0, (2,), (1,)), "is not there whole"),
        (tensor(Storage("storage", torch.FloatStorage, "../data.pkl", "cpu", 2), 0, (2,), (1,)), "is not there whole"),
        (tensor(Storage("storage", torch.FloatStorage, "0", "cpu", -2), 0, (0,), (1,)), "storage of an unknown kind"),
        (tensor(Storage("storage", dict, "0", "cpu", 2), 0, (2,), (1,)), "storage of an unknown kind"),
        (tensor(Storage("storage", torch.FloatStorage, 0, "cpu", 2), 0, (2,), (1,)), "storage of an unknown kind"),
        (tensor(Storage("module", dict, "0", "cpu"), 0, (2,), (1,)), "storage of an unknown kind"),
        (tensor(Storage(*ONE, ("view", 0, 1)), 0, (2,), (1,)), "storage of an unknown kind"),
    ],
)
def test_tensors_that_do_not_lie_in_the_file(content, words, tmp_path):
    with pytest.raises(DataError, match=words):
        read(craft(tmp_path / "file.ckpt", {"state_dict": {WEIGHT: content}}))


def peak(function):
    """Bytes that Python allocated at most while ``function`` ran into its DataError."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            function()
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


def test_one_storage_that_is_claimed_by_thousands(tmp_path):
    """Each of 3000 tensors is all of a storage of 4 MB: 12 GB, if they were made."""
    storage = Storage("storage", torch.FloatStorage, "0", "cpu", 1 << 20)
    content = {f"t{i}": tensor(storage, 0, (1 << 20,), (1,)) for i in range(3000)}
    file = read(craft(tmp_path / "file.ckpt", content, storages={"0": bytes(4 << 20)}))
    most, message = peak(lambda: list(file.tensors(file.content)))
    assert "claims 12582912000 bytes of tensors" in message and most < 1 << 20


@pytest.mark.parametrize(("megabytes", "words"), [(15, "packs 'archive/data.pkl' in a way"), (60, "has a pickle of")])
def test_a_packed_bomb_is_not_unpacked(megabytes, words, tmp_path):
    path = craft(tmp_path / "file.ckpt", "x" * (megabytes << 20), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 17
    most, message = peak(lambda: read(path))
    assert words in message and most < 1 << 20


def test_a_pickle_of_20_megabytes_is_refused(tmp_path):
    with pytest.raises(DataError, match="has a pickle of 20"):
        read(craft(tmp_path / "file.ckpt", "x" * 20_000_000))


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",  # bytes of a terabyte
        b"\x80\x04\x8d" + (1 << 62).to_bytes(8, "little") + b"x.",
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",  # a whole number of two gigabytes
        b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.",  # a frame beyond the file, which nothing allocates
        b"I" + b"9" * 100_000 + b"\n.",
    ],
)
def test_lengths_beyond_the_file_take_no_memory(code):
    tracemalloc.start()
    try:
        Machine(Path("file")).run(io.BytesIO(code))
    except DataError as error:
        assert "truncated or damaged" in str(error)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_keys_that_take_for_ever_to_hash(tmp_path):
    """A tuple of a tuple of ... twice each: 2**60 steps, if it were hashed."""
    key = b"\x80\x02}(K\x00" + b"".join(b"2\x86" for _ in range(60)) + b"K\x01u."
    assert Machine(Path("file")).run(io.BytesIO(key)) == {}


def test_deep_nesting_ends_well():
    value = Machine(Path("file")).run(io.BytesIO(b"\x80\x02)" + b"\x85" * 200_000 + b"."))
    assert isinstance(value, tuple) and len(value) == 1


# ------------------------------------------------------------------------------------------------------ plain content


class Colour(Enum):
    RED = 1


class Thing:
    def __init__(self):
        self.x, self.again = 3, self


def test_plain_values_come_back_and_others_as_placeholders(tmp_path):
    plain = {
        "none": None,
        "numbers": [1, -1, 1 << 40, 2.5, True, False],
        "text": "ä" * 300,
        "nested": {"tuple": (1, (2, ()), [[]], {}), "three": (1, 2, 3)},
        7: {True: "bool"},
    }
    shared = ["the same list"]
    path = tmp_path / "file.ckpt"
    others = {
        "thing": Thing(),
        "enum": Colour.RED,
        "class": Thing,
        "path": Path("x"),
        "array": np.arange(3),
        "dict": defaultdict(list, a=1),
        "set": {4},
        "frozen": frozenset({4}),
        "bytes": b"1",
        "twice": [shared, shared],
        "size": torch.Size([2]),
        "dtype": torch.float32,
    }
    for protocol in (2, 4, 5):
        content = read(craft(path, plain | others, protocol)).content
        assert {name: content[name] for name in plain} == plain
        assert content["thing"].state["x"] == 3 and content["thing"].state["again"] is content["thing"]
        assert content["class"] == Name(__name__, "Thing")
        assert all(isinstance(content[name], Placeholder) for name in ("thing", "enum", "path", "array", "size"))
        assert content["dict"] == {"a": 1} and content["twice"][0] is content["twice"][1]
        assert content["bytes"] == b"1" if protocol > 2 else isinstance(content["bytes"], Placeholder)
        assert content["set"] == [4] or isinstance(content["set"], Placeholder)


@pytest.mark.parametrize("older", [False, True])
def test_tensors_come_back(older, tmp_path):
    generator = torch.Generator().manual_seed(0)
    pool = torch.randn(100, generator=generator)
    tensors = {
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "half": torch.randn(3, 4, generator=generator).half(),
        "brain": torch.randn(3, generator=generator).bfloat16(),
        "double": torch.randn(2, 2, generator=generator).double(),
        "view": pool[10:30].view(4, 5).T,
        "same": pool[10:30],
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "file.pt"
    torch.save(tensors, path, _use_new_zipfile_serialization=not older)
    file = read(path)
    back = dict(file.tensors(file.content))
    assert back.keys() == tensors.keys()
    for name, value in tensors.items():
        assert back[name].dtype == torch.float32 and torch.equal(back[name], value.detach().float()), name


# ------------------------------------------------------------------------------------------------------ damaged files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    content = {"state_dict": OrderedDict({f"t{i}": torch.full((50,), float(i)) for i in range(5)}), "epoch": 3}
    for name, new in (("new", True), ("old", False)):
        torch.save(content, folder / name, _use_new_zipfile_serialization=new)
    return folder


def read_all(path):
    file = read(path)
    return dict(file.tensors(file.content["state_dict"]))


@pytest.mark.parametrize("name", ["new", "old"])
def test_cut_anywhere(whole, name, tmp_path):
    data = (whole / name).read_bytes()
    assert len(read_all(whole / name)) == 5
    path = tmp_path / "cut"
    for length in [*range(0, len(data) - 1, 97), len(data) - 1, len(data) - 4]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError) as caught:
            read_all(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@given(st.data())
def test_noise_in_a_pickle_is_damage_or_another_value(data):
    """No input makes the machine do anything but give a value or a DataError."""
    stream = io.BytesIO()
    Pickler(stream, 2).dump({"state_dict": {WEIGHT: tensor(Storage(*ONE), 0, (2,), (1,))}, "a": (1, [2.5], Thing())})
    code = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    try:
        Machine(Path("file")).run(io.BytesIO(bytes(code)))
    except DataError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=60))
@example(b"")
@example(b".")
@example(b"}}s.")
@example(b"(((u.")
@example(b"\x80\x02}K\x01b.")
def test_any_bytes_as_a_pickle(code):
    try:
        Machine(Path("file")).run(io.BytesIO(code))
    except DataError as error:
        assert "\n" not in str(error)


def foreign(folder):
    """Files that are no checkpoints, by what they are."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "x")
    yield b"", "is not a checkpoint"
    yield b"hello", "is not a checkpoint"
    yield b"RIFF\x00\x00\x00\x00WAVEfmt ", "is not a checkpoint"
    yield b"\x00" * 5000, "is not a checkpoint"
    yield b"PK\x03\x04" + b"x" * 500, "truncated or damaged"
    yield packed.getvalue(), "a zip file without a checkpoint"
    yield tar.getvalue(), "a tar file of PyTorch 0.1"
    yield pickle.dumps({"a": 1}), "is a pickle, but not a checkpoint"
    yield b"\x80", "truncated or damaged"


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "file"
    for data, words in foreign(tmp_path):
        path.write_bytes(data)
        with pytest.raises(DataError, match=words):
            read(path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "nowhere")


def test_numbers_of_a_big_endian_machine(tmp_path):
    path = craft(tmp_path / "file.ckpt", {WEIGHT: tensor(Storage(*ONE), 0, (2,), (1,))})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", "big")
    with pytest.raises(DataError, match="big-endian"):
        read(path)


@pytest.mark.parametrize("module", ["pickle_data", "torch_files", "interop"])
def test_the_reader_has_no_means_to_call_what_a_file_names(module):
    source = Path(__file__).parents[1].joinpath("bsrnn", f"{module}.py").read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"hashlib", "pickletools", "re", "struct", "torch", "zipfile"}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "getattr", "globals", "vars", "__import__"}
    of_torch = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch"}
    assert not of_torch & {"load", "hub", "jit", "serialization", "_utils"}
