"""Am I on track? The band of finished runs at a known number of items, and trainings that are read while they go on."""

from dataclasses import asdict, replace

import fake_results
import pytest
import torch
from places import REPOSITORY

from bsrnn import checkpoint, train
from bsrnn.config import settings_of
from bsrnn.errors import ConfigError, DataError
from bsrnn.report import curves as report
from bsrnn.report import tables
from bsrnn.resume import Progress
from bsrnn.runtime import overrides
from bsrnn.runtime.files import write_json
from bsrnn.study import curves, profiles, runs

SMALL = profiles.profile("small")
ITEMS = (400, 800, 1200)
OF_SEED = [(1.0, 2.0, 2.4), (1.4, 1.6, 2.0), (0.8, 1.8, 3.0)]


def history(usdr, items=ITEMS):
    return [{"items": count, "valid_usdr": value, "loss": 0.2, "learning_rate": 1e-3, "skipped_steps": 0}
            for count, value in zip(items, usdr, strict=False)]  # fmt: skip


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A clone with three seeds of vocals in the profile `small`."""
    (tmp_path / "_config.yml").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "published").symlink_to(REPOSITORY / "data" / "published")
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    for seed, usdr in enumerate(OF_SEED):
        run = runs.grid("small")[f"vocals-s{seed}"]
        result = fake_results.fake(run)
        result["training"]["history"] = history(usdr)
        write_json(run.result_path(), result)
    return tmp_path


def of_vocals(*changes):
    base = overrides.with_values(SMALL, {"model.targets": ("vocals",), "model.band_split": "vocals"})
    return overrides.changed(base, *changes)


def folder_of(path, settings, seed=7):
    write_json(path / "settings.json", settings_of(settings, "train", seed))
    write_json(path / "config.json", {"info": {"profile": settings.name}})
    return path


def test_the_band_at_a_number_of_items(root):
    band = curves.band_of(curves._plain(settings_of(of_vocals(), "train", 99)), "train")
    assert band.of == "the same settings, profile small"
    assert band.at(400) == (0.8, 1.4, 3)
    assert band.at(1200) == (2.0, 3.0, 3)
    assert band.at(600) == pytest.approx((1.3, 1.5, 3))  # half way: 1.5, 1.5 and 1.3
    assert band.at(399) is None and band.at(1201) is None


@pytest.mark.parametrize(
    ("items", "usdr", "said"),
    [(400, 1.0, "within 3 seeds' 0.80 to 1.40"), (400, 0.5, "0.30 dB below 3 seeds' 0.80 to 1.40"),
     (1200, 3.25, "0.25 dB above 3 seeds' 2.00 to 3.00"), (200, 1.0, "")],
)  # fmt: skip
def test_a_training_says_where_it_lies(root, items, usdr, said):
    assert curves.remark(of_vocals(), 99)(items, usdr) == said


def test_the_progress_line_has_it_in_one_clause(root):
    entry = history((1.0,))[0]
    assert (
        train.said(entry, curves.remark(of_vocals(), 99)) == "loss=0.2000, usdr=1.00 dB, within 3 seeds' 0.80 to 1.40"
    )
    assert train.said(entry) == "loss=0.2000, usdr=1.00 dB"
    assert train.said(entry | {"valid_usdr": None}, curves.remark(of_vocals(), 99)) == "loss=0.2000"


def test_another_setting_is_held_against_the_base_and_other_songs_against_nothing(root):
    band = curves.band_of(curves._plain(settings_of(of_vocals("mixing.gain_db=3"), "train", 0)), "train", "small")
    assert band.of == "the profile's own settings for vocals, profile small" and band.at(400) == (0.8, 1.4, 3)
    for other in (of_vocals("data.valid_songs=5"), of_vocals("validate.hop_seconds=1.5"),
                  replace(of_vocals(), name="quick"), of_vocals("model.targets=bass")):  # fmt: skip
        changed = overrides.changed(other, "mixing.gain_db=3")
        assert curves.remark(changed, 0)(400, 1.0) == ""


def test_one_finished_run_is_a_line_and_no_band(root):
    for seed in (1, 2):
        runs.grid("small")[f"vocals-s{seed}"].result_path().unlink()
    assert curves.remark(of_vocals(), 99)(400, 1.25) == "+0.25 dB to the one finished run"


def test_without_results_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", "")
    monkeypatch.chdir(tmp_path)  # no clone
    assert curves.remark(of_vocals(), 0)(400, 1.0) == ""


def test_a_training_that_goes_on_is_read_and_not_disturbed(root):
    folder = folder_of(root / "models" / "new", of_vocals())
    for items, count in ((400, 1), (800, 2)):
        progress = Progress(items=items, history=history((1.1, 2.2), ITEMS)[:count])
        path = folder / "resume" / f"{items:012d}.safetensors"
        checkpoint.write_tensors(path, {"a": torch.zeros(3)}, {"progress": asdict(progress), "source": {}})
    (folder / "resume" / "000000000900.safetensors").write_bytes(b"cut off")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    training = curves.read(folder)
    assert training.running and training.curve.items == (400, 800) and training.curve.usdr == (1.1, 2.2)
    assert training.band.at(800) == (1.6, 2.0, 3)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    [line] = report.sentences([training])
    assert line == (f"{folder}: not finished, 2.20 dB after 800 items: 0.20 dB above 3 seeds' 1.60 to 2.00 "
                    "(the same settings, profile small)")  # fmt: skip


def test_a_finished_one_is_drawn_against_the_band_with_others_apart(root):
    folder = folder_of(root / "models" / "new", of_vocals())
    write_json(folder / "training.json", {"history": history((1.0, 1.7, 2.2))})
    training = curves.read(folder)
    assert not training.running
    assert report.sentences([training]) == [
        f"{folder}: finished, 2.20 dB after 1200 items: within 3 seeds' 2.00 to 3.00 (the same settings, profile small)"
    ]
    ours, others = report.draw([training]).axes
    assert [list(line.get_ydata()) for line in ours.lines] == [*map(list, OF_SEED), [1.0, 1.7, 2.2]]
    assert max(ours.collections[0].get_paths()[0].vertices[:, 1]) == 3.0
    assert max(line.get_xdata().max() for line in ours.lines) == 1200  # none of the others' is among ours
    assert [list(line.get_xdata())[0] for line in others.lines] == [2000, 12_000, 760_000]


def test_the_legends_lie_below_the_axes_and_items_are_whole(root):
    folder = folder_of(root / "models" / "new", of_vocals())
    write_json(folder / "training.json", {"history": history((1.0, 1.7), (4, 8))})
    figure = report.draw([curves.read(folder), curves.read(folder)])
    figure.savefig(root / "figure.png")  # places are known once it is drawn
    for axes in figure.axes:
        legend, labels = axes.get_legend().get_window_extent(), axes.xaxis.get_tightbbox()
        assert legend.y1 < labels.y0 and legend.x1 <= figure.bbox.x1
    write_json(folder / "settings.json", {})  # no band: four items to eight
    ours = report.draw([curves.read(folder)]).axes[0]
    assert all(float(place).is_integer() for place in ours.get_xticks())


def test_without_runs_to_compare_with_it_is_said_plainly(root):
    folder = folder_of(root / "models" / "new", of_vocals("data.valid_songs=5"))
    write_json(folder / "training.json", {"history": history((1.0,))})
    assert report.sentences([curves.read(folder)]) == [
        f"{folder}: finished, 1.00 dB after 400 items: no finished runs with these settings are here to compare it with"
    ]
    folder = folder_of(root / "models" / "short", of_vocals())
    write_json(folder / "training.json", {"history": history((1.0,), (200,))})
    [said] = report.sentences([curves.read(folder)])
    assert said.endswith("after 200 items: no finished run of its kind was validated after so many items")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no training: expected a folder as `bsrnn train --out` makes"),
        ({"settings.json": {"seed": 0}}, "this training has saved nothing yet"),
        ({"training.json": {"history": []}}, "its first validation is still to come"),
        ({"training.json": {"history": history((None,))}}, "it has no validation songs"),
    ],
)
def test_a_folder_without_a_curve_is_refused_in_one_line(root, files, said):
    (root / "empty").mkdir()
    for name, values in files.items():
        write_json(root / "empty" / name, values)
    with pytest.raises(ConfigError) as refused:
        curves.read(root / "empty")
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("settings.json", [1], "settings.json describes no training: expected its settings by name"),
        ("settings.json", {"model": [1]}, "settings.json describes no training: expected its settings by name"),
        ("config.json", [], "config.json describes no model: expected what is known of it under 'info'"),
        ("config.json", {"info": 3}, "config.json describes no model: expected what is known of it under 'info'"),
        ("training.json", {"history": [{"items": 400}]}, "training.json describes no training: expected its history"),
        ("training.json", {"history": [{"valid_usdr": 1.0}]}, "training.json describes no training: expected its"),
        ("training.json", {"history": [7]}, "training.json describes no training: expected its history"),
    ],
)
def test_files_that_hold_something_else_are_named_in_one_line(root, name, values, said):
    folder = folder_of(root / "models" / "odd", of_vocals())
    write_json(folder / "training.json", {"history": history((1.0,))})
    write_json(folder / name, values)
    with pytest.raises(DataError) as refused:
        curves.read(folder)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_the_published_curves_are_those_of_their_threads(root):
    table = tables.published("training_curves")
    drums = table[table["target"] == "drums"].set_index("steps")["value"]
    assert [drums[steps] for steps in (1000, 3000, 10_000, 14_000)] == [2.36, 3.63, 4.62, 5.10]
    equal = table[table["system"].str.contains("32 equal bands")]["value"]
    assert (equal.min(), equal.max(), len(equal)) == (1.38, 2.31, 14)
    paper = table[table["system"].str.startswith("BSRNN")].iloc[0]
    assert (paper["steps"], paper["batch"], paper["value"], paper["data"]) == (190_000, 4, 7.49, "MUSDB18, not HQ")
    assert table["source"].str.fullmatch(r"[\w.-]+/[\w.-]+#\d+").all()
