"""Scores against closed forms, hand-computed numbers and museval."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn.errors import DataError
from bsrnn.metrics import (
    LEAKAGE_FLOOR_DB,
    aggregate,
    csdr,
    csdr_frames,
    score,
    silent_leakage,
    usdr,
)

RATE = 1000  # short frames keep museval fast; the rules do not depend on the rate


def noise(shape, seed=0, scale=0.3):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def scene(frames=4, samples=RATE, channels=2, stems=2, seed=0):
    """References, and estimates that leak into each other, are filtered and noisy -> two dicts name -> (C, L)."""
    length = int(frames * samples)
    references = {f"stem{s}": noise((channels, length), seed + s) for s in range(stems)}
    total = sum(references.values())
    estimates = {
        name: (0.8 * part + 0.1 * np.roll(part, 3, axis=1) + 0.2 * total + noise(part.shape, seed + 50, 0.05)).astype(
            np.float32
        )
        for name, part in references.items()
    }
    return references, estimates


# uSDR


@pytest.mark.parametrize("gain", [0.0, 0.5, 0.9, 2.0, -1.0])
def test_usdr_of_a_scaled_reference(gain):
    """ref - g ref = (1 - g) ref, so uSDR = -20 log10 |1 - g|."""
    reference = noise((2, 5000))
    assert usdr(reference, gain * reference) == pytest.approx(-20 * np.log10(abs(1 - gain)), abs=1e-5)


def test_usdr_by_hand():
    reference = np.array([[1.0, 2.0], [0.0, 2.0]])  # 1 + 4 + 0 + 4 = 9
    estimate = np.array([[1.0, 1.5], [0.5, 2.0]])  # error 0.25 + 0.25 = 0.5
    assert usdr(reference, estimate) == pytest.approx(10 * np.log10(9 / 0.5), abs=1e-5)
    assert usdr(reference, estimate, eps=0.5) == pytest.approx(10 * np.log10(9.5 / 1.0), abs=1e-12)


def test_usdr_of_silence_and_of_perfection():
    silence, tone = np.zeros((2, 100)), np.full((2, 100), 0.1)  # energy 2
    assert usdr(silence, silence) == 0.0
    assert usdr(tone, tone) == pytest.approx(10 * np.log10((2 + 1e-7) / 1e-7), abs=1e-9)
    assert usdr(silence, tone) == pytest.approx(10 * np.log10(1e-7 / (2 + 1e-7)), abs=1e-9)
    assert usdr(tone, silence) == 0.0


def test_usdr_takes_torch_and_sums_in_float64():
    reference, estimate = noise((2, 5000)), noise((2, 5000), 1)
    expected = usdr(reference, estimate)
    assert usdr(torch.from_numpy(reference).requires_grad_(), torch.from_numpy(estimate)) == expected
    assert usdr(reference, torch.from_numpy(estimate).double()) == pytest.approx(expected, abs=1e-9)
    assert usdr(reference, torch.from_numpy(estimate).bfloat16()) == pytest.approx(expected, abs=0.01)
    # In float32 the sum of 3 million equal squares is off by some per cent; blocks must not change the value either.
    long = np.full((1, 3_000_000), 0.1, dtype=np.float32)
    assert usdr(long, 0 * long, eps=1.0) == pytest.approx(10 * np.log10((0.01 * 3e6 + 1) / (0.01 * 3e6 + 1)), abs=1e-9)
    assert usdr(long, 0.5 * long) == pytest.approx(20 * np.log10(2), abs=1e-6)


@pytest.mark.parametrize(
    "reference, estimate", [(np.zeros((2, 10)), np.zeros((2, 11))), (np.zeros((2, 10)), np.zeros((1, 10)))]
)
def test_usdr_of_unequal_shapes(reference, estimate):
    with pytest.raises(DataError, match=r"reference of shape \(.*expected one shape \(channels, samples\); cut both"):
        usdr(reference, estimate)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("reference_too", [False, True])
def test_usdr_refuses_what_is_not_finite(value, reference_too):
    broken = np.ones((2, 10))
    broken[0, 3] = value
    with pytest.raises(DataError, match="not finite"):
        usdr(broken if reference_too else np.ones((2, 10)), broken)


@given(st.integers(1, 3), st.integers(3, 400), st.floats(-3, 3), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_usdr_equals_the_plain_formula(channels, length, gain, seed):
    reference, estimate = noise((channels, length), seed), noise((channels, length), seed + 1)
    plain = 10 * np.log10(
        (np.sum(reference.astype(float) ** 2) + 1e-7) / (np.sum((reference.astype(float) - estimate) ** 2) + 1e-7)
    )
    assert usdr(reference, estimate) == pytest.approx(plain, abs=1e-9)
    assert usdr(
        np.float32(2) ** round(gain) * reference, np.float32(2) ** round(gain) * estimate, eps=0.0
    ) == pytest.approx(usdr(reference, estimate, eps=0.0), abs=1e-9)  # the level does not matter


# cSDR, against museval


def museval_sdr(references, estimates, rate=RATE, filters_len=512):
    """museval's own SDR -> name -> (frames,). Defaults are those of ``museval.evaluate``; short filters are fast."""
    try:
        import museval
    except (ImportError, RuntimeError) as error:  # RuntimeError: stempeg, which it imports, wants ffmpeg
        pytest.skip(f"museval cannot be imported: {error}")
    stacked = [np.stack([signals[name].T for name in references]) for signals in (references, estimates)]  # (S, L, C)
    if filters_len == 512:
        sdr = museval.evaluate(*stacked, win=rate, hop=rate)[0]
    else:
        sdr = museval.metrics.bss_eval(*stacked, window=rate, hop=rate, filters_len=filters_len)[0]
    return dict(zip(references, sdr, strict=True))


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape
        np.testing.assert_array_equal(np.isnan(ours[name]), np.isnan(theirs[name]))
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4)


@pytest.mark.parametrize("frames", [3, 3.7, 1, 0.4])
def test_csdr_equals_museval_with_its_defaults(frames):
    """Whole frames; a last partial one, left out; exactly one frame; a song shorter than a frame."""
    references, estimates = scene(frames)
    ours, theirs = csdr_frames(references, estimates, RATE), museval_sdr(references, estimates)
    assert len(ours["stem0"]) == max(int(frames), 1)
    assert_same(ours, theirs)
    medians = csdr(references, estimates, RATE)
    for name in references:
        assert medians[name] == pytest.approx(np.nanmedian(theirs[name]), abs=1e-4)


def test_csdr_of_correlated_stems_equals_museval():
    references, estimates = scene(3)
    references["stem1"] = references["stem1"] * 0.1 + np.roll(references["stem0"], 5, axis=1)
    references["stem0"][1] = references["stem0"][0]  # a mono stem: museval's system of equations is singular
    assert_same(csdr_frames(references, estimates, RATE), museval_sdr(references, estimates))


def silence_in(signals, name, start, stop):
    signals[name][:, start:stop] = 0


SILENCES = {
    "a reference in one frame": lambda r, e: silence_in(r, "stem0", RATE, 2 * RATE),
    "an estimate in one frame": lambda r, e: silence_in(e, "stem1", 2 * RATE, 3 * RATE),
    "one channel of a reference": lambda r, e: r["stem0"][:1].__setitem__((slice(None), slice(0, RATE)), 0),
    "nearly a frame": lambda r, e: silence_in(r, "stem0", RATE, 2 * RATE - 1),
    "a frame's length across two frames": lambda r, e: silence_in(r, "stem0", RATE // 2, 3 * RATE // 2),
    "opposite channels": lambda r, e: r["stem1"].__setitem__((1, slice(0, RATE)), -r["stem1"][0, :RATE]),
    "the last, partial frame": lambda r, e: silence_in(r, "stem0", 4 * RATE, 4 * RATE + 300),
    "different frames in each": lambda r, e: (silence_in(r, "stem0", 0, RATE), silence_in(e, "stem1", RATE, 2 * RATE)),
    "all but one frame": lambda r, e: silence_in(r, "stem1", 0, 3 * RATE),
}
KEPT = dict(zip(SILENCES, [3, 3, 4, 4, 4, 3, 4, 2, 1], strict=True))


@pytest.mark.parametrize("case", SILENCES)
def test_silent_frames_are_dropped_as_museval_does(case):
    references, estimates = scene(4.3)
    SILENCES[case](references, estimates)
    ours = csdr_frames(references, estimates, RATE)
    assert_same(ours, museval_sdr(references, estimates, filters_len=8))
    assert {np.count_nonzero(~np.isnan(frames)) for frames in ours.values()} == {KEPT[case]}


@given(
    frames=st.floats(0.1, 5),
    rate=st.integers(40, 200),
    channels=st.integers(1, 2),
    stems=st.integers(2, 3),
    seed=st.integers(0, 999),
    rests=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=3),
)
@settings(max_examples=30, deadline=None)
def test_csdr_equals_museval_whatever_the_shape(frames, rate, channels, stems, seed, rests):
    references, estimates = scene(max(frames, 12 / rate), rate, channels, stems, seed)
    for stem, frame, of_reference in rests:
        signal = (references if of_reference else estimates)[f"stem{stem % stems}"]
        signal[:, frame * rate : (frame + 1) * rate] = 0
    if all(signal.any() for signals in (references, estimates) for signal in signals.values()):
        assert_same(csdr_frames(references, estimates, rate), museval_sdr(references, estimates, rate, filters_len=4))
    else:  # museval refuses a wholly silent stem
        assert all(np.isnan(score) for score in csdr(references, estimates, rate).values())


def test_csdr_by_hand():
    """Two frames of two samples, and a third that is cut off."""
    references = {"a": np.array([[1.0, 1.0, 2.0, 0.0, 9.0]]), "b": np.array([[1.0, 0.0, 0.0, 1.0, 9.0]])}
    estimates = {"a": np.array([[1.0, 0.0, 2.0, 1.0, 0.0]]), "b": np.array([[2.0, 0.0, 0.0, 1.0, 0.0]])}
    frames = csdr_frames(references, estimates, sample_rate=2)
    np.testing.assert_allclose(frames["a"], [10 * np.log10(2 / 1), 10 * np.log10(4 / 1)])
    np.testing.assert_allclose(frames["b"], [0.0, np.inf])
    medians = csdr(references, estimates, sample_rate=2)
    assert medians["a"] == pytest.approx((10 * np.log10(2) + 10 * np.log10(4)) / 2)  # the mean of the two middle ones
    assert medians["b"] == np.inf
    longer = csdr_frames(references, estimates, sample_rate=1, window_seconds=2.9)  # int(2.9) samples
    np.testing.assert_allclose(longer["a"], frames["a"])


def test_csdr_depends_on_the_set_of_stems():
    references, estimates = scene(4, stems=3)
    silence_in(references, "stem2", 0, 3 * RATE)
    pair = [{name: signals[name] for name in ("stem0", "stem1")} for signals in (references, estimates)]
    assert np.count_nonzero(~np.isnan(csdr_frames(*pair, RATE)["stem0"])) == 4
    assert np.count_nonzero(~np.isnan(csdr_frames(references, estimates, RATE)["stem0"])) == 1


def test_csdr_takes_torch():
    references, estimates = scene(2)
    tensors = [
        {name: torch.from_numpy(signal) for name, signal in signals.items()} for signals in (references, estimates)
    ]
    assert csdr(*tensors, RATE) == csdr(references, estimates, RATE)


def test_csdr_without_a_kept_frame_is_nan():
    references, estimates = scene(2)
    silence_in(estimates, "stem0", 0, 2 * RATE)
    assert all(np.isnan(value) for value in csdr(references, estimates, RATE).values())


def test_csdr_refuses_what_does_not_match():
    references, estimates = scene(1)
    with pytest.raises(DataError, match=r"references \['stem0', 'stem1'\] and estimates \['stem0'\]"):
        csdr(references, {"stem0": estimates["stem0"]})
    with pytest.raises(DataError, match="expected the same names, at least one"):
        csdr({}, {})
    with pytest.raises(DataError, match=r"estimate 'stem1' of shape \(2, 999\)"):
        csdr(references, estimates | {"stem1": estimates["stem1"][:, 1:]})
    with pytest.raises(DataError, match="references of shapes"):
        csdr(references | {"stem1": references["stem1"][:, 1:]}, estimates | {"stem1": estimates["stem1"][:, 1:]})
    with pytest.raises(DataError, match="hold no sample"):
        csdr(references, estimates, window_seconds=1e-9)


# leakage


def test_leakage_is_the_level_where_the_target_rests():
    reference, estimate = noise((2, 4 * RATE + 500)), noise((2, 4 * RATE + 500), 1)
    reference[:, RATE : 3 * RATE] = 0
    estimate[:, RATE : 2 * RATE] = 0.1
    estimate[:, 2 * RATE : 3 * RATE] = 0.01
    leakage = silent_leakage(reference, estimate, RATE)
    assert leakage.db == pytest.approx(10 * np.log10((0.1**2 + 0.01**2) / 2), abs=1e-5)
    assert (leakage.silent_frames, leakage.frames) == (2, 4)


def test_leakage_threshold_and_floor():
    reference = np.zeros((2, 3 * RATE))
    reference[:, :RATE] = 1.1e-3  # -59.2 dBFS: audible
    reference[:, RATE : 2 * RATE] = 0.9e-3  # -60.9 dBFS: silent
    assert silent_leakage(reference, np.zeros((2, 3 * RATE)), RATE) == (LEAKAGE_FLOOR_DB, 2, 3)
    assert silent_leakage(reference, reference, RATE, silence_db=-50.0).silent_frames == 3
    assert silent_leakage(np.ones((1, 2 * RATE)), np.ones((1, 2 * RATE)), RATE) == (None, 0, 2)


# a song, a set of songs


def test_score_of_a_song():
    target, rest = noise((2, 5 * RATE + 10), 1), noise((2, 5 * RATE + 10), 2)
    target[:, 2 * RATE : 3 * RATE] = 0
    mixture = target + rest
    estimate = (0.9 * target + 0.05 * rest).astype(np.float32)
    got = score(target, mixture, estimate, RATE)
    expected = csdr(
        {"target": target, "residual": mixture - target}, {"target": estimate, "residual": mixture - estimate}, RATE
    )["target"]
    assert got == {
        "usdr": usdr(target, estimate),
        "usdr_mixture": usdr(target, mixture),
        "csdr": expected,
        "csdr_frames_kept": 4,
        "csdr_frames": 5,
        "silent_frames": 1,
        "leakage_db": pytest.approx(20 * np.log10(0.05 * 0.3), abs=0.3),
    }
    assert json.loads(json.dumps(got, allow_nan=False)) == got
    # error = 0.1 target - 0.05 rest with both about equally loud: 1 / (0.01 + 0.0025)
    assert got["csdr"] == pytest.approx(10 * np.log10(1 / 0.0125), abs=0.3)
    theirs = museval_sdr(
        {"target": target, "residual": mixture - target},
        {"target": estimate, "residual": mixture - estimate},
        filters_len=8,
    )["target"]
    assert got["csdr"] == pytest.approx(np.nanmedian(theirs), abs=1e-4)


def test_score_of_a_silent_reference_has_no_value_but_its_leakage():
    silence, rest = np.zeros((2, 3 * RATE), np.float32), noise((2, 3 * RATE))
    got = score(silence, rest, np.float32(0.1) * rest, RATE)
    assert (got["usdr"], got["usdr_mixture"], got["csdr"], got["csdr_frames_kept"], got["csdr_frames"]) == (
        None,
        None,
        None,
        0,
        3,
    )
    assert got["silent_frames"] == 3 and got["leakage_db"] == pytest.approx(20 * np.log10(0.03), abs=0.2)


def test_the_mixture_as_estimate_has_no_csdr_over_this_set():
    target, rest = noise((2, 2 * RATE), 1), noise((2, 2 * RATE), 2)
    got = score(target, target + rest, target + rest, RATE)
    assert got["usdr"] == got["usdr_mixture"] and got["csdr"] is None and got["csdr_frames_kept"] == 0


def test_score_refuses_what_does_not_match_or_is_not_finite():
    audio = noise((2, RATE))
    with pytest.raises(DataError, match=r"mixture of shape \(2, 999\)"):
        score(audio, audio[:, 1:], audio, RATE)
    with pytest.raises(DataError, match="not finite"):
        score(audio, audio, audio * np.float32(np.nan), RATE)
    with pytest.raises(DataError, match="not finite"):
        score(np.zeros((2, RATE)), audio, audio * np.float32(np.nan), RATE)


def song(**values):
    return {
        "usdr": None,
        "usdr_mixture": None,
        "csdr": None,
        "csdr_frames_kept": 0,
        "csdr_frames": 10,
        "leakage_db": None,
        "silent_frames": 0,
    } | values


def test_aggregate_keeps_mean_and_median_apart_and_counts_what_is_left_out():
    got = aggregate(
        [
            song(usdr=1.0, usdr_mixture=-5.0, csdr=2.0, csdr_frames_kept=9),
            song(usdr=2.0, usdr_mixture=-4.0, csdr=7.0, csdr_frames_kept=5, leakage_db=-40.0, silent_frames=5),
            song(usdr=9.0, usdr_mixture=0.0),
            song(leakage_db=-20.0, silent_frames=10),
        ]
    )
    assert got == {
        "songs": 4,
        "songs_silent": 1,
        "csdr_frames_kept": 14,
        "csdr_frames": 40,
        "silent_frames": 15,
        "usdr_songs": 3,
        "usdr_mean": 4.0,
        "usdr_median": 2.0,
        "usdr_mixture_songs": 3,
        "usdr_mixture_mean": -3.0,
        "usdr_mixture_median": -4.0,
        "csdr_songs": 2,
        "csdr_mean": 4.5,
        "csdr_median": 4.5,
        "leakage_db_songs": 2,
        "leakage_db_mean": -30.0,
        "leakage_db_median": -30.0,
    }
    assert json.loads(json.dumps(got, allow_nan=False)) == got
    nothing = aggregate([song()])
    assert nothing["songs_silent"] == 1 and nothing["usdr_mean"] is None and nothing["usdr_songs"] == 0
