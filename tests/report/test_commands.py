"""What the README says of the two commands' cost is what was measured."""

import json
import sys

import pytest
from places import REPOSITORY

from benchmarks import commands

WORK = "sum(x * x for x in range(6_000_000)); held = b'x' * 300_000_000"


def test_a_command_that_does_nothing_costs_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands.record, "__defaults__", (tmp_path / "commands.json",))
    assert commands.main(["true"]) == 0
    figures = json.loads((tmp_path / "commands.json").read_text())["true"]
    assert 0 <= figures["processor_minutes"] < 0.01 and figures["machine"]["processor"]
    assert len(figures["commit"]) == 40 and figures["date"].startswith("20")
    assert capsys.readouterr().out.startswith("true: 0.0 minutes of a core")


def test_work_and_memory_of_a_child_are_counted():
    figures = commands.measure([sys.executable, "-c", WORK])
    assert 0.003 < figures["processor_minutes"] < 0.5
    assert 0.3 <= figures["largest_process_gb"]


def test_figures_of_other_commands_stay(tmp_path):
    file = tmp_path / "commands.json"
    file.write_text('{"make test": {"processor_minutes": 9}}')
    commands.record(["true"], file)
    assert json.loads(file.read_text())["make test"] == {"processor_minutes": 9}


@pytest.mark.parametrize("command", [["false"], ["no-such-command"]])
def test_what_fails_is_not_recorded(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands.record, "__defaults__", (tmp_path / "commands.json",))
    assert commands.main(command) == 1
    assert capsys.readouterr().err.startswith("error: ") and list(tmp_path.iterdir()) == []


def test_the_sentence_has_the_measured_numbers(tmp_path):
    one = {"processor_minutes": 31.4, "largest_process_gb": 1.26, "machine": {"processor": "A processor"}}
    other = one | {"processor_minutes": 12.2, "largest_process_gb": 2.04}
    (tmp_path / "all.json").write_text(json.dumps({commands.REPRODUCE: one, commands.TEST: other}))
    assert commands.sentence(tmp_path / "all.json") == (
        "Beside the installation, the first takes 31 minutes of a processor core and the second 12, shared by the "
        "cores that there are; the largest process holds 2.0 GB (A processor; measured by `python -m "
        "benchmarks.commands`)."
    )
    (tmp_path / "half.json").write_text(json.dumps({commands.TEST: other}))
    assert "on your machine" in commands.sentence(tmp_path / "half.json")


def test_the_readme_says_what_was_measured():
    words = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    assert commands.sentence() in words, f"README.md, below Two commands: expected the sentence\n{commands.sentence()}"
