"""What the benchmarks compare with does the same work: equal outputs, losses and gradients."""

import pytest
import torch

from benchmarks import measure, textbook_bsrnn
from bsrnn.config import ModelConfig
from bsrnn.train import new_model, objective


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
