"""The rehearsal of `paper`: what it leaves as it is, its made-up songs, and how its times are projected."""

from dataclasses import replace

import pytest

from bsrnn import config
from bsrnn.data import songs
from bsrnn.errors import ConfigError
from bsrnn.runtime import paths
from bsrnn.runtime.files import write_json
from bsrnn.study import costs, profiles, runs
from bsrnn.workflow import rehearsal


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    monkeypatch.setenv("BSRNN_DATA", str(tmp_path / "data"))
    return tmp_path


def test_the_models_are_the_papers_and_every_run_is_rehearsed():
    rehearsed, paper = runs.grid("rehearsal"), runs.grid("paper")
    assert list(rehearsed) == list(paper)
    for small, run in zip(rehearsed.values(), paper.values(), strict=True):
        assert small.profile.model == run.profile.model
        assert small.profile.separate == replace(run.profile.separate, batch_segments=2)  # of speed and memory alone
        for one in (small.profile.train, small.profile.finetune.train):
            assert one.max_items == 2 * one.batch_items == one.validate_items
        smaller = ("data", "mixing", "train", "finetune", "separate", "validate", "more_tries", "carries_claims")
        as_there = {name: getattr(run.profile, name) for name in smaller}
        kept = replace(small.profile, name="paper", **as_there)
        assert kept == run.profile


def test_the_songs_are_read_as_musdb_and_made_once(root):
    assert rehearsal.prepare("paper") == "rehearsal"
    assert paths.data() == root / "data" / "rehearsal"
    data = profiles.REHEARSAL.data
    found = {split: songs.load(data, split, targets=config.TARGETS) for split in ("train", "valid", "test")}
    assert [len(part) for part in found.values()] == [data.train_songs, data.valid_songs, data.test_songs]
    assert runs.get("rehearsal", "bass-finetuned-s0").available()
    path = found["train"][0].stems["bass"]
    before = path.stat().st_mtime_ns
    rehearsal.make_songs(paths.data())
    assert path.stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="only paper is rehearsed"):
        rehearsal.prepare("quick")


def test_a_machine_of_known_speed_is_projected_to_its_speed(root):
    """Results as a machine of 1e12 operations a second would leave them, and half a GB more than counted."""
    rate = 1e12
    for run in runs.grid("rehearsal").values():
        training, scoring = costs.work(run)
        write_json(run.result_path(), {
            "training": {"seconds": training / rate, "memory_gb": 1.5 * costs.learning_gb(run)} if training else None,
            "score_seconds": scoring / rate,
            "memory_gb": 1.5 * costs.memory_gb(run),
        })  # fmt: skip
    paper = runs.grid("paper")
    for processes in (1, 8):
        rows = rehearsal.projection(paths.results("rehearsal"), processes)
        assert [row[0] for row in rows] == list(paper)
        for id, seconds, memory in rows:
            training, scoring = costs.work(paper[id])
            if scoring:
                assert seconds == pytest.approx(training / rate / processes + scoring / rate)
            assert memory == pytest.approx(1.5 * costs.memory_gb(paper[id], processes))
    text = rehearsal.report("cuda", 8)
    assert "profile paper on cuda x 8" in text and text.count("\n") > len(paper)
    assert f"{sum(row[1] for row in rows) / 3600:.1f}" in text
