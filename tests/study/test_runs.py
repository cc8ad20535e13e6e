"""The registry of runs: what is in it, what enters a key, and where results lie."""

from dataclasses import replace
from fnmatch import fnmatchcase
from operator import attrgetter

import pytest

from bsrnn import config
from bsrnn.config import DataConfig
from bsrnn.data import songs
from bsrnn.data.songs import Song
from bsrnn.data.training_songs import data_recipe, with_amateurs
from bsrnn.errors import ConfigError, MissingResult
from bsrnn.recipes import unlabelled_of
from bsrnn.report.claim_list import CLAIMS
from bsrnn.runtime import overrides
from bsrnn.runtime.files import write_json
from bsrnn.study import ablations, profiles, runs
from bsrnn.study.results import Study


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    return tmp_path


def with_profile(monkeypatch, **changes):
    """The grid of a changed quick profile."""
    monkeypatch.setitem(profiles.PROFILES, "quick", replace(profiles.QUICK, **changes))
    return runs.grid("quick")


def test_quick_has_the_runs_of_its_scope_and_needs_come_first():
    grid = runs.grid("quick")
    assert list(grid) == [
        "vocals-baselines-s0", "vocals-s0", "vocals-v1-s0", "vocals-hop0.5-s0", "vocals-hop1-s0", "vocals-hop1.5-s0",
        "vocals-hop3-s0", "vocals-teacher-s0", "vocals-finetuned-s0", "vocals-control-s0",
        "vocals-ten-seconds-s0", "vocals-real-s0", "drums-baselines-s0", "drums-s0", "drums-real-s0",
    ]  # fmt: skip
    for position, run in enumerate(grid.values()):
        assert all(list(grid).index(need) < position for need in run.needs)


def test_every_run_has_its_roles_which_are_no_part_of_a_key(monkeypatch):
    roles = {name: run.roles for name, run in runs.grid("quick").items()}
    assert roles["vocals-s0"] == {"base", "start", "split", "compared"}
    assert roles["drums-s0"] == {"base", "compared"}  # it is not finetuned
    assert roles["vocals-v1-s0"] == {"crossed", "split"} and roles["vocals-hop3-s0"] == {"hop"}
    assert roles["vocals-ten-seconds-s0"] == {"detail", "open"} and roles["vocals-control-s0"] == {"control"}
    small = {name: run.roles for name, run in runs.planned("small").items()}
    assert small["vocals-s3"] == {"base", "split"} and small["drums-v7-s1"] == {"crossed"}
    assert small["vocals-long-s0"] == {"long", "scale"} and small["drums-long-s0"] == {"long"}
    assert small["vocals-v4-long-s0"] == {"long other"} and "vocals-v4-long-s1" not in small
    assert small["bass-last-long-s0"] == {"long other"} and "vocals-last-long-s0" not in small
    assert small["vocals-toned-s0"] == small["vocals-toned-half-s0"] == small["vocals-amateurs-s0"] == {"onward"}
    assert "vocals-toned-s1" not in small and "drums-toned-s0" not in small
    assert small["vocals-mel41-s0"] == {"detail", "beyond", "crossed", "split"}  # a row of Table I as well
    assert small["vocals-wide-v4-s0"] == small["drums-shared-s0"] == {"detail", "beyond"}
    assert small["vocals-umx-s0"] == small["vocals-umx-s1"] == {"peer"} and small["drums-few-s1"] == {"start"}
    every = [run for name in profiles.PROFILES for run in runs.planned(name).values()]
    every += with_profile(monkeypatch, scale=(("model.features", (8,)),)).values()
    monkeypatch.undo()
    assert {role for run in every for role in run.roles} == {*runs.ROLES}
    base = runs.get("quick", "vocals-s0")
    assert replace(base, roles=frozenset()).key == base.key and all(run.roles for run in runs.grid("paper").values())


def test_random_tone_is_one_change_of_a_training_and_how_a_long_one_goes_on():
    small = runs.planned("small")
    base, tone, long, toned = (small[f"vocals{name}-s0"] for name in ("", "-tone", "-long", "-toned"))
    assert replace(base.profile.mixing, tone_db=12.0) == tone.profile.mixing == toned.profile.mixing
    assert tone.profile.train == base.profile.train and toned.start is long
    train = replace(base.profile.train, learning_rate=1e-3, max_items=10_000, validate_items=2000)
    assert toned.profile.finetune.train == train and toned.profile.finetune.unlabelled == "none"
    assert toned.profile.data == base.profile.data and toned.profile.model == base.profile.model
    half, mean = small["vocals-toned-half-s0"], replace(toned.profile.finetune, keep_start=0.5)
    assert half.start is long and half.profile == replace(toned.profile, finetune=mean)
    mixes = small["vocals-toned-mixes-s0"].profile.finetune
    fewer = replace(train, max_items=5000, validate_items=1000)
    assert mixes == replace(mean, pools="mixes", train=fewer)


def test_songs_of_amateurs_are_one_change_of_a_training_and_how_a_long_one_goes_on_beside_its_control():
    small = runs.planned("small")
    base, twice, singers = (small[f"vocals{name}-s0"] for name in ("", "-twice", "-singers"))
    control, onward = (small[f"vocals-{name}-s0"] for name in ("onward", "amateurs"))
    number = base.profile.data.train_songs
    more, others = (replace(base.profile.data, **{name: count}) for name, count in
                    (("train_songs", 2 * number), ("amateur_songs", number)))  # fmt: skip
    assert twice.profile == replace(base.profile, data=more) and singers.profile == replace(base.profile, data=others)
    assert control.profile.data == more and onward.profile == replace(control.profile, data=others)
    assert onward.start is control.start is small["vocals-long-s0"]
    tuning = control.profile.finetune
    assert (tuning.pools, tuning.keep_start, tuning.unlabelled) == ("mixes", 0, "none")
    assert (tuning.train.max_items, tuning.train.validate_items) == (20_000, 4000)
    assert control.profile.mixing == base.profile.mixing
    assert len({run.train_key for run in (base, twice, singers, control, onward)}) == 5


def test_one_long_training_is_for_singers_of_both_kinds_and_another_has_as_many_songs_of_one():
    small = runs.planned("small")
    long, both, more = (small[f"vocals{name}-long-s0"].profile for name in ("", "-both", "-more"))
    assert (both.data.train_songs, both.data.amateur_songs) == (216, 216) and more.data.amateur_songs == 0
    assert more.data.train_songs == 432 == both.data.train_songs + both.data.amateur_songs
    assert both == replace(long, data=both.data) and more == replace(long, data=more.data)
    assert long.data == profiles.SMALL.data and long.train.max_items == 40_000


def test_a_model_says_how_many_of_its_songs_amateurs_sang():
    base, amateurs = (runs.get("small", f"vocals-{name}-s0").profile for name in ("long", "amateurs"))
    recipe = data_recipe(base)
    assert with_amateurs(recipe, base.data) == recipe == data_recipe(amateurs)  # which keys are made of
    assert with_amateurs(recipe, amateurs.data) == recipe | {"train_songs": 108, "amateur_songs": 108}


def test_songs_of_ones_own_are_neither_doubled_nor_sung_by_others(monkeypatch):
    monkeypatch.setitem(profiles.PROFILES, "small", profiles.SMALL.with_songs("songs"))
    grid = runs.planned("small")
    assert {"vocals-tone-s0", "vocals-toned-mixes-s0", "vocals-long-s0", "vocals-items625-s0"} <= set(grid)
    assert not [name for name in grid if "-songs" in name]
    assert not {
        f"vocals-{name}-s0" for name in ("twice", "singers", "onward", "amateurs", "both-long", "more-long")
    } & set(grid)


def test_the_profile_of_the_claims_has_what_each_needs_with_every_seed():
    grid, profile = runs.planned("small"), profiles.SMALL
    for seed in profile.seeds:
        wanted = ["vocals", "vocals-v1", "vocals-v4", "vocals-uniform41", "vocals-hop1.5", "vocals-hop3", "bass",
                  "bass-v7", "bass-drums", "drums", "drums-v7", "drums-bass", "vocals-hdemucs", "vocals-umx",
                  "vocals-convtasnet-stft", "vocals-finetuned", "vocals-control", "drums-finetuned",
                  "drums-control", "drums-truth", "vocals-truth"]  # fmt: skip
        assert all(f"{name}-s{seed}" in grid for name in wanted)
    assert grid["drums-v7-s3"].profile.model.band_split == "v7"
    assert grid["drums-bass-s3"].profile.model.band_split == "bass"
    assert len(profile.seeds) >= 5 and profile.data.test_songs >= 50 and profile.carries_claims


def test_runs_that_wait_are_planned_and_in_no_grid_and_neither_is_what_needs_them(monkeypatch):
    whole = with_profile(monkeypatch, seeds=(0, 1))
    some = with_profile(monkeypatch, seeds=(0, 1), waiting=("vocals-s1", "drums*-s0"))
    left = {name for name in whole if name not in some}
    needing = {name for name, run in whole.items() if "vocals-s1" in run.needs}
    drums = {name for name in whole if name.startswith("drums") and name.endswith("-s0")}
    assert needing and drums and left == {"vocals-s1"} | needing | drums
    assert runs.planned("quick").keys() == whole.keys()
    assert runs.get("quick", "vocals-s1").key == whole["vocals-s1"].key  # it can be computed


def test_whatever_waits_is_planned():
    for name, profile in profiles.PROFILES.items():
        for pattern in profile.waiting:
            assert any(fnmatchcase(run, pattern) for run in runs.planned(name)), (name, pattern)


def test_a_detail_is_its_base_with_one_other_choice(monkeypatch):
    names, train = (*ablations.DETAILS, *ablations.EXTRAS), replace(profiles.SMALL.train, max_items=1000)
    grid = with_profile(monkeypatch, details=names, seeds=(0, 1, 2), detail_seeds=(0, 1), train=train)
    base = grid["vocals-s0"]
    for name, change in (ablations.DETAILS | ablations.EXTRAS).items():
        run = grid[f"vocals-{name}-s0"]
        assert (run.variant, run.change, run.start) == (name, change.words, base if change.scored_only else None)
        assert run.key != base.key and (run.train_key == base.train_key) == change.scored_only
        settings = run.profile
        if name == "shared":
            assert settings.model.targets == profiles.QUICK.targets
            settings = replace(settings, model=replace(settings.model, targets=("vocals",)))
            other = grid["drums-shared-s0"]
            assert (other.kind, other.start, other.weights_folder()) == ("separate", run, run.weights_folder())
        of_base = {path: attrgetter(path)(base.profile) for path in change.changed}
        if not run.profile.model.channels_apart:  # which needs both
            of_base["mixing.item_channels"] = base.profile.mixing.item_channels
        assert overrides.with_values(settings, of_base) == base.profile  # with the base's choice it is the base
        assert f"vocals-{name}-s1" in grid and (f"vocals-{name}-s2" in grid) == change.scored_only
    other = with_profile(monkeypatch, details=("drums/layer",))
    assert other["drums-layer-s0"].profile.model == replace(other["drums-s0"].profile.model, normalisation="layer")
    assert not [id for id in other if "layer" in id and "drums" not in id]
    with pytest.raises(ConfigError, match="unknown detail 'tca': expected one of ten-seconds, flat"):
        with_profile(monkeypatch, details=("tca",))
    with pytest.raises(ConfigError, match="unknown variant 'turth': expected one of truth, pseudo"):
        with_profile(monkeypatch, variants=("turth",), finetuned=("vocals",))


def test_a_scale_is_the_base_with_other_sizes_of_one_thing(monkeypatch):
    sizes = (("train.max_items", (300, 2400)), ("data.train_songs", (6,)), ("model.features", (8, 32)))
    grid = with_profile(monkeypatch, scale=sizes, seeds=(0, 1))
    base = grid["vocals-s0"]
    scale = [run for run in grid.values() if "scale" in run.roles]
    names = ("items300", "items2400", "songs6", "features8", "features32")
    assert [run.id for run in scale] == ["vocals-s0", *(f"vocals-{name}-s0" for name in names)]
    assert base.profile.train.max_items == 3 * base.profile.train.validate_items
    for run, (name, size) in zip(scale[1:], [(name, size) for name, of in sizes for size in of], strict=True):
        assert attrgetter(name)(run.profile) == size and run.variant == name and run.seed == 0
        back = {name: attrgetter(name)(base.profile)}
        if name == "train.max_items":  # validated as often
            assert run.profile.train.validate_items * 3 == size
            back["train.validate_items"] = base.profile.train.validate_items
        assert overrides.with_values(run.profile, back) == base.profile
    assert len({run.train_key for run in scale}) == 6


def test_the_paper_profile_has_every_row_of_its_tables():
    grid = runs.grid("paper")
    vocals = [run for run in grid.values() if run.target == "vocals" and run.kind == "train"]
    assert sorted(run.profile.model.band_split for run in vocals) == ["v1", "v2", "v3", "v4", "v5", "v6", "vocals"]
    hops = [run.profile.separate.hop_seconds for run in grid.values() if "-hop" in run.id]
    assert hops == [0.5, 1.0, 1.5, 3.0]
    finetuned = [run.target for run in grid.values() if run.id.endswith("-finetuned-s0")]
    assert finetuned == ["vocals", "drums", "bass", "other"]
    base = grid["bass-s0"].profile
    assert (base.model.features, base.model.modules, base.train.batch_items) == (128, 12, 16)


def test_a_run_changes_one_thing_of_its_profile():
    grid, profile = runs.grid("quick"), profiles.QUICK
    v1, v7 = grid["vocals-v1-s0"].profile, grid["vocals-s0"].profile
    assert replace(v1, model=replace(v1.model, band_split="vocals")) == v7
    control, finetuned = grid["vocals-control-s0"].profile, grid["vocals-finetuned-s0"].profile
    assert replace(control, finetune=finetuned.finetune) == finetuned
    assert (control.finetune.unlabelled, finetuned.finetune.unlabelled) == ("none", "matched")
    assert grid["drums-s0"].profile == replace(
        profile, model=v7.model.__class__(**{**v7.model.__dict__, "targets": ("drums",), "band_split": "drums"})
    )


def test_variants_change_one_thing_of_the_finetuning_each(monkeypatch):
    grid = with_profile(monkeypatch, variants=tuple(ablations.VARIANTS), finetuned=("vocals", "drums"))
    tuned = grid["vocals-finetuned-s0"]
    for name in ablations.VARIANTS:
        run = grid[f"vocals-{name}-s0"]
        assert run.start == tuned.start and run.key != tuned.key
        if name in ("half", "quarter"):
            assert run.profile.finetune == tuned.profile.finetune
        else:
            assert run.profile.data == tuned.profile.data and run.profile.finetune != tuned.profile.finetune
    songs = [grid[f"vocals-{name}-s0"].profile.data.unlabelled_songs for name in ("half", "quarter")]
    assert songs == [3, 2] and tuned.profile.data.unlabelled_songs == 6
    assert "drums-truth-s0" in grid and "drums-pseudo-s0" not in grid


def test_keys_are_unique_and_are_the_same_every_time():
    for name in profiles.PROFILES:
        if profiles.profile(name).data.source == "embedded":
            keys = {run.id: run.key for run in runs.grid(name).values()}
            by_key: dict[str, list[str]] = {}
            for id, key in keys.items():
                by_key.setdefault(key, []).append(id)
            for twins in (ids for ids in by_key.values() if len(ids) > 1):
                seed = twins[0].rpartition("-")[2]  # a size of the page on scale is a start, or a control
                known = (("few", "songs6"), ("songs216", "twice"))
                assert sorted(twins) in [[f"vocals-{name}-{seed}" for name in names] for names in known]
            again = runs.grid(name)
            assert all(again[id].key == key for id, key in keys.items())


def test_more_test_songs_score_again_but_train_nothing_again(monkeypatch):
    before = runs.grid("quick")
    after = with_profile(monkeypatch, data=replace(profiles.QUICK.data, test_songs=50))
    for id in ("vocals-s0", "vocals-finetuned-s0", "vocals-hop1-s0"):
        assert before[id].train_key == after[id].train_key
        assert before[id].key != after[id].key
    assert before["vocals-real-s0"].key == after["vocals-real-s0"].key


@pytest.mark.parametrize(
    ("section", "change"),
    [("train", {"learning_rate": 1e-5}), ("loss", {"reduction": "sum"}), ("mixing", {"gain_db": 3.0}),
     ("activity", {"energy": "sum"}), ("data", {"train_songs": 7}), ("data", {"seed": 1}),
     ("validate", {"hop_seconds": 1.0})],
)  # fmt: skip
def test_whatever_decides_the_weights_changes_the_keys_of_all_that_rests_on_them(monkeypatch, section, change):
    before = runs.grid("quick")
    after = with_profile(monkeypatch, **{section: replace(getattr(profiles.QUICK, section), **change)})
    for id in ("vocals-s0", "vocals-hop1-s0", "vocals-finetuned-s0", "vocals-real-s0"):
        assert before[id].key != after[id].key
    assert before["vocals-s0"].train_key != after["vocals-s0"].train_key


@pytest.mark.parametrize(
    ("section", "name", "before", "other"),
    [("mixing", "item_channels", "both", "one"), ("loss", "stft_scale", "plain", "unit"),
     ("train", "ema_decay", 0.0, 0.99)],
)  # fmt: skip
def test_a_setting_that_came_later_is_in_the_keys_only_where_it_acts(monkeypatch, section, name, before, other):
    settings = replace(getattr(profiles.QUICK, section), **{name: before})
    plain = with_profile(monkeypatch, **{section: settings})["vocals-s0"]
    key = plain.train_key
    assert name not in str(config.settings_of(plain.profile, "train", 0))
    without = {key: value for key, value in config.ADDED.items() if key != name}
    with monkeypatch.context() as patch:
        patch.setattr(config, "ADDED", without)
        assert runs.grid("quick")["vocals-s0"].train_key != key  # so that it is ADDED which leaves it out
    changed = with_profile(monkeypatch, **{section: replace(settings, **{name: other})})["vocals-s0"]
    assert changed.train_key != key
    assert config.settings_of(changed.profile, "train", 0)[section][name] == other


def test_models_that_compare_channels_keep_both_in_a_grid_of_one(monkeypatch):
    mixing = replace(profiles.QUICK.mixing, item_channels="one")
    peers = ("umx", "hdemucs", "convtasnet-stft")
    grid = with_profile(monkeypatch, mixing=mixing, peers=peers, details=("tac", "layer"), variants=("fixed",))
    stereo = {"vocals-umx-s0", "vocals-hdemucs-s0", "vocals-tac-s0"}
    for name, run in grid.items():
        assert run.profile.mixing.item_channels == ("both" if name in stereo else "one"), name
    assert stereo | {"vocals-convtasnet-stft-s0", "vocals-layer-s0", "vocals-finetuned-s0"} <= set(grid)


def test_what_decides_no_number_changes_no_key(monkeypatch):
    before = {id: run.key for id, run in runs.grid("quick").items()}
    train = replace(profiles.QUICK.train, loader_workers=3, precision="bfloat16")  # the machine decides what it gets
    speed = {name: replace(getattr(profiles.QUICK, name), batch_segments=3) for name in ("separate", "validate")}
    of_finetune = replace(profiles.QUICK.finetune.train, loader_workers=3, precision="bfloat16")
    finetune = replace(profiles.QUICK.finetune, train=of_finetune)
    after = with_profile(monkeypatch, train=train, finetune=finetune, seeds=(0, 1), **speed)
    assert {id: after[id].key for id in before} == before
    assert "vocals-s1" in after and after["vocals-s1"].key != before["vocals-s0"]


def test_filters_depend_on_the_stft_and_not_on_the_overlap(monkeypatch):
    before = runs.grid("quick")["vocals-baselines-s0"].key
    separate = replace(profiles.QUICK.separate, hop_seconds=0.1)
    assert with_profile(monkeypatch, separate=separate)["vocals-baselines-s0"].key == before
    model = replace(profiles.QUICK.model, n_fft=4096)
    assert with_profile(monkeypatch, model=model)["vocals-baselines-s0"].key != before


def test_finetuning_on_real_songs_waits_for_a_folder_of_music(root):
    grid = runs.grid("paper")
    assert not grid["bass-finetuned-s0"].available() and grid["bass-control-s0"].available()
    (root / "data" / "unlabelled").mkdir(parents=True)
    assert grid["bass-finetuned-s0"].available()
    assert runs.grid("quick")["vocals-finetuned-s0"].available()  # the embedded songs bring their own


def test_a_new_version_of_a_stage_changes_the_keys(monkeypatch):
    before = runs.grid("quick")["vocals-s0"]
    key, train_key = before.key, before.train_key  # computed when first asked for
    monkeypatch.setitem(runs.STAGES, "score", runs.STAGES["score"] + 1)
    after = runs.grid("quick")["vocals-s0"]
    assert after.train_key == train_key and after.key != key
    monkeypatch.setitem(runs.STAGES, "train", runs.STAGES["train"] + 1)
    assert runs.grid("quick")["vocals-s0"].train_key != train_key


def test_results_lie_under_the_profile_by_id_and_key(root):
    run = runs.get("quick", "drums-s0")
    assert run.result_path() == root / "results" / "quick" / "runs" / f"drums-s0.{run.key}.json"
    assert run.weights_folder() == root / "results" / "quick" / "weights" / f"drums-s0.{run.train_key}"
    assert runs.get("quick", "drums-real-s0").weights_folder() == run.weights_folder()


def test_a_missing_result_names_the_command_and_a_present_one_is_read():
    run = runs.get("quick", "drums-s0")
    with pytest.raises(MissingResult, match="`bsrnn run drums-s0 --profile quick`"):
        runs.load(run)
    write_json(run.result_path(), {"id": "drums-s0"})
    assert runs.load(run) == {"id": "drums-s0"}
    assert run.finished() and not Study("quick").complete


def test_hops_can_have_more_test_songs_than_all_else(monkeypatch):
    before = with_profile(monkeypatch)
    grid = with_profile(monkeypatch, more_songs=30)
    hops = {name for name, run in grid.items() if "hop" in run.roles}
    assert hops == {f"vocals-hop{hop}-s0" for hop in ("0.5", "1", "1.5", "3")}
    for name, run in grid.items():
        assert run.train_key == before[name].train_key and (run.key != before[name].key) == (name in hops)
        assert run.profile.data.test_songs == (30 if name in hops else profiles.QUICK.data.test_songs)
    own = {"data": DataConfig(source="folder", folder="songs"), "finetuned": (), "few_songs": 0}
    of_folder = [with_profile(monkeypatch, **own, more_songs=number) for number in (0, 30)]
    assert [run.key for run in of_folder[0].values()] == [run.key for run in of_folder[1].values()]


def test_runs_are_scored_again_on_more_songs_from_the_same_weights(monkeypatch):
    parts = {"peers": ("umx",), "seeds": (0, 1)}
    before = with_profile(monkeypatch, **parts)
    grid = with_profile(monkeypatch, **parts, more_songs=30, scored_again=("vocals-v1", "vocals-umx"))
    added = [run for name, run in grid.items() if name not in before]
    starts = ["vocals-v1-s0", "vocals-umx-s0", "vocals-v1-s1", "vocals-umx-s1"]
    assert [run.its_start.id for run in added] == starts
    assert [run.id for run in added] == [name.replace("-s", "-again-s") for name in starts]
    for run in [*added, grid["vocals-hop3-s1"]]:
        assert run.kind == "separate" and run.train_key == grid[run.its_start.id].train_key and "again" in run.roles
        assert run.profile.model == run.its_start.profile.model and run.profile.data.test_songs == 30
        assert run.profile.separate.hop_seconds == run.profile.separate.segment_seconds == 3.0
    assert {run.id for run in grid.values() if "again" in run.roles and run not in added} == {
        "vocals-hop3-s0", "vocals-hop3-s1"
    }  # fmt: skip
    assert all(run.roles == {"again"} for run in added)
    fewer = with_profile(monkeypatch, more_songs=30, scored_again=("vocals-v1", "vocals-umx"))  # without this system
    assert {name for name, run in fewer.items() if run.roles == {"again"}} == {"vocals-v1-again-s0"}
    small = runs.planned("small")  # no name is misspelt
    assert all(
        f"{name}-again-s{seed}" in small for name in profiles.SMALL.scored_again for seed in profiles.SMALL.seeds
    )


def test_a_third_look_has_the_two_sides_of_claim_c1_and_nothing_else(monkeypatch):
    parts = {"targets": ("vocals",), "table_one": ("v1", "v4"), "scored_again": ("vocals-v1", "vocals-v4")}
    before = with_profile(monkeypatch, **parts)
    grid = with_profile(monkeypatch, **parts, third_seeds=(5, 6))
    added = {name: run for name, run in grid.items() if name not in before}
    assert set(added) == {
        f"vocals-{split}{again}-s{s}" for split in ("v1", "v4") for again in ("", "-again") for s in (5, 6)
    }
    for name, run in added.items():
        twin = grid[name.replace(f"s{run.seed}", "s0")]
        assert run.profile == twin.profile and run.key != twin.key
        assert run.roles == ({"again"} if "again" in name else {"third look"})
        assert run.start == (grid[name.replace("-again", "")] if "again" in name else None)


def test_a_third_look_is_of_c1_or_c2_after_its_second_and_has_seeds():
    small = profiles.SMALL
    asked = replace(small, third_looks=("C1", "C2"))
    for wrong, named in (
        ({"third_looks": ("C3",)}, "C3"),
        ({"second_looks": ("C1",)}, "C2"),
        ({"third_seeds": ()}, "C1"),
        ({"last_seeds": ()}, "C2"),
    ):
        with pytest.raises(ConfigError, match=f"got {named} in third_looks: expected C1 with third_seeds, C2 with"):
            replace(asked, **wrong)


def test_the_third_look_of_c2_trains_again_what_the_second_has_and_keeps_the_last_weights(monkeypatch):
    crossed = (("bass", "v7"), ("drums", "v7"), ("bass", "drums"), ("drums", "bass"))
    parts = {"targets": ("vocals", "drums", "bass"), "crossed": crossed, "seeds": (0, 1), "second_seeds": (5,)}
    before = with_profile(monkeypatch, **parts)
    grid = with_profile(monkeypatch, **parts, last_seeds=(0, 5))
    names = [
        f"{target}{split}-last-s{seed}" for seed in (0, 5) for target in ("bass", "drums") for split in ("", "-v7")
    ]
    assert [name for name in grid if name not in before] == names
    for run in (grid[name] for name in names):
        twin = grid[run.id.replace("-last", "")]
        train = replace(twin.profile.train, kept_weights="last")
        assert run.roles == {"last"} and run.profile == replace(twin.profile, train=train) and run.key != twin.key


def test_what_is_doubled_has_twice_the_items_and_all_else_as_before():
    planned = runs.planned("small")
    doubled = {name: run for name, run in planned.items() if run.roles == {"doubled"}}
    assert set(doubled) == {f"{name}-doubled-s0" for name in profiles.SMALL.doubled}
    for name, run in doubled.items():
        once = planned[name.replace("-doubled", "")]
        tuned = run.kind == "finetune"
        train, before = (each.profile.finetune.train if tuned else each.profile.train for each in (run, once))
        assert (train.max_items, train.validate_items) == (2 * before.max_items, 2 * before.validate_items)
        back = replace(train, max_items=before.max_items, validate_items=before.validate_items)
        parts = {"finetune": replace(run.profile.finetune, train=back)} if tuned else {"train": back}
        assert replace(run.profile, **parts) == once.profile
        assert (run.kind, run.target, run.seed, run.start) == (once.kind, once.target, once.seed, once.start)
        assert run.train_key != once.train_key


def test_a_second_look_has_the_two_sides_of_claim_c2_and_nothing_else(monkeypatch):
    crossed = (("bass", "v7"), ("drums", "v7"), ("bass", "drums"), ("drums", "bass"))
    parts = {"targets": ("vocals", "drums", "bass"), "crossed": crossed, "seeds": (0, 1)}
    before = with_profile(monkeypatch, **parts)
    grid = with_profile(monkeypatch, **parts, second_seeds=(5, 6))
    added = [run for name, run in grid.items() if name not in before]
    names = [f"{target}{split}-s{seed}" for seed in (5, 6) for target in ("bass", "drums") for split in ("", "-v7")]
    assert [run.id for run in added] == names and {run.roles for run in added} == {frozenset({"second look"})}
    for run in added:
        twin = grid[run.id.replace(f"s{run.seed}", "s0")]
        assert replace(run, seed=0, id=twin.id, roles=twin.roles) == twin and run.key != twin.key
    [claim] = [claim for claim in CLAIMS if claim.id == "C2"]
    sides = [[run.id for run in grid.values() if side(run) and run.target in claim.targets]
             for side in (claim.better, claim.worse)]  # fmt: skip
    assert sorted(sides[0]) == sorted(f"{target}-s{seed}" for seed in (0, 1, 5, 6) for target in ("bass", "drums"))
    assert sorted(sides[1]) == sorted(name.replace("-s", "-v7-s") for name in sides[0])


def test_unknown_profiles_and_runs_are_named():
    with pytest.raises(ConfigError, match="unknown profile 'quikc': expected one of tiny, quick, small"):
        runs.grid("quikc")
    with pytest.raises(ConfigError, match="unknown run 'vocal-s0' of profile 'quick': expected one of vocals-"):
        runs.get("quick", "vocal-s0")


def test_a_finetuning_from_few_songs_hears_the_others_as_mixtures(monkeypatch):
    data = replace(profiles.QUICK.data, train_songs=9, unlabelled_songs=0)
    grid = with_profile(monkeypatch, data=data, few_songs=2, variants=("truth", "half"))
    base, start, tuned = (grid[f"vocals{name}-s0"] for name in ("", "-few", "-finetuned"))
    assert (start.roles, base.roles & {"start"}) == ({"start"}, set())
    assert replace(start.profile, data=base.profile.data) == base.profile and start.profile.data.train_songs == 2
    assert start.train_key != base.train_key and {tuned.start, grid["vocals-control-s0"].start} == {start}
    assert grid["vocals-teacher-s0"].start == start and grid["vocals-hop3-s0"].start == base
    counts = [(run.profile.data.labelled_songs, run.profile.data.unlabelled_songs)
              for run in (tuned, grid["vocals-half-s0"])]  # fmt: skip
    assert counts == [(2, 7), (2, 4)]
    every = [Song(f"train-{index}", {}, None, 1, 44100) for index in range(9)]
    monkeypatch.setattr(songs, "_load", lambda data, split, targets, rate, limit: every[: data.train_songs][:limit])
    heard = {name: [song.name[-1] for song in songs.load(grid[f"vocals-{name}-s0"].profile.data, "train")]
             for name in ("few", "finetuned", "half")}  # fmt: skip
    assert heard == dict.fromkeys(heard, ["0", "1"])
    unlabelled = {name: "".join(song.name[-1] for song in unlabelled_of(grid[f"vocals-{name}-s0"].profile).songs)
                  for name in ("finetuned", "truth", "half", "control")}  # fmt: skip
    assert unlabelled == {"finetuned": "2345678", "truth": "2345678", "half": "2345", "control": ""}
    first = unlabelled_of(grid["vocals-finetuned-s0"].profile, limit=2).songs
    assert [song.name[-1] for song in first] == ["2", "3"]
    with pytest.raises(ConfigError, match="got 9 data.labelled_songs of 9 train_songs.*: expected fewer than train"):
        replace(data, labelled_songs=9)
    with pytest.raises(ConfigError, match="got 10 few_songs of 9 train_songs"):
        with_profile(monkeypatch, data=data, few_songs=10)
