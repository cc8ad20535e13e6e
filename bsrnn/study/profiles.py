"""Profiles: how big everything is, and what the study runs with each, made of the settings of :mod:`bsrnn.config`.

`PAPER` holds what the paper states. Every other profile is made from it with :func:`dataclasses.replace`, each
difference with its reason beside it. Where the paper leaves a detail open the value says whose choice it is: *authors'
code* (their public code for the SDX 2023 challenge), *replication* (arXiv 2603.09187) or *ours*.

Schedules count **items** (one mixture of ``chunk_seconds``), not epochs, whose size the paper leaves open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bsrnn.config import TARGETS, DataConfig, ModelConfig, Settings
from bsrnn.errors import ConfigError
from bsrnn.runtime import overrides
from bsrnn.runtime.limits import CountOrNone, Names, Positive, Seconds, Seed, named, require
from bsrnn.study import guitar


@dataclass(frozen=True)
class Profile(Settings):
    """Settings, and what the study runs with them."""

    targets: Names = TARGETS
    splits: tuple[tuple[str, tuple[int, ...]], ...] = ()  # targets that the paper has no split for: widths in bins
    # id and held-out songs (DataConfig.hold_out): in each fold V7 and the target's own split, and no other run
    folds: tuple[tuple[str, tuple[str, ...]], ...] = ()
    table_one: tuple[str, ...] = ("v1", "v2", "v3", "v4", "v5", "v6")  # vocals' splits beside V7, their own
    # other targets with a split that is not their own: V7, and as a control each other's
    crossed: tuple[tuple[str, str], ...] = (("bass", "v7"), ("drums", "v7"), ("bass", "drums"), ("drums", "bass"))
    hops: tuple[Seconds, ...] = (0.5, 1.0, 1.5, 3.0)  # seconds, Table II; of the first seed
    more_songs: CountOrNone = 0  # embedded test songs of the hops and of what is scored again; 0: as many as all else
    # other choices, see bsrnn.study.ablations.DETAILS and EXTRAS: "layer" of the first target, "drums/long" of another
    details: tuple[str, ...] = ()
    detail_seeds: tuple[Seed, ...] = (0,)  # of those that are trained
    # "section.setting" -> other sizes of it, for curves of the score: of the first target, with `detail_seeds`
    scale: tuple[tuple[str, tuple[int, ...]], ...] = ()
    long_items: CountOrNone = 0  # of a second training of each base, all else the same; 0: none
    # other choices of vocals, or of the target before a slash, that are trained as long; see bsrnn.study.ablations.LONG
    long_changes: tuple[str, ...] = ()
    # items with which the first seed's long training of the first target goes on, see bsrnn.study.ablations.ONWARD
    onward_items: CountOrNone = 0
    peers: tuple[str, ...] = ()  # other systems trained on the same items, of the first target; see PEERS
    # a peer's learning rate, where not `train`'s
    peer_rates: tuple[tuple[str, Positive], ...] = ()
    # runs, ids without the seed, that are computed with twice the items, too, of the first seed
    doubled: tuple[str, ...] = ()
    finetuned: tuple[str, ...] = TARGETS
    # the finetunings' starts learn from so many training songs, whose others are then the unlabelled ones; 0: from all,
    # so that a start is the base
    few_songs: CountOrNone = 0
    variants: tuple[str, ...] = ()  # of the first target's finetuning, see bsrnn.study.ablations.VARIANTS; first seed,
    # but "truth", the upper bound, of every target and seed
    seeds: tuple[Seed, ...] = (0,)
    more_tries: CountOrNone = 2  # for a training that stayed silent, each with another seed
    carries_claims: bool = True  # False: one seed, few steps; every figure and table says so
    # claims that were undecided with all their seeds, or known too roughly, and are asked once more, with more songs or
    # seeds (book/plan.md); and contrasts that go along with their claim's, "C1, control"
    second_looks: tuple[str, ...] = ()
    # runs of C1 and C4, ids without the seed, whose weights are scored again: on `more_songs`, segments side by side
    scored_again: tuple[str, ...] = ()
    second_seeds: tuple[Seed, ...] = ()  # of C2's, beside `seeds`: the crossed targets with their own split and with V7
    # likewise C1, which has third seeds, and C2, which has seeds of last weights, once all of their runs have results
    third_looks: tuple[str, ...] = ()
    third_seeds: tuple[Seed, ...] = ()  # of C1's, beside `seeds`: vocals with V1 and with V4
    last_seeds: tuple[Seed, ...] = ()  # of C2's: as `second_seeds` has them, but the last weights are kept
    # runs whose models are published with the best one of their target: `bsrnn separate` takes the mean of both
    together: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # runs whose models are published apart from these
    # patterns of the ids of runs that are planned and wait for computing time: those of no figure, table or claim yet
    waiting: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        require(not self.folds or len(self.targets) == 1, f"folds with the targets {', '.join(self.targets)}",
                "one target: ids of their runs begin with the fold")  # fmt: skip
        both = set(self.together) & set(self.beside)
        require(not both, f"{', '.join(sorted(both))} in together and in beside", "each run in one of them")
        require(self.few_songs <= self.data.train_songs,
                f"{self.few_songs} few_songs of {self.data.train_songs} train_songs",
                "no more than there are: the others are unlabelled")  # fmt: skip
        seeds = {"C1": self.third_seeds, "C2": self.last_seeds}
        other = {claim for claim in self.third_looks if not seeds.get(claim) or claim not in self.second_looks}
        require(not other, f"{', '.join(sorted(other))} in third_looks",
                "C1 with third_seeds, C2 with last_seeds, each after its second look")  # fmt: skip

    @property
    def bsrnn(self) -> ModelConfig:
        """``model``, of a profile that is not a peer's."""
        assert isinstance(self.model, ModelConfig), f"{self.name!r} is the profile of a peer"
        return self.model

    def with_songs(self, folder: str | Path) -> "Profile":
        """The same training on a folder of a user's own songs, which have neither folds nor songs without stems."""
        return replace(self, data=DataConfig(source="folder", folder=str(folder)), folds=(), few_songs=0)

    def own_split(self, target: str) -> str | tuple[int, ...]:
        """A target's own band split: the paper's, or this profile's."""
        return dict(self.splits).get(target, target)

    @property
    def further_trainings(self) -> list[tuple[str, int, str, str | tuple[int, ...]]]:
        """Those of later looks alone: (role, seed, target, band split); of other seeds than bases, or last weights."""
        crossed = [target for target, split in self.crossed if split == "v7"]
        second = [(target, split) for target in crossed for split in (self.own_split(target), "v7")]
        third = [("vocals", "v1"), ("vocals", "v4")]
        return [
            *(("second look", seed, *pair) for seed in self.second_seeds for pair in second),
            *(("third look", seed, *pair) for seed in self.third_seeds for pair in third),
            *(("last", seed, *pair) for seed in self.last_seeds for pair in second),
        ]


PAPER_MODEL = ModelConfig()
PAPER = Profile(name="paper", model=PAPER_MODEL)

# `paper` with what the replication (arXiv 2603.09187) used for its final models: longer patience was better there (8.5
# against 8.2 dB validation uSDR), the rest are its choices. Kept apart, so that `paper` stays the paper's.
RECOMMENDED = replace(
    PAPER,
    name="recommended",
    model=replace(PAPER_MODEL, mlp_layers=2),  # authors' code and replication
    # epochs of 20 000 items
    train=replace(PAPER.train, decay_items=40_000, validate_items=20_000, patience=30, max_items=4_000_000),
)

# The 7 s previews of MUSDB18: real music, free to download, too little of it for more than a look.
PREVIEWS = replace(
    PAPER,
    name="previews",
    data=DataConfig(source="previews"),
    model=replace(PAPER_MODEL, features=32, modules=4),  # ours: a small one, for ten minutes of music
    train=replace(  # ours: the fixed budget of the small profiles, for a laptop with patience
        PAPER.train, batch_items=4, schedule="cosine", max_items=16_000, validate_items=2_000, loader_workers=0
    ),
    finetuned=(),  # it has no unlabelled songs
    carries_claims=False,  # one seed
)

# The committed results: the embedded songs, and a model small enough for two cores. How its recipe was chosen, and what
# it will hold when the grid is whole: book/plan.md.
SMALL = replace(
    PAPER,
    name="small",
    # 186 songs of 30 s in FLAC, 1.3 GB: one wide world, and 16 songs of timbres that no training song has
    data=DataConfig(source="embedded", train_songs=108, valid_songs=12, test_songs=50, new_songs=16),
    model=replace(PAPER_MODEL, features=16, modules=2),  # 0.15 s an item of 3 s of one channel on one core
    mixing=replace(PAPER.mixing, item_channels="one"),  # ours: two channels are nearly alike, and cost twice
    loss=replace(PAPER.loss, stft_scale="unit"),  # ours: waveform and spectrum weigh alike
    train=replace(
        PAPER.train,
        batch_items=1,  # with so few items the number of steps counts, not the noise of each
        learning_rate=2e-3,  # ours, from pilots (results/pilots)
        schedule="cosine",  # ours: a fixed budget that decays to zero, so that two runs stop alike
        max_items=5000,  # a quarter of an hour a model on one core
        validate_items=1000,
        patience=0,  # the budget is fixed
        precision="bfloat16",  # where the processor has it
        loader_workers=0,  # an item of 3 s takes 20 ms to make, from FLAC, and 150 to learn from
    ),
    finetune=replace(
        PAPER.finetune,
        unlabelled="matched",  # all there are: one world
        train=replace(
            PAPER.finetune.train,
            batch_items=2,
            learning_rate=5e-4,  # ours, of a pilot; the start's has come down to zero, so that it is a restart
            schedule="cosine",
            max_items=600,
            validate_items=150,  # each is a chance for the student to become the teacher
            patience=0,
            precision="bfloat16",
            loader_workers=0,
        ),
        teacher_batch=8,  # of 16 on a CPU is no faster
    ),
    separate=replace(PAPER.separate, hop_seconds=1.5),  # a third of the cost; Table II: 0.1 dB
    table_one=("v1", "v4", "uniform41"),  # the contrasts of claim C1
    hops=(1.0, 1.5, 3.0),  # the paper's 0.5 s takes as long as all of these
    more_songs=512,  # so many can show claim C3's 0.1 dB; rendered when a hop is scored: 3.2 GB more
    peers=("hdemucs", "umx", "convtasnet-stft"),
    # the best of eight on the validation songs, in shorter trainings (results/pilots/rates.csv)
    peer_rates=(("hdemucs", 1.2e-2), ("umx", 5e-3), ("convtasnet-stft", 1.2e-4)),
    doubled=("vocals-convtasnet-stft", "vocals-umx", "vocals-hdemucs", "drums-finetuned", "drums-control"),
    finetuned=("drums", "vocals"),  # with their controls
    few_songs=6,  # labelled ones to 102 unlabelled: the paper's share, 1 to 17
    details=(
        *("ten-seconds", "flat", "peak"),  # take no training
        *("wide-v1", "wide-v4"),  # claim C1 at twice the width
        *("layer", "mlp2", "nearest", "sum", "plain-stft", "mean-energy", "keep-all", "batch2"),  # left open
        *("tac", "attention", "shared", "mel41", "notes41", "energy41", "tone", "twice", "singers"),  # beyond the paper
    ),
    detail_seeds=(0, 1, 2),  # fewer would call no effect one
    scale=(
        ("train.max_items", (625, 1250, 2500, 10000)),
        ("data.train_songs", (6, 12, 36, 216)),
        ("model.features", (8, 32)),
    ),
    long_items=40_000,  # three doublings: what they bring on every target, and whether C1 looks otherwise then
    long_changes=("v1", "v4", "both", "more", "bass/last"),
    onward_items=10_000,  # half an hour on one core, and twice that with other singers
    # one has heard produced singers alone, the other both kinds; weights that were best, and the last ones
    together=("vocals-both-long-s0", "bass-last-long-s0"),
    beside=("vocals-amateurs-s0",),  # for recordings without a producer
    variants=(
        *("truth", "15dB", "20dB", "half", "quarter", "remixit"),  # the room, the rules, the songs, a rival
        *("fixed", "segment", "energy", "each", "kinds"),  # left open
    ),
    seeds=(0, 1, 2, 3, 4),
    second_looks=("C1", "C1, control", "C1, more bands", "C2", "C3", "C4"),
    second_seeds=(5, 6, 7, 8),
    third_looks=("C1", "C2"),
    third_seeds=(5, 6, 7, 8),
    last_seeds=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    scored_again=("vocals-v1", "vocals-v4", "vocals-uniform41", "vocals-convtasnet-stft"),
    waiting=(
        *("*-long-s[1-4]", "vocals-v[14]-long-s0", "vocals-more-long-s0"),
        *(f"vocals-{name}-s[0-2]" for name in ("shared", "mel41", "notes41", "energy41")),
        *(f"vocals-{name}-s[12]" for name in ("wide-v[14]", "layer", "mean-energy", "tac", "attention")),
        *("vocals-nearest-s1", *(f"vocals-{name}-s2" for name in ("mlp2", "sum", "plain-stft"))),
        *(f"vocals-{size}-s[12]" for size in ("items625", "items1250", "items2500", "songs12")),
        *("vocals-songs36-s1", "vocals-features8-s2"),
        *("vocals-ten-seconds-s[34]", "vocals-flat-s[1-3]", "vocals-peak-s[134]"),
        *(f"drums-{name}-s0" for name in ("fixed", "segment", "energy", "each", "kinds")),
        *("vocals-hdemucs-s[1-4]", "vocals-umx-s[24]"),
        *(
            "other-shared-s[12]",
            "vocals-umx-doubled-s0",
            "vocals-hdemucs-doubled-s0",
            "drums-*-doubled-s0",
        ),
    ),
)

# A newcomer's minutes: the same world and recipe, fewer songs, shorter trainings; for no claim.
QUICK = replace(
    SMALL,
    name="quick",
    # two minutes to render
    data=replace(SMALL.data, train_songs=18, valid_songs=4, test_songs=8, new_songs=4, unlabelled_songs=6),
    # twice the steps in the same time: at the very start they count most
    mixing=replace(SMALL.mixing, chunk_seconds=1.5),
    train=replace(SMALL.train, max_items=1200, validate_items=400),  # two minutes a model
    finetune=replace(SMALL.finetune, train=replace(SMALL.finetune.train, max_items=160, validate_items=40)),
    targets=("vocals", "drums"),  # a voice and a kit: what fits the time
    table_one=("v1",),  # the coarsest split against V7
    hops=PAPER.hops,
    more_songs=0,
    detail_seeds=(0,),
    scale=(),
    long_items=0,
    long_changes=(),
    onward_items=0,
    together=(),
    beside=(),
    peers=(),
    peer_rates=(),
    doubled=(),
    crossed=(),
    finetuned=("vocals",),  # enough to see how it goes
    few_songs=0,
    details=("ten-seconds",),  # likewise
    seeds=(0,),
    second_looks=(),
    second_seeds=(),
    third_looks=(),
    third_seeds=(),
    last_seeds=(),
    scored_again=(),
    waiting=(),
    carries_claims=False,
    variants=(),  # likewise
)

# A fifth instrument on real recordings, eight songs in six folds (bsrnn.study.guitar): an illustration.
GUITAR = replace(
    PAPER,
    name="guitar",
    data=DataConfig(source="guitar", excerpt_seconds=60.0),  # the middle minute of a song is scored
    model=replace(PAPER_MODEL, targets=(guitar.TARGET,), band_split="v7", features=16, modules=2),  # as in `small`
    mixing=replace(PAPER.mixing, chunk_seconds=1.5),
    train=replace(  # about a minute and a half a model on one core
        PAPER.train,
        batch_items=2,
        learning_rate=3e-3,
        schedule="cosine",
        max_items=500,
        validate_items=500,  # at the end: no song is there for validation, the last weights are scored
        patience=0,
        precision="bfloat16",
        loader_workers=0,
    ),
    separate=replace(PAPER.separate, hop_seconds=3.0),
    targets=(guitar.TARGET,),
    splits=((guitar.TARGET, guitar.WIDTHS),),
    folds=tuple((fold.id, fold.test) for fold in guitar.FOLDS),
    table_one=(),
    crossed=(),
    hops=(),
    finetuned=(),
    carries_claims=False,
)

# Every step of the way in seconds, for the tests: the numbers mean nothing.
TINY = replace(
    QUICK,
    name="tiny",
    data=replace(  # of 20 s, since in fewer a target may rest throughout
        SMALL.data, train_songs=2, valid_songs=2, test_songs=2, new_songs=1, unlabelled_songs=1, song_seconds=20.0
    ),
    model=replace(PAPER_MODEL, features=4, modules=1),
    train=replace(SMALL.train, batch_items=2, max_items=8, validate_items=4),  # four steps, two validations
    finetune=replace(SMALL.finetune, train=replace(SMALL.finetune.train, max_items=4, validate_items=2)),
    variants=("truth", "fixed"),  # one for every target, one for the first
    more_tries=0,  # after four steps every model is silent
)

# `paper`, every run of it, with the models at full size and two steps each on made-up songs: that all fits together and
# how long it will take (bsrnn.workflow.rehearsal).
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
            PAPER.finetune.train,
            batch_items=1,
            micro_items=1,
            max_items=2,
            validate_items=2,
            patience=0,
            loader_workers=0,
        ),  # fmt: skip
        teacher_batch=1,  # there are no more chunks
    ),
    separate=replace(PAPER.separate, batch_segments=2),  # memory again
    validate=replace(PAPER.validate, batch_segments=2),
    more_tries=0,  # after two steps every model is silent
    carries_claims=False,
)

PROFILES = {p.name: p for p in (TINY, QUICK, SMALL, PREVIEWS, GUITAR, RECOMMENDED, PAPER, REHEARSAL)}
ABOUT = {  # what each is, in a few words: `bsrnn --help` shows them
    "tiny": "every step in seconds, for the tests; its numbers mean nothing",
    "quick": "few synthetic songs, two minutes a model: a newcomer's first look, for no claim",
    "small": "the committed models and results: synthetic songs, a quarter of an hour a model",
    "previews": "real music: the free 7 s previews of MUSDB18, and a small model",
    "guitar": "a fifth instrument: eight real songs in folds, an illustration",
    "recommended": "the paper's setting with the replication's longer patience; MUSDB18-HQ and GPUs",
    "paper": "what the paper states, at full size; MUSDB18-HQ and GPUs",
    "rehearsal": "every run of paper in two steps each, to try the machine",
}


def profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        ConfigError: there is none of this name.
    """
    return named("profile", name, PROFILES)


# ---- what a chapter's parameters say ----


def with_parameters(settings: Profile, parameters: Mapping[str, object]) -> Profile:
    """A profile with other settings, "section.name" -> value; "auto" leaves the profile's own.

    Raises:
        ConfigError: a value that cannot be.
    """
    return overrides.with_values(settings, {name: value for name, value in parameters.items() if value != "auto"})


def resolve_target(settings: Profile, name: str, known: Iterable[str] = ()) -> str:
    """The stem that is looked at: ``name``, or for "auto" the profile's first target.

    Raises:
        ConfigError: neither one of the profile's targets nor of what is known beside them.
    """
    choices = dict.fromkeys([*settings.targets, *known])
    if name != "auto" and name not in choices:
        raise ConfigError(f"got target {name!r}: expected auto, or one of {', '.join(choices)}")
    return settings.targets[0] if name == "auto" else name
