"""Recorded steps on a GPU are those that are taken one kernel at a time."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from bsrnn.config import PEERS, LossConfig, ModelConfig, TrainConfig
from bsrnn.loss import Estimate, Objective
from bsrnn.models.layers import ResidualRNN
from bsrnn.train import Supervised, Trainer, new_model

MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def trained(recorded: bool, precision: str, shapes: list[int]) -> tuple[list[float], torch.Tensor]:
    """Losses of a few steps, and the weights after them; ``shapes``: samples of each step's items."""
    model = new_model(MODEL, 0)
    config = TrainConfig(batch_items=2, max_items=100, validate_items=100, precision=precision, loader_workers=0)
    source = Supervised([], config)  # type: ignore[arg-type]  # the batches come from below
    trainer = Trainer(model, source, config, LossConfig(), "cuda")
    assert trainer.learner.recorded
    if not recorded:
        trainer.learner = Objective(model, LossConfig(), precision)
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


@needs_gpu
def test_lstms_keep_float32_where_products_are_in_bfloat16():
    """Autocast would compute them in float16, where small gradients are zero."""
    block, sound = ResidualRNN(4, 8).cuda(), torch.randn(5, 3, 4, device="cuda")
    seen = []
    block.rnn.register_forward_hook(lambda _, inputs, outputs: seen.append((inputs[0].dtype, outputs[0].dtype)))
    with torch.autocast("cuda", torch.bfloat16):
        assert block(sound).dtype == torch.float32
    assert seen == [(torch.float32, torch.float32)]


@pytest.mark.parametrize(("batch", "micro", "whole"), [(1, 2, True), (4, 0, True), (4, 4, True), (4, 2, False)])
def test_a_batch_is_recorded_where_it_is_taken_in_one_piece(batch, micro, whole, monkeypatch):
    config = TrainConfig(batch_items=batch, micro_items=micro, max_items=100, loader_workers=0)
    trainer = Trainer(new_model(MODEL, 0), Supervised([], config), config)  # type: ignore[arg-type]
    assert not trainer._recorded  # on a CPU
    trainer.device = "cuda:1"
    assert trainer._recorded is whole
    trainer.config = replace(config, cuda_graphs=False)
    assert not trainer._recorded


def test_other_systems_are_not_recorded():
    assert Objective(new_model(MODEL, 0), LossConfig(), recorded=True).recorded
    assert not Objective(new_model(PEERS["convtasnet-stft"], 0), LossConfig(), recorded=True).recorded
