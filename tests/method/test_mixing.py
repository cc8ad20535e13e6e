"""Training items: what they are the sum of, how loud, and that (seed, index) alone decides them."""

import pickle

import numpy as np
import pytest
import torch
from test_activity import RATE, FakeSong

from bsrnn.config import PEERS, MixingConfig, ModelConfig
from bsrnn.errors import ConfigError
from bsrnn.mixing import (
    OCTAVES_HZ,
    RandomMixes,
    check_channels,
    gain,
    index_sources,
    normalise_peak,
    read_chunk,
    tone,
    with_tone,
)

SOURCES = ("bass", "drums", "vocals")
SAMPLES = 300  # 3 s


def songs(count=4, seconds=12):
    """Noise whose level changes every 0.1 s, so that every stem is salient; every chunk of it is unlike the others."""
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        envelope = rng.uniform(0.2, 1, (len(SOURCES), 1, seconds * 10)).repeat(RATE // 10, 2)
        signals = (0.3 * envelope * rng.standard_normal((len(SOURCES), 2, seconds * RATE))).astype(np.float32)
        made.append(FakeSong(f"song {number}", **dict(zip(SOURCES, signals, strict=True))))
    return made


def mixes(targets=SOURCES, items=200, seed=0, from_songs=None, rate=RATE, **settings):
    segments, config = index_sources(from_songs or songs()), MixingConfig(chunk_seconds=SAMPLES / rate, **settings)
    return RandomMixes(segments, targets, config, items, seed, rate)


def found_at(chunk, candidates, source):
    """(song, start, factor): where a chunk that is ``factor`` times a stretch of a stem was taken from, else None."""
    for song in candidates:
        windows = np.lib.stride_tricks.sliding_window_view(song.stems[source][0], chunk.shape[1])  # (starts, samples)
        likeness = windows @ chunk[0] / np.linalg.norm(windows, axis=1) / np.linalg.norm(chunk[0])
        if likeness.max() > 0.9999:
            start = int(likeness.argmax())
            factor = np.linalg.norm(chunk[0]) / np.linalg.norm(windows[start])
            taken = song.stems[source][:, start : start + chunk.shape[1]]
            assert np.abs(chunk - factor * taken).max() < 1e-4  # both channels, one factor
            return song, start, factor
    return None


# ------------------------------------------------------------------------------------------------------------ parts


def test_gains_are_uniform_in_db_and_a_tenth_is_dropped():
    generator = np.random.default_rng(0)
    factors = np.array([gain(MixingConfig(), generator) for _ in range(20_000)])
    assert abs((factors == 0).mean() - 0.1) < 0.01  # 5 standard errors
    energy_db = 20 * np.log10(factors[factors > 0])  # energy goes with the square of the amplitude
    assert -10 <= energy_db.min() < -9.99 and 9.99 < energy_db.max() <= 10
    counts, _ = np.histogram(energy_db, 10, (-10, 10))
    assert np.abs(counts / len(energy_db) - 0.1).max() < 0.012


def test_never_and_always_dropped():
    generator = np.random.default_rng(0)
    assert all(gain(MixingConfig(drop_probability=0), generator) > 0 for _ in range(1000))
    assert all(gain(MixingConfig(drop_probability=1), generator) == 0 for _ in range(1000))
    assert gain(MixingConfig(gain_db=0, drop_probability=0), generator) == 1


@pytest.mark.parametrize(
    "mixture, targets, peak",
    [
        ([[0.1, -0.5]], [[[0.2, 0.1]]], 0.5),  # the mixture is louder
        ([[0.1, 0.0]], [[[0.2, -2.0]]], 2.0),  # sources that cancel: the target is
        ([[-3.0, 1.0]], [[[1.0, 1.0]], [[-4.0, 0.0]]], 4.0),
    ],
)  # the loudest of several targets
def test_the_peak_by_hand(mixture, targets, peak):
    mixture, targets = np.array(mixture), np.array(targets)
    got_mixture, got_targets = normalise_peak(mixture, targets)
    assert np.allclose(got_mixture, mixture / peak) and np.allclose(got_targets, targets / peak)
    assert max(np.abs(got_mixture).max(), np.abs(got_targets).max()) == 1


def test_a_tone_curve_is_a_random_walk_over_octaves_and_shifts_no_other_draw():
    generator, twin = np.random.default_rng(0), np.random.default_rng(0)
    curves = np.stack([tone(MixingConfig(tone_db=6), generator) for _ in range(4000)])
    steps = np.diff(curves, axis=1)
    assert curves.shape == (4000, len(OCTAVES_HZ)) and -6 <= steps.min() < -5.99 and 5.99 < steps.max() <= 6
    assert np.abs(np.corrcoef(steps.T) - np.eye(steps.shape[1])).max() < 0.08  # 5 standard errors
    far = np.std(curves[:, 5] - curves[:, 0])  # of five uniform steps
    assert far == pytest.approx(6 * np.sqrt(5 / 3), rel=0.05)
    assert tone(MixingConfig(), generator) is None and generator.random() == twin.random()


@pytest.mark.parametrize("rate", [44100, 16000])
def test_a_tone_curve_is_a_gain_a_frequency_and_keeps_the_energy(rate):
    curve = tone(MixingConfig(tone_db=9), np.random.default_rng(3))
    time = np.arange(rate) / rate
    levels = {}
    for hz in (50, 100, 141, 800, 6400):  # whole periods, so that nothing lies between two bins
        sine = np.sin(2 * np.pi * hz * time)
        carrier = np.sin(2 * np.pi * 400 * time)  # beside each, to compare with: energy is kept by both together
        toned = with_tone(np.stack([sine + carrier, carrier]).astype(np.float32), curve, rate)
        assert np.sum(toned**2) == pytest.approx(np.sum((sine + carrier) ** 2 + carrier**2), rel=1e-5)
        assert toned.dtype == np.float32
        projected = [2 * np.mean(toned[0] * wave) for wave in (sine, carrier)]
        levels[hz] = 20 * np.log10(projected[0] / projected[1])
    drawn = dict(zip(OCTAVES_HZ, curve - curve[3], strict=True))  # 400 Hz is the fourth
    assert all(levels[hz] == pytest.approx(drawn[hz], abs=0.01) for hz in (50, 100, 800, 6400))
    share = np.log2(141 / 100)  # on a straight line over octaves between its neighbours
    assert levels[141] == pytest.approx((1 - share) * drawn[100] + share * drawn[200], abs=0.01)


def test_silence_and_no_curve_are_left_alone():
    audio = np.ones((2, 50), np.float32)
    assert with_tone(audio, None, RATE) is audio
    silence = np.zeros((2, 50), np.float32)
    curve = tone(MixingConfig(tone_db=20), np.random.default_rng(0))
    assert not with_tone(silence, curve, RATE).any()
    for level in (1e-20, 1e-25, 1e-30, 1e-38, 1e-44):  # their squares are 0 in single precision
        faint = with_tone(level * np.sin(np.arange(4410, dtype=np.float32))[None], curve, 44100)
        assert np.isfinite(faint).all() and faint.dtype == np.float32
        assert level < 1e-37 or 0.5 * level < np.sqrt(2 * np.mean(np.square(faint, dtype=np.float64))) < 2 * level


def test_tone_changes_the_sound_of_a_source_but_neither_its_place_nor_its_level():
    plain, toned = (mixes(rate=44100, drop_probability=0.3, tone_db=db) for db in (0, 12))  # a rate that has octaves
    curves = []
    for index in range(40):
        (_, before), (mixture, after) = plain[index], toned[index]
        assert torch.equal(toned[index][0], mixture)  # (seed, index) alone decides it
        assert torch.allclose(after.sum(0), mixture, atol=1e-6)
        levels = [torch.linalg.vector_norm(targets.double(), dim=(1, 2)) for targets in (before, after)]
        assert torch.equal(levels[0] == 0, levels[1] == 0)
        heard = levels[0] > 0
        ratio = levels[1][heard] / levels[0][heard]  # the peak is another, the sources' proportions are not
        assert torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=1e-4)
        spectra = [torch.fft.rfft(targets[heard].double()).abs().sum(1) for targets in (before, after)]
        curves += [curve[5:] / curve[5:].mean() for curve in spectra[1] / spectra[0].clamp_min(1e-9)]
    spread = torch.stack(curves).std(1)  # of one curve over frequencies; another for every source and item
    assert spread.min() > 0.02
    assert len({round(value, 6) for value in spread.tolist()}) == len(curves)


def test_silence_stays_silence():
    mixture, targets = normalise_peak(np.zeros((2, 5)), np.zeros((1, 2, 5)))
    assert not mixture.any() and not targets.any()


@pytest.mark.parametrize("start, samples, zeros", [(0, 100, 0), (150, 100, 50), (199, 3, 2), (200, 4, 4)])
def test_a_chunk_beyond_the_end_is_filled_with_zeros(start, samples, zeros):
    x = np.arange(1, 401, dtype=np.float32).reshape(2, 200)
    chunk = read_chunk(FakeSong(x=x), "x", start, samples)
    assert chunk.shape == (2, samples) and chunk.dtype == np.float32
    assert np.array_equal(chunk[:, : samples - zeros], x[:, start : start + samples])
    assert not chunk[:, samples - zeros :].any()


# ------------------------------------------------------------------------------------------------------------ items


def test_an_item_is_a_sum_of_scaled_chunks_with_peak_one():
    here = songs()
    data = mixes(from_songs=here, gain_db=10, drop_probability=0.3)
    pairs, positions, dropped = set(), [], 0
    for index in range(40):
        mixture, targets = data[index]
        assert mixture.shape == (2, SAMPLES) and targets.shape == (3, 2, SAMPLES)
        assert mixture.dtype == targets.dtype == torch.float32
        assert (mixture - targets.sum(0)).abs().max() < 1e-6
        peak = max(mixture.abs().max(), targets.abs().max())
        assert peak == 1 or not mixture.any()
        places = []
        for source, target in zip(SOURCES, targets.numpy(), strict=True):
            if not target.any():
                dropped += 1
                continue
            place = found_at(target, here, source)
            assert place is not None, (index, source)
            places.append(place)
            positions.append(place[1])
        pairs.add(tuple(song.name for song, _, _ in places))
        factors_db = 20 * np.log10([factor for _, _, factor in places])
        assert not len(places) or np.ptp(factors_db) <= 20.001  # two gains of +-10 dB
    assert len(pairs) > 20  # sources come from unrelated songs
    assert min(positions) < 100 and max(positions) > 800  # of 12 s, up to 9 s
    assert 15 <= dropped <= 60  # 120 sources, 30 %


def test_gains_of_sources_are_drawn_on_their_own():
    """Stems of constant magnitude: the ratio of two targets is the ratio of their gains, a triangle within +-20 dB."""

    class Always:
        def __init__(self, song):
            self.song = song

        def draw(self, samples, generator):
            return self.song, 0

    ones = np.ones((2, SAMPLES), np.float32)
    song = FakeSong(a=ones, b=ones)
    data = RandomMixes(
        {"a": Always(song), "b": Always(song)}, ("a", "b"), MixingConfig(drop_probability=0), 3000, 5, RATE
    )
    levels = np.array([data[index][1][:, 0, 0].numpy() for index in range(3000)])
    assert np.allclose(levels.sum(1), 1, atol=1e-6)  # the mixture is their sum, and its peak is 1
    ratios_db = 20 * np.log10(levels[:, 0] / levels[:, 1])
    assert -20 <= ratios_db.min() < -17 and 17 < ratios_db.max() <= 20
    assert abs((np.abs(ratios_db) < 10).mean() - 0.75) < 0.04  # of the triangle
    assert abs(ratios_db.mean()) < 0.8


def test_dropped_sources_are_exactly_zero_and_change_no_other_draw():
    kept, some = mixes(drop_probability=0), mixes(drop_probability=0.4)
    dropped = 0
    for index in range(60):
        (_, all_targets), (mixture, targets) = kept[index], some[index]
        assert (mixture - targets.sum(0)).abs().max() < 1e-6
        for before, after in zip(all_targets, targets, strict=True):
            if not after.any():
                dropped += 1
                continue
            scale = (before * after).sum() / (before * before).sum()  # the two peaks differ
            assert (after - scale * before).abs().max() < 1e-5
    assert abs(dropped / 180 - 0.4) < 0.13
    mixture, targets = mixes(drop_probability=1)[0]
    assert not mixture.any() and not targets.any()


def test_seed_and_index_alone_decide_an_item():
    data = mixes(items=8)
    first = [data[index] for index in range(8)]
    again, other = pickle.loads(pickle.dumps(mixes(items=500))), mixes(items=8, seed=1)  # a worker's copy, a longer set
    for index in reversed(range(8)):
        assert all(torch.equal(a, b) for a, b in zip(first[index], again[index], strict=True))
        assert not torch.equal(first[index][0], other[index][0])
        assert index == 0 or not torch.equal(first[index][0], first[index - 1][0])
    torch.manual_seed(99)
    np.random.seed(99)  # the global states play no part
    assert torch.equal(data[3][0], first[3][0])
    assert len(data) == 8 and len(mixes(items=5)) == 5


def test_an_item_of_one_channel_is_a_channel_of_the_stereo_item():
    """All sources of one channel, at the same places and gains, with its own peak; each channel half of the time."""
    stereo, mono, drawn = mixes(), mixes(item_channels="one"), []
    for index in range(60):
        (mixture_of_both, both), (mixture, targets) = stereo[index], mono[index]
        assert mixture.shape == (1, SAMPLES) and targets.shape == (3, 1, SAMPLES)
        if not mixture.any():
            continue
        assert max(mixture.abs().max(), targets.abs().max()) == 1
        likeness = [(channel @ mixture[0]) / channel.norm() / mixture[0].norm() for channel in mixture_of_both]
        channel = int(np.argmax(likeness))
        scale = mixture[0].norm() / mixture_of_both[channel].norm()
        torch.testing.assert_close(mixture[0], scale * mixture_of_both[channel], rtol=0, atol=1e-6)
        torch.testing.assert_close(targets[:, 0], scale * both[:, channel], rtol=0, atol=1e-6)
        drawn.append(channel)
    assert 15 < sum(drawn) < len(drawn) - 15


def test_models_that_compare_channels_are_not_given_one():
    one = MixingConfig(item_channels="one")
    for model in (ModelConfig(), PEERS["convtasnet"], PEERS["convtasnet-stft"]):
        check_channels(one, model)
    for model in (ModelConfig(tac_factor=3), PEERS["hdemucs"], PEERS["umx"]):
        check_channels(MixingConfig(), model)
        with pytest.raises(ConfigError, match="a stereo system, half of its input: set mixing.item_channels to both"):
            check_channels(one, model)


def test_targets_choose_and_order_without_changing_the_mixture():
    every = mixes()
    chosen = mixes(targets=("vocals", "bass"))
    for index in range(10):
        (mixture_a, a), (mixture_b, b) = every[index], chosen[index]
        scale = mixture_b.abs().max() / mixture_a.abs().max()  # the peak is taken over the chosen targets
        assert torch.allclose(mixture_b, scale * mixture_a, atol=1e-6)
        assert torch.allclose(b, scale * a[[2, 0]], atol=1e-6)


def test_songs_need_not_have_the_same_stems():
    here = songs(3)
    del here[0].stems["vocals"], here[1].stems["bass"]
    segments = index_sources(here)
    assert list(segments) == ["bass", "drums", "vocals"]
    assert [song.name for song in segments["vocals"].songs] == ["song 1", "song 2"]
    assert [song.name for song in segments["bass"].songs] == ["song 0", "song 2"]


@pytest.mark.parametrize("seconds", [2, 4])
def test_short_songs_can_be_mixed(seconds):
    data = mixes(from_songs=songs(2, seconds), drop_probability=0)
    for index in range(40):
        mixture, _ = data[index]
        assert mixture.shape == (2, SAMPLES)
        silent = (mixture == 0).all(0).float().mean()
        assert silent == pytest.approx(max(0, 1 - seconds / 3), abs=1e-6)  # no more than must be


def test_unknown_targets_are_refused():
    with pytest.raises(ConfigError, match="unknown target guitar"):
        mixes(targets=("vocals", "guitar"))
