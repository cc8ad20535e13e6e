"""The first steps of finished trainings, computed again on the CPU and held against what their results recorded."""

from pathlib import Path

from bsrnn import paths, runs, songs, stages
from bsrnn.errors import DataError
from bsrnn.files import read_json
from bsrnn.runs import Run
from bsrnn.train import first_losses, new_model

# relative difference of a loss that is still taken for rounding (ours): one machine gives the same bits twice, another
# sums in another order, and a GPU may round its products to 10 bits
CLOSE = {"CPU": 2e-3, "GPU": 2e-2}


def replay(profile_name: str, steps: int = 2) -> tuple[list[str], list[str]]:
    """Problems and notes, a line each, over all trainings of a profile that have a result.

    A training without recorded losses (an older result) or whose songs are not here is named in a note, not replayed;
    nothing is rendered or downloaded for it. A finetuning starts from weights that a clone lacks: it is not replayed.
    """
    problems, notes, older, elsewhere = [], [], [], []
    trained = [run for run in runs.grid(profile_name).values() if run.kind == "train" and run.result_path().is_file()]
    for run in trained if steps > 0 else ():
        result = read_json(run.result_path())
        recorded = result["training"].get("first_losses", [])[:steps]
        if not recorded:
            older.append(run.id)
        elif not songs_are_here(run):
            elsewhere.append(run.id)
        else:
            problems += compare(run, result["device"], recorded)
            notes.append(f"{run.id}: replayed {len(recorded)} step(s)")
    if older:
        notes.append(f"not replayed, computed before first losses were recorded: {', '.join(older)}")
    if elsewhere:
        notes.append(f"not replayed, their songs are not on this machine: {', '.join(elsewhere)}")
    return problems, notes


def compare(run: Run, device: str, recorded: list[float | None]) -> list[str]:
    """A problem, if a loss is another now."""
    source = stages.supervised(run.profile, run.seed)
    now = first_losses(
        new_model(run.profile.model, run.seed), source, run.profile.train, run.profile.loss, len(recorded)
    )
    close = CLOSE["CPU" if device.startswith("CPU") else "GPU"]
    for step, (then, again) in enumerate(zip(recorded, now, strict=True)):
        same = then is again is None or None not in (then, again) and abs(then - again) <= close * abs(then)
        if not same:
            return [f"differs: step {step} of run {run.id} had the loss {then}, replayed it has {again}"]
    return []


def songs_are_here(run: Run) -> bool:
    """Whether the training songs lie on this machine."""
    data = run.profile.data
    if data.source == "embedded":
        from bsrnn.synthetic import song_folder

        return all(song_folder(paths.data(), data, "train", index).is_dir() for index in range(data.train_songs))
    root = Path(data.folder) if data.folder else paths.data() / data.source
    try:
        return root.is_dir() and bool(songs.load(data, "train", targets=(run.target,)))
    except DataError:
        return False
