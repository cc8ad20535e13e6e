"""Performance: the notes of a score become dry stems, (2, L) float each. All ours."""

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from bsrnn.data.synthetic import effects, instruments, singer
from bsrnn.data.synthetic.score import Note, Part, Score, draw
from bsrnn.data.synthetic.soundfont import DRUM_BANK, SAMPLE_RATE, soundfont
from bsrnn.data.synthetic.splits import Pool

DRUM_PANS = {
    "kick": 0.0,
    "snare": 0.05,
    "hat": 0.35,
    "open": 0.3,
    "ride": -0.4,
    "crash": 0.5,
    "clap": 0.1,
    "tom high": 0.3,
    "tom low": -0.4,
    "shaker": -0.5,
}
CYMBALS = ("hat", "open", "ride", "crash", "shaker")
SYNTH_MANNERS = {"pad": "pad", "pluck": "pluck", "chords": "chord", "lead": "lead"}


def perform_drums(score: Score, length: int, rng: np.random.Generator) -> np.ndarray:
    """Each drum is recorded once a velocity step and then placed: the same drum sounds alike throughout a song."""
    kit, font = score.kit, soundfont()
    computed = instruments.drum_sounds(kit.character, rng)
    share = rng.uniform(*kit.synthetic_share)
    keys = {drum: draw(rng, choices) for drum, (_, choices) in kit.samples.items()}
    side, width = draw(rng, (-1, 1)), rng.uniform(0.2, 1)
    cymbal_gain = 10 ** (rng.uniform(-8, 4) / 20)
    recorded: dict[tuple[str, int], np.ndarray] = {}

    def record(drum: str, velocity: int) -> np.ndarray:
        position = side * width * DRUM_PANS[drum]
        sampled = drum in kit.samples
        weight = share if sampled else 1.0
        sounds = [effects.pan(computed[drum] * (velocity / 127) ** 1.6 * weight, position)]
        if sampled:
            note = font.note(DRUM_BANK, kit.samples[drum][0], keys[drum], velocity, 0.8)
            sounds.append(note * effects.pan_gains(position) * (1.1 - 0.7 * share))
        out = np.zeros((2, max(s.shape[1] for s in sounds)))
        for sound in sounds:
            out[:, : sound.shape[1]] += sound
        return out * (cymbal_gain if drum in CYMBALS else 1.0)

    bus = np.zeros((2, length))
    for hit in score.hits:
        step = hit.drum, int(np.clip(round(hit.velocity * 12.7) * 10, 20, 127))
        if step not in recorded:
            recorded[step] = record(*step)
        effects.place(bus, recorded[step], hit.start, rng.uniform(0.88, 1.08))
    drive = draw(rng, (0.0, 0.0, rng.uniform(1, 2.5)))
    if drive:
        bus = effects.saturate(bus, drive)
    shade_db = np.linspace(0, rng.uniform(-9, 1), 4)  # microphones and tape: darker from 2 kHz on
    return effects.equalise(bus, np.concatenate([[0, 0, 0, 0, 0], shade_db]))


def perform_bass(score: Score, length: int, rng: np.random.Generator) -> np.ndarray:
    """Played dry, then through an amplifier, which gives the harmonics that let a bass be heard on small speakers."""
    bus = np.zeros((2, length))
    if isinstance(score.bass_source, str):
        patch = instruments.draw_patch(score.bass_source, "bass", rng)
        for note in score.bass:
            sound = instruments.synth_note(patch, note.pitch + score.tune, note.velocity, note.seconds, rng)
            time = np.arange(len(sound)) / SAMPLE_RATE
            gate = np.minimum(time / 0.005, 1) * np.exp(-np.maximum(time - note.seconds, 0) / 0.02)
            sound += 0.5 * note.velocity * gate * np.sin(2 * np.pi * instruments.hertz(note.pitch + score.tune) * time)
            effects.place(bus, effects.pan(sound, 0), note.start)
    else:
        play = _player(score.bass_source, score.tune)
        for note in score.bass:
            effects.place(bus, play(note), note.start)
    if not bus.any():
        return bus
    drive, bias = rng.uniform(0.8, 7), rng.uniform(0, 0.3)
    dry = bus / np.abs(bus).max()
    amplified = np.tanh(drive * (dry + bias)) - np.tanh(drive * bias)  # lopsided: even harmonics too
    amplified = effects.band_pass(amplified, 60, rng.uniform(2500, 8000), order=1)
    blend = rng.uniform(0.15, 0.9)
    out = (1 - blend) * dry / effects.active_rms(dry) + blend * amplified / effects.active_rms(amplified)
    treble_db = rng.uniform(-1, 12)
    out = effects.equalise(out, np.concatenate([[0, 0, 0, 0], treble_db * np.array([0.5, 1, 1, 0.5, 0])]))
    wide = rng.random()
    if wide < 0.3:
        return effects.chorus(out, rng, depth_seconds=0.001, mix=rng.uniform(0.15, 0.5))
    room = effects.room_response(rng, rng.uniform(0.2, 0.5), 0.003, 6000)
    return effects.reverb(out, room, rng.uniform(0.02, 0.25) if wide < 0.85 else 0.004)


def _player(program: int, tune: float) -> Callable[[Note], np.ndarray]:
    """Plays notes of a preset, (2, l). Notes alike in pitch, length and velocity step are computed once."""
    font, cache = soundfont(), {}

    def play(note: Note) -> np.ndarray:
        velocity = int(np.clip(round(note.velocity * 12) * 10, 20, 127))
        step = round(note.pitch), velocity, round(note.seconds, 2)
        if step not in cache:
            cache[step] = font.note(0, program, *step, detune=tune)
        return cache[step]

    return play


def _solo_player(program: int, tune: float, rng: np.random.Generator) -> Callable[[Note], np.ndarray]:
    """Plays notes with a vibrato that sets in late."""
    font = soundfont()

    def play(note: Note) -> np.ndarray:
        rate_hz, depth, phase = rng.uniform(4.5, 6.5), rng.uniform(0.1, 0.4), rng.uniform(0, 2 * np.pi)

        def bend(time: np.ndarray) -> np.ndarray:
            return depth * np.clip(time / 0.3 - 0.5, 0, 1) * np.sin(2 * np.pi * rate_hz * time + phase)

        velocity = int(np.clip(note.velocity * 115, 20, 127))
        return font.note(0, program, round(note.pitch), velocity, note.seconds, detune=tune, bend=bend)

    return play


def _part_player(part: Part, pool: Pool, tune: float, rng: np.random.Generator) -> Callable[[Note], np.ndarray]:
    """How a part's notes are played, each (2, l)."""
    if part.source == "string":
        damping = rng.uniform(*pool.string_damping)
        return lambda n: effects.pan(instruments.string_note(n.pitch + tune, n.velocity, n.seconds, damping, rng), 0)
    if isinstance(part.source, str):
        patch = instruments.draw_patch(part.source, SYNTH_MANNERS.get(part.role, "chord"), rng)
        return lambda n: effects.pan(instruments.synth_note(patch, n.pitch + tune, n.velocity, n.seconds, rng), 0)
    if part.role in ("lead", "wind"):
        return _solo_player(part.source, tune, rng)
    return _player(part.source, tune)


def _pedals(sound: np.ndarray, role: str, rng: np.random.Generator) -> np.ndarray:
    """What stands between an instrument and the desk."""
    if role == "distorted guitar":
        sound = effects.saturate(sound, rng.uniform(4, 15))
        sound = effects.band_pass(sound, 90, rng.uniform(4500, 9000))
        return effects.double(sound, rng.uniform(0.008, 0.02)) if rng.random() < 0.5 else sound
    if role in ("clean guitar", "electric piano", "organ"):  # an amplifier, barely overdriven
        sound = effects.saturate(sound, rng.uniform(0.8, 4))
    if role in ("clean guitar", "electric piano", "pad", "chords", "strings") and rng.random() < 0.7:
        return effects.chorus(sound, rng)
    return sound


def perform_other(score: Score, pool: Pool, length: int, rng: np.random.Generator) -> np.ndarray:
    """Each part by itself, levelled, panned, summed."""
    bus = np.zeros((2, length))
    for part in score.parts:
        play = _part_player(part, pool, score.tune, rng)
        sound = np.zeros((2, length))
        for note in part.notes:
            effects.place(sound, play(note), note.start)
        level = effects.active_rms(sound)
        if level == 0:
            continue
        bright_db = rng.uniform(-7, 2) if isinstance(part.source, str) else rng.uniform(3, 14)  # samples are dull
        tilt_db = np.linspace(0, bright_db, 6)
        colour_db = np.concatenate([[0, 0, 0, 0], tilt_db]) + rng.uniform(-3, 3, 10)
        sound = effects.equalise(_pedals(sound, part.role, rng), colour_db)
        if isinstance(part.source, str):
            sound = effects.low_pass(sound, rng.uniform(4000, 10000))
        reach = 0.25 if part.role in ("pad", "strings", "lead") else 0.8
        gain = 10 ** (rng.uniform(-5, 0) / 20) / effects.active_rms(sound)
        bus += gain * effects.pan_gains(rng.uniform(-reach, reach)) * sound
    return bus


def _compressed(mono: np.ndarray) -> np.ndarray:
    """Evens out loudness (ratio about 1.5), unit RMS."""
    mono = mono / np.abs(mono).max()
    level = np.sqrt(lfilter([0.001], [1, -0.999], mono**2)) + 1e-3
    mono = mono * (level / level.max() + 0.05) ** -0.35
    return mono / np.sqrt((mono**2).mean())


def perform_vocals(score: Score, pool: Pool, length: int, rng: np.random.Generator) -> np.ndarray:
    """The lead, in some songs harmony singers and an echo."""
    bus = np.zeros((2, length))
    kind = score.voice
    voice = singer.draw_voice(kind.name, kind.formant_scale, kind.centre, pool.vowels, pool.consonants, rng)
    seconds = length / SAMPLE_RATE
    lead_rng, *harmony_rngs = rng.spawn(3)
    lead = singer.sing(score.lead, seconds, voice, lead_rng)
    if not lead.any():
        return bus
    bus += effects.pan(_compressed(lead), rng.uniform(-0.08, 0.08))
    harmonies = draw(rng, ((), (0.4,), (-0.6, 0.6)))
    for position, harmony_rng in zip(harmonies, harmony_rngs, strict=False):
        sound = singer.sing(score.harmony, seconds, voice, harmony_rng)
        if sound.any():
            bus += effects.pan(rng.uniform(0.18, 0.4) * sound, position)
    if rng.random() < 0.25:
        bus = effects.echo(bus, draw(rng, (0.5, 0.75)) * 60 / score.bpm, 0.22)
    air_db = rng.uniform(0, 11)  # as pop vocals are mixed: the consonants must carry
    return effects.equalise(bus, np.concatenate([np.zeros(6), air_db * np.array([0.5, 1, 1, 1])]))
