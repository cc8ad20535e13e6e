"""Recorded steps on a GPU are those that are taken one kernel at a time."""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from bsrnn.config import LossConfig, ModelConfig, TrainConfig
from bsrnn.loss import Estimate
from bsrnn.train import Supervised, Trainer, new_model

MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def trained(recorded: bool, precision: str, shapes: list[int]) -> tuple[list[float], torch.Tensor]:
    """Losses of a few steps, and the weights after them; ``shapes``: samples of each step's items."""
    model = new_model(MODEL, 0)
    model.same_kernels = recorded
    config = TrainConfig(batch_items=2, max_items=100, validate_items=100, precision=precision, loader_workers=0)
    source = Supervised([], config)  # type: ignore[arg-type]  # the batches come from below
    trainer = Trainer(model, source, config, LossConfig(), "cuda")
    assert (trainer.learner.recorded is not None) is recorded
    generator = torch.Generator().manual_seed(0)
    losses = []
    for samples in shapes:
        mixture = torch.randn(2, 1, samples, generator=generator)
        trainer.progress.loss_sum = 0.0
        trainer.step(mixture, 0.5 * mixture[:, None])
        losses.append(trainer.progress.loss_sum)
    return losses, torch.cat([value.flatten() for value in model.state_dict().values()]).cpu()


@needs_gpu
@pytest.mark.parametrize(("precision", "close"), [("float32", 1e-4), ("bfloat16", 2e-2)])
def test_recorded_steps_are_the_ordinary_ones(precision, close):
    shapes = [8000, 8000, 8000, 4000, 8000, 8000]  # one of another length among them, as a last batch may be
    losses, weights = trained(True, precision, shapes)
    plain_losses, plain_weights = trained(False, precision, shapes)
    assert losses == pytest.approx(plain_losses, rel=close)
    start = torch.cat([value.flatten() for value in new_model(MODEL, 0).state_dict().values()])
    moved = (plain_weights - start).norm()
    assert moved > 0 and (weights - plain_weights).norm() < close * moved


def test_the_recorded_part_never_waits_for_a_value():
    """On a GPU a value that Python asks for ends a recording; tensors without values find each such place anywhere."""
    with FakeTensorMode():
        estimate = Estimate(new_model(MODEL, 0))
        spectrogram = torch.zeros(2, 1, 257, 40, dtype=torch.complex64)
        estimate(spectrogram).abs().sum().backward()
        assert all(weight.grad is not None for weight in estimate.parameters())
        with pytest.raises(DataDependentOutputException):  # the inverse STFT asks, and is therefore left out
            estimate.model.istft(spectrogram[:, :, None], 8000)
