"""Checkpoints: what goes in comes out, and a broken or half-written one is never taken for a model."""

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import bsrnn
from bsrnn import checkpoint
from bsrnn.config import ModelConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.runtime import files, precision
from bsrnn.runtime.files import read_json, write_json

CONFIG = ModelConfig(
    targets=("a", "b"),
    band_split=(3, 3, 5, 22),
    n_fft=64,
    hop_samples=16,
    sample_rate=1000,
    features=4,
    modules=2,
    mlp_layers=2,
)


def make(config=CONFIG, seed=0):
    torch.manual_seed(seed)
    return BSRNN(config).eval()


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def snapshot(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.fixture
def saved(tmp_path):
    return checkpoint.save(make(), tmp_path / "model", {"seed": 3, "usdr": [1.5, -2.0]})


def test_round_trip_is_exact(saved):
    model = bsrnn.load(saved)
    assert model.config == CONFIG and not model.training
    assert torch.equal(weights(model), weights(make()))
    mixture = torch.randn(1, 2, 300, generator=torch.Generator().manual_seed(1))
    assert torch.equal(model(mixture), make()(mixture))
    assert sorted(snapshot(saved)) == ["config.json", "model.safetensors"]
    assert read_json(saved / "config.json")["info"] == {"seed": 3, "usdr": [1.5, -2.0]}


def test_variants_come_back(tmp_path):
    config = replace(CONFIG, tac_factor=2, attention_heads=2, attention_features=3, normalisation_eps=1e-7)
    model = bsrnn.load(checkpoint.save(make(config), tmp_path))
    assert model.config == config and torch.equal(weights(model), weights(make(config)))


def test_a_config_from_before_the_variants_is_the_plain_model(saved):
    described = read_json(saved / "config.json")
    for name in ("normalisation_eps", "tac_factor", "attention_heads", "attention_features"):
        del described["model"][name]
    write_json(saved / "config.json", described)
    assert bsrnn.load(saved).config == CONFIG


def test_named_splits_come_back_as_they_were(tmp_path):
    config = ModelConfig(band_split="v1", features=1, modules=1)
    assert bsrnn.load(str(checkpoint.save(make(config), tmp_path))).config == config


def test_float16_halves_the_file_and_rounds_once(tmp_path):
    full, half = checkpoint.save(make(), tmp_path / "full"), checkpoint.save(make(), tmp_path / "half", dtype="float16")
    sizes = [sum(p.numel() for p in make().parameters()) * width for width in (4, 2)]
    for folder, size in ((full, sizes[0]), (half, sizes[1])):
        header = (folder / "model.safetensors").stat().st_size - size
        assert 0 < header < 10_000
    loaded = bsrnn.load(half)
    assert all(p.dtype == torch.float32 for p in loaded.parameters())
    assert torch.equal(weights(loaded), weights(make()).half().float())
    assert (weights(loaded) - weights(make())).abs().max() < 2**-11


def test_the_bfloat16_core_keeps_float32_in_and_out(saved):
    exact, fast = bsrnn.load(saved), bsrnn.load(saved).compute_in(torch.bfloat16)  # emulated where it must be
    inner = [part for mask in fast.masks for part in (mask.hidden, mask.output)]
    assert {p.dtype for part in (fast.core, *inner) for p in part.parameters()} == {torch.bfloat16}
    outer = fast.split, *(mask.norm for mask in fast.masks)
    assert {p.dtype for part in outer for p in part.parameters()} == {torch.float32}
    mixture = torch.randn(2, 2, 2000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, got = exact(mixture), fast(mixture)
    assert got.dtype == torch.float32 and got.shape == expected.shape
    error_db = 10 * torch.log10((expected - got).square().sum() / expected.square().sum())
    assert -70 < error_db < -30  # 8 bits of mantissa: about -48 dB a rounding
    assert len(bsrnn.separate(fast, mixture[0].numpy(), 1000, 0.5, 0.5)) == 2


@pytest.mark.parametrize("fast", ["bfloat16", "float32"])
def test_bfloat16_is_loaded_where_the_device_has_it_and_refused_in_a_line_elsewhere(saved, fast, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(precision, "fast_dtype", lambda device: asked.append(str(device)) or fast)
    model = bsrnn.load(saved, dtype="bfloat16", device="meta")  # stands for a GPU
    assert {p.dtype for p in model.core.parameters()} == {checkpoint.DTYPES[fast]}
    assert {p.device.type for p in model.parameters()} == {"meta"} and not model.training
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (fast == "float32") and all("computing in float32 instead" in line for line in lines)
    assert asked == ["meta"]
    assert next(bsrnn.load(saved).core.parameters()).dtype == torch.float32 and capsys.readouterr().err == ""


@pytest.mark.precision
def test_bfloat16_is_loaded_as_this_machine_has_it(saved, capsys):
    model = bsrnn.load(saved, dtype="bfloat16")
    assert {p.dtype for p in model.core.parameters()} == {checkpoint.DTYPES[precision.fast_dtype()]}
    assert bool(capsys.readouterr().err) == (precision.fast_dtype() == "float32")
    assert precision.trains_in_bfloat16() or next(model.core.parameters()).dtype == torch.float32
    assert torch.isfinite(model(torch.zeros(1, 2, 300))).all()


@pytest.mark.parametrize("dtype", ["float64", "int8", "float16"])
def test_unknown_dtypes(saved, dtype):
    with pytest.raises(ConfigError, match="expected 'float32' or 'bfloat16'"):
        bsrnn.load(saved, dtype=dtype)


def test_unknown_dtype_of_the_file(tmp_path):
    with pytest.raises(ConfigError, match="unknown dtype 'int3'"):
        checkpoint.save(make(), tmp_path / "m", dtype="int3")
    assert not (tmp_path / "m").exists()


# ----------------------------------------------------------------------------------------------------- broken files


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "half", "noise"])
def test_broken_files(saved, name, damage):
    path = saved / name
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "noise": b"\x80\x02}q\x00." * 20}[damage])
    with pytest.raises(DataError) as caught:
        bsrnn.load(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_truncated_by_some_bytes(saved, cut):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="truncated or corrupt"):
        bsrnn.load(saved)


def test_a_pickle_is_never_opened(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save({"weight": Trap()}, saved / "model.safetensors")
    with pytest.raises(DataError):
        bsrnn.load(saved)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_pointer_of_git_lfs_is_named(saved, name):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    (saved / name).write_text(pointer)
    with pytest.raises(DataError, match=f"{name}: a pointer of Git LFS, .*`git lfs pull`") as error:
        bsrnn.load(saved)
    assert "delete" not in str(error.value)
    from bsrnn.tool import torch_files

    with pytest.raises(DataError, match=": a pointer of Git LFS"):
        torch_files.read(saved / name)


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="no model in .*nowhere"):
        bsrnn.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "changes",
    [
        {"features": 5},
        {"modules": 1},
        {"modules": 3},
        {"targets": ("a",)},
        {"mlp_layers": 1},
        {"band_split": (3, 5, 3, 22)},
    ],
)
def test_weights_of_another_model(saved, changes):
    described = read_json(saved / "config.json")
    write_json(saved / "config.json", described | {"model": described["model"] | changes})
    with pytest.raises(
        DataError, match=r"does not fit .*config\.json: (missing|unknown|of another shape): "
    ) as refused:
        bsrnn.load(saved)
    assert len(str(refused.value)) < 4000  # the first of many tensors


def test_a_model_far_larger_than_its_file_takes_no_memory(saved):
    """It would be 400 GB, were they allocated before they are compared."""
    described = read_json(saved / "config.json")
    large = {"features": 4096, "modules": 200}
    write_json(saved / "config.json", described | {"model": described["model"] | large})
    with pytest.raises(DataError, match="does not fit .* and [0-9]+ more"):
        bsrnn.load(saved)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_weights_that_are_no_real_numbers(saved, kind):
    tensors = checkpoint.read_tensors(saved / "model.safetensors")
    checkpoint.write_tensors(saved / "model.safetensors", {name: value.to(kind) for name, value in tensors.items()})
    with pytest.raises(DataError, match=rf"model\.safetensors does not fit .*of another kind: .* is {kind}"):
        bsrnn.load(saved)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(saved, value):
    tensors = checkpoint.read_tensors(saved / "model.safetensors")
    name = sorted(tensors)[3]
    tensors[name].view(-1)[0] = value
    checkpoint.write_tensors(saved / "model.safetensors", tensors)
    with pytest.raises(DataError, match=rf"model\.safetensors does not fit .*: not finite: {re.escape(name)}; get"):
        bsrnn.load(saved)


@pytest.mark.parametrize(
    "changes", [{"features": 0}, {"targets": ["a\ud800"]}, {"targets": ["a" * 300]}, {"band_split": "v9"}]
)
def test_settings_that_cannot_be_are_said_with_their_file(saved, changes):
    described = read_json(saved / "config.json")
    (saved / "config.json").write_text(json.dumps(described | {"model": described["model"] | changes}))
    with pytest.raises(ConfigError, match=rf"^{re.escape(str(saved))}.config\.json: "):
        bsrnn.load(saved)


@pytest.mark.parametrize("content", [{}, [], {"model": 3}, {"info": {}}])
def test_a_config_without_a_model(saved, content):
    write_json(saved / "config.json", content)
    with pytest.raises(DataError, match="describes no model"):
        bsrnn.load(saved)


def test_a_config_of_a_newer_version(saved):
    described = read_json(saved / "config.json")
    write_json(saved / "config.json", described | {"model": described["model"] | {"heads": 4}})
    with pytest.raises(ConfigError, match="heads.*newer version"):
        bsrnn.load(saved)


# ------------------------------------------------------------------------------------------------------- a full disk


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fails_at(call, real):
    """``real``, but its ``call``-th call finds the disk full."""
    calls = [0]

    def function(*arguments, **keywords):
        calls[0] += 1
        return no_space() if calls[0] == call else real(*arguments, **keywords)

    return function


@pytest.mark.parametrize("what", ["fsync", "replace", "weights", "weights without errno", "config"])
def test_a_full_disk_leaves_the_old_checkpoint(saved, monkeypatch, what):
    before = snapshot(saved)
    if what == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    elif what == "replace":
        monkeypatch.setattr(os, "replace", no_space)
    elif what == "weights":
        monkeypatch.setattr(checkpoint, "save_file", no_space)
    elif what == "weights without errno":  # as safetensors reports it

        def save_file(tensors, path, metadata=None):
            Path(path).write_bytes(b"half")
            raise checkpoint.SafetensorError(
                "Error while serializing: I/O error: No space left on device (os error 28)"
            )

        monkeypatch.setattr(checkpoint, "save_file", save_file)
    else:
        monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(BSRNNError, match="disk full while writing"):
        checkpoint.save(make(replace(CONFIG, features=6), seed=1), saved)
    monkeypatch.undo()
    assert snapshot(saved) == before  # bit for bit, and nothing half-written beside it
    assert torch.equal(weights(bsrnn.load(saved)), weights(make()))


@pytest.mark.parametrize("call", [1, 2])
def test_no_flush_that_fails_leaves_a_mixture_of_two_checkpoints(saved, monkeypatch, call):
    """Both files are on the disk before either takes its place."""
    before = snapshot(saved)
    monkeypatch.setattr(files.os, "fsync", fails_at(call, os.fsync))
    with pytest.raises(BSRNNError, match="disk full"):
        checkpoint.save(make(replace(CONFIG, features=6), seed=1), saved)
    monkeypatch.undo()
    assert snapshot(saved) == before


def test_a_full_disk_at_the_first_save_leaves_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(BSRNNError, match="disk full"):
        checkpoint.save(make(), tmp_path / "new")
    monkeypatch.undo()
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(DataError, match="no model in"):
        bsrnn.load(tmp_path / "new")


def test_tensors_with_a_state_round_trip(tmp_path):
    tensors = {"x": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(7)}
    checkpoint.write_tensors(tmp_path / "deep" / "resume.safetensors", tensors, {"items": 12})
    back = checkpoint.read_tensors(tmp_path / "deep" / "resume.safetensors")
    assert back.keys() == tensors.keys() and all(torch.equal(back[name], tensors[name]) for name in tensors)
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        checkpoint.read_tensors(tmp_path / "missing.safetensors")
