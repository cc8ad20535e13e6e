"""Changing a profile's settings by name."""

from dataclasses import asdict

import pytest

from bsrnn.errors import ConfigError
from bsrnn.runtime import overrides
from bsrnn.study import profiles


@pytest.mark.parametrize(
    ("assignment", "read"),
    [
        ("finetune.threshold_db=20", lambda p: p.finetune.threshold_db == 20.0),
        ("finetune.train.max_items=7", lambda p: p.finetune.train.max_items == 7),
        ("finetune.self_boosting=false", lambda p: p.finetune.self_boosting is False),
        ("finetune.keep=pseudo,clean_target", lambda p: p.finetune.keep == ("pseudo", "clean_target")),
        ("model.band_split=v1", lambda p: p.model.band_split == "v1"),
        ("seeds=3,4", lambda p: p.seeds == (3, 4)),
        ("finetune.keep=", lambda p: p.finetune.keep == ()),
    ],
)
def test_one_setting_is_changed_and_no_other(assignment, read):
    new = overrides.changed(profiles.QUICK, assignment)
    assert read(new) and not read(profiles.QUICK)
    old, section = asdict(profiles.QUICK), assignment.split(".")[0].split("=")[0]
    assert {name: value for name, value in asdict(new).items() if name != section} == {
        name: value for name, value in old.items() if name != section
    }


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.max_items", "expected NAME=VALUE"),
        ("train.speed=3", "there is no 'speed', expected one of batch_items, learning_rate"),
        ("training.max_items=3", "there is no 'training', expected one of name, data"),
        ("train=3", "there is no '', expected one of batch_items"),
        ("train.max_items.more=3", "there is no 'more', expected one of nothing"),
        ("train.max_items=many", "'many' is not a value such as 1200"),
        ("train.max_items=2.5", "'2.5' is not a value such as 1200"),
        ("finetune.self_boosting=yes", "'yes' is not true or false"),
        ("seeds=1,two", "'1,two' is not a list"),
    ],
)
def test_what_is_no_setting(assignment, message):
    with pytest.raises(ConfigError, match=message):
        overrides.changed(profiles.QUICK, assignment)
