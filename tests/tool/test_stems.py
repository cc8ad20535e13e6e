"""From a song's file to its stems' files: what a model that changes nothing gives back, and what cannot be."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from fake_models import Fake
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bsrnn.audio import files as audio
from bsrnn.config import ModelConfig, SeparateConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.separation import separate
from bsrnn.tool import stems
from bsrnn.tool.stems import Output, in_step, separate_file, stem_names

FLOAT = Output(encoding="float32")
SHORT = settings(max_examples=25)
RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000]


def song(frames, channels=2, seed=0, level=0.5):
    return np.random.default_rng(seed).uniform(-level, level, (channels, frames)).astype(np.float32)


def band_limited(frames, channels, rate, highest):
    """Sines below ``highest`` Hz that fade in and out slowly: no edge that a filter would see."""
    rng, time = np.random.default_rng(frames), np.arange(frames) / rate
    waves = [np.sin(2 * np.pi * (hz * time + rng.uniform())) for hz in rng.uniform(50, highest, 5)]
    return (rng.uniform(-0.15, 0.15, (channels, 5)) @ waves * np.hanning(frames)).astype(np.float32)


def read(path):
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


def separated(folder, mixture, rate, models, segment_seconds=3.0, hop_seconds=1.5, **options):
    """Write, separate, read back: name -> (C, L)."""
    audio.write(folder / "song.wav", mixture, rate)
    options = {"output": FLOAT, "settings": SeparateConfig(segment_seconds, hop_seconds)} | options
    result = separate_file(models, folder / "song.wav", folder / "out", **options)
    for path in result.files:
        assert soundfile.info(path).samplerate == rate
    return {path.stem: read(path) for path in result.files}


@SHORT
@given(
    frames=st.integers(8, 400),
    channels=st.integers(1, 8),
    rate=st.sampled_from(RATES),
    segment=st.integers(5, 300),
    hop=st.integers(1, 300),
)
def test_any_length_channels_segment_and_hop_give_back_the_input(
    tmp_path_factory, frames, channels, rate, segment, hop
):
    mixture, times = (
        song(frames, channels),
        {"segment_seconds": segment / rate, "hop_seconds": min(hop, segment) / rate},
    )
    model = Fake(sample_rate=rate)
    got = separated(tmp_path_factory.mktemp("a"), mixture, rate, model, **times)["a"]
    assert got.shape == mixture.shape and np.abs(got - mixture).max() < 1e-5
    in_memory = separate(model, mixture, rate, **times)["a"]
    assert in_memory.shape == mixture.shape and np.abs(in_memory - mixture).max() < 1e-5


@SHORT
@example(frames=8, channels=3, rate=88200, model_rate=16000, hop=0.02)  # two samples inside, fewer than channels
@given(
    frames=st.integers(8, 6000),
    channels=st.integers(1, 3),
    rate=st.sampled_from(RATES),
    model_rate=st.sampled_from([16000, 44100, 48000]),
    hop=st.floats(0.01, 0.06),
)
def test_any_rate_gives_back_what_lies_in_the_band_and_the_exact_length(
    tmp_path_factory, frames, channels, rate, model_rate, hop
):
    """1e-4 for signals below 0.85 of both Nyquist frequencies; and files and memory give the same."""
    mixture = band_limited(frames, channels, rate, 0.42 * min(rate, model_rate))
    model, times = Fake(sample_rate=model_rate), {"segment_seconds": 0.06, "hop_seconds": hop}
    got = separated(tmp_path_factory.mktemp("a"), mixture, rate, model, **times)["a"]
    in_memory = separate(model, mixture, rate, **times)["a"]
    assert got.shape == in_memory.shape == mixture.shape
    assert np.abs(got - in_memory).max() < 1e-5
    if frames > 0.1 * rate:  # shorter ones fade in so fast that they are not band-limited
        assert np.abs(got - mixture).max() < 1e-4


def test_a_real_model_gives_the_same_from_disk_and_in_memory(tmp_path):
    torch.manual_seed(0)
    settings = {"band_split": (3, 5, 9), "n_fft": 32, "hop_samples": 8, "features": 4, "modules": 1}
    one = BSRNN(ModelConfig(targets=("a", "b"), sample_rate=1000, **settings)).eval()
    other = BSRNN(ModelConfig(targets=("c",), sample_rate=1250, **settings)).eval()
    mixture, times = song(5300, 3), {"segment_seconds": 0.5, "hop_seconds": 0.2}
    got = separated(tmp_path, mixture, 1000, [one, other], **times)
    expected = separate(one, mixture, 1000, **times) | separate(other, mixture, 1000, **times)
    assert list(got) == ["a", "b", "c"]
    for name in got:
        assert np.abs(got[name] - expected[name]).max() < 1e-5


def test_silence_stays_silence_and_channels_stay_apart(tmp_path):
    torch.manual_seed(0)
    model = BSRNN(ModelConfig(band_split="v1", features=4, modules=1)).eval()
    mixture = song(20000, 3)
    mixture[1] = 0
    got = separated(tmp_path, mixture, 44100, model)["vocals"]
    alone = separated(tmp_path, mixture[2:], 44100, model)["vocals"]
    assert not got[1].any() and got[0].any() and np.abs(got[2:] - alone).max() < 1e-6


def test_stems_and_what_is_left_add_up(tmp_path):
    mixture = song(3000)
    model = Fake(lambda x: torch.stack([x / 2, x / 8], 1), ("a", "b"))
    got = separated(tmp_path, mixture, 100, model, residual=True)
    assert list(got) == ["a", "b", "residual"]
    assert np.abs(got["residual"] - mixture * 3 / 8).max() < 1e-6
    two = separated(tmp_path, mixture, 100, [Fake(targets=("c",)), model], two_stems="b")
    assert list(two) == ["b", "no_b"]
    assert np.abs(two["b"] - mixture / 8).max() < 1e-6 and np.abs(two["no_b"] - mixture * 7 / 8).max() < 1e-6


def test_of_a_stem_that_several_models_separate_the_mean_is_written(tmp_path):
    mixture = song(3000)
    voice = Fake(lambda x: (x / 2)[:, None], ("voice",))
    both = Fake(lambda x: torch.stack([x / 8, x / 4], 1), ("kit", "voice"))
    third = Fake(lambda x: (x / 16)[:, None], ("voice",))
    got = separated(tmp_path, mixture, 100, [voice, both, third], residual=True)
    assert list(got) == ["voice", "kit", "residual"]
    mean = (1 / 2 + 1 / 4 + 1 / 16) / 3
    assert np.abs(got["voice"] - mixture * mean).max() < 1e-6
    assert np.abs(got["voice"] + got["kit"] + got["residual"] - mixture).max() < 1e-6
    two = separated(tmp_path, mixture, 100, [voice, third, Fake(targets=("kit",))], two_stems="voice")
    assert np.abs(two["voice"] - mixture * (1 / 2 + 1 / 16) / 2).max() < 1e-6


def test_stems_that_add_up_share_what_they_leave_equally(tmp_path):
    mixture = song(3000)
    models = [Fake(lambda x: torch.stack([x / 2, x / 8], 1), ("a", "b")), Fake(lambda x: (x / 16)[:, None], ("a",))]
    got = separated(tmp_path, mixture, 100, models, adding_up=True)
    left = 1 - 9 / 32 - 1 / 8  # a: the mean of a half and a sixteenth
    assert list(got) == ["a", "b"]
    assert np.abs(got["a"] - mixture * (9 / 32 + left / 2)).max() < 1e-6
    assert np.abs(got["a"] + got["b"] - mixture).max() < 1e-6


def test_models_of_unlike_pace_stay_in_step():
    def cut(audio, places):
        return (audio[..., a:b] for a, b in zip([0, *places], [*places, audio.shape[-1]], strict=True))

    one, other = song(100)[None], song(100, 4, 1).reshape(2, 2, 100)
    got = list(in_step([cut(one, [0, 7, 50]), cut(other, [20, 20, 90, 99])]))
    assert np.array_equal(np.concatenate(got, -1), np.concatenate([one, other]))


@pytest.mark.parametrize(
    ("output", "step"),
    [
        (Output(), 2**-15),
        (Output(encoding="int24"), 2**-23),
        (Output("flac"), 2**-15),
        (Output("flac", "int24"), 2**-23),
    ],
)
def test_integer_encodings_are_exact_to_half_a_step(tmp_path, output, step):
    mixture = song(500)
    got = separated(tmp_path, mixture, 44100, Fake(sample_rate=44100), output=output)["a"]
    assert np.abs(got - mixture).max() <= 0.5 * step + 1e-7


@pytest.mark.parametrize("format", ["mp3", "ogg"])
def test_lossy_formats_keep_rate_channels_and_length(tmp_path, format):
    mixture = band_limited(20001, 2, 44100, 5000)
    got = separated(tmp_path, mixture, 44100, Fake(sample_rate=44100), output=Output(format))["a"]
    assert got.shape == mixture.shape and np.abs(got - mixture).max() < 0.05


def test_too_loud_stems_are_made_quieter_together_or_cut(tmp_path):
    mixture = song(500, level=0.9)
    mixture[0, 100] = 0.9
    model = Fake(lambda x: torch.stack([x * 2, -x], 1), ("a", "b"))
    audio.write(tmp_path / "song.wav", mixture, 100)
    result = separate_file(model, tmp_path / "song.wav", tmp_path / "out", residual=True)
    gain = 0.99 / 1.8
    assert result.gain == pytest.approx(gain)
    got = [read(path) for path in result.files]
    for part, expected in zip(got, (2 * mixture, -mixture, 0 * mixture), strict=True):
        assert np.abs(part - gain * expected).max() < 2**-15
    clamped = separated(tmp_path, mixture, 100, model, output=Output(clip_mode="clamp"))
    assert np.abs(clamped["a"] - np.clip(2 * mixture, -1, 1)).max() < 2**-14
    kept = separated(tmp_path, mixture, 100, model)
    assert np.abs(kept["a"] - 2 * mixture).max() < 1e-6


def test_samples_that_are_not_finite_are_zero_and_counted_once(tmp_path):
    mixture = song(9000)
    broken = mixture.copy()
    broken[0, 100], broken[1, 4000:4003], mixture[0, 100], mixture[1, 4000:4003] = np.nan, -np.inf, 0, 0
    soundfile.write(tmp_path / "song.wav", broken.T, 48000, "FLOAT")
    for rate in (48000, 44100):
        model = Fake(sample_rate=rate)
        result = separate_file(model, tmp_path / "song.wav", tmp_path / "out", output=FLOAT)
        got = read(result.files[0])
        assert result.replaced == 4 and np.isfinite(got).all()
        assert rate != 48000 or np.abs(got - mixture).max() < 1e-6


def test_a_song_without_a_finite_sample_and_a_model_that_diverges(tmp_path):
    soundfile.write(tmp_path / "song.wav", np.full((50, 2), np.nan), 100, "FLOAT")
    with pytest.raises(DataError, match="none of its samples is finite"):
        separate_file(Fake(), tmp_path / "song.wav", tmp_path / "out")
    audio.write(tmp_path / "song.wav", song(50), 100)
    with pytest.raises(DataError, match="from sample 0 on the model gave values that are not finite"):
        separate_file(Fake(lambda x: x[:, None] * torch.inf), tmp_path / "song.wav", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_a_file_that_breaks_off_leaves_nothing_behind(tmp_path):
    path = tmp_path / "song.flac"
    audio.write(path, song(200_000), 44100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"song\.flac: (cannot be decoded|ends after)"):
        separate_file(Fake(sample_rate=44100), path, tmp_path / "out", settings=SeparateConfig(1.0, 1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["song.flac"]


def test_older_stems_stay_when_a_song_fails(tmp_path):
    audio.write(tmp_path / "song.wav", song(50), 100)
    files = separate_file(Fake(), tmp_path / "song.wav", tmp_path / "out").files
    before = files[0].read_bytes()
    with pytest.raises(DataError, match="not finite"):
        separate_file(Fake(lambda x: x[:, None] * torch.inf), tmp_path / "song.wav", tmp_path / "out")
    assert files[0].read_bytes() == before


@pytest.mark.parametrize("files", [2, 3])
def test_a_full_disk_is_said_once(tmp_path, monkeypatch, files):
    audio.write(tmp_path / "song.wav", song(50), 100)

    def full(*_):
        raise AssertionError

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    monkeypatch.setattr(audio.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    with pytest.raises(BSRNNError, match="disk full while writing") as error:
        separate_file(Fake(targets=("a", "b", "c")[:files]), tmp_path / "song.wav", tmp_path / "out")
    assert str(error.value).count("disk full") == 1


@pytest.mark.parametrize(
    ("rate", "channels", "format", "what"),
    [(96000, 2, "mp3", "96000 Hz"), (44100, 3, "mp3", "3 channel"), (44100, 9, "flac", "9 channel")],
)
def test_formats_that_cannot_hold_the_song_say_so_before_the_work(tmp_path, rate, channels, format, what):
    audio.write(tmp_path / "song.wav", song(500, channels), rate)
    model = Fake(sample_rate=44100)
    with pytest.raises(DataError, match=rf"a\.{format}: could not be written: .*{what}"):
        separate_file(model, tmp_path / "song.wav", tmp_path / "out", output=Output(format))
    assert not model.seen and not (tmp_path / "out").exists()


def test_memory_does_not_grow_with_the_song(tmp_path):
    peaks, model = [], Fake(sample_rate=8000)
    for seconds in (90, 180):
        audio.write(tmp_path / "song.wav", song(seconds * 11025, 1), 11025, "PCM_16")
        separate_file(model, tmp_path / "song.wav", tmp_path / "out")  # so that caches are filled
        tracemalloc.start()
        separate_file(model, tmp_path / "song.wav", tmp_path / "out")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0] and peaks[1] < 180 * 11025 * 4  # less than the samples themselves


def test_progress_counts_every_sample_once(tmp_path):
    counts = []
    separated(tmp_path, song(3001), 48000, Fake(sample_rate=44100), progress=counts.append)
    assert sum(counts) == 3001


def test_names_that_cannot_be(tmp_path):
    voice, drums = Fake(targets=("vocals",)), Fake(targets=("drums",))
    assert stem_names([voice, drums], residual=True) == ["vocals", "drums", "residual"]
    assert stem_names([voice, drums], "drums") == ["drums", "no_drums"]
    assert stem_names([voice, drums, Fake(targets=("bass", "vocals"))]) == ["vocals", "drums", "bass"]
    with pytest.raises(ConfigError, match="no model for the stem 'piano': expected one of vocals, drums"):
        stem_names([voice, drums], "piano")
    assert stem_names([voice, drums], adding_up=True) == ["vocals", "drums"]
    for models, two, residual in (([voice], None, False), ([voice, voice], None, False),
                                  ([voice, drums], "drums", False), ([voice, drums], None, True)):  # fmt: skip
        with pytest.raises(ConfigError, match="to add up to the song: expected two stems or more"):
            stem_names(models, two, residual, adding_up=True)
    with pytest.raises(ConfigError, match="the files would be residual, residual"):
        stem_names([Fake(targets=("residual",))], residual=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "aac"}, "unknown format 'aac': expected one of wav, flac, ogg, mp3"),
        ({"clip_mode": "none"}, "unknown clip mode 'none'"),
        ({"format": "ogg", "encoding": "int16"}, "ogg has one encoding of its own"),
        ({"format": "flac", "encoding": "float32"}, "flac holds int16 or int24; wav holds float32"),
    ],
)
def test_outputs_that_do_not_go_together(options, message):
    with pytest.raises(ConfigError, match=message):
        stems.Output(**options)
