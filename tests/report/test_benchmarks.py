"""What the benchmarks compare with does the same work: equal outputs, losses and gradients."""

from argparse import Namespace

import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import measure, separating, subjects, textbook_bsrnn
from bsrnn.config import ModelConfig
from bsrnn.loss import objective
from bsrnn.report.chapters import ch11_what_it_costs
from bsrnn.runtime import precision
from bsrnn.runtime.files import read_json
from bsrnn.train import new_model


@pytest.fixture(scope="module", params=[("vocals", 1, ("x",)), ("drums", 2, ("x",)), ("v7", 1, ("x", "y"))])
def pair(request):
    """Ours with weights that are nowhere 0 or 1, and the textbook's with the same."""
    split, layers, targets = request.param
    config = ModelConfig(targets=targets, band_split=split, features=8, modules=2, mlp_layers=layers)
    model, generator = new_model(config, 0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model, textbook_bsrnn.load(model)


def test_the_textbook_model_gives_our_output(pair):
    model, twin = pair
    mixture = torch.randn(2, 2, 30000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, theirs = model(mixture), twin(mixture)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    assert sum(p.numel() for p in twin.parameters()) == model.count_parameters()


def test_the_textbook_model_learns_the_same(pair):
    model, twin = pair
    generator = torch.Generator().manual_seed(2)
    mixture = torch.randn(1, 2, 20000, generator=generator)
    targets = torch.randn(1, len(model.config.targets), 2, 20000, generator=generator)
    ours, theirs = objective(model, mixture, targets), twin.loss(mixture, targets)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    ours.backward()
    theirs.backward()
    for mine, other in zip(model.core, zip(twin.time, twin.band, strict=True), strict=True):
        for block, residual in zip((mine.time, mine.band), other, strict=True):
            expected = residual.linear.weight.grad
            torch.testing.assert_close(
                block.linear.weight.grad, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max())
            )


def test_what_the_textbook_does_not_have():
    for extra in ({"tac_factor": 1}, {"attention_heads": 2}):
        with pytest.raises(ValueError, match="expected neither stereo module nor attention"):
            textbook_bsrnn.load(new_model(ModelConfig(features=4, modules=1, **extra), 0))


def test_tasks_take_turns_and_ratios_are_of_a_round():
    order = []
    seconds = measure.alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3 and [len(values) for values in seconds.values()] == [2, 2]
    ratio = measure.ratio({"slow": [2.0, 9.0, 4.0], "fast": [1.0, 3.0, 4.0]}, "slow", "fast")
    assert ratio == {"median": 2.0, "quartile_low": 1.5, "quartile_high": 2.5, "rounds": 3}


def test_flops_of_the_rnns_are_those_of_the_papers_size():
    """3 s of stereo, N 128, 12 modules, 41 bands: counted layer by layer."""
    per_step = 2 * (4 * 256 * 128 + 4 * 256 * 256) * 2 + 2 * 512 * 128
    expected = per_step * 24 * 259 * 41 * 2
    assert measure.rnn_flops(ModelConfig(), 2, 3 * 44100) == expected == pytest.approx(869e9, rel=0.01)


def test_memory_of_a_fresh_process():
    small = measure.peak_memory_gb("x = bytearray(1)")
    large = measure.peak_memory_gb("import sys; x = b'x' * int(sys.argv[1])", "300000000")
    assert large - small == pytest.approx(0.3, abs=0.05)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        measure.peak_memory_gb("1 / 0")


def test_one_by_one_is_measured_with_freed_memory_kept_and_given_back(monkeypatch):
    ratios = separating.one_by_one(Namespace(toy=True, rounds=2))
    assert list(ratios) == [f"one by one, toy, freed memory {kept}" for kept in ("kept", "given back")]
    assert all(value["median"] > 0 and value["rounds"] == 2 for value in ratios.values())
    processes, asked = [], []
    monkeypatch.setattr(measure, "in_fresh_process", lambda code, *given: processes.append(given) or "{}")
    separating.one_by_one(Namespace(toy=False, rounds=3))
    sizes = ("published model", "module")
    assert processes == [(size, kept, "3") for size in sizes for kept in ("kept", "given back")]
    for name in ("share_one_arena", "keep_freed_memory"):
        monkeypatch.setattr(separating, name, lambda name=name: asked.append(name))
    monkeypatch.setattr(measure, "alternate", lambda tasks, rounds: {name: [1.0] for name in tasks})
    separating.one_by_one_here("toy", False, 1)
    assert not asked
    separating.one_by_one_here("toy", True, 1)
    assert asked == ["share_one_arena", "keep_freed_memory"]


# ---- processors without bfloat16 ----


def keys(part):
    """What a benchmark measured, pieces by name."""
    return {*part, *part.get("pieces", ())} - {"left_out"}


def with_arithmetic(name, dtype, monkeypatch):
    monkeypatch.setattr(subjects, "fast_dtype", lambda: dtype)
    return bench.BENCHMARKS[name](Namespace(toy=True, rounds=1))


@pytest.mark.parametrize("name", ["separation", "four_stems", "roofline", "pieces", "tried"])
def test_a_processor_without_bfloat16_measures_all_else_and_names_what_it_has_not(name, monkeypatch):
    whole, some = (with_arithmetic(name, dtype, monkeypatch) for dtype in ("bfloat16", "float32"))
    assert "left_out" not in whole and some["left_out"]
    assert keys(whole) - keys(some) - {"seconds"} == set(some["left_out"]) and not keys(some) - keys(whole)


@pytest.mark.parametrize("name", ["bfloat16_training", "bfloat16_loss"])
def test_what_measures_bfloat16_alone_is_left_out(name, monkeypatch):
    assert list(with_arithmetic(name, "float32", monkeypatch)) == ["left_out"]
    known = read_json(bench.RESULTS)["benchmarks"][name]
    assert set(with_arithmetic(name, "float32", monkeypatch)["left_out"]) == set(known) - {"machine", "toy"}


@pytest.mark.precision
def test_the_benchmarks_end_on_this_processor(tmp_path, capsys):
    out, has = tmp_path / "results.json", precision.fast_dtype() == "bfloat16"
    assert bench.main(["bfloat16_training", "roofline", "--toy", "--rounds", "1", "--out", str(out)]) == 0
    measured, said = read_json(out)["benchmarks"], capsys.readouterr()
    assert ("gradient_error_bf16" in measured["bfloat16_training"]) == has
    assert ("rnn_gflops_bf16" in measured["roofline"]) == has and "rnn_gflops_fp32" in measured["roofline"]
    words = "left out, as this machine would emulate bfloat16: train_step_bf16_vs_fp32, gradient_error_bf16"
    for place in (said.err, said.out, out.with_suffix(".md").read_text(), *ch11_what_it_costs.left_out(measured)):
        assert (words in place) != has
