"""The settings of the method, frozen, with the paper's values as defaults; all of them together: :class:`Settings`.

The type of a setting says what it may be (:mod:`bsrnn.runtime.limits`); what is not, or does not go together, raises
ConfigError where it is made. Where the paper leaves a detail open the comment says whose choice the default is:
*authors' code* (their public code for the SDX 2023 challenge), *replication* (arXiv 2603.09187) or *ours*.
"""

from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

from bsrnn.bands import band_widths
from bsrnn.runtime.limits import (
    Count,
    CountOrNone,
    Names,
    NotNegative,
    Positive,
    SampleRate,
    Seconds,
    Seed,
    Share,
    Size,
    Workers,
    check,
    require,
    within,
)

TARGETS = ("vocals", "drums", "bass", "other")
Window = Annotated[int, within(2, 65_536, why="memory")]  # of an STFT, in samples
Fade = Literal["triangle", "tenth", "flat"]  # of a segment where it overlaps others
Kind = Literal["pseudo", "clean_target", "clean_residual"]  # what an unlabelled chunk can be
Default = TypeVar("Default")


def speed(default: Default) -> Default:
    """Of a setting that decides how fast, and no number but for its rounding."""
    return field(default=default, metadata={"speed": True})


def later(default: Default) -> Default:
    """Of a setting that came later, at whose default all is as before: left out of keys there, so that a new option
    throws away no result."""
    return field(default=default, metadata={"later": True})


def _check_stft(settings: "ModelConfig | PeerConfig") -> None:
    n_fft, hop = settings.n_fft, settings.hop_samples
    require(hop <= n_fft // 2, f"hop_samples {hop} with n_fft {n_fft}",
            "a hop of at most half of n_fft, or the Hann windows do not add up to the signal")  # fmt: skip


@dataclass(frozen=True)
class ModelConfig:
    """One BSRNN. Widths follow the paper: LSTM hidden 2N, mask MLP hidden 4N.

    The defaults are the paper's model. The last settings are variants of others: two mask layers and the normalisation
    of the *authors' code*; `normalisation_eps` 1e-7, `tac_factor` 3 and two `attention_heads` of the *replication*,
    which calls the model with the last two oBSRNN, and with several targets over one encoder oBSRNN-SIMO.
    """

    targets: Names = ("vocals",)  # paper: one model per target
    band_split: str | tuple[int, ...] = "vocals"  # a scheme of bsrnn.bands, or the widths in bins
    sample_rate: SampleRate = 44100
    n_fft: Window = 2048
    hop_samples: Size = 512
    features: Annotated[int, within(1, 4096, why="memory")] = 128  # N
    modules: Annotated[int, within(1, 1024)] = 12  # one RNN over time and one over bands: 24 residual BLSTM layers
    mlp_layers: Annotated[int, within(1, 64)] = 1  # paper: one hidden layer; authors' code: 2
    normalisation: Literal["group", "layer"] = "group"  # paper: axes not given; authors' code: GroupNorm(1), time too
    band_edges: Literal["floor", "nearest"] = "floor"  # paper: not given; authors' code: floor(Hz * bins / Nyquist)
    # paper: not given; authors' code: float32's; replication: 1e-7
    normalisation_eps: Annotated[float, within(0, 1, above=True)] = later(2.0**-23)
    # hidden size of the stereo module, in N; 0: none, channels apart (paper); replication: 3
    tac_factor: Annotated[int, within(0, 64)] = later(0)
    # of attention over frames, N / heads values each; 0: none (paper); replication: 2
    attention_heads: Annotated[int, within(0, 4096)] = later(0)
    attention_features: Size = later(16)  # of queries and keys, in each head and subband (replication)

    def __post_init__(self):
        check(self)
        _check_stft(self)
        heads = self.attention_heads
        require(not heads or self.features % heads == 0, f"{heads} attention_heads",
                f"a divisor of features, {self.features}")  # fmt: skip
        _known_widths(self.band_split, self.n_fft, self.sample_rate, self.band_edges)

    @property
    def channels_apart(self) -> bool:
        """Whether the channels of an item do not see each other."""
        return not self.tac_factor

    @property
    def lstm_hidden(self) -> int:
        return 2 * self.features

    @property
    def mlp_hidden(self) -> int:
        return 4 * self.features


_known_widths = lru_cache(band_widths)  # raises ConfigError for a split that cannot be; profiles are made often


@dataclass(frozen=True)
class PeerConfig:
    """One earlier system, trained as BSRNN is (:mod:`bsrnn.models.other_systems`); what it takes of its size: PEERS."""

    system: Literal["hdemucs", "umx", "convtasnet", "convtasnet-stft"] = "hdemucs"
    targets: Names = ("vocals",)
    sample_rate: SampleRate = 44100
    n_fft: Window = 2048  # of the loss, as BSRNN's
    hop_samples: Size = 512  # likewise
    width: Size = 8  # channels after the first layer, hidden size of the LSTMs' input, channels between the blocks
    depth: Annotated[int, within(1, 64)] = 6  # layers of the U-Net, LSTMs on each other, blocks of each of three stacks
    window: Size = 4096  # samples of its own STFT (hop: a quarter), or of the learnt encoder's kernel (hop: half)

    def __post_init__(self):
        check(self)
        _check_stft(self)

    @property
    def channels_apart(self) -> bool:
        """Whether the channels of an item do not see each other."""
        return self.system.startswith("convtasnet")

    @property
    def band_split(self) -> str:
        """None: no comparison of splits takes a peer for one of its rows."""
        return ""


# Each as it stands in its paper, but for a size that brings a training step near that of `small`'s BSRNN. Measured side
# by side in CPU seconds, float32, one item of 3 s: 1.3, 0.6, 1.2 and 1.0 times as long.
PEERS = {
    "hdemucs": PeerConfig("hdemucs", width=8, depth=6, window=4096),  # paper: 48 channels
    "umx": PeerConfig("umx", width=512, depth=3, window=4096),  # as published
    "convtasnet": PeerConfig("convtasnet", width=32, depth=8, window=176),  # paper: 128 channels, 2 ms; here 4 ms
    "convtasnet-stft": PeerConfig("convtasnet-stft", width=96, depth=8, window=2048),  # paper: 128 channels
}
PEER_NAMES = {
    "hdemucs": "Hybrid Demucs",
    "umx": "Open-Unmix",
    "convtasnet": "Conv-TasNet",
    "convtasnet-stft": "Conv-TasNet on an STFT",
}


@dataclass(frozen=True)
class DataConfig:
    """Which songs. Counts apply to the embedded set only; the other sources are used whole."""

    source: Literal["embedded", "musdb18hq", "musdb18", "previews", "guitar", "folder"] = "musdb18hq"
    folder: str = ""  # where the songs lie; "" = data/<source>
    train_songs: CountOrNone = 0
    valid_songs: CountOrNone = 0
    test_songs: CountOrNone = 0
    unlabelled_songs: CountOrNone = 0  # mixtures
    new_songs: CountOrNone = later(0)  # test songs of timbres that no training song has
    # further training songs, whose singers are amateurs recorded at home; rendered when a training asks for them
    amateur_songs: CountOrNone = later(0)
    # only the first so many training songs are labelled, the others are the unlabelled ones; 0: all are labelled
    labelled_songs: CountOrNone = later(0)
    song_seconds: Annotated[float, within(0, 3600, above=True)] = 30.0
    seed: Seed = 0
    generator_version: Annotated[int, within(2, 2)] = 2  # of the embedded songs; what version 1 made is no more
    # a fold of the songs in a folder: these are scored, all others train, and none validates; (): the folder's splits
    hold_out: tuple[str, ...] = later(())
    excerpt_seconds: NotNegative = later(0.0)  # of each test song its middle is scored; 0: all of it

    def __post_init__(self):
        check(self)
        require(not self.hold_out or self.source != "embedded", "data.hold_out with data.source 'embedded'",
                "songs of a folder: the embedded ones have splits of their own")  # fmt: skip
        require(not self.labelled_songs or self.source == "embedded" and self.labelled_songs < self.train_songs,
                f"{self.labelled_songs} data.labelled_songs of {self.train_songs} train_songs, source {self.source!r}",
                "fewer than train_songs, and embedded songs: the others are the unlabelled ones")  # fmt: skip
        beside = self.source == "embedded" and self.train_songs > 0 and not self.labelled_songs
        require(not self.amateur_songs or beside,
                f"{self.amateur_songs} data.amateur_songs with {self.train_songs} train_songs, {self.labelled_songs} "
                f"labelled_songs, source {self.source!r}", "embedded songs, all of them labelled")  # fmt: skip
        require(self.source != "folder" or bool(self.folder), "data.source 'folder' without data.folder",
                "the folder that holds the songs")  # fmt: skip


@dataclass(frozen=True)
class ActivityConfig:
    """Source activity detection (section IV-A)."""

    segment_seconds: Seconds = 6.0
    overlap: Annotated[float, within(0, 0.99)] = 0.5
    chunks: Annotated[int, within(1, 10_000)] = 10
    floor: Positive = 1e-5  # energy given to silent chunks
    quantile: Share = 0.15  # of all chunk energies of the track
    minimum: NotNegative = 1e-3  # the threshold is never below this
    active_share: Share = 0.5  # salient: more than this share of chunks above the threshold
    # paper: undefined; replication: RMS, so the minimum is -60 dBFS ("mean": -30)
    energy: Literal["rms", "mean", "sum"] = "rms"

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class MixingConfig:
    """On-the-fly mixing (section IV-A)."""

    chunk_seconds: Seconds = 3.0
    # uniform in [-gain_db, gain_db], one gain an item and source (ours: not per channel)
    gain_db: Annotated[float, within(0, 200)] = 10.0
    drop_probability: Share = 0.1  # of each source (replication)
    # replication: both; authors' code: each is an item. "one" (ours): drawn for each item, all sources alike
    item_channels: Literal["both", "one"] = later("both")
    # of each signal that is mixed: from octave to octave its level changes by a uniform -tone_db to tone_db, its energy
    # stays (ours); 0: as it was recorded (paper)
    tone_db: Annotated[float, within(0, 60)] = later(0.0)

    def __post_init__(self):
        check(self)


@dataclass(frozen=True)
class LossConfig:
    """Equation 1. ``reduction`` and ``stft_scale``: paper not given; replication: means."""

    spectral_weight: NotNegative = 1.0
    waveform_weight: NotNegative = 1.0
    reduction: Literal["mean", "sum"] = "mean"
    # "unit" (ours): over the root of the window's energy: weights 1 to 1, not 25 to 1
    stft_scale: Literal["plain", "unit"] = later("plain")

    def __post_init__(self):
        check(self)
        require(self.spectral_weight + self.waveform_weight > 0, "loss.spectral_weight 0 and loss.waveform_weight 0",
                "one of them above 0, or there is nothing to learn from")  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """Optimiser, schedule and early stop, counted in items."""

    batch_items: Count = 16  # paper: 2 on each of 8 GPUs
    learning_rate: Positive = 1e-3
    # paper: times decay every decay_items; "cosine": to zero at max_items (ours)
    schedule: Literal["step", "cosine"] = "step"
    decay: Annotated[float, within(0, 1, above=True)] = 0.98
    decay_items: Count = 320_000  # paper: two epochs of 10 000 batches of 16
    clip_norm: Positive = 5.0
    ema_decay: Annotated[float, within(0, 0.999_999)] = later(0.0)  # of the weights that are judged; 0: none (paper)
    max_items: Count = 16_000_000  # paper: 100 epochs
    validate_items: Count = 160_000  # paper: once an epoch
    patience: CountOrNone = 10  # validations without a better one; 0 = never stop early
    kept_weights: Literal["best", "last"] = later("best")  # paper: not given; by validation, or of the end (ours)
    max_bad_steps: Count = 50  # consecutive steps with a non-finite loss or gradient, then stop (ours)
    # paper: a GPU's share. Taken at a time, gradients are summed up to the batch; 0 = all at once
    micro_items: CountOrNone = speed(2)
    # paper: not given; "bfloat16": of products inside the model; weights, loss stay float32
    precision: Literal["float32", "bfloat16"] = speed("float32")
    loader_workers: Workers = speed(4)  # item i depends on (seed, i) alone, so the number changes no bit
    cuda_graphs: bool = speed(True)  # on one GPU: a step's kernels are recorded once and started together

    def __post_init__(self):
        check(self)
        require(self.max_items >= self.batch_items, f"max_items {self.max_items} and batch_items {self.batch_items}",
                "at least one batch of items")  # fmt: skip
        require(not self.patience or self.kept_weights == "best", f"kept_weights 'last' with patience {self.patience}",
                "patience 0: the last weights are those of a training that is not stopped early")  # fmt: skip


@dataclass(frozen=True)
class FinetuneConfig:
    """Semi-supervised finetuning (sections III, IV-B); optimiser and schedule in ``train``."""

    train: TrainConfig = field(default_factory=lambda: TrainConfig(learning_rate=1e-4))
    threshold_db: Annotated[float, within(0, 1000, above=True)] = 30.0  # of both energy rules
    # "both" and "matched" are the same, all there are: run keys hold the two names. "none": the control
    unlabelled: Literal["both", "matched", "none"] = "both"
    self_boosting: bool = True  # the student replaces the teacher whenever its validation is better
    # paper; "truth": the unlabelled songs' own stems, where there are any (upper bound)
    labels: Literal["teacher", "truth"] = "teacher"
    keep: tuple[Kind, ...] = ("pseudo", "clean_target", "clean_residual")  # paper: all three kinds are used
    # The paper's open choices, each with its alternative (defaults: ours)
    # the 3 s that are mixed; "segment": the 6 s of the salient segment around them
    teacher_sees: Literal["chunk", "segment"] = "chunk"
    energy_over: Literal["chunk", "segment"] = "chunk"  # what the rules measure; "segment": all that the teacher sees
    # are judged and drawn together; "each" by itself: an item's channels are then unrelated
    channels: Literal["both", "each"] = "both"
    # each signal of a pool alike; "kinds": first a kind that is there, then one of its signals; "remixit": as RemixIT
    # does (arXiv 2202.08862), the teacher's estimates alone, without rules, each target with another chunk's residual;
    # "mixes": no pools, but the random mixes of training, each source of an item from a song of its own
    pools: Literal["signals", "kinds", "remixit", "mixes"] = "signals"
    # the start's share in the weights that are validated and kept, a mean of the two, so that the old is not lost to
    # the new (WiSE-FT, arXiv 2109.01903); 0: the finetuned ones alone (paper)
    keep_start: Share = later(0.0)
    teacher_batch: Count = speed(16)  # chunks that the teacher separates at once

    def __post_init__(self):
        check(self)
        require(self.energy_over == "chunk" or self.teacher_sees == "segment",
                f"energy_over 'segment' and teacher_sees {self.teacher_sees!r}",
                "teacher_sees 'segment' with it: the teacher has seen no more than a chunk")  # fmt: skip
        require(self.pools != "remixit" or self.unlabelled != "none",
                "pools 'remixit' without unlabelled songs", "some: it draws from nothing else")  # fmt: skip
        require(self.pools != "remixit" or self.train.batch_items > 1,
                f"pools 'remixit' and train.batch_items {self.train.batch_items}",
                "two or more: a target needs another chunk's residual")  # fmt: skip


@dataclass(frozen=True)
class SeparateConfig:
    """Inference (section IV-C)."""

    segment_seconds: Seconds = 3.0
    hop_seconds: Seconds = 0.5
    batch_segments: Count = speed(8)
    # paper: not given; linear fades over half a segment. "tenth": replication
    window: Fade = later("triangle")
    peak: bool = later(False)  # scale the mixture to peak 1 before the model, and back after it (paper: not said)

    def __post_init__(self):
        check(self)
        require(self.hop_seconds <= self.segment_seconds,
                f"segments of {self.segment_seconds:g} s every {self.hop_seconds:g} s",
                "0 < hop <= segment, or there are gaps between the segments")  # fmt: skip

    def samples(self, model: ModelConfig | PeerConfig) -> tuple[int, int]:
        """Segment and hop in samples.

        Raises:
            ConfigError: they are too short for this model.
        """
        segment, hop = round(self.segment_seconds * model.sample_rate), round(self.hop_seconds * model.sample_rate)
        require(hop >= 1 and segment > model.n_fft,
                f"segments of {self.segment_seconds:g} s every {self.hop_seconds:g} s", "0 < hop <= segment and a "
                f"segment longer than the STFT window ({model.n_fft / model.sample_rate:.3f} s)")  # fmt: skip
        return segment, hop


@dataclass(frozen=True)
class Settings:
    """All that decides the numbers of a training and of its scores, but for the seed."""

    name: str  # noted in what is made by them
    data: DataConfig = DataConfig()
    model: ModelConfig | PeerConfig = ModelConfig()
    activity: ActivityConfig = ActivityConfig()
    mixing: MixingConfig = MixingConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    separate: SeparateConfig = SeparateConfig()  # for the test scores
    validate: SeparateConfig = SeparateConfig(hop_seconds=3.0)  # ours: no overlap while training, a sixth of the cost

    def __post_init__(self):
        check(self)
        self.separate.samples(self.model)
        self.validate.samples(self.model)
        rate, half = self.model.sample_rate, self.model.n_fft // 2
        require(round(self.mixing.chunk_seconds * rate) > half, f"mixing.chunk_seconds {self.mixing.chunk_seconds:g}",
                f"more than half an STFT window ({half / rate:.3f} s)")  # fmt: skip
        require(round(self.activity.segment_seconds / self.activity.chunks * rate) >= 1,
                f"{self.activity.chunks} activity.chunks in {self.activity.segment_seconds:g} s",
                "at least a sample in each")  # fmt: skip


# ---- which of them tell two trainings apart ----

_SECTIONS = (ModelConfig, PeerConfig, DataConfig, ActivityConfig, MixingConfig, LossConfig, TrainConfig, FinetuneConfig,
             SeparateConfig)  # fmt: skip


def _marked(mark: str) -> dict[str, object]:
    """Name -> default of the settings that are marked so."""
    return {each.name: each.default for section in _SECTIONS for each in fields(section) if mark in each.metadata}


SPEED = tuple(_marked("speed"))
ADDED = _marked("later") | {"shifted_songs": 0}  # older results have this one; generator version 1 made such songs


def deciding(settings: dict) -> dict:
    """The settings that decide numbers: without those of speed, and without later ones at their old behaviour."""
    rendered = settings.get("source", "embedded") == "embedded"
    return {
        name: deciding(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if name not in SPEED
        and not (name in ADDED and value == ADDED[name])
        and (rendered or name != "generator_version")  # which made none of these songs
    }


def settings_of(settings: Settings, kind: str, seed: int) -> dict:
    """What a training in a folder of its own depends on, for telling two of them apart."""
    names = ("model", "activity", "mixing", "loss", "validate", "data", kind)
    by_name = deciding({name: asdict(getattr(settings, name)) for name in names})
    for name in ("test_songs", "new_songs", "excerpt_seconds"):  # are no part of a training
        by_name["data"].pop(name, None)
    return by_name | {"seed": seed}
