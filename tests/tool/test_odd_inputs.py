"""Odd inputs to `bsrnn separate`, and what happens to each: the table in book/odd_inputs.md is what this test finds.

To write the table anew: BSRNN_WRITE=1 python -m pytest tests/tool/test_odd_inputs.py
"""

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fake_models import Fake
from places import REPOSITORY

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.audio import files as audio
from bsrnn.audio import mpeg
from bsrnn.audio.kinds import FORMATS
from bsrnn.config import ModelConfig
from bsrnn.tool import stem_provenance as provenance

PAGE = REPOSITORY / "book" / "odd_inputs.md"
START, END = "<!-- table:start -->", "<!-- table:end -->"
RATE = 44100
NOISY = ("PCM_U8", "ULAW", "IMA_ADPCM", "MPEG_LAYER_III")  # their noise lies beyond the band, too
SEGMENTS = ("--segment", "0.2", "--hop", "0.1")


def noise(frames=2000, channels=2, level=0.5):
    return np.random.default_rng(frames + channels).uniform(-level, level, (frames, channels))  # (L, C)


def tones(frames, channels=2, rate=RATE):
    """Of 200 and 250 Hz, fading in and out: what any rate and any lossy format keeps."""
    time = np.arange(frames)[:, None] / rate
    return 0.4 * np.sin(2 * np.pi * (200 + 50 * np.arange(channels)) * time) * np.hanning(frames)[:, None]


def sound(subtype=None, rate=RATE, format=None, signal=None, **shape):
    """Writes an ordinary sound in an odd format."""
    return lambda path: soundfile.write(path, tones(rate // 8, rate=rate, **shape) if signal is None else signal, rate,
                                        subtype, format=format)  # fmt: skip


def bytes_of(content):
    return lambda path: path.write_bytes(content)


def changed(make, change):
    """Writes a file, then changes its bytes."""

    def both(path):
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return both


def at(place, value, signal=None):
    signal = noise() if signal is None else signal
    signal[place] = value
    return sound("FLOAT", signal=signal)


def half(content):
    return content[: len(content) // 2]


def streamed(content):
    place = content.index(b"data") + 4
    return content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :]


def with_chunk(content):
    extra = b"note" + struct.pack("<I", 6) + b"hello!"
    return content[:4] + struct.pack("<I", len(content) + len(extra) - 8) + content[8:] + extra


def tagged(content):
    return b"ID3\x03\x00\x00\x00\x00\x00\x0aTIT2......" + content


def folder_of(*names):
    def make(path):
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            sound(format=None if Path(name).suffix in FORMATS else "WAV")(path / name)

    return make


def varying(path):
    soundfile.write(path, tones(60_000) + noise(60_000, level=0.2) * np.linspace(0, 1, 60_000)[:, None] ** 8, RATE,
                    bitrate_mode="VARIABLE", compression_level=0.5)  # fmt: skip


def untagged(content):
    return content[mpeg.header(content[:4]).size :]


def twice(content):
    return content * 2


def promising(frames):
    def change(content):
        place = re.search(b"Xing|Info", content).start() + 8
        return content[:place] + frames.to_bytes(4, "big") + content[place + 4 :]

    return change


def two_rates(path):
    sound()(path)
    first = path.read_bytes()
    sound(rate=48000)(path)
    path.write_bytes(first + path.read_bytes())


def of_thousand(content):
    return content[:22] + (1000).to_bytes(4, "big") + content[26:]


def of_no_length(content):
    return content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:]


# four frames of silence: 32 kbit/s at 44.1 kHz, mono, no allocation for any band
LAYER_TWO = (b"\xff\xfd\x10\xc4" + bytes(100)) * 4


def linked(path):
    folder_of("a.wav")(path)
    (path / "b.wav").symlink_to("a.wav")
    os.link(path / "a.wav", path / "c.wav")


def with_stems(path):
    folder_of("a.wav")(path)
    (path / "a").mkdir()
    origin = provenance.Song(path / "a.wav", "0").origin
    with audio.Writer(path / "a" / "vocals.wav", RATE, 2, 100, comment=origin.comment()) as file:
        file.write(np.zeros((2, 100), np.float32))


def circle(path):
    path.symlink_to(path.name)


def link(path):
    path.symlink_to("nowhere.wav")


def nothing(path):
    pass


long_name = "x" * 200
# what it is, the file's name, what makes it, options
CASES = [
    ("one sample", "one.wav", sound(signal=noise(1)), ()),
    ("two samples, mono", "two.wav", sound(signal=noise(2, 1)), ()),
    ("1000 samples, less than half an STFT window", "short.wav", sound(signal=noise(1000)), ()),
    ("mono, 16 bit", "mono.wav", sound("PCM_16", channels=1), ()),
    ("3 channels", "three.wav", sound(channels=3), ()),
    ("5.1: 6 channels, 48 kHz", "surround.wav", sound("PCM_24", 48000, channels=6), ()),
    ("8 channels, flac", "eight.flac", sound(channels=8), ()),
    ("16 channels", "sixteen.wav", sound(channels=16), ()),
    ("8 kHz", "telephone.wav", sound(rate=8000), ()),
    ("11.025 kHz, unsigned 8 bit", "old.wav", sound("PCM_U8", 11025), ()),
    ("22.05 kHz, flac", "half.flac", sound(rate=22050), ()),
    ("44.056 kHz, a rate next to the model's", "video.wav", sound(rate=44056), ()),
    ("48 kHz, 24 bit", "studio.wav", sound("PCM_24", 48000), ()),
    ("96 kHz, flac of 24 bit", "fine.flac", sound("PCM_24", 96000), ()),
    ("192 kHz, 32 bit", "finest.wav", sound("PCM_32", 192000), ()),
    ("32-bit float", "float.wav", sound("FLOAT"), ()),
    ("64-bit float", "double.wav", sound("DOUBLE"), ()),
    ("mu-law", "mulaw.wav", sound("ULAW", 8000), ()),
    ("IMA ADPCM", "adpcm.wav", sound("IMA_ADPCM", 22050), ()),
    ("Ogg Vorbis", "vorbis.ogg", sound(rate=32000), ()),
    ("Opus", "opus.opus", sound("OPUS", 48000, "OGG"), ()),
    ("mp3, stereo", "stereo.mp3", sound(), ()),
    ("mp3, mono, 22.05 kHz", "speech.mp3", sound(rate=22050, channels=1), ()),
    ("mp3 with a tag before it", "tagged.mp3", changed(sound(), tagged), ()),
    ("AIFF", "apple.aiff", sound("PCM_16"), ()),
    ("AU", "sun.au", sound("PCM_16"), ()),
    ("CAF", "core.caf", sound("PCM_24"), ()),
    ("Wave64", "large.w64", sound("PCM_16"), ()),
    ("RF64, a wav for more than 4 GB", "rf64.wav", sound("PCM_16", format="RF64"), ()),
    ("a wav of unknown length, as a pipe writes it", "piped.wav", changed(sound("PCM_16"), streamed), ()),
    ("a wav with an unknown chunk after the sound", "chunk.wav", changed(sound("PCM_16"), with_chunk), ()),
    ("capital letters in the ending", "LOUD.WAV", sound("PCM_16", format="WAV"), ()),
    ("a wav whose name ends in .mp3", "really_wav.mp3", sound("PCM_16", format="WAV"), ()),
    ("a wav without ending", "nameless", sound("PCM_16", format="WAV"), ()),
    ("a name with spaces and letters of other languages", "Ça va? 你好.wav", sound("PCM_16"), ()),
    ("a name of 200 letters", long_name + ".wav", sound("PCM_16"), ()),
    ("a hidden file, given by name", ".hidden.wav", sound("PCM_16"), ()),
    ("silence", "silence.wav", sound(signal=np.zeros((3000, 2))), ()),
    ("one silent channel", "left.wav", sound("FLOAT", signal=noise() * [1, 0]), ()),
    ("a square wave at full scale", "square.wav", sound("FLOAT", signal=np.sign(noise())), ()),
    ("nothing but a constant", "constant.wav", sound("FLOAT", signal=np.full((3000, 2), 0.5)), ()),
    ("samples up to 4, beyond full scale", "loud.wav", at((7, 0), 4.0), ()),
    ("the same, cut off", "cut.wav", at((7, 0), 4.0), ("--clip-mode", "clamp")),
    ("the same, as float", "kept.wav", at((7, 0), 4.0), ("--float32",)),
    ("samples of 1e30", "huge.wav", sound("FLOAT", signal=noise(level=1e30)), ("--float32",)),
    ("samples of 1e-30", "tiny.wav", sound("FLOAT", signal=noise(level=1e-30)), ("--float32",)),
    ("one sample that is not a number", "nan.wav", at((1000, 1), np.nan), ()),
    ("ten infinite samples", "inf.wav", at(slice(100, 105), np.inf), ()),
    ("not one finite sample", "all_nan.wav", at(slice(None), np.nan), ()),
    ("an empty file", "empty.wav", bytes_of(b""), ()),
    ("a header without samples", "header.wav", sound(signal=np.zeros((0, 2))), ()),
    ("half of a wav", "half.wav", changed(sound("PCM_16"), half), ()),
    ("half of an AIFF", "half.aiff", changed(sound("PCM_16"), half), ()),
    ("half of an AU", "half.au", changed(sound("PCM_16"), half), ()),
    ("half of a Wave64", "half.w64", changed(sound("PCM_16"), half), ()),
    ("half of a flac", "broken.flac", changed(sound(signal=noise(100_000, level=0.3)), half), ()),
    ("half of an mp3", "broken.mp3", changed(sound(signal=noise(100_000, level=0.3)), half), ()),
    ("half of an Ogg Vorbis", "broken.ogg", changed(sound(signal=noise(100_000, level=0.3)), half), ()),
    ("a text called .wav", "text.wav", bytes_of(b"This is not audio, whatever its name says."), ()),
    ("a picture called .mp3", "picture.mp3", bytes_of(b"\x89PNG\r\n\x1a\n" + bytes(200)), ()),
    ("an m4a, which libsndfile does not know", "phone.m4a", bytes_of(b"\0\0\0\x20ftypM4A \0\0\2\0" + bytes(99)), ()),
    ("an mp3 of variable rate without its number of frames", "variable.mp3", changed(varying, untagged), ()),
    ("two mp3s joined", "joined.mp3", changed(sound(), twice), ()),
    ("an mp3 whose header promises too few frames", "few.mp3", changed(sound(), promising(2)), ()),
    ("an mp3 whose header promises too many frames", "many.mp3", changed(sound(), promising(5000)), ()),
    ("two mp3s joined, of two rates", "rates.mp3", two_rates, ()),
    ("two Ogg Vorbis files joined", "joined.ogg", changed(sound(), twice), ()),
    ("a flac of unknown length, as a pipe writes it", "piped.flac", changed(sound(), of_no_length), ()),
    ("a flac whose header promises too few samples", "few.flac", changed(sound(), of_thousand), ()),
    ("MPEG layer II", "layer2.mp2", bytes_of(LAYER_TWO), ()),
    ("samples without a header", "samples.raw", bytes_of(bytes(range(256)) * 8), ()),
    ("a git-lfs pointer", "pointer.wav", bytes_of(b"version https://git-lfs.github.com/spec/v1\nsize 9\n"), ()),
    ("a header of 1 Hz", "slow.wav", sound(rate=1, signal=noise()), ()),
    ("no such file", "missing.wav", nothing, ()),
    ("a link that leads nowhere", "link.wav", link, ()),
    ("links that lead in a circle", "circle.wav", circle, ()),
    ("a name that is too long for the disk", "x" * 300 + ".wav", nothing, ()),
    ("a file called ...wav", "...wav", sound("PCM_16", format="WAV"), ()),
    ("a device", "/dev/null", nothing, ()),
    ("a named pipe", "pipe.wav", os.mkfifo, ()),
    ("a folder of songs", "album", folder_of("a.wav", "b.flac", "notes.txt.wav"), ()),
    ("a folder with a mixture and its stems", "song", folder_of("mixture.wav", "vocals.wav", "drums.wav"), ()),
    ("a folder with a mixture called Mix", "Other song", folder_of("Mix.wav", "Vocals.wav", "drums.wav"), ()),
    ("a folder with names that begin with dots", "dots", folder_of("...a.wav", ".b/c.wav", "._d.wav"), ()),
    ("a folder with an m4a and a picture", "phone", folder_of("a.wav", "b.m4a", "cover.jpg"), ()),
    ("a folder without audio", "photos", lambda path: path.mkdir(), ()),
    ("two files of one name", "same", folder_of("a.wav", "a.flac"), ()),
    ("a file and two links to it", "links", linked, ()),
    ("a song, and stems of an earlier call", "again", with_stems, ()),
    ("96 kHz, as mp3", "fine_mp3.wav", sound(rate=96000), ("--format", "mp3")),
    ("6 channels, as mp3", "wide_mp3.wav", sound(channels=6), ("--format", "mp3")),
    ("9 channels, as flac", "wide_flac.wav", sound(channels=9), ("--format", "flac")),
    ("44.1 kHz, as flac, 24 bit", "as_flac.wav", sound(), ("--format", "flac", "--int24")),
    ("8 kHz, mono, as mp3", "as_mp3.wav", sound(rate=8000, channels=1), ("--format", "mp3")),
    ("96 kHz, 6 channels, as ogg", "as_ogg.wav", sound(rate=96000, channels=6), ("--format", "ogg")),
]


def happened(source, folder, out, code, capsys):
    """In words: what was written for a song and what was said, without what depends on a machine."""
    captured = capsys.readouterr()
    files = [Path(line) for line in captured.out.splitlines()]
    assert files == [path for path in files if path.is_file()] and set(files) == {
        path for path in out.rglob("*") if path.is_file()
    }
    words = []
    for path in files:
        info = soundfile.info(path)
        kind = {"PCM_16": "16 bit", "PCM_24": "24 bit", "FLOAT": "float"}.get(info.subtype, "")
        what = f"{info.frames} samples, {info.channels} ch., {info.samplerate} Hz, {path.suffix[1:]} {kind}".strip()
        words.append(what if len(files) == 1 else f"{path.parent.name}: {what}")
    said = [line.removeprefix("bsrnn separate: ") for line in captured.err.splitlines()]
    for line in said:
        if line.startswith("note: "):
            line = re.sub(r"`ffmpeg -i \S+ \S+`", "`ffmpeg -i ...`", line.replace(str(source), "it"))
            words.append("*" + line.removeprefix("note: it: ") + "*")
            continue
        if "could not be separated" in line:
            continue
        line = re.sub(rf"{out}/[^/]+/", "", line)
        line = re.sub(r": expected .*|, expected .*|; .*| \((?!0 bytes).*", "", line.replace(str(source), "it"))
        line = re.sub(r"\S+/(?=a\.)", "", line).removeprefix("it: ")
        line = re.sub(r"\d+ of (the )?\d+|(?<=from sample )\d+", "...", line)
        words.append(line if re.search("zero|quieter|its stems|no songs", line) else f"**refused**: {line}")
    assert code == (1 if any("could not be separated" in line for line in said) else 0)
    return "; ".join(words), files


def write_inputs(folder):
    for _, name, make, _ in CASES:
        make(folder / name)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


def test_there_are_enough_and_none_is_there_twice():
    assert len(CASES) >= 40
    for column in (0, 1):
        assert len({case[column] for case in CASES}) == len(CASES)


@pytest.fixture(scope="module")
def table(inputs, tmp_path_factory):
    """What happened to each, filled in by the tests of this module."""
    return {}


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_comes_back_is_the_input(case, inputs, table, tmp_path, monkeypatch, capsys):
    """With a model that changes nothing: the exact length, rate and channels, and the samples as far as formats go."""
    what, name, _, options = case
    monkeypatch.setattr(checkpoint, "load", lambda *_: Fake(sample_rate=RATE, n_fft=2048))
    source, out = inputs / name, tmp_path / "out"
    code = cli.main(
        ["separate", "-q", "-o", str(out), "--model", str(tmp_path), *SEGMENTS, *options, "--", str(source)]
    )
    words, files = happened(source, inputs, out, code, capsys)
    if what.startswith("half"):
        words = re.sub(r"^\d+ samples", "as many samples as are left", words)
        words = re.sub(r"holds \d+|\d+(?= samples are taken)", "...", words)
    table[what] = words
    if len(files) != 1 or source.is_dir():
        return
    with audio.Reader(source, forgiving=True) as reader:  # soundfile may read too little
        given, rate = reader.read().T, reader.sample_rate
    got, got_rate = soundfile.read(files[0], always_2d=True)
    assert got.shape == given.shape and got_rate == rate
    peak = np.abs(given).max()
    if "--clip-mode" in options:
        given = np.clip(given, -1, 1)
    elif peak > 1 and "--float32" not in options:
        given *= 0.99 / peak
    lossy = "--format" in options and options[1] in ("mp3", "ogg")
    noisy = soundfile.info(source).subtype in NOISY
    assert np.abs(got - given).max() <= max(peak, 1e-4) * (0.1 if lossy else 0.01 if noisy else 2e-4)


def test_a_real_model_gives_the_same_shapes(inputs, tmp_path, capsys):
    """All in one call: the bad ones do not stop the good ones, and no value is anything but finite."""
    torch.manual_seed(0)
    model = bsrnn.BSRNN(ModelConfig(targets=("a",), band_split="v1", features=4, modules=1))
    checkpoint.save(model, tmp_path / "model")
    sources = [str(inputs / name) for _, name, _, options in CASES if not options]
    out = tmp_path / "out"
    arguments = ["separate", "-q", "--float32", "-j", "2", "-o", str(out), "--model", str(tmp_path / "model")]
    assert cli.main([*arguments, *SEGMENTS, "--", *sources]) == 1
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(files) > 45
    for path in files:
        found = [Path(source) for source in sources if Path(source).stem == path.parent.name and Path(source).is_file()]
        got, rate = soundfile.read(path, always_2d=True)
        assert np.isfinite(got).all()
        if len(found) == 1:
            info = audio.info(found[0])
            assert (*got.shape, rate) == (info.frames, info.channels, info.sample_rate)
    silence = soundfile.read(out / "model" / "silence" / "a.wav")[0]
    assert not silence.any()


def test_the_table_is_what_happened(table):
    if len(table) < len(CASES):
        pytest.skip("needs the other tests of this file before it")
    rows = [f"| {index} | {what} | {table[what].replace('|', '/')} |" for index, (what, *_) in enumerate(CASES, 1)]
    rows = [row.replace(long_name, "xxx...") for row in rows]
    lines = ["| | input | what happens |", "| --- | --- | --- |", *rows]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    expected = f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}"
    if os.environ.get("BSRNN_WRITE"):
        PAGE.write_text(expected, encoding="utf-8")
    assert text == expected, "not what happens: BSRNN_WRITE=1 python -m pytest tests/tool/test_odd_inputs.py"
