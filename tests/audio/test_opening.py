"""Files whose headers have a wrong length or none: the true one, and every sample, wherever reading begins."""

import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest
import soundfile

from bsrnn.audio import files as audio
from bsrnn.audio import mpeg, opening
from bsrnn.errors import DataError

RATE = 44100
FRAME = 1152  # samples of an mp3's frame
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg makes the file")


def sound(seconds=3.0, rate=RATE, channels=2, seed=0):
    """A tone that grows, so that frames of a variable rate differ in size."""
    time = np.arange(int(seconds * rate))[:, None] / rate
    noise = np.random.default_rng(seed).standard_normal((len(time), channels)) * time / seconds * 0.1
    return (0.3 * np.sin(2 * np.pi * (300 + 50 * seed) * time) + noise).astype(np.float32)  # (L, C)


def mp3(path, *options, signal=None, rate=RATE):
    soundfile.write(path.with_suffix(".wav"), sound(rate=rate) if signal is None else signal, rate, "PCM_16")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", path.with_suffix(".wav"), *options, path]
    subprocess.run(command, check=True)
    return path


def decoded(path, *options):
    """By ffmpeg: (C, L)."""
    channels = audio.info(path).channels
    command = ["ffmpeg", "-nostdin", "-v", "error", *options, "-i", path, "-f", "f32le", "-ac", str(channels), "-"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(content, np.float32).reshape(-1, channels).T


def assert_stretches_are_the_whole(path):
    """Wherever one begins to read; a decoder of mp3 that jumped rounds some samples otherwise."""
    whole = audio.read(path, channels=0)
    frames = whole.shape[1]
    assert audio.info(path).frames == frames
    places = np.random.default_rng(0).integers(0, frames - 1, 12)
    for start in [int(place) for place in places] + [frames - 1, 1, 0]:
        wanted = min(2500, frames - start)
        assert np.abs(audio.read(path, start, wanted, channels=0) - whole[:, start : start + wanted]).max() < 3e-7
    with audio.Reader(path) as reader:  # there and back with one decoder
        for start in (0, frames // 2, 700, frames - 3000, frames // 3):
            assert np.abs(reader.read(start, 3000) - whole[:, start : start + 3000]).max() < 3e-7
        pieces = [reader.read(start, min(20_000, frames - start)) for start in range(0, frames, 20_000)]
    assert np.abs(np.concatenate(pieces, 1) - whole).max() < 3e-7


@needs_ffmpeg
@pytest.mark.parametrize(
    "name, options",
    [
        ("variable.mp3", ("-q:a", "4", "-write_xing", "0")),
        ("constant.mp3", ("-b:a", "128k", "-write_xing", "0")),
        ("layer2.mp2", ("-b:a", "128k")),
        ("mpeg2.mp3", ("-ar", "22050", "-q:a", "3", "-write_xing", "0")),
        ("mono.mp3", ("-ac", "1", "-q:a", "6", "-write_xing", "0")),
        ("in_a_wav.wav.mp3", ("-c:a", "libmp3lame", "-f", "wav")),
    ],
)
def test_without_a_tag_all_frames_are_read_as_ffmpeg_does(tmp_path, name, options):
    path = mp3(tmp_path / name, *options)
    expected = decoded(path)
    found = audio.read(path, channels=0)
    assert found.shape == expected.shape and np.abs(found - expected).max() < 1e-4
    assert abs(found.shape[1] / audio.info(path).sample_rate - 3) < 0.08
    assert_stretches_are_the_whole(path)


@needs_ffmpeg
def test_a_whole_file_is_what_libsndfile_reads(tmp_path):
    path = mp3(tmp_path / "a.mp3", "-q:a", "4")
    assert np.array_equal(audio.read(path), soundfile.read(path, dtype="float32")[0].T)
    assert audio.info(path) == audio.AudioInfo(3 * RATE, RATE, 2)
    assert_stretches_are_the_whole(path)


@needs_ffmpeg
def test_joined_mp3s_are_their_sounds_one_after_the_other(tmp_path):
    """Each without its encoder's delay and padding, as its tag has them."""
    parts = [mp3(tmp_path / f"{index}.mp3", "-q:a", str(3 + index), signal=sound(2 + index / 3, seed=index))
             for index in range(3)]  # fmt: skip
    path = tmp_path / "joined.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    expected = np.concatenate([audio.read(part) for part in parts], 1)
    assert audio.info(path).frames == 2 * RATE + RATE * 7 // 3 + RATE * 8 // 3 == expected.shape[1]
    assert np.array_equal(audio.read(path), expected)
    assert audio.info(path).remark == (
        f"3 files joined, its first header promises {2 * RATE} samples; it holds {expected.shape[1]}, which are taken"
    )
    assert_stretches_are_the_whole(path)


@needs_ffmpeg
@pytest.mark.parametrize("promised", [3, 20, 90_000])
def test_a_tag_with_a_wrong_number_of_frames(tmp_path, promised):
    path = mp3(tmp_path / "a.mp3", "-b:a", "128k")
    right = audio.read(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"Info") + 8
    frames = int.from_bytes(content[place : place + 4], "big")
    content[place : place + 4] = promised.to_bytes(4, "big")
    path.write_bytes(content)
    found = audio.read(path)
    assert np.array_equal(found[:, : 3 * RATE], right)
    assert found.shape[1] == frames * FRAME - 1105  # the padding is kept
    remark = audio.info(path).remark
    assert f"it holds {found.shape[1]}, which are taken" in remark
    assert "within a frame" not in remark
    assert_stretches_are_the_whole(path)


@needs_ffmpeg
def test_a_change_of_rate_or_channels_is_named(tmp_path):
    low, high = mp3(tmp_path / "low.mp3"), mp3(tmp_path / "high.mp3", "-ar", "48000")
    mono = mp3(tmp_path / "mono.mp3", "-ac", "1", "-write_xing", "0")
    for other, words in ((high, "2 channel.s. of 48000 Hz"), (mono, "1 channel.s. of 44100 Hz")):
        (tmp_path / "both.mp3").write_bytes(low.read_bytes() + other.read_bytes())
        with pytest.raises(DataError, match=rf"both\.mp3: from 3\.0 s on it has {words}, before that 2 of 44100"):
            audio.info(tmp_path / "both.mp3")


@needs_ffmpeg
def test_silence_at_the_beginning_does_not_lengthen_a_file(tmp_path):
    quiet = sound(4) * (np.arange(4 * RATE) > RATE)[:, None]
    path = mp3(tmp_path / "quiet.mp3", "-q:a", "2", "-write_xing", "0", signal=quiet)
    assert soundfile.info(path).duration > 4.5  # what libsndfile guesses from the first frame
    found = audio.read(path)
    assert found.shape == decoded(path).shape and abs(found.shape[1] - 4 * RATE) < 3 * FRAME


@needs_ffmpeg
def test_what_is_no_frame_is_left_out(tmp_path):
    path = mp3(tmp_path / "a.mp3", "-b:a", "128k", "-write_xing", "0")
    content, right = path.read_bytes(), audio.read(path)
    content = content[content.index(b"\xff\xfb") :]
    cut = 0
    for _ in range(10):
        cut += mpeg.header(content[cut : cut + 4]).size
    tags = b"TAG" + bytes(125), b"ID3\x03\x00\x00\x00\x00\x00\x0aTIT2......"
    (tmp_path / "b.mp3").write_bytes(tags[1] + bytes(3000) + content[:cut] + tags[1] + content[cut:] + tags[0])
    assert np.array_equal(audio.read(tmp_path / "b.mp3"), right) and audio.info(tmp_path / "b.mp3").remark == ""
    size = (100).to_bytes(4, "little")
    first, last = (b"APETAGEX" + bytes(4) + size + bytes(4) + flags + bytes(8) for flags in (b"\0\0\0\xa0", bytes(4)))
    (tmp_path / "d.mp3").write_bytes(content[:cut] + first + bytes(68) + last + content[cut:] + bytes(68) + last)
    assert np.array_equal(audio.read(tmp_path / "d.mp3"), right) and audio.info(tmp_path / "d.mp3").remark == ""
    (tmp_path / "c.mp3").write_bytes(content[:cut] + b"\xff\xfb" + bytes(698) + content[cut:])
    assert np.array_equal(audio.read(tmp_path / "c.mp3"), right)
    assert audio.info(tmp_path / "c.mp3").remark.startswith("700 bytes amid its sound are no MPEG audio")


def test_half_of_an_mp3_is_read_and_named(tmp_path):
    path = tmp_path / "a.mp3"
    audio.write(path, sound().T, RATE)
    whole = audio.read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = audio.read(path)
    assert 0.4 < found.shape[1] / whole.shape[1] < 0.55
    assert np.array_equal(found[:, :-FRAME], whole[:, : found.shape[1] - FRAME])
    words = f"its header promises {3 * RATE} samples; it holds {found.shape[1]}, which are taken"
    assert audio.info(path).remark == f"{words}; it ends within a frame, which is left out"


def test_an_mp3_without_its_last_byte(tmp_path):
    path = tmp_path / "a.mp3"
    audio.write(path, sound().T, RATE)
    path.write_bytes(path.read_bytes()[:-1])
    assert audio.info(path).remark.endswith("; it ends within a frame, which is left out")


@pytest.mark.parametrize(
    "four, expected",
    [
        ("fffb9064", (417, 1152, 44100, 2, 3, True)),
        ("fffb9264", (418, 1152, 44100, 2, 3, True)),
        ("fff380c4", (208, 576, 22050, 1, 3, False)),
        ("fffd8404", (384, 1152, 48000, 2, 2, True)),
        ("ffff1800", (48, 384, 32000, 2, 1, True)),
        ("fff30000", None),  # of free format
        ("fffbf064", None),
        ("fff9506c", None),  # AAC
        ("ffeb9064", None),  # a version that is none
        ("fffb90", None),
    ],
)
def test_headers(four, expected):
    """By the tables of ISO 11172-3: 144 bits a second / rate, for instance 144 128000 / 44100 = 417 bytes."""
    found = mpeg.header(bytes.fromhex(four))
    assert (found and tuple(found)) == expected


# Ogg and flac


@pytest.mark.parametrize("name, subtype, rate", [("a.ogg", "VORBIS", RATE), ("a.opus", "OPUS", 48000)])
def test_joined_ogg_files(tmp_path, name, subtype, rate):
    first, second = sound(2, rate), sound(3, rate, seed=1)
    whole = b""
    for signal in (first, second):
        soundfile.write(tmp_path / name, signal, rate, subtype, format="OGG")
        whole += (tmp_path / name).read_bytes()
    last = audio.read(tmp_path / name)
    (tmp_path / name).write_bytes(whole)
    assert audio.info(tmp_path / name) == audio.AudioInfo(5 * rate, rate, 2, "2 files joined, and all are taken")
    found = audio.read(tmp_path / name)
    assert np.array_equal(found[:, 2 * rate :], last)
    assert np.abs(found - np.concatenate([first, second]).T)[:, : rate // 2].mean() < 0.02
    assert_stretches_are_the_whole(tmp_path / name)


def test_an_ogg_file_that_is_cut_off_is_named(tmp_path):
    soundfile.write(tmp_path / "a.ogg", sound(), RATE, "VORBIS", format="OGG")
    assert audio.info(tmp_path / "a.ogg").remark == ""
    content = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "b.ogg").write_bytes(content[: len(content) // 2])
    frames = audio.info(tmp_path / "b.ogg").frames
    assert 0 < frames < 3 * RATE
    remark = audio.info(tmp_path / "b.ogg").remark
    assert remark == f"it has no last page and may be cut off; {frames} samples are taken"
    (tmp_path / "c.ogg").write_bytes(content + b"something else" * 9)
    assert audio.info(tmp_path / "c.ogg").frames == 3 * RATE


@pytest.mark.parametrize("seconds", [0.02, 1.3, 4.03])
def test_any_place_of_an_ogg_file_is_found(tmp_path, seconds):
    """libsndfile misses those within the last page, by what is cut off at the end."""
    bursts = sound(seconds) * (np.arange(int(seconds * RATE)) % 20_000 < 3000)[:, None]
    soundfile.write(tmp_path / "a.ogg", bursts, RATE, "VORBIS", format="OGG")
    whole = audio.read(tmp_path / "a.ogg")
    assert whole.shape[1] == len(bursts)
    for start in range(0, len(bursts), max(1, len(bursts) // 40)):
        wanted = min(500, len(bursts) - start)
        assert np.array_equal(audio.read(tmp_path / "a.ogg", start, wanted), whole[:, start : start + wanted]), start


def test_a_flac_that_does_not_know_its_length(tmp_path):
    """A pipe's: 36 bits of its header are zero."""
    path = tmp_path / "a.flac"
    audio.write(path, sound().T, RATE)
    right, content = audio.read(path), bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert audio.info(path) == audio.AudioInfo(3 * RATE, RATE, 2)
    assert np.array_equal(audio.read(path), right)
    assert_stretches_are_the_whole(path)


@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\0\4abcd"])
@pytest.mark.parametrize("promised", [1, 1000, 50_000, 88_199, 88_201])
def test_a_flac_that_promises_another_length(tmp_path, promised, tag):
    """Too few samples are not taken for all; too many are missed when they are read."""
    path, sound = tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, (88_200, 2))
    soundfile.write(path, sound, RATE, "PCM_16")
    content = bytearray(path.read_bytes())
    content[22:26] = promised.to_bytes(4, "big")  # the lower 32 bits of the length
    path.write_bytes(tag + content)
    if promised > len(sound):
        with pytest.raises(DataError, match="cut off|cannot be decoded"):
            audio.read(path)
    else:
        assert np.abs(audio.read(path).T - sound).max() <= 2**-15


@pytest.mark.parametrize("samples", [1, 16, 4095, 4096, 4097, 100_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_flac_reaches_as_far_as_its_last_frame(tmp_path, samples, channels):
    path = tmp_path / "a.flac"
    for loud in (0, 0.3):
        sound = loud * np.random.default_rng(0).uniform(-1, 1, (samples, channels))
        soundfile.write(path, sound, RATE, "PCM_24")
        status = path.stat()
        assert opening._flac_reaches(path, status.st_size, status.st_mtime_ns) == samples


def test_a_flac_with_a_tag_before_it(tmp_path):
    """Its last samples cannot be read by libsndfile."""
    path = tmp_path / "a.flac"
    audio.write(path, sound().T, RATE)
    right = audio.read(path)
    path.write_bytes(b"ID3\x03\x00\x00\x00\x01\x1c\x20" + bytes(20_000) + path.read_bytes())
    assert np.array_equal(audio.read(path), right)
    assert_stretches_are_the_whole(path)


@needs_ffmpeg
def test_memory_does_not_grow_with_the_file(tmp_path):
    path = mp3(tmp_path / "a.mp3", "-q:a", "4", "-write_xing", "0")
    peaks = []
    for times in (3, 60):
        (tmp_path / f"{times}.mp3").write_bytes(path.read_bytes() * times)
        tracemalloc.start()
        with audio.Reader(tmp_path / f"{times}.mp3") as reader:
            for start in range(0, reader.frames - 50_000, 50_000):
                reader.read(start, 50_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
