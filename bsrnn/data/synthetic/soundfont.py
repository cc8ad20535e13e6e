"""A SoundFont 2 sample player in numpy: notes of sampled instruments without a compiled synthesiser.

The sounds come from ``TimGM6mb.sf2`` (Tim Brechbill; GPL-2), which the ``pretty_midi`` wheel carries. The file is read
where pip put it; it is neither copied nor shipped with this package. Only what that soundfont needs is played: looped
samples, key and velocity zones, volume envelope, static low-pass, pan and tuning; no LFOs, no modulation envelope.
Field numbers and units are those of the SoundFont 2.04 specification, section 8.1.
"""

import hashlib
import importlib.util
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from bsrnn.errors import DataError

SAMPLE_RATE = 44100
DRUM_BANK = 128

# Generators (SoundFont 2.04, section 8.1.2) and their defaults
START, END, LOOP_START, LOOP_END = 0, 1, 2, 3  # offsets in samples
START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50  # offsets in 32768 samples
FILTER, PAN, INSTRUMENT, SAMPLE = 8, 17, 41, 53
ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 34, 35, 36, 37, 38  # time in 1200 log2(seconds); sustain in centibels
KEY_RANGE, VELOCITY_RANGE, FIXED_KEY, ATTENUATION = 43, 44, 46, 48
COARSE_TUNE, FINE_TUNE, LOOP_MODE, SCALE_TUNING, ROOT_KEY = 51, 52, 54, 56, 58
AT_ZERO = (
    *(START, END, LOOP_START, LOOP_END, START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE),
    *(PAN, SUSTAIN, ATTENUATION, COARSE_TUNE, FINE_TUNE, LOOP_MODE),
)
DEFAULTS = {
    **dict.fromkeys(AT_ZERO, 0),
    **dict.fromkeys((ATTACK, HOLD, DECAY, RELEASE), -12000),
    **dict.fromkeys((FIXED_KEY, ROOT_KEY), -1),
    FILTER: 13500,
    SCALE_TUNING: 100,
}
ADDED_BY_PRESET = (FILTER, PAN, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, ATTENUATION, COARSE_TUNE, FINE_TUNE)

PRESET_RECORD = np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("reserved", "<u4", 3)])
INSTRUMENT_RECORD = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG_RECORD = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR_RECORD = np.dtype([("operator", "<u2"), ("amount", "<i2")])
SAMPLE_RECORD = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("key", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)


@dataclass(frozen=True)
class Zone:
    """One sample of a preset: where on the keyboard it sounds and how."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    sample: int
    generators: dict[int, int]

    def sounds(self, key: int, velocity: int) -> bool:
        return self.keys[0] <= key <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]


def soundfont_path() -> Path:
    """Where the installed ``pretty_midi`` keeps its soundfont. The package itself is not imported."""
    spec = importlib.util.find_spec("pretty_midi")
    path = Path(spec.origin).parent / "TimGM6mb.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DataError("the embedded data set needs the soundfont of pretty_midi: pip install pretty_midi")
    return path


@lru_cache(1)
def soundfont_hash() -> str:
    """SHA-256 of the soundfont: part of a run's key, since other samples make other songs."""
    return hashlib.sha256(soundfont_path().read_bytes()).hexdigest()


@lru_cache(1)
def soundfont() -> "SoundFont":
    """The soundfont of ``pretty_midi``, parsed once a process."""
    return SoundFont(soundfont_path())


def _chunks(data: bytes) -> dict[bytes, tuple[int, int]]:
    """RIFF chunks, name -> (offset, size in bytes), lists opened."""
    found = {}

    def walk(offset: int, end: int) -> None:
        while offset + 8 <= end:
            name, size = data[offset : offset + 4], struct.unpack("<I", data[offset + 4 : offset + 8])[0]
            if name in (b"RIFF", b"LIST"):
                walk(offset + 12, offset + 8 + size)
            else:
                found[name] = (offset + 8, size)
            offset += 8 + size + (size & 1)

    walk(0, len(data))
    return found


class SoundFont:
    """Presets of an SF2 file. ``presets``: (bank, program) -> list of :class:`Zone`."""

    def __init__(self, path: str | Path):
        data = Path(path).read_bytes()
        chunks = _chunks(data)
        if b"smpl" not in chunks or b"phdr" not in chunks:
            raise DataError(f"{path} is not a SoundFont 2 file")

        def records(name: bytes, dtype: np.dtype) -> np.ndarray:
            offset, size = chunks[name]
            return np.frombuffer(data, dtype, size // dtype.itemsize, offset)

        offset, size = chunks[b"smpl"]
        self._pcm = np.frombuffer(data, "<i2", size // 2, offset)
        self._headers = records(b"shdr", SAMPLE_RECORD)
        presets, instruments = records(b"phdr", PRESET_RECORD), records(b"inst", INSTRUMENT_RECORD)
        preset_bags, instrument_bags = records(b"pbag", BAG_RECORD), records(b"ibag", BAG_RECORD)
        preset_generators = records(b"pgen", GENERATOR_RECORD)
        instrument_generators = records(b"igen", GENERATOR_RECORD)
        parts = [
            self._zones(instrument_bags, instrument_generators, first["bag"], last["bag"], SAMPLE)
            for first, last in zip(instruments[:-1], instruments[1:], strict=True)
        ]
        self.presets: dict[tuple[int, int], list[Zone]] = {}
        for first, last in zip(presets[:-1], presets[1:], strict=True):
            outer = self._zones(preset_bags, preset_generators, first["bag"], last["bag"], INSTRUMENT)
            key = (int(first["bank"]), int(first["program"]))
            self.presets[key] = [self._combine(o, i) for o in outer for i in parts[o[INSTRUMENT]]]

    @staticmethod
    def _zones(bags: np.ndarray, generators: np.ndarray, first: int, last: int, terminal: int) -> list[dict[int, int]]:
        """Generators of each zone; a first zone without ``terminal`` is global and holds defaults for the others."""
        zones: list[dict[int, int]] = []
        common: dict[int, int] = {}
        for i in range(first, last):
            rows = generators[bags[i]["generator"] : bags[i + 1]["generator"]]
            zone = {int(row["operator"]): int(row["amount"]) for row in rows}
            if terminal in zone:
                zones.append({**common, **zone})
            elif i == first:
                common = zone
        return zones

    @staticmethod
    def _combine(outer: dict[int, int], inner: dict[int, int]) -> Zone:
        """A preset's zone narrows the ranges of its instrument's zone and adds to its generators."""

        def narrowed(operator: int) -> tuple[int, int]:
            low, high = 0, 127
            for zone in (outer, inner):
                if operator in zone:
                    both = zone[operator] & 0xFFFF  # low byte, high byte
                    low, high = max(low, both & 255), min(high, both >> 8)
            return low, high

        generators = {op: inner.get(op, default) for op, default in DEFAULTS.items()}
        for op in ADDED_BY_PRESET:
            generators[op] += outer.get(op, 0)
        return Zone(narrowed(KEY_RANGE), narrowed(VELOCITY_RANGE), inner[SAMPLE], generators)

    def note(  # noqa: PLR0913 -- what MIDI says of a note
        self,
        bank: int,
        program: int,
        key: int,
        velocity: int,
        seconds: float,
        *,
        detune: float = 0.0,
        bend: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """One note, (2, L) float32; L covers ``seconds`` and the release.

        key: MIDI number; velocity: 1 to 127; detune: semitones; bend: times in seconds -> semitones. Every note
        is in the middle: the soundfont's own panning is left out.
        """
        zones = [zone for zone in self.presets[bank, program] if zone.sounds(key, velocity)]
        voices = [self._voice(zone, key, velocity, seconds, detune, bend) for zone in zones]
        out = np.zeros((2, max((v.shape[1] for v in voices), default=64)), np.float32)
        for voice in voices:
            out[:, : voice.shape[1]] += voice
        return out

    def _voice(
        self,
        zone: Zone,
        key: int,
        velocity: int,
        seconds: float,
        detune: float,
        bend: Callable[[np.ndarray], np.ndarray] | None,
    ) -> np.ndarray:
        """One zone of a note, (2, L) float32; arguments as those of :meth:`note`."""
        g, header = zone.generators, self._headers[zone.sample]
        start = int(header["start"]) + g[START] + 32768 * g[START_COARSE]
        end = int(header["end"]) + g[END] + 32768 * g[END_COARSE]
        loop_start = int(header["loop_start"]) + g[LOOP_START] + 32768 * g[LOOP_START_COARSE] - start
        loop_end = int(header["loop_end"]) + g[LOOP_END] + 32768 * g[LOOP_END_COARSE] - start
        looped = bool(g[LOOP_MODE] & 1) and loop_end - loop_start > 8

        root = g[ROOT_KEY] if g[ROOT_KEY] >= 0 else int(header["key"])
        played = g[FIXED_KEY] if g[FIXED_KEY] >= 0 else key
        semitones = (
            (played - root) * g[SCALE_TUNING] / 100
            + g[COARSE_TUNE]
            + g[FINE_TUNE] / 100
            + int(header["correction"]) / 100
            + detune
        )
        step = 2 ** (semitones / 12) * int(header["rate"]) / SAMPLE_RATE  # samples of the recording per output sample

        release = float(np.clip(2 ** (g[RELEASE] / 1200), 0.03, 0.7))  # seconds
        length = int((seconds + release) * SAMPLE_RATE)
        if not looped and bend is None:
            length = min(length, int((end - start) / step) - 4)
        if length < 32:
            return np.zeros((2, 32), np.float32)
        if bend is None:
            position = np.arange(length) * step
        else:
            times = np.arange(length - 1) / SAMPLE_RATE
            position = np.concatenate([[0.0], np.cumsum(step * 2 ** (bend(times) / 12))])
        pcm = self._pcm[start:end].astype(np.float32) / 32768
        if looped:
            wrapped = loop_start + (position - loop_start) % (loop_end - loop_start)
            position = np.where(position < loop_end, position, wrapped)
            pcm = np.concatenate([pcm[:loop_end], pcm[loop_start : loop_start + 4]])
        sound = _interpolate(pcm, position)

        if g[FILTER] < 13000:  # above, the low-pass lies beyond hearing
            cutoff_hz = min(8.176 * 2 ** (g[FILTER] / 1200) * (1 + velocity / 127), 18000)
            pole = np.exp(-2 * np.pi * cutoff_hz / SAMPLE_RATE)
            for _ in range(2):
                sound = lfilter([1 - pole], [1, -pole], sound)
        gain = (velocity / 127) ** 1.6 * 10 ** (-0.04 * g[ATTENUATION] / 20)
        sound = (sound * _envelope(g, length, seconds, release) * gain).astype(np.float32)
        left, right = (np.float32(turn(np.pi / 4)) for turn in (np.cos, np.sin))  # equal, but for the last bit
        return np.sqrt(np.float32(2)) * np.stack([sound * left, sound * right])


def _interpolate(pcm: np.ndarray, position: np.ndarray) -> np.ndarray:
    """``pcm`` at fractional positions (Catmull-Rom cubic)."""
    index = position.astype(np.int64)
    t = (position - index).astype(np.float32)
    index = np.clip(index, 1, len(pcm) - 3)
    a, b, c, d = pcm[index - 1], pcm[index], pcm[index + 1], pcm[index + 2]
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _envelope(generators: dict[int, int], length: int, seconds: float, release: float) -> np.ndarray:
    """Volume envelope, linear gain: attack, hold, decay in dB to the sustain level, release."""
    t = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    attack, hold, decay = (2 ** (generators[op] / 1200) for op in (ATTACK, HOLD, DECAY))
    sustain_db = min(max(generators[SUSTAIN], 0), 1000) / 10
    db = np.clip(-(t - attack - hold) / max(decay, 0.01) * 100, -sustain_db, 0)
    db = np.where(t > seconds, db - (t - seconds) / release * 80, db)
    return 10 ** (db / 20) * np.minimum(t / max(attack, 0.001), 1)
