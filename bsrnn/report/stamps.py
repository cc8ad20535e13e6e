"""Words that say where a number comes from: the data, profile and seeds behind it, and whether it carries a claim."""

from collections.abc import Callable, Collection, Iterable, Sequence

from bsrnn.data.training_songs import data_recipe
from bsrnn.runtime.terminal import counted
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Results

DATA_NAMES = {
    "musdb18hq": "MUSDB18-HQ",
    "musdb18": "MUSDB18",
    "previews": "MUSDB18, 7 s previews",
    "guitar": "eight real songs",
    "folder": "own songs",
}
REAL_RECORDING = "one real recording, 6 s: The Easton Ellises - Falcon 69 (MUSDB18, CC BY-NC-SA)"
OURS = "our runs"


def data_words(profile: Profile) -> str:
    """The name of a profile's songs, as every figure and table carries it."""
    if profile.data.source != "embedded":
        return DATA_NAMES[profile.data.source]
    return f"embedded synthetic songs (generator version {data_recipe(profile)['generator']})"


def seed_words(profile: Profile) -> str:
    """The seeds: "0", or "0, 1, 2"."""
    return _listed(profile.seeds)


def claim_words(profile: Profile, seeds: Collection[int] = ()) -> str:
    """What is too small for claims has to say of itself, a profile or runs with some of its seeds; else nothing."""
    count = len(seeds) or len(profile.seeds)
    return "" if profile.carries_claims and count >= len(profile.seeds) else no_claim(count)


def no_claim(seeds: int) -> str:
    """What a number from so many seeds says of itself where it carries no claim."""
    return f"{'one seed' if seeds == 1 else f'{seeds} seeds'}, carries no claim"


def banner(profile: Profile) -> str:
    """The first line of a chapter: what all that stands on the page comes from."""
    seeds = f"seeds {seed_words(profile)}" + (", of later looks more" if profile.further_trainings else "")
    seeds += ", of some runs fewer so far" if profile.waiting else ""
    words = [f"profile {profile.name}: {data_words(profile)}", seeds, claim_words(profile)]
    return "; ".join(filter(None, words))


def scored_songs(results: Results) -> str:
    """How many songs were scored; some runs may have more than others: "50 or 512 songs scored"."""
    found = [done for done in results.finished if done.run.kind != "real"] or results.finished  # else one clip
    parts = [part for done in found for part in ([done.scores] if "songs" in done.scores else done.scores.values())]
    counts = sorted({len(part["songs"]) for part in parts if "songs" in part})  # a teacher's labels are of chunks
    *fewer, most = counts or [0]
    return f"{' or '.join([*map(str, fewer), counted(most, 'song')])} scored"


def validation_songs(results: Results) -> str:
    """How many songs a training was validated on."""
    return counted(max((done.training["valid_songs"] for done in results.finished), default=0), "validation song")


def unlabelled_songs(results: Results) -> str:
    """How many unlabelled songs there were."""
    counts = [done.training["unlabelled"]["songs"] for done in results.finished if done.training]
    counts += [len({chunk["song"] for chunk in done.scores.get("chunks", ())}) for done in results.finished]
    return counted(max(counts, default=0), "unlabelled song")


def seeds_by_target(finished: Sequence[Finished]) -> dict[str, set[int]]:
    """Target -> seeds of its runs; those of estimators without a network, which have none, only where all are such."""
    seeds: dict[str, set[int]] = {}
    for done in [done for done in finished if done.run.kind != "baselines"] or finished:
        seeds.setdefault(done.run.target, set()).add(done.run.seed)
    return seeds


def seeds_of(finished: Sequence[Finished]) -> str:
    """Seeds of runs; of targets that have fewer, in brackets: "0, 1, 2 (drums, bass: 0)"."""
    seeds = seeds_by_target(finished)
    every = set().union(*seeds.values())
    fewer: dict[str, list[str]] = {}
    for target, of_target in seeds.items():
        if of_target != every:
            fewer.setdefault(_listed(of_target), []).append(target)
    words = "; ".join(f"{', '.join(targets)}: {few}" for few, targets in fewer.items())
    return _listed(every) + (f" ({words})" if words else "")


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def stamp(
    results: Results, source: str = OURS, songs: Callable[[Results], str] = scored_songs, claim: bool = True
) -> str:
    """One line: source, data, profile, seeds, songs, and whether it carries a claim.

    claim: False leaves the last out where it is what the banner of a page says of the whole profile.
    """
    profile, kinds = results.profile, {done.run.kind for done in results.finished}
    parts = [f"Source: {source}", f"profile {profile.name}"]
    if kinds:
        parts.insert(1, f"our data: {REAL_RECORDING if kinds == {'real'} else data_words(profile)}")
        seeds = sorted({done.run.seed for done in results.finished})
        parts += [f"seeds: {seeds_of(results.finished)}", songs(results)]
        claims = claim_words(profile, seeds)
        parts += [claims] if claim or claims != claim_words(profile) else []
    return "; ".join(filter(None, parts)) + "."
