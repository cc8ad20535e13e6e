"""Arrays the other way round, as soundfile reads them, are refused at once by all that takes (channels, samples)."""

import numpy as np
import pytest
import torch
from fake_models import Fake

import bsrnn
from bsrnn import metrics
from bsrnn.audio.resampling import resample
from bsrnn.audio.shapes import as_array, check_channels_first
from bsrnn.config import ModelConfig, PeerConfig
from bsrnn.models.bsrnn import BSRNN
from bsrnn.models.other_systems import build

RATE = 100
LONG, SHORT = np.zeros((200, 2), np.float32), np.zeros((10, 4), np.float32)  # (samples, channels)
ENTRIES = {
    "separate": lambda audio: bsrnn.separate(Fake(), audio, RATE, 0.3, 0.1),
    "separate a tensor": lambda audio: bsrnn.separate(Fake(), torch.from_numpy(audio), RATE, 0.3, 0.1),
    "separate at another rate": lambda audio: bsrnn.separate(Fake(), audio, 48000, 0.3, 0.1),
    "usdr": lambda audio: bsrnn.usdr(audio, audio),
    "csdr": lambda audio: bsrnn.csdr({"a": audio}, {"a": audio}, RATE),
    "silent_leakage": lambda audio: metrics.silent_leakage(audio, audio, RATE),
    "score": lambda audio: metrics.score(audio, audio, audio, RATE),
    "resample": lambda audio: resample(audio, 48000, 44100),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("audio", [LONG, SHORT], ids=["long", "short"])
def test_samples_before_channels(entry, audio):
    said = rf"of shape \({len(audio)}, {audio.shape[1]}\), expected \(channels, samples\), .*transpose it"
    with pytest.raises(ValueError, match=said):
        ENTRIES[entry](audio)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("shape", [(), (50,), (1, 2, 50), (0, 50)])
def test_other_axes(entry, shape):
    with pytest.raises(ValueError, match=r"got .* of shape .*, expected \(channels, samples\)"):
        ENTRIES[entry](np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "model",
    [
        lambda: BSRNN(ModelConfig(band_split="v1", features=4, modules=1)),
        lambda: build(PeerConfig("convtasnet-stft", width=4, depth=3, window=512)),
    ],
    ids=["BSRNN", "peer"],
)
def test_models_take_a_batch_of_channels_of_samples(model):
    model = model()
    with pytest.raises(ValueError, match=r"shape \(1, 3000, 2\), expected \(batch, channels, samples\), .*transpose"):
        model(torch.zeros(1, 3000, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 3000\), expected \(batch, channels, samples\)"):
        model(torch.zeros(2, 3000))
    assert model(torch.zeros(1, 2, 3000)).shape == (1, 1, 2, 3000)


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (2, 2), (16, 16), (2, 0), (16, 0), (1, 10**9)])
def test_shapes_that_are_fine(shape):
    check_channels_first(shape, "a mixture")


@pytest.mark.parametrize("samples", [0, 1, 17])
def test_few_samples_are_separated(samples):
    mixture = np.random.default_rng(0).uniform(-1, 1, (2, samples)).astype(np.float32)
    np.testing.assert_allclose(bsrnn.separate(Fake(), mixture, RATE, 0.3, 0.1)["a"], mixture, atol=1e-6)


def test_a_tensor_of_any_kind_is_an_array():
    values = torch.tensor([[0.5, -0.25]])
    for tensor in (values, values.bfloat16(), values.half(), values.clone().requires_grad_()):
        assert as_array(tensor).tolist() == [[0.5, -0.25]]
    assert as_array([[0.5, -0.25]]).shape == (1, 2)
    with pytest.raises(ValueError, match="got audio that is no array"):
        as_array([[0.5], [0.5, 1.0]])
    mixture = torch.rand(2, 50).requires_grad_()
    np.testing.assert_allclose(
        bsrnn.separate(Fake(), mixture, RATE, 0.3, 0.1)["a"], mixture.detach().numpy(), atol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: bsrnn.separate(x, Fake(), RATE), "got a model of type ndarray, expected what bsrnn.load gives"),
        (lambda x: bsrnn.separate("models/vocals", x, RATE), "got a model of type str, expected what bsrnn.load"),
        (lambda x: bsrnn.separate(Fake(), (x * 100).astype(np.int16), RATE), "of type int16, expected floats"),
        (lambda x: bsrnn.separate(Fake(), x, "44100"), "got a sample rate of '44100' Hz"),
        (lambda x: bsrnn.separate(Fake(), x, 0), "got a sample rate of 0 Hz"),
        (lambda x: bsrnn.separate(Fake(), x * np.nan, RATE), "with 100 samples that are not finite"),
    ],
)
def test_arguments_that_are_mixed_up(call, said):
    with pytest.raises(ValueError, match=said):
        call(np.ones((2, 50), np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_score_hides_an_estimate_that_is_not_finite(bad):
    """NaN is no silence, and no frame to leave out."""
    estimate = np.full((1, RATE), bad)
    for call in (ENTRIES["usdr"], ENTRIES["csdr"], ENTRIES["silent_leakage"]):
        with pytest.raises(ValueError, match="not finite"):
            call(estimate)
