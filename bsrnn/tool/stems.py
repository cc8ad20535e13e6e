"""From a song's file to its stems' files, whatever its length, rate and channels, in memory that does not grow with it.

A file is read at the model's rate, separated, and what comes out is put back to the file's own rate, block by block.
Several models, of one target each or of more, work on one song side by side, so that what they leave over is known too.
Of a target that several of them separate, the mean of their estimates is taken: where they err apart from each other,
a part of the error cancels (a "bag of models", as Demucs has them).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bsrnn.audio.files import Reader, Writer
from bsrnn.audio.kinds import FORMATS
from bsrnn.audio.resampling import resample_blocks
from bsrnn.config import SeparateConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.models.base import Separator, as_list, targets_of
from bsrnn.runtime.files import atomic_write, temporary_beside
from bsrnn.separation import add_up, separate_blocks
from bsrnn.tool.separate_options import CLIP_MODES

ENCODINGS = {"int16": "PCM_16", "int24": "PCM_24", "float32": "FLOAT"}
SETTINGS = SeparateConfig(hop_seconds=1.5)  # as `bsrnn separate` has by default
ROOM = 0.99  # of full scale, after rescaling: a lossy encoder overshoots a little (ours)
BATCH_CHANNELS = 16  # channels of all segments that go through the model at a time
CHUNK = 1 << 18  # samples that are copied at a time


@dataclass(frozen=True)
class Output:
    """How stems are written; ConfigError for what does not go together.

    ``encoding`` "" is 16 bit for wav and flac, and the only one that ogg and mp3 have. ``clip_mode`` is about samples
    beyond full scale, which only float32 can hold: "rescale" makes all files of the song quieter by one factor, so that
    they still add up; "clamp" cuts the samples off. ``comment`` is a line of ASCII that goes into every file's header.
    """

    format: str = "wav"
    encoding: str = ""
    clip_mode: str = "rescale"
    comment: str = ""

    def __post_init__(self):
        formats = [suffix[1:] for suffix in FORMATS]
        if self.format not in formats:
            raise ConfigError(f"unknown format {self.format!r}: expected one of {', '.join(formats)}")
        if self.clip_mode not in CLIP_MODES:
            raise ConfigError(f"unknown clip mode {self.clip_mode!r}: expected one of {', '.join(CLIP_MODES)}")
        held = {"wav": tuple(ENCODINGS), "flac": ("int16", "int24")}.get(self.format, ())
        if self.encoding and self.encoding not in held:
            what = f"holds {' or '.join(held)}" if held else "has one encoding of its own"
            raise ConfigError(f"got format {self.format} as {self.encoding}: {self.format} {what}; wav holds float32")

    @property
    def waits(self) -> bool:
        """Whether a song's samples wait as floats for its peak, by which all of them are made quieter."""
        return self.clip_mode == "rescale" and self.subtype != "FLOAT"

    @property
    def subtype(self) -> str | None:
        """soundfile's name; None: the format's own."""
        return ENCODINGS[self.encoding or "int16"] if self.format in ("wav", "flac") else None


@dataclass(frozen=True)
class Separated:
    """What :func:`separate_file` did: files in the order of the stems; bad samples taken as zero; gain of all files."""

    files: tuple[Path, ...]
    replaced: int
    gain: float


def stem_names(
    models: Sequence[Separator], two_stems: str | None = None, residual: bool = False, adding_up: bool = False
) -> list[str]:
    """Names of the files that come out, without ending.

    Raises:
        ConfigError: a stem that no model gives, a name that would be there twice, or nothing that could add up.
    """
    targets = list(targets_of(models))
    if two_stems and two_stems not in targets:
        raise ConfigError(f"no model for the stem {two_stems!r}: expected one of {', '.join(targets)}")
    if adding_up and (two_stems or residual or len(targets) < 2):
        raise ConfigError(f"got {', '.join(targets)} to add up to the song: expected two stems or more, of models that "
                          "together separate all of it, and neither the residual nor one stem and its rest, which add "
                          "up by themselves")  # fmt: skip
    names = [two_stems, f"no_{two_stems}"] if two_stems else targets + ["residual"] * residual
    if len(set(names)) < len(names):
        raise ConfigError(f"the files would be {', '.join(names)}: a model's own stem is called so; ask for less")
    return names


def separate_file(  # noqa: PLR0913 -- keywords with defaults
    models: Separator | Sequence[Separator],
    path: str | Path,
    folder: str | Path,
    *,
    settings: SeparateConfig = SETTINGS,
    two_stems: str | None = None,
    residual: bool = False,
    adding_up: bool = False,
    output: Output | None = None,
    progress: Callable[[int], None] = lambda samples: None,
) -> Separated:
    """Separate an audio file into ``folder/<stem>.<format>``: files of its rate, channels and exact length.

    Args:
        models: each adds the stems of its targets; they may have different rates. Of a target that several separate
            it is the mean of their estimates.
        settings: segment and hop.
        two_stems: one stem only, and ``no_<stem>``, the mixture minus it.
        residual: also write the mixture minus all stems.
        adding_up: what all stems leave of the mixture is shared among them (:func:`bsrnn.separation.add_up`).
        output: format, encoding and what happens beyond full scale; None: 16 bit wav.
        progress: called with the number of samples that were finished since the last call.

    Files appear when all of them are whole, or not at all. Samples that are not finite are taken as zero and counted.

    Raises:
        DataError: the file cannot be read to its end, all its samples are not finite, or the format cannot hold its
            rate or channels. ConfigError: see :func:`stem_names` and :func:`bsrnn.separation.separate_blocks`.
        BSRNNError: the disk is full.
    """
    models, output = as_list(models), output or Output()
    if two_stems:
        models = [model for model in models if two_stems in model.config.targets] or models
    names = stem_names(models, two_stems, residual, adding_up)
    targets = list(targets_of(models))
    with ExitStack() as stack:
        own = stack.enter_context(Reader(path, forgiving=True))
        readers = [stack.enter_context(Reader(path, model.config.sample_rate, True)) for model in models]
        streams = [_estimates(model, reader, own, settings) for model, reader in zip(models, readers, strict=True)]
        files = tuple(Path(folder) / f"{name}.{output.format}" for name in names)
        sink = stack.enter_context(_Sink(files, own, output))
        position = 0
        for estimates in in_step(streams):  # (S, C, l)
            block = _means(estimates, models)[..., : own.frames - position]
            if not np.isfinite(block).all():
                raise DataError(f"{path}: from sample {position} on the model gave values that are not finite; try "
                                "float32 where it ran in bfloat16, or a quieter file")  # fmt: skip
            mixture = own.read(position, block.shape[-1])
            chosen = block[[targets.index(two_stems)]] if two_stems else block
            if adding_up:
                chosen = add_up(chosen, mixture)
            rest = [mixture - chosen.sum(0)] * (len(names) - len(chosen))
            sink.write([*chosen, *rest])
            position += block.shape[-1]
            progress(block.shape[-1])
        if own.replaced == own.frames * own.channels:
            raise DataError(f"{path}: none of its samples is finite, expected numbers around [-1, 1]; get it again")
        gain = sink.finish()
    return Separated(files, own.replaced, gain)


def _estimates(model: Separator, reader: Reader, own: Reader, settings: SeparateConfig) -> Iterator[np.ndarray]:
    """Blocks (S, C, l) at the file's own rate, as many samples as it has, or a few more."""
    batched = replace(settings, batch_segments=max(1, BATCH_CHANNELS // reader.channels))
    blocks = separate_blocks(model, reader.read, reader.frames, reader.channels, batched)
    return resample_blocks(blocks, reader.frames, reader.sample_rate, own.sample_rate)


def _means(estimates: np.ndarray, models: Sequence[Separator]) -> np.ndarray:
    """Of all models' estimates (S, C, l), in their order, the mean of each target."""
    stems = [target for model in models for target in model.config.targets]
    if len(stems) == len(set(stems)):
        return estimates
    return np.stack([estimates[[stem == target for stem in stems]].mean(0) for target in targets_of(models)])


def in_step(streams: Sequence[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """Streams of blocks (S, C, l) of any lengths, cut alike and put together along S; ends with the shortest."""
    waiting = [np.zeros((0, 0, 0), np.float32)] * len(streams)
    while True:
        for index, stream in enumerate(streams):
            while not waiting[index].shape[-1]:
                if (block := next(stream, None)) is None:
                    return
                waiting[index] = block
        length = min(block.shape[-1] for block in waiting)
        yield np.concatenate([block[..., :length] for block in waiting])
        waiting = [block[..., length:] for block in waiting]


class _Sink:
    """The files of one song: they get their names when all are whole; a gain that is known last is applied last."""

    def __init__(self, files: Sequence[Path], song: Reader, output: Output):
        self.files, self.song, self.output, self.peak = files, song, output, 0.0
        self.late = output.waits

    def __enter__(self) -> "_Sink":
        with ExitStack() as stack:
            stack.callback(_remove_if_empty, self.files[0].parent)
            temporaries = [stack.enter_context(atomic_write(file)) for file in self.files]
            size, output = (self.song.sample_rate, self.song.channels, self.song.frames), self.output
            self.writers = [
                stack.enter_context(Writer(path, *size, output.subtype, file, output.comment))
                for path, file in zip(temporaries, self.files, strict=True)
            ]
            if self.late:
                self.scratch = [stack.enter_context(temporary_beside(file, ".float.wav")) for file in self.files]
                self.floats = [
                    stack.enter_context(Writer(path, *size, "FLOAT", file))
                    for path, file in zip(self.scratch, self.files, strict=True)
                ]
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> bool | None:
        return self.stack.__exit__(*error)

    def write(self, stems: Sequence[np.ndarray]) -> None:
        """The next samples of every file, (C, l) each."""
        for writer, stem in zip(self.floats if self.late else self.writers, stems, strict=True):
            self.peak = max(self.peak, float(np.abs(stem).max(initial=0)))
            writer.write(stem if self.late or self.output.subtype == "FLOAT" else np.clip(stem, -1, 1))

    def finish(self) -> float:
        """Write what had to wait for the peak; the gain of all files."""
        if not self.late:
            return 1.0
        gain = ROOM / self.peak if self.peak > 1 else 1.0
        for floats, path, writer in zip(self.floats, self.scratch, self.writers, strict=True):
            floats.close()
            with Reader(path) as reader:
                for start in range(0, reader.frames, CHUNK):
                    writer.write(np.float32(gain) * reader.read(start, min(CHUNK, reader.frames - start)))
            path.unlink()
        return gain


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
