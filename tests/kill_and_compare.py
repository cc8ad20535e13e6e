"""Kill a reproduction at random moments, start it again each time, and compare its numbers with an unbroken one.

    python tests/kill_and_compare.py --profile quick --kills 20

Both happen in folders of their own below --folder. Each kill is a SIGKILL of one of: every process at once (the power
cut), Snakemake alone (its jobs go on as orphans), one job. Songs are rendered, models trained, finetuned and scored,
figures drawn and notebooks executed; --until book builds the book, too. A folder that holds an unfinished comparison is
gone on with. Exit status 1: a number differs.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import soundfile

REPOSITORY = Path(__file__).resolve().parents[1]
VICTIMS = ("everything", "snakemake", "a job")
TIMES = ("seconds", "seconds_per_song", "train_seconds", "score_seconds", "memory_gb")  # no two are alike


def make_root(folder: Path) -> Path:
    """A project in ``folder``: this repository's library and book, no songs and no results."""
    (folder / "data").mkdir(parents=True)
    (folder / "bsrnn").symlink_to(REPOSITORY / "bsrnn")
    shutil.copytree(REPOSITORY / "book", folder / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("data/published", "results/pilots", "results/history"):  # no results of a profile
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "benchmarks").mkdir()
    for name in ("Snakefile", "_config.yml", "benchmarks/results.json"):
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


def start(root: Path, profile: str, until: str) -> subprocess.Popen:
    """`make reproduce` there, in a session of its own; its output goes to log.txt."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BSRNN_", "SLURM_"))}
    environment |= {"BSRNN_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "bsrnn.workflow.reproduce", "--profile", profile, "--until", until]
    with open(root / "log.txt", "a") as log:
        return subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True)


def line_of(process: psutil.Process) -> list[str]:
    """The command line of a process; [] when it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def jobs(process: psutil.Process) -> list[psutil.Process]:
    """The processes of one reproduction that do its work, by their command."""
    return [child for child in process.children(recursive=True) if what(child)]


def what(process: psutil.Process) -> str:
    """The step that a process does; "" if it does none."""
    words = line_of(process)
    line = " ".join(words)
    if words[:1] == ["/bin/bash"] or " -c " in line[:40]:
        return ""  # a shell around one
    if " run " in line and "bsrnn" in line:
        run = line.split(" run ")[1].split()[0]
        kinds = ("finetuned", "control", "baselines", "real", "hop", "teacher", "truth", "fixed")
        return f"run: {next((kind for kind in kinds if kind in run), 'training')}"
    steps = {"bsrnn data": "rendering", "bsrnn.workflow.notebooks": "papermill", "bsrnn artifacts": "artifacts",
             "jupyter-book": "book"}  # fmt: skip
    return next((step for part, step in steps.items() if part in line), "")


def wait_for_work(process: subprocess.Popen) -> None:
    """Until a job runs, or all is over."""
    while process.poll() is None and not jobs(psutil.Process(process.pid)):
        time.sleep(0.2)


def kill(process: subprocess.Popen, chance: random.Random) -> tuple[str, list[str]]:
    """SIGKILL a reproduction in some way: which, and what was at work."""
    whole = psutil.Process(process.pid)
    working = jobs(whole)
    steps = [step for job in working if (step := what(job))] or ["planning"]
    victim = chance.choice(VICTIMS if working else VICTIMS[:1])
    family = whole.children(recursive=True)
    snakemake = [child for child in family if "snakemake" in " ".join(line_of(child)[:4])]
    if victim == "everything" or (victim == "snakemake" and not snakemake):
        victims = [whole, *family]
    else:
        victims = snakemake[:1] if victim == "snakemake" else [chance.choice(working)]
    for one in victims:
        try:
            one.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    if victim != "a job":  # Snakemake goes on with the others, and may lose one of them, too
        process.wait()
    return victim, steps


def numbers(root: Path, profile: str) -> dict[str, str]:
    """What must be the same: results but for times, tables, weights, songs; name -> hash."""
    results, found = root / "results" / profile, {}
    for path in sorted(results.glob("runs/*.json")):
        found[path.name] = json.dumps(_without_times(json.loads(path.read_text())), sort_keys=True)
    for path in sorted(results.glob("tables/*.csv")):
        rows = list(csv.DictReader(path.open()))
        found[path.name] = json.dumps([_without_times(row) for row in rows])
    for path in sorted(results.glob("weights/*/model.safetensors")):
        found[path.parent.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(root.glob("data/**/*.wav")):  # its samples: the header of a float file holds the time of day
        found[str(path.relative_to(root))] = hashlib.sha256(soundfile.read(path)[0].tobytes()).hexdigest()
    for path in sorted(results.glob("notebooks/*")):
        found[path.name] = "there"
    return found


def _without_times(value):
    if isinstance(value, dict):
        return {name: _without_times(part) for name, part in value.items() if name not in TIMES}
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--until", default="notebook", help="last rule of the Snakefile (default: notebook)")
    parser.add_argument("--folder", type=Path, default=Path("kills"), help="of both projects; must not be there")
    parser.add_argument("--seed", type=int, default=0, help="of moments and victims")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state.json"
    if state.is_file():
        known = json.loads(state.read_text())
    else:
        shutil.rmtree(folder / "unbroken", ignore_errors=True)
        began = time.monotonic()
        if start(make_root(folder / "unbroken"), options.profile, options.until).wait():
            print(f"the unbroken reproduction failed: see {folder / 'unbroken' / 'log.txt'}")
            return 1
        known = {"seconds": time.monotonic() - began, "kills": {}, "round": 1, "differing": []}
        state.write_text(json.dumps(known))
    expected = numbers(folder / "unbroken", options.profile)
    print(f"unbroken: {known['seconds']:.0f} s, {len(expected)} things to compare", flush=True)

    kills = Counter(known["kills"])
    chance = random.Random(options.seed + kills.total())
    while kills.total() < options.kills or known["round"] == 1:
        root = folder / f"killed-{known['round']}"
        if not root.exists():
            make_root(root)
        if not survive(root, options, known, kills, chance, state):
            print(f"round {known['round']} failed by itself: see {root / 'log.txt'}")
            return 1
        got = numbers(root, options.profile)
        known["differing"] += [
            f"round {known['round']}: {name}" for name in sorted(expected | got) if expected.get(name) != got.get(name)
        ]
        print(f"round {known['round']} finished: {len(known['differing'])} differences so far", flush=True)
        known["round"] += 1
        state.write_text(json.dumps(known))
    print(*known["differing"], sep="\n")
    kinds = ", ".join(f"{count} of {victim}" for victim, count in kills.items())
    rounds, differ = known["round"] - 1, len(known["differing"])
    print(f"{kills.total()} kills ({kinds}) in {rounds} round(s): {differ} of {len(expected)} differ")
    return 1 if differ else 0


def survive(root: Path, options, known: dict, kills: Counter, chance: random.Random, state: Path) -> bool:
    """One reproduction, killed and started again until it is through; False: it failed with nobody having killed it."""
    process, harmed = None, False
    while True:
        if process is None or process.poll() is not None:
            process, harmed = start(root, options.profile, options.until), False
        left = options.kills - kills.total()
        # most moments while jobs are at work, some while Snakemake plans; each start comes some steps further
        if left and chance.random() < 0.8:
            wait_for_work(process)
        wait = chance.uniform(0, 0.1) * known["seconds"] if left else None
        try:
            status = process.wait(wait)
        except subprocess.TimeoutExpired:
            victim, steps = kill(process, chance)
            harmed = True
            kills.update([victim])
            known["kills"] = dict(kills)
            state.write_text(json.dumps(known))
            print(f"kill {kills.total()}: {victim}, during {', '.join(sorted(steps))}", flush=True)
            continue
        if status and not harmed:
            return False
        if not status:
            return True


if __name__ == "__main__":
    sys.exit(main())
