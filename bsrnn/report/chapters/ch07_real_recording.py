"""The chapter on the real recording."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bsrnn.report import artifact, comparison, figures, statistics
from bsrnn.report.artifact import Runs
from bsrnn.report.stamps import REAL_RECORDING
from bsrnn.report.tables import METHODS, mean_of, new_score, ordered, ours, scores_of, summaries_of
from bsrnn.runtime import paths
from bsrnn.study import runs
from bsrnn.study.results import Finished, Results, Study

EARLIER = "real-recording.csv"  # of results/history: the published models before the wider world
SOLO_SINGING = "singing.csv"  # of results/pilots; measured by hand, since the clips may not be passed on
EXCHANGED, CLIP, SPECTRA, BAGS = "causes.csv", "clip.csv", "spectra.csv", "bags.csv"  # likewise
# the model of many items, and what became of it: at random tone, from the least of it to the most; with other singers
BEFORE, *HALF, AFTER = "vocals-long-s0", "vocals-toned-mixes-s0", "vocals-toned-half-s0", "vocals-toned-s0"
TONED, SINGERS = (*HALF, AFTER), ("vocals-onward-s0", "vocals-amateurs-s0")
FROM_THE_START = "vocals-twice", "vocals-singers"  # 216 songs, and half of as many by amateurs
BOTH = ("vocals-amateurs-s0", "vocals-both-long-s0")  # from the start on, too
# kinds of voices in SPECTRA: colour, dash
VOICES = {
    "real, ten clips": ("#D55E00", "-"),
    "real, Falcon 69": ("#0072B2", "--"),
    "rendered, training songs": ("#000000", ":"),
    "rendered, amateurs' songs": ("#009E73", "-."),
}
ADDING_UP = "adding_up.csv"  # of results/pilots, measured by hand, song by song
MASK, KNOWING_FILTER = "ratio mask that knows the stems", "filter that knows the clip"
SINGERS_PROFILE = "small"  # whose models were measured


@artifact.table("real", "On a real recording", Runs({"real"}))
def on_a_real_recording(results: Results) -> pd.DataFrame:
    """The models, trained on this profile's songs only, on real music, beside estimators without a network."""
    rows = []
    for done in results.finished:
        for method, words in METHODS.items():
            scores = scores_of([done.scores[method]["summary"]])
            row = {"target": done.run.target, "method": words} | scores
            rows.append(row | ours(results, [done], REAL_RECORDING))
    names = {"usdr_mean": "usdr", "csdr_median": "csdr", "leakage_db_mean": "leakage_db"}  # of one song
    return ordered(rows, "target", "method", *names, "csdr_frames_kept", "csdr_frames").rename(columns=names)


def separated_now(scores: Mapping[str, float], study: Study) -> pd.DataFrame:
    """uSDR in dB, a row a target: of the models that `bsrnn separate` takes, of those published before the wider world,
    of the training that the table of the recording has, and of what needs no network.

    Args:
        scores: target -> uSDR in dB of the models that `bsrnn separate` takes.
    """
    earlier = pd.read_csv(paths.results("history") / EARLIER, index_col="target")["usdr"]
    table = pd.DataFrame({"bsrnn separate": scores, "before the wider world": earlier.reindex(list(scores))})
    results = Results(study, {"real"})
    methods = {f"one training, {study.profile.train.max_items} items": "model"}
    methods |= {METHODS[name]: name for name in ("wiener", "wiener_oracle", "ratio_mask")}
    for words, method in methods.items():
        by_target = {done.run.target: done.scores[method]["summary"]["usdr_mean"] for done in results.finished}
        table[words] = pd.Series(by_target, dtype=float)
    return table.rename_axis("target").reset_index()


def solo_singing() -> pd.DataFrame:
    """Ten clips of solo singing over accompaniment: a row a kind of training of vocals, the best mean uSDR first."""
    measured, planned = pd.read_csv(paths.results("pilots") / SOLO_SINGING), runs.planned(SINGERS_PROFILE)
    measured = measured[["onward" not in planned[run_id].roles for run_id in measured["run"]]]  # have their own table
    measured = measured.assign(training=[planned[run_id].change for run_id in measured["run"]])
    groups = measured.groupby("training", sort=False)["mean_usdr"]
    table = groups.agg(usdr_mean="mean", lowest="min", highest="max", trainings="count").reset_index()
    table = table.sort_values("usdr_mean", ascending=False, ignore_index=True)
    return table.rename(columns={"lowest": "lowest training (dB)", "highest": "highest training (dB)"})


def exchanged_parts() -> pd.DataFrame:
    """The same clips with parts of them exchanged for rendered ones: a row an exchange, with the mean uSDR in dB of the
    model of many items, of what it becomes at random tone or with other singers, and of what knows the clip."""
    measured = pd.read_csv(paths.results("pilots") / EXCHANGED)
    table = measured.pivot_table("mean_usdr", "clips", "model", sort=False)
    shown = {BEFORE: "40000 items", AFTER: "then random tone", SINGERS[-1]: "then with amateurs"}
    shown |= {KNOWING_FILTER: KNOWING_FILTER, MASK: MASK}
    return table[[*shown]].rename(columns=shown).reset_index().rename_axis(columns=None)


def spectra_of_voices() -> Figure:
    """Where the energy of voices lies, octave by octave: means over voices, and of those that are many a standard
    deviation to both sides."""
    measured = pd.read_csv(paths.results("pilots") / SPECTRA)
    figure = figures.new_figure(3.6)
    axes = figure.subplots()
    for kind, rows in measured.groupby("voices", sort=False):
        tint, dash = VOICES[str(kind)]
        hz, level, spread = (rows[name].to_numpy() for name in ("octave_from_hz", "mean_db", "sd_db"))
        axes.plot(
            hz, level, color=tint, linestyle=dash, marker="o", markersize=4, label=f"{kind} ({rows['count'].iloc[0]})"
        )
        if not np.isnan(spread).any():
            axes.fill_between(hz, level - spread, level + spread, color=tint, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    octaves = measured["octave_from_hz"].unique().tolist()
    ends = [*octaves[1:], 2 * octaves[-1]]
    axes.set_xticks(octaves, [f"{low} to {high}" for low, high in zip(octaves, ends, strict=True)])
    figures.style(axes, "octave (Hz)", "share of the energy (dB)")
    figures.legend_above(figure, axes, 2)
    return figure


def sung_twice(seed: int, seconds: float = 12.0) -> dict[str, np.ndarray]:
    """One line by one singer of the embedded songs, with a producer and without: name -> (2, L) at 44.1 kHz, both of
    one mean square."""
    from bsrnn.data.synthetic import SAMPLE_RATE, composing, ranges, singing, timbres  # an extra

    sung = {}
    for name, pool in {"with a producer": timbres.WIDE, "without a producer": timbres.AMATEURS}.items():
        draws = ranges.Draws(np.random.default_rng(seed))
        score = composing.compose("train", timbres.WIDE, seconds, 0, draws)
        alike = replace(pool, phonations=("modal",), choirs=())  # or it would be another singer
        voice = singing.perform_vocals(score, alike, round(seconds * SAMPLE_RATE), draws)
        sung[name] = 0.1 * voice / np.sqrt(np.square(voice).mean())
    return sung


def of_both_kinds() -> pd.DataFrame:
    """What a training has from the start of songs by amateurs, held against as many of the usual kind: a row a kind of
    recording, with mean uSDR in dB over seeds, their difference and its interval of 95 % over seeds and songs; of the
    clips over seeds and singers, as clips of one singer are alike."""
    study, clips = Study(SINGERS_PROFILE), pd.read_csv(paths.results("pilots") / SOLO_SINGING, index_col="run")
    clip = pd.read_csv(paths.results("pilots") / CLIP, index_col="run")["usdr"]
    usual, mixed = (
        [study.finished(runs.get(SINGERS_PROFILE, f"{name}-s{seed}")) for seed in study.profile.detail_seeds]
        for name in FROM_THE_START
    )
    ids = [[done.run.id for done in of] for of in (usual, mixed)]
    clips = clips.drop(columns="mean_usdr")
    singers = clips.T.groupby(clips.columns.str.partition("_").get_level_values(0)).mean().T
    ten = [singers.loc[of].to_numpy() for of in ids]
    one = [clip.loc[of].to_numpy()[:, None] for of in ids]
    both = statistics.pairs(mixed, usual)
    songs = [statistics.difference_table(both, of).to_numpy() for of in (Finished.songs, Finished.new_songs)]
    tested = [mean_of(summaries_of(of), "usdr_mean") for of in (usual, mixed)]
    rows = []
    for name, of, differences in (
        ("ten clips", [values.mean() for values in ten], ten[1] - ten[0]),
        ("Falcon 69", [values.mean() for values in one], one[1] - one[0]),
        ("test songs", tested, songs[0]),
        ("new timbres", [new_score(of) for of in (usual, mixed)], songs[1]),
    ):
        gain, low, high = comparison.interval(differences)
        row = {"recordings": name, "of the usual kind": of[0], "half by amateurs": of[1], "gain": gain}
        rows.append(row | {"low": low, "high": high})
    return pd.DataFrame(rows)


def gone_on(trainings: Iterable[str]) -> pd.DataFrame:
    """What the model of many items became, a row a training: mean uSDR in dB on rendered songs and real recordings."""
    measured = {name: pd.read_csv(paths.results("pilots") / name, index_col="run") for name in (SOLO_SINGING, CLIP)}
    study, rows = Study(SINGERS_PROFILE), []
    for run_id in (BEFORE, *trainings):
        done = study.finished(runs.get(SINGERS_PROFILE, run_id))
        row = {"model": done.run.change, "validation songs": done.training["best"]}
        row |= {"test songs": done.scores["summary"]["usdr_mean"], "new timbres": new_score([done])}
        row |= {"ten clips": measured[SOLO_SINGING].at[run_id, "mean_usdr"]}
        rows.append(row | {"Falcon 69": measured[CLIP].at[run_id, "usdr"]})
    return pd.DataFrame(rows)


def bags() -> pd.DataFrame:
    """Two models together, the mean of their estimates, below the usual one alone: mean uSDR in dB, the columns as in
    :func:`gone_on`."""
    measured = pd.read_csv(paths.results("pilots") / BAGS)
    together = measured.pivot_table("mean_usdr", "models", "recordings", sort=False)
    planned, alone = runs.planned(SINGERS_PROFILE), gone_on(())
    names = [[planned[run_id].change for run_id in str(ids).split(" + ")] for ids in together.index]
    together.insert(0, "model", [f"{usual}, with: {other}" for usual, other in names])
    return pd.concat([alone, together[[*alone.columns]]], ignore_index=True)


def adding_up(shares: str = "equal") -> pd.DataFrame:
    """The published models' estimates with and without a share of what they leave: mean uSDR in dB, a row a kind of
    recording and target, with the interval of 95 % over songs; the mean is over targets."""
    measured = pd.read_csv(paths.results("pilots") / ADDING_UP, index_col=["shares", "song"])
    rows = []
    for recordings, scored in measured.groupby("recordings", sort=False):
        scores = scored.drop(columns="recordings").assign(mean=lambda targets: targets.mean(axis=1))
        alone, together = scores.loc["none"], scores.loc[shares]
        for target, differences in (together - alone).items():
            gain, low, high = comparison.interval(differences.to_numpy()[None])
            row = {"recordings": recordings, "songs": len(differences), "target": target}
            row |= {"as they are": alone[target].mean(), "adding up": together[target].mean()}
            rows.append(row | {"gain": gain, "low": low, "high": high})
    return pd.DataFrame(rows)
