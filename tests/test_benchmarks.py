"""What the benchmarks compare with does the same work: equal outputs, losses and gradients."""

import pytest
import torch

from benchmarks import textbook_bsrnn
from bsrnn.config import ModelConfig
from bsrnn.train import new_model, objective


@pytest.fixture(scope="module", params=[("vocals", 1), ("drums", 2)])
def pair(request):
    """Ours with weights that are nowhere 0 or 1, and the textbook's with the same."""
    split, layers = request.param
    config = ModelConfig(targets=("x",), band_split=split, features=8, modules=2, mlp_layers=layers)
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
    mixture, target = torch.randn(1, 2, 20000, generator=generator), torch.randn(1, 1, 2, 20000, generator=generator)
    ours, theirs = objective(model, mixture, target), twin.loss(mixture, target)
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
    two = new_model(ModelConfig(targets=("a", "b"), features=4, modules=1), 0)
    with pytest.raises(ValueError, match="expected one target"):
        textbook_bsrnn.load(two)
