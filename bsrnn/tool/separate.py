"""``bsrnn separate``: any songs in, stems out, shaped like demucs's command line.

- A file is whatever libsndfile reads; a folder stands for all such files in it and below it. Where a folder has a file
  "mixture.*", it is one song and the files beside it are its stems. Hidden files and what lies in OUT are passed over.
- Stems go to OUT/MODEL/SONG/STEM.FORMAT, with the song's rate, channels and exact length.
- A file that cannot be separated is one line on standard error, and the others go on. Exit code 0: all were separated;
  1: some or all were not; 2: options that are none; 130: interrupted. Finished files are listed on standard output.
"""

import argparse
import math
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from bsrnn import checkpoint
from bsrnn.audio import files as audio
from bsrnn.config import SeparateConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.models.bsrnn import BSRNN
from bsrnn.runtime import hub, paths
from bsrnn.runtime.speed import fast_dtype, keep_freed_memory, usable_dtype
from bsrnn.tool import cards
from bsrnn.tool.stems import CLIP_MODES, Output, Separated, separate_file, stem_names

EXAMPLES = """example: bsrnn separate song.mp3
         bsrnn separate album/ --two-stems vocals --format flac -o separated
         bsrnn separate song.wav --model models/piano --model user/model-on-the-hub --residual --float32"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options, but for --device."""
    add = command.add_argument
    add("songs", nargs="+", type=paths.place, metavar="SONG", help="audio files, or folders of them")
    add("--model", "-n", action="append", metavar="DIR_OR_HUB_ID", default=[], type=paths.expanded,
        help="folder of a model or of several, or its name on the Hugging Face Hub; may be repeated "
             "(default: the models of this project's own results)")  # fmt: skip
    left_over = command.add_mutually_exclusive_group()
    left_over.add_argument("--two-stems", metavar="STEM", help="only STEM, and no_STEM: the mixture minus it")
    left_over.add_argument("--residual", action="store_true", help="also write the mixture minus all stems")
    add("--segment", type=float, default=3.0, help="seconds the model sees at a time (default: 3)")
    add("--hop", type=float, default=1.5,
        help="seconds between segments (default: 1.5; less costs more and gains a little, see Table II)")  # fmt: skip
    add("--dtype", choices=("auto", "float32", "bfloat16"), default="auto",
        help="of the recurrent core (default: bfloat16 where the device has it, else float32; where it would be "
             "emulated, bfloat16 is refused in one line and float32 taken)")  # fmt: skip
    add("--format", choices=[suffix[1:] for suffix in audio.FORMATS], default="wav", help="default: wav")
    encoding = command.add_mutually_exclusive_group()
    encoding.add_argument("--int24", dest="encoding", action="store_const", const="int24", default="",
                          help="24 bit instead of 16 (wav, flac)")  # fmt: skip
    encoding.add_argument("--float32", dest="encoding", action="store_const", const="float32",
                          help="32 bit float (wav): stems and residual add up to the song to the last bit but one, and "
                               "nothing is clipped")  # fmt: skip
    add("--clip-mode", choices=CLIP_MODES, default="rescale",
        help="of samples beyond full scale: make all stems of the song quieter by one factor, or cut them off "
             "(default: rescale)")  # fmt: skip
    add("--jobs", "-j", type=int, default=1, help="songs at a time; each takes its own memory (default: 1)")
    add("--quiet", "-q", action="store_true", help="no progress bar, and no word about the models")


@dataclass(frozen=True)
class Job:
    """One song: its file, what its folder is called, and its length."""

    path: Path
    name: Path
    frames: int
    sample_rate: int

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


def run(options: argparse.Namespace) -> int:
    """The command; the exit code.

    Raises:
        BSRNNError: no model, options that do not go together: nothing could be separated at all.
    """
    output = Output(options.format, options.encoding, options.clip_mode)
    settings = SeparateConfig(options.segment, options.hop)
    if options.jobs < 1:
        raise ConfigError(f"got --jobs {options.jobs}: expected at least 1")
    names = list(dict.fromkeys(options.model)) or [str(default_models())]
    folders = [folder for name in names for folder in model_folders(name)]
    keep_freed_memory()
    device = options.device
    dtype = fast_dtype(device) if options.dtype == "auto" else usable_dtype(options.dtype, device)
    models = {folder: checkpoint.load(folder, dtype, device) for folder in folders}
    stem_names(list(models.values()), options.two_stems, options.residual)
    if options.two_stems:
        models = {folder: model for folder, model in models.items() if options.two_stems in model.config.targets}
    if not options.quiet:
        print(*(cards.describe(folder) for folder in models), f"recurrent core in {dtype}", sep="\n", file=sys.stderr)
    for model in models.values():
        settings.samples(model.config)  # here, and not once a song
    place = options.out / label(names)
    jobs, problems = collect(options.songs, options.out)
    for problem in problems:
        print(f"bsrnn separate: {problem}", file=sys.stderr)
    failed = len(problems) + _separate_all(jobs, list(models.values()), place, output, options)
    if failed:
        print(f"bsrnn separate: {failed} of {len(jobs) + len(problems)} songs could not be separated", file=sys.stderr)
    return 1 if failed else 0


def default_models() -> Path:
    """The models of this project's own results: in the clone around the working folder, or around this package.

    Raises:
        ConfigError: there is no clone, as after `pip install` from elsewhere, or BSRNN_ROOT names none.
    """
    clone = paths.root() if os.environ.get("BSRNN_ROOT") else paths.enclosing(Path.cwd())
    for root in (clone, paths.enclosing(paths.package())):
        if root and (folder := root / "results" / "small" / "checkpoints").is_dir():
            return folder
    raise ConfigError("no --model, and no results of this project here: expected --model DIR_OR_HUB_ID, or a clone of "
                      "the project around the working folder")  # fmt: skip


def model_folders(name: str | Path) -> list[Path]:
    """The folder of a model, the folders of all models in a folder, or the local copy of a model of the Hub.

    Raises:
        DataError: none is there.
    """
    folder = hub.locate(name)
    if (folder / checkpoint.CONFIG).is_file() or not folder.is_dir():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{checkpoint.CONFIG}"))
    return found or [folder]  # which then says what is missing


def label(names: list[str]) -> str:
    """What OUT/MODEL is called: the models' names; a folder "checkpoints" is called after the one above."""
    parts = [Path(hub.plain_name(name)).absolute() for name in names]
    return "+".join(part.parent.name if part.name == "checkpoints" else part.name for part in parts)


def collect(given: list[Path], out: Path) -> tuple[list[Job], list[str]]:
    """Songs to separate, and what is wrong with those that cannot be, as lines."""
    jobs, problems, taken = [], [], set()
    for path in given:
        try:
            files = _below(path, out) if path.is_dir() else [(path, Path(_song_name(path)))]
        except DataError as error:
            problems.append(str(error))
            continue
        for file, name in files:
            try:
                header = audio.info(file)
            except DataError as error:
                problems.append(str(error))
                continue
            if name in taken:
                problems.append(f"{file}: another song of this call is named {str(name)!r}, too; separate it by itself")
                continue
            taken.add(name)
            jobs.append(Job(file, name, header.frames, header.sample_rate))
    return jobs, problems


def _song_name(path: Path) -> str:
    return path.resolve().parent.name if path.stem == "mixture" else path.stem


def _below(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """(file, name) of every audio file in a folder and below it; the name keeps the folders in between."""
    found = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _same(here / name, out))
        files = sorted(here / name for name in names
                       if not name.startswith(".") and Path(name).suffix.lower() in audio.READABLE)  # fmt: skip
        inner = here.relative_to(folder)
        if mixture := [path for path in files if path.stem == "mixture"]:
            found += [(mixture[0], inner if inner.name else Path(_song_name(mixture[0])))]
        else:
            found += [(path, inner / path.stem) for path in files]
    if not found:
        raise DataError(f"{folder}: no audio file in it, expected some of {', '.join(audio.READABLE)}; check the path")
    return found


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _separate_all(jobs: list[Job], models: list[BSRNN], place: Path, output: Output, options) -> int:
    """How many failed."""
    stop, failed = threading.Event(), 0
    bar = tqdm(total=sum(job.seconds for job in jobs), desc="separate", mininterval=0.5, dynamic_ncols=True,
               bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
               disable=options.quiet or not jobs)  # fmt: skip

    def advance(seconds: float) -> None:
        bar.update(min(seconds, bar.total - bar.n))  # rounded, the parts may be more than the whole

    def one(job: Job) -> Separated:
        done = 0.0

        def progress(count: int) -> None:
            nonlocal done
            if stop.is_set():
                raise DataError(f"{job.path}: interrupted")
            done += count / job.sample_rate
            advance(count / job.sample_rate)

        try:
            return separate_file(models, job.path, place / job.name, segment_seconds=options.segment,
                                 hop_seconds=options.hop, two_stems=options.two_stems, residual=options.residual,
                                 output=output, progress=progress)  # fmt: skip
        except BSRNNError:
            advance(job.seconds - done)  # nothing is left to do for it
            raise

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // options.jobs))
    pool = ThreadPoolExecutor(options.jobs) if options.jobs > 1 else None
    with bar, pool or nullcontext():
        try:
            waiting = {pool.submit(one, job): job for job in jobs} if pool else {}
            for item in as_completed(waiting) if pool else jobs:
                job = waiting.get(item, item) if pool else item
                try:
                    result = item.result() if pool else one(job)
                except BSRNNError as error:
                    failed += 1
                    bar.write(f"bsrnn separate: {error}", file=sys.stderr)
                    continue
                for line in notes(job, result):
                    bar.write(f"bsrnn separate: {line}", file=sys.stderr)
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
