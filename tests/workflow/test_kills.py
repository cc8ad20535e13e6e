"""SIGKILL, for real: processes that are killed at some moment, started again, and compared with an unbroken one."""

import random
import signal
import subprocess
import sys
import time

import kill_and_compare
import numpy as np
import pytest
from places import REPOSITORY

from bsrnn import cli
from bsrnn.audio.files import write
from bsrnn.runtime import files

RATE = 44100
KILLS = 3


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    for index in range(3):
        for stem in ("flute", "harp"):
            noise = np.random.default_rng([index, len(stem)]).standard_normal((2, 7 * RATE)) * 0.1
            write(root / f"song{index}" / f"{stem}.wav", noise.astype(np.float32), RATE)
    return root


def test_a_training_killed_at_random_ends_with_the_weights_of_an_unbroken_one(songs, tmp_path):
    """As `bsrnn train` writes them, the file's every byte but for what names the folder."""
    settings = ("train.max_items=24", "mixing.chunk_seconds=0.5", "activity.segment_seconds=3")
    arguments = ["train", "--profile", "tiny", "--data", str(songs), "--target", "flute"]
    arguments += [word for setting in settings for word in ("--set", setting)]
    assert cli.main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    chance, resume, done = random.Random(1), tmp_path / "killed" / "resume", 0
    command = [sys.executable, "-c", "import sys; from bsrnn.cli import main; sys.exit(main(sys.argv[1:]))"]
    command += [*arguments, "--out", str(tmp_path / "killed")]
    for _ in range(KILLS):
        before = {path.name for path in resume.glob("*")}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and {path.name for path in resume.glob("*")} <= before:
                time.sleep(0.01)  # until it has come a step further
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            done += process.wait() == -signal.SIGKILL
    assert done > 0  # a fast machine may have finished before the last
    assert cli.main([*arguments, "--out", str(tmp_path / "killed")]) == 0
    whole, killed = (files.read_json(tmp_path / name / "training.json") for name in ("whole", "killed"))
    for name in ("seconds", "memory_gb"):
        assert whole.pop(name) and killed.pop(name)
    assert whole == killed
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert not resume.exists()


def test_the_steps_of_a_reproduction_are_told_by_their_commands():
    class Job:
        def __init__(self, *line):
            self.line = line

        def cmdline(self):
            return list(self.line)

    python = ("/v/bin/python3", "/v/bin/bsrnn")
    assert kill_and_compare.what(Job(*python, "run", "vocals-s0", "--profile", "tiny")) == "run: training"
    assert kill_and_compare.what(Job(*python, "run", "vocals-finetuned-s0", "--profile", "tiny")) == "run: finetuned"
    assert kill_and_compare.what(Job(*python, "data", "--profile", "tiny")) == "rendering"
    assert kill_and_compare.what(Job("python", "-m", "bsrnn.workflow.notebooks", "book/a.ipynb")) == "papermill"
    assert kill_and_compare.what(Job("/bin/bash", "-c", "bsrnn data --profile tiny")) == ""


def test_numbers_are_compared_without_times(tmp_path):
    for name, seconds, usdr in (("a", 1.0, 3.0), ("b", 2.0, 3.0), ("c", 1.0, 3.1)):
        result = {"scores": {"songs": [{"usdr": usdr, "seconds": seconds}]}, "memory_gb": seconds}
        files.write_json(tmp_path / name / "results" / "tiny" / "runs" / "x-s0.1.json", result)
    one, other, another = (kill_and_compare.numbers(tmp_path / name, "tiny") for name in "abc")
    assert one == other != another


@pytest.mark.slow
def test_a_whole_reproduction_survives_kills(tmp_path):
    """The whole of `tiny`, to the notebooks: minutes."""
    command = [sys.executable, str(REPOSITORY / "tests" / "kill_and_compare.py"), "--kills", str(KILLS)]
    done = subprocess.run([*command, "--folder", str(tmp_path / "kills")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{KILLS} kills" in done.stdout
