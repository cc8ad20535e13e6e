"""Rendering of a song: performed, mixed, mastered, so that the stems still sum to the mixture. All ours."""

from collections.abc import Mapping

import numpy as np

from bsrnn.config import TARGETS
from bsrnn.data.synthetic import desk, effects
from bsrnn.data.synthetic.composing import compose
from bsrnn.data.synthetic.drums import perform_drums
from bsrnn.data.synthetic.form import KINDS
from bsrnn.data.synthetic.harmony import SPLITS
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Score
from bsrnn.data.synthetic.singing import perform_vocals
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE
from bsrnn.data.synthetic.timbres import pool_of
from bsrnn.data.synthetic.tones import perform_bass, perform_other
from bsrnn.runtime.limits import named

GENERATOR_VERSION = 2  # a song is a function of this, seed, split, index and seconds
# mean and deviation; ours: the two real clips of the tests, and karaoke where voice and band are alike, lie within
LEVELS_DB = {"vocals": (-17.0, 3.2), "drums": (-18.8, 3.2), "bass": (-19.2, 3.2), "other": (-19.6, 3.2)}


def render_song(split: str, index: int, *, seconds: float = 30.0, seed: int = 0) -> tuple[dict[str, np.ndarray], dict]:
    """One song: stems, name -> (2, L) float32 at 44.1 kHz, and its metadata.

    Samples are multiples of 2^-15 within (-1, 1), and so is their sum, the mixture: what 16-bit files hold, exactly.

    Raises:
        ConfigError: unknown split.
    """
    rng = np.random.default_rng([GENERATOR_VERSION, seed, named("split", split, SPLITS), index])
    pool = pool_of(split)
    compose_rng, drums_rng, bass_rng, other_rng, vocals_rng, mix_rng = rng.spawn(6)
    draws = Draws(compose_rng)
    score = compose(split, pool, seconds, index, draws)
    length = round(seconds * SAMPLE_RATE)
    dry = {
        "vocals": perform_vocals(score, pool, length, draws.branch(vocals_rng)),
        "drums": perform_drums(score, length, draws.branch(drums_rng)),
        "bass": perform_bass(score, length, draws.branch(bass_rng)),
        "other": perform_other(score, length, draws.branch(other_rng)),
    }
    draws = draws.branch(mix_rng)
    sections = _master_filters(draws)
    stems = quantise(master(mix(dry, sections, score, draws), draws), mix_rng)
    metadata = {
        "split": split,
        "index": index,
        "seed": seed,
        "seconds": seconds,
        "generator": GENERATOR_VERSION,
        "timbre": "new" if split == "test-new" else "seen",
        **_describe(score, seconds),
        "draws": draws.record,
    }
    return stems, metadata


def mixture_of(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sum of the stems, (2, L) float32; exact for stems of :func:`render_song`."""
    return np.stack([stems[name] for name in TARGETS]).sum(0, dtype=np.float32)


def _master_filters(draws: Draws) -> list[np.ndarray]:
    """Filter sections of the sum: a tilt, in some songs a narrow band. They are linear, so each stem goes through."""
    tilt = draws("master tilt, dB")
    sections = [desk.shelf(250, -tilt / 2, high=False), desk.shelf(3000, tilt / 2, high=True)]
    if draws.chance("narrow band"):
        band_hz = draws("bandwidth, Hz")
        sections += [desk.resonant_low_pass(band_hz, q) for q in (0.541, 1.307)]  # Butterworth, fourth order
    return sections


def mix(dry: Mapping[str, np.ndarray], sections: list[np.ndarray], score: Score, draws: Draws) -> dict[str, np.ndarray]:
    """Channel strips, rooms, sidechain and levels. Choruses are louder than verses, in all stems alike.

    ``sections``: filters that every stem goes through.
    """
    room, hall = desk.room(draws, draws("room decay, s")), desk.room(draws, draws("hall decay, s"))
    length = dry["vocals"].shape[1]
    dynamics = _dynamics(score, length, draws)
    duck = np.ones(length)
    if draws.chance("sidechain"):
        kicks = [hit.start for hit in score.hits if hit.drum == "kick"]
        duck = desk.ducking(kicks, draws("sidechain, dB"), draws("sidechain, s"), length)
    stems = {}
    for name in TARGETS:
        tone, wet, wanted_db = desk.draw_tone(draws), draws(f"wet {name}"), draws.rng.normal(*LEVELS_DB[name])
        kernel = desk.channel([*tone, *sections], hall if name in ("vocals", "other") else room, wet)
        sound = desk.convolve(dry[name], kernel)
        gain = 10 ** (wanted_db / 20) / max(effects.active_rms(sound), 1e-9)
        stems[name] = gain * dynamics * (duck if name in ("bass", "other") else 1.0) * sound
    return stems


def _dynamics(score: Score, length: int, draws: Draws) -> np.ndarray:
    """(length,) gains: choruses are louder than verses."""
    swing = draws("loudness swing")
    bars = [swing * KINDS[section.name].level_db for section in score.sections for _ in range(section.bars)]
    centres = (np.arange(score.bars) + 0.5) * score.bar_seconds * SAMPLE_RATE
    return 10 ** (np.interp(np.arange(length), centres, bars) / 20)


def _mixture(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    first, *others = stems.values()
    return sum(others, start=first)


def master(stems: Mapping[str, np.ndarray], draws: Draws) -> dict[str, np.ndarray]:
    """Width, bus compressor, tape and limiter: every gain is the mixture's, so that the stems still sum to it."""
    width = 0.0 if draws.chance("mono") else draws("stereo width")
    stems = {name: desk.widen(sound, width) for name, sound in stems.items()}
    if draws.chance("bus compressor"):
        gain = desk.compressor_gain(_mixture(stems), draws("bus threshold, dB"), draws("bus ratio"))
        stems = {name: sound * gain for name, sound in stems.items()}
    if draws.chance("tape"):
        mixture = _mixture(stems)
        pushed = mixture / max(np.abs(mixture).max(), 1e-9) * draws("tape drive")
        gain = np.tanh(pushed) / np.where(np.abs(pushed) < 1e-6, 1e-6, pushed)
        gain = np.where(np.abs(pushed) < 1e-6, 1.0, gain)
        stems = {name: sound * gain for name, sound in stems.items()}
    if draws.chance("limiter"):
        mixture = _mixture(stems)
        threshold = max(np.abs(mixture).max(), 1e-9) / 10 ** (draws("limiter push, dB") / 20)
        gain = effects.limiter_gain(mixture, threshold)
        stems = {name: sound * gain for name, sound in stems.items()}
    return stems


def quantise(stems: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scaled so that neither a stem nor the sum clips, rounded to 16 bits."""
    loudest = max(np.abs(x).max() for x in (*stems.values(), sum(stems.values())))
    scale = 2**15 * rng.uniform(0.8, 0.98) / max(loudest, 1e-9)
    return {name: (np.rint(sound * scale) / 2**15).astype(np.float32) for name, sound in stems.items()}


def _describe(score: Score, seconds: float) -> dict:
    """What was composed, as plain JSON values."""
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    length = score.bar_seconds
    return {
        "style": score.style_name,
        "bpm": round(score.bpm, 2),
        "key": f"{names[score.key]} {score.mode}",
        "beats": score.beats,
        "progressions": [list(p) for p in score.progressions],
        "kit": score.kit.name,
        "voice": score.voice.name,
        "bass": score.bass_source,
        "presets": [{"role": p.name, "manner": p.manner, "source": p.source} for p in score.parts],
        "sections": [
            {
                "name": s.name,
                "start": round(s.bar * length, 3),
                "end": round(min((s.bar + s.bars) * length, seconds), 3),
                "sounds": list(s.sounds),
            }
            for s in score.sections
        ],
    }
