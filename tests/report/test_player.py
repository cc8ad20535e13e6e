"""The player's contents: which part of a song, how compressed, how loud, and that all of it stays in step."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
from PIL import Image
from places import REPOSITORY

from bsrnn.report import figures, player, show, sounds, widgets

RATE = 44100


def noise(seconds, rate=RATE, seed=0, channels=2):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate))).astype(np.float32)


def playing(seconds, *spans, rate=1000, level=0.1):
    """A stem that plays in some spans of seconds, and rests otherwise."""
    sound = np.zeros((2, seconds * rate), np.float32)
    for begin, end in spans:
        sound[:, round(begin * rate) : round(end * rate)] = level
    return sound


def decoded(content):
    sound, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return sound.T, rate


# ---- which part ----


def test_the_fullest_part_is_where_all_play_and_not_where_one_is_loudest():
    vocals, drums = playing(20, (4, 12)), playing(20, (0, 2), (8, 18))
    drums[:, :2000] *= 2  # 6 dB louder, but alone
    assert sounds.fullest({"vocals": vocals, "drums": drums}, 1000, 4.0) == slice(8000, 12_000)
    assert sounds.fullest({"drums": drums}, 1000, 2.0) == slice(0, 2000)


def test_the_fullest_part_of_equals_is_the_loudest_then_the_first():
    vocals = playing(20, (0, 20))
    vocals[:, 6000:10_000] *= 1.5
    assert sounds.fullest({"vocals": vocals, "silence": 0 * vocals}, 1000, 4.0) == slice(6000, 10_000)
    assert sounds.fullest({"vocals": playing(20, (0, 20))}, 1000, 4.0) == slice(0, 4000)


def test_short_and_silent_tracks_have_a_part_too():
    assert sounds.fullest({"short": playing(3, (0, 1))}, 1000, 20.0) == slice(0, 3000)
    assert sounds.fullest({"silence": playing(9)}, 1000, 4.0) == slice(0, 4000)
    assert sounds.fullest({"tiny": np.ones((1, 7), np.float32)}, 1000, 4.0) == slice(0, 7)


def test_a_part_that_opens_with_sound_goes_before_a_fuller_one():
    """All rest from 2 to 4 s, which the fullest ten seconds would have right after their beginning."""
    spans = (0, 2), (4, 11)
    song = {"vocals": playing(14, *spans), "drums": playing(14, *spans)}
    part = sounds.fullest(song, 1000, 10.0)
    assert part == slice(4000, 14_000)
    shown = {name: sound[:, part] for name, sound in song.items()}
    assert sounds.opens(shown, 1000)
    assert sounds.fullest({"vocals": playing(12, (0, 2), (4, 12))}, 1000, 10.0) == slice(0, 10_000)  # none opens so


@pytest.mark.parametrize(
    ("spans", "does"),
    [(((0, 9),), True), (((0.4, 9),), True), (((0.6, 9),), False), (((0, 2), (2.8, 9)), True),
     (((0, 2), (3.1, 9)), False), (((0, 2.05), (3.15, 9)), False), (((0, 5), (7, 9)), True), ((), False)],
)  # fmt: skip
def test_what_opens_with_sound(spans, does):
    """The tracks together: one may rest while the other plays."""
    song = playing(9, *spans)
    first, second = song.copy(), song.copy()
    first[:, 4000:], second[:, :4000] = 0, 0
    assert sounds.opens({"first": first, "second": second}, 1000) is does


def test_fullness_is_the_share_of_the_one_that_rests_most():
    vocals, drums = playing(10, (0, 4)), playing(10, (0, 9))
    assert sounds.fullness({"vocals": vocals, "drums": drums}, 1000) == pytest.approx(0.4)
    assert sounds.fullness({"drums": drums, "silence": 0 * drums}, 1000) == 0


def test_tracks_are_the_mixture_and_of_each_target_truth_estimate_and_rest():
    mixture, vocals, drums = (np.full((2, 4), value, np.float32) for value in (1.0, 0.25, 0.5))
    named = show.tracks(mixture, {"vocals": vocals, "drums": drums}, {"vocals": 2 * vocals})
    assert list(named) == ["mixture", "true vocals", "estimated vocals", "mixture minus estimated vocals", "true drums"]
    np.testing.assert_array_equal(named["mixture minus estimated vocals"], np.full((2, 4), 0.5))
    assert list(show.tracks(mixture, {}, {"vocals": vocals}, rest=False)) == ["mixture", "estimated vocals"]


def test_many_tracks_are_shown_for_fewer_seconds():
    song = {str(number): noise(30, 8000) for number in range(10)}
    whole = player.part({"0": song["0"]}, 8000)
    assert whole.stop - whole.start == 20 * 8000
    some = player.part(song, 8000, megabytes=1.0)
    assert (some.stop - some.start) / 8000 == pytest.approx(1e6 / (10 * player.TYPICAL_BYTES), abs=1 / 8000)


def test_tracks_are_compressed_as_far_as_they_must_and_no_further():
    song = {"one": noise(2), "other": noise(2, seed=1)}
    sizes = []
    for compression in player.COMPRESSIONS:
        contents = [player.mp3(sound, RATE, compression) for sound in song.values()]
        sizes.append(sum(len(player.address("audio/mpeg", content)) for content in contents))
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 1.2 * sizes[-1]
    allowed = [*sizes, 0]  # where nothing fits, the smallest
    chosen = [sum(map(len, player.compressed(song, RATE, most).values())) for most in allowed]
    assert chosen == [*sizes, sizes[-1]]


# ---- in step ----


def test_compressed_tracks_keep_their_length_and_begin_at_the_same_sample():
    """A click each second in music: every decoded track has it where it was."""
    clicks = np.arange(1, 8) * RATE
    tracks = {
        "quiet": noise(8, seed=1),
        "loud": 4 * noise(8, seed=2),
        "only clicks": np.zeros((2, 8 * RATE), np.float32),
    }
    for sound in tracks.values():
        sound[:, clicks] += 0.9
    _, fallback = player.contents(tracks, RATE, "clicks")
    contents = [base64.b64decode(part) for part in re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', fallback)]
    assert len(contents) == 3
    for content, sound in zip(contents, tracks.values(), strict=True):
        heard, rate = decoded(content)
        assert (heard.shape, rate) == (sound.shape, RATE)
        for click in clicks:
            near = slice(click - 441, click + 441)
            lag = np.correlate(heard[0, near], sound[0, near], "full").argmax() - (2 * 441 - 1)
            assert abs(lag) <= 1, click


@pytest.mark.parametrize(("rate", "channels", "given_rate"), [(48000, 1, 48000), (96000, 2, 44100)])
def test_channels_stay_and_a_rate_that_mp3_lacks_becomes_another(rate, channels, given_rate):
    data, fallback = player.contents({"tape": noise(1, rate, channels=channels)}, rate, "a tape")
    heard, decoded_rate = decoded(base64.b64decode(re.search(r'mpeg;base64,([^"]+)"', fallback).group(1)))
    assert (heard.shape, decoded_rate) == ((channels, given_rate), given_rate)
    assert data["seconds"] == 1.0


def test_left_and_right_stay_apart():
    sound = noise(2)
    sound[1] = 0
    heard, _ = decoded(player.mp3(sound, RATE))
    assert np.abs(heard[0]).max() > 0.2 > 0.01 > np.abs(heard[1]).max()


# ---- how loud ----


def test_matched_tracks_have_one_loudness_and_none_is_clipped():
    steps = np.sign(noise(1, 8000, seed=3))  # as loud as its peak
    peaky = 0.001 * steps
    peaky[:, 100] = 0.5
    tracks = {"loud": 0.8 * steps, "quiet": 0.02 * steps, "peaky": peaky, "silence": 0 * steps}
    gains = player.match_db(tracks)
    matched = {label: sound * 10 ** (gains[label] / 20) for label, sound in tracks.items()}
    levels = [10 * np.log10(np.square(matched[label]).mean()) for label in ("loud", "quiet", "peaky")]
    np.testing.assert_allclose(levels, levels[0], atol=1e-3)
    assert max(np.abs(sound).max() for sound in matched.values()) == pytest.approx(1.0, abs=1e-3)
    assert gains["silence"] == 0


def test_tracks_keep_their_levels_to_each_other_and_the_loudest_comes_near_full_scale():
    song = noise(2)
    data, fallback = player.contents({"song": song, "half": song / 2}, RATE, "two")
    one, half = (decoded(base64.b64decode(part))[0] for part in re.findall(r'mpeg;base64,([^"]+)"', fallback))
    assert np.sqrt(np.square(one).mean() / np.square(half).mean()) == pytest.approx(2.0, rel=0.05)
    assert np.abs(one).max() == pytest.approx(player.PEAK, rel=0.15)
    assert data["tracks"][1]["matchDb"] - data["tracks"][0]["matchDb"] == pytest.approx(6.02, abs=0.01)


def test_silence_alone_is_shown_as_silence():
    data, _ = player.contents({"silence": np.zeros((2, RATE), np.float32)}, RATE, "none")
    assert data["tracks"][0]["matchDb"] == 0


# ---- what the page gets ----


def test_a_player_in_a_page_parses_and_has_a_sound_and_a_picture_for_each_track(monkeypatch):
    shown = []
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    monkeypatch.setattr(widgets, "display", shown.append)
    tracks = {"mixture": noise(3), "true drums": noise(3, seed=1), "a < b": noise(3, seed=2)}
    show.player(tracks, RATE, 'Song "one"')
    [output] = shown
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', output.data).group(1))
    assert [track["label"] for track in data["tracks"]] == list(tracks)
    assert [track["colour"] for track in data["tracks"]] == [
        figures.GREY,
        figures.TARGET_COLOURS["drums"],
        figures.GREY,
    ]
    assert (data["title"], data["seconds"]) == ('Song "one"', 3.0)
    assert re.findall(r'<audio [^>]*data-track="(\d)" aria-label="([^"]+)"', output.data) == [
        ("0", "mixture"), ("1", "true drums"), ("2", "a &lt; b")]  # fmt: skip
    assert output.data.count("class Player") == 1 and len(output.data) < 3 * 3 * 25_000


def test_the_picture_shows_a_tone_at_its_tick():
    """1 kHz: the brightest row of the picture lies at the height of the tick."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    level = sounds.level_db(tone)
    image = np.asarray(Image.open(io.BytesIO(sounds.picture(level, RATE, level.max()))).convert("L"), float)
    height = next(tick["height"] for tick in sounds.ticks(RATE) if tick["label"] == "1 kHz")
    brightest = 1 - (image.mean(1).argmax() + 0.5) / len(image)  # rows count from above
    assert brightest == pytest.approx(height, abs=0.02)
    assert [tick["label"] for tick in sounds.ticks(8000)] == ["100 Hz", "1 kHz"]


def test_tracks_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"got tracks of \[44100, 88200\] samples"):
        player.contents({"one": noise(1), "two": noise(2)}, RATE, "unequal")
    with pytest.raises(ValueError, match=r"got tracks of \[\] samples"):
        player.contents({}, RATE, "none")
