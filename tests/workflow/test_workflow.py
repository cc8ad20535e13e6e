"""The graph behind `make reproduce`: what it plans, on a stand-in project whose runs take no time.

The Snakefile and bsrnn.workflow.reproduce are the real ones; the registries and the commands that the rules call are
stand-ins.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPOSITORY

pytest.importorskip("snakemake", reason="the book extra is not installed")
RUNS = """
import os
from dataclasses import dataclass
from bsrnn.study import profiles
from bsrnn.runtime import paths

@dataclass(frozen=True)
class Run:
    id: str
    key: str
    needs: tuple = ()
    threads: int = 1
    def result_path(self): return paths.results("quick") / "runs" / f"{self.id}.{self.key}.json"
    def available(self): return self.id != "real-s0"

def grid(name):
    profiles.profile(name)
    key = os.environ.get("VOCALS", "a")  # stands for a setting of the vocals runs
    runs = [Run("vocals-s0", key), Run("drums-s0", "d"), Run("vocals-hop0.5-s0", key + "h", ("vocals-s0",)),
            Run("real-s0", "r", ("vocals-s0",))]
    return {run.id: run for run in runs}
"""
TRAINING_SONGS = """
def data_recipe(profile): return {"seed": 0}
"""
CONFIG = """
from dataclasses import dataclass
from bsrnn.errors import ConfigError

@dataclass(frozen=True)
class Data:
    source: str = "folder"

@dataclass(frozen=True)
class Profile:
    data: Data = Data()

def profile(name):
    if name != "quick":
        raise ConfigError(f"unknown profile {name!r}: expected quick")
    return Profile()
"""
RESULTS = """
from bsrnn.study import runs

class Study:
    def __init__(self, profile): self.name, self.grid = profile, runs.grid(profile)
"""
CHAPTERS = """
from bsrnn.runtime import paths

class Table:
    def files(self, study): return [paths.results(study.name) / "tables" / "results.csv"]

REGISTRY = {"results": Table()}
"""
MANIFEST = """
def result_table(profile): return "the result table"
"""
COSTS = """
def asked(run, device, processes):
    return {"mem_mb": 1234, "runtime": 77, "gpu": processes if device == "cuda" else 0}
"""
NOTEBOOKS = """
import hashlib, sys
from pathlib import Path

def code_hash(path): return hashlib.sha256(Path(path).read_bytes()).hexdigest()

if __name__ == "__main__":
    Path(sys.argv[2]).write_text("executed")
"""
PAGES = """
import shutil, sys
from pathlib import Path

shutil.copytree(f"results/{sys.argv[2]}/notebooks", "_build/executed", dirs_exist_ok=True)
"""
CLI = """
import sys
from bsrnn.report import chapters
from bsrnn.runtime import paths
from bsrnn.study import runs

def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")

command, *rest = sys.argv[1:]
if command == "run":
    run = runs.grid("quick")[rest[0]]
    assert all(runs.grid("quick")[need].result_path().exists() for need in run.needs)
    write(run.result_path())
elif command == "artifacts":
    write(paths.results("quick") / "tables" / "results.csv")
    write(paths.results("quick") / "manifest.json")
"""
REAL = ("errors.py", "audio/kinds.py", "runtime/limits.py", "runtime/paths.py", "runtime/processes.py",
        "runtime/system_errors.py", "runtime/terminal.py", "tool/options.py", "workflow/reproduce.py")  # fmt: skip
STAND_INS = {
    "data/training_songs.py": TRAINING_SONGS,
    "study/profiles.py": CONFIG,
    "study/runs.py": RUNS,
    "study/costs.py": COSTS,
    "study/results.py": RESULTS,
    "report/chapters.py": CHAPTERS,
    "report/manifest.py": MANIFEST,
    "workflow/notebooks.py": NOTEBOOKS,
    "workflow/pages.py": PAGES,
    "cli.py": CLI,
}
JUPYTER_BOOK = """
test "$*" = "build _build/executed --path-output ." || { echo "asked for $*"; exit 2; }
mkdir -p _build/html && cat _build/executed/*.ipynb > _build/html/shown && touch _build/html/profile-$BSRNN_PROFILE.txt
"""


def shell(folder, name, text):
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def start(folder, *options, **variables):
    """`python -m bsrnn.workflow.reproduce` in the stand-in project."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BSRNN_", "SNAKEMAKE_"))}
    environment |= {
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "bsrnn.workflow.reproduce", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def planned(folder, **variables):
    """rule -> number of jobs that a dry run names."""
    done = start(folder, "--dry-run", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = text.split("Job stats:", 1)[1].split("total", 1)[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.M) if rule != "all"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A stand-in project whose reproduction has been run once."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    (folder / "bsrnn").mkdir(parents=True)
    (folder / "book").mkdir()
    for name in REAL:
        (folder / "bsrnn" / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "bsrnn" / name, folder / "bsrnn" / name)
    for name, text in STAND_INS.items():
        (folder / "bsrnn" / name).parent.mkdir(exist_ok=True)
        (folder / "bsrnn" / name).write_text(text)
    shutil.copy(REPOSITORY / "Snakefile", folder)
    (folder / "_config.yml").write_text("title: stand-in\n")
    (folder / "book" / "_toc.yml").write_text("chapters:\n- file: 01_a\n- file: 02_b\n- file: references\n")
    for name in ("index.md", "references.md", "01_a.ipynb", "02_b.ipynb"):
        (folder / "book" / name).write_text(name)
    shell(folder, "bsrnn", 'exec python -m bsrnn.cli "$@"')
    shell(folder, "jupyter-book", JUPYTER_BOOK)
    done = start(folder, "--profile", "quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the result table" in done.stdout
    assert f"The book: {folder}/_build/html/index.html" in done.stdout.splitlines()[-1]
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """A copy, with its times, to be spoiled by one test."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def test_first_run_makes_everything_that_this_machine_can(finished):
    results = finished / "results" / "quick"
    assert sorted(path.name for path in (results / "runs").iterdir()) == [
        "drums-s0.d.json",
        "vocals-hop0.5-s0.ah.json",
        "vocals-s0.a.json",
    ]  # real-s0 is not available
    assert sorted(path.name for path in (results / "notebooks").iterdir()) == ["01_a.ipynb", "02_b.ipynb"]


def test_the_book_shows_the_notebooks_that_ran(finished):
    assert (finished / "_build" / "html" / "shown").read_text() == "executedexecuted"


def test_second_run_and_touched_sources_plan_nothing(project):
    sources = (*project.glob("bsrnn/**/*.py"), *project.glob("book/*"), project / "Snakefile", project / "_config.yml")
    for path in sources:
        path.touch()
    assert planned(project) == {}


def test_changed_text_rebuilds_the_book_only(project):
    (project / "book" / "index.md").write_text("another text")
    assert planned(project) == {"book": 1}


def test_changed_chapter_is_run_again(project):
    (project / "book" / "02_b.ipynb").write_text("another cell")
    assert planned(project) == {"notebook": 1, "book": 1}


def test_changed_setting_recomputes_its_run_and_what_depends_on_it(project):
    assert planned(project, VOCALS="b") == {"run": 2, "artifacts": 1, "notebook": 2, "book": 1}


def test_changed_library_draws_again_but_trains_nothing(project):
    (project / "bsrnn" / "report" / "chapters.py").write_text(CHAPTERS + "# reworded\n")
    assert planned(project) == {"artifacts": 1, "notebook": 2, "book": 1}


def test_fresh_clone_with_committed_results_computes_no_run(project):
    shutil.rmtree(project / ".snakemake")
    shutil.rmtree(project / "_build")
    shutil.rmtree(project / "results" / "quick" / "notebooks")
    next((project / "results" / "quick").glob(".ready-*")).unlink()
    for path in sorted(project.rglob("*"), reverse=True):  # a checkout gives every file a time of its own
        path.touch()
    assert not {"run", "data"} & planned(project).keys()


def test_one_missing_result_is_computed_alone(project):
    next((project / "results" / "quick").glob(".ready-*")).unlink()
    (project / "results" / "quick" / "runs" / "drums-s0.d.json").unlink()
    assert planned(project) == {"data": 1, "run": 1, "artifacts": 1, "notebook": 2, "book": 1}


def test_a_clusters_queue_is_asked_for_what_each_run_needs(project):
    """The SLURM profile that is shipped, dry: every job, with its resources."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the book extra is not installed")
    (project / "results" / "quick" / "runs" / "drums-s0.d.json").unlink()
    snakefile = (project / "Snakefile").read_text()  # Snakemake says a job's message, or else its resources
    (project / "Snakefile").write_text(re.sub(r"    message:\n.*\n", "", snakefile))
    options = ("--cluster", str(REPOSITORY / "clusters" / "slurm"), "--dry-run", "--device", "cuda", "--processes", "2")
    done = start(project, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    job = text[text.index("rule run:") :].split("resources:")[1].splitlines()[0]
    for words in ("mem_mb=1234", "runtime=77", "gpu=2"):
        assert words in job
    assert "mem_mb=4000" in text and "runtime=60" in text  # the profile's own, for all that is no run


def test_another_number_of_processes_or_device_computes_nothing_again(project):
    done = start(project, "--dry-run", "--device", "cuda", "--processes", "8")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_book_of_another_profile_is_built_again(project):
    (project / "_build" / "html" / "profile-quick.txt").rename(project / "_build" / "html" / "profile-small.txt")
    assert planned(project) == {"book": 1}


def test_unknown_profile_is_named_in_one_line(project):
    done = start(project, "--profile", "quik")
    assert done.returncode == 1
    assert done.stderr == "error: unknown profile 'quik': expected quick\n"


def test_failing_job_fails_the_reproduction_and_keeps_the_rest(project):
    shutil.rmtree(project / "_build")
    shell(project, "jupyter-book", "exit 1")
    done = start(project)
    assert done.returncode != 0
    assert "the same command goes on from there" in done.stderr
    assert (project / "results" / "quick" / "manifest.json").exists()


def test_stale_lock_is_released(project):
    locks = project / ".snakemake" / "locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/quick/manifest.json\n")
    (project / "book" / "index.md").write_text("another text")
    done = start(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "releasing the lock" in done.stdout


def test_a_living_reproduction_is_respected(project):
    """Also one whose `make` is gone and whose Snakemake goes on: it has inherited the lock."""
    holder = (
        f"from pathlib import Path; import subprocess, sys; from bsrnn.workflow.reproduce import alone_in\n"
        f"lock = alone_in(Path({str(project)!r}))\n"
        "subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[lock], stdin=sys.stdin)\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE) as living:
        assert living.wait(60) == 0  # its child holds on
        done = start(project)
        assert done.returncode == 1
        assert done.stderr == f"error: a reproduction is going on in {project}: wait for it or end it\n"
        living.stdin.close()
    for _ in range(100):  # the child ends when its input does
        if (done := start(project, "--dry-run")).returncode == 0:
            break
    assert "Nothing to be done" in done.stdout + done.stderr
