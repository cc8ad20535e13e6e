"""The changes that set one run of a profile apart from its base, each by a name: one setting, or a few that are one
choice. The grid of :mod:`bsrnn.study.runs` takes from here what a profile names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bsrnn.config import DataConfig

# In words, changed finetuning settings, share of the unlabelled songs
Finetuning = tuple[str, dict, float]
FINETUNED: Finetuning = ("finetuned", {}, 1)
CONTROL: Finetuning = ("control: labelled songs only", {"unlabelled": "none"}, 1)
# Finetunings beside the paper's own
VARIANTS: dict[str, Finetuning] = {
    "truth": ("upper bound: true stems of the unlabelled songs", {"labels": "truth"}, 1),
    "pseudo": ("pseudo labels only", {"keep": ("pseudo",)}, 1),
    "clean": ("clean segments only", {"keep": ("clean_target", "clean_residual")}, 1),
    "fixed": ("fixed teacher", {"self_boosting": False}, 1),
    "half": ("half of the unlabelled songs", {}, 1 / 2),
    "quarter": ("a quarter of the unlabelled songs", {}, 1 / 4),
    "10dB": ("threshold 10 dB", {"threshold_db": 10.0}, 1),
    "20dB": ("threshold 20 dB", {"threshold_db": 20.0}, 1),
    "40dB": ("threshold 40 dB", {"threshold_db": 40.0}, 1),
    "segment": ("the teacher sees 6 s", {"teacher_sees": "segment"}, 1),
    "energy": ("the teacher sees 6 s, energy over them", {"teacher_sees": "segment", "energy_over": "segment"}, 1),
    "each": ("each channel by itself", {"channels": "each"}, 1),
    "kinds": ("kinds of signals drawn alike", {"pools": "kinds"}, 1),
    "15dB": ("threshold 15 dB", {"threshold_db": 15.0}, 1),
    "remixit": ("RemixIT: the teacher's estimates shuffled, no labelled songs", {"pools": "remixit"}, 1),
}
# How a long training goes on for recordings unlike its songs: in words, "section.setting" -> value, and the share of
# the items planned for it. The last but one is the last one's control: as many songs, and no other singers
TONE: dict[str, object] = {"mixing.tone_db": 12.0}
HALF_WAY: dict[str, object] = {"finetune.keep_start": 0.5}
MIXES: dict[str, object] = {"finetune.pools": "mixes"}
TWICE: dict[str, object] = {"data.train_songs": 216}  # of `small`, which has 108
SINGERS: dict[str, object] = {"data.amateur_songs": 108}  # as many as it has of others
ONWARD: dict[str, tuple[str, dict[str, object], float]] = {
    "toned": ("at random tone", TONE, 1),
    "toned-half": ("at random tone; half-way back to the first", TONE | HALF_WAY, 1),
    "toned-mixes": ("mixes at random tone; half-way back to the first", TONE | HALF_WAY | MIXES, 1 / 2),
    "onward": ("mixes, twice as many songs", MIXES | TWICE, 2),
    "amateurs": ("mixes, half of the songs by amateurs", MIXES | SINGERS, 2),
}
# Which of them answer a question that the paper leaves open: the row of data/published/open_details.csv
FINETUNING_DETAILS = {
    "fixed": "teacher's replacement",
    "segment": "what the teacher sees",
    "energy": "energies of the 30 dB rules",
    "each": "channels of the finetuning",
    "kinds": "pools of the finetuning",
}


@dataclass(frozen=True)
class Change:
    """One other choice than the base's.

    words: what is other. changed: "section.setting" -> value. detail: the row of data/published/open_details.csv whose
    choice this is; "": the paper does not leave it open. against: what it is held against, where that is not the base:
    "hop1.5", the base's weights at that hop, or the name of another change.
    """

    words: str
    changed: dict[str, object] = field(default_factory=dict)
    detail: str = ""
    against: str = ""

    @property
    def scored_only(self) -> bool:
        """Whether it takes no training: the base's weights, separated in another way."""
        return all(name.startswith("separate.") for name in self.changed)


# What the paper leaves open: the base's choice against another one
DETAILS: dict[str, Change] = {
    "ten-seconds": Change(
        "segments of 10 s, 10 % fade (replication)",
        {"separate.segment_seconds": 10.0, "separate.hop_seconds": 9.0, "separate.window": "tenth"},
        "segment at inference",
    ),
    "flat": Change(
        "overlapping segments (hop 1.5 s) without a fade",
        {"separate.hop_seconds": 1.5, "separate.window": "flat"},
        "overlap-add window and padding",
        "hop1.5",
    ),
    "peak": Change("mixture scaled to peak 1 before the model", {"separate.peak": True}, "peak normalisation"),
    "layer": Change("layer normalisation of each frame", {"model.normalisation": "layer"}, "normalisation"),
    "mlp2": Change("two hidden layers in the mask", {"model.mlp_layers": 2}, "mask MLP"),
    "nearest": Change("edges at the nearest bin", {"model.band_edges": "nearest"}, "Hz to bins"),
    "sum": Change("sums, not means", {"loss.reduction": "sum"}, "sum or mean in the loss"),
    "plain-stft": Change(
        "torch's plain STFT in the loss: the spectrum weighs 25 times as much",
        {"loss.stft_scale": "plain"},
        "weight of spectrum and waveform",
    ),
    "mean-energy": Change(
        "energy as mean square: a gate at -30 dBFS", {"activity.energy": "mean"}, "what the detector calls energy"
    ),
    "keep-all": Change("no source is ever dropped", {"mixing.drop_probability": 0.0}, "dropping"),
    "batch2": Change("two items a step, so half of the steps", {"train.batch_items": 2}, "batch on fewer GPUs"),
}
# Beyond the paper: other models and splits
EXTRAS: dict[str, Change] = {
    "tac": Change("stereo module (TAC)", {"model.tac_factor": 3}),
    "attention": Change("attention over frames, two heads", {"model.attention_heads": 2}),
    # trained once, for all targets of the profile; the band split is the replication's
    "shared": Change("one encoder for all targets, 57 bands", {"model.band_split": "simo"}),
    # as many bands as V7, each placed by one idea (bsrnn.bands.derived_widths)
    "mel41": Change("41 bands, equal on the mel scale", {"model.band_split": "mel41"}),
    "notes41": Change("41 bands along the notes", {"model.band_split": "notes41"}),
    "energy41": Change("41 bands of equal energy", {"model.band_split": "energy41"}),
    # ours: the rendered voices are all of one producer's tone, and other people's records are not
    "tone": Change("random tone of each source", TONE),
    "twice": Change("216 training songs", TWICE),
    "singers": Change("half of 216 training songs by amateurs", SINGERS, "", "twice"),
    # claim C1 where a band of many bins has to give up less
    "wide-v1": Change("V1 with 32 features", {"model.band_split": "v1", "model.features": 32}),
    "wide-v4": Change("V4 over V1, 32 features both", {"model.band_split": "v4", "model.features": 32}, "", "wide-v1"),
}
# What a training of many items may have instead of the base's choice
LONG: dict[str, Change] = {
    "v1": Change("split V1", {"model.band_split": "v1"}),
    "v4": Change("split V4", {"model.band_split": "v4"}),
    # one model for singers of both kinds, and as many songs of one kind
    "both": Change("half of 432 songs by amateurs", TWICE | {"data.amateur_songs": 216}),
    "more": Change("432 songs", {"data.train_songs": 432}),
    "last": Change("its last weights", {"train.kept_weights": "last"}),
}


def fits(changed: Iterable[str], data: DataConfig) -> bool:
    """Whether settings of these names can be others with these songs: only embedded ones are counted, or sung anew."""
    return data.source == "embedded" or not any(name.startswith("data.") for name in changed)
