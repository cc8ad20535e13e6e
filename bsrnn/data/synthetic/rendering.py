"""Rendering: a song's number becomes its four stems, mixed. All ours."""

from collections.abc import Mapping

import numpy as np

from bsrnn.config import TARGETS
from bsrnn.data.synthetic import effects
from bsrnn.data.synthetic.composition import SECTION_DB, Composer
from bsrnn.data.synthetic.performance import perform_bass, perform_drums, perform_other, perform_vocals
from bsrnn.data.synthetic.score import Score
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE
from bsrnn.data.synthetic.splits import SPLITS, pool_of, timbre_of

GENERATOR_VERSION = 1  # a song is a function of this, seed, split, index and seconds

# mean, deviation
LEVELS_DB = {"vocals": (-19.5, 2.5), "drums": (-18.5, 2.5), "bass": (-18.4, 2.8), "other": (-19.5, 2.8)}
WET = {"vocals": (0.06, 0.3), "drums": (0.03, 0.18), "other": (0.04, 0.22)}


def render_song(
    split: str, index: int, *, seconds: float = 30.0, seed: int = 0, timbre: str | None = None
) -> tuple[dict[str, np.ndarray], dict]:
    """One song: stems, name -> (2, L) float32 at 44.1 kHz, and its metadata.

    Samples are multiples of 2^-15 within (-1, 1), and so is their sum, the mixture: what PCM16 files hold, exactly.
    ``timbre`` ("seen" or "new") overrides what ``index`` gives a test song.
    """
    timbre = timbre or timbre_of(split, index)
    pool = pool_of(split, timbre)
    rng = np.random.default_rng([GENERATOR_VERSION, seed, SPLITS.index(split), index])
    compose_rng, drums_rng, bass_rng, other_rng, vocals_rng, mix_rng = rng.spawn(6)
    score = Composer(pool, seconds, index, compose_rng).compose()
    length = round(seconds * SAMPLE_RATE)
    dry = {
        "vocals": perform_vocals(score, pool, length, vocals_rng),
        "drums": perform_drums(score, length, drums_rng),
        "bass": perform_bass(score, length, bass_rng),
        "other": perform_other(score, pool, length, other_rng),
    }
    stems = _mix(dry, score, mix_rng)
    if pool.mastered:
        stems = _master(stems, mix_rng)
    metadata = {
        "split": split,
        "index": index,
        "seed": seed,
        "seconds": seconds,
        "generator": GENERATOR_VERSION,
        "timbre": timbre,
        **_describe(score, seconds),
    }
    return quantise(stems, mix_rng), metadata


def mixture_of(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sum of the stems, (2, L) float32; exact for stems of :func:`render_song`."""
    return np.stack([stems[name] for name in TARGETS]).sum(0, dtype=np.float32)


def _mix(dry: Mapping[str, np.ndarray], score: Score, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """EQ, reverb and levels. Choruses are louder than verses, in all stems alike."""
    room = effects.room_response(rng, rng.uniform(0.3, 0.8), 0.004, 9000)
    hall = effects.room_response(rng, rng.uniform(0.7, 1.8), rng.uniform(0.01, 0.05), 6500)
    length = dry["vocals"].shape[1]
    bars = [SECTION_DB.get(score.section(bar).name, 0.0) for bar in range(score.bars)]
    centres = (np.arange(score.bars) + 0.5) * score.bar_seconds * SAMPLE_RATE
    dynamics = 10 ** (np.interp(np.arange(length), centres, bars) / 20)
    stems = {}
    for name in TARGETS:
        sound = effects.equalise(dry[name], rng.uniform(-3, 3, 7))
        if name in WET:
            sound = effects.reverb(sound, room if name == "drums" else hall, rng.uniform(*WET[name]))
        level = effects.active_rms(sound)
        wanted_db = rng.normal(*LEVELS_DB[name])
        stems[name] = sound * dynamics * (10 ** (wanted_db / 20) / level if level > 0 else 0.0)
    return stems


def _master(stems: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """EQ and limiter of the shifted songs; the gain is the mixture's, so that stems still sum to it."""
    curve_db = rng.uniform(-6, 6, 7)
    stems = {name: effects.equalise(sound, curve_db) for name, sound in stems.items()}
    mixture = np.asarray(sum(stems.values()))
    push = 10 ** (rng.uniform(4, 10) / 20)  # the limiter takes off that much at the peak
    gain = effects.limiter_gain(mixture, np.abs(mixture).max() / push)
    return {name: sound * gain for name, sound in stems.items()}


def quantise(stems: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scaled so that neither a stem nor the sum clips, rounded to 16 bits."""
    loudest = max(np.abs(x).max() for x in (*stems.values(), sum(stems.values())))
    scale = 2**15 * rng.uniform(0.8, 0.98) / max(loudest, 1e-9)
    return {name: (np.rint(sound * scale) / 2**15).astype(np.float32) for name, sound in stems.items()}


def _describe(score: Score, seconds: float) -> dict:
    """What was drawn, as plain JSON values."""
    length = score.bar_seconds
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return {
        "style": score.style,
        "bpm": round(score.bpm, 2),
        "key": f"{names[score.key]} {'minor' if score.minor else 'major'}",
        "progressions": [list(p) for p in score.progressions],
        "kit": score.kit.name,
        "voice": score.voice.name,
        "bass": score.bass_source,
        "presets": [{"role": p.role, "source": p.source} for p in score.parts],
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
