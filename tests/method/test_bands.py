"""Band splits: the paper's counts, the widths by hand, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bsrnn
from bsrnn.bands import SCHEMES, band_widths, equal_runs, widths_from_steps
from bsrnn.errors import ConfigError

COUNTS = {
    "v1": 22,
    "v2": 19,
    "v3": 14,
    "v4": 23,
    "v5": 28,
    "v6": 26,
    "v7": 41,
    "bass": 30,
    "drums": 55,
    "vocals": 41,
    "other": 41,
    "simo": 57,
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("edges", ["floor", "nearest"])
def test_the_papers_counts_fill_the_spectrum(scheme, edges):
    widths = band_widths(scheme, edges=edges)
    assert len(widths) == COUNTS[scheme] and sum(widths) == 1025
    assert all(isinstance(width, int) and width > 0 for width in widths)


def test_every_scheme_is_counted_and_public():
    assert set(SCHEMES) == set(COUNTS)
    assert bsrnn.band_widths is band_widths


def by_hand(*runs):
    return [width for width, count in runs for _ in range(count)]


# floor(Hz * 1025 / 22050): 50 -> 2, 100 -> 4, 250 -> 11, 500 -> 23, 1000 -> 46, 2000 -> 92, 4000 -> 185
@pytest.mark.parametrize(
    "scheme, expected",
    [
        ("v1", by_hand((46, 21), (59, 1))),
        ("v2", by_hand((46, 16), (92, 2), (105, 1))),
        ("v3", by_hand((46, 8), (92, 4), (185, 1), (104, 1))),
        ("v4", by_hand((4, 10), (46, 7), (92, 4), (185, 1), (110, 1))),
        ("v5", by_hand((4, 10), (46, 15), (92, 2), (111, 1))),
        ("v6", by_hand((4, 10), (23, 6), (46, 4), (92, 4), (185, 1), (110, 1))),
        ("v7", by_hand((4, 10), (11, 12), (23, 8), (46, 8), (92, 2), (117, 1))),
        ("bass", by_hand((2, 10), (4, 5), (23, 6), (46, 4), (92, 4), (295, 1))),
        ("drums", by_hand((2, 20), (4, 10), (11, 8), (23, 8), (46, 8), (305, 1))),
        ("simo", by_hand((2, 20), (4, 10), (11, 8), (23, 8), (46, 8), (92, 2), (121, 1))),
    ],
)
def test_the_floored_widths_by_hand(scheme, expected):
    assert band_widths(scheme) == expected


def test_floored_edges_creep_down():
    """V7: ten bands of 100 Hz are 40 bins, 861 Hz instead of 1 kHz; the last band takes the 117 bins that are left."""
    widths = band_widths("v7")
    assert round(sum(widths[:10]) * 44100 / 2048) == 861
    assert widths[-1] == 117 == 1025 - 908


def test_the_nearest_edges_lie_within_half_a_bin():
    hz_per_bin = 44100 / 2048
    for scheme, steps in SCHEMES.items():
        edges_hz, lower = [], 0
        for upper, width in steps:
            edges_hz += list(np.arange(lower + width, upper + 1, width))
            lower = upper
        got = np.cumsum(band_widths(scheme, edges="nearest"))[:-1] * hz_per_bin
        assert np.abs(got - edges_hz).max() <= hz_per_bin / 2, scheme


@pytest.mark.parametrize("n_fft, sample_rate", [(4096, 44100), (2048, 32000), (6144, 48000), (1024, 44100)])
def test_other_resolutions(n_fft, sample_rate):
    """V7 reaches 20 kHz: it fits where half the sample rate is above that."""
    if sample_rate / 2 <= 20_000:
        with pytest.raises(ConfigError, match="does not fill the spectrum"):
            band_widths("v7", n_fft, sample_rate)
        return
    widths = band_widths("v7", n_fft, sample_rate)
    assert len(widths) == 41 and sum(widths) == n_fft // 2 + 1
    assert widths[0] == math.floor(100 * (n_fft // 2 + 1) / (sample_rate / 2))


def test_widths_in_bins_are_checked_and_given_back():
    assert band_widths([1000, 25]) == [1000, 25]
    assert band_widths((3, 5, 9), n_fft=32) == [3, 5, 9]
    assert band_widths(np.array([16, 1]), n_fft=32) == [16, 1]


@pytest.mark.parametrize("widths", [[], [1024], [1000, 26], [1025, 0], [1030, -5], [512.5, 512.5]])
def test_widths_that_do_not_fill_the_spectrum(widths):
    with pytest.raises(ConfigError, match="does not fill the spectrum.*add up to 1025 bins"):
        band_widths(widths)


@pytest.mark.parametrize(
    "steps, message",
    [
        ([(1000, 300)], "not a whole number"),
        ([(1000, 100), (500, 100)], "not a whole number"),
        ([(1000, 0)], "does not fit"),
        ([(1000, -100)], "does not fit"),
        ([(1000, 10)], "does not fill the spectrum"),  # narrower than a bin
        ([(23_000, 1000)], "does not fill the spectrum"),
    ],
)  # beyond half the sample rate
def test_steps_that_cannot_be(steps, message):
    with pytest.raises(ConfigError, match=message):
        widths_from_steps(steps)


def test_unknown_names():
    with pytest.raises(ConfigError, match="unknown band split 'v8': expected one of v1, v2"):
        band_widths("v8")
    with pytest.raises(ConfigError, match="unknown rule for band edges 'ceil'"):
        band_widths("v7", edges="ceil")


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_runs_put_the_widths_back_together(widths):
    runs = equal_runs(widths)
    assert [width for _, width, count in runs for _ in range(count)] == widths
    assert [first for first, _, _ in runs] == [sum(w * c for _, w, c in runs[:i]) for i in range(len(runs))]
    assert all(a[1] != b[1] for a, b in zip(runs, runs[1:], strict=False))  # as long as they can be


def test_a_split_of_your_own():
    """0 to 2 kHz by 500 Hz, up to 10 kHz by 2 kHz, the rest one band."""
    assert widths_from_steps([(2000, 500), (10_000, 2000)]) == [23] * 4 + [92] * 4 + [1025 - 4 * 23 - 4 * 92]
    assert widths_from_steps([(2000, 500), (10_000, 2000)], edges="nearest") == [
        23,
        23,
        24,
        23,
        93,
        93,
        93,
        92,
        1025 - 464,
    ]
