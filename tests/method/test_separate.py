"""Overlap-add: what a model that changes nothing must give back, and a slow twin for one that does not."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn.audio import files as audio
from bsrnn.config import ModelConfig, SeparateConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.separation import add_up, fade, separate, separate_blocks

RATE = 100  # Hz: one sample is 0.01 s
SHORT = settings(max_examples=60)
LENGTHS = st.integers(0, 300)
SEGMENTS = st.integers(5, 60)
HOPS = st.integers(1, 60)


class Fake(torch.nn.Module):
    """Stands in for a BSRNN: (B, C, L) -> (B, S, C, L), and notes the batches that it was given."""

    def __init__(self, change=lambda x: x[:, None], targets=("a",)):
        super().__init__()
        self.config = ModelConfig(targets, (1, 1, 1), RATE, n_fft=4, hop_samples=2)
        self.register_buffer("window", torch.ones(4))
        self.change, self.seen = change, []

    def forward(self, mixture):
        self.seen.append(mixture.shape)
        return self.change(mixture)


def song(samples, channels=2, seed=0):
    return np.random.default_rng(seed).standard_normal((channels, samples)).astype(np.float32)


def slow_overlap_add(change, mixture, segment, hop):
    """All of it in memory: pad, weigh each segment by a triangle, add, divide by what the triangles sum to."""
    channels, samples = mixture.shape
    front = segment - hop
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (front, 2 * segment)))
    triangle = np.array([min(i + 1, segment - i) for i in range(segment)], dtype=np.float64)
    total, weights = 0, np.zeros(padded.shape[1])
    for start in range(0, front + samples, hop):
        estimate = change(torch.from_numpy(padded[None, :, start : start + segment]).float())[0].double().numpy()
        piece = np.zeros((*estimate.shape[:2], padded.shape[1]))
        piece[..., start : start + segment] = estimate * triangle
        total = total + piece
        weights[start : start + segment] += triangle
    here = slice(front, front + samples)
    return total[..., here] / weights[here]  # (S, C, L)


@SHORT
@given(samples=LENGTHS, segment=SEGMENTS, hop=HOPS, batch=st.integers(1, 9), channels=st.integers(1, 3))
def test_a_model_that_changes_nothing_gives_back_its_input(samples, segment, hop, batch, channels):
    hop, mixture = min(hop, segment), song(samples, channels)
    estimate = separate(Fake(), mixture, RATE, segment / RATE, hop / RATE, batch)["a"]
    assert estimate.shape == mixture.shape and estimate.dtype == np.float32
    assert np.abs(estimate - mixture).max(initial=0) < 1e-5


def uneven(x):
    """Two targets that depend on where in the segment a sample lies and on what else is in it."""
    ramp = torch.linspace(0, 1, x.shape[-1])
    return torch.stack([x * ramp, x.flip(-1) + x.mean(-1, keepdim=True)], 1)


@SHORT
@given(samples=st.integers(1, 200), segment=SEGMENTS, hop=HOPS, batch=st.integers(1, 9))
def test_equals_the_slow_twin(samples, segment, hop, batch):
    hop, mixture = min(hop, segment), song(samples)
    estimates = separate(Fake(uneven, ("a", "b")), mixture, RATE, segment / RATE, hop / RATE, batch)
    expected = slow_overlap_add(uneven, mixture, segment, hop)
    assert list(estimates) == ["a", "b"]
    assert np.abs(np.stack(list(estimates.values())) - expected).max() < 2e-5


def test_the_number_of_segments_follows_from_the_hop(monkeypatch):
    """300 samples, T 60, P 20: segments start at -40, -20, ..., 280, so every sample lies in T / P = 3 of them."""
    model = Fake()
    # a batch at a time: how threads share it is another matter
    monkeypatch.setattr(sys.modules["bsrnn.separation"], "in_threads", lambda model, batch: model(batch))
    separate(model, song(300), RATE, 0.6, 0.2, 5)
    assert [shape[0] for shape in model.seen] == [5, 5, 5, 2]
    assert all(shape[1:] == (2, 60) for shape in model.seen)
    starts = np.arange(-40, 300, 20)
    cover = [(starts <= n).sum() - (starts + 60 <= n).sum() for n in range(300)]
    assert len(starts) == 17 and set(cover) == {3}


def test_the_fade_is_a_triangle_without_zeros():
    assert torch.allclose(fade(4), torch.tensor([0.4, 0.8, 0.8, 0.4]))
    assert torch.allclose(fade(5), torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0]) / 3)
    assert (fade(132300) > 0).all() and fade(132300).max() <= 1


def test_blocks_from_disk_equal_the_song_in_memory(tmp_path):
    torch.manual_seed(0)
    config = ModelConfig(
        targets=("a", "b"), band_split=(3, 5, 9), n_fft=32, hop_samples=8, sample_rate=1000, features=4, modules=1
    )
    model, mixture = BSRNN(config).eval(), 0.3 * song(5300)
    audio.write(tmp_path / "mixture.wav", mixture, 1000)
    whole = np.stack(list(separate(model, mixture, 1000, 0.5, 0.2, 3).values()))
    asked = []

    def read(start, frames):
        asked.append((start, frames))
        return audio.read(tmp_path / "mixture.wav", start, frames)

    blocks = list(separate_blocks(model, read, 5300, 2, SeparateConfig(0.5, 0.2, 3)))
    assert all(block.shape[:2] == (2, 2) and block.shape[2] <= 200 for block in blocks)
    assert np.array_equal(np.concatenate(blocks, -1), whole)  # bit for bit
    assert all(0 <= start and start + frames <= 5300 and frames <= 500 for start, frames in asked)


def test_reading_keeps_pace_with_writing():
    """Memory stays flat: what was read is never more than a batch of segments ahead of what was given out."""
    mixture, position = song(5000), [0]

    def read(start, frames):
        position[0] = max(position[0], start + frames)
        return mixture[:, start : start + frames]

    given_out = 0
    for block in separate_blocks(Fake(), read, 5000, 2, SeparateConfig(0.5, 0.1, 4)):
        given_out += block.shape[-1]
        assert position[0] - given_out <= 4 * 10 + 50
    assert given_out == 5000


def test_batches_do_not_change_the_result():
    torch.manual_seed(0)
    config = ModelConfig(band_split=(3, 5, 9), n_fft=32, hop_samples=8, sample_rate=1000, features=4, modules=1)
    model, mixture = BSRNN(config).eval(), 0.3 * song(2000)
    one, many = (separate(model, mixture, 1000, 0.5, 0.1, batch)["vocals"] for batch in (1, 16))
    assert np.abs(one - many).max() < 1e-6


def test_the_input_is_left_alone_and_may_be_a_tensor():
    mixture = song(200)
    before = mixture.copy()
    mixture.flags.writeable = False
    estimate = separate(Fake(), mixture, RATE, 0.3, 0.1)["a"]
    assert np.array_equal(mixture, before)
    assert np.array_equal(separate(Fake(), torch.from_numpy(before), RATE, 0.3, 0.1)["a"], estimate)


def test_of_several_models_each_target_is_the_mean_of_those_that_separate_it():
    mixture = song(200)
    one, both = Fake(lambda x: (x / 2)[:, None], ("a",)), Fake(lambda x: torch.stack([x / 8, -x], 1), ("b", "a"))
    got = separate([one, both], mixture, RATE, 0.3, 0.1, peak=True)
    assert list(got) == ["a", "b"]
    np.testing.assert_allclose(got["a"], -mixture / 4, atol=1e-6)
    np.testing.assert_allclose(got["b"], mixture / 8, atol=1e-6)
    alone = separate(one, mixture, RATE, 0.3, 0.1)["a"]
    assert np.array_equal(separate([one], mixture, RATE, 0.3, 0.1)["a"], alone)  # bit for bit
    for wrong in ("model", [one, "model"]):
        with pytest.raises(DataError, match="got a model of type str, expected what bsrnn.load gives"):
            separate(wrong, mixture, RATE)
    for wrong, got in (([], "no model"), (torch.nn.ModuleList(), "a model of type ModuleList")):
        with pytest.raises(DataError, match=f"got {got}, expected what bsrnn.load gives, or a list of such"):
            separate(wrong, mixture, RATE)


@SHORT
@given(st.integers(2, 5), st.integers(0, 50), st.integers(0, 2**31))
def test_estimates_that_add_up_are_the_nearest_ones_that_do(stems, samples, seed):
    draws = np.random.default_rng(seed)
    estimates, mixture = draws.normal(size=(stems, 2, samples)), draws.normal(size=(2, samples))
    got = add_up(estimates, mixture)
    np.testing.assert_allclose(got.sum(0), mixture, atol=1e-12)
    # the twin: the change of least norm that closes the gap, sample by sample
    gap = (mixture - estimates.sum(0)).reshape(1, -1)
    change = np.linalg.lstsq(np.ones((1, stems)), gap, rcond=None)[0].reshape(estimates.shape)
    np.testing.assert_allclose(got - estimates, change, atol=1e-12)


@pytest.mark.parametrize("samples", [1, 7, 333])
def test_another_rate_is_resampled_there_and_back(samples):
    time = np.arange(samples) / 150
    mixture = np.stack([np.sin(2 * np.pi * 5 * time), np.cos(2 * np.pi * 3 * time)]).astype(np.float32)
    model = Fake()
    estimate = separate(model, mixture, 150, 0.3, 0.1)["a"]
    assert estimate.shape == mixture.shape
    assert np.abs(estimate - mixture)[:, 30:-30].max(initial=0) < 0.02


@pytest.mark.parametrize(
    "segment, hop, said",
    [
        (0.3, 0.0, "hop_seconds 0.0: expected a number above 0"),
        (0.3, -0.1, "hop_seconds -0.1: expected a number above 0"),
        (0.3, 0.31, "segments of 0.3 s every 0.31 s: expected 0 < hop <= segment"),
        (0.04, 0.01, r"0.04 s every 0.01 s: expected .* longer than the STFT window \(0.040 s\)"),
        (0.3, 0.001, "0.3 s every 0.001 s: expected 0 < hop"),
        (1e9, 0.1, "segment_seconds 1000000000.0: expected a number above 0 and at most 600 "),
        (float("nan"), 0.1, "segment_seconds nan"),
        ("3", 0.1, "segment_seconds '3': expected a number"),
    ],
)
def test_segments_and_hops_that_cannot_work(segment, hop, said):
    with pytest.raises(ConfigError, match=said):
        separate(Fake(), song(50), RATE, segment, hop)


@pytest.mark.parametrize("shape", [(50,), (1, 2, 50)])
def test_a_mixture_of_the_wrong_shape(shape):
    with pytest.raises(ValueError, match="expected"):
        separate(Fake(), np.zeros(shape), RATE)
