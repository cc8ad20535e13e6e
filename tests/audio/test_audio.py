"""Audio in and out: exact values where the format is lossless, clear errors where a file is not what it should be."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bsrnn.audio import files as audio
from bsrnn.errors import BSRNNError, DataError

RATE = 44100
IO_COUNTS = Path("/proc/self/io")  # Linux: bytes that this process has read


def tone(frames=RATE, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / RATE
    return np.stack(
        [0.4 * np.sin(2 * np.pi * 440 * (c + 1) * time) + 0.05 * rng.standard_normal(frames) for c in range(channels)]
    ).astype(np.float32)  # (C, L)


@pytest.mark.parametrize(
    "name, subtype, tolerance",
    [("a.wav", None, 0.0), ("a.wav", "PCM_16", 2**-16), ("a.flac", None, 2**-23), ("A.FLAC", "PCM_16", 2**-16)],
)
def test_lossless_round_trip(tmp_path, name, subtype, tolerance):
    path, written = tmp_path / name, tone()
    audio.write(path, written, RATE, subtype)
    got = audio.read(path)
    assert audio.info(path) == audio.AudioInfo(RATE, RATE, 2)
    assert got.dtype == np.float32 and got.flags.c_contiguous
    assert np.abs(got - written).max() <= tolerance
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("subtype, bits", [("PCM_16", 16), ("PCM_24", 24)])
def test_integer_encodings_round_and_clip_and_are_stable(tmp_path, subtype, bits):
    step = 2.0 ** (1 - bits)
    wanted = np.array([[0, 0.4, 0.6, -0.4, -0.6, 1000, -1000]]) * step
    audio.write(tmp_path / "a.wav", np.concatenate([wanted, [[1.5, -1.5, 1.0]]], axis=1), RATE, subtype)
    first = audio.read(tmp_path / "a.wav", channels=1)
    assert np.array_equal(first[0] / step, [0, 0, 1, 0, -1, 1000, -1000, 1 / step - 1, -1 / step, 1 / step - 1])
    audio.write(tmp_path / "b.wav", first, RATE, subtype)
    assert np.array_equal(audio.read(tmp_path / "b.wav", channels=1), first)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_round_trip(tmp_path, name):
    path, written = tmp_path / name, tone()
    audio.write(path, written, RATE)
    got = audio.read(path)
    assert got.shape == written.shape
    assert np.sum(written**2) / np.sum((got - written) ** 2) > 10  # 10 dB: the same signal, not shifted


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_part_is_the_part(tmp_path, name):
    path = tmp_path / name
    audio.write(path, tone(), RATE)
    whole = audio.read(path)
    assert np.array_equal(audio.read(path, 12345, 1000), whole[:, 12345:13345])
    assert np.array_equal(audio.read(path, 40000), whole[:, 40000:])
    assert audio.read(path, RATE, 0).shape == (2, 0)


def test_float_wav_keeps_what_exceeds_full_scale(tmp_path):
    loud = 3 * tone(frames=1000)
    audio.write(tmp_path / "a.wav", loud, RATE)
    audio.write(tmp_path / "b.wav", loud, RATE, "PCM_16")
    assert np.array_equal(audio.read(tmp_path / "a.wav"), loud)
    assert np.abs(audio.read(tmp_path / "b.wav")).max() <= 1.0


def test_minutes_of_ogg_are_written(tmp_path):
    """libsndfile crashes when it gets so much in one piece."""
    audio.write(tmp_path / "a.ogg", np.zeros((2, 400 * 8000), np.float32), 8000)
    assert audio.info(tmp_path / "a.ogg").frames == 400 * 8000


def test_a_wav_beyond_4_gb_is_an_rf64_one(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "WAV_BYTES", 4000)
    audio.write(tmp_path / "a.wav", tone(frames=500), RATE)
    audio.write(tmp_path / "b.wav", tone(frames=501), RATE)
    assert [(tmp_path / name).read_bytes()[:4] for name in ("a.wav", "b.wav")] == [b"RIFF", b"RF64"]
    assert np.array_equal(audio.read(tmp_path / "b.wav"), tone(frames=501))


def test_mono_gives_two_equal_channels(tmp_path):
    mono = tone(channels=1)
    audio.write(tmp_path / "a.wav", mono, RATE)
    got = audio.read(tmp_path / "a.wav")
    assert got.shape == (2, RATE)
    assert np.array_equal(got[0], mono[0]) and np.array_equal(got[1], mono[0])
    assert np.array_equal(audio.read(tmp_path / "a.wav", channels=0), mono)
    assert np.array_equal(audio.read(tmp_path / "a.wav", channels=1), mono)


def test_more_channels_than_wanted(tmp_path):
    audio.write(tmp_path / "a.wav", tone(frames=100, channels=4), RATE)
    with pytest.raises(DataError, match=r"a\.wav: 4 channels, expected 1 or 2; mix it down"):
        audio.read(tmp_path / "a.wav")
    assert audio.read(tmp_path / "a.wav", channels=0).shape == (4, 100)


def test_reading_a_part_reads_a_part(tmp_path):
    path, frames = tmp_path / "long.wav", 120 * RATE  # 21 MB on disk, 42 MB as float32
    block = (tone() * 32767).astype(np.int16).T
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as handle:
        for _ in range(frames // RATE):
            handle.write(block)
    wanted = 3 * RATE
    counted = IO_COUNTS.exists()
    read_before = int(IO_COUNTS.read_text().split()[1]) if counted else 0
    tracemalloc.start()
    got = audio.read(path, 100 * RATE, wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    read = int(IO_COUNTS.read_text().split()[1]) - read_before if counted else 0
    assert np.array_equal(got[:, :RATE], block.T / np.float32(32768))
    assert peak < 3.5 * got.nbytes  # the samples, transposed and checked; the whole file would be 40 times as much
    assert read < 1.5 * wanted * 4  # bytes from the disk: 2 channels of 16 bit


@pytest.mark.parametrize("start, frames", [(-1, 5), (0, 1001), (1001, -1), (995, 10)])
def test_samples_outside_the_file(tmp_path, start, frames):
    audio.write(tmp_path / "a.wav", tone(frames=1000), RATE)
    with pytest.raises(DataError, match=r"a\.wav: samples .* asked for, but it has 1000"):
        audio.read(tmp_path / "a.wav", start, frames)


@pytest.mark.parametrize(
    "content, got",
    [
        (b"", r"an empty file \(0 bytes\)"),
        (b"this is not audio, whatever its name says", "not readable as audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not readable as audio"),
        (b"\xff\xfb\x90\x64 no frame follows", "not readable as audio"),
    ],
)
def test_not_audio(tmp_path, content, got):
    path = tmp_path / "vocals.wav"
    path.write_bytes(content)
    for function in (audio.info, audio.read):
        with pytest.raises(DataError, match=rf"vocals\.wav: {got}.*expected audio.*get it again"):
            function(path)


@pytest.mark.parametrize("name", ["a.raw", "a.au", "a.vox", "a.gsm", "a.mp3", "a.snd"])
def test_samples_without_a_header_are_no_audio(tmp_path, name, capfd):
    """libsndfile would take some for sound of 8 kHz by the ending of their names, and soundfile raises a TypeError."""
    (tmp_path / name).write_bytes(bytes(range(256)) * 8)
    with pytest.raises(DataError, match=rf"{name}: not readable as audio .2048 bytes;.*expected audio.*`ffmpeg -i "):
        audio.info(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_a_git_lfs_pointer_is_named(tmp_path):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    (tmp_path / "vocals.wav").write_text(text)
    with pytest.raises(DataError, match=r"vocals\.wav: a pointer of Git LFS, not the file itself.*`git lfs pull`"):
        audio.info(tmp_path / "vocals.wav")


@pytest.mark.parametrize("rate, taken", [(1, False), (99, False), (100, True), (768_000, True), (2_822_400, False)])
def test_absurd_rates(tmp_path, rate, taken):
    soundfile.write(tmp_path / "a.wav", tone(500).T, rate, "PCM_16")
    if taken:
        assert audio.info(tmp_path / "a.wav").sample_rate == rate
        return
    with pytest.raises(DataError, match=rf"a\.wav: a rate of {rate} Hz, expected 100 to 768000; its header is damaged"):
        audio.info(tmp_path / "a.wav")


def test_what_the_system_refuses_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="a name in it is too long for the system, expected audio"):
        audio.info(tmp_path / ("x" * 300 + ".wav"))
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    with pytest.raises(DataError, match=r"loop\.wav: cannot be read: its links lead in a circle"):
        audio.info(tmp_path / "loop.wav")
    audio.write(tmp_path / "a.wav", tone(10), RATE)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"a\.wav: cannot be read: no permission, expected audio; change the rights"):
        audio.info(tmp_path / "a.wav")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.wav: no such file"):
        audio.read(tmp_path / "nothing.wav")
    with pytest.raises(DataError, match="a folder, expected audio"):
        audio.read(tmp_path)


@pytest.mark.parametrize(
    "name, pattern",
    [
        ("a.wav", r"a\.wav: cut off, \d+ of 176400 bytes"),
        ("a.flac", r"a\.flac: (cannot be decoded|ends after)"),
    ],
)
def test_cut_off_file(tmp_path, name, pattern):
    path = tmp_path / name
    audio.write(path, tone(), RATE, "PCM_16" if name == "a.wav" else None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=pattern):
        audio.read(path)


KINDS = [("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("WAV", "IMA_ADPCM"), ("RF64", "PCM_16"), ("W64", "FLOAT"),
         ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AIFF", "ULAW"), ("AU", "PCM_16"), ("VOC", "PCM_16"),
         ("CAF", "PCM_24"), ("CAF", "ALAC_16")]  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype"), KINDS, ids=lambda value: value.lower())
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_cut_off_file_of_any_kind_is_refused_and_a_whole_one_read(tmp_path, kind, subtype, share):
    """libsndfile would take what is left of most of them, and say nothing."""
    path = tmp_path / f"a.{'wav' if kind == 'WAVEX' else kind.lower()}"
    soundfile.write(path, tone().T, RATE, subtype, format=kind)
    assert audio.info(path).frames >= tone().shape[1]  # some encodings fill their last block up
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
    with pytest.raises(DataError, match="cut off|not readable as audio"):
        audio.read(path)


def test_header_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(DataError, match="a header without samples"):
        audio.info(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("kind", "chunk", "length"),
    [("WAV", b"data", 0xFFFFFFFF), ("WAV", b"data", 0x7FFFF000), ("AIFF", b"SSND", 0x7F000008)],
)
def test_a_streamed_file_is_not_taken_for_a_cut_one(tmp_path, kind, chunk, length):
    """ffmpeg and sox write such a length when they write to a pipe."""
    path, written = tmp_path / f"a.{kind.lower()}", np.rint(tone(frames=1000) * 2**15) / 2**15
    soundfile.write(path, written.T, RATE, "PCM_16", format=kind)
    content = bytearray(path.read_bytes())
    at = content.index(chunk) + 4
    content[at : at + 4] = length.to_bytes(4, "little" if kind == "WAV" else "big")
    path.write_bytes(content)
    assert audio.info(path).frames == 1000
    assert np.array_equal(audio.read(path), written)


def test_values_that_are_not_finite(tmp_path):
    broken = tone(frames=100)
    broken[1, 50] = np.nan
    soundfile.write(tmp_path / "a.wav", broken.T, RATE, "FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: samples 0 to 100 hold values that are not finite"):
        audio.read(tmp_path / "a.wav")
    assert audio.read(tmp_path / "a.wav", 0, 50).shape == (2, 50)


def test_write_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(DataError, match=r"unknown ending '\.aiff', expected one of \.wav"):
        audio.write(tmp_path / "a.aiff", tone(), RATE)
    with pytest.raises(DataError, match=r"shape \(44100, 2\), expected \(channels, samples\)"):
        audio.write(tmp_path / "a.wav", tone().T, RATE)
    with pytest.raises(DataError, match="could not be written"):
        audio.write(tmp_path / "a.mp3", tone(), 12345)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_writing(tmp_path, monkeypatch):
    """soundfile only asserts that all samples went out; the cause is then looked up."""
    path = tmp_path / "a.wav"
    audio.write(path, tone(frames=10), RATE)
    old = path.read_bytes()

    def short_write(*_):
        raise AssertionError

    monkeypatch.setattr(soundfile.SoundFile, "write", short_write)
    monkeypatch.setattr(audio.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(BSRNNError, match=r"disk full while writing .*a\.wav"):
        audio.write(path, tone(), RATE)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_other_formats_are_read(tmp_path):
    for name, format in (("a.aiff", "AIFF"), ("a.au", "AU"), ("a.caf", "CAF"), ("a.w64", "W64")):
        soundfile.write(tmp_path / name, tone().T, RATE, "FLOAT", format=format)
        assert np.array_equal(audio.read(tmp_path / name), tone())


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_reading_at_another_rate_is_resampling_the_whole(tmp_path, name):
    path = tmp_path / name
    audio.write(path, tone(), RATE)
    whole = audio.resample(audio.read(path), RATE, 48000)
    assert audio.info(path, 48000) == audio.AudioInfo(48000, 48000, 2)
    assert np.abs(audio.read(path, sample_rate=48000) - whole).max() < 1e-6
    assert np.abs(audio.read(path, 12345, 1000, sample_rate=48000) - whole[:, 12345:13345]).max() < 1e-6
    with pytest.raises(DataError, match="samples 47990 to 48010 asked for, but it has 48000"):
        audio.read(path, 47990, 20, sample_rate=48000)


def test_reading_a_part_at_another_rate_reads_a_part(tmp_path, monkeypatch):
    audio.write(tmp_path / "a.wav", tone(10 * RATE), RATE)
    asked, read = [], audio.Reader._read
    monkeypatch.setattr(audio.Reader, "_read", lambda self, *part: asked.append(part) or read(self, *part))
    with audio.Reader(tmp_path / "a.wav", 48000) as reader:
        assert reader.read(5 * 48000, 480).shape == (2, 480)
    ((start, frames),) = asked
    assert 5 * RATE - 1200 < start < 5 * RATE and frames < 441 + 2400  # the filter's margin and whole blocks of 147


@pytest.mark.parametrize("channels", range(1, 9))
def test_stereo_from_any_number_of_channels(channels):
    wide = tone(100, channels)
    mixed = audio.to_stereo(wide)
    assert mixed.shape == (2, 100) and np.abs(audio.to_stereo(np.ones_like(wide)) - 1).max() < 1e-6  # full scale stays
    if channels > 2:
        assert np.corrcoef(mixed[0], wide[0])[0, 1] > np.corrcoef(mixed[0], wide[1])[0, 1]  # left stays left
    else:
        assert np.array_equal(mixed, wide[[0, -1]])


def test_stereo_from_channels_that_nobody_can_name():
    with pytest.raises(DataError, match="got 9 channels, expected at most 8; mix them down"):
        audio.to_stereo(tone(10, 9))
