"""A singer in numpy: glottal pulses and breath through formants (source-filter model), with consonants. All ours.

A line of :class:`Syllable` becomes control tracks at frame rate (pitch, loudness, formants, noise), a flat band-limited
pulse train and noise are made at the sample rate, and both are filtered frame by frame in the STFT domain.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import istft, lfilter, stft

from bsrnn.data.synthetic.effects import saturate
from bsrnn.data.synthetic.soundfont import SAMPLE_RATE

HOP, WINDOW = 256, 1024  # samples
FRAME_RATE = SAMPLE_RATE / HOP

# F1 to F5 of an adult female voice, Hz; a voice scales them
VOWELS = {
    "a": (850, 1350, 2900, 3900, 4800),
    "e": (550, 2150, 2900, 4000, 4900),
    "i": (330, 2650, 3250, 4100, 5000),
    "o": (520, 950, 2800, 3800, 4800),
    "u": (370, 870, 2650, 3700, 4700),
    "ae": (760, 1750, 2800, 3950, 4850),
    "eh": (650, 1950, 2800, 3950, 4850),
    "schwa": (590, 1500, 2800, 3900, 4800),
    "ih": (430, 2300, 3000, 4050, 4950),
    "uh": (470, 1150, 2700, 3750, 4750),
}
BANDWIDTHS_HZ = (80, 110, 160, 220, 300)


@dataclass(frozen=True)
class Consonant:
    """How a syllable begins."""

    manner: str  # fricative, voiced fricative, stop, voiced stop, breath, nasal, glide or none
    seconds: float
    level: float = 0.0
    noise_hz: tuple[float, float] = (0.0, 0.0)  # band of the noise
    locus_hz: tuple[float, float, float] | None = None  # F1 to F3 at the release


CONSONANTS = {
    "s": Consonant("fricative", 0.11, 0.55, (5000, 11500), (300, 1700, 2800)),
    "sh": Consonant("fricative", 0.11, 0.60, (2400, 7500), (300, 1900, 2600)),
    "f": Consonant("fricative", 0.09, 0.18, (1400, 12000), (300, 1100, 2400)),
    "z": Consonant("voiced fricative", 0.08, 0.30, (4800, 10500), (300, 1700, 2700)),
    "v": Consonant("voiced fricative", 0.07, 0.12, (1200, 9000), (300, 1100, 2400)),
    "t": Consonant("stop", 0.07, 0.60, (3500, 9000), (300, 1800, 2800)),
    "k": Consonant("stop", 0.08, 0.60, (1500, 4500), (300, 2100, 2600)),
    "p": Consonant("stop", 0.07, 0.40, (500, 3000), (300, 900, 2300)),
    "d": Consonant("voiced stop", 0.05, 0.30, (3000, 7000), (300, 1800, 2800)),
    "b": Consonant("voiced stop", 0.05, 0.25, (500, 2500), (300, 900, 2300)),
    "g": Consonant("voiced stop", 0.05, 0.30, (1400, 4000), (300, 2100, 2600)),
    "h": Consonant("breath", 0.08, 0.50),
    "m": Consonant("nasal", 0.07, 0.40, locus_hz=(280, 1000, 2300)),
    "n": Consonant("nasal", 0.07, 0.40, locus_hz=(280, 1600, 2600)),
    "l": Consonant("glide", 0.07, 0.60, locus_hz=(380, 1150, 2900)),
    "r": Consonant("glide", 0.07, 0.60, locus_hz=(350, 1200, 1700)),
    "w": Consonant("glide", 0.08, 0.60, locus_hz=(320, 750, 2300)),
    "y": Consonant("glide", 0.07, 0.60, locus_hz=(300, 2400, 3100)),
    "": Consonant("none", 0.02),
}


@dataclass(frozen=True)
class Voice:
    """A singer's traits. The pool decides the formants, the rest is drawn freely."""

    formant_scale: float
    tilt_db: float  # loss an octave above 900 Hz
    breath: float
    ring_db: float  # singer's formant near 3 kHz
    vibrato_hz: float
    vibrato_semitones: float
    vibrato_delay_seconds: float
    glide_seconds: float
    scoop_semitones: float
    jitter: float
    voiced_upto_hz: float
    bandwidth_scale: float
    sibilance: float
    drive: float  # 0: clean
    rasp: float = 0.0  # depth of the swing of every second glottal pulse
    fundamental_db: float = 0.0  # of the first harmonic, over what the glottis' slope gives it
    formant_balance: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)  # of F1 to F5, beside the scale


@dataclass(frozen=True)
class Syllable:
    """One sung note. ``start`` is where the vowel begins, in seconds; the consonant comes mostly before it."""

    start: float
    seconds: float
    pitch: float  # MIDI number, fractional
    consonant: str
    vowel: str
    velocity: float
    turns: tuple[tuple[float, float], ...] = ()  # further notes of a melisma: (seconds after the start, MIDI number)


def sing(line: list[Syllable], seconds: float, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """A line of syllables -> (L,) float, unit RMS where it sounds; silence for an empty line."""
    length = int(seconds * SAMPLE_RATE)
    tracks = _Tracks(length // HOP + 1)
    for syllable in line:
        tracks.add(syllable, voice, rng)
    if not tracks.finish(voice, rng):
        return np.zeros(length)
    spectrum = _filtered(tracks, length, voice, rng)
    sound = istft(spectrum.T, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[1][:length]
    sound = np.pad(sound, (0, length - len(sound)))
    sound = lfilter([1, -1], [1, -0.985], sound)  # no rumble below 100 Hz
    loud = np.abs(sound) > 1e-4
    sound /= np.sqrt((sound[loud] ** 2).mean()) + 1e-9 if loud.any() else 1.0
    return saturate(sound, voice.drive) if voice.drive else sound


def _smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """One-pole low-pass forwards and backwards (no delay) along frames, axis 0."""
    pole = np.exp(-1 / (seconds * FRAME_RATE))
    for _ in range(2):
        start = np.asarray(track[:1]) * pole
        track = lfilter([1 - pole], [1, -pole], track, axis=0, zi=start)[0][::-1]
    return track


def _fill(track: np.ndarray) -> np.ndarray:
    """Frames that are NaN, interpolated from the others."""
    known = ~np.isnan(track)
    return np.interp(np.arange(len(track)), np.flatnonzero(known), track[known])


class _Tracks:
    """Control tracks of a line, one value a frame: pitch (semitones), levels, formants (Hz), noise (band, level)."""

    def __init__(self, frames: int):
        self.pitch = np.full(frames, np.nan)
        self.vibrato = np.zeros(frames)
        self.voiced, self.nasal, self.breath = np.zeros(frames), np.zeros(frames), np.zeros(frames)
        self.formants = np.full((frames, 5), np.nan)
        self.noise = np.zeros((frames, 3))

    def add(self, syllable: Syllable, voice: Voice, rng: np.random.Generator) -> None:
        consonant, vowel = CONSONANTS[syllable.consonant], VOWELS[syllable.vowel]
        before = min(consonant.seconds * rng.uniform(0.8, 1.3), 0.4 * syllable.seconds)
        marks = (syllable.start - 0.6 * before, syllable.start + 0.4 * before, syllable.start + syllable.seconds)
        first, onset, last = (int(mark * FRAME_RATE) for mark in marks)
        first, last = max(first, 0), min(last, len(self.pitch) - 1)
        if last - onset < 3:
            return
        time = np.arange(last - onset) / FRAME_RATE
        self.pitch[first:last] = syllable.pitch
        for seconds, pitch in syllable.turns:
            self.pitch[onset + int(seconds * FRAME_RATE) : last] = pitch
        self.pitch[onset:last] -= voice.scoop_semitones * rng.uniform(0, 1.5) * np.exp(-time / 0.05)
        swell = np.clip((time - voice.vibrato_delay_seconds) / 0.25, 0, 1)
        phase = 2 * np.pi * voice.vibrato_hz * rng.uniform(0.95, 1.06) * time + rng.uniform(0, 2 * np.pi)
        self.vibrato[onset:last] = voice.vibrato_semitones * rng.uniform(0.7, 1.2) * swell * np.sin(phase)
        fade = np.minimum(1, (time[-1] + 1 / FRAME_RATE - time) / 0.06)
        decay = 0.85 + 0.15 * np.cos(np.pi * time / max(syllable.seconds, 0.1))
        self.voiced[onset:last] = syllable.velocity * decay * fade
        self.formants[onset:last] = vowel
        self.formants[first:onset] = vowel if consonant.locus_hz is None else (*consonant.locus_hz, *vowel[3:])
        if onset > first:
            self._begin(consonant, slice(first, onset), syllable.velocity, voice)

    def _begin(self, consonant: Consonant, frames: slice, velocity: float, voice: Voice) -> None:
        """The frames of a consonant."""
        level, onset = consonant.level * velocity, frames.stop
        match consonant.manner:
            case "fricative" | "voiced fricative":
                self.voiced[frames] = 0.25 * velocity if consonant.manner.startswith("voiced") else 0
                self.noise[frames] = (*consonant.noise_hz, level * voice.sibilance)
            case "stop" | "voiced stop":
                self.voiced[frames] = 0.12 * velocity if consonant.manner.startswith("voiced") else 0
                burst = slice(max(frames.start, onset - max(1, int(0.022 * FRAME_RATE))), onset)
                self.noise[burst] = (*consonant.noise_hz, level)
                if consonant.manner == "stop":  # aspirated
                    self.breath[onset : onset + int(0.03 * FRAME_RATE)] = 0.25 * velocity
            case "breath":
                self.breath[frames] = level
                self.voiced[frames] = 0.05 * velocity
            case "nasal":
                self.voiced[frames] = level
                self.nasal[frames] = 1
            case "glide":
                self.voiced[frames] = level

    def finish(self, voice: Voice, rng: np.random.Generator) -> bool:
        """Join the syllables: glides, jitter and moving formants. False when nothing was sung."""
        frames = len(self.pitch)
        if np.isnan(self.pitch).all():
            return False
        wander = 6 * voice.jitter * _smooth(rng.standard_normal(frames), 0.03)
        self.pitch = _smooth(_fill(self.pitch), voice.glide_seconds) + self.vibrato + wander
        formants = np.stack([_fill(track) for track in self.formants.T], 1)
        self.formants = voice.formant_scale * _smooth(formants, 0.012) * np.array(voice.formant_balance)
        self.voiced = _smooth(self.voiced, 0.006) * (1 + 0.3 * _smooth(rng.standard_normal(frames), 0.02))
        self.nasal, self.breath = _smooth(self.nasal, 0.006), _smooth(self.breath, 0.006)
        self.noise[:, 2] = _smooth(self.noise[:, 2], 0.003)
        self.pitch_hz = 440 * 2 ** ((self.pitch - 69) / 12)
        self.formants[:, 0] = np.maximum(self.formants[:, 0], 0.95 * self.pitch_hz)  # high notes: F1 follows the pitch
        return True


def _pulses(pitch_hz: np.ndarray, fundamental_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Pulse train of flat spectrum up to 20 kHz and about unit power, (L,), and its phase; ``pitch_hz`` a sample.

    Its first harmonic lies ``fundamental_db`` above the others, beside that power.
    """
    phase = np.cumsum(2 * np.pi * pitch_hz / SAMPLE_RATE)
    harmonics = np.floor(20000 / pitch_hz)
    half = np.sin(phase / 2)
    near = np.abs(half) < 1e-4  # the closed form of the cosine sum is 0/0 at the pulse
    series = (np.sin((harmonics + 0.5) * phase) / np.where(near, 1, half) - 1) / 2
    pulses = np.where(near, harmonics, series)
    if fundamental_db:
        pulses = pulses + (10 ** (fundamental_db / 20) - 1) * np.cos(phase)
    return pulses * np.sqrt(2 / harmonics), phase


def _resonance(frequency_hz: np.ndarray, bandwidth_hz: np.ndarray, z_inverse: np.ndarray) -> np.ndarray:
    """Two-pole resonator of unit gain at 0 Hz; broadcasts."""
    radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE)
    cosine = np.cos(2 * np.pi * frequency_hz / SAMPLE_RATE)
    delayed = radius * z_inverse
    return (1 - 2 * radius * cosine + radius**2) / (1 - 2 * cosine * delayed + delayed**2)


def _filtered(tracks: _Tracks, length: int, voice: Voice, rng: np.random.Generator) -> np.ndarray:
    """Pulses, breath and consonants through the vocal tract, (T, F) complex."""
    frames = np.arange(len(tracks.pitch))
    drift = 1 + 0.0009 * rng.standard_normal(length).cumsum() / np.sqrt(np.arange(length) + 1.0)
    pulses, phase = _pulses(np.interp(np.arange(length), frames * HOP, tracks.pitch_hz) * drift, voice.fundamental_db)
    gate = np.clip(0.55 + 0.45 * np.cos(phase), 0.05, 1)  # breath follows the glottal cycle
    if voice.rasp:
        pulses = pulses * (1 + voice.rasp * np.sign(np.cos(phase / 2)))

    def spectrum(sound: np.ndarray) -> np.ndarray:
        return stft(sound.astype(np.float32), SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[2].T

    pulses = spectrum(pulses)
    breath = spectrum(gate * rng.standard_normal(length))
    noise = spectrum(rng.standard_normal(length))
    count = len(pulses)

    def fit(track: np.ndarray) -> np.ndarray:
        """As many frames as the STFT has."""
        missing = max(0, count - len(track))
        padded = np.pad(track, [(0, missing)] + [(0, 0)] * (track.ndim - 1), mode="edge")[:count]
        return padded if track.ndim > 1 else padded[:, None]

    frequency = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    z_inverse = np.exp(-2j * np.pi * frequency / SAMPLE_RATE).astype(np.complex64)[None]
    widen = (voice.bandwidth_scale * (1 + 1.2 * fit(tracks.nasal))).astype(np.float32)
    formants = np.minimum(fit(tracks.formants), 9000).astype(np.float32)
    tract = np.ones((count, len(frequency)), np.complex64)
    for k, bandwidth in enumerate(BANDWIDTHS_HZ):
        tract *= _resonance(formants[:, k : k + 1], bandwidth * widen, z_inverse)
    upper = np.arange(5900, 21500, 1050) * voice.formant_scale
    for hz in upper * rng.uniform(0.97, 1.03, len(upper)):  # poles above F5 do not move
        if hz < 21500:
            tract *= _resonance(hz, 350 + 0.06 * hz, z_inverse)
    tract /= np.sqrt(np.maximum(np.abs(tract[:, 1:40]).mean(1, keepdims=True), 0.3))  # vowels of like loudness

    glottis = (1 + frequency / 150) ** -0.9 * 10 ** (-voice.tilt_db / 20 * np.log2(1 + frequency / 900))
    ring = np.exp(-0.5 * ((frequency - 3000 * voice.formant_scale) / 500) ** 2)
    glottis *= 1 + 0.8 * 10 ** (voice.ring_db / 20) * ring
    voiced_share = 1 / (1 + (frequency / voice.voiced_upto_hz) ** 6)
    low, high, level = (fit(tracks.noise[:, k]) for k in range(3))
    hiss = 0.05 * level / (1 + np.exp((low - frequency) / 350)) / (1 + np.exp((frequency - high) / 900))
    gain = np.abs(tract)
    airy = gain**0.7 * glottis * (4 * voice.breath + 1.2 * (1 - voiced_share)) * fit(tracks.voiced)
    aspirated = 0.06 * gain / (1 + frequency / 3000) * fit(tracks.breath)
    return pulses * tract * glottis * voiced_share * fit(tracks.voiced) + breath * (airy + aspirated) + noise * hiss
