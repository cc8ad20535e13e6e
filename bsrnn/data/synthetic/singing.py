"""The vocals of a song: a singer of any kind, doubled, harmonised, before a choir; then the vocal bus. All ours."""

from dataclasses import replace

import numpy as np

from bsrnn.data.synthetic import desk, effects, singer
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Score
from bsrnn.data.synthetic.singer import Syllable, Voice
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE
from bsrnn.data.synthetic.timbres import Pool, VoiceKind
from bsrnn.data.synthetic.tones import recorded

MARGIN_SECONDS = 0.2  # around a phrase: consonants begin before it
PHONATIONS = ("modal", "breathy", "raspy", "pressed", "whisper")


def draw_voice(kind: VoiceKind, phonation: str, draws: Draws) -> Voice:
    """A singer: the kind decides the length of the vocal tract, the rest is drawn."""
    vibrato, driven = draws.chance("vibrato"), draws.chance("voice drive")
    formant_scale = draws.rng.uniform(*kind.formant_scale)
    draws.rng.integers(kind.centre[0], kind.centre[1] + 1)  # of no use, but without it all later draws would be others
    voice = Voice(
        formant_scale=formant_scale,
        tilt_db=draws("spectral tilt, dB/octave"),
        breath=draws("breath"),
        ring_db=draws("singer's formant, dB"),
        vibrato_hz=draws("vibrato rate, Hz"),
        vibrato_semitones=draws("vibrato depth, semitones") if vibrato else 0.0,
        vibrato_delay_seconds=draws("vibrato delay, s"),
        glide_seconds=draws("glide, s"),
        scoop_semitones=draws("scoop, semitones"),
        jitter=draws("jitter"),
        voiced_upto_hz=draws("voiced up to, Hz"),
        bandwidth_scale=draws("formant bandwidth"),
        sibilance=draws("sibilance"),
        drive=draws("voice drive") if driven else 0.0,
        formant_balance=tuple(draws("formant balance") for _ in range(5)),
    )
    return phonated(voice, phonation, draws)


def phonated(voice: Voice, phonation: str, draws: Draws) -> Voice:
    """The voice as its glottis makes it."""
    rng = draws.rng
    match phonation:
        case "breathy":
            return replace(
                voice,
                breath=10 ** rng.uniform(-1.1, -0.3),
                tilt_db=rng.uniform(5, 12),
                voiced_upto_hz=rng.uniform(1800, 5000),
            )
        case "raspy":
            return replace(voice, rasp=draws("rasp"), drive=rng.uniform(1, 4), jitter=rng.uniform(0.06, 0.2))
        case "pressed":
            return replace(voice, tilt_db=rng.uniform(0.5, 3), ring_db=rng.uniform(5, 11))
        case "whisper":  # hardly a voice, noise through the tract
            return replace(voice, voiced_upto_hz=rng.uniform(60, 250), breath=rng.uniform(0.1, 0.4))
    return voice


def autotuned(line: list[Syllable]) -> list[Syllable]:
    """Every pitch on its semitone."""
    return [
        replace(
            syllable,
            pitch=float(round(syllable.pitch)),
            turns=tuple((after, float(round(pitch))) for after, pitch in syllable.turns),
        )
        for syllable in line
    ]


def sing(line: list[Syllable], seconds: float, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """As :func:`singer.sing`, but rests are left out while singing: a singer costs by the second."""
    moved, places, now = [], [], 0.0  # places: where a phrase lies without rests, where with them, its length
    for phrase in _phrases(line):
        start = max(0.0, phrase[0].start - MARGIN_SECONDS)
        end = min(seconds, max(syllable.start + syllable.seconds for syllable in phrase) + MARGIN_SECONDS)
        moved += [replace(syllable, start=syllable.start - start + now) for syllable in phrase]
        places.append((now, start, end - start))
        now += end - start
    out = np.zeros((1, round(seconds * SAMPLE_RATE)))
    sung = singer.sing(moved, now, voice, rng)[None] if moved else out
    for place, start, length in places:
        piece = sung[:, round(place * SAMPLE_RATE) : round((place + length) * SAMPLE_RATE)]
        effects.place(out, piece, start)
    return out[0]


def _phrases(line: list[Syllable]) -> list[list[Syllable]]:
    """The line, cut where it rests for longer than two margins."""
    phrases: list[list[Syllable]] = []
    end = -np.inf
    for syllable in sorted(line, key=lambda syllable: syllable.start):
        if syllable.start - end > 2 * MARGIN_SECONDS:
            phrases.append([])
        phrases[-1].append(syllable)
        end = max(end, syllable.start + syllable.seconds)
    return phrases


def levelled(mono: np.ndarray, amount: float) -> np.ndarray:
    """Takes away a share of the differences in level; unit RMS."""
    level = 10 ** (desk.level_db(mono[None]) / 20)
    smooth = np.convolve(level, np.hanning(9) / np.hanning(9).sum(), "same")
    gain = (smooth / smooth.max() + 0.02) ** -amount
    mono = mono * desk.per_sample(gain, len(mono))
    return mono / (np.sqrt((mono**2).mean()) + 1e-9)


def _doubled(mono: np.ndarray, draws: Draws) -> np.ndarray:
    """Two copies whose delays wander, left and right of the lead: automatic double tracking."""
    time, out = np.arange(len(mono)), np.zeros((2, len(mono)))
    for side in (-1, 1):
        wander = draws("double delay, s") * (
            1 + 0.15 * np.sin(2 * np.pi * draws.rng.uniform(0.2, 0.9) * time / SAMPLE_RATE + draws.rng.uniform(0, 6.28))
        )
        copy = np.interp(time - wander * SAMPLE_RATE, time, mono)
        out += draws.rng.uniform(0.3, 0.7) * effects.pan(copy, side * draws.rng.uniform(0.2, 1))
    return out


def _choir(score: Score, pool: Pool, length: int, draws: Draws) -> np.ndarray:
    """Recorded "aah" and "ooh" in chords; nothing where the song has none."""
    bus = np.zeros((2, length))
    if pool.choirs and draws.chance("choir"):
        play = recorded(draws.pick(pool.choirs), score.tune)
        for note in score.choir:
            effects.place(bus, effects.pan(play(note)[0], 0), note.start)
        if bus.any():
            bus = effects.chorus(bus, draws.rng) * (draws.rng.uniform(0.15, 0.5) / effects.active_rms(bus))
    return bus


def _at_home(score: Score, voice: Voice, seconds: float, rng: np.random.Generator, draws: Draws) -> np.ndarray:
    """(2, length): one who sings softly and without training into the microphone at hand, and at most an echo.

    Without training there is no singer's formant; softly sung, the fundamental is strong and overtones fall steeply.
    No producer has made the voice bright, levelled it much, doubled it or put a choir behind it; mixed and mastered it
    is like any other, or its level would give it away.
    """
    voice = replace(
        voice,
        fundamental_db=draws("amateur's fundamental, dB"),
        tilt_db=voice.tilt_db + draws("amateur's tilt, dB/octave"),
        ring_db=-30.0,  # none
    )
    mono = sing(score.lead, seconds, voice, rng)
    if not mono.any():
        return effects.pan(mono, 0)
    bus = effects.pan(levelled(mono, draws("amateur's compression")), draws.rng.uniform(-0.12, 0.12))
    if draws.chance("echo"):
        bus = effects.echo(bus, draws.rng.choice((0.25, 0.5, 0.75)) * 60 / score.bpm, draws("echo level"))
    close = desk.shelf(250, draws("proximity, dB"), high=False)
    return desk.equalise(bus, close, desk.shelf(2000, draws("amateur's treble, dB"), high=True))


def perform_vocals(score: Score, pool: Pool, length: int, draws: Draws) -> np.ndarray:
    """(2, length): lead, double, harmony, choir and echo, through one channel strip."""
    seconds, lead_rng, harmony_rng = length / SAMPLE_RATE, *draws.rng.spawn(2)
    voice = draw_voice(score.voice, draws.pick(pool.phonations), draws)
    if pool.amateurs:
        return _at_home(score, voice, seconds, lead_rng, draws)
    lead, harmony = score.lead, score.harmony
    if draws.chance("autotune"):
        lead, harmony = autotuned(lead), autotuned(harmony)
        voice = replace(voice, glide_seconds=0.006, vibrato_semitones=0.0, jitter=0.003, scoop_semitones=0.0)
    mono = sing(lead, seconds, voice, lead_rng)
    choir = _choir(score, pool, length, draws)
    if not mono.any():
        return choir
    amount = draws("vocal compression")
    mono = levelled(mono, amount)
    bus = effects.pan(mono, draws.rng.uniform(-0.12, 0.12)) + choir
    if draws.chance("double"):
        bus += _doubled(mono, draws)
    if draws.chance("harmony"):
        second = sing(harmony, seconds, voice, harmony_rng)
        if second.any():
            bus += effects.pan(draws("harmony level") * levelled(second, amount), draws.rng.uniform(-0.8, 0.8))
    if draws.chance("telephone"):
        bus = effects.saturate(effects.band_pass(bus, 350, 3200), 3)
    if draws.chance("echo"):
        bus = effects.echo(bus, draws.rng.choice((0.25, 0.5, 0.75)) * 60 / score.bpm, draws("echo level"))
    return desk.equalise(bus, desk.shelf(2800, draws("vocal air, dB"), high=True))
