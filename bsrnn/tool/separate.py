"""``bsrnn separate``: any songs in, stems out, shaped like demucs's command line.

- A file is whatever libsndfile reads; a folder stands for all such files in it and below it. Where a folder has a file
  "mixture.*" (or "mix", "master", ... beside "vocals", "drums", ...), it is one song and the files beside it are its
  stems. What is passed over is counted and named in a line, but for what lies in OUT (:mod:`bsrnn.audio.walking`).
- Stems go to OUT/MODEL/SONG/STEM.FORMAT, with the song's rate, channels and exact length.
- Models in one folder are taken together: of a stem that several of them separate, the mean of their estimates is
  written. Models that are given one by one give each stem once.
- A song is called after its file. Where OUT/MODEL/SONG holds stems of another song, or any other files of their names,
  it gets its ending (song.mp3), the folders above it (cd2/01) or a part of its hash, and a line says so. The same file
  given twice is one song. Each stem's header says whose it is (bsrnn.audio.origin): stems in a folder are no
  songs.
- A song whose stems are all there, of the same file, models and options, is not separated again, unless --again is
  given: so the same command goes on where it was interrupted.
- Songs that are not there or no audio are said before the models are loaded; then, before the first song, all is tried
  that can be: options, models, the place to write and its free space.
- A file that cannot be separated is one line on standard error, and the others go on. Exit code 0: all were separated;
  1: some or all were not; 2: options that are none; 130: interrupted. Finished files are listed on standard output.
"""

import argparse
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from bsrnn import checkpoint
from bsrnn.audio import files as audio
from bsrnn.audio import walking
from bsrnn.audio.kinds import KINDS
from bsrnn.config import SeparateConfig
from bsrnn.errors import BSRNNError, DataError
from bsrnn.models.base import Separator
from bsrnn.runtime import preflight, terminal
from bsrnn.runtime.files import remove_leftovers
from bsrnn.runtime.memory import keep_freed_memory
from bsrnn.runtime.precision import separating_dtype, usable_dtype
from bsrnn.runtime.system_errors import reading
from bsrnn.runtime.terminal import note
from bsrnn.tool import chosen_models
from bsrnn.tool import stem_provenance as provenance
from bsrnn.tool.stem_folders import Place, Places, file_identity
from bsrnn.tool.stems import Output, Separated, separate_file, stem_names

NAME = "bsrnn separate"  # with which its lines begin
SMALLEST = {"wav": 1.0, "flac": 0.3, "ogg": 0.05, "mp3": 0.05}  # least size, as a part of a wav's


@dataclass(frozen=True)
class Job:
    """One song: its file, what its folder is called, its length, and what is the same for one file by any path."""

    path: Path
    name: Path
    frames: int
    sample_rate: int
    channels: int
    identity: tuple[int, int]

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


def run(options: argparse.Namespace) -> int:
    """The command; the exit code.

    Raises:
        BSRNNError: no model, options that do not go together, no place to write: nothing could be separated at all.
    """
    jobs, failed = collect(options.songs, options.out)
    songs = len(jobs) + len(failed)
    for why in failed.values():
        say(why)
    if not jobs:
        return _end(failed, songs)
    setup = prepare(options)
    if not options.quiet:
        print(
            *chosen_models.describe(setup.models, setup.stems),
            f"recurrent core in {setup.dtype}",
            sep="\n",
            file=sys.stderr,
        )
    for model in setup.models.values():
        model.to(options.device)
    _remove_leftovers(setup.place)
    tasks, without_place = plan(jobs, setup, options)
    failed |= without_place
    for why in without_place.values():
        say(why)
    for task in tasks:
        if task.where.finished:
            say(f"{task.job.path}: already separated: {task.where.folder}; --again separates it once more")
            print(*(task.where.folder / file for file in setup.files), sep="\n")
        elif task.where.note:
            say(f"{task.job.path}: {task.where.note}")
    tasks = [task for task in tasks if not task.where.finished]
    preflight.room(setup.place, _needed_bytes([task.job for task in tasks], setup, options.jobs), "separating them")
    failed |= _separate_all(tasks, setup, options)
    return _end(failed, songs)


def _end(failed: dict[Path, str], songs: int) -> int:
    """The exit code; the last line counts and names what failed."""
    if not failed:
        return 0
    names = ", ".join(map(str, list(failed)[: walking.NAMED]))
    names += f" and {len(failed) - walking.NAMED} more" if len(failed) > walking.NAMED else ""
    say(f"{len(failed)} of {terminal.counted(songs, 'song')} could not be separated: {names}")
    return 1


def say(line: str) -> None:
    """On standard error."""
    terminal.say(NAME, line)


@dataclass(frozen=True)
class Setup:
    """What all songs of a call share: segment and hop, how and where stems are written, the models, the stems' names.

    models: by folder.
    """

    settings: SeparateConfig
    output: Output
    models: dict[Path, Separator]
    stems: list[str]
    dtype: str
    place: Path

    @property
    def files(self) -> list[str]:
        """Names of every song's files."""
        return [f"{stem}.{self.output.format}" for stem in self.stems]


def prepare(options: argparse.Namespace) -> Setup:
    """Options checked, models loaded, the place to write tried.

    Raises:
        BSRNNError: all that is wrong with these, at once.
    """
    keep_freed_memory()
    with preflight.all_at_once() as check:
        output = check(Output, options.format, options.encoding, options.clip_mode)
        settings = check(SeparateConfig, options.segment, options.hop)
        check(preflight.device, options.device)
        names = options.model or [str(name) for name in [check(chosen_models.default)] if name]
        folders = chosen_models.each_once({name: check(chosen_models.members, name) or () for name in names})
        place = options.out / chosen_models.label(dict.fromkeys(folders.values()) or names)
        check(preflight.place, place)
        dtype = "float32"
        if options.dtype != "float32" and not check.errors:  # a device that is not there cannot be asked
            device = options.device
            dtype = separating_dtype(device) if options.dtype == "auto" else usable_dtype(options.dtype, device)
        opened = {folder: check(checkpoint.load, folder, dtype) for folder in folders}
        models = {folder: model for folder, model in opened.items() if model is not None}
        if settings:
            for model in models.values():
                check(settings.samples, model.config)  # here, and not once a song
        complete = models and len(models) == len(opened)
        if complete:
            wanted = {folder: model for folder, model in models.items() if options.two_stems in model.config.targets}
            check(chosen_models.each_stem_once, wanted or models, folders)
        extra = options.two_stems, options.residual, options.add_up
        stems = check(stem_names, list(models.values()), *extra) if complete else []
    assert settings and output and stems is not None, "what failed has been raised"
    if options.two_stems:
        models = {folder: model for folder, model in models.items() if options.two_stems in model.config.targets}
    return Setup(settings, output, models, stems, dtype, place)


@dataclass(frozen=True)
class Task:
    """A song and the folder of its stems."""

    job: "Job"
    song: provenance.Song
    where: Place


def plan(jobs: list["Job"], setup: Setup, options: argparse.Namespace) -> tuple[list[Task], dict[Path, str]]:
    """Where each song's stems go and whether they are there; songs that can have no place -> why."""
    settings = {"dtype": setup.dtype, "segment": options.segment, "hop": options.hop, "two_stems": options.two_stems,
                "residual": options.residual, "output": asdict(setup.output)}  # fmt: skip
    if options.add_up:  # said only where it is so: stems made before there was this option stay valid
        settings["add_up"] = True
    made_with = provenance.made_with(list(setup.models.values()), settings)
    places = Places(setup.place, setup.files, {job.identity for job in jobs})
    tasks, failed = [], {}
    for job in jobs:
        song = provenance.Song(job.path, made_with)
        try:
            where = places.give(song, job.name, job.frames)
        except DataError as error:
            failed[job.path] = str(error)
            continue
        tasks.append(Task(job, song, replace(where, finished=where.finished and not options.again)))
    return tasks, failed


def _remove_leftovers(place: Path) -> None:
    """What killed calls have left below OUT/MODEL and no process holds any more."""
    for folder, _, _ in os.walk(place):
        if remove_leftovers(Path(folder)):
            with suppress(OSError):  # the song has finished stems, too
                os.rmdir(folder)


def _needed_bytes(jobs: list["Job"], setup: Setup, at_a_time: int) -> float:
    """On the disk, at least: the stems, and those of the songs that are at work as floats."""
    samples = sorted((job.frames * job.channels * len(setup.stems) for job in jobs), reverse=True)
    width = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}.get(setup.output.subtype or "", 2) * SMALLEST[setup.output.format]
    scratch = 4 if setup.output.waits else 0
    return width * sum(samples) + scratch * sum(samples[:at_a_time])


def collect(given: list[Path], out: Path) -> tuple[list[Job], dict[Path, str]]:
    """Songs to separate, each file once; files and folders that cannot be read -> why, in a line."""
    jobs, failed, seen = [], {}, set()
    for path in given:
        try:
            with reading(path, "audio"):
                files, closed = _below(path, out) if path.is_dir() else ([(path, Path(_song_name(path)))], {})
        except DataError as error:
            failed[path] = str(error)
            continue
        failed |= closed
        for file, name in files:
            try:
                with reading(file, "audio"):
                    header, identity = audio.info(file), file_identity(file)
            except DataError as error:
                failed[file] = str(error)
                continue
            if identity not in seen:
                seen.add(identity)
                jobs.append(Job(file, name, header.frames, header.sample_rate, header.channels, identity))
    return jobs, failed


def _song_name(path: Path) -> str:
    return path.resolve().parent.name if walking.stem_name(path.stem) == "mixture" else path.stem


def _below(folder: Path, out: Path) -> tuple[list[tuple[Path, Path]], dict[Path, str]]:
    """(file, name) of every song in a folder and below it; folders there that cannot be read -> why.

    The name keeps the folders between.

    What is passed over is noted in one line.
    """
    inside = walking.below(folder, skip=lambda path: path.resolve() == out.resolve())
    if passed_over := inside.passed_over(folder):
        note(passed_over)
    if not inside.songs and not inside.closed:
        raise DataError(f"{folder}: no song in it, expected some ({KINDS}); check the path, or name a file to separate "
                        "it whatever it is")  # fmt: skip
    songs = []
    for path in inside.songs:
        between = path.parent.relative_to(folder)
        alone = path in inside.mixtures  # named after its folder; of several mixtures, the first
        songs.append((path, (between if between.name else Path(path.resolve().parent.name)) if alone
                      else between / path.stem))  # fmt: skip
    return songs, inside.closed


class _Progress:
    """Moves the bar with one song; what :func:`bsrnn.tool.stems.separate_file` calls with the samples it has done."""

    def __init__(self, job: Job, bar: tqdm, stop: threading.Event):
        self.job, self.bar, self.stop, self.left = job, bar, stop, job.seconds

    def __call__(self, samples: int) -> None:
        if self.stop.is_set():
            raise DataError(f"{self.job.path}: interrupted")
        self._advance(samples / self.job.sample_rate)

    def give_up(self) -> None:
        """Nothing is left to do for this song."""
        self._advance(self.left)

    def _advance(self, seconds: float) -> None:
        self.left -= seconds
        self.bar.update(min(seconds, self.bar.total - self.bar.n))  # rounded, the parts may be more than the whole


def _separate(task: Task, setup: Setup, options: argparse.Namespace, bar: tqdm, stop: threading.Event) -> Separated:
    """One song; the bar goes to its end also where it fails."""
    progress = _Progress(task.job, bar, stop)
    try:
        output = replace(setup.output, comment=task.song.origin.comment())
        return separate_file(list(setup.models.values()), task.job.path, task.where.folder, settings=setup.settings,
                             two_stems=options.two_stems, residual=options.residual, adding_up=options.add_up,
                             output=output, progress=progress)  # fmt: skip
    except BSRNNError:
        progress.give_up()
        raise


def _as_done(
    tasks: list[Task], separate: Callable[[Task], Separated], pool: ThreadPoolExecutor | None
) -> Iterator[tuple[Task, Callable[[], Separated]]]:
    """Each song, and a call that gives what became of it: in turn, or in a pool side by side."""
    if pool is None:
        return ((task, partial(separate, task)) for task in tasks)
    waiting = {pool.submit(separate, task): task for task in tasks}
    return ((waiting[future], future.result) for future in as_completed(waiting))


def _separate_all(tasks: list[Task], setup: Setup, options: argparse.Namespace) -> dict[Path, str]:
    """The songs that failed -> why, which is said when it happens."""
    failed: dict[Path, str] = {}
    stop = threading.Event()
    bar = tqdm(total=sum(task.job.seconds for task in tasks), desc="separate", mininterval=0.5, dynamic_ncols=True,
               bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
               disable=options.quiet or not tasks)  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // options.jobs))
    pool = ThreadPoolExecutor(options.jobs) if options.jobs > 1 else None
    with bar, pool or nullcontext():
        try:
            separate = partial(_separate, setup=setup, options=options, bar=bar, stop=stop)
            for task, result_of in _as_done(tasks, separate, pool):
                try:
                    result = result_of()
                except BSRNNError as error:
                    failed[task.job.path] = str(error)
                    bar.write(terminal.line(NAME, str(error)), file=sys.stderr)
                    continue
                for line in notes(task.job, result):
                    bar.write(terminal.line(NAME, line), file=sys.stderr)
                bar.write("\n".join(map(str, result.files)), file=sys.stdout)
        except BaseException:
            stop.set()
            if pool:
                pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(threads)
    return failed


def notes(job: Job, result: Separated) -> list[str]:
    """What a user should know of a song that was separated."""
    lines = []
    if result.replaced:
        lines.append(f"{job.path}: {result.replaced} sample(s) not finite, taken as zero")
    if result.gain != 1:
        quieter = f"{-20 * math.log10(result.gain):.1f} dB"
        lines.append(f"{job.path}: all its stems are {quieter} quieter, so that none clips (--clip-mode, --float32)")
    return lines
