"""Profiles (how big) and the frozen settings that they are made of.

`PAPER` holds what the paper states. Every other profile is made from it with :func:`dataclasses.replace`, each
difference with its reason beside it. Where the paper leaves a detail open the value says whose choice it is: *authors'
code* (their public code for the SDX 2023 challenge), *replication* (arXiv 2603.09187) or *ours*.

Schedules count **items** (one stereo mixture of ``chunk_seconds``), not epochs, whose size the paper leaves open.
"""

from dataclasses import asdict, dataclass, field, replace

from bsrnn.errors import ConfigError

TARGETS = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class ModelConfig:
    """One BSRNN. Widths follow the paper: LSTM hidden 2N, mask MLP hidden 4N.

    The defaults are the paper's model. The last settings are variants of others: two mask layers and the normalisation
    of the *authors' code*; `normalisation_eps` 1e-7, `tac_factor` 3 and two `attention_heads` of the *replication*,
    which calls the model with the last two oBSRNN, and with several targets over one encoder oBSRNN-SIMO.
    """

    targets: tuple[str, ...] = ("vocals",)  # paper: one model per target
    band_split: str | tuple[int, ...] = "vocals"  # a scheme of bsrnn.bands, or the widths in bins
    sample_rate: int = 44100
    n_fft: int = 2048
    hop_samples: int = 512
    features: int = 128  # N
    modules: int = 12  # each is one RNN over time and one over bands: 24 residual BLSTM layers
    mlp_layers: int = 1  # paper: one hidden layer; authors' code: 2
    normalisation: str = "group"  # paper: axes not given; authors' code: GroupNorm(1), over time too. Or "layer"
    band_edges: str = "floor"  # paper: Hz to bins not given; authors' code: floor(w * bins / Nyquist). Or "nearest"
    normalisation_eps: float = 2.0**-23  # paper: not given; authors' code: float32's; replication: 1e-7
    tac_factor: int = 0  # hidden size of the stereo module, in N; 0: none, channels apart (paper); replication: 3
    attention_heads: int = 0  # of attention over frames, N / heads values each; 0: none (paper); replication: 2
    attention_features: int = 16  # of queries and keys, in each head and subband (replication)

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


@dataclass(frozen=True)
class PeerConfig:
    """One earlier system, trained as BSRNN is (see :mod:`bsrnn.peers`). What it takes of its size: `PEERS`."""

    system: str = "hdemucs"  # or "umx", "convtasnet", "convtasnet-stft"
    targets: tuple[str, ...] = ("vocals",)
    sample_rate: int = 44100
    n_fft: int = 2048  # of the loss, as BSRNN's
    hop_samples: int = 512  # likewise
    width: int = 8  # channels after the first layer, hidden size of the LSTMs' input, channels between the blocks
    depth: int = 6  # layers of the U-Net, LSTMs on each other, blocks of each of three stacks
    window: int = 4096  # samples of its own STFT (hop: a quarter), or of the learnt encoder's kernel (hop: half)

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


@dataclass(frozen=True)
class DataConfig:
    """Which songs. Counts apply to the embedded set only; the other sources are used whole."""

    source: str = "musdb18hq"  # "embedded", "musdb18hq", "musdb18", "previews" or "folder"
    folder: str = ""  # where the songs lie; "" = data/<source>
    train_songs: int = 0
    valid_songs: int = 0
    test_songs: int = 0  # version 1: half of them with timbres of the training songs, half with new ones
    unlabelled_songs: int = 0  # mixtures of each kind: matched, and in version 1 shifted
    shifted_songs: int = 0  # test songs like the shifted mixtures: other styles, mastered
    new_songs: int = 0  # generator version 2: test songs of timbres that no training song has
    song_seconds: float = 30.0
    seed: int = 0
    generator_version: int = 1  # of the embedded songs; 2: one wide world for all but the new songs, no shifted ones


@dataclass(frozen=True)
class ActivityConfig:
    """Source activity detection (section IV-A)."""

    segment_seconds: float = 6.0
    overlap: float = 0.5
    chunks: int = 10
    floor: float = 1e-5  # energy given to silent chunks
    quantile: float = 0.15  # of all chunk energies of the track
    minimum: float = 1e-3  # the threshold is never below this
    active_share: float = 0.5  # salient: more than this share of chunks above the threshold
    energy: str = "rms"  # paper: undefined; replication: RMS, so the minimum is -60 dBFS. Or "mean" (-30), "sum"


@dataclass(frozen=True)
class MixingConfig:
    """On-the-fly mixing (section IV-A)."""

    chunk_seconds: float = 3.0
    gain_db: float = 10.0  # uniform in [-gain_db, gain_db], one gain an item and source (ours: not per channel)
    drop_probability: float = 0.1  # of each source (replication)


@dataclass(frozen=True)
class LossConfig:
    """Equation 1. ``reduction``: paper not given; replication: means."""

    spectral_weight: float = 1.0
    waveform_weight: float = 1.0
    reduction: str = "mean"  # or "sum"


@dataclass(frozen=True)
class TrainConfig:
    """Optimiser, schedule and early stop, counted in items (stereo mixtures)."""

    batch_items: int = 16  # paper: 2 on each of 8 GPUs
    learning_rate: float = 1e-3
    schedule: str = "step"  # paper: times decay every decay_items; "cosine": to zero at max_items (ours)
    decay: float = 0.98
    decay_items: int = 320_000  # paper: two epochs of 10 000 batches of 16
    clip_norm: float = 5.0
    max_items: int = 16_000_000  # paper: 100 epochs
    validate_items: int = 160_000  # paper: once an epoch
    patience: int = 10  # validations without a better one; 0 = never stop early
    max_bad_steps: int = 50  # consecutive steps with a non-finite loss or gradient, then stop (ours)
    micro_items: int = 2  # paper: a GPU's share. Taken at a time, gradients are summed up to the batch; 0 = all at once
    precision: str = "float32"  # paper: not given; "bfloat16": of products inside the model; weights, loss stay float32
    loader_workers: int = 4  # item i depends on (seed, i) alone, so the number changes no bit


@dataclass(frozen=True)
class FinetuneConfig:
    """Semi-supervised finetuning (sections III, IV-B); optimiser and schedule in ``train``."""

    train: TrainConfig = field(default_factory=lambda: replace(TrainConfig(), learning_rate=1e-4))
    threshold_db: float = 30.0  # of both energy rules
    unlabelled: str = "both"  # "matched", "shifted", "both", or "none": the control, labelled data only
    self_boosting: bool = True  # the student replaces the teacher whenever its validation is better
    labels: str = "teacher"  # paper; "truth": the unlabelled songs' own stems, where there are any (upper bound)
    keep: tuple[str, ...] = ("pseudo", "clean_target", "clean_residual")  # paper: all three kinds are used
    # The paper's open choices, each with its alternative (defaults: ours)
    teacher_sees: str = "chunk"  # the 3 s that are mixed; "segment": the 6 s of the salient segment around them
    energy_over: str = "chunk"  # what the rules measure; "segment": all that the teacher has seen
    channels: str = "both"  # are judged and drawn together; "each" by itself: an item's channels are then unrelated
    pools: str = "signals"  # each signal of a pool alike; "kinds": first a kind that is there, then one of its signals
    # Speed alone
    teacher_batch: int = 16  # chunks that the teacher separates at once
    # it labels the next batches in a thread while the student learns: no gain on two cores, which both want
    teacher_ahead: bool = False


@dataclass(frozen=True)
class SeparateConfig:
    """Inference (section IV-C)."""

    segment_seconds: float = 3.0
    hop_seconds: float = 0.5
    batch_segments: int = 8
    window: str = "triangle"  # paper: not given; linear fades over half a segment. Or "tenth" (replication), "flat"
    peak: bool = False  # scale the mixture to peak 1 before the model, and back after it (paper: not said)


@dataclass(frozen=True)
class Profile:
    """How big: everything that decides a number, but for the seed and the one change of a run."""

    name: str
    data: DataConfig = DataConfig()
    model: ModelConfig | PeerConfig = ModelConfig()
    activity: ActivityConfig = ActivityConfig()
    mixing: MixingConfig = MixingConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    separate: SeparateConfig = SeparateConfig()  # for the test scores
    validate: SeparateConfig = SeparateConfig(hop_seconds=3.0)  # ours: no overlap while training, a sixth of the cost
    targets: tuple[str, ...] = TARGETS
    table_one: tuple[str, ...] = ("v1", "v2", "v3", "v4", "v5", "v6")  # vocals' splits beside V7, their own
    # other targets with a split that is not their own: V7, and as a control each other's
    crossed: tuple[tuple[str, str], ...] = (("bass", "v7"), ("drums", "v7"), ("bass", "drums"), ("drums", "bass"))
    hops: tuple[float, ...] = (0.5, 1.0, 1.5, 3.0)  # seconds, Table II; of the first seed
    # other choices, see bsrnn.variants.DETAILS and EXTRAS: "layer" of the first target, "drums/long" of another
    details: tuple[str, ...] = ()
    detail_seeds: tuple[int, ...] = (0,)  # of those that are trained
    peers: tuple[str, ...] = ()  # other systems trained on the same items, of the first target; see PEERS
    peer_seeds: tuple[tuple[str, tuple[int, ...]], ...] = ()  # of a peer that is not trained with all seeds
    rates: tuple[float, ...] = ()  # learning rates that BSRNN and each peer are tried with, first seed
    peer_rates: tuple[tuple[str, float], ...] = ()  # a peer's best of them on the validation songs, where not `train`'s
    finetuned: tuple[str, ...] = TARGETS
    variants: tuple[str, ...] = ()  # of the first target's finetuning, see bsrnn.variants.VARIANTS; first seed
    seeds: tuple[int, ...] = (0,)
    finetune_seeds: tuple[int, ...] = ()  # more data orders of the finetuning and its control, from one start
    carries_claims: bool = True  # False: one seed, few steps; every figure and table says so
    claims: str = ""  # the profile whose runs decide the claims, once they are all there

    def asdict(self) -> dict:
        """Plain dict for JSON."""
        return asdict(self)


PAPER = Profile(name="paper")

# `paper` with what the replication (arXiv 2603.09187) used for its final models: longer patience was better there (8.5
# against 8.2 dB validation uSDR), the rest are its choices. Kept apart, so that `paper` stays the paper's.
RECOMMENDED = replace(
    PAPER,
    name="recommended",
    model=replace(PAPER.model, mlp_layers=2),  # authors' code and replication
    train=replace(
        PAPER.train, decay_items=40_000, validate_items=20_000, patience=30, max_items=4_000_000
    ),  # epochs of 20 000 items
)

# The 7 s previews of MUSDB18: real music, free to download, too little of it for more than a look.
PREVIEWS = replace(
    PAPER,
    name="previews",
    data=DataConfig(source="previews"),
    model=replace(PAPER.model, features=32, modules=4),  # ours: a small one, for ten minutes of music
    # ours: the fixed budget of the small profiles, for a laptop with patience
    train=replace(
        PAPER.train, batch_items=4, schedule="cosine", max_items=16_000, validate_items=2_000, loader_workers=0
    ),
    finetuned=(),  # it has no unlabelled songs
    carries_claims=False,  # one seed
)

# The results that are committed: the embedded songs, and a model small enough for two cores: all runs take an hour.
SMALL = replace(
    PAPER,
    name="small",
    # 102 songs of 30 s, 2.6 GB: what renders in minutes; half of the test songs have new timbres
    data=DataConfig(
        source="embedded", train_songs=48, valid_songs=6, test_songs=16, unlabelled_songs=12, shifted_songs=8
    ),
    model=replace(PAPER.model, features=16, modules=2),  # 0.35 s a stereo item of 3 s on one core
    train=replace(
        PAPER.train,
        batch_items=2,  # with so few items the number of steps counts, not the noise of each
        learning_rate=3e-3,  # ours: a short budget wants larger steps
        schedule="cosine",  # ours: a fixed budget that decays to zero, so that two runs stop alike
        max_items=3600,  # half an hour a model on a busy core
        validate_items=400,  # nine times
        patience=0,  # the budget is fixed
        loader_workers=0,  # an item of 3 s takes 5 ms to make, and 350 to learn from
    ),
    finetune=replace(
        PAPER.finetune,
        train=replace(
            PAPER.finetune.train,
            batch_items=2,
            learning_rate=1e-4,  # the paper's; the start's has come down to zero, so that it is a restart (ours)
            schedule="cosine",
            max_items=600,  # a sixth of training's
            validate_items=100,  # often: each is a chance for the student to become the teacher
            patience=0,
            loader_workers=0,
        ),
        teacher_batch=8,  # of 16 on a CPU is no faster
    ),
    separate=replace(PAPER.separate, hop_seconds=1.5),  # a third of the cost; Table II: 0.1 dB
    targets=("vocals", "drums"),  # a voice and a kit: what fits the time
    table_one=("v1",),  # the coarsest split against V7
    finetuned=("vocals", "drums"),  # with its control, each costs a third of a training
    crossed=(),  # in `seeds`
    details=("ten-seconds", "flat", "peak"),  # which take no training
    variants=("truth", "pseudo", "clean", "quarter", "fixed", "segment"),  # each a sixth
    carries_claims=False,  # one seed
    claims="seeds",
)

# The claims: five seeds of every contrast, more test songs, shorter trainings.
SEEDS = replace(
    SMALL,
    name="seeds",
    data=replace(SMALL.data, test_songs=50),  # 136 songs in all, 3.5 GB
    train=replace(
        SMALL.train,
        # ours: with so few items the number of steps counts; validation uSDR of one pilot each, vocals: 1.82 dB with
        # two items a step at 3e-3, 1.30 dB at 6e-3, 1.71 dB with twice the items of half the length, 2.42 dB with this
        batch_items=1,
        learning_rate=2e-3,
        max_items=1200,  # five minutes a model
        precision="bfloat16",  # two thirds of the time on a CPU that has it
    ),
    finetune=replace(  # a tenth of training's rate, as the paper's, and a third of its items
        SMALL.finetune,
        train=replace(SMALL.finetune.train, learning_rate=2e-4, max_items=400, precision="bfloat16"),
    ),
    separate=replace(PAPER.separate, hop_seconds=3.0),  # half the cost of 1.5 s for every model alike
    targets=("vocals", "bass", "drums"),  # those of C2, and the voice
    table_one=("v1", "v4", "uniform41"),  # the contrast of claim C1, and its control
    crossed=(("bass", "v7"), ("drums", "v7"), ("bass", "drums"), ("drums", "bass")),  # of C2, and its control
    hops=(1.5, 3.0),  # the contrast of C3 alone
    peers=("hdemucs", "umx", "convtasnet-stft"),
    rates=(5e-5, 1.2e-4, 3e-4, 8e-4, 2e-3, 5e-3, 1.2e-2, 3e-2),
    peer_rates=(("hdemucs", 1.2e-2), ("umx", 5e-3), ("convtasnet-stft", 1.2e-4)),
    finetuned=("vocals",),  # with its control alone
    details=("tac", "attention", "shared", "mel41", "notes41", "energy41", "wide-v1", "wide-v4", "half", "twice",
             "layer", "mlp2", "nearest", "sum", "waveform", "mean-energy", "keep-all", "batch2"),  # fmt: skip
    variants=(),  # in `small`
    seeds=(0, 1, 2, 3, 4),  # a seed draws weights and items; every run of a seed sees the same items in the same order
    carries_claims=True,
    claims="",
)

# The same runs in minutes: for a newcomer's first look, and for no claim.
QUICK = replace(
    SMALL,
    name="quick",
    # two minutes to render
    data=replace(SMALL.data, train_songs=18, valid_songs=4, test_songs=8, unlabelled_songs=6, shifted_songs=4),
    # twice the steps in the same time: at the very start they count most
    mixing=replace(SMALL.mixing, chunk_seconds=1.5),
    # 300 steps, two minutes a model, at a larger rate still
    train=replace(SMALL.train, learning_rate=4e-3, max_items=600, validate_items=200),
    finetune=replace(
        SMALL.finetune, train=replace(SMALL.finetune.train, learning_rate=4e-4, max_items=160, validate_items=40)
    ),
    finetuned=("vocals",),  # one is enough to see how it goes
    details=("ten-seconds",),  # likewise
    claims="",
    variants=(),  # likewise
    finetune_seeds=(),  # likewise
)

# Every step of the way in seconds, for the tests: the numbers mean nothing.
TINY = replace(
    QUICK,
    name="tiny",
    # of 20 s, since in fewer a target may rest throughout
    data=replace(
        SMALL.data, train_songs=2, valid_songs=2, test_songs=2, unlabelled_songs=1, shifted_songs=1, song_seconds=20.0
    ),
    model=replace(PAPER.model, features=4, modules=1),
    train=replace(SMALL.train, max_items=8, validate_items=4),  # four steps, two validations
    finetune=replace(SMALL.finetune, train=replace(SMALL.finetune.train, max_items=4, validate_items=2)),
    variants=("truth", "fixed"),  # one for every target, one for the first
)

# `paper`, every run of it, with the models at full size and two steps each on made-up songs: that all fits together and
# how long it will take (bsrnn.rehearsal).
REHEARSAL = replace(
    PAPER,
    name="rehearsal",
    data=replace(PAPER.data, train_songs=2, valid_songs=1, test_songs=1, song_seconds=1.5),  # noise, to be scored soon
    mixing=replace(PAPER.mixing, chunk_seconds=1.0),  # a third of the memory: 7 GB, which a laptop has
    train=replace(
        PAPER.train, batch_items=1, micro_items=1, max_items=2, validate_items=2, patience=0, loader_workers=0
    ),
    finetune=replace(
        PAPER.finetune,
        train=replace(
            PAPER.finetune.train, batch_items=1, micro_items=1, max_items=2, validate_items=2, patience=0,
            loader_workers=0,
        ),  # fmt: skip
        teacher_batch=1,  # there are no more chunks
    ),
    separate=replace(PAPER.separate, batch_segments=2),  # memory again
    validate=replace(PAPER.validate, batch_segments=2),
    carries_claims=False,
)

PROFILES = {p.name: p for p in (TINY, QUICK, SMALL, SEEDS, PREVIEWS, RECOMMENDED, PAPER, REHEARSAL)}


def profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PROFILES:
        raise ConfigError(f"unknown profile {name!r}: expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
