"""Splits derived from a rule or from data: closed forms, what each promises, and what is refused."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn import bands
from bsrnn.bands import (
    DERIVED,
    ENERGY41_VOCALS,
    SCHEMES,
    band_widths,
    equal_energy_widths,
    mean_power,
    mel_widths,
    note_widths,
    uniform_widths,
)
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.runtime import paths
from bsrnn.study.profiles import SMALL

HZ_PER_BIN = 44100 / 2048
RULES = [uniform_widths, mel_widths, note_widths]
powers = st.lists(st.integers(0, 50), min_size=2, max_size=9).filter(any)


def edges_of(widths):
    """Where bands begin, without 0, in bins."""
    return np.cumsum(widths)[:-1]


@pytest.mark.parametrize("name", DERIVED)
def test_every_name_is_a_setting_with_as_many_bands_as_v7(name):
    widths = band_widths(name)
    assert len(widths) == 41 == len(band_widths("v7")) and sum(widths) == 1025 and min(widths) >= 1
    assert all(type(width) is int for width in widths)
    assert widths == band_widths(name, edges="nearest") and name not in SCHEMES
    widths[0] = 7  # a caller's own list
    assert band_widths(name) != widths or name == "energy41"


@pytest.mark.parametrize("name", DERIVED)
def test_a_model_takes_the_name(name):
    from bsrnn import BSRNN

    model = BSRNN(ModelConfig(band_split=name, features=4, modules=1))
    assert model.widths == list(bands.derived_widths(name))


# ---- rules ----


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 129), st.sampled_from([8000, 32000, 44100, 48000]), st.sampled_from(RULES))
def test_all_fill_the_spectrum_with_as_many_bands_as_wanted(bands, sample_rate, rule):
    try:
        widths = rule(bands, 256, sample_rate)
    except ConfigError as error:  # semitones are fewer than bins
        assert rule is note_widths and bands > 20 and "semitones give" in str(error)
        return
    assert len(widths) == bands and sum(widths) == 129 and min(widths) >= 1
    if rule is mel_widths:
        assert widths == sorted(widths)
    if rule is uniform_widths:
        assert max(widths) - min(widths) <= 1


def test_1025_bins_are_41_times_25():
    assert uniform_widths() == [25] * 41
    assert uniform_widths(4, n_fft=16) == [2, 2, 3, 2]  # edges at 2.25, 4.5 and 6.75 bins; a half goes to the even one


def test_mel_edges_lie_where_the_formula_says():
    """41 bands: 3923.3 mel / 41 = 95.7 mel each."""
    mel = 2595 * np.log10(1 + edges_of(mel_widths()) * 22050 / 1025 / 700)
    expected = 2595 * np.log10(1 + 22050 / 700) * np.arange(1, 41) / 41
    hz = 700 * (10 ** (expected / 2595) - 1)
    assert np.abs(edges_of(mel_widths()) - hz * 1025 / 22050).max() < 0.65
    assert np.abs(mel - expected)[20:].max() < 2.2  # a bin is 21.5 Hz, a mel up there 2 Hz and more
    assert mel_widths()[:5] == [3, 3, 3, 4, 4] and mel_widths()[-1] == 86


def test_notes_lie_in_the_middle_of_their_bands():
    """Above the notes that bins cannot tell apart every edge is half a semitone off a note, to half a bin."""
    edges = edges_of(note_widths())
    keys = 69 + 12 * np.log2(edges * HZ_PER_BIN / 440)
    # a bin is 21.5 Hz: half of one is 12 log2(1 + 0.5 / edge) semitones
    off = np.abs(keys - (np.floor(keys) + 0.5))
    assert (off <= 12 * np.log2(1 + 0.5 / (edges - 0.5)) + 1e-9).all()
    # whole tones (2 semitones), then minor thirds, between edges before they are put on bins
    steps = np.diff(np.floor(keys[edges > 20]))
    assert set(steps) == {2, 3} and list(steps) == sorted(steps)
    a4 = np.searchsorted(edges, 440 / HZ_PER_BIN)
    low, high = edges[a4 - 1] * HZ_PER_BIN, edges[a4] * HZ_PER_BIN
    assert low < 440 < high and high / low < 2 ** (3 / 12)


def test_semitones_alone_where_there_are_bands_enough():
    """89 bands: single bins up to where a semitone is one, then one semitone each up to half the sample rate."""
    widths = note_widths(89)
    ratios = 12 * np.log2(edges_of(widths)[50:] / edges_of(widths)[49:-1])
    assert np.abs(ratios - 1).max() < 0.3 and abs(ratios.mean() - 1) < 0.01
    assert note_widths(1) == [1025]
    with pytest.raises(ConfigError, match="semitones give 89; ask for fewer"):
        note_widths(90)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("bands, n_fft, rate", [(0, 2048, 44100), (1026, 2048, 44100), (3, 0, 44100), (3, 16, 0)])
def test_the_impossible_is_refused(rule, bands, n_fft, rate):
    with pytest.raises(ConfigError, match=f"got {bands} bands, n_fft {n_fft}.*from one band to as many as there are"):
        rule(bands, n_fft, rate)


def test_names_that_are_not_there():
    with pytest.raises(ConfigError, match="expected one of v1.*simo, uniform41, mel41, notes41, energy41, or widths"):
        band_widths("mel40")
    with pytest.raises(ConfigError, match="unknown derived band split 'mel40': expected one of uniform41"):
        bands.derived_widths("mel40")
    with pytest.raises(ConfigError, match="'energy41' at n_fft 4096.*computed for 2048 at 44100 Hz"):
        band_widths("energy41", 4096)
    with pytest.raises(ConfigError, match="got 41 bands, n_fft 64"):
        band_widths("mel41", 64)


# ---- equal energy ----


def best_by_trying(power, bands):
    """Least sum of squared band energies over every split there is."""
    cuts = itertools.combinations(range(1, len(power)), bands - 1)
    return min(sum(part.sum() ** 2 for part in np.split(power, cut)) for cut in cuts)


@given(powers, st.data())
def test_energies_are_as_equal_as_any_split_makes_them(values, data):
    power = np.array(values, dtype=float)
    bands = data.draw(st.integers(1, len(power)))
    widths = equal_energy_widths(power, bands)
    assert len(widths) == bands and sum(widths) == len(power) and min(widths) >= 1
    got = sum(part.sum() ** 2 for part in np.split(power, edges_of(widths)))
    assert got == pytest.approx(best_by_trying(power, bands))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30))
def test_neighbours_differ_by_less_than_the_bin_at_their_edge(seed, bands):
    power = np.random.default_rng(seed).exponential(size=129) ** 2
    widths = equal_energy_widths(power, bands)
    starts = np.cumsum([0, *widths])
    for left, edge, right in zip(starts, starts[1:], starts[2:], strict=False):
        low, high = power[left:edge].sum(), power[edge:right].sum()
        if edge - left > 1:
            assert low - high <= power[edge - 1] * (1 + 1e-9)
        if right - edge > 1:
            assert high - low <= power[edge] * (1 + 1e-9)


@pytest.mark.parametrize("bins, bands", [(1025, 41), (1025, 5), (129, 43), (12, 12), (7, 1)])
def test_a_flat_spectrum_gives_equal_widths(bins, bands):
    assert equal_energy_widths(np.full(bins, 0.3), bands) == [bins // bands] * bands


def test_loud_bins_are_bands_of_their_own_and_the_others_share_what_is_left():
    power = [9, 9, 1, 1, 1, 1, 1, 1]
    assert equal_energy_widths(power, 4) == [1, 1, 3, 3]
    assert equal_energy_widths(power, 5) == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("power", [[], [0, 0], [1, -1], [1, np.nan], [[1, 2]], [np.inf, 1]])
def test_power_that_cannot_be(power):
    with pytest.raises(ConfigError, match="got power of shape .*none negative and not all zero"):
        equal_energy_widths(power, 1)


def test_more_bands_than_power_has_bins():
    with pytest.raises(ConfigError, match="got 4 bands.*as many as there are bins, 3"):
        equal_energy_widths([1, 2, 3], 4)


@dataclass
class Tone:
    """A sine at the middle of a bin, in both channels: what a song reads like."""

    bin: int
    gain: float = 1.0
    frames: int = 3000

    def read(self, stem, start=0, frames=-1):
        t = np.arange(start, self.frames if frames < 0 else start + frames)
        wave = self.gain * np.sin(2 * np.pi * self.bin * t / 256)
        return np.stack([wave, wave]).astype(np.float32)


def test_every_song_counts_alike_however_loud():
    """A Hann window puts 2/3 of a sine's power on its bin and 1/6 on each neighbour."""
    power = mean_power([Tone(20), Tone(60, gain=100), Tone(90, gain=0)], "x", 256, 64)
    assert power.shape == (129,) and power.sum() == pytest.approx(1)
    for centre in (20, 60):
        np.testing.assert_allclose(power[centre - 1 : centre + 2], [1 / 12, 1 / 3, 1 / 12], atol=1e-4)


def test_blocks_are_the_whole_song(monkeypatch):
    """Read in blocks, every frame counts once, also at the seams."""
    song = Tone(33, frames=9000)
    whole = mean_power([song], "x", 256, 64)
    for frames in (1, 2, 7, 100):
        monkeypatch.setattr(bands, "BLOCK_FRAMES", frames)
        np.testing.assert_allclose(mean_power([song], "x", 256, 64), whole, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("songs", [[], [Tone(3, gain=0)], [Tone(3, frames=255)]])
def test_nothing_to_be_heard(songs):
    with pytest.raises(DataError, match="no song in which 'x' is heard for 256 samples"):
        mean_power(songs, "x", 256, 64)


@pytest.mark.slow  # reads 108 songs
def test_the_embedded_vocals_give_energy41():
    """Computed again where the songs are rendered; other processors may round an edge to the next bin."""
    from bsrnn.data.songs import read_songs
    from bsrnn.data.synthetic import dataset

    root = dataset.data_folder(paths.data(), SMALL.data) / "train"
    if len(list(root.glob("train-*"))) < SMALL.data.train_songs:
        pytest.skip("the 108 training songs of profile small are not rendered here")
    songs = read_songs(root, limit=SMALL.data.train_songs)
    widths = equal_energy_widths(mean_power(songs, "vocals"))
    assert np.abs(edges_of(widths) - edges_of(ENERGY41_VOCALS)).max() <= 1


def test_the_figure_has_every_band_of_every_split():
    from bsrnn.report.chapters import ch01_band_split

    axes = ch01_band_split.derived_bands().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["V7", "uniform", "mel", "notes", "energy"]
    bars = [bar.get_paths()[0].get_extents() for bar in axes.collections]
    assert len(bars) == 5 * 41
    for row, name in enumerate(("v7", *DERIVED)):
        lows = [bar.x0 for bar in bars[41 * row : 41 * (row + 1)]]
        np.testing.assert_allclose(lows, np.cumsum([0, *band_widths(name)[:-1]]) * HZ_PER_BIN)
