"""Short songs of two stems that a filter can tell apart, for tests that train or separate."""

import math
from pathlib import Path

import numpy as np

from bsrnn.audio import files as audio

RATE = 44100


def of_tones(root: Path, songs: int, rate: int = RATE) -> Path:
    """Songs of 7 s in FLAC: "piano", a low tone, other in each song, and "rest", a high one."""
    time = np.arange(7 * rate) / rate
    for index in range(songs):
        generator = np.random.default_rng(index)
        for stem, hz in (("piano", 300 + 30 * index), ("rest", 4000)):
            signal = 0.2 * np.sin(2 * math.pi * hz * time) + 0.01 * generator.standard_normal((2, len(time)))
            audio.write(root / f"song{index}" / f"{stem}.flac", signal.astype(np.float32), rate)
    return root


def of_noise(root: Path, songs: int, high: str) -> Path:
    """Songs of 7 s in WAV: "vocals", noise with more low frequencies, on and off; and ``high``, one with more high."""
    for index in range(songs):
        noise = 0.1 * np.random.default_rng(index).standard_normal((2, 2, 7 * RATE))
        vocals = (noise[0] + np.roll(noise[0], 1, axis=1)) * (np.arange(7 * RATE) // 20_000 % 2)
        other = noise[1] - np.roll(noise[1], 1, axis=1)
        for stem, signal in (("vocals", vocals), (high, other)):
            audio.write(root / f"song{index}" / f"{stem}.wav", signal.astype(np.float32), RATE)
    return root
