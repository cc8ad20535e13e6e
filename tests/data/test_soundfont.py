"""The sample player, the plucked string, the singer and the effects: pitch, length, loudness."""

import hashlib
import importlib.util

import numpy as np
import pytest
import soundfont_names

from bsrnn.data.synthetic import effects, singer, soundfont_hash, synths
from bsrnn.data.synthetic.soundfont import DRUM_BANK, SAMPLE_RATE, SoundFont, soundfont, soundfont_path
from bsrnn.errors import DataError

RNG = 7


def pitch_hz(sound: np.ndarray, low: float, high: float) -> float:
    """Strongest partial between ``low`` and ``high`` Hz."""
    sound = sound * np.hanning(len(sound))
    size = 8 * len(sound)
    magnitude = np.abs(np.fft.rfft(sound, size))
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    inside = (frequency > low) & (frequency < high)
    return float(frequency[inside][np.argmax(magnitude[inside])])


def cents(a: float, b: float) -> float:
    return 1200 * np.log2(a / b)


def test_hash_is_that_of_the_file():
    assert soundfont_hash() == hashlib.sha256(soundfont_path().read_bytes()).hexdigest()


def test_known_presets():
    font = soundfont()
    names = soundfont_names.of_presets()
    assert names[0, 0] == "Piano 1" and names[DRUM_BANK, 0] == "Standard" and names.keys() == font.presets.keys()
    assert len(font.presets) == 136
    assert "Piano C5" in soundfont_names.of_recordings(0, 0)
    assert soundfont_names.of_recordings(DRUM_BANK, 0, key=42) == {"High Hat Closed"}


@pytest.mark.parametrize("program", [0, 16, 33, 73, 81])
@pytest.mark.parametrize(("key", "detune"), [(69, 0.0), (57, 0.5)])
def test_notes_are_in_tune(program, key, detune):
    sound = soundfont().note(0, program, key, 100, 1.0, detune=detune)[0][4410:44100]
    expected = 440 * 2 ** ((key + detune - 69) / 12)
    heard = pitch_hz(sound, expected * 0.9, expected * 1.1)
    assert abs(cents(heard, expected)) < 15


def test_a_bend_of_an_octave_doubles_the_pitch():
    sound = soundfont().note(0, 81, 57, 100, 1.0, bend=lambda t: np.full(np.shape(t), 12.0))[0][4410:44100]
    assert abs(cents(pitch_hz(sound, 400, 480), 440)) < 15


def test_looped_samples_sound_as_long_as_asked():
    sound = soundfont().note(0, 16, 60, 100, 8.0)
    rms = np.sqrt((sound[:, : 8 * SAMPLE_RATE].reshape(2, 8, -1) ** 2).mean((0, 2)))
    assert rms.min() > 0.3 * rms.max()
    assert 8.0 < sound.shape[1] / SAMPLE_RATE <= 8.7 and np.abs(sound[:, -100:]).max() < 1e-2 * np.abs(sound).max()


def test_velocity_is_loudness_and_centred_notes_are_mono():
    quiet, loud = (soundfont().note(0, 0, 60, velocity, 0.5) for velocity in (40, 120))
    assert (loud**2).mean() > 4 * (quiet**2).mean()
    assert np.allclose(loud[0], loud[1], atol=1e-6)


def test_other_files_and_a_missing_package_are_refused(tmp_path, monkeypatch):
    (tmp_path / "noise.sf2").write_bytes(b"RIFF" + bytes(40))
    with pytest.raises(DataError, match="not a SoundFont 2 file"):
        SoundFont(tmp_path / "noise.sf2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install pretty_midi"):
        soundfont_path()


@pytest.mark.parametrize("pitch", [45, 57, 69])
def test_strings_are_in_tune(pitch):
    sound = synths.string_note(pitch, 1.0, 1.0, 0.4, np.random.default_rng(RNG))[:SAMPLE_RATE]
    expected = synths.hertz(pitch)
    assert abs(cents(pitch_hz(sound, 0.8 * expected, 1.2 * expected), expected)) < 15


def plain_voice() -> singer.Voice:
    return singer.Voice(
        formant_scale=1.0, tilt_db=5.0, breath=0.02, ring_db=0.0, vibrato_hz=5.5, vibrato_semitones=0.0,
        vibrato_delay_seconds=0.2, glide_seconds=0.02, scoop_semitones=0.0, jitter=0.0, voiced_upto_hz=7000.0,
        bandwidth_scale=1.0, sibilance=1.0, drive=0.0,
    )  # fmt: skip


def sung(*syllables: singer.Syllable, seconds: float = 2.0) -> np.ndarray:
    return singer.sing(list(syllables), seconds, plain_voice(), np.random.default_rng(RNG))


@pytest.mark.parametrize("pitch", [48.0, 60.5, 69.0])
def test_singer_is_in_tune(pitch):
    sound = sung(singer.Syllable(0.3, 1.5, pitch, "", "a", 0.9))
    expected = synths.hertz(pitch)
    heard = pitch_hz(sound[int(0.6 * SAMPLE_RATE) : int(1.6 * SAMPLE_RATE)], 0.8 * expected, 1.2 * expected)
    assert abs(cents(heard, expected)) < 25


def test_vowels_differ_in_their_formants():
    """On one low note, "i" has its second formant at 2650 Hz and "o" at 950 Hz."""

    def balance_db(vowel):
        sound = sung(singer.Syllable(0.3, 1.5, 45.0, "", vowel, 0.9))
        power = np.abs(np.fft.rfft(sound)) ** 2
        hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
        return 10 * np.log10(power[(hz > 2300) & (hz < 3000)].sum() / power[(hz > 750) & (hz < 1150)].sum())

    assert balance_db("i") > balance_db("o") + 15


def test_s_is_a_hiss_before_the_vowel():
    sound = sung(singer.Syllable(1.0, 0.8, 60.0, "s", "a", 0.9))
    hiss = sound[int(0.95 * SAMPLE_RATE) : SAMPLE_RATE]
    vowel = sound[int(1.3 * SAMPLE_RATE) : int(1.5 * SAMPLE_RATE)]

    def high_share(part):
        power = np.abs(np.fft.rfft(part)) ** 2
        return power[np.fft.rfftfreq(len(part), 1 / SAMPLE_RATE) > 4500].sum() / power.sum()

    assert high_share(hiss) > 0.8 > 0.1 > high_share(vowel)
    assert np.abs(sound[: int(0.8 * SAMPLE_RATE)]).max() < 1e-3


def test_no_syllables_no_sound():
    assert not sung().any() and sung().shape == (2 * SAMPLE_RATE,)


def test_effects_by_value():
    rng = np.random.default_rng(RNG)
    sound = rng.standard_normal((2, SAMPLE_RATE))
    assert effects.pan_gains(0) == pytest.approx(np.ones((2, 1)))
    assert effects.pan_gains(-1)[:, 0] == pytest.approx([np.sqrt(2), 0])
    assert np.abs(effects.saturate(sound, 5.0)).max() == pytest.approx(np.abs(sound).max())
    assert effects.active_rms(np.zeros((2, SAMPLE_RATE))) == 0
    half = np.concatenate([np.ones((2, SAMPLE_RATE)), np.zeros((2, SAMPLE_RATE))], 1)
    assert effects.active_rms(half) == pytest.approx(1.0)
    response = effects.room_response(rng, 0.5, 0.01, 8000)
    assert (response**2).sum(1) == pytest.approx([1, 1])


def test_limiter_holds_the_threshold_and_leaves_the_rest():
    sound = 0.1 * np.ones((2, SAMPLE_RATE))
    sound[:, 20000:20100] = 1.0
    gain = effects.limiter_gain(sound, 0.25)
    assert np.abs(sound * gain).max() <= 0.25 + 1e-9
    assert (gain[:19000] == 1).all() and gain[21500:] == pytest.approx(1.0)


def test_place_cuts_at_the_end_and_ignores_what_lies_outside():
    bus = np.zeros((2, 100))
    effects.place(bus, np.ones((2, 50)), 80 / SAMPLE_RATE + 1e-9)
    effects.place(bus, np.ones((2, 50)), 1.0)
    assert bus[:, :80].sum() == 0 and bus[:, 80:].sum() == 40
