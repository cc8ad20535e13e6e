"""One thing changed: what is compared with what, what is refused, and that nothing is trained twice."""

from dataclasses import asdict, replace

import fake_results
import pytest

from bsrnn import checkpoint
from bsrnn.data.songs import Song
from bsrnn.errors import ConfigError, DataError, MissingResult
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json, write_json
from bsrnn.study import comparison, compute, profiles, runs
from bsrnn.train import new_model

TINY = profiles.profile("tiny")
SPLIT, HOP = ["model.band_split=v1"], ["separate.hop_seconds=2.0"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty clone."""
    (tmp_path / "_config.yml").touch()
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def computed(monkeypatch):
    """Runs that are computed, by made-up results in no time; a training leaves a folder of weights."""
    done = []

    def instead(run, device="cpu", threads=None):
        if run.start:
            assert (run.weights_folder() / "training.json").is_file(), "scored before its base was trained"
        trained = run.weights_folder() / "training.json"
        if run.kind == "train" and not trained.is_file():
            done.append(f"train {run.id}")
            checkpoint.save(new_model(run.profile.model, run.seed), run.weights_folder())
            write_json(trained, {"history": []})
        done.append(f"score {run.id}")
        write_json(run.result_path(), fake_results.fake(run))

    monkeypatch.setattr(compute, "compute", instead)
    return done


def plan(changes, folder, seeds=1, target="vocals", profile=TINY):
    return comparison.plan(profile, changes, target, seeds, folder)


def test_both_sides_are_the_profiles_own_runs(root):
    """By their keys, so that committed runs are found: V1 of `tiny` is a run of its grid."""
    made, grid = plan(SPLIT, root / "c"), runs.grid("tiny")
    assert (made.base[0].key, made.changed[0].key) == (grid["vocals-s0"].key, grid["vocals-v1-s0"].key)
    hop = plan(["separate.hop_seconds=3"], root / "c")
    assert hop.scored_only and hop.changed[0].key == grid["vocals-hop3-s0"].key
    tac = plan(["model.tac_factor=3"], root / "c", profile=profiles.profile("small"))
    assert tac.changed[0].key == runs.planned("small")["vocals-tac-s0"].key
    bass = plan(["model.band_split=v7"], root / "c", target="bass", profile=profiles.profile("small"))
    assert bass.base[0].profile.model.band_split == "bass"
    assert bass.changed[0].key == runs.grid("small")["bass-v7-s0"].key


def test_the_items_are_the_same_unless_the_change_is_about_them(root):
    assert plan(SPLIT, root / "c").same_items and plan(["train.learning_rate=1e-3"], root / "c").same_items
    for other in ("mixing.gain_db=3", "activity.energy=mean", "data.train_songs=1", "data.amateur_songs=2"):
        assert not plan([other], root / "c").same_items


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model.band_split=v7", "the base's split 'vocals' has the same bands, so there is nothing to compare"),
        (
            "data.test_songs=3",
            "it changes the songs that are scored, and a difference is of the same songs; of the data",
        ),
        ("data.song_seconds=9", "it changes the songs that are scored"),
        ("data.source=folder", "use --data for it"),
        ("model.targets=bass", "use --target for it"),
        ("finetune.threshold_db=20", "it decides finetunings alone"),
        ("data.unlabelled_songs=2", "it decides finetunings alone"),
        ("train.precision=bfloat16", "it decides how fast, and no number but for its rounding"),
        ("separate.batch_segments=4", "it decides how fast, and no number but for its rounding"),
        ("mixing.gain_db=10", "the base is just so, so there is nothing to compare"),
        ("details=peak", "expected a setting of model, data, activity, mixing"),
        ("model.heads=3", "there is no 'heads', expected one of targets, band_split"),
        ("model.band_split=v9", "unknown band split 'v9'"),
        ("separate.hop_seconds=9", "expected 0 < hop <= segment"),
        ("train.max_items", "expected NAME=VALUE"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(root, change, said):
    with pytest.raises(ConfigError) as refused:
        plan([change], root / "c")
    assert said in str(refused.value) and "\n" not in str(refused.value)
    assert not (root / "c").exists()


def test_songs_that_nobody_counts_and_profiles_without_a_base_are_refused(root):
    with pytest.raises(ConfigError, match="profile 'guitar' trains in folds alone, without a base"):
        plan(SPLIT, root / "c", profile=profiles.profile("guitar"), target="guitar")
    with pytest.raises(ConfigError, match="--set data.train_songs=9: only the embedded songs are counted so"):
        plan(["data.train_songs=9"], root / "c", profile=profiles.profile("paper"))
    with pytest.raises(ConfigError, match="got --target piano: the embedded songs have vocals, drums, bass, other"):
        plan(SPLIT, root / "c", target="piano")


def test_the_base_is_trained_once_and_nothing_is_done_again(root, computed):
    folder = root / "c"
    first = plan(SPLIT, folder, seeds=2)
    with pytest.raises(MissingResult, match="no result yet of 2 of 2 seeds of model.band_split=v1"):
        first.pairs()
    assert [run.id for run in first.trainings()] == [f"vocals{name}-s{seed}" for seed in (0, 1)
                                                     for name in ("", "-band_split=v1")]  # fmt: skip
    pairs = comparison.carry_out(first)
    assert [(base.run.id, changed.run.id) for base, changed in pairs] == [
        ("vocals-s0", "vocals-band_split=v1-s0"), ("vocals-s1", "vocals-band_split=v1-s1")]  # fmt: skip
    assert len(computed) == 8
    computed.clear()
    comparison.carry_out(plan(SPLIT, folder, seeds=2))
    assert computed == []
    comparison.carry_out(plan(["mixing.gain_db=3"], folder, seeds=2))  # another change, the same base
    assert [word for word in computed if word.startswith("train")] == [
        "train vocals-gain_db=3-s0", "train vocals-gain_db=3-s1"]  # fmt: skip
    computed.clear()
    comparison.carry_out(plan(HOP, folder))  # no training at all: the base's weights are scored in another way
    assert computed == ["score vocals-hop_seconds=2.0-s0"]


def test_a_base_that_the_profile_has_is_not_trained(root, computed):
    write_json((base := runs.grid("tiny")["vocals-s0"]).result_path(), fake_results.fake(base))
    made = plan(SPLIT, root / "c")
    assert [run.id for run in made.trainings()] == ["vocals-band_split=v1-s0"]
    comparison.carry_out(made)
    assert computed == ["train vocals-band_split=v1-s0", "score vocals-band_split=v1-s0"]
    assert not list(paths.results("tiny").glob("weights/*"))  # the profile's own folder is left as it was


def test_published_weights_are_scored_in_both_ways_and_apart(root, computed):
    """A clone has a committed result and its half-precision weights: both sides are scored with these."""
    base = runs.grid("tiny")["vocals-s0"]
    write_json(base.result_path(), fake_results.fake(base))
    published = paths.results("tiny") / "checkpoints" / "vocals"
    checkpoint.save(new_model(base.profile.model, 0), published, {"train_key": base.train_key}, "float16")
    made = plan(HOP, root / "c")
    assert made.trainings() == []
    pairs = comparison.carry_out(made)
    assert computed == ["score vocals-s0", "score vocals-hop_seconds=2.0-s0"]
    assert {done.run.home for pair in pairs for done in pair} == {root / "c" / "published"}
    copy = root / "c" / "published" / "weights" / f"vocals-s0.{base.train_key}"
    assert (copy / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()
    assert read_json(copy / "training.json") == read_json(base.result_path())["training"]
    computed.clear()
    comparison.carry_out(plan(SPLIT, root / "c"))  # a training is held against the training's own scores
    assert computed == ["train vocals-band_split=v1-s0", "score vocals-band_split=v1-s0"]


def test_published_weights_that_do_not_say_whose_they_are(root):
    base = runs.grid("tiny")["vocals-s0"]
    write_json(base.result_path(), fake_results.fake(base))
    write_json(paths.results("tiny") / "checkpoints" / "vocals" / "config.json", [])
    with pytest.raises(DataError, match=r"config\.json describes no model: expected what is known of it under 'info'"):
        plan(HOP, root / "c").trainings()


def test_weights_of_another_training_are_not_taken(root, computed):
    base = runs.grid("tiny")["vocals-s0"]
    write_json(base.result_path(), fake_results.fake(base))
    folder = paths.results("tiny") / "checkpoints" / "vocals"
    checkpoint.save(new_model(base.profile.model, 0), folder, {"train_key": "another"}, "float16")
    made = plan(HOP, root / "c")
    assert [run.id for run in made.trainings()] == ["vocals-s0"]
    comparison.carry_out(made)
    assert computed == ["train vocals-s0", "score vocals-s0", "score vocals-hop_seconds=2.0-s0"]


def test_a_training_that_was_cut_off_in_its_scoring_is_not_one_to_train(root):
    made = plan(SPLIT, root / "c")
    for run in made.missing():
        checkpoint.save(new_model(run.profile.model, 0), run.weights_folder())
        write_json(run.weights_folder() / "training.json", {})
    assert made.trainings() == [] and len(made.missing()) == 2


def test_other_settings_have_other_files(root):
    names = {
        plan(changes, root / "c", seeds).name for changes in (SPLIT, HOP, ["model.features=8"]) for seeds in (1, 2)
    }
    assert len(names) == 6
    wild = plan(["train.learning_rate=0.001", "mixing.gain_db=1", "activity.floor=1e-4", "loss.spectral_weight=0.5"],
                root / "c").name  # fmt: skip
    assert wild.startswith("vocals-learning_rate=0.001+gain_db=1+floor=1e-4+spectral") and len(wild) < 100


def test_other_songs_below_the_same_name_are_another_comparison(root, monkeypatch):
    data = replace(TINY.data, source="folder", folder=str(root / "songs"))
    first, other = (Song(name, {}, None, 100, TINY.model.sample_rate) for name in ("a", "b"))
    monkeypatch.setattr(comparison.songs, "load", lambda *_, **__: [first])
    first = plan(SPLIT, root / "c", profile=replace(TINY, data=data))
    monkeypatch.setattr(comparison.songs, "load", lambda *_, **__: [other])
    second = plan(SPLIT, root / "c", profile=replace(TINY, data=data))
    assert first.folder.parent == second.folder.parent == root / "c"
    assert first.folder.name.startswith("songs.") and first.folder != second.folder


def small_with_weights(root):
    """A folder in which `small` need not train its first vocals."""
    [run] = plan(HOP, root / "d", profile=profiles.profile("small")).base
    folder = replace(run, folder=root / "d").weights_folder()
    checkpoint.save(new_model(run.profile.model, 0), folder)
    write_json(folder / "training.json", {})
    return root / "d"


def test_the_first_profile_that_has_it_all_answers(root):
    for run_id in ("vocals-s0", "vocals-v1-s0"):
        run = runs.grid("small")[run_id]
        write_json(run.result_path(), fake_results.fake(run))
    assert comparison.answering(["tiny", "small", "quick"], SPLIT, "vocals", 1).profile.name == "small"
    assert comparison.answering(["tiny", "small", "quick"], SPLIT, "vocals", 2).profile.name == "quick"
    folder = small_with_weights(root)
    assert comparison.answering(["tiny", "small", "quick"], HOP, "vocals", 1, folder).profile.name == "small"
    with pytest.raises(ConfigError, match="unknown band split"):
        comparison.answering(["tiny"], ["model.band_split=v9"], "vocals", 1)


def test_a_run_in_a_folder_of_its_own_has_the_same_key(root):
    run = runs.grid("tiny")["vocals-hop3-s0"]
    moved = replace(run, folder=root / "c", start=replace(run.start, folder=root / "d"))
    assert (moved.key, moved.train_key) == (run.key, run.train_key)
    assert moved.result_path() == root / "c" / "runs" / run.result_path().name
    assert moved.weights_folder() == root / "d" / "weights" / run.weights_folder().name
    assert asdict(moved.profile) == asdict(run.profile)
