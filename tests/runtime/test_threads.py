"""What makes the same numbers sooner must give the same numbers."""

import os
import platform
import subprocess
import sys
import threading

import pytest
import torch
from places import REPOSITORY

from bsrnn.config import LossConfig, ModelConfig
from bsrnn.loss import Objective, gradients, objective
from bsrnn.models.bsrnn import BSRNN
from bsrnn.runtime import memory, precision, threads
from bsrnn.train import new_model

SMALL = {"band_split": (3, 5, 9), "n_fft": 32, "hop_samples": 8, "sample_rate": 1000, "features": 4, "modules": 1}


@pytest.fixture(params=[1, 2, 3, 8])
def cores(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(1, 1, 200), (1, 2, 200), (3, 2, 200), (5, 1, 160)])
@pytest.mark.parametrize("changes", [{}, {"targets": ("a", "b", "c")}, {"tac_factor": 2}, {"attention_heads": 2}])
def test_in_threads_gives_what_the_model_gives(cores, shape, changes):
    model = new_model(ModelConfig(**(SMALL | changes)), 0).eval()
    mixture = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(mixture)
    torch.testing.assert_close(threads.in_threads(model, mixture), expected, rtol=1e-5, atol=1e-6)
    assert torch.get_num_threads() == cores


class Recorder:
    """Counts the items of each call; gives its input back, or fails."""

    def __init__(self, tac_factor: int = 0, fails: bool = False):
        self.config, self.fails = ModelConfig(tac_factor=tac_factor), fails
        self.calls: list[tuple[int, ...]] = []
        self.threads: set[tuple[int, int]] = set()
        self.lock = threading.Lock()

    def __call__(self, mixture):
        with self.lock:
            self.calls.append(tuple(mixture.shape))
            self.threads.add((threading.get_ident(), torch.get_num_threads()))
        if self.fails:
            raise ValueError("this item")
        return mixture[:, None]


def test_every_core_takes_some_items():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for model, mixture, expected in [
            (Recorder(), torch.rand(3, 2, 5), [(1, 1, 5)] * 6),  # channels apart; one at a time
            (Recorder(tac_factor=2), torch.rand(3, 2, 5), [(1, 2, 5)] * 3),  # the stereo module sees both
            (Recorder(), torch.rand(1, 1, 5), [(1, 1, 5)]),
        ]:
            assert torch.equal(threads.in_threads(model, mixture), mixture[:, None])
            assert model.calls == expected
            assert {count for _, count in model.threads} == {4 // min(4, len(model.calls))}
    finally:
        torch.set_num_threads(before)


def test_an_error_comes_through_and_leaves_the_threads_as_they_were(cores):
    with pytest.raises(ValueError, match="this item"):
        threads.in_threads(Recorder(fails=True), torch.rand(4, 2, 5))
    found = []
    fresh = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert found == [cores] == [torch.get_num_threads()]


def test_no_gradients_are_kept():
    model = BSRNN(ModelConfig(**SMALL))
    assert not threads.in_threads(model, torch.rand(2, 2, 200)).requires_grad


X86, ARM = {"avx2": True, "avx512_bf16": True, "amx_bf16": False}, {"neon": True, "bf16": True, "l1d_cache_size": 65536}


@pytest.mark.parametrize(
    "has, trains, cost, expected",
    [
        (X86, True, 1.5, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, True, 0.3, "bfloat16"),
        (ARM, True, 0.6, "bfloat16"),
        (ARM, False, 0.6, "float32"),  # no kernels for it
        (ARM, True, 20.0, "float32"),  # kernels without its instructions
        (X86, False, 8.0, "float32"),  # oneDNN held to AVX2
        (X86, True, 4.0, "float32"),  # held to AVX-512 without bfloat16
        ({"avx512_f": True, "avx512_bf16": False, "cpu_name": "x"}, True, 1.5, "float32"),
    ],
)
def test_bfloat16_where_the_processor_has_it_and_torch_uses_it(monkeypatch, has, trains, cost, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    monkeypatch.setattr(precision, "trains_in_bfloat16", lambda: trains)
    monkeypatch.setattr(precision, "bfloat16_cost", lambda: cost)
    assert precision.fast_dtype("cpu") == expected


@pytest.mark.parametrize(
    ("fast", "cost", "expected"),
    [("bfloat16", 0.55, "bfloat16"), ("bfloat16", 1.6, "float32"), ("float32", 0.1, "float32")],
)
def test_a_separation_is_in_bfloat16_where_that_is_faster(monkeypatch, fast, cost, expected):
    sizes = []
    monkeypatch.setattr(precision, "fast_dtype", lambda device: fast)
    monkeypatch.setattr(precision, "bfloat16_cost", lambda features: sizes.append(features) or cost)
    assert precision.separating_dtype("cpu") == expected
    assert precision.separating_dtype("cuda") == fast  # a GPU is not timed
    assert sizes == [ModelConfig().features] * (fast == "bfloat16")


@pytest.mark.precision
def test_what_is_fast_here_can_be_trained_in_and_asking_leaves_no_trace():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    precision.trains_in_bfloat16.cache_clear()
    precision.bfloat16_cost.cache_clear()
    with torch.inference_mode():  # as a separation may ask
        dtype = precision.fast_dtype()
        assert precision.bfloat16_cost() > 0
    assert torch.get_num_threads() == threads and torch.equal(torch.random.get_rng_state(), state)
    model = new_model(ModelConfig(**SMALL), 0)
    sound = torch.randn(1, 2, 400, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(gradients(Objective(model, LossConfig(), dtype), sound, sound[:, None], LossConfig()))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="holds oneDNN to instructions of x86-64")
@pytest.mark.parametrize("limit", ["AVX2", "AVX512_CORE"])
def test_torch_held_to_older_instructions_is_no_machine_with_bfloat16(limit):
    """Whatever the processor has: what torch says of it does not know of the limit."""
    code = "from bsrnn.runtime import precision; print(precision.fast_dtype(), precision.usable_dtype('bfloat16'))"
    limits = {"ONEDNN_MAX_CPU_ISA": limit, "ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | limits, capture_output=True, text=True)
    assert done.stdout.split() == ["float32", "float32"], done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("note: bfloat16 would be emulated on this machine and take ")
    assert line.endswith(" times as long as float32: computing in float32 instead")


def test_what_is_not_emulated_is_used_without_a_word(monkeypatch, capsys):
    monkeypatch.setattr(precision, "fast_dtype", lambda device: "bfloat16")
    assert [precision.usable_dtype(asked) for asked in ("bfloat16", "float32")] == ["bfloat16", "float32"]
    monkeypatch.setattr(precision, "fast_dtype", lambda device: "float32")
    assert precision.usable_dtype("float32") == "float32" and capsys.readouterr() == ("", "")
    assert precision.usable_dtype("bfloat16", "cuda:1") == "float32"
    assert capsys.readouterr().err == "note: bfloat16 would be emulated on this machine: computing in float32 instead\n"


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_where_the_gpu_has_it(monkeypatch, supported):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert precision.fast_dtype("cuda:1") == ("bfloat16" if supported else "float32")


def test_memory_is_kept_where_glibc_is(monkeypatch):
    assert memory.keep_freed_memory() in (True, False)
    assert memory.share_one_arena() in (True, False)
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("musl", "1"))
    assert memory.keep_freed_memory() is False and memory.share_one_arena() is False


ASKS = """
import ctypes, platform
platform.libc_ver = lambda *_: ("glibc", "2")
asked, load = [], ctypes.CDLL
class Libc:
    def mallopt(self, *what):
        asked.append(what)
        return 1
ctypes.CDLL = lambda name, *rest, **more: Libc() if name is None else load(name, *rest, **more)
import bsrnn, bsrnn.cli, bsrnn.runtime.threads, bsrnn.separation, bsrnn.study.compute, bsrnn.train, bsrnn.tool.separate
print("on import", asked)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("bsrnn.cli.main(['run', 'no such run', '--profile', 'tiny'])", "asked [(-8, 1)]"),
        ("bsrnn.train.Trainer(None, None, None)", "asked [(-8, 1), (-4, 0), (-1, -1), (-2, 67108864)]"),
    ],
)
def test_the_commands_and_a_training_change_malloc_and_an_import_does_not(code, said):
    program = f"{ASKS}\ntry:\n    {code}\nexcept (AttributeError, TypeError):\n    pass\nprint('asked', asked)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.stdout.splitlines() == ["on import []", said], done.stderr


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("micro_items", [0, 2])
def test_gradients_are_those_of_the_whole_batch(cores, reduction, micro_items):
    model = new_model(ModelConfig(**SMALL), 0)
    generator = torch.Generator().manual_seed(1)
    mixture, targets = torch.randn(5, 2, 200, generator=generator), torch.randn(5, 1, 2, 200, generator=generator)
    loss = LossConfig(reduction=reduction)
    whole = objective(model, mixture, targets, loss)
    expected = torch.autograd.grad(whole, list(model.parameters()))
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        value = gradients(Objective(model, loss), mixture, targets, loss, micro_items)
        again = [parameter.grad.clone() for parameter in model.parameters()]
        assert value.item() == pytest.approx(whole.item(), rel=1e-6)
        for got, wanted in zip(again, expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6 * max(1.0, float(wanted.abs().max())))


def test_gradients_in_threads_are_the_same_every_time():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        model = new_model(ModelConfig(**SMALL), 0)
        mixture, targets = torch.rand(4, 2, 300), torch.rand(4, 1, 2, 300)
        found = []
        for _ in range(5):
            model.zero_grad(set_to_none=True)
            gradients(Objective(model, LossConfig()), mixture, targets, LossConfig())
            found.append([parameter.grad for parameter in model.parameters()])
        assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))
    finally:
        torch.set_num_threads(before)
