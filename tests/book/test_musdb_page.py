"""The page on MUSDB: each of its commands runs, on made-up songs in the layout of the real ones.

What is put in the place of something is stated here and nowhere hidden:

- the zip files hold made-up songs in MUSDB18-HQ's layout, noise of some seconds, or for the ``.stem.mp4`` files the
  clip of the stempeg wheel under other names;
- ``bsrnn`` commands run in this process, with ``cpu`` for ``cuda``, and the profiles shrunk by :func:`twin`;
- of ``make`` commands ``make -n`` says what they would run; that runs, with ``--dry-run`` added, on the real profiles
  (once where two commands say the same).
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from places import REPOSITORY

from bsrnn import cli, config
from bsrnn.audio import files as audio
from bsrnn.data.musdb import MUSDB_VALIDATION, can_be_decoded
from bsrnn.report import tables
from bsrnn.study import profiles, runs

PAGE = REPOSITORY / "book" / "musdb.md"
NEEDED = ("Makefile", "Snakefile", "_config.yml", "book", "bsrnn", "clusters", ".ci")  # of a clone
TRAIN = ("Made up - One", "Made up - Two")
VALID, TEST = MUSDB_VALIDATION[0], "Made up - Test"
NEEDS_FFMPEG = ("MUSDB18", "The previews")


def sections():
    """Heading -> commands of its bash blocks, in words."""
    found = {}
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        lines = [line for block in re.findall(r"```bash\n(.*?)```", part, re.S) for line in block.splitlines()]
        if lines:
            found[part.splitlines()[0]] = [shlex.split(line) for line in lines]
    return found


def twin(profile):
    """The profile with the smallest model, two steps, and no overlap."""
    small = {"batch_items": 1, "max_items": 2, "validate_items": 2, "loader_workers": 0, "patience": 0}
    return replace(
        profile,
        model=replace(profile.model, features=2, modules=1),
        train=replace(profile.train, **small),
        mixing=replace(profile.mixing, chunk_seconds=0.5),
        separate=replace(profile.separate, hop_seconds=3.0),
    )


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with what a clone has, of which this process and all that it starts work."""
    for name in NEEDED:
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "published").symlink_to(REPOSITORY / "data" / "published")
    for name in [name for name in os.environ if name.startswith(("BSRNN_", "SNAKEMAKE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def twins(monkeypatch):
    for name in ("paper", "previews"):
        monkeypatch.setitem(profiles.PROFILES, name, twin(profiles.PROFILES[name]))


def make_hq(folder):
    """musdb18hq.zip: two songs for training, one that validates, one for testing."""
    songs = [("train", name, 6.5) for name in TRAIN] + [("train", VALID, 1.5), ("test", TEST, 1.5)]
    for number, (split, name, seconds) in enumerate(songs):
        generator = np.random.default_rng(number)
        size = 2, round(seconds * 44100)
        stems = {stem: 0.1 * generator.standard_normal(size).astype(np.float32) for stem in config.TARGETS}
        for stem, sound in {**stems, "mixture": sum(stems.values())}.items():
            audio.write(folder / "hq" / split / name / f"{stem}.wav", sound, 44100, "PCM_16")
    pack(folder / "hq", folder / "musdb18hq.zip")


def make_mp4(folder):
    """Stem files of 6 s: musdb18.zip, and unpacked as the previews."""
    stempeg = pytest.importorskip("stempeg")
    for split, name in (("train", TRAIN[0]), ("train", VALID), ("test", TEST)):
        path = folder / "data" / "previews" / split / f"{name}.stem.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stempeg.example_stem_path(), path)
    pack(folder / "data" / "previews", folder / "musdb18.zip")


def pack(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(folder))


def run(words, clone):
    """Run one command of the page, or what stands for it; what it prints unless it is one of ``bsrnn``."""
    if words[0] == "bsrnn":
        assert cli.main([{"cuda": "cpu"}.get(word, word) for word in words[1:]]) == 0, words
        return None
    assert words[0] == "python"
    done = subprocess.run([sys.executable, *words[1:]], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def asked_of_make(words, clone):
    """The dry run of what a ``make`` command would run, without options at their defaults."""
    said = subprocess.run([words[0], "-n", *words[1:]], cwd=clone, check=True, capture_output=True, text=True)
    [line] = [line for line in said.stdout.replace("\\\n", " ").splitlines() if "bsrnn.workflow.reproduce" in line]
    for default in ("--cores all", "--processes 1"):
        assert default in line.replace('"', "")
        line = line.replace('"', "").replace(default, "")
    return [*shlex.split(line), "--dry-run"]


def test_the_page_has_the_sections_that_are_tested():
    found = sections()
    assert len(found) == 5 and set(NEEDS_FFMPEG) < set(found)
    assert {words[0] for lines in found.values() for words in lines} == {"python", "bsrnn", "make"}
    assert sum(len(lines) for lines in found.values()) == len(re.findall(r"^(?:bsrnn|make|python -m) ", page(), re.M))


def page():
    return PAGE.read_text(encoding="utf-8")


def test_one_model_and_runs_of_musdb18_hq(clone, twins, capsys):
    make_hq(clone)
    found = sections()
    for words in found["MUSDB18-HQ: look, then one model"]:
        run(words, clone)
    said = capsys.readouterr().out
    for line in ("train: 2 songs", "valid: 1 songs", "test: 1 songs", "stems bass, drums, other, vocals"):
        assert line in said
    scored = json.loads((clone / "scores" / "vocals" / "scores.json").read_text())
    assert [song["song"] for song in scored["scores"]["vocals"]["songs"]] == [TEST]
    assert scored["data"]["source"] == "musdb18hq"
    for words in found["MUSDB18-HQ: runs, and everything"]:
        if words[0] == "bsrnn":
            run(words, clone)
            assert len(list((clone / "results" / "paper" / "runs").glob(f"{words[2]}.*.json"))) == 1


@pytest.mark.skipif(not can_be_decoded(), reason="ffmpeg and ffprobe decode MUSDB18's mp4")
def test_the_mp4_files_of_musdb18_and_of_the_previews(clone, twins, capsys):
    make_mp4(clone)
    found = sections()
    for heading in NEEDS_FFMPEG:
        for words in found[heading]:
            if words[0] != "make":
                run(words, clone)
        said = capsys.readouterr().out
        assert "train: 1 songs" in said and "valid: 1 songs" in said and "test: 1 songs" in said
    scored = json.loads((clone / "scores" / "vocals-aac" / "scores.json").read_text())
    assert [song["song"] for song in scored["scores"]["vocals"]["songs"]] == [TEST]
    assert scored["data"]["folder"] == "data/musdb18"
    [path] = (clone / "results" / "previews" / "runs").glob("vocals-s0.*.json")
    assert json.loads(path.read_text())["config"]["data"]["source"] == "previews"


def workflows(clone):
    """What the page's commands for all runs ask Snakemake to plan."""
    lines = [words for part in sections().values() for words in part if words[0] == "make" or "--dry-run" in words]
    assert [words[1] for words in lines] == ["-m", "rehearse", "reproduce", "reproduce"]
    lines = [asked_of_make(words, clone) if words[0] == "make" else words for words in lines]
    assert lines[0] == lines[2]
    return dict(zip(("rehearsal", "paper", "previews"), lines[1:], strict=True))


@pytest.mark.parametrize("profile", ["paper", "rehearsal", "previews"])
def test_whole_reproductions_are_planned_as_the_page_says(clone, monkeypatch, profile):
    """Every run that this machine can do, then artifacts, chapters and book; with unlabelled music finetuning, too."""
    pytest.importorskip("snakemake", reason="the book extra is not installed")
    said = run(workflows(clone)[profile], clone)
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.M)}
    if profile == "rehearsal":  # has made its songs, and music without stems
        monkeypatch.setenv("BSRNN_DATA", str(clone / "data" / "rehearsal"))
        assert len(list((clone / "data" / "rehearsal" / "musdb18hq").glob("*/*/mixture.wav"))) == 4
    expected = [one for one in runs.grid(profile).values() if one.available()]
    assert any("-finetuned-" in one.id for one in expected) == (profile == "rehearsal")
    wanted = {"data": 1, "run": len(expected), "artifacts": 1, "book": 1}
    assert {name: jobs[name] for name in wanted} == wanted


def test_a_chapter_is_executed_on_these_songs(clone):
    pytest.importorskip("papermill", reason="the book extra is not installed")
    make_hq(clone)
    found = sections()
    run(found["MUSDB18-HQ: look, then one model"][0], clone)
    [words] = found["The same chapters"]
    run(words, clone)
    assert "MUSDB18-HQ" in (clone / words[4]).read_text(encoding="utf-8")


def test_no_score_of_the_paper_is_typed_on_the_page():
    scores = {f"{value:.2f}" for value in tables.published("table3").select_dtypes("number").to_numpy().ravel()}
    assert scores and not any(score in page() for score in scores)
