"""Figures, tables, manifest and verification, from made-up run JSONs in an empty root."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import fake_results
import numpy as np
import pandas as pd
import pytest
from places import REPOSITORY

from bsrnn import cli, config, metrics
from bsrnn.audio import files as audio
from bsrnn.data import musdb, songs
from bsrnn.errors import ConfigError, DataError, MissingResult
from bsrnn.report import (
    chapters,
    claim_findings,
    claims,
    levels,
    manifest,
    scale_findings,
    show,
    stamps,
    table_html,
    tables,
)
from bsrnn.report.artifact import CONFIGURATION, Elsewhere, Runs
from bsrnn.report.chapters import ch06_separation_and_evaluation as evaluation
from bsrnn.report.chapters import ch08_results, ch09_open_details
from bsrnn.report.chapters import ch14_scale as scale
from bsrnn.report.stamps import OURS
from bsrnn.report.statistics import crossed_effect, holm, measured
from bsrnn.runtime.files import write_json
from bsrnn.study import profiles, runs
from bsrnn.study.ablations import DETAILS, EXTRAS, FINETUNING_DETAILS
from bsrnn.study.results import Results, Study, trained_model
from bsrnn.workflow import verify

PROFILE = "quick"
# with something to show for every artifact
QUICK = replace(profiles.QUICK, peers=("hdemucs",), details=(*profiles.QUICK.details, "mel41"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty project root with the published numbers, on a machine with ffmpeg."""
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.delenv("BSRNN_PROFILE", raising=False)
    monkeypatch.setattr(musdb, "can_be_decoded", lambda: True)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, QUICK)
    shutil.copytree(REPOSITORY / "data" / "published", tmp_path / "data" / "published")
    return tmp_path


def copy_guitar(root: Path) -> None:
    """The results of the profile guitar, which the chapter on it shows in every profile."""
    shutil.copytree(REPOSITORY / "results" / "guitar", root / "results" / "guitar", ignore=shutil.ignore_patterns("w*"))


@pytest.fixture
def finished(root):
    """The same with all results of a profile."""
    fake_results.write_results(PROFILE)
    copy_guitar(root)
    return root


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """All results and artifacts of a profile; not to be changed."""
    folder = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSRNN_ROOT", str(folder))
        (folder / "_config.yml").touch()
        patch.setattr(musdb, "can_be_decoded", lambda: True)
        patch.setitem(profiles.PROFILES, PROFILE, QUICK)
        shutil.copytree(REPOSITORY / "data" / "published", folder / "data" / "published")
        fake_results.write_results(PROFILE)
        copy_guitar(folder)
        manifest.write_all(PROFILE)
    return folder


@pytest.fixture
def written_once(root, once):
    """A copy of it that a test may harm; nothing is wrong with it yet."""
    shutil.copytree(once / "results", root / "results")
    assert verify.verify(PROFILE) == []
    return root


def drawn(artifact_id: str, profile: str = PROFILE):
    """The figure or table as the results are now."""
    return chapters.get(artifact_id).draw(Study(profile))


def caption_of(artifact_id: str) -> str:
    return chapters.get(artifact_id).caption(Study(PROFILE))


def result(run_id: str, profile: str = PROFILE) -> dict:
    return json.loads(runs.get(profile, run_id).result_path().read_text())


# ---- published numbers: a closed list ----


def test_table1_is_the_papers():
    with open(REPOSITORY / "data/published/table1.csv", newline="") as handle:
        rows = {row["split"]: float(row["value"]) for row in csv.DictReader(handle)}
    assert rows == {"v1": 8.15, "v2": 8.21, "v3": 8.06, "v4": 9.51, "v5": 9.57, "v6": 9.78, "v7": 10.04}


def test_table2_is_the_papers():
    with open(REPOSITORY / "data/published/table2.csv", newline="") as handle:
        rows = {float(row["hop_seconds"]): float(row["value"]) for row in csv.DictReader(handle)}
    assert rows == {0.5: 10.04, 1.0: 10.00, 1.5: 9.94, 3.0: 9.75}


TABLE3 = {  # vocals, bass, drums, other, all; uSDR and cSDR of each; None: not reported
    ("ResUNetDecouple+", "MUSDB18"): [None, 8.98, None, 6.04, None, 6.62, None, 5.29, None, 6.73],
    ("CWS-PResUNet", "MUSDB18-HQ"): [None, 8.92, None, 5.93, None, 6.38, None, 5.84, None, 6.77],
    ("KUIELab-MDX-Net", "MUSDB18-HQ"): [None, 8.97, None, 7.83, None, 7.20, None, 5.90, None, 7.47],
    ("KUIELab-MDX-Net", "MUSDB18"): [None, 9.00, None, 7.86, None, 7.33, None, 5.95, None, 7.54],
    ("Hybrid Demucs", "MUSDB18-HQ"): [None, 8.13, None, 8.76, None, 8.24, None, 5.59, None, 7.68],
    ("Hybrid Demucs", "MUSDB18"): [None, 8.04, None, 8.67, None, 8.58, None, 5.59, None, 7.72],
    ("BSRNN", "MUSDB18-HQ"): [10.04, 10.01, 6.80, 7.22, 8.92, 9.01, 6.01, 6.70, 7.94, 8.24],
    ("BSRNN", "MUSDB18"): [9.92, 10.21, 6.77, 7.51, 8.68, 8.58, 5.97, 6.62, 7.84, 8.23],
    ("BSRNN + finetuning", "MUSDB18-HQ"): [10.47, 10.47, 7.20, 8.16, 9.66, 10.15, 6.33, 7.08, 8.42, 8.97],
    ("BSRNN + finetuning", "MUSDB18"): [10.36, 10.53, 7.17, 8.30, 9.46, 9.65, 6.27, 7.00, 8.32, 8.87],
}
REPLICATION = {  # cSDR of vocals, bass, drums, other, all
    "BSRNN (replication)": [9.14, 7.72, 8.07, 5.68, 7.65],
    "oBSRNN (attention and TAC)": [9.81, 9.85, 10.31, 6.31, 9.07],
    "oBSRNN-SIMO (one shared encoder)": [10.66, 9.73, 10.98, 7.78, 9.79],
}


def test_table3_is_the_papers(root):
    table = tables.published("table3")
    scores = [f"{t}_{s}" for t in ("vocals", "bass", "drums", "other", "all") for s in ("usdr", "csdr")]
    found = {(row["model"], row["data"]): [None if pd.isna(row[s]) else row[s] for s in scores]
             for _, row in table.iterrows()}  # fmt: skip
    assert found == TABLE3
    assert set(table["source"]) == {"paper, Table III"}


def test_the_papers_means_agree_with_its_targets():
    for scores in TABLE3.values():
        for part in (scores[0:8:2], scores[1:8:2]):
            if None not in part:
                whole = scores[8 if part == scores[0:8:2] else 9]
                assert abs(np.mean(part) - whole) < 0.011, scores


def test_replication_is_the_replications(root):
    table = tables.published("replication")
    found = {row.model: [row.vocals_csdr, row.bass_csdr, row.drums_csdr, row.other_csdr, row.all_csdr]
             for row in table.itertuples()}  # fmt: skip
    assert found == REPLICATION


def test_an_unknown_published_table_is_named(root):
    with pytest.raises(DataError, match=r"table9\.csv"):
        tables.published("table9")


# ---- values ----


def test_results_are_the_jsons(finished):
    table = drawn("results")
    whole = table[table["timbre"] == "seen"].set_index(["target", "method"])  # songs of new timbres are apart
    for target in ("vocals", "drums"):
        summary = result(f"{target}-s0")["scores"]["summary"]
        row = whole.loc[(target, "BSRNN")]
        assert row["usdr_mean"] == summary["usdr_mean"]
        assert row["csdr_median"] == summary["csdr_median"]
        assert row["songs"] == summary["songs"] == profiles.profile(PROFILE).data.test_songs
        assert row["csdr_frames_kept"] == summary["csdr_frames_kept"]
        for method, scores in result(f"{target}-baselines-s0")["scores"].items():
            assert whole.loc[(target, tables.METHODS[method]), "usdr_mean"] == scores["summary"]["usdr_mean"]
    both = whole.loc[[("vocals", "BSRNN"), ("drums", "BSRNN")], "usdr_mean"].mean()
    assert whole.loc[("mean", "BSRNN"), "usdr_mean"] == pytest.approx(both)


def test_results_by_timbre_are_means_of_their_songs(finished):
    table = drawn("results").set_index(["target", "method", "timbre"])
    for timbre, part in (("seen", "scores"), ("new", "new")):
        songs = [song["usdr"] for song in result("vocals-s0")[part]["songs"]]
        assert table.loc[("vocals", "BSRNN", timbre), "usdr_mean"] == pytest.approx(np.mean(songs))
        assert table.loc[("vocals", "BSRNN", timbre), "songs"] == len(songs)
    assert ("vocals", "BSRNN", "all") not in table.index  # which would leave out the new ones


def test_table1_and_table2_hold_the_papers_rows_and_ours(finished):
    one = drawn("table1")
    assert list(one["bands"][:7]) == [22, 19, 14, 23, 28, 26, 41]
    ours = one[one["source"] == OURS].set_index("split")["usdr_mean"]
    assert ours["V1"] == result("vocals-v1-s0")["scores"]["summary"]["usdr_mean"]
    assert ours["V7"] == result("vocals-s0")["scores"]["summary"]["usdr_mean"]
    two = drawn("table2")
    for hop in QUICK.hops:
        row = two[(two["source"] == OURS) & (two["hop_seconds"] == hop)].iloc[0]
        scores = result(f"vocals-hop{hop:g}-s0")["scores"]
        assert row["usdr_mean"] == scores["summary"]["usdr_mean"]
        assert row["cost"] == 3 / hop
    assert not [name for name in two if "second" in name and name != "hop_seconds"]  # a busy machine's, no result


def test_table3_keeps_ours_apart(finished):
    table = drawn("table3")
    ours = table[table["source"] == OURS]
    assert not set(ours["model"]) & set(table[table["source"] != OURS]["model"])
    assert set(ours["data"]).isdisjoint({"MUSDB18", "MUSDB18-HQ"})
    row = ours[ours["model"] == "BSRNN (N 16, 2 modules)"].iloc[0]
    assert row["vocals_usdr"] == result("vocals-s0")["scores"]["summary"]["usdr_mean"]
    assert pd.isna(row["bass_usdr"]) and pd.isna(row["all_usdr"])  # two targets are not all


def test_finetuning_counts_add_up_teacher_by_teacher(finished):
    table = drawn("finetuning_counts")
    history = result("vocals-finetuned-s0")["training"]["history"]
    for kind in ("labelled", "pseudo", "clean_target", "clean_residual"):
        assert table[kind].sum() == sum(entry["counts"].get(kind, 0) for entry in history)
    replaced = sum(entry["teacher_replaced"] for entry in history[:-1])
    assert table["teacher"].tolist() == [f"P{number}" for number in range(replaced + 1)]
    assert table["until_item"].iloc[-1] == history[-1]["items"]
    assert table["targets_from_unlabelled"].tolist() == pytest.approx([27 / 60] * len(table))


def test_a_gain_of_several_seeds_has_an_interval_that_holds_it(root, monkeypatch):
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, seeds=(0, 1)))
    fake_results.write_results(PROFILE)
    row = drawn("finetuning_gain").set_index("model").loc["finetuned"]
    assert row["seeds"] == "0, 1" and row["low"] < row["over_control"] < row["high"]


def test_finetuning_gain_is_paired_song_by_song(finished):
    gain = drawn("finetuning_gain").set_index("model")
    songs = {id: result(f"vocals{id}-s0")["scores"]["songs"] for id in ("", "-finetuned", "-control")}
    usdr = {id: np.array([song["usdr"] for song in rows]) for id, rows in songs.items()}
    assert gain.loc["start", "usdr_mean"] == pytest.approx(usdr[""].mean())
    assert gain.loc["finetuned", "over_start"] == pytest.approx(usdr["-finetuned"].mean() - usdr[""].mean())
    assert gain.loc["control", "over_start"] == pytest.approx(usdr["-control"].mean() - usdr[""].mean())
    row = gain.loc["finetuned"]
    assert row["over_control"] == pytest.approx((usdr["-finetuned"] - usdr["-control"]).mean())
    assert pd.isna(row["low"]) and pd.isna(row["high"])  # over songs alone: it would leave out another seed
    new = [song["usdr"] for song in result("vocals-finetuned-s0")["new"]["songs"]]
    assert row["new_usdr"] == pytest.approx(np.mean(new))


def test_without_unlabelled_music_the_finetuning_is_left_out_with_its_reason(root, monkeypatch):
    paper = replace(QUICK, data=config.DataConfig(source="folder", folder="songs"))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, paper)
    for name in ("finetuning", "finetuning_gain", "finetuning_counts"):
        artifact, study = chapters.get(name), Study(PROFILE)
        assert artifact.left_out(study).endswith("its runs need unlabelled music in data/unlabelled.")
        assert artifact.files(study) == []


def test_the_rules_against_the_truth(finished):
    """Counted once more by hand from the chunks."""
    chunks = result("vocals-teacher-s0")["scores"]["chunks"]
    table = drawn("label_thresholds").set_index(["kind", "threshold_db"])
    row = table.loc[("clean residual", 20.0)]
    called = [chunk for chunk in chunks if chunk["target_down"] > 20]
    assert row["called_clean"] == len(called) and 0 < len(called) < 10
    assert row["truly_clean"] == sum(chunk["true_target_down"] > 30 for chunk in chunks) == 10
    assert row["of_them_right"] == len(called)  # the others lie 3 to 12 dB down
    assert row["leak_median_db"] == -120.0
    assert table.loc[("clean residual", 40.0), "called_clean"] == 0
    assert np.isnan(table.loc[("clean residual", 40.0), "leak_median_db"])
    choices = drawn("label_choices").set_index(["kind", "the rules see"])
    each = choices.loc[("clean residual", "each channel by itself")]
    assert each["chunks"] == 2 * len(chunks) and each["truly_clean"] == 20
    assert each["called_clean"] == sum(down > 30 for chunk in chunks for down in chunk["each_target_down"])
    quality = drawn("label_quality").set_index("unlabelled")
    own = [chunk["target_usdr"] for chunk in chunks if chunk["set"] == "unlabelled-matched"]
    median = np.median([value for value in own if value is not None])
    assert {name for _, name in choices.index} >= {"1.5 s", "teacher sees 6 s"}  # a chunk of this profile has 1.5 s
    assert "target, 1.5 s (dB)" in table_html.of_results(quality.reset_index(), "x")
    assert quality.loc["songs of their own", "target_1.5s_db"] == median


def test_real_recording_table(finished):
    table = drawn("real").set_index(["target", "method"])
    scores = result("drums-real-s0")["scores"]
    assert table.loc[("drums", "BSRNN"), "usdr"] == scores["model"]["summary"]["usdr_mean"]
    assert table.loc[("drums", "mixture"), "usdr"] == scores["mixture"]["summary"]["usdr_mean"]
    assert set(table["data"]) == {stamps.REAL_RECORDING}


def test_ledger_reads_our_settings(finished):
    table = drawn("open_details").set_index("detail")
    settings = profiles.profile(PROFILE)
    assert table.loc["Hz to bins", "our_setting"] == settings.model.band_edges
    assert table.loc["learning-rate decay", "our_setting"] == str(settings.train.decay_items)
    assert len(table) >= 24 and table["paper"].notna().all()


def test_values_are_means_over_seeds(root, monkeypatch):
    from dataclasses import replace

    two = replace(
        profiles.profile(PROFILE),
        seeds=(0, 1),
        scale=(("model.features", (8,)),),
        long_items=2400,
        doubled=("vocals-control",),
    )
    monkeypatch.setitem(profiles.PROFILES, PROFILE, two)
    fake_results.write_results(PROFILE)
    table = drawn("results").set_index(["target", "method", "timbre"])
    row = table.loc[("vocals", "BSRNN", "seen")]
    assert table.loc[("vocals", "mixture", "seen"), "seeds"] == "0"  # it has no seed: it was computed once
    expected = [result(f"vocals-s{seed}")["scores"]["summary"]["usdr_mean"] for seed in (0, 1)]
    assert row["usdr_mean"] == pytest.approx(np.mean(expected))
    assert row["seeds"] == "0, 1"
    assert "seeds: 0, 1" in caption_of("training")
    for artifact in chapters.REGISTRY.values():
        if not isinstance(artifact.source, Elsewhere):
            artifact.draw(Study(PROFILE))


# ---- provenance ----


@pytest.mark.parametrize("artifact", chapters.REGISTRY.values(), ids=list(chapters.REGISTRY))
def test_captions_and_files_say_where_numbers_come_from(finished, artifact):
    if artifact.left_out(Study(PROFILE)):
        pytest.skip(artifact.left_out(Study(PROFILE)))
    caption = artifact.caption(Study(PROFILE))
    where = "results/guitar" if isinstance(artifact.source, Elsewhere) else f"profile {PROFILE}"
    assert artifact.title in caption and "Source: " in caption and where in caption
    shown = artifact.draw_for_a_file(Study(PROFILE))
    if isinstance(artifact.source, Runs) and artifact.source is not CONFIGURATION:
        assert "seeds: 0" in caption and "carries no claim" in caption
        data = stamps.REAL_RECORDING if artifact.id == "real" else "embedded synthetic songs (generator version"
        assert data in caption
    if artifact.kind == "figure":
        footer = " ".join(text.get_text().replace("\n", " ") for text in shown.texts)
        assert artifact.source.stamp(Study(PROFILE)) in footer
        assert "Source: " not in " ".join(text.get_text() for text in artifact.draw(Study(PROFILE)).texts)
    else:
        assert "profile" in shown.columns
        if artifact.id == "open_details":
            assert "from our runs" not in caption and "our runs" in caption and shown["measured"].ne("-").any()
        elif isinstance(artifact.source, Runs) or isinstance(artifact.source, Elsewhere):
            ours = shown[shown["source"] == OURS]
            assert len(ours) and ours[["data", "profile", "seeds", "note"]].notna().all(axis=None)
            assert set(ours["note"]) == {"one seed, carries no claim"}


def test_number_of_songs_is_the_right_one(finished):
    data = profiles.profile(PROFILE).data
    assert f"{data.test_songs} songs scored" in caption_of("results")
    assert f"{data.valid_songs} validation songs" in caption_of("training")
    assert "1 song scored" in caption_of("real")


def test_every_role_that_is_asked_for_is_one_that_runs_have():
    sources = [artifact.source for artifact in chapters.REGISTRY.values() if isinstance(artifact.source, Runs)]
    sources = [source for source in sources if source is not CONFIGURATION]
    assert len(sources) > 20 and all(source.roles and source.roles | source.essential <= {*runs.ROLES}
                                     for source in sources)  # fmt: skip


def test_runs_come_from_the_grid():
    grid = runs.grid(PROFILE)
    for artifact in chapters.REGISTRY.values():
        assert set(artifact.source.ids(Study(PROFILE))) <= set(grid)
    used = {id for artifact in chapters.REGISTRY.values() for id in artifact.source.ids(Study(PROFILE))}
    assert used == {id for id, run in grid.items() if run.result_path().is_file() or run.available()}


def test_a_machine_without_ffmpeg_leaves_out_the_recording(root, monkeypatch, capsys):
    monkeypatch.setattr(musdb, "can_be_decoded", lambda: False)
    real = [id for id, run in runs.grid(PROFILE).items() if run.kind == "real"]
    fake_results.write_results(PROFILE, leave_out=tuple(real))
    assert chapters.get("real").files(Study(PROFILE)) == []
    content = manifest.write_all(PROFILE)
    assert capsys.readouterr().out.startswith("Left out: real") and "real" not in content["artifacts"]
    assert verify.verify(PROFILE) == []
    fake_results.write_results(PROFILE)  # results that came with the clone are shown without ffmpeg
    assert drawn("real") is not None


def test_a_profile_without_finetuning_leaves_it_out():
    assert "no such runs" in chapters.get("finetuning").left_out(Study("previews"))
    assert chapters.get("finetuning_gain").files(Study("previews")) == []


# ---- choosing the profile ----


def test_resolve_profile(root, monkeypatch):
    with pytest.raises(MissingResult, match="make reproduce"):
        show.resolve_profile("auto")
    fake_results.write_results("tiny")
    assert show.resolve_profile("auto") == "tiny"
    fake_results.write_results("small")
    assert show.resolve_profile("auto") == "small"
    assert show.resolve_profile("quick") == "quick"
    monkeypatch.setenv("BSRNN_PROFILE", "paper")
    assert show.resolve_profile("auto") == "paper"
    monkeypatch.setenv("BSRNN_PROFILE", "huge")
    with pytest.raises(ConfigError, match="unknown profile 'huge'"):
        show.resolve_profile("auto")
    with pytest.raises(ConfigError, match="unknown profile 'quik'"):
        show.resolve_profile("quik")


def test_unknown_artifact(root):
    with pytest.raises(ConfigError, match="expected one of .*fig1"):
        chapters.get("fig9")


def test_missing_results_name_the_command(root):
    with pytest.raises(MissingResult, match=f"make reproduce PROFILE={PROFILE}"):
        drawn("results")
    with pytest.raises(MissingResult, match=f"make reproduce PROFILE={PROFILE}"):
        manifest.write_all(PROFILE)
    assert not (root / "results").exists()
    with pytest.raises(MissingResult, match=f"bsrnn run vocals-s0 --profile {PROFILE}"):
        trained_model(PROFILE, "vocals")
    with pytest.raises(ConfigError, match="trains no model for 'bass'"):
        trained_model(PROFILE, "bass")


def test_the_command_names_what_is_missing(root, capsys):
    (root / "_config.yml").touch()
    assert cli.main(["artifacts", "--profile", PROFILE]) == 1
    assert f"make reproduce PROFILE={PROFILE}" in capsys.readouterr().err


# ---- writing and verifying ----


def written(root: Path) -> dict[str, bytes]:
    folder = root / "results" / PROFILE
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.suffix in (".svg", ".png", ".csv", ".json")}  # fmt: skip


def test_the_same_results_give_the_same_bytes(finished):
    content = manifest.write_all(PROFILE)
    first = written(finished)
    manifest.write_all(PROFILE)
    assert written(finished) == first
    listed = {name for entry in content["artifacts"].values() for name in entry["files"]}
    assert listed | {"manifest.json"} == {name for name in first if not name.startswith("runs/")}
    for artifact in chapters.REGISTRY.values():
        assert all(path.is_file() for path in artifact.files(Study(PROFILE)))
    assert not any(b"<dc:date>" in data for name, data in first.items() if name.endswith(".svg"))
    run = content["runs"]["vocals-s0"]
    assert run["key"] == runs.get(PROFILE, "vocals-s0").key
    assert set(run["code"]) == {"commit", "dirty"}
    assert run["seed"] == 0 and run["train_seconds"] == 100.0 and run["device"] and run["versions"]["torch"]


def stray_model(folder):
    (folder / "checkpoints" / "flute").mkdir(parents=True)
    (folder / "checkpoints" / "flute" / "model.safetensors").touch()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "tables/results.csv").write_text("target\n"), "changed: tables/results.csv"),
        (lambda folder: (folder / "figures/songs.svg").write_bytes(b"<svg/>"), "changed: figures/songs.svg"),
        (lambda folder: (folder / "figures/songs.png").unlink(), "missing: figures/songs.png"),
        (lambda folder: (folder / "manifest.json").unlink(), "missing: .*manifest.json"),
        (lambda folder: next(folder.glob("runs/vocals-s0.*")).unlink(), "missing: no result of run vocals-s0"),
        (lambda folder: (folder / "runs/vocals-s0.0123456789ab.json").write_text("{}"), "stale: .*vocals-s0.0123"),
        (lambda folder: (folder / "runs/flute-s0.0123456789ab.json").write_text("{}"), "stray: .*flute-s0"),
        (
            lambda folder: (folder / "runs/vocals-hop0.7-s9.0123456789ab.json").write_text("{}"),
            r"stray: .* of profile quick \('vocals-hop0.7-s9'\)",
        ),
        (lambda folder: next(folder.glob("runs/drums-s0.*")).write_text("{"), "damaged: .*drums-s0"),
        (lambda folder: (folder / "tables/old.csv").write_text("target\n"), "stray: tables/old.csv"),
        (
            stray_model,
            "stray: checkpoints/flute is no model that the profile publishes",
        ),
    ],
    ids=[
        "csv",
        "svg",
        "png",
        "manifest",
        "missing run",
        "stale",
        "stray run",
        "stray hop",
        "damaged",
        "stray table",
        "stray model",
    ],
)
def test_verify_finds(written_once, harm, said):
    harm(written_once / "results" / PROFILE)
    problems = verify.verify(PROFILE)
    assert any(pd.Series([line]).str.match(said).iloc[0] for line in problems), problems


def test_a_file_of_an_artifact_that_is_no_more_is_removed_and_nothing_else(written_once, monkeypatch):
    folder = written_once / "results" / PROFILE
    (folder / "tables" / "mine.csv").write_text("a user's own")
    monkeypatch.delitem(chapters.REGISTRY, "table1")
    manifest.write_all(PROFILE)
    assert not (folder / "tables" / "table1.csv").exists() and (folder / "tables" / "results.csv").is_file()
    assert (folder / "tables" / "mine.csv").read_text() == "a user's own"


def test_a_file_of_an_artifact_that_is_not_drawn_any_more_is_removed(written_once, monkeypatch):
    folder = written_once / "results" / PROFILE
    source, lacks = chapters.get("table1").source, Runs.lacks
    monkeypatch.setattr(Runs, "lacks", lambda self, study: "no runs" if self is source else lacks(self, study))
    manifest.write_all(PROFILE)
    assert not (folder / "tables" / "table1.csv").exists() and (folder / "tables" / "results.csv").is_file()
    assert verify.verify(PROFILE) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"artifacts": {"x": {}}}'])
def test_a_damaged_manifest_is_written_anew(written_once, content):
    path = written_once / "results" / PROFILE / "manifest.json"
    path.write_text(content)
    manifest.write_all(PROFILE)
    assert verify.verify(PROFILE) == []


def test_verify_lets_a_run_that_waits_have_a_result(root, monkeypatch):
    """Computed by hand, as a page may advise; nobody asks for it, and with another key it is stale like any."""
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, waiting=("drums-real-s0",)))
    run = runs.planned(PROFILE)["drums-real-s0"]
    fake_results.write_results(PROFILE)
    of_runs = ("missing: no result", "stale", "stray", "damaged")
    before = [problem for problem in verify.verify(PROFILE) if problem.startswith(of_runs)]
    write_json(run.result_path(), fake_results.fake(run))
    assert [problem for problem in verify.verify(PROFILE) if problem.startswith(of_runs)] == before == []
    write_json(run.result_path().with_name("drums-real-s0.0123456789ab.json"), {})
    assert any("stale: runs/drums-real-s0.0123" in problem for problem in verify.verify(PROFILE))


def test_verify_finds_a_table_that_the_results_no_longer_give(written_once):
    path = runs.get(PROFILE, "vocals-s0").result_path()
    changed = json.loads(path.read_text())
    changed["scores"]["summary"]["usdr_mean"] += 1
    path.write_text(json.dumps(changed))
    assert "changed: tables/table1.csv is not what the results give now" in verify.verify(PROFILE)


def test_verify_finds_provenance_that_is_not_the_results_own(written_once):
    path = written_once / "results" / PROFILE / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["runs"]["vocals-s0"] |= {"device": "a faster one", "train_seconds": 1.0}
    del manifest["runs"]["drums-s0"]["seed"]
    path.write_text(json.dumps(manifest))
    assert verify.verify(PROFILE) == [
        "stale: of run drums-s0 the manifest says another seed than its result",
        "stale: of run vocals-s0 the manifest says another device, train_seconds than its result",
    ]


def test_other_numbers_in_the_readme_are_found(written_once, monkeypatch):
    monkeypatch.setattr(manifest, "README_PROFILE", PROFILE)
    readme = written_once / "README.md"
    readme.write_text("<!-- results:start -->\n<!-- results:end -->\n")
    manifest.readme_table(PROFILE)
    assert verify.verify(PROFILE) == []
    readme.write_text(readme.read_text().replace("| vocals | 0 | ", "| vocals | 0 | 1"))
    assert [line.split(";")[0] for line in verify.verify(PROFILE)] == ["changed: README.md has other results"]


def test_readme_table(finished):
    readme = finished / "README.md"
    with pytest.raises(ConfigError, match="results:start"):
        manifest.readme_table(PROFILE)
    readme.write_text("before\n<!-- results:start -->\nold\n<!-- results:end -->\nafter\n")
    body = manifest.readme_table(PROFILE)
    text = readme.read_text()
    assert body in text and "old" not in text and text.startswith("before\n") and text.endswith("\nafter\n")
    mean = result("vocals-s0")["scores"]["summary"]["usdr_mean"]
    heading, row = (line.split(" | ") for line in body.splitlines() if line.startswith(("| target ", "| vocals ")))
    assert row[heading.index("BSRNN")] == f"{mean:.2f}" and "carries no claim" in body
    assert "| C1 | Finer subbands at low frequencies help vocals. | not tested | – | not tested |" in body
    manifest.readme_table(PROFILE)
    assert readme.read_text() == text
    assert f"{mean:.2f}" in manifest.result_table(PROFILE)


# ---- claims ----


def test_claims_of_a_small_profile_are_not_decided(finished):
    table = drawn("claims").set_index("claim")
    assert set(table["paper_data"]) == {claims.NOT_TESTED}
    assert set(table["our_analogue"]) <= {claims.NOT_TESTED, claims.UNDECIDED}
    effect = [result(f"vocals-hop{hop}-s0")["scores"]["summary"]["usdr_mean"] for hop in ("1.5", "3")]
    assert table.loc["C3", "effect"] == pytest.approx(effect[0] - effect[1])
    assert table.loc["C1", "our_analogue"] == claims.NOT_TESTED  # V4 is no run of this profile
    assert list(table.reset_index())[:10] == [
        "claim", "contrast", "verdict", "seeds", "songs", "effect", "low", "high", "data", "profile"
    ]  # fmt: skip
    paper = table["paper_effect"]
    assert paper["C1"] == pytest.approx(9.51 - 8.15) and paper["C3"] == pytest.approx(9.94 - 9.75)
    assert pd.isna(paper["C2"]) and pd.isna(paper["C5"])  # the paper has no control
    assert paper["C5, over the start"] == pytest.approx(10.47 - 10.04)  # of vocals, which has runs here
    runs_of = [result(f"vocals{name}-s0")["scores"]["summary"]["usdr_mean"] for name in ("-finetuned", "")]
    assert table.loc["C5, over the start", "effect"] == pytest.approx(runs_of[0] - runs_of[1])


def test_claims_of_a_profile_with_seeds_have_intervals_over_seeds_and_songs_that_hold_together(root, monkeypatch):
    crossed = (("bass", "v7"), ("drums", "v7"))
    settings = replace(QUICK, seeds=(0, 1, 2, 3, 4), table_one=("v1", "v4"), crossed=crossed,
                       targets=("vocals", "bass", "drums"), peers=(), carries_claims=True)  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    table = drawn("claims").set_index("claim")

    def songs(name: str, seed: int) -> np.ndarray:
        return np.array([song["usdr"] for song in result(f"{name}-s{seed}")["scores"]["songs"]])

    contrasts = {
        "C1": [songs("vocals-v4", s) - songs("vocals-v1", s) for s in range(5)],
        "C1, more bands": [songs("vocals", s) - songs("vocals-v4", s) for s in range(5)],
        "C2": [
            np.mean([songs(target, s) - songs(f"{target}-v7", s) for target in ("bass", "drums")], 0) for s in range(5)
        ],
        "C3": [songs("vocals-hop1.5", s) - songs("vocals-hop3", s) for s in range(5)],
        "C5": [songs("vocals-finetuned", s) - songs("vocals-control", s) for s in range(5)],
    }
    effects = {name: crossed_effect(d) for name, d in contrasts.items()}
    primary = ["C1", "C2", "C3", "C5"]
    levels = dict(zip(primary, holm([effects[name].p() for name in primary] + [None]), strict=False))
    for name, effect in effects.items():
        row, level = table.loc[name], levels.get(name, 0.95)
        assert (row["low"], row["high"]) == pytest.approx(effect.interval(level)) and row["level"] == level
        assert row["effect"] == pytest.approx(effect.mean)
        assert row["detectable"] == pytest.approx(effect.detectable(level)) and row["p"] == pytest.approx(effect.p())
        assert (row["seeds"], row["songs"]) == ("0, 1, 2, 3, 4", 8)
        assert row["verdict"] == claims.judge(row["effect"], (row["low"], row["high"]), 5, row["margin"], True)[0]
    assert table.loc["C4", "verdict"] == claims.NOT_TESTED and pd.isna(table.loc["C4", "p"])
    shown = claims.overview(Study(PROFILE))
    others = ["C4, Hybrid Demucs", "C4, Open-Unmix", "C4, Conv-TasNet"]
    assert list(shown["claim"]) == ["C1", "C2", "C3", "C4", *others, "C5", "C5, over the start", "C5, the room"]
    assert set(shown["paper_data"]) == {claims.NOT_TESTED}
    low, high = effects["C1"].interval(levels["C1"])
    assert shown["difference"][0] == f"{effects['C1'].mean:+.2f} dB [{low:+.2f}, {high:+.2f}]"


def test_a_second_look_has_half_of_the_chance_to_be_wrong_and_songs_of_its_own(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1, 2, 3, 4), table_one=("v1", "v4"), carries_claims=True)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    first = claims.table(Study(PROFILE)).set_index("claim")
    assert first.loc["C3", "songs"] == settings.data.test_songs
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, more_songs=20, second_looks=("C3",)))
    fake_results.write_results(PROFILE)
    table = claims.table(Study(PROFILE)).set_index("claim")
    assert list(table["songs"][["C1", "C3", "C5"]]) == [8, 20, 8]
    assert "; 8 or 20 songs scored" in caption_of("claims")
    hops = [[result(f"vocals-hop{hop}-s{seed}")["scores"]["songs"] for seed in range(5)] for hop in ("1.5", "3")]
    scores = np.array([[[song["usdr"] for song in songs] for songs in of_hop] for of_hop in hops])
    effect, row = crossed_effect(scores[0] - scores[1]), table.loc["C3"]
    tests = {name: table.loc[name, "p"] for name in ("C1", "C5")} | {"C3": min(1.0, 2 * effect.p())}
    levels = dict(zip(tests, holm([*tests.values(), None, None]), strict=False))
    assert row["p"] == pytest.approx(effect.p()) and row["level"] == pytest.approx(1 - (1 - levels["C3"]) / 2)
    assert (row["low"], row["high"]) == pytest.approx(effect.interval(row["level"]))
    assert 0.975 < row["level"] and list(table["level"][["C1", "C5"]]) == pytest.approx([levels["C1"], levels["C5"]])


def test_a_second_look_at_more_songs_stands_beside_the_first(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1, 2, 3, 4), peers=("hdemucs", "umx"), carries_claims=True, more_songs=20)
    again = ("vocals-v1", "vocals-v4", "vocals-uniform41", "vocals-umx")
    settings = replace(settings, table_one=("v1", "v4", "uniform41"), scored_again=again)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    first = claims.table(Study(PROFILE)).set_index("claim")
    assert list(first["songs"][["C1", "C4"]]) == [8, 8] and not first.index.str.contains("first look").any()
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, second_looks=("C1", "C1, control", "C4")))
    table = claims.table(Study(PROFILE)).set_index("claim")
    assert list(table["songs"][["C1", "C1, control", "C1, more bands", "C4", "C5"]]) == [20, 20, 8, 20, 8]
    assert "C1, more bands, first look" not in table.index
    parts = ["songs", "effect", "p", "seeds"]
    for claim in ("C1", "C1, control"):
        assert list(table.loc[f"{claim}, first look", parts]) == list(first.loc[claim, parts])
    assert (table.loc["C1, control", "level"], table.loc["C1, control, first look", "level"]) == (0.975, 0.95)
    assert table.loc["C4", "contrast"].startswith("BSRNN - Open-Unmix")  # no other system is scored again

    def difference(better, worse):
        scores = [[[song["usdr"] for song in result(f"vocals-{name}-s{seed}")["scores"]["songs"]]
                   for seed in range(5)] for name in (better, worse)]  # fmt: skip
        return np.array(scores[0]) - np.array(scores[1])

    looks = {"C1": difference("v4-again", "v1-again"), "C4": difference("hop3", "umx-again")}
    looks["C1, control"] = difference("hop3", "uniform41-again")
    for claim, differences in looks.items():
        effect, row = crossed_effect(differences), table.loc[claim]
        assert (row["effect"], row["p"]) == pytest.approx((effect.mean, effect.p()))
        assert row["level"] >= 0.975 and (row["low"], row["high"]) == pytest.approx(effect.interval(row["level"]))


def test_a_third_look_has_further_seeds_and_a_third_of_the_chance_to_be_wrong(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1, 2, 3, 4), table_one=("v1", "v4"), carries_claims=True, more_songs=20)
    settings = replace(settings, scored_again=("vocals-v1", "vocals-v4"), second_looks=("C1",), third_seeds=(5, 6))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    assert "C1, second look" not in claims.table(Study("guitar"))["claim"].tolist()  # which has no run of C1
    second = claims.table(Study(PROFILE)).set_index("claim")
    assert "C1, second look" not in second.index and second.loc["C1", "seeds"] == "0, 1, 2, 3, 4"
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, third_looks=("C1",)))
    table = claims.table(Study(PROFILE)).set_index("claim")
    assert list(table["seeds"][["C1", "C1, second look"]]) == ["0, 1, 2, 3, 4, 5, 6", "0, 1, 2, 3, 4"]
    assert list(table["songs"][["C1", "C1, first look", "C1, second look"]]) == [20, 8, 20]
    parts = ["effect", "p", "songs", "seeds"]
    assert list(table.loc["C1, second look", parts]) == list(second.loc["C1", parts])
    scores = np.array([[[song["usdr"] for song in result(f"vocals-{split}-again-s{seed}")["scores"]["songs"]]
                        for seed in range(7)] for split in ("v4", "v1")])  # fmt: skip
    effect, row = crossed_effect(scores[0] - scores[1]), table.loc["C1"]
    tests = {name: table.loc[name, "p"] for name in ("C3", "C5")} | {"C1": min(1.0, 3 * effect.p())}
    levels = dict(zip(tests, holm([*tests.values(), None, None]), strict=False))
    assert row["p"] == pytest.approx(effect.p()) and row["level"] == pytest.approx(1 - (1 - levels["C1"]) / 3)
    assert (row["low"], row["high"]) == pytest.approx(effect.interval(row["level"]))
    assert list(table["level"][["C1, first look", "C1, second look"]]) == [0.95, 0.975]


def test_c2_s_third_look_is_of_the_last_weights_alone(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1, 2, 3, 4), targets=("vocals", "bass", "drums"), second_seeds=(5,),
                       crossed=(("bass", "v7"), ("drums", "v7")), carries_claims=True, second_looks=("C2",),
                       last_seeds=(0, 1, 2, 3, 4, 5, 6))  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    second = claims.table(Study(PROFILE)).set_index("claim")
    assert "C2, second look" not in second.index and second.loc["C2", "seeds"] == "0, 1, 2, 3, 4, 5"
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, third_looks=("C2",)))
    table = claims.table(Study(PROFILE)).set_index("claim")
    parts = ["effect", "p", "songs", "seeds"]
    assert list(table.loc["C2, second look", parts]) == list(second.loc["C2", parts])
    assert table.loc["C2, second look", "level"] == 0.975 and table.loc["C2", "level"] >= 1 - 0.05 / 3
    scores = {name: [[song["usdr"] for song in result(f"{name}-last-s{seed}")["scores"]["songs"]] for seed in range(7)]
              for name in ("bass", "bass-v7", "drums", "drums-v7")}  # fmt: skip
    means = {name: np.array(of_name) for name, of_name in scores.items()}
    effect = crossed_effect((means["bass"] + means["drums"] - means["bass-v7"] - means["drums-v7"]) / 2)
    row = table.loc["C2"]
    assert (row["effect"], row["p"]) == pytest.approx((effect.mean, effect.p()))
    assert (row["contrast"], row["seeds"]) == ("own split - V7, last weights, drums and bass", "0, 1, 2, 3, 4, 5, 6")
    assert table.loc["C2, second look", "contrast"] == second.loc["C2", "contrast"] == "own split - V7, drums and bass"
    assert (row["low"], row["high"]) == pytest.approx(effect.interval(row["level"]))


def test_what_a_profile_asks_twice_is_a_contrast_that_keeps_its_first_look_or_its_seeds():
    known = {claim.id: claim for claim in claims.CLAIMS}
    for profile in profiles.PROFILES.values():
        assert all(known[name].primary or f"{name}, first look" in known for name in profile.second_looks)


@pytest.mark.parametrize("claim, role", [("C1", "third look"), ("C2", "last")])
def test_a_third_look_is_taken_when_all_of_its_runs_are_there(claim, role):
    there, every = ({run.id for run in grid.values() if role in run.roles | (run.start.roles if run.start else set())}
                    for grid in (runs.grid("small"), runs.planned("small")))  # fmt: skip
    assert every and (there == every) == (claim in profiles.SMALL.third_looks)


def test_judge():
    assert claims.judge(None, None, 0, 0.3, True)[0] == claims.NOT_TESTED
    assert claims.judge(9.0, (8.0, 10.0), 5, 0.3, False)[0] == claims.UNDECIDED
    assert claims.judge(1.0, (0.9, 1.1), 4, 0.3, True) == (claims.UNDECIDED, "4 seeds; a verdict needs 5")
    assert claims.judge(1.0, (0.5, 1.5), 5, 0.3, True)[0] == claims.CONSISTENT
    assert claims.judge(0.3, (0.01, 0.6), 5, 0.3, True)[0] == claims.CONSISTENT
    assert claims.judge(0.2, (0.01, 0.4), 5, 0.3, True)[0] == claims.UNDECIDED  # there, and it may not matter
    assert claims.judge(0.2, (0.12, 0.28), 5, 0.3, True)[0] == claims.INCONSISTENT  # there, and it does not matter
    assert claims.judge(0.2, (0.12, 0.28), 5, 0.1, True)[0] == claims.CONSISTENT  # with the margin of C3
    assert claims.judge(-1.0, (-1.5, -0.5), 5, 0.3, True)[0] == claims.INCONSISTENT
    assert claims.judge(0.1, (-0.5, 0.5), 5, 0.3, True) == (claims.UNDECIDED, "the interval holds both 0 and 0.3 dB")
    near = claims.judge(0.0955, (0.02, 0.17), 5, 0.1, True)  # 0.10 in a table of two decimals
    assert near == (claims.UNDECIDED, "the interval lies above 0, but the mean, +0.096 dB, is below 0.1 dB")
    assert claims.decibels(0.304, 0.3) == "+0.304 dB" and claims.decibels(0.31, 0.3) == "+0.31 dB"


def test_paper_profile_says_which_data_it_speaks_of(root, monkeypatch):
    fake_results.write_results("paper")
    table = drawn("claims", "paper").set_index("claim")
    assert set(table["our_analogue"]) == {claims.NOT_TESTED}
    assert table.loc["C1", "paper_data"] == claims.UNDECIDED  # one seed


def test_rows_with_fewer_seeds_say_so(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1), peers=("hdemucs", "umx"), details=("mel41",), waiting=("vocals-umx-s1",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, carries_claims=True))
    fake_results.write_results(PROFILE)
    systems = drawn("table3").query("profile == @PROFILE").set_index("model")["seeds"]
    trained = [systems[f"{name}, small, from scratch"] for name in ("Hybrid Demucs", "Open-Unmix")]
    assert systems["mixture"] == "0"  # estimators without a network are computed once
    assert trained == ["0, 1", "0"] and systems.index.is_unique and len(systems) == 9
    splits = drawn("table1").query("profile == @PROFILE").set_index("split")
    seeds = {"MEL41": "0", "V1": "0, 1", "V7": "0, 1"}
    assert dict(splits["seeds"]) == seeds and splits.loc["MEL41", "bands"] == 41
    assert splits.loc["MEL41", "note"] == "one seed, carries no claim" and not splits.loc["V1", "note"]
    trained = [result(f"vocals-v1-s{seed}")["scores"]["summary"]["usdr_mean"] for seed in (0, 1)]
    row = splits.loc["V1"]
    assert row["usdr_mean"] == pytest.approx(np.mean(trained)) and row["seed_sd"] > 0
    assert ">seeds</th>" in table_html.of_results(drawn("table1"), "table1")


def test_seeds_that_all_rows_have_are_said_in_the_caption_alone(finished):
    assert ">seeds</th>" not in table_html.of_results(drawn("results"), "results")


def test_the_overview_is_displayed_with_its_source(finished, monkeypatch):
    shown = []
    monkeypatch.setattr("bsrnn.report.show.display", lambda page: shown.append(page.data))
    show.overview(PROFILE)
    words, table = shown[:2]
    assert words.startswith("How good are the models") and "a fixed filter, one gain for each frequency" in words
    assert "The paper&#x27;s claims.</strong>" in table and "carries no claim" in table
    assert "Source: our runs" in table
    assert all(f">{name}</th>" in table for name in ("C1", "C2", "C3", "C4", "C5"))
    assert shown[2:] == [said] if (said := claim_findings.by_csdr(drawn("claims_csdr"))) else len(shown) == 2


def test_beside_the_overview_stand_the_models_scores_silent_systems_and_the_other_contrasts(root, monkeypatch):
    settings = replace(QUICK, seeds=tuple(range(5)), table_one=("v1", "v4"), carries_claims=True)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    for seed in (1, 3):
        path = runs.get(PROFILE, f"vocals-hdemucs-s{seed}").result_path()
        content = json.loads(path.read_text())
        for song in content["scores"]["songs"]:
            song["usdr"] = -0.02
        path.write_text(json.dumps(content))
    study = Study(PROFILE)
    model = np.mean([result(f"vocals-s{seed}")["scores"]["summary"]["usdr_mean"] for seed in range(5)])
    known = result("vocals-baselines-s0")["scores"]["wiener"]["summary"]["usdr_mean"]
    good = levels.how_good(study)
    assert f"vocals {model:.2f} dB, {model - known:.2f} dB above the filter's {known:.2f} dB" in good
    assert "what an equaliser can" not in good
    said = claims.beside(study)
    assert "2 of 5 trainings of Hybrid Demucs stayed at 0 dB" in said and "Open-Unmix" not in said
    rows = drawn("claims").set_index("claim")
    row = rows.loc["C1, more bands"]
    round_words = ", and the other way round" if row.verdict == claims.INCONSISTENT and row.high < 0 else ""
    difference = f"{row.effect:+.2f} dB [{row.low:+.2f}, {row.high:+.2f}]"
    assert f"V7 - V4, vocals (C1, more bands): {row.verdict}{round_words}, {difference}" in said
    assert "(C1):" not in said and "C2, control" not in said  # it stands in the overview; it has no runs
    row = rows.loc["C4, Hybrid Demucs" if "C4, Hybrid Demucs" in rows.index else "C4"]
    means = [
        result(f"vocals-s{seed}")["scores"]["summary"]["usdr_mean"]
        - np.mean([song["usdr"] for song in result(f"vocals-hdemucs-s{seed}")["scores"]["songs"]])
        for seed in (0, 2, 4)
    ]
    assert row["silent_seeds"] == "1, 3" and row["effect_where_both_learnt"] == pytest.approx(np.mean(means))
    assert "without seeds 1, 3, which stayed silent" in claims.difference_words(row)
    assert pd.isna(rows.loc["C1", "silent_seeds"]) and pd.isna(rows.loc["C1", "effect_where_both_learnt"])


def test_the_contrasts_by_csdr_are_those_of_the_songs_and_their_medians(root, monkeypatch):
    settings = replace(QUICK, seeds=tuple(range(5)), table_one=("v1", "v4"), carries_claims=True)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    path = runs.get(PROFILE, "vocals-v4-s2").result_path()
    content = json.loads(path.read_text())
    content["scores"]["songs"][0] |= {"csdr": None, "leakage_db": None}  # as of a song that is too short for a frame
    content["scores"]["summary"]["csdr_median"] += 5 * 1.5  # so that the medians differ by 1.5 dB more
    path.write_text(json.dumps(content))
    row = drawn("claims_csdr").set_index("claim").loc["C1"]
    v4, v1 = ([result(f"vocals-{split}-s{seed}")["scores"] for seed in range(5)] for split in ("v4", "v1"))
    songs = range(1, len(v1[0]["songs"]))
    of_songs = np.array([
        [better["songs"][song]["csdr"] - worse["songs"][song]["csdr"] for song in songs]
        for better, worse in zip(v4, v1, strict=True)
    ])  # fmt: skip
    medians = [
        better["summary"]["csdr_median"] - worse["summary"]["csdr_median"] for better, worse in zip(v4, v1, strict=True)
    ]
    of_usdr = [
        better["songs"][song]["usdr"] - worse["songs"][song]["usdr"]
        for better, worse in zip(v4, v1, strict=True)
        for song in (0, *songs)
    ]
    expected = crossed_effect(of_songs)
    assert row["csdr"] == pytest.approx(expected.mean) and row["usdr"] == pytest.approx(np.mean(of_usdr))
    assert (row["low"], row["high"]) == pytest.approx(expected.interval())
    assert row["csdr_of_medians"] == pytest.approx(np.mean(medians)) and row["songs"] == len(songs)
    assert row["ahead"] == f"{sum(value > 0 for value in medians)} of 5"
    rests = [
        better["songs"][song]["leakage_db"] - worse["songs"][song]["leakage_db"]
        for better, worse in zip(v4, v1, strict=True)
        for song in songs
    ]
    assert row["leakage"] == pytest.approx(np.mean(rests))
    shown = []
    monkeypatch.setattr("bsrnn.report.show.display", lambda page: shown.append(page.data))
    show.verdict(PROFILE, "C1")
    verdict, otherwise = shown
    assert verdict.startswith("**C1. ") and f"{row['csdr_of_medians']:+.2f} dB by the median of cSDR" in otherwise


def test_a_claim_that_looks_otherwise_by_csdr_is_named_and_no_other():
    rows = [
        {"claim": "C1", "contrast": "V4 - V1", "usdr": -0.02, "csdr": 0.23, "low": 0.12, "high": 0.34,
         "csdr_of_medians": 0.43, "ahead": "9 of 9", "leakage": 3.56, "margin": 0.3},
        {"claim": "C4", "contrast": "BSRNN - other", "usdr": 0.5, "csdr": 0.4, "low": 0.1, "high": 0.7,
         "csdr_of_medians": 0.3, "ahead": "5 of 5", "leakage": None, "margin": 0.3},
        {"claim": "C1, control", "contrast": "V7 - 41 equal bands", "usdr": -0.5, "csdr": 0.2, "low": 0.1, "high": 0.3,
         "csdr_of_medians": 0.4, "ahead": "5 of 5", "leakage": 1.0, "margin": 0.3},
    ]  # fmt: skip
    table = pd.DataFrame(rows).assign(seeds="0, 1, 2, 3, 4")
    said = claim_findings.by_csdr(table)
    assert "C1 (V4 - V1) is -0.02 dB by the mean of uSDR, and +0.43 dB by the median of cSDR" in said
    assert "9 of 9 seeds" in said and "+0.23 dB [+0.12, +0.34]; where the target rests, it leaves 3.6 dB more" in said
    assert "C4" not in said and "control" not in said
    assert claim_findings.by_csdr(table[1:]) == ""
    assert claim_findings.by_csdr(table.assign(seeds="0, 1, 2, 3")) == ""  # too few for a verdict
    assert claim_findings.by_csdr(table.assign(csdr_of_medians=None)) == ""


def test_models_below_the_filter_are_said_to_be(root, monkeypatch):
    fake_results.write_results(PROFILE)
    monkeypatch.setitem(fake_results.LEVELS, "wiener", 9.0)
    fake_results.write_results(PROFILE)
    good = levels.how_good(Study(PROFILE))
    assert "below the filter's" in good and "do less than an equaliser can" in good and "times as many" not in good
    model, known = (result(name)["scores"] for name in ("vocals-s0", "vocals-baselines-s0"))
    csdr, of_filter = model["summary"]["csdr_median"], known["wiener"]["summary"]["csdr_median"]
    new, of_new = (
        [song["usdr"] for song in result(name)["new"][method]["songs"]]
        if method
        else [song["usdr"] for song in result(name)["new"]["songs"]]
        for name, method in (("vocals-s0", ""), ("vocals-baselines-s0", "wiener"))
    )
    assert f"- On songs of new timbres: vocals {np.mean(new):.2f} dB, " in good
    assert f"{np.mean(of_new) - np.mean(new):.2f} dB below the filter's {np.mean(of_new):.2f} dB" in good
    listed = f"vocals {csdr:.2f} dB, {of_filter - csdr:.2f} dB below the filter's {of_filter:.2f} dB; drums"
    assert f"- By cSDR, the median over the test songs: {listed}" in good
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, long_items=4800))
    fake_results.write_results(PROFILE)
    score, known = (
        result("vocals-long-s0")["scores"]["summary"]["usdr_mean"],
        result("vocals-baselines-s0")["scores"]["wiener"]["summary"]["usdr_mean"],
    )
    words = f"vocals {score:.2f} dB, {known - score:.2f} dB below the filter's {known:.2f} dB; drums"
    words = f"- After 4 times as many items, seed 0 (no verdict is of these): {words}"
    assert words in levels.how_good(Study(PROFILE))


def test_a_study_reads_each_result_once_and_another_sees_what_has_changed(finished, monkeypatch):
    read = []
    monkeypatch.setattr(runs, "read_json", lambda path: read.append(path) or json.loads(path.read_text()))
    study = Study(PROFILE)
    for name in ("results", "songs", "results"):
        chapters.get(name).draw(study)
    assert len(read) == len(set(read)) == 4  # two bases, two times the estimators without a network
    path = runs.get(PROFILE, "vocals-s0").result_path()
    content = json.loads(path.read_text())
    content["training"]["best"] = 99.0
    path.write_text(json.dumps(content))
    base = study.finished(study.grid["vocals-s0"])
    assert base.training["best"] != 99.0 and Study(PROFILE).finished(base.run).training["best"] == 99.0


def test_a_change_that_changed_nothing_is_no_measured_effect(finished):
    base = Results(Study(PROFILE), {"base"}).find("base", "vocals")
    row = measured(base, base)
    assert (row["effect"], row["low"], row["interval_over"]) == (0.0, None, "equal in every song")


def test_contrasts_show_what_has_runs(finished):
    figure = drawn("contrasts")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    contrasts = ["C3:\nhop 1.5 s - hop 3 s", f"C4:\nBSRNN - Hybrid Demucs{BEST}", "C5:\nfinetuned - control"]
    contrasts.append("C5, over the start:\nfinetuned - start")
    one_line = [
        claim + "\n" + contrast.replace("\n", " ") for claim, contrast in (label.split("\n", 1) for label in labels)
    ]
    assert one_line == [f"{contrast}, vocals" for contrast in contrasts]
    assert max(len(line) for label in labels for line in label.split("\n")) <= 50  # longer ones squeeze the axes


def test_a_verdict_on_the_finetuning_stands_with_the_room_that_it_had(root, monkeypatch):
    """True stems in place of the teacher's labels have to gain half a dB over the control, or labels could not."""
    settings = replace(QUICK, seeds=tuple(range(5)), few_songs=2, variants=("truth",), carries_claims=True)
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    for above, words in ((0.25, "is +0.25 dB (5 seeds), not shown to be 0.5 dB"), (2.0, None)):
        for seed in range(5):
            control = result(f"vocals-control-s{seed}")["scores"]
            path = runs.get(PROFILE, f"vocals-truth-s{seed}").result_path()
            content = json.loads(path.read_text())
            for song, other in zip(content["scores"]["songs"], control["songs"], strict=True):
                song["usdr"] = other["usdr"] + above + 0.01 * seed - 0.02  # that is 0.25 or 2 dB in the mean
            path.write_text(json.dumps(content))
        rows = claims.table(Study(PROFILE)).set_index("claim")
        assert rows.loc["C5, the room", "effect"] == pytest.approx(above)
        assert rows.loc["C5, the room", "verdict"] == (claims.CONSISTENT if above > 0.5 else claims.INCONSISTENT)
        said = claims.difference_words(rows.loc["C5"])
        assert (
            ("its room" not in said)
            if words is None
            else (f"; its room (true stems - control, vocals) {words}" in said)
        )
        assert pd.isna(rows.drop(index="C5")["caveat"]).all()
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, variants=()))
    rows = claims.table(Study(PROFILE)).set_index("claim")
    assert "; its room (true stems - control) was not measured" in claims.difference_words(rows.loc["C5"])
    assert rows.loc["C5, the room", "verdict"] == claims.NOT_TESTED


def test_groups_of_songs_are_means_over_seeds_and_their_songs(root, monkeypatch):
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, seeds=(0, 1)))
    fake_results.write_results(PROFILE)
    table = drawn("failures").set_index(["target", "group"])

    def of_seeds(part: str) -> np.ndarray:
        rows = [result(f"vocals-s{seed}")[part]["songs"] for seed in (0, 1)]
        return np.array([[song["usdr"] for song in songs] for songs in rows]).mean(0)

    usdr, new = of_seeds("scores"), of_seeds("new")
    row = table.loc["vocals", "new timbres"]
    assert (row["usdr_mean"], row["songs"]) == (pytest.approx(new.mean()), len(new))
    oracle = [song["usdr"] for song in result("vocals-baselines-s0")["new"]["wiener_oracle"]["songs"]]
    assert row["above_filter"] == pytest.approx(new.mean() - np.mean(oracle))
    assert table.loc["vocals", "all"]["usdr_mean"] == pytest.approx(usdr.mean())
    assert row["low"] < row["usdr_mean"] < row["high"] and row["seed_sd"] > 0
    assert table.loc["vocals", "the 5 worst"]["usdr_mean"] == pytest.approx(np.sort(usdr)[:5].mean())
    chosen = table.loc[[("vocals", "the 5 best"), ("vocals", "the 5 worst")], ["low", "high"]]
    assert chosen.isna().all(axis=None) and table.loc["vocals", "all"]["low"] < usdr.mean()  # chosen by the score
    loud, quiet = (table.loc["vocals", f"target {words} half)"] for words in
                   ("loud in the mixture (upper", "quiet in the mixture (lower"))  # fmt: skip
    assert loud["songs"] + quiet["songs"] == len(usdr) and loud["mixture"] > quiet["mixture"]
    role = {"base", "baselines"}
    assert evaluation.worst(Results(Study(PROFILE), role), "vocals", 4) == int(np.argmin(usdr[:4]))


def test_sections_are_scored_by_themselves_and_by_what_sounds_in_them(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    sounds = {"vocals": rng.uniform(-0.2, 0.2, (2, 400)), "drums": rng.uniform(-0.2, 0.2, (2, 400))}
    sounds["vocals"][:, 300:], sounds["drums"][:, :100] = 0, 0
    for name, sound in sounds.items():
        audio.write(tmp_path / "a" / f"{name}.wav", sound.astype(np.float32), 100)
    sections = [{"name": "solo", "start": 0.0, "end": 1.0, "sounds": ["vocals"]},
                {"name": "verse", "start": 1.0, "end": 3.0, "sounds": ["vocals", "drums"]},
                {"name": "verse", "start": 3.0, "end": 4.0, "sounds": ["drums"]}]  # fmt: skip
    (song,) = songs.read_songs(tmp_path, sample_rate=100)
    song = replace(song, info={"sections": sections})
    monkeypatch.setattr(evaluation, "separate", lambda model, mixture, *_, **__: {"vocals": mixture / 2})
    table = evaluation.by_section(None, [song, replace(song, info={})], "vocals", config.SeparateConfig())
    table = table.set_index(["section", "with"])
    assert table.loc[("solo", "nothing else"), "usdr_mean"] == pytest.approx(20 * np.log10(2), abs=1e-4)
    voice, both = song.read("vocals")[:, 100:300], song.read("mixture")[:, 100:300]
    row = table.loc[("verse", "drums")]
    scores = metrics.usdr(voice, both / 2), metrics.usdr(voice, both)
    assert (row["usdr_mean"], row["mixture"]) == pytest.approx(scores)
    assert (row["songs"], row["seconds"]) == (1, 2.0)
    rests = table.loc[("verse, vocals rests", "drums")]
    assert rests["left_db"] == pytest.approx(-20 * np.log10(2), abs=1e-4) and np.isnan(rests["usdr_mean"])
    assert evaluation.by_section(None, [replace(song, info={})], "vocals", config.SeparateConfig()).empty


def test_the_scale_is_the_base_and_other_sizes_of_one_thing_at_a_time(root, monkeypatch):
    sizes = (("train.max_items", (300, 4800)), ("model.features", (32,)))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, scale=sizes))
    fake_results.write_results(PROFILE)
    table = drawn("scale")
    assert list(zip(table["what"], table["size"], strict=True)) == [
        ("training items", 300), ("training items", 1200), ("training items", 4800), ("features N", 16),
        ("features N", 32),
    ]  # fmt: skip
    scores = {name: result(name)["scores"]["summary"]["usdr_mean"] for name in ("vocals-s0", "vocals-items4800-s0")}
    row = table[table["size"] == 4800].iloc[0]
    assert row["usdr_mean"] == pytest.approx(scores["vocals-items4800-s0"])
    assert row["effect"] == pytest.approx(scores["vocals-items4800-s0"] - scores["vocals-s0"])
    assert row["new_usdr_mean"] == pytest.approx(result("vocals-items4800-s0")["new"]["summary"]["usdr_mean"])
    assert row["work"] == 4.0  # the same model, four times the items
    assert (table[table["size"] == 1200]["effect"] == 0).all() and 3 < table["work"].iloc[-1] < 4
    figure = drawn("scale_curves")
    assert [axes.get_xlabel() for axes in figure.axes] == ["training items", "features N"]
    assert "From 300 to 4800 training items" in scale_findings.scale(table)
    two = replace(QUICK, scale=sizes, seeds=(0, 1), detail_seeds=(0, 1), waiting=("vocals-features32-s1",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, two)
    fake_results.write_results(PROFILE)
    table = drawn("scale").set_index(["what", "size"])
    several, one = table.loc[("training items", 4800)], table.loc[("features N", 32)]
    assert several["low"] < several["effect"] < several["high"] and pd.isna(several["seed_band"])
    assert pd.isna(one["low"]) and pd.isna(one["high"]) and (several["seeds"], one["seeds"]) == ("0, 1", "0")


def test_many_more_items_stand_beside_the_filters_and_in_the_mean_of_all_targets(root, monkeypatch):
    every = replace(QUICK, targets=config.TARGETS, seeds=(0, 1), long_items=4800, waiting=("drums-long-s1",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, every)
    fake_results.write_results(PROFILE)
    table = drawn("long").set_index(["target", "items"])
    of_seeds = [result(f"vocals-long-s{seed}")["scores"]["summary"]["usdr_mean"] for seed in (0, 1)]
    assert table.loc[("vocals", 4800), "usdr_mean"] == pytest.approx(np.mean(of_seeds), abs=1e-4)
    drums = result("drums-s0")["scores"]["summary"]["usdr_mean"]  # of the seed that the longer training has
    assert table.loc[("drums", 1200), "usdr_mean"] == pytest.approx(drums, abs=1e-4)
    assert table.loc[("drums", 1200), "seeds"] == "0" and table.loc[("mean", 4800), "seeds"] == "0, 1 (drums: 0)"
    mean = table.loc[("mean", 4800)]
    assert mean["usdr_mean"] == pytest.approx(table.xs(4800, level="items")["usdr_mean"].iloc[:4].mean(), abs=1e-4)
    assert mean["of_the_mask"] == pytest.approx(mean["usdr_mean"] / mean["ratio_mask"], abs=1e-4)
    assert "\n- Mean: " in scale_findings.longer(table.reset_index())
    for name, run in runs.grid(PROFILE).items():
        if name.startswith("other-long"):
            run.result_path().unlink()
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(every, waiting=("drums-long-s1", "other-long-s*")))
    assert "mean" not in set(drawn("long")["target"])


def test_a_doubling_is_held_against_the_same_run_with_its_items(root, monkeypatch):
    every = replace(QUICK, seeds=(0, 1), peers=("umx",), scale=(("train.max_items", (600, 2400)),), detail_seeds=(0, 1),
                    doubled=("vocals-umx", "vocals-finetuned", "vocals-control", "vocals-hdemucs"))  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(every, doubled=()))
    fake_results.write_results(PROFILE)
    assert chapters.get("doubling").left_out(Study(PROFILE))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, every)
    fake_results.write_results(PROFILE)
    table = drawn("doubling").set_index("what")
    assert list(table.index) == ["BSRNN", "Open-Unmix", "finetuned", "control: labelled songs only"]
    assert list(table["items"]) == [1200, 1200, 160, 160] and list(table["seeds"]) == ["0, 1", "0", "0", "0"]

    def score(run_id):
        return result(run_id)["scores"]["summary"]["usdr_mean"]

    for what, (once, twice) in {
        "BSRNN": ("vocals", "vocals-items2400"),
        "Open-Unmix": ("vocals-umx", "vocals-umx-doubled"),
        "control: labelled songs only": ("vocals-control", "vocals-control-doubled"),
    }.items():
        seeds = (0, 1) if what == "BSRNN" else (0,)
        both = [np.mean([score(f"{name}-s{seed}") for seed in seeds]) for name in (once, twice)]
        row = table.loc[what]
        assert (row["usdr_mean"], row["twice_usdr_mean"]) == pytest.approx(tuple(both), abs=1e-4)
        assert row["effect"] == pytest.approx(both[1] - both[0], abs=1e-3) and row["low"] < row["effect"] < row["high"]


def test_kept_weights_are_told_apart_and_the_last_held_against_the_best_of_the_same_trainings(root, monkeypatch):
    settings = replace(
        QUICK, seeds=(0, 1, 2), targets=("vocals", "bass"), crossed=(("bass", "v7"),), last_seeds=(0, 1, 9), details=()
    )
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    early = ("bass-s0", "bass-v7-s1", "vocals-s2")
    for run_id in early:
        done = result(run_id)
        done["training"]["best_items"] = done["training"]["items"] // 2
        write_json(runs.get(PROFILE, run_id).result_path(), done)
    table = drawn("kept_weights").set_index(["target", "kept"])
    of_bass = {"best in the first half": 2, "best in the second half": 4, "the last": 6}
    assert table.loc["bass", "trainings"].to_dict() == of_bass
    assert table.loc["vocals", "trainings"].to_dict() == {"best in the first half": 1, "best in the second half": 5}

    def score(run_id):
        return result(run_id)["scores"]["summary"]["usdr_mean"]

    row = table.loc[("bass", "best in the first half")]
    assert sorted([row["lowest"], row["highest"]]) == pytest.approx(sorted(map(score, early[:2])), abs=1e-4)
    assert row["usdr_mean"] == pytest.approx(np.mean([score(run_id) for run_id in early[:2]]), abs=1e-4)
    gains = [score(f"bass{split}-last-s{s}") - score(f"bass{split}-s{s}") for split in ("", "-v7") for s in (0, 1)]
    row = table.loc[("bass", "the last")]
    assert row["over_best"] == pytest.approx(np.mean(gains), abs=1e-3) and row["low"] < row["over_best"] < row["high"]
    assert table["over_best"].notna().sum() == 1


def test_few_songs_stand_beside_all_of_them(root, monkeypatch):
    fewer = ("vocals-few-s1", "vocals-finetuned-s1", "vocals-control-s1")  # then the base's other seed is left out, too
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(QUICK, few_songs=2, seeds=(0, 1), waiting=fewer))
    fake_results.write_results(PROFILE)
    said = scale.from_few_songs(Results(Study(PROFILE), {"base", "start"}))
    few, many = (result(name) for name in ("vocals-few-s0", "vocals-s0"))
    values = [f"{run[part]['summary']['usdr_mean']:.2f}" for part in ("scores", "new") for run in (few, many)]
    assert said == (
        f"Few songs against many, all else the same: vocals from 2 songs {values[0]} dB, from 18 songs {values[1]} dB "
        f"(on songs of new timbres {values[2]} and {values[3]} dB)."
    )
    monkeypatch.setitem(profiles.PROFILES, PROFILE, QUICK)
    assert scale.from_few_songs(Results(Study(PROFILE), {"base", "start"})) == ""


BEST = ", the best other system on the validation songs"


def test_peers_stand_beside_the_base_seed_by_seed(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1), peers=("hdemucs", "convtasnet"))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    table = drawn("peers").set_index("system")
    assert list(table.index) == ["BSRNN", "Hybrid Demucs", "Conv-TasNet"]

    def songs(name: str) -> np.ndarray:
        return np.array([[song["usdr"] for song in result(f"{name}-s{seed}")["scores"]["songs"]] for seed in (0, 1)])

    effect = crossed_effect(songs("vocals") - songs("vocals-hdemucs"))
    row = table.loc["Hybrid Demucs"]
    assert (row["bsrnn_above_it"], row["low"], row["high"]) == pytest.approx((effect.mean, *effect.interval()))
    assert row["usdr_mean"] == pytest.approx(songs("vocals-hdemucs").mean()) and row["gflop"] > 0
    figure = drawn("learning")
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]  # three systems, two seeds
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["BSRNN", "Hybrid Demucs", "Conv-TasNet"]
    assert drawn("claims").set_index("claim").loc["C4, Hybrid Demucs", "effect"] == pytest.approx(effect.mean)


def _with_training(name: str, **changed) -> None:
    path = runs.get(PROFILE, name).result_path()
    content = json.loads(path.read_text())
    content["training"] |= changed
    path.write_text(json.dumps(content))


def test_the_rival_of_claim_c4_is_the_best_on_the_validation_songs_of_the_seeds_that_all_have(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1), peers=("hdemucs", "umx"))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    for seed, demucs, unmix in ((0, 5.0, 1.0), (1, 1.0, 5.5)):  # the better mean is Open-Unmix's
        _with_training(f"vocals-hdemucs-s{seed}", best=demucs)
        _with_training(f"vocals-umx-s{seed}", best=unmix)
    rows = drawn("claims").set_index("claim")
    assert rows.loc["C4", "contrast"] == f"BSRNN - Open-Unmix{BEST}, vocals"
    assert rows.loc["C4", "statement"] == f"On the same training songs, BSRNN beats Open-Unmix{BEST}, on vocals."
    better, worse = (
        np.mean([result(f"{name}-s{seed}")["scores"]["summary"]["usdr_mean"] for seed in (0, 1)])
        for name in ("vocals", "vocals-umx")
    )
    assert rows.loc["C4", "effect"] == pytest.approx(better - worse)
    assert "C4, Open-Unmix" not in rows.index and "C4, Hybrid Demucs" in rows.index  # each system once
    shown = []
    monkeypatch.setattr("bsrnn.report.show.display", lambda page: shown.append(page.data))
    show.verdict(PROFILE, "C4", "C4, Hybrid Demucs", "C4, Open-Unmix")
    assert [words.split(". ")[0] for words in shown] == ["**C4", "**C4, Hybrid Demucs"]
    with pytest.raises(ConfigError, match="unknown claim C6: expected C1, C1, first look, C1, second look, C1, more "):
        show.verdict(PROFILE, "C6")
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, waiting=("vocals-umx-s1",)))
    rows = drawn("claims").set_index("claim")  # Hybrid Demucs is ahead on the seed that both have
    assert rows.loc["C4", "contrast"] == f"BSRNN - Hybrid Demucs{BEST}, vocals" and rows.loc["C4", "seeds"] == "0, 1"
    assert rows.loc["C4, Open-Unmix", "seeds"] == "0"


def test_a_claim_may_have_an_id_of_any_length(finished, monkeypatch):
    before = [contrast.claim.id for contrast in claims.contrasts(Study(PROFILE))]
    of_two_digits = [replace(claim, id=claim.id.replace("C4", "C14")) for claim in claims.CLAIMS]
    monkeypatch.setattr(claims, "CLAIMS", of_two_digits)
    after = [contrast.claim.id for contrast in claims.contrasts(Study(PROFILE))]
    assert after == [name.replace("C4", "C14") for name in before]


def test_the_runs_behind_the_claims_are_those_of_their_contrasts_claim_by_claim(root, monkeypatch):
    settings = replace(QUICK, table_one=("v1", "v4", "mel41"), peers=("umx",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    listed = [run.id for run in chapters.get("claims").source.runs(Study(PROFILE))]
    assert listed[:3] == ["vocals-v4-s0", "vocals-v1-s0", "vocals-s0"]  # C1: V4 - V1, then V7 - V4
    assert "vocals-umx-s0" in listed and "vocals-mel41-s0" not in listed and len(set(listed)) == len(listed)


def test_a_caption_says_which_targets_have_fewer_seeds(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1, 2), waiting=("drums-s[12]",))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    assert "; seeds: 0, 1, 2 (drums: 0); " in chapters.get("results").source.stamp(Study(PROFILE))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, replace(settings, waiting=()))
    fake_results.write_results(PROFILE)
    assert "; seeds: 0, 1, 2; " in chapters.get("results").source.stamp(Study(PROFILE))


def test_a_training_that_was_made_again_for_its_silence_stands_beside_its_contrasts(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1), peers=("hdemucs", "umx"))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    for seed in (0, 1):
        _with_training(f"vocals-umx-s{seed}", best=9.0)
    _with_training("vocals-hdemucs-s1", seed=201, silent=[{"seed": 1, "best": 0.0}, {"seed": 101, "best": 0.02}])
    rows = drawn("claims").set_index("claim")
    said = "vocals-hdemucs-s1 (silent with seed 1, 101)"
    assert rows.loc["C4, Hybrid Demucs", "trained_again"] == said and pd.isna(rows.loc["C4", "trained_again"])
    words = claims.beside(Study(PROFILE))
    assert f"Stayed silent, and trained again with another seed: {said}." in words


def test_every_system_trains_with_its_own_rate_and_all_else_alike(root, monkeypatch):
    settings = replace(QUICK, seeds=(0, 1), peer_rates=(("hdemucs", 1e-3),))
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    of_base, of_peer = (runs.get(PROFILE, name).profile.train for name in ("vocals-s0", "vocals-hdemucs-s0"))
    assert of_peer.learning_rate == 1e-3
    same = {"learning_rate": of_base.learning_rate, "precision": of_base.precision}
    assert replace(of_peer, **same) == of_base
    of_peers = drawn("peers")
    assert list(of_peers["system"]) == ["BSRNN", "Hybrid Demucs"] and set(of_peers["seeds"]) == {"0, 1"}
    assert [len(axes.lines) for axes in drawn("learning").figure.axes] == [4, 4]


def test_the_rate_of_each_system_is_the_best_of_the_pilots_on_the_validation_songs(monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    tried, small = ch08_results.learning_rates(), profiles.SMALL
    best = tried.loc[tried.groupby("system")["valid_usdr"].idxmax()].set_index("system")["learning_rate"]
    taken = {config.PEER_NAMES[system]: rate for system, rate in small.peer_rates} | {
        "BSRNN": small.train.learning_rate
    }
    assert dict(best) == taken and set(tried.groupby("system").size()) == {8}
    assert dict(tried[tried["taken"] == "yes"].set_index("system")["learning_rate"]) == taken


def test_the_short_trainings_are_whole_and_add_up(monkeypatch):
    """The history's rows: the intervals hold their means, and what stands for one seed has a band."""
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    claimed = tables.short_trainings("claims")
    # the room was not measured, C4's own contrast was with Hybrid Demucs, and nothing was looked at twice
    missing = ("C5, the room", "C4, Hybrid Demucs")
    known = [claim.id for claim in claims.CLAIMS if claim.id not in missing and not claim.id.endswith(" look")]
    assert list(claimed["what"].str.partition(":")[0]) == known
    assert ((claimed["low"] < claimed["effect"]) & (claimed["effect"] < claimed["high"])).all()
    assert set(claimed["seeds"]) == {"0, 1, 2, 3, 4"} and set(claimed["verdict"]) <= {
        claims.CONSISTENT,
        claims.INCONSISTENT,
        claims.UNDECIDED,
    }
    others = tables.short_trainings("what the paper leaves open", "beyond the paper")
    assert len(others) == 20 and others["seed_band"].notna().all() and set(others["seeds"].astype(str)) == {"0"}
    drawn_rows = ch09_open_details.choices_and_band(others).axes[0]
    assert len(drawn_rows.get_yticklabels()) == 20


# ---- details ----


def test_details_are_differences_from_the_base_over_seeds_and_songs(root, monkeypatch):
    details = ("ten-seconds", "flat", "layer", "tac", "shared", "wide-v1", "wide-v4")
    settings = replace(profiles.QUICK, seeds=(0, 1, 2), detail_seeds=(0,), variants=("fixed",), details=details,
                       table_one=("v1", "v4"))  # fmt: skip
    monkeypatch.setitem(profiles.PROFILES, PROFILE, settings)
    fake_results.write_results(PROFILE)
    table = drawn("details").set_index("another choice")

    def songs(name: str, seed: int) -> np.ndarray:
        return np.array([song["usdr"] for song in result(f"{name}-s{seed}")["scores"]["songs"]])

    row = table.loc[DETAILS["ten-seconds"].words]
    effect = crossed_effect([songs("vocals-ten-seconds", s) - songs("vocals", s) for s in range(3)])
    assert (row["effect"], row["low"], row["high"]) == pytest.approx((effect.mean, *effect.interval()))
    assert (row["interval_over"], row["seeds"], row["songs"]) == ("3 seeds and songs", "0, 1, 2", 8)
    row = table.loc[DETAILS["flat"].words]
    assert row["effect"] == pytest.approx(
        np.mean([songs("vocals-flat", s) - songs("vocals-hop1.5", s) for s in range(3)])
    )
    row = table.loc[DETAILS["layer"].words]
    assert row["effect"] == pytest.approx(np.mean(songs("vocals-layer", 0) - songs("vocals", 0)))
    changed, base = result("vocals-layer-s0"), result("vocals-s0")
    medians, on_new = (
        [of(done) for done in (changed, base)]
        for of in (
            lambda done: done["scores"]["summary"]["csdr_median"],
            lambda done: np.mean([song["usdr"] for song in done["new"]["songs"]]),
        )
    )
    assert row["csdr_of_medians"] == pytest.approx(medians[0] - medians[1])
    assert row["new_effect"] == pytest.approx(on_new[0] - on_new[1])
    contrasts = claims.contrasts(Study(PROFILE))
    spread = [np.std(c.differences.mean(axis=1), ddof=1) for c in contrasts if c.claim.id[:2] == "C1" and c.effect]
    assert spread and row["seed_band"] == pytest.approx(2 * max(spread))
    assert pd.isna(row["low"]) and pd.isna(row["high"])  # one seed: an interval over songs alone would mislead
    assert pd.isna(table.loc[DETAILS["ten-seconds"].words, "seed_band"])  # the base's own weights
    assert row["interval_over"] == "-" and pd.isna(row["low"])
    row = table.loc["finetuning: fixed teacher"]
    assert row["effect"] == pytest.approx(np.mean(songs("vocals-fixed", 0) - songs("vocals-finetuned", 0)))
    further = drawn("beyond").set_index(["target", "what is other"])
    expected = ("tac", "shared", "wide-v1", "wide-v4", "shared")
    assert [words for _, words in further.index] == [EXTRAS[name].words for name in expected]
    assert not set(table.index) & {words for _, words in further.index}
    assert " seeds: 0; " in caption_of("beyond")  # not those of bases that nothing is held against
    row = further.loc[("vocals", EXTRAS["wide-v4"].words)]  # against another change, not the base
    assert row["effect"] == pytest.approx(np.mean(songs("vocals-wide-v4", 0) - songs("vocals-wide-v1", 0)))
    row = further.loc[("drums", EXTRAS["shared"].words)]
    assert row["effect"] == pytest.approx(np.mean(songs("drums-shared", 0) - songs("drums", 0)))
    assert row["work"] == pytest.approx(57 / 55 * 1.1, abs=0.02)  # bands, and a second mask
    assert 1.05 < further.loc[("vocals", EXTRAS["tac"].words), "work"] / 2 < 1.15  # its items have both channels
    row = table.loc["finetuning: fixed teacher"]
    ledger = drawn("open_details").set_index("detail")["measured"]
    assert ledger["teacher's replacement"].startswith(f"finetuning: fixed teacher: {row['effect']:+.2f} dB, ")
    assert f"±{row['seed_band']:.2f} dB of another seed" in ledger["teacher's replacement"]
    layer = table.loc[DETAILS["layer"].words, "effect"]
    assert ledger["normalisation"].startswith(f"layer normalisation of each frame: {layer:+.2f} dB, ")
    assert ledger["gain"] == "-" and ledger["number of seeds"].startswith("standard deviation over seeds: vocals ")
    assert all("no such runs" in chapters.get(name).left_out(Study("previews")) for name in ("details", "beyond"))


def test_every_measured_detail_is_a_row_of_the_ledger_and_every_test_in_it_exists():
    ledger = tables.published("open_details")
    assert {change.detail for change in DETAILS.values()} | set(FINETUNING_DETAILS.values()) <= set(ledger["detail"])
    for name in ledger["test"]:
        if name != "-":
            file, _, test = name.partition("::")
            text = next((REPOSITORY / "tests").rglob(f"{file}.py")).read_text()
            assert f"def {test}(" in text if test else text, name


# ---- what a notebook shows ----


def test_shown_figures_carry_their_words(finished, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("bsrnn.report.show.display", shown.append)
    show.artifact("songs", PROFILE)
    show.artifact("table1", PROFILE)
    show.spectrograms({"noise": np.random.default_rng(0).normal(size=(2, 44100)).astype(np.float32)}, 44100)
    text = [html.data for html in shown]
    assert 'alt="Song by song' in text[0] and text[0].count("Source: our runs; our data: embedded") == 1
    assert "carries no claim" not in text[0]  # the page says it once, in its banner
    assert text[1].count("<tr>") == 1 + 7 + 3 and text[1].count("<tr class") == 2
    assert all(len(part) < 400_000 for part in text)


def test_every_artifact_names_a_chapter():
    assert all(artifact.chapter[:2].isdigit() for artifact in chapters.REGISTRY.values())
