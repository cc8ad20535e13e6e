"""The drums of a song: recorded and computed sounds, tuned, dampened, layered, placed; then the drum bus. All ours."""

import numpy as np

from bsrnn.data.synthetic import desk, effects
from bsrnn.data.synthetic.machines import DRUMS, machine_sounds
from bsrnn.data.synthetic.ranges import Draws
from bsrnn.data.synthetic.score import Score
from bsrnn.data.synthetic.soundfont import DRUM_BANK, SAMPLE_RATE, soundfont

CYMBALS = ("hat", "open", "ride", "crash", "shaker", "tambourine")


class Recorder:
    """The sounds of one song's kit, each made once a velocity step: the same drum sounds alike throughout a song."""

    def __init__(self, score: Score, draws: Draws):
        kit, rng = score.kit, draws.rng
        self.program = kit.program
        self.computed = machine_sounds(draws.pick(kit.machines), draws)
        self.share = 1.0 if kit.program is None else draws("machine share") ** 2  # mostly the recordings
        self.keys = {name: draws.pick(drum.keys) for name, drum in DRUMS.items()}
        self.detune = {drum: draws("drum tuning, semitones") for drum in ("kick", "snare", "tom high", "hat")}
        self.decay = {drum: draws("drum decay") for drum in ("kick", "snare", "open", "crash")}
        self.width, self.side = draws("drum width"), rng.choice((-1, 1))
        self.cymbals = 10 ** (draws("cymbal level, dB") / 20)
        self.made: dict[tuple[str, int], np.ndarray] = {}

    def sound(self, drum: str, velocity: float) -> np.ndarray:
        """(2, l)"""
        step = drum, int(np.clip(round(velocity * 12.7) * 10, 20, 127))
        if step not in self.made:
            self.made[step] = self._make(*step)
        return self.made[step]

    def _make(self, drum: str, velocity: int) -> np.ndarray:
        position = effects.pan_gains(self.side * self.width * DRUMS[drum].pan)
        made = position * self.computed[drum] * (velocity / 127) ** 1.6 * self.share
        if self.program is not None:
            note = soundfont().note(
                DRUM_BANK,
                self.program,
                self.keys[drum],
                velocity,
                1.2,
                detune=self.detune.get(drum, self.detune["tom high"]),
            )
            recorded = note * position * (1.1 - 0.8 * self.share)
            length = max(made.shape[1], recorded.shape[1])
            made = np.pad(made, ((0, 0), (0, length - made.shape[1])))
            made[:, : recorded.shape[1]] += recorded
        dampened = self.decay.get(drum, 1.0)
        if dampened < 1:
            made = made * np.exp(-(1 / dampened - 1) * 4 * np.arange(made.shape[1]) / SAMPLE_RATE)
        return made * (self.cymbals if drum in CYMBALS else 1.0)


def perform_drums(score: Score, length: int, draws: Draws) -> np.ndarray:
    """(2, length), dry but for what belongs to the drum bus."""
    bus, recorder = np.zeros((2, length)), Recorder(score, draws)
    for hit in score.hits:
        effects.place(bus, recorder.sound(hit.drum, hit.velocity), hit.start, draws.rng.uniform(0.85, 1.1))
    if draws.chance("drum drive"):
        bus = effects.saturate(bus, draws("drum drive"))
    if draws.chance("parallel compression") and bus.any():
        crushed = bus * desk.compressor_gain(bus, -26, 8, release=0.25)
        scale = effects.active_rms(bus) / max(effects.active_rms(crushed), 1e-9)
        bus = bus + draws("parallel compression") * scale * crushed
    if draws.chance("gated"):
        bus = bus + _gated(bus, score, draws)
    if draws.chance("bit crusher"):
        bus = desk.crush(bus, draws("bits"), int(draws.rng.integers(1, 4)))
    return desk.equalise(bus, desk.shelf(2500, draws("drum shade, dB"), high=True))


def _gated(bus: np.ndarray, score: Score, draws: Draws) -> np.ndarray:
    """The eighties' snare: a large room that is cut off."""
    tail = 0.5 * desk.convolve(bus, desk.room(draws, 1.2))
    gate = np.zeros(bus.shape[1])
    for hit in score.hits:
        if hit.drum in ("snare", "tom high", "tom low"):
            start = int(hit.start * SAMPLE_RATE)
            gate[start : start + int(0.2 * SAMPLE_RATE)] = 1
    return tail * gate
