"""Resampling: torchaudio's values, pure tones in closed form, and the same samples however the signal is cut."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn.audio import resampling
from bsrnn.audio.resampling import resample, resample_blocks, resampled_frames, stretch
from bsrnn.errors import ConfigError

RATES = st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000])
FEW = settings(max_examples=40)


def noise(frames, channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


def slow(audio, from_rate, to_rate):
    """The definition, output by output, in double precision: sum of samples times the windowed sinc."""
    cutoff = min(1, to_rate / from_rate) * resampling.ROLLOFF
    out = np.zeros((len(audio), math.ceil(audio.shape[1] * to_rate / from_rate)))
    for index in range(out.shape[1]):
        x = (np.arange(audio.shape[1]) - index * from_rate / to_rate) * cutoff
        inside = np.abs(x) < resampling.WIDTH
        window = np.i0(resampling.BETA * np.sqrt(1 - (x[inside] / resampling.WIDTH) ** 2)) / np.i0(resampling.BETA)
        out[:, index] = audio[:, inside] @ (cutoff * np.sinc(x[inside]) * window)
    return out


@pytest.mark.parametrize("rates", [(48, 44), (441, 480), (1, 5), (5, 1), (97, 101), (160, 147), (147, 640)])
def test_equals_the_definition(rates, monkeypatch):
    audio = noise(250)
    assert np.abs(resample(audio, *rates) - slow(audio, *rates)).max() < 4e-6
    monkeypatch.setattr(resampling, "DENSE", 0)  # the other way of computing it
    assert np.abs(resample(audio, *rates) - slow(audio, *rates)).max() < 4e-6


@pytest.mark.parametrize("from_rate, to_rate", [(48000, 44100), (44100, 96000), (8000, 44100), (44100, 22050)])
def test_equals_torchaudio(from_rate, to_rate):
    functional = pytest.importorskip("torchaudio.functional", exc_type=(ImportError, OSError))
    audio = noise(from_rate // 10)
    expected = functional.resample(
        torch.from_numpy(audio).double(),  # in float32 torchaudio rounds the kernel's positions
        from_rate,
        to_rate,
        lowpass_filter_width=resampling.WIDTH,
        rolloff=resampling.ROLLOFF,
        resampling_method="sinc_interp_kaiser",
        beta=resampling.BETA,
    )
    got = resample(audio, from_rate, to_rate)
    assert got.shape == tuple(expected.shape) and np.abs(got - expected.numpy()).max() < 4e-6


@FEW
@given(from_rate=RATES, to_rate=RATES, frames=st.integers(1, 3000), seed=st.integers(0, 99), data=st.data())
def test_cut_anywhere_the_samples_are_the_same(from_rate, to_rate, frames, seed, data):
    audio = noise(frames, seed=seed)
    whole, asked = resample(audio, from_rate, to_rate), []

    def read(start, wanted):
        asked.append((start, start + wanted))
        return audio[:, start : start + wanted]

    assert whole.shape == (2, resampled_frames(frames, from_rate, to_rate)) and whole.dtype == np.float32
    start = data.draw(st.integers(0, whole.shape[1]))
    count = data.draw(st.integers(0, whole.shape[1] - start))
    part = stretch(read, frames, start, count, from_rate, to_rate)
    assert part.shape == (2, count) and np.abs(part - whole[:, start : start + count]).max(initial=0) < 2e-6
    assert all(0 <= low <= high <= frames for low, high in asked) and len(asked) == 1


@FEW
@given(from_rate=RATES, to_rate=RATES, frames=st.integers(1, 3000), cuts=st.lists(st.integers(0, 3000), max_size=9))
def test_a_stream_in_blocks_gives_the_whole(from_rate, to_rate, frames, cuts):
    audio = noise(frames, channels=6).reshape(3, 2, frames)  # more axes than one before the samples
    places = [0, *sorted(min(cut, frames) for cut in cuts), frames]
    blocks = (audio[..., a:b] for a, b in zip(places, places[1:], strict=False))
    got = np.concatenate(list(resample_blocks(blocks, frames, from_rate, to_rate)), -1)
    whole = resample(audio.reshape(6, -1), from_rate, to_rate).reshape(3, 2, -1)
    assert got.shape == whole.shape and np.abs(got - whole).max() < 2e-6


def test_a_stream_keeps_pace():
    """What has come in is given out again but for the margin: nothing piles up."""
    taken = [0]

    def blocks():
        for _ in range(100):
            taken[0] += 480
            yield noise(480)

    given_out = 0
    for part in resample_blocks(blocks(), 48000, 48000, 44100):
        given_out += part.shape[-1]
        assert taken[0] - given_out * 480 / 441 < 480 + 100
    assert given_out == 44100


@pytest.mark.parametrize("from_rate, to_rate", [(44100, 48000), (48000, 44100), (8001, 8000), (192000, 44100)])
def test_a_tone_stays_a_tone(from_rate, to_rate):
    time, places = np.arange(from_rate // 4) / from_rate, np.arange(to_rate // 4) / to_rate
    middle = slice(to_rate // 50, -to_rate // 50)  # beyond its ends the signal is taken as zero
    for hz in (100.0, 1000.0, 0.43 * min(from_rate, to_rate)):
        got = resample(np.sin(2 * np.pi * hz * time)[None], from_rate, to_rate)[0]
        assert np.abs(got[: len(places)] - np.sin(2 * np.pi * hz * places))[middle].max() < 1e-5
    if to_rate < from_rate and to_rate == 44100:  # what the lower rate cannot hold is gone, and folds back nowhere
        got = resample(np.sin(2 * np.pi * 23000 * time)[None], from_rate, to_rate)[0]
        assert np.abs(got[middle]).max() < 1e-5


def test_the_response_is_as_the_module_says():
    over = 64  # the kernel at so many places a sample; its transform is the response, full scale at 0 Hz
    kernel = resampling._kernel(np.arange(-70 * over, 70 * over) / over, 1, 2).astype(np.float64) / over
    response = np.abs(np.fft.rfft(kernel, 1 << 18))
    place = np.fft.rfftfreq(1 << 18, 1 / over) * 2  # in units of the lower Nyquist frequency
    assert np.abs(response[place < 0.88] - 1).max() < 1e-5
    assert response[np.argmin(np.abs(place - resampling.ROLLOFF))] == pytest.approx(0.5, abs=0.01)
    assert response[place > 1.02].max() < 10 ** (-120 / 20)


def test_there_and_back_changes_a_band_limited_signal_little():
    time = np.arange(4800) / 48000
    audio = sum(np.sin(2 * np.pi * hz * time + hz) for hz in (50, 440, 5000, 18000))[None] / 4
    back = resample(resample(audio, 48000, 44100), 44100, 48000)
    assert back.shape == audio.shape and np.abs(back - audio)[:, 400:-400].max() < 1e-5


def test_the_same_rate_changes_nothing():
    audio = noise(100)
    assert np.array_equal(resample(audio, 44100, 44100), audio)
    assert np.array_equal(np.concatenate(list(resample_blocks([audio], 100, 8000, 8000)), -1), audio)


@pytest.mark.parametrize("rates", [(0, 44100), (44100, -1), (44100.5, 48000)])
def test_rates_that_are_none(rates):
    with pytest.raises(ConfigError, match="got a sample rate of .* expected a positive whole number"):
        resample(noise(10), *rates)
