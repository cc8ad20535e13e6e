"""Resampling: torchaudio's values, pure tones in closed form, and the same samples however the signal is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn.audio.resampling import resample, resample_blocks, resampled_frames, stretch
from bsrnn.errors import ConfigError

RATES = st.sampled_from([8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000])
FEW = settings(max_examples=40)


def noise(frames, channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize("from_rate, to_rate", [(48000, 44100), (44100, 96000), (8000, 44100), (44100, 22050)])
def test_equals_torchaudio_below_both_filters(from_rate, to_rate):
    """Two filters differ at their edges alone: up to 0.8 of the lower Nyquist frequency they give the same."""
    functional = pytest.importorskip("torchaudio.functional", exc_type=(ImportError, OSError))
    time, lower = np.arange(from_rate // 4) / from_rate, min(from_rate, to_rate) / 2
    audio = sum(np.sin(2 * np.pi * share * lower * time + share) for share in (0.01, 0.13, 0.5, 0.8))[None] / 4
    expected = functional.resample(
        torch.from_numpy(audio), from_rate, to_rate, lowpass_filter_width=64, rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser", beta=14.769656459379492,  # its tutorial's "kaiser_best"
    )  # fmt: skip
    got, edge = resample(audio, from_rate, to_rate), to_rate // 20
    assert got.shape == tuple(expected.shape)
    assert np.abs(got - expected.numpy())[:, edge:-edge].max() < 5e-5


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
    assert part.shape == (2, count) and np.array_equal(part, whole[:, start : start + count])
    assert all(0 <= low <= high <= frames for low, high in asked) and len(asked) == 1


@FEW
@given(from_rate=RATES, to_rate=RATES, frames=st.integers(1, 3000), cuts=st.lists(st.integers(0, 3000), max_size=9))
def test_a_stream_in_blocks_gives_the_whole(from_rate, to_rate, frames, cuts):
    audio = noise(frames, channels=6).reshape(3, 2, frames)  # more axes than one before the samples
    places = [0, *sorted(min(cut, frames) for cut in cuts), frames]
    blocks = (audio[..., a:b] for a, b in zip(places, places[1:], strict=False))
    got = np.concatenate(list(resample_blocks(blocks, frames, from_rate, to_rate)), -1)
    whole = np.stack([resample(pair, from_rate, to_rate) for pair in audio])
    assert got.shape == whole.shape and np.abs(got - whole).max() < 2e-6


@pytest.mark.parametrize("rates", [(44101, 44100), (44100, 47999)])
def test_at_unusual_rates_a_stretch_is_the_whole_but_for_rounding(rates):
    audio = noise(200_000)
    whole = resample(audio, *rates)
    part = stretch(lambda start, wanted: audio[:, start : start + wanted], 200_000, 150_001, 999, *rates)
    assert np.abs(part - whole[:, 150_001:151_000]).max() < 5e-5


def test_a_stream_keeps_pace():
    """What has come in is given out again but for the filter's reach: nothing piles up."""
    taken = [0]

    def blocks():
        for _ in range(100):
            taken[0] += 480
            yield noise(480)

    given_out = 0
    for part in resample_blocks(blocks(), 48000, 48000, 44100):
        given_out += part.shape[-1]
        assert taken[0] - given_out * 480 / 441 < 480 + 1200
    assert given_out == 44100


@pytest.mark.parametrize("from_rate, to_rate", [(44100, 48000), (48000, 44100), (8001, 8000), (192000, 44100)])
def test_a_tone_stays_a_tone(from_rate, to_rate):
    time, places = np.arange(from_rate // 4) / from_rate, np.arange(to_rate // 4) / to_rate
    middle = slice(to_rate // 50, -to_rate // 50)  # beyond its ends the signal is taken as zero
    for hz in (100.0, 1000.0, 0.43 * min(from_rate, to_rate)):
        got = resample(np.sin(2 * np.pi * hz * time)[None], from_rate, to_rate)[0]
        assert np.abs(got[: len(places)] - np.sin(2 * np.pi * hz * places))[middle].max() < 1e-3  # 0.01 dB
    if to_rate < from_rate and to_rate == 44100:  # what the lower rate cannot hold is gone, and folds back nowhere
        got = resample(np.sin(2 * np.pi * 23000 * time)[None], from_rate, to_rate)[0]
        assert np.abs(got[middle]).max() < 1e-5


@pytest.mark.parametrize("from_rate, to_rate", [(48000, 44100), (44100, 48000), (96000, 44100)])
def test_the_response_is_as_the_module_says(from_rate, to_rate):
    """The response to an impulse, transformed: flat, then nothing."""
    impulse = np.zeros((1, from_rate), np.float32)
    impulse[0, from_rate // 2] = 1
    response = np.abs(np.fft.rfft(resample(impulse, from_rate, to_rate)[0].astype(np.float64))) * from_rate / to_rate
    hz = np.fft.rfftfreq(to_rate, 1 / to_rate)
    lower = min(from_rate, to_rate) / 2
    assert np.abs(response[hz < 0.9 * lower] - 1).max() < 1.2e-3  # 0.01 dB
    assert response[hz > 1.0 * lower + 50].max(initial=0) < 10 ** (-110 / 20)


def test_there_and_back_changes_a_band_limited_signal_little():
    time = np.arange(4800) / 48000
    audio = sum(np.sin(2 * np.pi * hz * time + hz) for hz in (50, 440, 5000, 18000))[None] / 4
    back = resample(resample(audio, 48000, 44100), 44100, 48000)
    assert back.shape == audio.shape and np.abs(back - audio)[:, 400:-400].max() < 1e-3  # 0.01 dB


def test_the_same_rate_changes_nothing():
    audio = noise(100)
    assert np.array_equal(resample(audio, 44100, 44100), audio)
    assert np.array_equal(np.concatenate(list(resample_blocks([audio], 100, 8000, 8000)), -1), audio)


@pytest.mark.parametrize("rates", [(0, 44100), (44100, -1), (44100.5, 48000)])
def test_rates_that_are_none(rates):
    with pytest.raises(ConfigError, match="got a sample rate of .* expected a positive whole number"):
        resample(noise(10), *rates)
