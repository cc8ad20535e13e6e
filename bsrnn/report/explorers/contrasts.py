"""Every contrast of the committed runs, song by song and seed by seed: what the claims and the ledger take means of."""

from collections.abc import Iterable, Sequence

import pandas as pd

from bsrnn.report import claims
from bsrnn.report.chapters import ch09_open_details
from bsrnn.report.stamps import banner
from bsrnn.report.statistics import Pair, difference_table, pairs
from bsrnn.report.tables import OURS
from bsrnn.runtime import paths
from bsrnn.study.profiles import Profile
from bsrnn.study.results import Finished, Results, Study

CLAIMS, OPEN, BEYOND = "the paper's claims", "what the paper leaves open", "beyond the paper"
FALLBACK = (
    '<p>With scripts, every song and seed of a contrast is shown here; <a href="#details">the tables above</a> and '
    '<a href="08_results.html#contrasts">those of the results</a> have the means and intervals.</p>'
)


def page_data(profile_name: str) -> dict:
    """What book/_static/explore_contrasts.js draws: the contrasts of a profile.

    The names of songs stand once for all contrasts of the same songs, whose "songs" is the place of the list.

    Raises:
        ConfigError: unknown profile. MissingResult: a run without a result; the message names the command.
    """
    study = Study(profile_name)
    rows = [*_of_claims(study), *_of_choices(Results(study, ch09_open_details.COMPARED))]
    rows.sort(key=lambda row: (CLAIMS, OPEN, BEYOND).index(row["group"]))
    songs = list(dict.fromkeys(tuple(row["songs"]) for row in rows))
    rows = [row | {"songs": songs.index(tuple(row["songs"]))} for row in rows]
    return {"contrasts": rows, "songs": songs, "source": OURS}


def _of_claims(study: Study) -> list[dict]:
    """Those that have runs, with the intervals of the table of claims; none whose dots are all in a later look's."""
    rows = []
    numbers, every = claims.table(study).set_index("claim"), claims.contrasts(study)
    for contrast in every:
        later = [other for other in every if len(other.compared) > len(contrast.compared)]
        if not contrast.differences.size or any(
            all(pair in other.compared for pair in contrast.compared) for other in later
        ):
            continue
        row = numbers.loc[contrast.claim.id]
        words = {"group": CLAIMS, "label": f"{contrast.claim.id}: {row.contrast}", "margin": contrast.claim.margin_db}
        interval = [float(value) for value in (row.low, row.high) if not pd.isna(value)]
        over = f"{100 * row.level:.4g} % over {len(contrast.differences)} seeds and songs" if interval else "-"
        numbered = {"effect": float(row.effect), "interval": interval, "interval_over": over, "seed_band": None}
        numbered |= {"silent": list(contrast.silent), "where_both_learnt": contrast.where_both_learnt}
        rows.append(words | numbered | _dots(contrast.profile, contrast.compared))
    return rows


def _of_choices(results: Results) -> list[dict]:
    """Every run with one other choice against the base, as in the tables of the chapter on open details."""
    rows = []
    for comparison in ch09_open_details.comparisons(results):
        numbers = comparison.row(results)
        if numbers["effect"] is None:
            continue
        group = OPEN if comparison.detail else BEYOND
        words = {"group": group, "label": f"{comparison.target}: {comparison.words}", "margin": None}
        interval = [numbers[end] for end in ("low", "high") if numbers[end] is not None]
        over = f"95 % over {numbers['interval_over']}" if interval else numbers["interval_over"]
        numbered = {"effect": numbers["effect"], "interval": interval, "interval_over": over}
        numbered |= {"seed_band": numbers.get("seed_band"), "silent": [], "where_both_learnt": None}
        rows.append(words | numbered | _dots(results.profile, pairs(comparison.changed, comparison.against)))
    return rows


def _dots(profile: Profile, compared: Sequence[Pair]) -> dict:
    """A difference in dB for each seed and song, and the files that hold the two scores."""
    differences = difference_table(compared)
    seeds = []
    for seed, of_songs in differences.iterrows():
        behind = [pair for pair in compared if pair[0].run.seed == seed]
        seeds.append(
            {
                "seed": int(seed),
                "differences": [round(float(value), 3) for value in of_songs],
                "files": [_files(better for better, _ in behind), _files(worse for _, worse in behind)],
            }
        )
    return {"songs": list(differences.columns), "seeds": seeds, "banner": banner(profile)}


def _files(finished: Iterable[Finished]) -> list[str]:
    """Their JSON, seen from the root of a clone."""
    files = (done.run.result_path().relative_to(paths.root()).as_posix() for done in finished)
    return list(dict.fromkeys(files))
