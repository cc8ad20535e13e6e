"""The list of the paper's claims, and the contrast of runs that tests each: which are better, and than which others."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bsrnn import config
from bsrnn.config import PEER_NAMES
from bsrnn.report.statistics import Pair, pairs, with_start
from bsrnn.report.tables import published
from bsrnn.study.results import Finished
from bsrnn.study.runs import Run

MARGIN_DB = 0.3  # ours: the largest standard deviation over seeds that the replication reports
MIN_SEEDS = 5  # ours: fewer say little about the next seed
ROOM, ROOM_DB = "C5, the room", 0.5  # ours (book/plan.md): where true stems gain less, labels could not gain more
Choice = Callable[[Run], bool]
SECOND_LOOK, THIRD_LOOK = "second look", "third look"  # the roles of C2's and of C1's further seeds
LAST = "last"  # the role of C2's trainings that keep their last weights
AGAIN = "again"  # the role of the runs that are scored on more songs for C1's or C4's later looks
BEST_OTHER = "the best other system"  # replaced by its name where there are runs


@dataclass(frozen=True)
class Claim:
    """That the runs ``better`` score higher (mean uSDR) than the runs ``worse``.

    margin_db: what a difference must be to matter. paper_db: the paper's own difference of the same two, from
    data/published; None: the paper does not have it. paired: which runs are held against each other. in_overview: a
    secondary contrast that the overview shows beside its claim's primary one. asks_for: the id of a contrast that must
    be consistent, or this one's verdict says nothing of the paper's method. look: of an earlier look, 1 or 2; 0: of the
    one that decides.
    """

    id: str
    statement: str
    contrast: str
    better: Choice
    worse: Choice
    targets: tuple[str, ...] = config.TARGETS
    margin_db: float = MARGIN_DB
    paper_db: Callable[[Sequence[str]], float | None] = lambda targets: None
    paired: Callable[[list[Finished], list[Finished]], list[Pair]] = pairs
    in_overview: bool = False
    asks_for: str = ""
    look: int = 0

    @property
    def primary(self) -> bool:
        """Whether the claim's verdict is this contrast's."""
        return "," not in self.id

    @property
    def of(self) -> str:
        """The claim that it belongs to: "C1" of "C1, control"."""
        return self.id.partition(",")[0]

    def naming(self, compared: list[Pair]) -> "Claim":
        """With the name of the other system, and how it was chosen; with the weights, where they are the last; and as a
        first look, where it stands beside a claim that is asked on more songs.
        """
        if any(done.run.profile.train.kept_weights == "last" for pair in compared for done in pair):
            return replace(self, contrast=f"{self.contrast}, last weights")
        if self.in_overview and compared and self.of in compared[0][0].run.profile.second_looks:
            return replace(self, statement=f"{self.statement.rstrip('.')}: the first look.")
        if self.paired is not with_rival or not compared:
            return self
        rival = compared[0][1].run
        name = f"{rival.change}, the best other system on the validation songs,"
        statement = self.statement.replace(BEST_OTHER, name)
        return replace(self, statement=statement, contrast=self.contrast.replace(BEST_OTHER, name.rstrip(",")))


def _role(role: str) -> Choice:
    return lambda run: role in run.roles


def _split(scheme: str) -> Choice:
    names = ("v7", "vocals") if scheme == "v7" else (scheme,)
    return lambda run: "split" in run.roles and run.profile.model.band_split in names


def _hop(seconds: float) -> Choice:
    return lambda run: "hop" in run.roles and run.profile.separate.hop_seconds == seconds


def _looked_at(claim: str, choice: Choice) -> Choice:
    """The runs that are chosen; where a profile asks the claim a second time, those that score their weights again."""

    def chosen(run: Run) -> bool:
        if claim not in run.profile.second_looks:
            return choice(run)
        return AGAIN in run.roles and choice(run.its_start)

    return chosen


def _third_look(claim: str, scheme: str) -> Choice:
    """As :func:`_looked_at` has it of a split; where a profile asks a third time, further seeds beside."""
    before = _looked_at(claim, _split(scheme))

    def chosen(run: Run) -> bool:
        further = AGAIN in run.roles and THIRD_LOOK in run.its_start.roles
        asked = claim in run.profile.third_looks and run.profile.model.band_split == scheme
        return before(run) or (further and asked)

    return chosen


def _asked_twice(
    claim: str, statement: str, contrast: str, better: Choice, worse: Choice, targets: tuple[str, ...], **more
) -> tuple[Claim, Claim]:
    """A contrast that a profile may ask a second time, and its first look."""
    again = _looked_at(claim, better), _looked_at(claim, worse)
    first = Claim(f"{claim}, first look", f"{statement}: the first look.", contrast, better, worse, targets,
                  look=1, **more)  # fmt: skip
    return Claim(claim, f"{statement}.", contrast, *again, targets, **more), first


def _own_split(run: Run) -> bool:
    of_second_look = SECOND_LOOK in run.roles and run.profile.model.band_split == run.profile.own_split(run.target)
    return "base" in run.roles or of_second_look


def _last_weights(before: Choice, own: bool) -> Choice:
    """The runs that are chosen; where a profile asks C2 a third time, those with the target's own split, or V7, whose
    last weights are kept."""

    def chosen(run: Run) -> bool:
        if "C2" not in run.profile.third_looks:
            return before(run)
        split = run.profile.own_split(run.target) if own else "v7"
        return LAST in run.roles and run.profile.model.band_split == split

    return chosen


def _crossed(schemes: dict[str, str]) -> Choice:
    roles = {"crossed", SECOND_LOOK}
    return lambda run: bool(run.roles & roles) and run.profile.model.band_split == schemes.get(run.target)


def _peer(system: str) -> Choice:
    return lambda run: "peer" in run.roles and run.change == PEER_NAMES[system]


def _true_stems(run: Run) -> bool:
    return "variant" in run.roles and run.profile.finetune.labels == "truth"


def with_rival(better: Iterable[Finished], worse: Iterable[Finished]) -> list[Pair]:
    """Each model and one other system with the same seed, the same system for all.

    It is the best on the validation songs, in the mean over the seeds that all systems have, so that the choice
    depends on no test song, and on no seed that one of them lacks (book/plan.md). A second look scores no other.
    """
    by_system: dict[str, list[Finished]] = {}
    for done in worse:
        by_system.setdefault(done.run.change, []).append(done)
    if len(by_system) < 2:
        return [pair for system in by_system.values() for pair in pairs(better, system)]

    shared = set.intersection(*({done.run.seed for done in trained} for trained in by_system.values()))

    def rank(name: str) -> float:
        return _mean_validation([done for done in by_system[name] if done.run.seed in shared or not shared])

    return pairs(better, by_system[max(by_system, key=rank)])


def _mean_validation(trained: list[Finished]) -> float:
    best = [done.training["best"] for done in trained]
    return float("-inf") if None in best else sum(best) / len(best)


def _in_table(name: str, key: str, better, worse) -> Callable[[Sequence[str]], float]:
    def difference(targets: Sequence[str]) -> float:
        values = published(name).set_index(key)["value"]
        return float(values[better] - values[worse])

    return difference


def _finetuning(targets: Sequence[str]) -> float:
    rows = published("table3").query("data == 'MUSDB18-HQ'").set_index("model")
    columns = [f"{target}_usdr" for target in targets]
    return float((rows.loc["BSRNN + finetuning", columns] - rows.loc["BSRNN", columns]).mean())


VOCALS = ("vocals",)
_FINER = _asked_twice("C1", "Finer subbands at low frequencies help vocals", "V4 - V1", _split("v4"), _split("v1"),
                      VOCALS, paper_db=_in_table("table1", "split", "v4", "v1"))  # fmt: skip
_OWN = Claim("C2", "Bass and drums do better with splits of their own, in the mean.", "own split - V7", _own_split,
             _crossed({"bass": "v7", "drums": "v7"}), ("bass", "drums"))  # fmt: skip
CLAIMS = (
    replace(_FINER[0], better=_third_look("C1", "v4"), worse=_third_look("C1", "v1")),
    _FINER[1],
    replace(_FINER[0], id="C1, second look", statement=_FINER[1].statement.replace("first", "second"), look=2),
    *_asked_twice("C1, more bands", "V7's bands help vocals beyond V4's", "V7 - V4", _split("v7"), _split("v4"), VOCALS,
                  paper_db=_in_table("table1", "split", "v7", "v4")),
    *_asked_twice("C1, control", "It is where the bands are, not how many", "V7 - 41 equal bands", _split("v7"),
                  _split("uniform41"), VOCALS),
    replace(_OWN, better=_last_weights(_OWN.better, own=True), worse=_last_weights(_OWN.worse, own=False)),
    replace(_OWN, id="C2, second look", statement=f"{_OWN.statement.rstrip('.')}: the second look.", look=2),
    Claim("C2, control", "Bass and drums do better with their own splits than with each other's.",
          "own split - the other's", _role("base"), _crossed({"bass": "drums", "drums": "bass"}), ("bass", "drums")),
    # The paper's own difference is below 0.3 dB, and the claim is of any overlap: half of the paper's difference
    Claim("C3", "Overlapping segments beat abutting ones.", "hop 1.5 s - hop 3 s", _hop(1.5), _hop(3.0), VOCALS, 0.1,
          _in_table("table2", "hop_seconds", 1.5, 3.0)),
    Claim("C4", f"On the same training songs, BSRNN beats {BEST_OTHER} on vocals.", f"BSRNN - {BEST_OTHER}",
          _looked_at("C4", _role("base")), _looked_at("C4", _role("peer")), VOCALS, paired=with_rival),
    Claim("C4, Hybrid Demucs", "On the same training songs, BSRNN beats Hybrid Demucs on vocals.",
          "BSRNN - Hybrid Demucs", _role("base"), _peer("hdemucs"), VOCALS, in_overview=True),
    Claim("C4, Open-Unmix", "On the same training songs, BSRNN beats Open-Unmix on vocals.", "BSRNN - Open-Unmix",
          _role("base"), _peer("umx"), VOCALS, in_overview=True),
    Claim("C4, Conv-TasNet", "On the same songs, BSRNN beats Conv-TasNet's convolutions over an STFT on vocals.",
          "BSRNN - Conv-TasNet on an STFT", _role("base"), _peer("convtasnet-stft"), VOCALS, in_overview=True),
    # The paper has no control: its difference is the one of the row below
    Claim("C5", "Unlabelled songs help beyond what more training on the labelled ones does.", "finetuned - control",
          _role("finetuned"), _role("control"), asks_for=ROOM),
    Claim("C5, over the start", "A finetuned model is better than the model that it started from.",
          "finetuned - start", _role("finetuned"), _role("start"), paper_db=_finetuning, paired=with_start,
          in_overview=True),
    Claim(ROOM, f"True stems of the unlabelled songs help by {ROOM_DB:g} dB beyond more training: room for labels.",
          "true stems - control", _true_stems, _role("control"), margin_db=ROOM_DB, in_overview=True),
)  # fmt: skip
_LATER = {SECOND_LOOK, THIRD_LOOK, LAST, AGAIN}
ROLES = {"base", "split", "crossed", "hop", "peer", "finetuned", "control", "variant", "start"} | _LATER
