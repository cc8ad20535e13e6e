"""Labels held against the truth: songs whose stems are closed forms, and a teacher whose rule is known.

Target and rest are square waves that are orthogonal over every four samples, so that energies add: with amplitudes a
and b the target lies 10 log10((a^2 + b^2) / a^2) dB below the mixture. The levels are powers of two: sums are exact.
"""

import json
from types import SimpleNamespace

import fake_results
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrnn.audio.files import write
from bsrnn.config import ActivityConfig, MixingConfig
from bsrnn.data import songs
from bsrnn.errors import DataError
from bsrnn.finetune import classify, energy_db, kind_of
from bsrnn.mixing import read_chunk
from bsrnn.study import label_quality
from bsrnn.study.label_quality import judge_songs

RATE = 1000  # all that is asked about goes by seconds
CHUNK, SEGMENT = 3 * RATE, 6 * RATE
NOTHING = -120.0  # dB: 10 log10 of bsrnn.finetune.EPS
LEVELS = [(1 / 2, 1 / 4), (1 / 4, 1 / 4), (0, 1 / 2), (1 / 4, 0), (1 / 8, 1 / 2), (1 / 2, 1 / 32)]  # target, rest


def db(ratio):
    return 10 * np.log10(ratio)


def wave(amplitudes, seconds, pattern):
    """A stretch of each amplitude, given as one number or as (left, right) -> (2, L)."""
    samples = round(seconds * RATE)
    assert samples % 4 == 0
    stretches = [np.broadcast_to(np.reshape(amplitude, (-1, 1)), (2, samples)) for amplitude in amplitudes]
    whole = np.concatenate(stretches, axis=1)
    return (whole * np.resize(pattern, whole.shape[1])).astype(np.float32)


def make_song(root, name, levels, seconds=3.0, info=None):
    """A song on the disk: for each stretch the amplitudes of the target "low" and of the rest "high"."""
    low, high = zip(*levels, strict=True)
    write(root / name / "low.wav", wave(low, seconds, [1, -1]), RATE)
    write(root / name / "high.wav", wave(high, seconds, [1, 1, -1, -1]), RATE)
    (root / name / "song.json").write_text(json.dumps(info or {"split": "unlabelled-matched"}))


class Teacher:
    """Separates two targets by a rule of the test's, of which "low" is the second; keeps the shapes it was given."""

    config = SimpleNamespace(targets=("high", "low"))
    window = torch.zeros(1)

    def __init__(self, rule):
        self.rule, self.seen = rule, []

    def __call__(self, mixture):
        self.seen.append(tuple(mixture.shape))
        return torch.stack([torch.full_like(mixture, torch.nan), self.rule(mixture)], 1)  # (B, S, C, L)


def judge(root, rule, **mixing):
    """Rows and teacher, for all songs below a folder."""
    teacher = Teacher(rule)
    return judge_songs(teacher, songs.read_songs(root, sample_rate=RATE), "low", MixingConfig(**mixing)), teacher


def half(mixture):
    return mixture / 2


def near(value):
    return pytest.approx(value, abs=0.0051)  # rows are rounded to two decimals


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Six chunks in which target and rest play or rest, then two of silence, which no salient segment reaches."""
    root = tmp_path_factory.mktemp("known")
    make_song(root, "known", [*LEVELS, (0, 0), (0, 0)])
    return root


@pytest.fixture(scope="module")
def rows(known):
    return judge(known, half)[0]


# ---- which chunks ----


def test_every_chunk_of_the_salient_segments_comes_once(rows):
    """Five segments overlap by half; the one that is half silent is not salient."""
    assert [row["seconds"] for row in rows] == [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]
    assert {(row["song"], row["set"]) for row in rows} == {("known", "unlabelled-matched")}


def test_shorter_chunks_come_once_too(known):
    found, _ = judge(known, half, chunk_seconds=1.5)
    assert [row["seconds"] for row in found] == [1.5 * number for number in range(12)]


@settings(max_examples=30)
@given(
    st.lists(st.booleans(), min_size=4, max_size=12).filter(lambda sounds: not all(sounds)),
    st.sampled_from([0.5, 1.0, 1.5, 3.0]),  # divide the 3 s between two segments
)
def test_pieces_are_what_a_slow_search_finds(sounds, seconds):
    """Of all places of the chunks' grid, those that lie inside a segment of which more than half sounds."""
    audio = np.repeat(np.array(sounds, np.float32), CHUNK)[None].repeat(2, 0)
    song = SimpleNamespace(
        name="song", frames=audio.shape[1], sample_rate=RATE, read=lambda _, start, frames: audio[:, start:][:, :frames]
    )
    activity = ActivityConfig(quantile=0.0)  # the quietest chunk is silent, so that the gate alone decides
    pieces = label_quality._pieces(song, MixingConfig(chunk_seconds=seconds), activity)
    found = [start + offset for start, _, offsets in pieces for offset in offsets]
    segments = [i for i in range(len(sounds) - 1) if audio[0, i * CHUNK : i * CHUNK + SEGMENT].mean() > 0.5]
    step = round(seconds * RATE)
    expected = {
        place
        for place in range(0, song.frames - step + 1, step)
        for i in segments
        if i * CHUNK <= place and place + step <= i * CHUNK + SEGMENT
    }
    assert sorted(found) == sorted(expected)  # none is missing, none comes twice
    assert all(length == SEGMENT for _, length, _ in pieces)


def test_many_segments_are_separated_eight_at_a_time(tmp_path):
    """Eleven salient segments of one song, and each value is that of its own place."""
    amplitudes = [2.0**-power for power in range(1, 13)]
    make_song(tmp_path, "long", [(a, 1 / 2) for a in amplitudes] + [(0, 0)] * 3)
    found, teacher = judge(tmp_path, half)
    assert [shape[0] for shape in teacher.seen if shape[2] == SEGMENT] == [8, 3]
    assert all(shape[2] in (CHUNK, SEGMENT) and shape[1] == 2 for shape in teacher.seen)
    assert [row["true_target_down"] for row in found] == [near(db((a**2 + 1 / 4) / a**2)) for a in amplitudes]


def test_songs_come_one_after_another_with_their_sets_and_silent_ones_give_no_row(tmp_path):
    make_song(tmp_path, "a", [(1 / 2, 1 / 4)] * 2 + [(0, 0)], info={"split": "unlabelled-matched"})
    make_song(tmp_path, "b", [(0, 0)] * 3)
    make_song(tmp_path, "c", [(1 / 4, 1 / 2)] * 2 + [(0, 0)], info={"title": "of no set"})
    found, _ = judge(tmp_path, half)
    got = [(row["song"], row["set"], row["seconds"]) for row in found]
    assert got == [("a", "unlabelled-matched", s) for s in (0.0, 3.0)] + [("c", "", s) for s in (0.0, 3.0)]
    assert [row["mixture_usdr"] for row in found] == [near(db(4)), near(db(4)), near(-db(4)), near(-db(4))]


@pytest.mark.parametrize("seconds", [1.0, 2.8, 4.0])
def test_a_song_shorter_than_a_segment_or_a_chunk(tmp_path, seconds):
    """One chunk from its start, filled up with silence; the energies are of what there is of it."""
    make_song(tmp_path, "short", [(1 / 2, 1 / 4)], seconds)
    (row,), teacher = judge(tmp_path, half)
    there = 2 * min(seconds, 3.0) * RATE
    assert teacher.seen == [(1, 2, SEGMENT), (1, 2, CHUNK)] and row["seconds"] == 0.0
    assert (row["true_target_down"], row["true_residual_down"]) == (near(db(1.25)), near(db(5)))
    assert (row["target_down"], row["whole_target_down"]) == (near(db(4)), near(db(4)))
    eps = 1e-7 / there
    assert row["target_usdr"] == near(db((1 / 4 + eps) / (5 / 64 + eps)))


# ---- values ----


def test_the_truth_by_hand(rows):
    for row, (a, b) in zip(rows, LEVELS, strict=True):
        mixture = a**2 + b**2
        level = db(mixture * 2 * CHUNK)
        for which, part in (("target", a), ("residual", b)):
            expected = db(mixture / part**2) if part else level - NOTHING
            assert row[f"true_{which}_down"] == near(expected)
            assert row[f"true_each_{which}_down"] == [near(expected if part else expected - db(2))] * 2
    assert rows[2]["true_target_down"] > 150 and rows[2]["true_residual_down"] == 0.0  # the target rests


def test_the_labels_by_hand(rows):
    """The teacher calls a half of everything target: each lies 6.02 dB down; errors are a half of what is wrong."""
    for row, (a, b) in zip(rows, LEVELS, strict=True):
        for name in ("target_down", "residual_down", "segment_target_down", "segment_residual_down"):
            assert row[name] == near(db(4))
        error = (a**2 + b**2) / 4  # target - mixture / 2 = (a low - b high) / 2, and so of the residual
        for which, part in (("target", a), ("residual", b)):
            expected = near(db(part**2 / error)) if part else None  # the truth is silent: no value
            assert row[f"{which}_usdr"] == expected and row[f"segment_{which}_usdr"] == expected
        expected = near(db(a**2 / b**2)) if a and b else None
        if a and not b:  # the mixture is the target, up to the 1e-7 of bsrnn.metrics
            expected = near(db((a**2 * 2 * CHUNK + 1e-7) / 1e-7))
        assert row["mixture_usdr"] == expected


def test_a_chunk_in_which_all_is_silent_says_nothing(tmp_path):
    """3.6 s of sound make the segment salient; its last 1.5 s are silent."""
    make_song(tmp_path, "song", [(1 / 2, 1 / 4)] * 6 + [(0, 0)] * 14, seconds=0.6)
    found, _ = judge(tmp_path, half, chunk_seconds=1.5)
    assert [row["seconds"] for row in found] == [0.0, 1.5, 3.0, 4.5]
    silent = found[3]
    for name in ("", "segment_", "true_"):
        assert (silent[f"{name}target_down"], silent[f"{name}residual_down"]) == (0.0, 0.0)
    assert silent["true_each_target_down"] == silent["each_residual_down"] == [0.0, 0.0]
    assert [silent[name] for name in silent if name.endswith("usdr")] == [None] * 5
    assert silent["whole_target_down"] == near(db(4))  # of the six seconds, which sound
    assert kind_of(silent["target_down"], silent["residual_down"]) == "pseudo"


def test_what_the_teacher_sees_is_the_chunk_or_the_segment_around_it(known):
    """Of six seconds this teacher calls the second half target, of three it calls all target."""

    def rule(mixture):
        if mixture.shape[-1] == CHUNK:
            return mixture
        return torch.cat([torch.zeros_like(mixture[..., :CHUNK]), mixture[..., CHUNK:]], -1)

    found, teacher = judge(known, rule)
    assert teacher.seen[0] == (5, 2, SEGMENT) and {shape[2] for shape in teacher.seen[1:]} == {CHUNK}
    energies = [2 * CHUNK * (a**2 + b**2) for a, b in LEVELS]
    for number, (row, energy, (a, b)) in enumerate(zip(found, energies, LEVELS, strict=True)):
        assert (row["target_down"], row["residual_down"]) == (0.0, near(db(energy) - NOTHING))
        first = number == 0  # lies in the first half of its segment, every other one in the second half of its own
        down = (near(db(energy) - NOTHING), 0.0) if first else (0.0, near(db(energy) - NOTHING))
        assert (row["segment_target_down"], row["segment_residual_down"]) == down
        earlier, later = (energies[0], energies[1]) if first else (energies[number - 1], energy)
        assert row["whole_target_down"] == near(db((earlier + later) / later))
        assert row["whole_residual_down"] == near(db((earlier + later) / earlier))
        if a and b:
            assert row["target_usdr"] == row["mixture_usdr"] == near(db(a**2 / b**2))
            assert row["segment_target_usdr"] == (near(0.0) if first else row["target_usdr"])
            # the residual label is silence, or, in the first half of the segment, the mixture
            assert row["residual_usdr"] == near(0.0)
            assert row["segment_residual_usdr"] == (near(db(b**2 / a**2)) if first else near(0.0))


def test_each_channel_has_values_of_its_own(tmp_path):
    """In the left channel the target rests, in the right one it plays; the teacher takes a half and a tenth of them."""
    low, high = (0, 1 / 4), (1 / 2, 1 / 8)
    make_song(tmp_path, "song", [(low, high)] * 2 + [(0, 0)])
    share = torch.tensor([0.5, 0.1])[:, None]
    found, _ = judge(tmp_path, lambda mixture: mixture * share)
    left, right = 1 / 4, 1 / 16 + 1 / 64  # energies of a sample of the mixture
    for row in found:
        assert row["each_target_down"] == [near(db(4)), near(20.0)]
        assert row["each_residual_down"] == [near(db(4)), near(-db(0.81))]
        assert row["true_each_target_down"] == [near(db(left * CHUNK) - NOTHING), near(db(right * 16))]
        assert row["true_each_residual_down"] == [0.0, near(db(right * 64))]
        # both together: sums of energies, not means of decibels
        assert row["target_down"] == near(db((left + right) / (left / 4 + right / 100)))
        assert row["true_target_down"] == near(db((left + right) * 16))


def test_a_row_leads_to_the_samplers_own_decision(known):
    """Of what would be judged from the file itself, at every threshold of the sweep."""

    def rule(mixture):  # the louder a chunk, the more of it is called target
        level = energy_db(mixture)[:, None, None]
        return mixture * torch.where(level > 30, 0.999, torch.where(level > 26, 0.5, 0.05)).float()

    (song,) = songs.read_songs(known, sample_rate=RATE)
    found, _ = judge(known, rule)
    kinds = set()
    for row in found:
        chunk = torch.from_numpy(read_chunk(song, "mixture", round(row["seconds"] * RATE), CHUNK))[None]
        for threshold in (10.0, 20.0, 30.0, 40.0):
            kind = kind_of(row["target_down"], row["residual_down"], threshold)
            assert [kind] == classify(chunk, rule(chunk), threshold)
            kinds.add(kind)
    assert kinds == {"pseudo", "clean_target", "clean_residual"}


# ---- what becomes of it ----


def test_rows_are_json_and_those_of_the_made_up_results_have_the_same_keys(rows):
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    made_up = fake_results.chunk(np.random.default_rng(0), 0)
    assert set(made_up) == set(rows[0])
    assert {name for name in made_up if isinstance(made_up[name], list)} == {
        name for name in rows[0] if isinstance(rows[0][name], list)
    }


def test_a_song_without_stems_cannot_be_judged(tmp_path):
    make_song(tmp_path, "song", [(1 / 2, 1 / 4)] * 2 + [(0, 0)])
    alone = songs.read_mixture(tmp_path / "song" / "low.wav", RATE)
    with pytest.raises(DataError, match="song 'low' has no stem 'low'"):
        judge_songs(Teacher(half), [alone], "low")
