"""Modes and progressions. Every progression belongs to one split, so that no two splits share any, but for the two
that train. All ours."""

import hashlib

from bsrnn.data.synthetic.ranges import Draws
from bsrnn.runtime.limits import named

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
}
MODE_WEIGHTS = (0.38, 0.3, 0.1, 0.1, 0.05, 0.04, 0.03)
DEGREE_WEIGHTS = (0.27, 0.1, 0.07, 0.2, 0.18, 0.14, 0.04)  # I to VII
# Split -> its number, of which a song is a function; 4 and 5 were splits of generator version 1
SPLITS = {"train": 0, "valid": 1, "test": 2, "unlabelled-matched": 3, "test-new": 6, "train-amateurs": 7}
# Shares of all progressions, in tenths
SHARES = {"train": 4, "valid": 1, "test": 2, "unlabelled-matched": 2, "test-new": 1}


def owner(progression: tuple[int, ...]) -> str:
    """The split whose songs may use a progression (scale degrees 0 to 6), or any rotation of it."""
    rotations = [progression[at:] + progression[:at] for at in range(len(progression))]
    first = hashlib.sha256(repr(min(rotations)).encode()).digest()[0] * 10 // 256
    for split, share in SHARES.items():
        if first < share:
            return split
        first -= share
    raise AssertionError("the shares do not add up to ten")


def draw_progression(split: str, draws: Draws) -> tuple[int, ...]:
    """Four or eight chords that belong to ``split``; both kinds of training songs have the same.

    Raises:
        ConfigError: unknown split.
    """
    split = "train" if split == "train-amateurs" else split
    named("split", split, SHARES)
    length = draws.pick((4, 4, 4, 8))
    while True:
        degrees = [int(draws.pick(range(7), DEGREE_WEIGHTS)) for _ in range(length)]
        if draws.rng.random() < 0.5:
            degrees[0] = 0
        progression = tuple(degrees)
        if len(set(progression)) > 1 and owner(progression) == split:
            return progression
