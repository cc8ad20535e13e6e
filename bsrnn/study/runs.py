"""The registry of runs: every training and evaluation of a profile, as :class:`bsrnn.study.run.Run` declares one.

The grid of a profile is the paper's ablation tables, a base and one change a row.
"""

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from bsrnn.config import PEER_NAMES, PEERS, ModelConfig, PeerConfig
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.runtime.files import read_json
from bsrnn.runtime.limits import named
from bsrnn.runtime.overrides import with_values
from bsrnn.study.ablations import CONTROL, DETAILS, EXTRAS, FINETUNED, LONG, ONWARD, VARIANTS, fits
from bsrnn.study.profiles import Profile
from bsrnn.study.profiles import profile as named_profile
from bsrnn.study.roles import ROLES as ROLES
from bsrnn.study.run import STAGES as STAGES
from bsrnn.study.run import Run as Run

ITEMS = "train.max_items"
CONTRAST_SECONDS = (1.5, 3.0)  # the hops of the contrast that tests claim C3, scored with every seed


def grid(profile_name: str) -> dict[str, Run]:
    """The runs of a profile, by id, each after the runs that it needs; without those that wait for computing time.

    Raises:
        ConfigError: as :func:`planned` does.
    """
    waiting, runs = named_profile(profile_name).waiting, {}
    for name, run in planned(profile_name).items():
        if all(need in runs for need in run.needs) and not any(fnmatchcase(name, pattern) for pattern in waiting):
            runs[name] = run
    return runs


def planned(profile_name: str) -> dict[str, Run]:
    """Every run of a profile, by id, each after the runs that it needs.

    Raises:
        ConfigError: unknown profile, or a change that it names and nobody knows.
    """
    profile = named_profile(profile_name)
    runs: dict[str, Run] = {}

    def adding(seed: int, target: str) -> Callable[..., Run]:
        def add(roles: set[str], name: str, kind: str, change: str, start: Run | None = None, **settings) -> Run:
            """A run of this seed and target. ``settings``: parts of the profile, variant, another target.

            Its id begins with the target, or with the fold that is given.
            """
            of_target = settings.pop("target", target)
            begins = settings.pop("fold", of_target)
            variant, settled = settings.pop("variant", ""), replace(profile, **settings)
            if not settled.model.channels_apart:  # it needs both
                settled = with_values(settled, {"mixing.item_channels": "both"})
            run_id = f"{begins}{name}-s{seed}"
            runs[run_id] = Run(run_id, kind, settled, of_target, seed, start, change, variant, frozenset(roles))
            return runs[run_id]

        return add

    for seed in profile.seeds:
        for target in profile.targets:
            (_add_folds if profile.folds else _add_target)(adding(seed, target), profile, target, seed)
    for role, seed, target, split in profile.further_trainings:
        own, last = split == profile.own_split(target), role == "last"
        name = ("" if own else f"-{split}") + ("-last" if last else "")
        words = f"{target}, its own split" if own else f"{target} with the split {str(split).upper()}"
        parts = {"train": replace(profile.train, kept_weights="last")} if last else {}
        words, model = words + (", its last weights" if last else ""), _with_split(profile, target, split)
        adding(seed, target)({role}, name, "train", words, model=model, **parts)
    for seed, name in product((*profile.seeds, *profile.third_seeds), profile.scored_again):
        if start := runs.get(f"{name}-s{seed}"):  # else of a profile with fewer splits or systems
            parts = _on_more_songs(profile, profile.separate.segment_seconds) | {"model": start.profile.model}
            begins = {"target": start.target, "fold": name}
            adding(seed, start.target)({"again"}, "-again", "separate", start.change, start, **begins, **parts)
    for name in profile.doubled:
        if run := runs.get(f"{name}-s{profile.seeds[0]}"):  # else of a profile with fewer systems or finetunings
            twice = _doubled(run)
            runs[twice.id] = twice
    return runs


def _doubled(run: Run) -> Run:
    """A training or a finetuning with twice the items, validated as often."""
    tuned = run.kind == "finetune"
    section, train = ("finetune.train", run.profile.finetune.train) if tuned else ("train", run.profile.train)
    sizes = {f"{section}.{name}": 2 * getattr(train, name) for name in ("max_items", "validate_items")}
    name, words = f"{run.without_seed}-doubled-s{run.seed}", f"{run.change}, twice the items"
    return replace(run, id=name, profile=with_values(run.profile, sizes), change=words, roles=frozenset({"doubled"}))


def _add_target(add: Callable[..., Run], profile: Profile, target: str, seed: int) -> None:
    """All runs of one target and seed."""
    if seed == profile.seeds[0]:
        add({"baselines"}, "-baselines", "baselines", "no network")
    own = _with_split(profile, target, profile.own_split(target))
    base = add(_roles_of_base(profile, target, seed), "", "train", f"{target}, its own split", model=own)
    _add_splits(add, profile, base)
    if target == "vocals":
        _add_hops(add, profile, base)
    if target in profile.finetuned:
        _add_finetunings(add, profile, base)
    _add_details(add, profile, base)
    if profile.long_items:
        _add_long(add, profile, base)
    if target == profile.targets[0]:
        _add_scale(add, profile, base)
        _add_peers(add, profile, base)
    if seed == profile.seeds[0]:
        add({"real"}, "-real", "real", "a real recording", base, model=own)


def _with_split(profile: Profile, target: str, split: str | tuple[int, ...]) -> ModelConfig | PeerConfig:
    return with_values(profile.model, {"targets": (target,), "band_split": split})


def _roles_of_base(profile: Profile, target: str, seed: int) -> set[str]:
    held = {
        "base": True,
        "start": target in profile.finetuned and not profile.few_songs,
        "split": target == "vocals",
        "compared": seed in profile.detail_seeds,
        "scale": bool(profile.scale) and target == profile.targets[0] and seed in profile.detail_seeds,
    }
    return {role for role, holds in held.items() if holds}


def _add_folds(add: Callable[..., Run], profile: Profile, target: str, seed: int) -> None:
    """In each fold of the songs, V7 and the target's own split; with the first seed, what needs no network."""
    model = replace(profile.model, targets=(target,))
    for fold, songs in profile.folds:
        settings = {"fold": fold, "data": replace(profile.data, hold_out=songs)}
        if seed == profile.seeds[0]:
            add({"fold"}, "-baselines", "baselines", f"{fold}, no network", model=model, **settings)
        for name, split in (("v7", "v7"), (target, profile.own_split(target))):
            settings |= {"model": with_values(model, {"band_split": split}), "variant": name}
            add({"fold"}, f"-{name}", "train", f"{fold}, split {name}", **settings)


def _add_splits(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """Vocals with each split of Table I, another target with the splits that are not its own."""
    target, vocals = base.target, base.target == "vocals"
    crossed = [scheme for of_target, scheme in profile.crossed if of_target == target]
    for scheme in profile.table_one if vocals else crossed:  # V7 is vocals' own
        words = f"split {scheme.upper()}" if vocals else f"{target} with the split {scheme.upper()}"
        split = with_values(base.profile.model, {"band_split": scheme})
        add({"crossed", "split"} if vocals else {"crossed"}, f"-{scheme}", "train", words, model=split)


def _add_hops(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """Table II: the base scored with each hop; of the seeds after the first with those that are compared."""
    for hop in profile.hops if base.seed == profile.seeds[0] else CONTRAST_SECONDS:
        roles = {"hop"} | ({"again"} if hop == profile.separate.segment_seconds and profile.scored_again else set())
        parts = _on_more_songs(profile, hop) | {"model": base.profile.model}
        add(roles, f"-hop{hop:g}", "separate", f"hop {hop:g} s", base, **parts)


def _on_more_songs(profile: Profile, hop_seconds: float) -> dict[str, Any]:
    """How a model is scored with a hop, on the songs that such contrasts have."""
    songs = profile.data
    if profile.more_songs and songs.source == "embedded":  # of others every test song is scored
        songs = replace(songs, test_songs=profile.more_songs)
    return {"separate": replace(profile.separate, hop_seconds=hop_seconds), "data": songs}


def _add_finetunings(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """Finetuned, control and upper bound of one seed; with the first seed their variants and the teacher."""
    model, first, start = base.profile.model, base.seed == profile.seeds[0], base
    songs_of, few = profile.data, profile.few_songs
    if few:
        learnt = replace(songs_of, train_songs=few)
        start = add({"start"}, "-few", "train", f"{few} labelled songs", model=model, data=learnt)
        songs_of = replace(songs_of, labelled_songs=few, unlabelled_songs=songs_of.train_songs - few)
    if first and songs_of.source == "embedded" and songs_of.unlabelled_songs:
        add({"teacher"}, "-teacher", "teacher", "as a teacher, before finetuning", start, model=model, data=songs_of)
    tuned = {"finetuned": FINETUNED, "control": CONTROL}
    if profile.data.source == "embedded":
        every = first and base.target == profile.finetuned[0]
        chosen = profile.variants if every else ("truth",)  # the room is asked for with every seed
        tuned |= {name: named("variant", name, VARIANTS) for name in chosen if name in profile.variants}
    for name, (words, changed, share) in tuned.items():
        songs = songs_of.unlabelled_songs
        data = replace(songs_of, unlabelled_songs=max(1, round(share * songs)) if songs else 0)
        tuning, variant = replace(profile.finetune, **changed), "" if name == "finetuned" else name
        role = name if name in ("finetuned", "control") else "variant"
        add({role}, f"-{name}", "finetune", words, start, model=model, data=data, finetune=tuning, variant=variant)


def _add_peers(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """Other systems, trained from scratch on the same items."""
    for system in profile.peers:
        rate = dict(profile.peer_rates).get(system, profile.train.learning_rate)
        # bfloat16 makes none of them faster by a tenth on a CPU
        train = replace(profile.train, precision="float32", learning_rate=rate)
        peer = replace(named("peer", system, PEERS), targets=(base.target,))
        add({"peer"}, f"-{system}", "train", PEER_NAMES[system], model=peer, train=train)


def _add_details(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """The changes that a profile names: scored with every base, or trained with some seeds."""
    for words in profile.details:
        of_target, _, name = words.rpartition("/")  # "drums/layer"; "layer" alone is of the first target
        change = named("detail", name, DETAILS | EXTRAS)
        others = (of_target or profile.targets[0]) != base.target or not fits(change.changed, profile.data)
        if others or (not change.scored_only and base.seed not in profile.detail_seeds):
            continue
        settings = with_values(base.profile, change.changed)
        if name == "shared":
            settings = replace(settings, model=replace(settings.model, targets=profile.targets))
        changing = ("model", "data", "activity", "mixing", "loss", "train", "separate")
        parts: dict[str, Any] = {part: getattr(settings, part) for part in changing} | {"variant": name}
        roles = {"detail", "open" if name in DETAILS else "beyond"}
        if change.changed.keys() == {"model.band_split"} and name != "shared":  # such a row belongs to Table I as well
            roles |= {"crossed", "split"} if base.target == "vocals" else {"crossed"}
        if change.scored_only:
            add(roles, f"-{name}", "separate", change.words, base, **parts)
            continue
        trained = add(roles, f"-{name}", "train", change.words, **parts)
        for other in profile.targets[1:] if name == "shared" else ():  # the same weights, another of their targets
            add(roles, f"-{name}", "separate", change.words, trained, target=other, **parts)


def _add_scale(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """The base with other sizes, one at a time; a training of other length is validated as often."""
    for name, sizes in profile.scale if base.seed in profile.detail_seeds else ():
        what = name.rpartition(".")[2].removeprefix("max_").removeprefix("train_")
        for size in sizes if fits([name], profile.data) else ():
            settings = _with_items(base, size) if name == ITEMS else with_values(base.profile, {name: size})
            parts = {part: getattr(settings, part) for part in ("model", "data", "train")}
            add({"scale"}, f"-{what}{size}", "train", f"{size} {what}", variant=name, **parts)


def _add_long(add: Callable[..., Run], profile: Profile, base: Run) -> None:
    """The base with many more items (a size of the page on scale), and what a profile trains as long."""
    settings, words, first = _with_items(base, profile.long_items), f"{profile.long_items} items", profile.seeds[0]
    parts: dict[str, Any] = {"model": settings.model, "train": settings.train, "variant": ITEMS}
    long = add({"long"} | (base.roles & {"scale"}), "-long", "train", words, **parts)
    if profile.onward_items and base.target == profile.targets[0] and base.seed == first:
        _add_onward(add, base, long)
    for chosen in profile.long_changes if base.seed == first else ():
        of_target, _, name = chosen.rpartition("/")  # as details have it
        change = named("long change", name, LONG)
        if (of_target or "vocals") == base.target and fits(change.changed, profile.data):
            other = with_values(settings, change.changed)
            parts |= {"model": other.model, "data": other.data, "train": other.train, "variant": name}
            add({"long other"}, f"-{name}-long", "train", f"{change.words}, {words}", **parts)


def _add_onward(add: Callable[..., Run], base: Run, long: Run) -> None:
    """A long training that goes on for recordings unlike its songs, from half of its first learning rate."""
    possible = {name: how for name, how in ONWARD.items() if fits(how[1], base.profile.data)}
    for name, (words, changed, share) in possible.items():
        items = round(share * base.profile.onward_items)
        train = replace(_with_items(base, items).train, learning_rate=base.profile.train.learning_rate / 2)
        finetune = replace(base.profile.finetune, unlabelled="none", train=train)
        settings = with_values(replace(base.profile, finetune=finetune), changed)
        parts = {part: getattr(settings, part) for part in ("model", "data", "mixing", "finetune")}
        add({"onward"}, f"-{name}", "finetune", f"{long.change}, then {items} {words}", long, **parts, variant=name)


def _with_items(base: Run, items: int) -> Profile:
    """The base's settings with a training of another length, which is validated as often."""
    validated = base.profile.train.max_items // base.profile.train.validate_items
    return with_values(base.profile, {ITEMS: items, "train.validate_items": items // validated})


def get(profile_name: str, run_id: str) -> Run:
    """One run of a profile, also one that waits; ConfigError names the others if there is none of this id."""
    runs = planned(profile_name)
    if run_id not in runs:
        raise ConfigError(f"unknown run {run_id!r} of profile {profile_name!r}: expected one of {', '.join(runs)}")
    return runs[run_id]


def load(run: Run) -> dict:
    """The result of a finished run; MissingResult names the command that computes it."""
    path = run.result_path()
    if not path.is_file():
        name = run.profile.name
        raise MissingResult(
            f"no result of run {run.id!r} in profile {name!r} ({path.name}): `make reproduce PROFILE={name}` "
            f"computes all of them, `bsrnn run {run.id} --profile {name}` this one"
        )
    return read_json(path)
