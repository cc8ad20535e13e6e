"""Which models a command takes: each once by whatever path, those of one folder together."""

import os
import shutil
import sys

import made_songs
import pytest
import torch
from fake_models import Fake

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.tool import chosen_models


def save(folder, target, rate=44100):
    config = ModelConfig(targets=(target,), band_split="v1", features=4, modules=1, sample_rate=rate)
    checkpoint.save(bsrnn.BSRNN(config), folder)
    return folder


@pytest.fixture
def bag(tmp_path):
    """A folder of three models, two of them of one stem."""
    torch.manual_seed(0)
    for name in ("bass", "bass2", "piano"):
        save(tmp_path / "bag" / name, name.rstrip("2"))
    return tmp_path / "bag"


def test_a_folder_of_models_is_all_that_lie_in_it_but_hidden_ones(bag):
    shutil.copytree(bag / "bass", bag / ".bass-old")
    (bag / "notes").mkdir()
    (bag / "notes.txt").write_text("a file")
    assert chosen_models.members(bag) == [bag / "bass", bag / "bass2", bag / "piano"]
    assert chosen_models.members(bag / "bass") == [bag / "bass"]
    assert chosen_models.members(bag / "notes") == [bag / "notes"]  # to load it says what is missing


def test_a_model_that_lacks_a_file_is_not_left_out_of_its_folder(bag):
    (bag / "bass2" / checkpoint.CONFIG).unlink()
    assert bag / "bass2" in chosen_models.members(bag)
    with pytest.raises(DataError, match="no model in .*bass2: expected a folder with config.json"):
        checkpoint.load(bag / "bass2")


def test_a_model_that_may_not_be_read_is_not_left_out_of_its_folder(bag, monkeypatch):
    begun = chosen_models._begun

    def looked_at(folder):
        if folder.name == "bass2":
            raise PermissionError(13, "Permission denied", str(folder / checkpoint.CONFIG))
        return begun(folder)

    monkeypatch.setattr(chosen_models, "_begun", looked_at)
    with pytest.raises(DataError, match=r"bass2/config.json: cannot be read: no permission, expected a model"):
        chosen_models.members(bag)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_each_model_is_taken_once_with_the_folder_that_it_lies_in(bag, monkeypatch):
    (bag / "link").symlink_to(bag / "bass")
    every = [bag / "bass", bag / "bass2", bag / "piano"]

    def taken(*names):
        return chosen_models.each_once({str(name): chosen_models.members(str(name)) for name in names})

    monkeypatch.chdir(bag.parent)
    for names in ([bag], [bag, bag / "bass"], [bag / "bass", bag], [bag, "bag/bass2"], [bag, "bag"]):
        found = taken(*names)
        assert list(map(os.path.realpath, found)) == list(map(str, every)) and set(found.values()) == {str(bag)}
    assert taken("bag/bass", bag / "bass", "./bag/bass") == {chosen_models.Path("bag/bass"): "bag/bass"}
    assert chosen_models.label(taken(bag / "bass", bag).values()) == "bag+bag+bag"
    assert chosen_models.label(dict.fromkeys(taken(bag / "bass", bag).values())) == "bag"


def test_what_separates_one_stem_twice_is_named():
    models = {chosen_models.Path(name): Fake(targets=(target,)) for name, target in
              {"one": "bass", "two/a": "bass", "two/b": "bass", "three": "piano"}.items()}  # fmt: skip
    given = {path: path.parts[0] for path in models}
    with pytest.raises(ConfigError, match="one and two both separate 'bass': expected each stem once; leave one out"):
        chosen_models.each_stem_once(models, given)
    del models[chosen_models.Path("one")]
    chosen_models.each_stem_once(models, given)


def test_only_stems_that_are_written_are_said_to_be_means(bag):
    models = {folder: bsrnn.load(folder) for folder in chosen_models.members(bag)}
    assert chosen_models.describe(models, ["bass", "piano"])[3:] == ["bass: the mean of the estimates of 2 models"]
    assert len(chosen_models.describe(models, ["piano"])) == 3


def test_models_that_are_scored_together_are_named_and_have_one_rate(bag, tmp_path, capsys):
    shutil.rmtree(bag / "piano")
    songs = made_songs.of_tones(tmp_path / "songs", 4, 44100)
    for folder in ("bass", "bass2"):
        save(bag / folder, "piano")
    arguments = ["evaluate", "--model", str(bag), "--data", str(songs), "--profile", "tiny"]
    assert cli.main([*arguments, "-o", str(tmp_path / "out")]) == 0
    assert "piano: the mean of the estimates of 2 models" in capsys.readouterr().err
    assert f'"{bag}/bass2"' in (tmp_path / "out" / "scores.json").read_text()
    for faster in ("bass", "bass2"):  # whichever comes first
        save(bag / "bass", "piano")
        save(bag / "bass2", "piano")
        save(bag / faster, "piano", 48000)
        assert cli.main([*arguments, "-o", str(tmp_path / "none")]) == 1
        assert "got models of 44100 and 48000 Hz: expected one rate; score them one by one" in capsys.readouterr().err
