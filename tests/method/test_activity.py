"""Source activity detection on signals whose chunk energies are known: RATE 100 Hz, chunks of 0.6 s are 60 samples."""

from dataclasses import replace

import numpy as np
import pytest

from bsrnn import activity
from bsrnn.activity import Segments, chunk_energies, salient_chunks, salient_segments, threshold
from bsrnn.config import ActivityConfig
from bsrnn.errors import DataError

RATE, CHUNK = 100, 60
CONFIG = ActivityConfig()


class FakeSong:
    """Stems in memory, as strict as a file: no sample outside may be asked for."""

    def __init__(self, name="song", **stems):
        self.name, self.stems, self.sample_rate = name, stems, RATE
        self.frames = next(iter(stems.values())).shape[1]
        self.longest_read = 0

    def read(self, stem, start=0, frames=-1):
        frames = self.frames - start if frames < 0 else frames
        if not 0 <= start <= start + frames <= self.frames:
            raise DataError(f"samples {start} to {start + frames} asked for, but it has {self.frames}")
        self.longest_read = max(self.longest_read, frames)
        return self.stems[stem][:, start : start + frames]


def levels(values, tail=0):
    """A stereo signal whose chunks have these RMS values: alternating signs, the same in both channels."""
    signs = np.tile([1.0, -1.0], CHUNK // 2)
    signal = np.concatenate([value * signs for value in values] + [np.ones(tail)])
    return np.stack([signal, -signal]).astype(np.float32)


def stem(values, tail=0):
    return FakeSong(x=levels(values, tail))


# --------------------------------------------------------------------------------------------------------- energies


def test_energies_by_hand():
    """Left 0.3, right 0.4 throughout: mean square 0.125 of 120 values a chunk."""
    song = FakeSong(x=np.stack([np.full(CHUNK, 0.3), np.full(CHUNK, -0.4)]).astype(np.float32))
    for energy, expected in (("rms", 0.125**0.5), ("mean", 0.125), ("sum", 0.125 * 120)):
        assert chunk_energies(song, "x", replace(CONFIG, energy=energy)) == pytest.approx([expected], rel=1e-6)


def test_every_whole_chunk_counts_once_and_the_rest_is_not_used():
    values = [0.5, 0.25, 0.125, 1.0]
    assert chunk_energies(stem(values), "x") == pytest.approx(values)
    assert chunk_energies(stem(values, tail=CHUNK - 1), "x") == pytest.approx(values)


def test_silent_chunks_get_the_floor():
    assert chunk_energies(stem([0, 0.5, 1e-7, 2e-5]), "x") == pytest.approx([1e-5, 0.5, 1e-5, 2e-5])


def test_long_stems_are_read_a_minute_at_a_time_to_the_same_energies():
    values = np.random.default_rng(0).uniform(0.01, 1, 250)  # 150 s
    song = stem(values, tail=7)
    assert chunk_energies(song, "x") == pytest.approx(values, rel=1e-6)
    assert song.longest_read == 60 * RATE


# -------------------------------------------------------------------------------------------------------- threshold


def test_the_quantile_by_hand():
    """21 energies, 0.01 to 0.21: position 0.15 * 20 = 3 of the sorted values, 0.04. With 20: 2.85, just below it."""
    energies = np.random.default_rng(1).permutation(np.arange(1, 22)) / 100
    assert threshold(energies) == pytest.approx(0.04)
    assert threshold(np.arange(1, 21) / 100) == pytest.approx(0.03 + 0.85 * 0.01)


def test_the_threshold_is_never_below_the_minimum():
    assert threshold(np.full(20, 1e-5)) == 1e-3
    assert threshold(np.array([1e-5] * 4 + [0.5] * 16)) == 1e-3  # quantile at position 2.85: still silent
    assert threshold(np.zeros(0)) == 1e-3


# --------------------------------------------------------------------------------------------------------- segments


@pytest.mark.parametrize("loud, salient", [(4, False), (5, False), (6, True), (10, True)])
@pytest.mark.parametrize("where", [slice(0, 10), slice(None, None, -1)])
def test_a_segment_is_salient_when_more_than_half_of_its_chunks_are(loud, salient, where):
    # different levels: of ten equal ones none would exceed the quantile. Zeros put the threshold at 1e-3.
    energies = np.array([0.1 + 0.01 * i for i in range(loud)] + [1e-5] * (10 - loud))[where]
    if loud == 10:  # the quantile lies at position 1.35: two chunks are below, eight above
        assert threshold(energies) == pytest.approx(0.1135)
    assert list(salient_chunks(energies)) == ([0] if salient else [])


def test_segments_overlap_by_half():
    """Loud chunks 0 to 10 of 30: segment 0 has 10 of 10, the one at 5 has 6, the one at 10 has 1."""
    assert list(salient_chunks(np.array([0.1] * 11 + [1e-5] * 19))) == [0, 5]
    assert list(salient_chunks(np.array([0.1] * 10 + [1e-5] * 20))) == [0]
    assert list(salient_chunks(np.array([1e-5] * 20 + [0.1] * 10))) == [20]
    assert list(salient_segments(stem([0] * 20 + [0.1] * 10), "x")) == [20 * CHUNK]


def test_the_quantile_of_the_track_gates_its_quiet_part():
    """40 chunks: a third at 0.01 to 0.0112, the rest at 0.5. The quantile is 0.01 + 0.0001 * 5.85: some quiet chunks
    still count. With only five of them it lies at 0.5, and the loud ones, all equal, do not exceed it."""
    quiet = 0.01 + 0.0001 * np.arange(13)
    energies = np.concatenate([quiet, np.full(27, 0.5)])
    assert threshold(energies) == pytest.approx(0.01 + 0.0001 * 5.85)
    assert list(salient_chunks(energies)) == [5, 10, 15, 20, 25, 30]  # segment 0: chunks 6 to 9 only
    equal = np.concatenate([quiet[:5], np.full(35, 0.5)])
    assert threshold(equal) == 0.5 and not len(salient_chunks(equal))


def test_silence_has_no_salient_segment():
    assert not len(salient_segments(stem([0] * 30), "x"))
    assert not len(salient_segments(stem([1e-3] * 30), "x"))  # at the minimum, not above it


def test_what_does_not_fill_a_segment_at_the_end_is_not_used():
    energies = np.array([1e-5] * 10 + [0.1] * 9)  # 19 chunks: segments at 0 and 5 only
    assert list(salient_chunks(energies)) == []
    assert list(salient_chunks(np.append(energies, 0.1))) == [10]


@pytest.mark.parametrize("count", range(3, 10))
def test_a_track_shorter_than_a_segment_is_one_segment(count):
    values = np.linspace(0.1, 0.2, count)
    assert list(salient_segments(stem(values), "x")) == [0]
    quiet = values * (np.arange(count) < count / 2)  # half of the chunks, rounded up
    assert list(salient_segments(stem(quiet), "x")) == ([] if count % 2 == 0 else [0])


@pytest.mark.parametrize("frames", [1, CHUNK - 1, CHUNK, 2 * CHUNK + 1])
def test_tracks_of_a_chunk_or_two_do_not_fail(frames):
    noise = np.random.default_rng(0).standard_normal((2, frames)).astype(np.float32)
    assert set(salient_segments(FakeSong(x=noise), "x")) <= {0}
    assert not len(salient_segments(FakeSong(x=0 * noise), "x"))


def test_equals_a_slow_twin():
    """The paper's words, one segment and one chunk at a time."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = rng.choice([0, 1e-4, 3e-3, 0.05, 0.4], rng.integers(10, 60)) * rng.uniform(0.5, 1.5)
        energies = [max(value, 1e-5) for value in values]
        level = max(np.quantile(energies, 0.15), 1e-3)
        expected = []
        for first in range(0, len(energies) - 9, 5):
            above = sum(energies[first + i] > level for i in range(10))
            if above > 5:
                expected.append(first * CHUNK)
        got = salient_segments(stem(values), "x")
        # energies come back from float32 samples: those at the quantile itself may fall on either side of it
        if all(abs(energy - level) > 1e-6 * level for energy in energies):
            assert list(got) == expected
        assert len(chunk_energies(stem(values), "x")) == len(values)


# ------------------------------------------------------------------------------------------------------------ draws


def busy(seed, chunks, silent=()):
    values = np.random.default_rng(seed).uniform(0.1, 0.5, chunks)
    values[list(silent)] = 0
    return stem(values)


def test_draws_lie_inside_salient_segments_and_reach_their_ends():
    songs = [busy(0, 30, silent=range(15, 30)), busy(1, 20), stem([0] * 20)]
    segments = Segments(songs, "x")
    starts = [{0, 5 * CHUNK}, {0, 5 * CHUNK, 10 * CHUNK}]
    assert [set(found) for found in segments.starts] == starts and len(segments) == 5
    generator = np.random.default_rng(0)
    draws = [segments.draw(300, generator) for _ in range(6000)]
    for song, allowed in zip(songs[:2], starts, strict=True):
        here = [start for drawn, start in draws if drawn is song]
        assert abs(len(here) - 3000) < 250  # songs are drawn alike, however many segments they have
        assert all(any(first <= start <= first + 300 for first in allowed) for start in here)  # 6 s - 3 s of room
        assert min(here) == 0 and max(here) == max(allowed) + 300


def test_a_draw_as_long_as_the_segment_starts_where_it_starts():
    segments = Segments([busy(0, 10)], "x")
    assert {segments.draw(600, np.random.default_rng(seed))[1] for seed in range(20)} == {0}
    assert {segments.draw(900, np.random.default_rng(seed))[1] for seed in range(20)} == {0}


@pytest.mark.parametrize("chunks", [3, 5, 9])
@pytest.mark.parametrize("samples", [50, 300])
def test_draws_from_short_songs_begin_inside_and_are_no_shorter_than_they_must_be(chunks, samples):
    song = busy(0, chunks)
    segments = Segments([song], "x")
    generator = np.random.default_rng(0)
    starts = [segments.draw(samples, generator)[1] for _ in range(5000)]
    assert min(starts) == 0 and max(starts) == max(0, song.frames - samples)


def test_no_salient_segment_anywhere():
    with pytest.raises(DataError, match="no salient segment of 'x' in 2 songs"):
        Segments([stem([0] * 20), stem([1e-4] * 20)], "x")


def test_chunk_samples_at_the_papers_rate():
    assert activity.chunk_samples(44100, CONFIG) == 26460
