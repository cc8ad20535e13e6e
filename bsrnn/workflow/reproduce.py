"""`make reproduce`: start Snakemake on the Snakefile, then say where the book lies and what came out.

Snakemake does the work. Here is what it leaves to its user: a lock that a killed run left behind is released, unless
its run still goes on, and the end is said in a newcomer's words. The functions that the Snakefile needs stand here too.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from bsrnn.errors import BSRNNError, ConfigError
from bsrnn.runtime import paths

MARK = "BSRNN_REPRODUCTION"  # in the environment of every job: the root of its reproduction


def relative(path: Path) -> str:
    """A path as the Snakefile names it: from the root where it lies inside, absolute elsewhere (BSRNN_DATA)."""
    return str(path.relative_to(paths.root()) if path.is_relative_to(paths.root()) else path)


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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def data_stamp(profile: str) -> str:
    """File that stands for a rendered and checked data set; the embedded set's lies with its songs, goes with them."""
    from bsrnn import config
    from bsrnn.study import runs

    settings = config.profile(profile)
    recipe = json.dumps([runs.data_recipe(settings), asdict(settings.data)], sort_keys=True)
    folder = paths.results(profile)
    if settings.data.source == "embedded":
        from bsrnn.data import synthetic

        folder = synthetic.data_folder(paths.data(), settings.data)
    return relative(folder / f".ready-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")


def book_stamp(profile: str) -> str:
    """File that stands for a built book; another profile's build replaces it."""
    return f"_build/html/profile-{profile}.txt"


def release_stale_lock() -> None:
    """Release a lock in this folder whose Snakemake is gone; raise ConfigError where it still runs.

    Jobs that a killed Snakemake has left running are ended first: theirs are unfinished files to the next one, which
    makes them again. A training goes on where it was; jobs of a cluster's queue are left to it, and to their locks.
    """
    import psutil

    root = paths.root()
    locks = root / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        line = process.info["cmdline"] or []
        is_snakemake = any(Path(word).name == "snakemake" for word in line[:4])
        if is_snakemake and process.info["cwd"] == str(root) and process.pid != os.getpid():
            raise ConfigError(f"a reproduction is going on in {root} (process {process.pid}): wait for it or end it")
    if orphans := _orphans(root):
        print(f"ending {len(orphans)} process(es) that an interrupted reproduction left behind", flush=True)
        for process in orphans:
            _unless_gone(process.terminate)
        for process in psutil.wait_procs(orphans, timeout=10)[1]:
            _unless_gone(process.kill)
    print("releasing the lock that an interrupted reproduction left behind", flush=True)
    subprocess.run([sys.executable, "-m", "snakemake", "--unlock", "--quiet", "all"], cwd=root, check=True)


def _unless_gone(act: Callable[[], None]) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        act()


def _orphans(root: Path) -> list:
    """Processes of this user that a reproduction in ``root`` has started, by the mark that it gives its jobs."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):  # another user's, or gone
            continue
        if environment.get(MARK) == str(root) and "SLURM_JOB_ID" not in environment and process.pid != os.getpid():
            found.append(process)
    return found


def reproduce(profile: str, cores: str = "all", dry_run: bool = False, device: str = "cpu", processes: int = 1,
              cluster: str | None = None, until: str | None = None) -> int:
    """Run the workflow of one profile; Snakemake's exit status.

    Args:
        processes: that train one model together, a GPU each.
        cluster: a Snakemake profile, "profiles/slurm" for instance: jobs go to its queue, and ``cores`` says nothing.
        until: the last rule of the Snakefile to run, "run" for instance.
    """
    from bsrnn.study import runs

    runs.grid(profile)  # an unknown profile is named here, in one line, and not by a traceback of Snakemake's
    release_stale_lock()
    last = ["--until", until] if until else []
    # here a GPU is a resource like another: runs take turns
    where = ["--profile", cluster] if cluster else ["--cores", cores, "--resources", f"gpu={processes}"]
    command = [sys.executable, "-m", "snakemake", *where,
               "--config", f"profile={profile}", f"device={device}", f"processes={processes}", *last,
               "--rerun-triggers", "mtime", "params", "--rerun-incomplete", "--keep-going", "--quiet", "host", "reason"]
    # the programs of this environment are found also where it was not activated
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    root = str(paths.root())
    process = subprocess.Popen(command + ["--dry-run"] * dry_run, cwd=root,
                               env={**os.environ, "PATH": path, "BSRNN_ROOT": root, MARK: root})
    # Ctrl-C reaches Snakemake by itself; either way it ends its jobs first, and we end after it.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def say_result(profile: str, seconds: float) -> None:
    """The end of `make reproduce`: the result table, and where the book lies."""
    from bsrnn.report import manifest

    print(f"\n{manifest.result_table(profile)}\n")
    print(f"Profile {profile}, after {seconds / 60:.1f} minutes. All tables: {relative(paths.results(profile))}/tables")
    print(f"The book: {paths.root() / '_build' / 'html' / 'index.html'}")


def main(arguments: list[str] | None = None) -> int:
    """Command line of `make reproduce`."""
    parser = argparse.ArgumentParser(
        prog="python -m bsrnn.workflow.reproduce", description="Reproduce everything of a profile."
    )
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--cores", default="all", help="how many cores to use, or all")
    parser.add_argument("--device", default="cpu", help="what trains and scores: cpu or cuda")
    parser.add_argument("--processes", type=int, default=1, help="that train one model together, a GPU each")
    parser.add_argument("--cluster", help="folder of a Snakemake profile: profiles/slurm")
    parser.add_argument("--until", metavar="RULE", help="stop after this rule: data, run, artifacts, notebook or book")
    parser.add_argument("--rehearse", action="store_true",
                        help="go through every run of --profile paper once, two steps each at full size, on made-up "
                             "songs, and say how long it will take")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    if options.rehearse:
        from bsrnn.workflow import rehearsal

        options.profile = rehearsal.prepare(options.profile)
    try:
        status = reproduce(options.profile, options.cores, options.dry_run, options.device, options.processes,
                           options.cluster, options.until)
    except BSRNNError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if status:
        print("error: not finished; what is done is kept, and the same command goes on from there", file=sys.stderr)
    elif options.rehearse and not options.dry_run:
        print(rehearsal.report(options.device, options.processes))
    elif not options.dry_run and not options.until:
        say_result(options.profile, time.monotonic() - started)
    return status


if __name__ == "__main__":
    sys.exit(main())
