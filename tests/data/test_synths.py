"""The sounds of the embedded songs: desk, synthesisers, machines, singers, by pitch, level and spectrum."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import sosfreqz

from bsrnn.data.synthetic import desk, singing, synths
from bsrnn.data.synthetic.machines import DRUMS, MACHINES, machine_sounds
from bsrnn.data.synthetic.ranges import RANGES, Draws
from bsrnn.data.synthetic.singer import Syllable
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE
from bsrnn.data.synthetic.synths import WAVEFORMS, draw_patch, hertz, synth_note
from bsrnn.data.synthetic.timbres import WIDE


def draws(seed=3):
    return Draws(np.random.default_rng(seed))


def response_db(section, hz):
    _, response = sosfreqz(section, worN=[hz], fs=SAMPLE_RATE)
    return 20 * np.log10(np.abs(response[0]))


def power(sound):
    return np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE), np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2


def share(sound, low, high):
    hz, energy = power(sound)
    return energy[(hz >= low) & (hz < high)].sum() / energy.sum()


# --- desk


def test_filters_by_their_responses():
    assert response_db(desk.bell(1000, 6, 1), 1000) == pytest.approx(6, abs=0.01)
    assert abs(response_db(desk.bell(1000, 6, 1), 50)) < 0.1
    for high, boosted, left in ((True, 18000, 30), (False, 30, 18000)):
        assert response_db(desk.shelf(1000, -9, high), boosted) == pytest.approx(-9, abs=0.2)
        assert abs(response_db(desk.shelf(1000, -9, high), left)) < 0.1
    low_pass = desk.resonant_low_pass(2000, 4)
    assert response_db(low_pass, 2000) == pytest.approx(20 * np.log10(4), abs=0.1)
    assert response_db(low_pass, 16000) < -30


def test_channel_is_the_sound_itself_where_nothing_is_set():
    sound = np.random.default_rng(0).standard_normal((2, 20000)).astype(np.float32)
    kernel = desk.channel([desk.bell(1000, 0, 1)], np.ones((2, 500)), 0.0)
    assert np.allclose(desk.convolve(sound, kernel), sound, atol=1e-4)
    wet = desk.convolve(sound, desk.channel([desk.bell(1000, 0, 1)], desk.room(draws(), 0.5), 0.3))
    assert 0.05 < ((wet - sound) ** 2).mean() < 0.15  # a response of unit energy, 0.3 of it: 0.09


def test_compressor_takes_from_what_is_loud():
    sound = np.full((2, SAMPLE_RATE), 0.5)
    sound[:, : SAMPLE_RATE // 2] = 0.05
    gain = desk.compressor_gain(sound, -10, 4)
    assert gain[:15000] == pytest.approx(1)  # 20 dB below the loudest
    assert 20 * np.log10(gain[-2000]) == pytest.approx(-7.5, abs=0.1)  # three quarters of 10 dB


def test_ducking_follows_the_kick():
    gain = desk.ducking([0.5], 12, 0.2, SAMPLE_RATE)
    assert gain[:20000] == pytest.approx(1)
    assert 20 * np.log10(gain.min()) == pytest.approx(-12, abs=1) and gain[-1] > 0.99
    assert desk.ducking([], 12, 0.2, 1000) == pytest.approx(1)


def test_crush_and_width():
    sound = np.random.default_rng(0).uniform(-1, 1, (2, 4000))
    assert len(np.unique(desk.crush(sound, 5))) <= 33
    held = desk.crush(sound, 8, hold=4)
    assert held.shape == sound.shape and np.array_equal(held[:, 0], held[:, 3])
    mono = desk.widen(sound, 0.0)
    assert np.allclose(mono[0], sound.mean(0)) and np.allclose(mono[0], mono[1])
    assert np.allclose(desk.widen(sound, 1.0), sound)


# --- synthesisers and machines


@pytest.mark.parametrize("waveform", [name for name in WAVEFORMS if name != "ring"])
def test_synthesisers_are_in_tune(waveform):
    patch = replace(
        draw_patch(waveform, "bass", draws()),
        detune_semitones=0.02,
        fm_ratio=1.0,
        cutoff_octaves=4.0,
        sustain=0.8,
        harmonics=(1.0, 0.5),
    )
    sound = synth_note(patch, 57, 1.0, np.random.default_rng(0))[:SAMPLE_RATE]
    hz, energy = power(sound)
    heard = hz[np.argmax(np.where(hz > 150, energy, 0))]
    assert abs(heard / 220 - round(heard / 220)) < 0.02
    partials = sum(energy[np.abs(hz - 220 * k) < 15].sum() for k in range(1, 80))
    assert partials > 0.9 * energy.sum()


def test_sawtooth_has_few_aliases():
    """Partials of 2.5 kHz above Nyquist fold to other frequencies; the rounded jump keeps them 30 dB down."""
    step = np.full(SAMPLE_RATE, 2500 / SAMPLE_RATE)
    wave = synths._saw(np.cumsum(step) % 1, step)
    magnitude = np.abs(np.fft.rfft(wave * np.hanning(SAMPLE_RATE)))  # bins of 1 Hz
    harmonic = np.zeros(len(magnitude), bool)
    for k in range(0, 9):
        harmonic[max(0, 2500 * k - 3) : 2500 * k + 4] = True
    below = np.arange(len(magnitude)) < 10000
    assert magnitude[~harmonic & below].max() < 10 ** (-30 / 20) * magnitude[harmonic].max()


def test_a_slide_begins_elsewhere():
    patch = replace(draw_patch("sub", "bass", draws()), attack=0.002, sustain=0.9)
    straight, slid = (synth_note(patch, 57, 0.5, np.random.default_rng(0), slide) for slide in (0.0, 12.0))
    assert share(slid[:1500], 300, 600) > 3 * share(straight[:1500], 300, 600)
    assert share(slid[8000:20000], 200, 240) > 0.9


@pytest.mark.parametrize("machine", MACHINES)
def test_machines_have_levels_and_drums_their_places_in_the_spectrum(machine):
    sounds = machine_sounds(machine, draws())
    assert {name: pytest.approx(np.abs(x).max()) for name, x in sounds.items()} == {
        name: drum.level for name, drum in DRUMS.items()
    }
    assert all(np.isfinite(sound).all() for sound in sounds.values())

    def centroid(name):
        hz, energy = power(sounds[name])
        return (hz * np.sqrt(energy)).sum() / np.sqrt(energy).sum()

    assert centroid("kick") < min(centroid("snare"), centroid("hat"))
    assert share(sounds["kick"], 20, 400) > 0.5 > share(sounds["hat"], 20, 2000)


# --- singers


def voice(phonation="modal", **changes):
    plain = singing.draw_voice(WIDE.voices[3], "modal", draws())
    plain = replace(
        plain,
        vibrato_semitones=0.0,
        jitter=0.0,
        scoop_semitones=0.0,
        drive=0.0,
        tilt_db=4.0,
        ring_db=0.0,
        breath=0.005,
        glide_seconds=0.01,
    )
    return replace(singing.phonated(plain, phonation, draws()), drive=0.0, **changes)


def sung(line, who, seconds=2.0):
    return singing.sing(line, seconds, who, np.random.default_rng(1))


def harmonicity(sound, pitch_hz):
    """Share of the energy below 2 kHz that lies within 12 Hz of a harmonic."""
    hz, energy = power(sound)
    below = (hz > 100) & (hz < 2000)
    near = np.abs(hz / pitch_hz - np.round(hz / pitch_hz)) * pitch_hz < 12
    return energy[below & near].sum() / energy[below].sum()


NOTE = [Syllable(0.3, 1.5, 57.0, "", "a", 0.9)]


def middle(sound):
    return sound[int(0.7 * SAMPLE_RATE) : int(1.6 * SAMPLE_RATE)]


def test_phonations_differ_in_noise_and_subharmonics():
    heard = {name: middle(sung(NOTE, voice(name))) for name in singing.PHONATIONS}
    tonal = {name: harmonicity(sound, 220) for name, sound in heard.items()}
    assert tonal["modal"] > 0.95 and tonal["pressed"] > 0.95 and tonal["whisper"] < 0.4
    assert tonal["modal"] > tonal["breathy"] > tonal["whisper"]
    between = {name: share(sound, 325, 335) / share(sound, 435, 445) for name, sound in heard.items()}
    assert between["raspy"] > 30 * between["modal"]  # 330 Hz: half of 220 Hz, three times


def test_a_strong_fundamental_is_that_much_stronger_and_nothing_else():
    weak, strong = (middle(sung(NOTE, voice(fundamental_db=db))) for db in (0.0, 10.0))
    harmonics = [(share(strong, f - 15, f + 15) / share(weak, f - 15, f + 15)) for f in (220, 440, 660, 880)]
    gains = 10 * np.log10(np.array(harmonics) / harmonics[1])  # each against the second: the whole has unit RMS
    assert gains == pytest.approx([10, 0, 0, 0], abs=0.1)


def test_a_melisma_changes_its_pitch_on_one_vowel():
    line = [replace(NOTE[0], turns=((0.75, 64.0),))]
    sound = sung(line, voice())
    first, second = (sound[int(a * SAMPLE_RATE) : int(b * SAMPLE_RATE)] for a, b in ((0.6, 0.95), (1.2, 1.6)))
    assert harmonicity(first, hertz(57)) > 0.9 > 0.6 > harmonicity(second, hertz(57))
    assert harmonicity(second, hertz(64)) > 0.9


def test_singing_without_rests_puts_every_phrase_where_it_belongs():
    line = [Syllable(0.5, 0.4, 60.0, "", "a", 0.9), Syllable(3.0, 0.4, 62.0, "s", "o", 0.9)]
    sound = sung(line, voice(), seconds=4.0)
    assert sound.shape == (4 * SAMPLE_RATE,)
    rms = np.sqrt((sound.reshape(40, -1) ** 2).mean(1))
    loud = np.flatnonzero(rms > 0.1 * rms.max())
    assert set(loud) <= {5, 6, 7, 8, 28, 29, 30, 31, 32, 33} and {5, 6, 7, 30, 31, 32} <= set(loud)
    assert np.abs(sound[int(1.3 * SAMPLE_RATE) : int(2.7 * SAMPLE_RATE)]).max() == 0
    assert not sung([], voice()).any()


def test_voices_are_drawn_from_their_kinds():
    for kind in WIDE.voices:
        made = [singing.draw_voice(kind, name, draws(seed)) for seed in range(5) for name in singing.PHONATIONS]
        low, high = kind.formant_scale
        assert all(low <= voice.formant_scale <= high for voice in made)
        assert len({voice.formant_balance for voice in made}) >= 5
        assert all(
            RANGES["formant balance"].low <= b <= RANGES["formant balance"].high
            for voice in made
            for b in voice.formant_balance
        )


def test_autotune_puts_notes_on_semitones():
    line = [Syllable(0.1, 0.4, 60.37, "", "a", 0.9, turns=((0.2, 62.6),))]
    [tuned] = singing.autotuned(line)
    assert tuned.pitch == 60.0 and tuned.turns == ((0.2, 63.0),)


def test_levelling_evens_out():
    sound = np.sin(np.arange(SAMPLE_RATE) * 0.1)
    sound[: SAMPLE_RATE // 2] *= 0.1
    even = singing.levelled(sound, 0.5)
    halves = [np.sqrt((half**2).mean()) for half in (even[2000:20000], even[-20000:-2000])]
    assert 20 * np.log10(halves[1] / halves[0]) == pytest.approx(10, abs=1.5)
    assert np.sqrt((even**2).mean()) == pytest.approx(1)
