"""Files of torch.save: what they hold is read, and nothing that they ask for is ever run."""

import argparse
import ast
import functools
import io
import os
import pickle
import re
import resource
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
from places import REPOSITORY

from bsrnn import cli
from bsrnn.errors import DataError
from bsrnn.tool.torch_files import Placeholder, floats, look_over, read

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


def read_weights(path):
    """Content of a file whose weights were looked at too."""
    content = read(path)
    return content, dict(floats(path, content.get("state_dict", content)))


def craft(path, content, protocol=2, method=zipfile.ZIP_STORED, storages=None):
    """A checkpoint of any content, or of a pickle that is given as bytes; storages are {key: bytes}."""
    stream = io.BytesIO()
    if isinstance(content, bytes):
        stream.write(content)
    else:
        Pickler(stream, protocol).dump(content)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        archive.writestr("archive/version", "3\n")
        for key, value in (storages or {"0": np.ones(2, np.float32).tobytes()}).items():
            archive.writestr(f"archive/data/{key}", value)
    return path


def tensor(storage, offset, shape, stride):
    """A tensor whose place in its storage may be any."""
    return Trap(torch._utils._rebuild_tensor_v2, storage, offset, shape, stride, False, OrderedDict())


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", TRAPS)
def test_no_trap_is_sprung(kind, protocol, tmp_path, capsys):
    """Each is refused by name, or for its protocol; every one of them does spring where a pickle is loaded."""
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
        if protocol == 2:
            assert "asks for" in error and "Nothing was run" in error, (place, error)
        else:
            assert "has a pickle with protocol 4, which torch.save does not write" in error, (place, error)


@pytest.mark.parametrize("kind", TRAPS)
def test_no_trap_is_sprung_in_the_older_format(kind, tmp_path):
    sprung = tmp_path / "sprung"
    trap = TRAPS[kind](str(sprung))
    path = tmp_path / "file.ckpt"
    torch.save({"state_dict": {WEIGHT: torch.ones(2)}, "x": trap}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(DataError, match="asks for"):
        read(path)
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps(trap, protocol))  # a pickle and nothing else
        with pytest.raises(DataError, match="asks for" if protocol == 2 else "protocol 4"):
            read(path)
    assert not sprung.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cposix\nsystem\n(V%s\ntR.",
        b"(iposix\nsystem\n.",
        b"(cos\nsystem\nV%s\no.",
        b"\x80\x02c__builtin__\neval\n.",
        b"\x80\x02c__builtin__\ngetattr\n.",
        b"\x80\x02cbuiltins\n__import__\n.",
        b"\x80\x02cbuiltins\ndict.__new__\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02ctorch.hub\nload\n.",
        b"\x80\x02ctorch._C\n_jit_init\n.",
        b"\x80\x02comegaconfig\nrun\n.",
        b"\x80\x02cpathlib\nPath.unlink\n.",
        b"\x80\x02cnumpy\nload\n.",
        b"\x80\x02c__builtin__\nbytearray\nM\xff\xff\x85R.",  # torch would make as many zeros
        b"\x80\x02ctorch\nFloatTensor\nM\xff\xff\x85R.",
        b"\x80\x02c__builtin__\nset\n.",
        b"\x80\x02c_codecs\nencode\n.",  # minutes of punycode
    ],
)
def test_names_that_no_checkpoint_asks_for(code, tmp_path):
    with pytest.raises(DataError, match="asks for .*Nothing was run"):
        look_over(Path("file"), io.BytesIO(code))
    with pytest.raises(DataError, match="asks for .*Nothing was run"):
        read(craft(tmp_path / "file.ckpt", code))


def test_names_that_torch_would_allow_only_for_us_do_nothing(tmp_path):
    """The names of a file are allowed while it is read and no longer, and stand for nothing that exists."""
    code = b"\x80\x02cpathlib\nPosixPath\nX\x01\x00\x00\x00x\x85R."
    before = set(torch.serialization.get_safe_globals())
    assert type(read(craft(tmp_path / "file.ckpt", code))) is Placeholder
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize(
    ("opcode", "name"),
    [
        (b"\x82\x01", "step EXT1"),
        (b"\x83\x01\x01", "step EXT2"),
        (b"\x97", "step NEXT_BUFFER"),
        (b"\x98", "step READONLY_BUFFER"),
        (b"\x8c\x05posix\x8c\x06system\x93", "step SHORT_BINUNICODE"),
        (b"\x93", "step STACK_GLOBAL"),
        (b"\x80\x05", "protocol 5"),
        (b"P0\n", ""),
    ],
)
def test_steps_that_torch_does_not_write(opcode, name, tmp_path):
    """The extension registry, text persistent ids, out-of-band buffers, and whatever later protocols have."""
    path = craft(tmp_path / "file.ckpt", b"\x80\x02N" + opcode + b".")
    if name.startswith("step EXT") or not name:  # of protocol 2 and before: torch refuses them
        name = "damaged"
    with pytest.raises(DataError, match=name):
        read(path)


# ------------------------------------------------------------------------------------------------ what takes too much

BIG = 10**12
ONE = ("storage", torch.FloatStorage, "0", "cpu", 2)


@pytest.mark.parametrize(
    "content",
    [
        tensor(Storage(*ONE), 0, (BIG,), (0,)),
        tensor(Storage(*ONE), 0, (BIG,), (1,)),
        tensor(Storage(*ONE), 0, (2, 2), (1, 0)),
        tensor(Storage(*ONE), 1, (2,), (1,)),
        tensor(Storage(*ONE), -1, (1,), (1,)),
        tensor(Storage(*ONE), 0, (-1,), (1,)),
        tensor(Storage(*ONE), 0, (2,), (-1,)),
        tensor(Storage(*ONE), 0, (2,), (1, 1)),
        tensor(Storage(*ONE), 0, (1 << 70, 0), (1, 1)),
        tensor(Storage(*ONE), 0, (True,), (1,)),
        tensor(Storage(*ONE), 0, 2, 1),
        tensor([1.0, 2.0], 0, (2,), (1,)),
        Trap(torch._utils._rebuild_tensor_v2),
        Trap(torch._utils._rebuild_parameter, 3),
        tensor(Storage("storage", torch.FloatStorage, "0", "cpu", BIG), 0, (BIG,), (1,)),
        tensor(Storage("storage", torch.FloatStorage, "7", "cpu", 2), 0, (2,), (1,)),
        tensor(Storage("storage", torch.FloatStorage, "../data.pkl", "cpu", 2), 0, (2,), (1,)),
        tensor(Storage("storage", torch.FloatStorage, "0", "cpu", -2), 0, (2,), (1,)),
        tensor(Storage("storage", dict, "0", "cpu", 2), 0, (2,), (1,)),
        tensor(Storage("module", dict, "0", "cpu"), 0, (2,), (1,)),
        tensor(Storage(*ONE, ("view", 0, 1)), 0, (2,), (1,)),
    ],
)
def test_tensors_that_do_not_lie_in_the_file(content, tmp_path):
    path = craft(tmp_path / "file.ckpt", {"state_dict": {WEIGHT: content}})
    most, message = peak(lambda: read_weights(path))
    assert re.search("damaged|claims .* bytes|more than once", message) and "\n" not in message and most < 1 << 20


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
    path = craft(tmp_path / "file.ckpt", content, storages={"0": bytes(4 << 20)})
    most, message = peak(lambda: list(floats(path, tensors)) if (tensors := read(path)) else None)
    assert "claims 12582912000 bytes of tensors" in message and most < 4 << 20


@pytest.mark.parametrize("megabytes", [15, 60])
def test_a_packed_bomb_is_not_unpacked(megabytes, tmp_path):
    path = craft(tmp_path / "file.ckpt", "x" * (megabytes << 20), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 17
    most, message = peak(lambda: read(path))
    assert "packs 'archive/data.pkl', which torch.save does not" in message and most < 1 << 20


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
def test_lengths_beyond_the_file_take_no_memory(code, tmp_path):
    path = craft(tmp_path / "file.ckpt", code)
    most, message = peak(lambda: read(path))
    assert re.search("damaged|has a pickle with", message) and most < 2 << 20


def nested(times):
    """A tuple of a tuple of ... twice each, as a key: 2**times steps, if it were hashed."""
    twice = b"".join(b"q%c" % (i % 256) + b"h%c" % (i % 256) + b"\x86" for i in range(times))
    return b"\x80\x02}(K\x00" + twice + b"K\x01u."


def test_keys_that_take_for_ever_to_hash(tmp_path):
    path = tmp_path / "file.ckpt"
    assert list(read(craft(path, nested(2))).values()) == [1]
    with pytest.raises(DataError, match="hold each other too often"):
        read(craft(path, nested(60)))


@pytest.mark.parametrize("copies", [1, 30_000])
@pytest.mark.parametrize("kind", ["argument", "state"])
def test_one_list_that_is_copied_thousands_of_times(kind, copies, tmp_path):
    """30 000 dicts of the same 1000 keys: 3 GB out of 260 kB, if they were made."""
    pairs = b"(" + b"".join(b"J%s" % i.to_bytes(4, "little") + b"N\x86" for i in range(1000)) + b"e"
    names = b"(" + b"".join(b"X\x04\x00\x00\x00%04dN" % i for i in range(1000)) + b"u"
    shared = {"argument": b"]" + pairs, "state": b"}" + names}[kind] + b"q\x00"  # number 0
    ordered, copy = b"ccollections\nOrderedDict\n", {"argument": b"h\x00\x85R", "state": b")Rh\x00b"}[kind]
    path = craft(tmp_path / "x.ckpt", b"\x80\x02](" + shared + (ordered + copy) * copies + b"e.")
    if copies == 1:
        _, made = read(path)
        assert len(made if kind == "argument" else vars(made)) == 1000
    else:
        most, message = peak(lambda: read(path))
        assert "hold each other too often" in message and most < 32 << 20


@pytest.mark.parametrize("kind", [b"\x85", b"l", b"R"])
def test_deep_nesting_ends_well(kind, tmp_path):
    """Tuples in tuples, 200 000 deep: to hash or to free one could take all of the stack."""
    with pytest.raises(DataError):
        read(craft(tmp_path / "file.ckpt", b"\x80\x02)" + kind * 200_000 + b"."))


def older(path, content, keys, storages):
    """A file of the older format, of any content."""
    with open(path, "wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content, keys):
            Pickler(file, 2).dump(value)
        for count, values in storages:
            file.write(count.to_bytes(8, "little") + values)
    return path


@pytest.mark.parametrize(
    ("count", "shape", "keys", "storages", "words"),
    [
        (2, (2,), ["0"], [(2, np.ones(2, np.float32).tobytes())], None),
        (2, (2,), [], [], "NaN"),  # what was in memory before must not become weights
        (BIG, (2,), ["0"], [(2, bytes(8))], "claims more bytes|damaged"),
        (10**9, (2,), ["0"], [(10**9, bytes(8))], "claims more bytes"),
        (2, (BIG,), ["0"], [(2, bytes(8))], "damaged"),
        (2, (10**9,), ["0"], [(10**9, bytes(8))], "damaged"),
        (2, (3,), ["0"], [(3, bytes(8))], "damaged"),
        (2, (2,), ["0"], [(2, bytes(7))], "damaged"),
        (2, (2,), ["7"], [(2, bytes(8))], "damaged"),
        (2, (2,), 3, [(2, bytes(8))], "damaged"),
    ],
    ids=range(10),
)
def test_storages_of_the_older_format(count, shape, keys, storages, words, tmp_path):
    storage = Storage("storage", torch.FloatStorage, "0", "cpu", count, None)
    content = {WEIGHT: tensor(storage, 0, shape, (1,))}
    path = older(tmp_path / "file.ckpt", content, keys, storages)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if words is None:
        assert torch.equal(read_weights(path)[1][WEIGHT], torch.ones(2))
    else:
        with pytest.raises(DataError, match=words):
            read_weights(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


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
        "dict": defaultdict(list, a=1),
        "size": torch.Size([2]),
        "dtype": torch.float32,
    }
    shared = ["the same list"]
    path = tmp_path / "file.ckpt"
    others = {
        "path": Path("x"),
        "namespace": argparse.Namespace(a=1),
        "class": dict,
        "twice": [shared, shared],
    }
    content = read(craft(path, plain | others))
    assert {name: content[name] for name in plain} == plain
    assert all(type(content[name]) is Placeholder for name in ("path", "namespace"))
    assert content["namespace"].state == {"a": 1} and content["class"] is Placeholder
    assert content["twice"][0] is content["twice"][1]


@pytest.mark.parametrize("value", [Thing(), Colour.RED, Thing, Path("x").touch, {4}, bytearray(3), b"1", np.arange(3)])
def test_values_of_other_kinds_are_refused_by_name(value, tmp_path):
    with pytest.raises(DataError, match=r"asks for '[\w.]+', which no published checkpoint needs"):
        read(craft(tmp_path / "file.ckpt", {"state_dict": {WEIGHT: torch.ones(2)}, "value": value}))


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
    back = read_weights(path)[1]
    assert back.keys() == tensors.keys()
    for name, value in tensors.items():
        assert back[name].dtype == torch.float32 and torch.equal(back[name], value.detach().float()), name


def test_weights_that_were_on_a_gpu_come_to_the_cpu(tmp_path):
    on_gpu = tensor(Storage("storage", torch.FloatStorage, "0", "cuda:7", 2), 0, (2,), (1,))
    weight = read(craft(tmp_path / "file.ckpt", {WEIGHT: on_gpu}))[WEIGHT]
    assert weight.device.type == "cpu" and weight.tolist() == [1.0, 1.0]


# ------------------------------------------------------------------------------------------------------ damaged files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    content = {"state_dict": OrderedDict({f"t{i}": torch.full((50,), float(i)) for i in range(5)}), "epoch": 3}
    for name, new in (("new", True), ("old", False)):
        torch.save(content, folder / name, _use_new_zipfile_serialization=new)
    return folder


@pytest.mark.parametrize("name", ["new", "old"])
def test_cut_anywhere(whole, name, tmp_path):
    data = (whole / name).read_bytes()
    assert len(read_weights(whole / name)[1]) == 5
    path = tmp_path / "cut"
    for length in [*range(0, len(data) - 1, 97), len(data) - 1, len(data) - 4]:
        path.write_bytes(data[:length])
        with pytest.raises(DataError) as caught:
            read_weights(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("noise") / "file.ckpt"


def read_or_refuse(path):
    """The only two ways in which a file may be read, whatever it holds."""
    try:
        content = read(path)
        if isinstance(content, dict):
            list(floats(path, {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}))
    except DataError as error:
        assert "\n" not in str(error)


@given(data=st.data())
def test_noise_in_a_pickle_is_damage_or_another_value(scratch, data):
    """No input does anything but give a value or a DataError."""
    stream = io.BytesIO()
    Pickler(stream, 2).dump({WEIGHT: tensor(Storage(*ONE), 0, (2,), (1,)), "a": (1, [2.5], Path("x"), {"b": None})})
    code = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(craft(scratch, bytes(code)))


@given(code=st.binary(max_size=60))
@example(code=b"")
@example(code=b".")
@example(code=b"}}s.")
@example(code=b"(((u.")
@example(code=b"\x80\x02}K\x01b.")
def test_any_bytes_as_a_pickle(scratch, code):
    read_or_refuse(craft(scratch, code))


@pytest.mark.parametrize("name", ["new", "old"])
@given(data=st.data())
def test_noise_in_a_file_is_damage_or_other_numbers(whole, name, scratch, data):
    code = bytearray((whole / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(code)
    read_or_refuse(scratch)


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
    yield b"PK\x03\x04" + b"x" * 500, "truncated, damaged"
    yield packed.getvalue(), "a zip file without a checkpoint"
    yield tar.getvalue(), "a tar file of PyTorch 0.1"
    yield pickle.dumps({"a": 1}, 2), "damaged or no checkpoint"
    yield b"\x80", "truncated, damaged"


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.ckpt")
    with pytest.raises(DataError, match=r"pipe\.ckpt: no regular file, expected a checkpoint"):
        read(tmp_path / "pipe.ckpt")


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "file"
    for data, words in foreign(tmp_path):
        path.write_bytes(data)
        with pytest.raises(DataError, match=words):
            read(path)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nowhere")


def test_numbers_of_a_big_endian_machine(tmp_path):
    numbers = np.array([1.5, -2.0], ">f4")
    path = craft(tmp_path / "x.ckpt", {WEIGHT: tensor(Storage(*ONE), 0, (2,), (1,))}, storages={"0": numbers.tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", "big")
    assert read_weights(path)[1][WEIGHT].tolist() == [1.5, -2.0]


def test_two_pickles_and_programs_are_no_checkpoint(tmp_path):
    """What one reader of zip files sees and another does not; and TorchScript."""
    for entry in ("other/data.pkl", "archive/constants.pkl", "data.pkl"):
        path = craft(tmp_path / "file.ckpt", {WEIGHT: torch.ones(2)})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, pickle.dumps({}, 2))
        with pytest.raises(DataError, match="a zip file without a checkpoint"):
            read(path)
    path = craft(tmp_path / "file.ckpt", {WEIGHT: torch.ones(2)})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
    with pytest.raises(DataError, match="a zip file without a checkpoint"):
        read(path)


def test_a_changed_byte_of_a_weight_is_found(tmp_path):
    path = craft(tmp_path / "file.ckpt", {WEIGHT: torch.ones(2)})
    data = path.read_bytes()
    path.write_bytes(data.replace(np.ones(2, np.float32).tobytes(), np.array([1, 2], np.float32).tobytes()))
    with pytest.raises(DataError, match="damaged"):
        read(path)


@pytest.mark.parametrize("module", ["torch_files", "import_replication"])
def test_the_reader_has_no_means_to_call_what_a_file_names(module):
    """But torch.load, and that one with weights_only only."""
    source = REPOSITORY.joinpath("bsrnn", "tool", f"{module}.py").read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"hashlib", "pickletools", "re", "struct", "torch", "zipfile"}
    named = {(node.module, name.name) for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    assert {name for kind, name in named if kind == "pickle"} <= {"UnpicklingError"}
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "getattr", "globals", "__import__"}
    of_torch = [node for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch"]
    assert not {node.attr for node in of_torch} & {"hub", "jit", "_utils", "_C", "package"}
    loads = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
    assert len(loads) == len([node for node in of_torch if node.attr == "load"]) == (module == "torch_files")
    assert all("weights_only=True" in ast.unparse(node) for node in loads)
