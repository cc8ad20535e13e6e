"""A fifth instrument on real recordings: "guitar" from eight songs, with a band split designed for it against V7.

``python -m bsrnn.study.guitar --data data/guitar --out results/guitar`` trains and scores what is missing; one JSON
a run,
named by a key of its settings, as :mod:`bsrnn.study.runs` does it. It is an illustration: eight songs, two artists,
small models, so that it carries no claim. :mod:`bsrnn.data.fretsonfire` makes the folder of songs.

Every song is held out once in four folds over songs (one song of each artist a fold) and once in two folds over artists
(one artist trains, the other is scored). The number of items is fixed and the last weights are scored: no song is
needed for validation, and none chooses anything.
"""

import argparse
import hashlib
import json
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bsrnn import baselines, checkpoint, config, metrics
from bsrnn.bands import widths_from_steps
from bsrnn.data import fretsonfire, songs
from bsrnn.data.songs import Song
from bsrnn.errors import DataError
from bsrnn.mixing import RandomMixes, index_sources
from bsrnn.runtime import terminal
from bsrnn.runtime.files import read_json, write_json
from bsrnn.runtime.locks import alone
from bsrnn.runtime.provenance import code_state
from bsrnn.separation import separate
from bsrnn.study import profiles
from bsrnn.train import Supervised, Trainer, new_model

TARGET = "guitar"
SONG_FOLDS = 4
EXCERPT_SECONDS = 60.0  # the middle minute of a song is scored
VERSION = 1  # raise it when the numbers change for the same settings

# Ours, from the instrument alone and fixed before any training: (upper_hz, width_hz) as in bsrnn.bands
GUITAR_STEPS = (
    (400, 50),  # the open strings' fundamentals, 82 to 330 Hz: two bins a band, the finest that 2048 samples give
    (1200, 100),  # fundamentals up to the last frets of the highest string, about 1.2 kHz
    (4000, 200),  # first harmonics and the pick's attack
    (8000, 500),  # what a guitar's loudspeaker still passes
    (16_000, 4000),  # next to nothing
)
SPLITS: dict[str, str | tuple[int, ...]] = {"v7": "v7", "guitar": tuple(widths_from_steps(GUITAR_STEPS))}

# The architecture and optimiser of the small models of this book, at a budget of about a minute and a half a model on
# one core; written out, so that a change there leaves these results as they are
PROFILE = profiles.Profile(
    name="guitar",
    data=config.DataConfig(source="folder", folder="guitar"),
    model=config.ModelConfig(targets=(TARGET,), features=16, modules=2),
    mixing=config.MixingConfig(chunk_seconds=1.5),
    train=config.TrainConfig(
        batch_items=2, learning_rate=3e-3, schedule="cosine", max_items=500, validate_items=500, patience=0,
        precision="bfloat16", loader_workers=0,
    ),
    separate=config.SeparateConfig(hop_seconds=3.0),
    targets=(TARGET,),
    carries_claims=False,
)  # fmt: skip


# ---- what is computed ----


@dataclass(frozen=True)
class Fold:
    """Which songs train and which are scored; ``kind`` is "songs" or "artists"."""

    id: str
    kind: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def artist(song: str) -> str:
    """Of "artist - song"."""
    return song.split(" - ")[0]


def folds(names: Sequence[str]) -> list[Fold]:
    """Four folds over songs, each with every fourth song of each artist held out, then a fold for each artist.

    Raises:
        DataError: fewer than two artists, or fewer than four songs of each: a fold would lack songs.
    """
    by_artist: dict[str, list[str]] = {}
    for name in sorted(names):
        by_artist.setdefault(artist(name), []).append(name)
    if len(by_artist) < 2 or min(map(len, by_artist.values())) < SONG_FOLDS:
        got = ", ".join(f"{name}: {len(own)}" for name, own in by_artist.items()) or "none"
        raise DataError(f"got songs of these artists ({got}), expected at least two artists with {SONG_FOLDS} songs "
                        'each, in folders named "artist - song"; convert both packages')  # fmt: skip
    tests = [(f"songs-{k + 1}", "songs", [own[k::SONG_FOLDS] for own in by_artist.values()]) for k in range(SONG_FOLDS)]
    tests += [(f"artist-{name.lower().replace(' ', '-')}", "artists", [own]) for name, own in by_artist.items()]
    made = []
    for fold_id, kind, parts in tests:
        test = tuple(sorted(sum(parts, [])))
        made.append(Fold(fold_id, kind, tuple(name for name in sorted(names) if name not in test), test))
    return made


@dataclass(frozen=True)
class Run:
    """A model of a fold, "v7" or "guitar"; or, with the method "baselines", what needs no network."""

    fold: Fold
    method: str
    seed: int
    digests: tuple[tuple[str, str], ...]  # of the songs, see bsrnn.data.fretsonfire
    profile: profiles.Profile = PROFILE

    @property
    def id(self) -> str:
        return f"{self.fold.id}-{self.method}" + (f"-s{self.seed}" if self.method in SPLITS else "")

    @property
    def settings(self) -> profiles.Profile:
        """The profile with this run's split."""
        split = SPLITS.get(self.method, "v7")
        return replace(self.profile, model=replace(self.profile.model, band_split=split))

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result."""
        deciding = config.settings_of(self.settings, "train", self.seed) if self.method in SPLITS else {}
        deciding |= {"version": VERSION, "method": self.method, "fold": asdict(self.fold), "songs": self.digests}
        # as runs keeps its keys: without settings of speed, and without later ones at their old behaviour
        used = config.deciding(asdict(self.profile.separate))
        deciding |= {"separate": used, "excerpt": EXCERPT_SECONDS}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]

    def path(self, out: Path) -> Path:
        """Of the result."""
        return Path(out) / f"{self.id}.{self.key}.json"


def grid(
    digests: Mapping[str, str] = fretsonfire.SONGS, seeds: Sequence[int] = (0,), profile: profiles.Profile = PROFILE
) -> list[Run]:
    """Every run, in the order of computing; as it stands, those that the book shows: no audio is needed to know them.

    Args:
        digests: song -> digest. seeds: of the trainings.
    """
    recipe = tuple(sorted(digests.items()))
    made = folds(list(digests))
    methods = {seed: (*SPLITS, "baselines") if seed == seeds[0] else tuple(SPLITS) for seed in seeds}
    return [Run(fold, method, seed, recipe, profile) for seed in seeds for fold in made for method in methods[seed]]


# ---- computing ----


@dataclass(frozen=True)
class Excerpt:
    """The middle of a song, read as if it were one (:class:`bsrnn.activity.Readable`)."""

    song: Song
    seconds: float

    @property
    def name(self) -> str:
        return self.song.name

    @property
    def sample_rate(self) -> int:
        return self.song.sample_rate

    @property
    def frames(self) -> int:
        return min(self.song.frames, round(self.seconds * self.sample_rate))

    @property
    def start(self) -> int:
        """Its first sample in the song."""
        return (self.song.frames - self.frames) // 2

    def read(self, stem: str, start: int = 0, frames: int = -1) -> np.ndarray:
        return self.song.read(stem, self.start + start, self.frames - start if frames < 0 else frames)


def compute(run: Run, found: Mapping[str, Song], out: Path) -> dict:
    """The run's result, from its JSON or by computing it; a training that was killed goes on.

    Args:
        found: every song by name. out: gets the result, and weights/ with what training leaves.
    """
    path = run.path(out)
    folder = path.parent / "weights" / path.stem
    with alone(folder.with_suffix(".lock")):
        if path.is_file():
            return read_json(path)
        train_songs, test_songs = ([found[name] for name in part] for part in (run.fold.train, run.fold.test))
        result = _describe(run)
        started = time.monotonic()
        if run.method in SPLITS:
            result["training"] = _train(run, train_songs, folder)
            model = checkpoint.load(folder)
            excerpts = tqdm([Excerpt(song, EXCERPT_SECONDS) for song in test_songs], run.id, unit="song")
            rows = [_row(excerpt, _separated(model, excerpt, run)) for excerpt in excerpts]
            result["scores"] = {"songs": rows, "summary": metrics.aggregate(rows)}
        else:
            result["scores"] = _score_baselines(run, train_songs, test_songs)
        result["seconds"] = round(time.monotonic() - started, 1)
        write_json(path, result)
    return result


def _train(run: Run, train_songs: list[Song], folder: Path) -> dict:
    """Train into ``folder`` for the whole budget; what belongs into the result."""
    settings, done = run.settings, folder / "training.json"
    if done.is_file() and (folder / checkpoint.WEIGHTS).is_file():
        return read_json(done)
    mixes = RandomMixes(index_sources(train_songs, settings.activity, (TARGET,)), (TARGET,), settings.mixing,
                        settings.train.max_items, run.seed)  # fmt: skip
    model = new_model(settings.model, run.seed)
    # one "validation" at the end, of no song: it keeps the last weights and chooses nothing
    trainer = Trainer(model, Supervised(mixes, settings.train), settings.train, settings.loss, folder=folder)
    progress = trainer.run(lambda model: 0.0, {"label": run.id, "seed": run.seed}, run.id)
    trained = {"items": progress.items, "seconds": round(progress.seconds, 1), "first_losses": progress.first_losses}
    trained |= {"loss": progress.history[-1]["loss"], "skipped": progress.skipped, "bands": len(model.widths)}
    trained |= {"arithmetic": progress.arithmetic}
    write_json(done, trained | {"parameters": model.count_parameters()})
    shutil.rmtree(folder / "resume", ignore_errors=True)
    return read_json(done)


def _separated(model, excerpt: Excerpt, run: Run) -> np.ndarray:
    return separate(model, excerpt.read("mixture"), excerpt.sample_rate, **asdict(run.profile.separate))[TARGET]


def _row(excerpt: Excerpt, estimate: np.ndarray) -> dict:
    scored = metrics.score(excerpt.read(TARGET), excerpt.read("mixture"), estimate, excerpt.sample_rate)
    return {"song": excerpt.name, "artist": artist(excerpt.name)} | scored


def _score_baselines(run: Run, train_songs: list[Song], test_songs: list[Song]) -> dict:
    """Method of bsrnn.baselines -> songs and summary."""
    rows: dict[str, list[dict]] = {method: [] for method in baselines.METHODS}
    gains = baselines.wiener_gains(train_songs, TARGET, run.profile.model)
    for excerpt in tqdm([Excerpt(song, EXCERPT_SECONDS) for song in test_songs], run.id, unit="song"):
        for method, estimate in baselines.estimates(excerpt, TARGET, gains, run.profile.model).items():
            rows[method].append(_row(excerpt, estimate))
    return {method: {"songs": part, "summary": metrics.aggregate(part)} for method, part in rows.items()}


def _describe(run: Run) -> dict:
    settings = run.settings
    parts = ("model", "activity", "mixing", "loss", "train", "separate")
    return {
        "id": run.id,
        "key": run.key,
        "method": run.method,
        "seed": run.seed,
        "fold": asdict(run.fold),
        "songs": dict(run.digests),
        "excerpt_seconds": EXCERPT_SECONDS,
        "config": {name: asdict(getattr(settings, name)) for name in parts},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "device": f"CPU ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "code": code_state(),
    }


THIRDS_HZ = tuple(round(1000 * 2 ** (k / 3), 1) for k in range(-14, 14))  # centres of third octaves, 39 Hz to 20 kHz


def spectra_path(digests: Mapping[str, str], out: Path) -> Path:
    """Of the long-term spectra of these songs."""
    deciding = json.dumps([VERSION, sorted(digests.items()), THIRDS_HZ])
    return Path(out) / f"spectra.{hashlib.sha256(deciding.encode()).hexdigest()[:12]}.json"


def spectra(found: Mapping[str, Song], digests: Mapping[str, str], out: Path) -> dict:
    """Share of each third octave in the power of guitar and rest over whole songs, in dB; from its JSON where it is."""
    path = spectra_path(digests, out)
    if path.is_file():
        return read_json(path)
    rows = []
    for name, song in tqdm(found.items(), "spectra", unit="song"):
        row = {"song": name, "artist": artist(name), "seconds": song.frames / song.sample_rate}
        rows.append(row | {"guitar_db": _thirds(song.read(TARGET)), "rest_db": _thirds(song.residual(TARGET))})
    write_json(path, {"centres_hz": THIRDS_HZ, "songs": rows})
    return read_json(path)


def _thirds(audio: np.ndarray, sample_rate: int = 44100, n_fft: int = 8192) -> list[float]:
    """(C, L) -> the power in each third octave, in dB of the whole."""
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(torch.from_numpy(audio), n_fft, n_fft // 2, window=window, return_complex=True)
    power = spectrum.abs().square().sum((0, 2), dtype=torch.float64).numpy()  # (F,)
    hz = np.arange(len(power)) * sample_rate / n_fft
    parts = [power[(hz >= c * 2 ** (-1 / 6)) & (hz < c * 2 ** (1 / 6))].sum() for c in THIRDS_HZ]
    return [round(float(10 * np.log10(part / power.sum() + 1e-12)), 2) for part in parts]


def read_folder(folder: Path) -> tuple[dict[str, Song], dict[str, str]]:
    """Songs by name, and their digests; of one without, that of its length.

    Raises:
        DataError: no such folder, or a song without a stem guitar.
    """
    found = {song.name: song for song in songs.read_songs(folder, targets=(TARGET,))}
    return found, {name: song.info.get("digest", f"{song.frames} samples") for name, song in found.items()}


def main(arguments: list[str] | None = None) -> int:
    """The command; 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser("python -m bsrnn.study.guitar", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/guitar"), help="folder of songs (default: data/guitar)")
    parser.add_argument("--out", "-o", type=Path, default=Path("results/guitar"), help="(default: results/guitar)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the trainings (default: 0)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # on models so small a second one does next to nothing
    with terminal.Command("bsrnn.study.guitar", "finished runs are kept, the same command goes on") as command:
        found, digests = read_folder(options.data)
        for name, song in found.items():
            note = {"name": name, "digest": digests[name], "seconds": song.frames / song.sample_rate}
            print(fretsonfire.check_song(note))
        spectra(found, digests, options.out)
        for run in grid(digests, options.seeds):
            summary = compute(run, found, options.out)["scores"].get("summary", {})
            print(f"{run.id}: {summary.get('usdr_mean', float('nan')):.2f} dB mean uSDR", flush=True)
    return command.code


if __name__ == "__main__":
    sys.exit(main())
