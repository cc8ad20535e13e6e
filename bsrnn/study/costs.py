"""What a run takes: work, time and memory from its settings alone, for a cluster's queue and for a first idea (ours).

The work is counted. Time and memory follow from rates that were measured on one machine, so they are right within a
factor of two or three; a rehearsal (:mod:`bsrnn.workflow.rehearsal`) measures them on yours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bsrnn.bands import band_widths
from bsrnn.config import DataConfig, MixingConfig, ModelConfig, PeerConfig, SeparateConfig, TrainConfig
from bsrnn.study import runs
from bsrnn.study.profiles import Profile

# floating point operations a second that a training reaches
CORE_RATE = 2e10  # measured: one core of a 2024 server, N 16 and 2 modules; V3 at full size reaches 1e11
GPU_RATE = 1e13  # not measured: a seventh of what an H100 does without tensor cores, LSTMs being what they are
CHANNELS = 2
BYTES = 4
LSTM_VALUES = 62  # floats kept for the backward pass, a position, feature and RNN: measured, V3 and V7 on the CPU
SCORE_VALUES = 80  # floats that a forward pass holds at its widest, a position and feature: measured, V6 at full size
PYTHON_GB = 1.0  # torch, songs, one segment
MARGIN = 2.0  # on what is asked of a queue; a run that is cut off goes on where it was
LONGEST_MINUTES = 2880  # that a queue is asked for
SONG_SECONDS = 240.0  # of a real song, in the mean (MUSDB18: 10 h in 150 songs)
# train, valid, test; the guitar's in most of its folds
SONGS = {"musdb18hq": (86, 14, 50), "musdb18": (86, 14, 50), "previews": (80, 14, 50), "guitar": (6, 0, 2)}


@dataclass(frozen=True)
class Cost:
    """Of one run. ``memory_gb`` is what one process holds: on the GPU, where there is one, else in the machine."""

    seconds: float
    memory_gb: float


def positions(model: ModelConfig, seconds: float) -> float:
    """Frames times subbands of one stereo item, over both channels."""
    bands = len(band_widths(model.band_split, model.n_fft, model.sample_rate, model.band_edges))
    return CHANNELS * bands * (seconds * model.sample_rate / model.hop_samples + 1)


def forward_operations(model: ModelConfig | PeerConfig, seconds: float) -> float:
    """Floating point operations of one stereo item, forward: two a multiplication with its addition.

    Those of an earlier system are counted, in a forward pass (:func:`bsrnn.models.other_systems.count`); BSRNN has a
    formula.
    A position and module: two RNNs, each two directions of 4H (N + H) with H = 2N, then a map 4N -> N: 104 N^2. The
    stereo module has H = tac_factor N: a map each way for a channel, and two more for the mean of both. Attention has
    maps to queries, keys and values and one back, and every frame meets every other.
    """
    if isinstance(model, PeerConfig):
        return _count(model, seconds).operations
    n, places = model.features, positions(model, seconds)
    core = places * model.modules * (104 * n**2 + _stereo(model) + _attention(model, seconds))
    hidden = places * len(model.targets) * (4 * n**2 + (model.mlp_layers - 1) * 16 * n**2)
    frames = CHANNELS * (seconds * model.sample_rate / model.hop_samples + 1)
    ends = frames * (model.n_fft // 2 + 1) * (2 * n + len(model.targets) * 16 * n)  # split; masks with their gate
    return 2 * (core + hidden + ends)


def item_operations(profile: Profile) -> float:
    """Floating point operations of one training item, of one channel or two, forward, for every target of the model."""
    return _of_stereo(profile.mixing) * forward_operations(profile.model, profile.mixing.chunk_seconds)


def _stereo(model: ModelConfig) -> float:
    """Multiplications of the stereo module a position."""
    n, hidden = model.features, model.tac_factor * model.features
    return 2 * n * hidden + (hidden**2 + hidden * n) / CHANNELS


def _attention(model: ModelConfig, seconds: float) -> float:
    """Multiplications of the attention over frames a position."""
    n, queries = model.features, model.attention_heads * model.attention_features
    frames = seconds * model.sample_rate / model.hop_samples + 1
    return (2 * n * queries + 2 * n**2 + frames * (queries + n)) if queries else 0


def _count(model: PeerConfig, seconds: float):
    from bsrnn.models import other_systems  # brings torch

    return other_systems.count(model, seconds)


def parameters_gb(model: ModelConfig | PeerConfig) -> float:
    """Weights, gradients and both moments of Adam: the core's and the masks' larger part."""
    if isinstance(model, PeerConfig):
        return 4 * BYTES * _count(model, 1.0).parameters / 1e9
    n, bins = model.features, model.n_fft // 2 + 1
    core = model.modules * 2 * (2 * 4 * 2 * n * 3 * n + 4 * n * n)
    return 4 * BYTES * (core + len(model.targets) * 16 * n * bins + 2 * n * bins) / 1e9


def training_gb(model: ModelConfig | PeerConfig, seconds: float, items: float) -> float:
    """Memory of one forward and backward pass over so many stereo items."""
    if isinstance(model, PeerConfig):
        return items * _count(model, seconds).kept_bytes / 1e9 + parameters_gb(model)
    kept = positions(model, seconds) * model.modules * 2 * LSTM_VALUES * model.features
    return items * kept * BYTES / 1e9 + parameters_gb(model)


def _songs(data: DataConfig) -> tuple[int, int, int, float]:
    """Training, validation and test songs, and the seconds of one."""
    if data.source == "embedded" or data.test_songs:
        return data.train_songs, data.valid_songs, data.test_songs, data.song_seconds
    return *SONGS.get(data.source, (10, 2, 2)), 7.0 if data.source == "previews" else SONG_SECONDS


def _scoring(model: ModelConfig | PeerConfig, settings: SeparateConfig, songs: int, seconds: float) -> float:
    """Operations of separating songs."""
    segments = math.ceil(seconds / settings.hop_seconds) + math.ceil(settings.segment_seconds / settings.hop_seconds)
    return songs * segments * forward_operations(model, settings.segment_seconds)


def _of_stereo(mixing: MixingConfig) -> float:
    """What an item of a training takes, as a part of a stereo item."""
    return 1 / CHANNELS if mixing.item_channels == "one" else 1


def _training(profile: Profile, config: TrainConfig, teacher: bool) -> float:
    """Operations of a training with its validations, by all processes together."""
    forward = item_operations(profile)
    _, valid, _, seconds = _songs(profile.data)
    checks = config.max_items // config.validate_items * _scoring(profile.model, profile.validate, valid, seconds)
    # a backward pass takes two forward ones; the teacher separates as many chunks as there are items
    return config.max_items * (3 + teacher) * forward + checks


def _scored_songs(run) -> tuple[int, float]:
    """How many songs a run is scored on, and the seconds of one; the real recording is a clip of 6 s."""
    if run.kind == "real":
        return 1, 6.0
    _, _, test, seconds = _songs(run.profile.data)
    return test, seconds


def work(run) -> tuple[float, float]:
    """Operations of a run's training, which several processes share equally, and of its scoring, which one does."""
    profile = run.profile
    songs, seconds = _scored_songs(run)
    training = 0.0
    if run.kind in ("train", "finetune"):
        training = _training(profile, _train_config(run), _has_teacher(run))
    return training, 0.0 if run.kind == "baselines" else _scoring(profile.model, profile.separate, songs, seconds)


def scored_gb(run) -> float:
    """What a process that scores holds: a forward pass over the segments separated at once, and the weights."""
    model, settings = run.profile.model, run.profile.separate
    if isinstance(model, PeerConfig):  # half of what training keeps: a guess
        widest = _count(model, settings.segment_seconds).kept_bytes / 2
    else:
        widest = positions(model, settings.segment_seconds) * SCORE_VALUES * model.features * BYTES
    return PYTHON_GB + settings.batch_segments * widest / 1e9 + parameters_gb(model) / 4


def learning_gb(run, processes: int = 1) -> float:
    """What one process of a training holds."""
    config = _train_config(run)
    share = max(1, config.batch_items // processes)
    items = _of_stereo(run.profile.mixing) * min(config.micro_items or share, share)
    return PYTHON_GB + training_gb(run.profile.model, run.profile.mixing.chunk_seconds, items)


def memory_gb(run, processes: int = 1) -> float:
    """What one process holds, in training and scoring."""
    if run.kind == "baselines":
        return PYTHON_GB + 1.0  # songs of spectrograms
    scored = scored_gb(run)
    return max(scored, learning_gb(run, processes)) if run.kind in ("train", "finetune") else scored


def _train_config(run) -> TrainConfig:
    return run.profile.finetune.train if run.kind == "finetune" else run.profile.train


def _has_teacher(run) -> bool:
    return run.kind == "finetune" and run.profile.finetune.unlabelled != "none"


def of_run(run, device: str = "cpu", processes: int = 1) -> Cost:
    """What a run of the registry takes, without what it starts from.

    Args:
        run: a :class:`bsrnn.study.run.Run`. device: "cpu": one core a process; "cuda": one GPU.
    """
    rate = GPU_RATE if device.startswith("cuda") else CORE_RATE
    training, scoring = work(run)
    songs, seconds = _scored_songs(run)
    scores = songs * seconds / 20  # of a song's twentieth: both metrics
    return Cost(training / (rate * processes) + scoring / rate + scores, memory_gb(run, processes))


def asked(run, device: str = "cpu", processes: int = 1) -> dict[str, int]:
    """What to ask of a queue: ``mem_mb``, ``runtime`` in minutes, ``gpu``; a margin included."""
    cost = of_run(run, device, processes)
    gpus = processes if device.startswith("cuda") else 0
    memory = 8.0 * processes if gpus else cost.memory_gb * processes  # beside GPUs: loaders and songs
    minutes = math.ceil(10 + MARGIN * cost.seconds / 60)
    return {"mem_mb": math.ceil(1000 * MARGIN * memory), "runtime": min(minutes, LONGEST_MINUTES), "gpu": gpus}


KINDS = {"train": "trainings, scored", "finetune": "finetunings, scored", "separate": "weights scored again"}


def summary(profile_names: Sequence[str], processes: int = 8) -> list[dict]:
    """A row a profile and kind of run: runs, hours and memory, on one CPU core, one GPU, and ``processes`` of them.

    Numbers are words for a page: whole ones from ten on, two digits below. Runs without a network or of the real clip
    are left out.

    Raises:
        ConfigError: unknown profile.
    """
    rows = []
    for name in profile_names:
        grid = runs.grid(name).values()
        for kind, words in KINDS.items():
            if not (of_kind := [run for run in grid if run.kind == kind]):
                continue
            core, gpu, gpus = (
                [of_run(run, device, together) for run in of_kind]
                for device, together in (("cpu", 1), ("cuda", 1), ("cuda", processes))
            )
            hours = [sum(cost.seconds for cost in part) / 3600 for part in (core, gpu, gpus)]
            columns = ("hours on one core", "on one GPU", f"on {processes} GPUs")
            row = {"runs of profile": name, "what": words, "runs": len(of_kind)}
            row |= {column: _in_words(value) for column, value in zip(columns, hours, strict=True)}
            rows.append(row | {"GB": _in_words(max(cost.memory_gb for cost in gpu))})
    return rows


def _in_words(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
