"""Bass and other instruments of a song: recorded, computed, plucked; amplified, placed, levelled. All ours."""

from collections.abc import Callable, Iterable

import numpy as np

from bsrnn.data.synthetic import desk, effects
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Note, Part, Score
from bsrnn.data.synthetic.soundfont import soundfont
from bsrnn.data.synthetic.synths import draw_patch, string_note, synth_note

Player = Callable[[Note], np.ndarray]  # note -> (1, l): instruments are mono up to their amplifier
SINGING_MANNERS = ("solo", "counter")


def remembered(play: Callable[[Note], np.ndarray]) -> Player:
    """Notes alike in pitch, length and loudness are made once."""
    made: dict[tuple, np.ndarray] = {}

    def player(note: Note) -> np.ndarray:
        step = (round(note.pitch, 1), round(note.velocity, 1), round(note.seconds, 2), note.slide)
        if step not in made:
            made[step] = play(Note(0.0, step[2], step[0], max(step[1], 0.1), note.slide))
        return made[step]

    return player


def _of_preset(program: int, note: Note, tune: float, bend: Callable[[np.ndarray], np.ndarray] | None) -> np.ndarray:
    """A note of the soundfont, (1, L). ``bend``: seconds -> semitones."""
    velocity = int(np.clip(note.velocity * 120, 15, 127))
    return soundfont().note(0, program, round(note.pitch), velocity, note.seconds, detune=tune, bend=bend)[:1]


def recorded(program: int, tune: float) -> Player:
    """A preset of the soundfont."""

    def play(note: Note) -> np.ndarray:
        def bend(time: np.ndarray) -> np.ndarray:
            return note.slide * np.exp(-time / 0.04)

        return _of_preset(program, note, tune, bend if note.slide else None)

    return remembered(play)


def recorded_solo(program: int, tune: float, rng: np.random.Generator) -> Player:
    """A preset of the soundfont with a vibrato that sets in late."""
    rate_hz, depth = rng.uniform(4.5, 6.8), rng.uniform(0.0, 0.5)

    def play(note: Note) -> np.ndarray:
        phase, scoop = rng.uniform(0, 2 * np.pi), rng.choice((0.0, 0.0, -1.0))

        def bend(time: np.ndarray) -> np.ndarray:
            wave = depth * np.clip(time / 0.3 - 0.5, 0, 1) * np.sin(2 * np.pi * rate_hz * time + phase)
            return wave + scoop * np.exp(-time / 0.04)

        return _of_preset(program, note, tune, bend)

    return play


def computed(waveform: str, manner: str, tune: float, draws: Draws) -> Player:
    """A synthesiser, or a plucked string."""
    rng = draws.rng
    if waveform == "string":
        damping = rng.uniform(0.15, 0.75)
        return remembered(lambda note: string_note(note.pitch + tune, note.velocity, note.seconds, damping, rng)[None])
    patch = draw_patch(waveform, manner, draws)
    return remembered(
        lambda note: note.velocity * synth_note(patch, note.pitch + tune, note.seconds, rng, note.slide)[None]
    )


def played(notes: Iterable[Note], play: Player, length: int) -> np.ndarray:
    """(1, length)"""
    bus = np.zeros((1, length))
    for note in notes:
        effects.place(bus, play(note), note.start)
    return bus


def stereo(mono: np.ndarray) -> np.ndarray:
    """(1, L) -> (2, L)"""
    return np.repeat(mono, 2, axis=0)


def perform_bass(score: Score, length: int, draws: Draws) -> np.ndarray:
    """(2, length): played dry, then through an amplifier, whose harmonics small loudspeakers need."""
    source = score.bass_source
    play = computed(source, "bass", score.tune, draws) if isinstance(source, str) else recorded(source, score.tune)
    bus = played(score.bass, play, length)
    if not bus.any():
        return stereo(bus)
    drive, blend, bias = draws("bass drive"), draws("bass drive blend"), draws.rng.uniform(0, 0.3)
    dry = bus / np.abs(bus).max()
    amplified = np.tanh(drive * (dry + bias)) - np.tanh(drive * bias)  # lopsided: even harmonics too
    amplified = effects.band_pass(amplified, 50, draws.rng.uniform(1500, 8000), order=1)
    out = (1 - blend) * dry / rms(dry) + blend * amplified / rms(amplified)
    if isinstance(source, str):  # a filter that sweeps leaves notes of unlike level
        out = out * desk.compressor_gain(out, -12, 3)
    out = stereo(desk.equalise(out, desk.bell(900, draws("bass treble, dB"), 0.5)))
    if draws.chance("bass chorus"):
        return effects.chorus(out, draws.rng, depth_seconds=0.001, mix=draws.rng.uniform(0.15, 0.5))
    return out


def rms(sound: np.ndarray) -> float:
    """Never 0."""
    return float(np.sqrt((sound**2).mean())) + 1e-9


def _part_player(part: Part, tune: float, draws: Draws) -> Player:
    if isinstance(part.source, str):
        return computed(part.source, part.manner, tune, draws)
    if part.manner in SINGING_MANNERS:
        return recorded_solo(part.source, tune, draws.rng)
    return recorded(part.source, tune)


def perform_other(score: Score, length: int, draws: Draws) -> np.ndarray:
    """(2, length): each part by itself, amplified, coloured, levelled, panned, summed."""
    bus = np.zeros((2, length))
    for part in score.parts:
        sound = played(part.notes, _part_player(part, score.tune, draws), length)
        if not sound.any():
            continue
        sound = desk.amplify(sound, part.family.amplifier, draws)
        brighter = draws("brightness, dB") * (0.3 if isinstance(part.source, str) else 1.0)
        sound = stereo(
            desk.equalise(
                sound,
                desk.shelf(1000, brighter, high=True),
                desk.bell(draws("bell, Hz"), draws("bell, dB"), draws("bell Q")),
            )
        )
        sound = _spread(sound, part, score, draws)
        gain = 10 ** (draws("part level, dB") / 20) / max(effects.active_rms(sound), 1e-9)
        bus += gain * effects.pan_gains(draws.rng.choice((-1, 1)) * draws("part pan")) * sound
    return bus


def _spread(sound: np.ndarray, part: Part, score: Score, draws: Draws) -> np.ndarray:
    """What makes a part stereo, or nothing: a doubled guitar, a chorus pedal, an echo in time."""
    rng = draws.rng
    if part.family.amplifier == "distorted" and rng.random() < 0.5:
        return effects.double(sound, rng.uniform(0.006, 0.025))
    if part.manner in ("held", "comp", "strum") and rng.random() < 0.35:
        return effects.chorus(sound, rng)
    if rng.random() < 0.2:
        return effects.echo(sound, rng.choice((0.5, 0.75)) * 60 / score.bpm, rng.uniform(0.1, 0.4))
    return sound
