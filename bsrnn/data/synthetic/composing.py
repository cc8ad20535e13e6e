"""Composition of a song: form, drums and bass here, voices in ``melody``, the rest in ``parts``."""

import numpy as np

from bsrnn.data.synthetic import melody, parts
from bsrnn.data.synthetic.form import FEATURES, draw_form
from bsrnn.data.synthetic.grooves import STYLES
from bsrnn.data.synthetic.harmony import MODE_WEIGHTS, MODES, draw_progression
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Hit, Note, Score
from bsrnn.data.synthetic.timbres import Pool

PERCUSSION = ("shaker", "tambourine", "bongo high", "bongo low", "cowbell", "claves", "clap", "rim")
BASS_MANNERS = ("roots", "kick", "walking", "octaves", "syncopated", "long", "arpeggio")
GRID = {"eighths": 0.5, "ride": 0.5, "sixteenths": 0.25, "quarters": 1.0, "rolls": 0.25, "loose": 0.5, "offbeats": 1.0}


def compose(split: str, pool: Pool, seconds: float, index: int, draws: Draws) -> Score:
    """The score of one song. Each line has its own generator, so that changing one leaves the others."""
    form_rng, drums_rng, bass_rng, parts_rng, vocals_rng = draws.rng.spawn(5)
    score = _begin(split, pool, seconds, index, draws.branch(form_rng))
    write_drums(score, draws.branch(drums_rng))
    write_bass(score, draws.branch(bass_rng))
    parts.write_parts(score, pool, draws.branch(parts_rng))
    melody.write_vocals(score, seconds, draws.branch(vocals_rng))
    return score


def _begin(split: str, pool: Pool, seconds: float, index: int, draws: Draws) -> Score:
    """Everything but the notes."""
    name = draws.pick(tuple(STYLES))
    style = STYLES[name]
    low, high = style.tempo
    bpm = low * (high / low) ** draws("tempo place")
    bar_seconds = style.beats * 60 / bpm
    computed = draws.rng.random() < style.machine
    kits = [kit for kit in pool.kits if (kit.program is None) == computed] or list(pool.kits)
    synthesised = draws.rng.random() < style.synth_bass or draws.chance("synth bass")
    basses = [bass for bass in pool.basses if isinstance(bass, str) == synthesised]
    return Score(
        style_name=name,
        bpm=bpm,
        key=int(draws.rng.integers(12)),
        mode=draws.pick(tuple(MODES), MODE_WEIGHTS),
        tune=draws("tuning, semitones"),
        swing=style.swing * draws("swing place"),
        human=draws("human timing, s"),
        progressions=(draw_progression(split, draws), draw_progression(split, draws)),
        tones=3 + draws.chance("sevenths"),
        kit=draws.pick(kits),
        voice=draws.pick(pool.voices),
        bass_source=draws.pick(basses),
        sections=draw_form(
            int(np.ceil(seconds / bar_seconds)), bar_seconds, FEATURES[index % len(FEATURES)], draws.rng
        ),
    )


def _struck(pattern: str, rng: np.random.Generator) -> list[float]:
    """Beats at which a pattern's digits come true."""
    return [at / 4 for at, digit in enumerate(pattern) if rng.random() < int(digit) / 9]


def _top_hits(top: str, beats: int, rng: np.random.Generator) -> list[tuple[float, str, float]]:
    """One bar of hats or ride: (beat, drum, velocity)."""
    if top == "none":
        return []
    hits = []
    for beat in np.arange(0.5 if top == "offbeats" else 0, beats, GRID[top]):
        if top == "loose" and rng.random() < 0.35:
            continue
        drum = "ride" if top == "ride" else "open" if top == "offbeats" and rng.random() < 0.7 else "hat"
        accent = 0.75 if beat % 1 == 0 else 0.5
        hits.append((float(beat), drum, accent * rng.uniform(0.75, 1.15)))
    if top == "rolls" and rng.random() < 0.5:  # a burst of thirty-seconds or of triplets
        start, step = float(rng.integers(0, beats)), rng.choice((0.125, 1 / 6))
        hits += [(start + k * step, "hat", 0.4 + 0.05 * k) for k in range(int(1 / step))]
    return hits


def _percussion(draws: Draws, beats: int) -> dict[str, list[float]]:
    """A rhythm that goes round, for one to three small instruments; {} in most songs."""
    if not draws.chance("percussion"):
        return {}
    chosen = draws.rng.choice(PERCUSSION, int(draws.rng.integers(1, 4)), replace=False)
    density = draws.rng.uniform(0.2, 0.7)
    return {str(drum): [at / 4 for at in range(4 * beats) if draws.rng.random() < density] for drum in chosen}


def write_drums(score: Score, draws: Draws) -> None:  # noqa: C901 -- every song hangs on the order of its draws
    """Kick and snare by the style's pattern, drawn anew for every kind of section; tops, percussion, ghosts, fills."""
    rng, style, beats = draws.rng, score.style, score.beats
    percussion, fills, ghosts = _percussion(draws, beats), draws.chance("fills"), draws("ghost chance")
    loudness = rng.uniform(0.6, 1.0)  # light to heavy hands
    grooves: dict[str, tuple] = {}

    def hit(drum: str, bar: int, beat: float, velocity: float) -> None:
        score.hits.append(Hit(score.time(bar, beat, rng), drum, float(np.clip(velocity * loudness, 0.08, 1))))

    for bar, section in score.sounding("drums"):
        if section.name not in grooves:
            grooves[section.name] = (
                _struck(style.kick, rng),
                _struck(style.snare, rng),
                draws.pick(style.tops),
                draws.pick(("snare", "snare", "snare", "rim", "clap")),
                rng.random() < 0.7,
            )
        kick, snare, top, backbeat, with_percussion = grooves[section.name]
        if rng.random() < 0.2:  # now and then a bar of its own
            kick = _struck(style.kick, rng)
        fill = fills and bar == section.bar + section.bars - 1
        if bar == section.bar and rng.random() < 0.7:
            hit("crash", bar, 0, 0.9)
        for beat in kick:
            hit("kick", bar, beat, rng.uniform(0.8, 1))
        for beat in snare:
            if not (fill and beat >= beats - 1):
                hit(backbeat, bar, beat, rng.uniform(0.8, 1))
        if rng.random() < ghosts:
            hit("snare", bar, 0.25 * int(rng.integers(4 * beats)), rng.uniform(0.12, 0.35))
        for beat, drum, velocity in _top_hits(top, beats, rng):
            if not (fill and beat >= beats - 1):
                hit(drum, bar, beat, velocity)
        for drum, strokes in percussion.items() if with_percussion else ():
            for beat in strokes:
                hit(drum, bar, beat, rng.uniform(0.35, 0.8))
        for beat in np.arange(beats - 1, beats, 0.25) if fill else ():
            hit(draws.pick(("snare", "tom high", "tom low", "kick")), bar, beat, rng.uniform(0.6, 1))


def _bass_bar(
    manner: str, score: Score, tones: list[int], rhythm: list[float], rng: np.random.Generator
) -> list[tuple[float, int]]:
    """One bar of a manner: (beat, pitch); ``tones``: chord tones from the root up."""
    root, beats = tones[0], score.beats
    match manner:
        case "roots":
            return [(float(beat), root) for beat in np.arange(0, beats, 0.5)]
        case "walking":
            steps = rng.permutation([*tones[1:], root + 12])[: beats - 1]
            return [(0.0, root), *((float(at + 1), int(pitch)) for at, pitch in enumerate(steps))]
        case "octaves":
            return [(float(beat), root + 12 * int(beat % 1 > 0)) for beat in np.arange(0, beats, 0.5)]
        case "long":
            return [(0.0, root)]
        case "arpeggio":
            order = (*tones[:3], root + 12)
            return [(float(beat), order[int(2 * beat) % 4]) for beat in np.arange(0, beats, 0.5)]
    jumps = rng.choice((0, 0, 0, 7, 12, -5), len(rhythm))
    return [(beat, root + int(jump)) for beat, jump in zip(rhythm, jumps, strict=True)]


def write_bass(score: Score, draws: Draws) -> None:
    """A line a kind of section: its manner and rhythm come back with it."""
    rng, beats = draws.rng, score.beats
    articulation, slides = draws("bass articulation"), draws("slide chance")
    lowest = int(rng.integers(26, 34))  # five strings to a high register
    lines: dict[str, tuple[str, list[float]]] = {}
    for bar, section in score.sounding("bass"):
        if section.name not in lines:
            locked = _struck(score.style.kick, rng)
            free = [at / 4 for at in range(4 * beats) if rng.random() < (0.3 if at % 2 else 0.45)]
            manner = draws.pick(BASS_MANNERS)
            lines[section.name] = manner, sorted({0.0, *(locked if manner == "kick" else free)})
        manner, rhythm = lines[section.name]
        chord = score.chord(bar, section)
        root = lowest + (chord[0] - lowest) % 12
        tones = [root + pitch - chord[0] for pitch in chord]
        notes = _bass_bar(manner, score, tones, rhythm, rng)
        for (beat, pitch), (until, _) in zip(notes, [*notes[1:], (beats, 0)], strict=True):
            seconds = (until - beat) * 60 / score.bpm * articulation
            slide = float(rng.choice((-5, -2, 2, 12))) if rng.random() < slides else 0.0
            score.bass.append(Note(score.time(bar, beat, rng), max(seconds, 0.05), pitch, rng.uniform(0.65, 1), slide))
