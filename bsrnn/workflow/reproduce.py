"""`make reproduce`: start Snakemake on the Snakefile, then say where the book lies and what came out.

Snakemake does the work. Here is what it leaves to its user: a lock that a killed run left behind is released, unless
its run still goes on, and the end is said in a newcomer's words. The functions that the Snakefile needs stand here too.
"""

import argparse
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bsrnn.errors import ConfigError
from bsrnn.runtime import paths, terminal
from bsrnn.tool.options import Parser, device_name, whole


def content_hash(files: Iterable[Path]) -> str:
    """Hash of what files hold; their times and permissions do not enter."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def chapters() -> list[str]:
    """Names of the notebooks in book/_toc.yml, in its order."""
    import yaml

    book = paths.root() / "book"
    contents = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    parts = [contents, *contents.get("parts", [])]
    files = [chapter["file"] for part in parts for chapter in part.get("chapters", [])]
    return [name for name in files if (book / f"{name}.ipynb").is_file()]


def data_stamp(profile: str) -> str:
    """File that stands for a rendered and checked data set; the embedded set's lies with its songs, goes with them."""
    from bsrnn.data.training_songs import data_recipe
    from bsrnn.study import profiles

    settings = profiles.profile(profile)
    recipe = json.dumps([data_recipe(settings), asdict(settings.data)], sort_keys=True)
    folder = paths.results(profile)
    if settings.data.source == "embedded":
        from bsrnn.data import synthetic

        folder = synthetic.data_folder(paths.data(), settings.data)
    return paths.shown(folder / f".ready-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")


def book_stamp(profile: str) -> str:
    """File that stands for a built book; another profile's build replaces it."""
    return f"_build/html/profile-{profile}.txt"


def alone_in(root: Path) -> int:
    """Take this folder's lock for Snakemake, and release what a killed one left behind; a file descriptor.

    The lock is held as long as the descriptor is open in this process or in the Snakemake that inherits it, so the
    system itself gives it up when both are gone. Jobs that outlive a killed Snakemake hold locks of their own
    (:mod:`bsrnn.runtime.locks`): the next one's wait for their end.

    Raises:
        ConfigError: a reproduction is going on here.
    """
    folder = root / ".snakemake"
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / "reproduction.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(f"a reproduction is going on in {root}: wait for it or end it") from error
    locks = folder / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        print("releasing the lock that an interrupted reproduction left behind", flush=True)
        subprocess.run([sys.executable, "-m", "snakemake", "--unlock", "--quiet", "all"], cwd=root, check=True)
    return descriptor


def reproduce(options: argparse.Namespace) -> int:
    """Run the workflow of one profile with the options of :func:`main`; Snakemake's exit status.

    Raises:
        ConfigError: unknown profile, a device that is not here, or a reproduction that is going on.
    """
    from bsrnn.study import runs

    runs.grid(options.profile)  # an unknown profile is named here, in one line, and not by a traceback of Snakemake's
    if options.device.startswith("cuda") and not options.cluster:  # a queue's machines may have what this one lacks
        _require_gpus(options.processes, options.dry_run)
    root = paths.root()
    lock = alone_in(root)
    last = ["--until", options.until] if options.until else []
    # here a GPU is a resource like another: runs take turns
    where = ["--cores", options.cores, "--resources", f"gpu={options.processes}"]
    if options.cluster:  # jobs go to its queue, whatever cores there are here
        where = ["--profile", options.cluster]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        *where,
        "--config",
        f"profile={options.profile}",
        f"device={options.device}",
        f"processes={options.processes}",
        *last,
        "--rerun-triggers",
        "mtime",
        "params",
        "--rerun-incomplete",
        "--keep-going",
        "--quiet",
        "host",
        "reason",
    ]
    # the programs of this environment are found also where it was not activated
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    environment = {**os.environ, "PATH": path, "BSRNN_ROOT": str(root)}
    process = subprocess.Popen(command + ["--dry-run"] * options.dry_run, cwd=root, env=environment, pass_fds=[lock])
    os.close(lock)  # Snakemake holds it from here on
    # Ctrl-C reaches Snakemake by itself; either way it ends its jobs first, and we end after it.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def _require_gpus(processes: int, dry_run: bool) -> None:
    """ConfigError where this machine has too few GPUs; a dry run only says so."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count >= processes:
        return
    lack = f"got --device cuda and {processes} process(es): this machine has {count} GPU(s) that torch can use"
    if not dry_run:
        raise ConfigError(f"{lack}; take --device cpu, or --cluster clusters/slurm for machines that have them")
    terminal.note(f"{lack}; the plan holds, but it cannot be carried out here")


def say_result(profile: str, seconds: float) -> None:
    """The end of `make reproduce`: the result table, and where the book lies."""
    from bsrnn.report import manifest

    print(f"\n{manifest.result_table(profile)}\n")
    print(
        f"Profile {profile}, after {seconds / 60:.1f} minutes. All tables: {paths.shown(paths.results(profile))}/tables"
    )
    print(f"The book: {paths.root() / '_build' / 'html' / 'index.html'}")


def _cores(text: str) -> str:
    return text if text == "all" else str(whole(1)(text))


def main(arguments: list[str] | None = None) -> int:
    """Command line of `make reproduce`."""
    parser = Parser(prog="python -m bsrnn.workflow.reproduce", description="Reproduce everything of a profile.")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--cores", type=_cores, default="all", help="how many cores to use, or all")
    parser.add_argument("--device", type=device_name, default="cpu", help="what trains and scores: cpu or cuda")
    parser.add_argument("--processes", type=whole(1, 1024), default=1, help="that train one model together, a GPU each")
    parser.add_argument("--cluster", help="folder of a Snakemake profile: clusters/slurm")
    parser.add_argument(
        "--until", choices=("data", "run", "artifacts", "notebook", "book"), help="stop after this rule"
    )
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="go through every run of --profile paper once, two steps each at full size, on made-up "
        "songs, and say how long it will take",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with terminal.Command("error", "what is done is kept, and the same command goes on from there") as command:
        if options.rehearse:
            from bsrnn.workflow import rehearsal

            options.profile = rehearsal.prepare(options.profile)
        command.code = reproduce(options)
        if command.code:
            terminal.say("error", "not finished; what is done is kept, and the same command goes on from there")
        elif options.rehearse and not options.dry_run:
            print(rehearsal.report(options.device, options.processes))
        elif not options.dry_run and not options.until:
            say_result(options.profile, time.monotonic() - started)
    return command.code


if __name__ == "__main__":
    sys.exit(main())
