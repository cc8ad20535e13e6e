"""The first steps of finished trainings, computed again on the CPU and held against what their results recorded."""

from pathlib import Path

from bsrnn import checkpoint, recipes
from bsrnn.data import songs
from bsrnn.errors import DataError
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.runtime.overrides import with_values
from bsrnn.runtime.precision import fast_dtype
from bsrnn.study import needs, runs
from bsrnn.study.runs import Run
from bsrnn.train import ItemSource, first_losses, new_model

# Relative difference of a loss that is still taken for rounding (ours): one machine gives the same bits twice, another
# sums in another order. Three losses each of 62 of the claims' trainings were within 3e-4 on another processor
CLOSE = 2e-3
# of what a GPU computed, which may round its products to 10 bits, or what was bfloat16 and is float32 now: the same
# losses were within 7e-4 at the claims' learning rate, and within 7e-3 at fifteen times as much, the largest tried
ROUGHLY_CLOSE = 2e-2


def replay(profile_name: str, steps: int = 2) -> tuple[list[str], list[str]]:
    """Problems and notes, a line each, over all trainings of a profile that have a result.

    A training without recorded losses (an older result) or whose songs are not here is named in a note, not replayed;
    nothing is rendered or downloaded for it. So is a finetuning whose start's weights are not here: a clone lacks them.
    """
    problems, notes, older, elsewhere = [], [], [], []
    trained = [
        run
        for run in runs.grid(profile_name).values()
        if run.kind in ("train", "finetune") and run.result_path().is_file()
    ]
    for run in trained if steps > 0 else ():
        result = read_json(run.result_path())
        recorded = result["training"].get("first_losses", [])[:steps]
        if not recorded:
            older.append(run.id)
        elif not songs_are_here(run) or (run.start and not (run.start.weights_folder() / checkpoint.WEIGHTS).is_file()):
            elsewhere.append(run.id)
        else:
            problems += compare(run, result, recorded)
            notes.append(f"{run.id}: replayed {len(recorded)} step(s)")
    if older:
        notes.append(f"not replayed, computed before first losses were recorded: {', '.join(older)}")
    if elsewhere:
        notes.append(f"not replayed, their songs or starts are not on this machine: {', '.join(elsewhere)}")
    return problems, notes


def compare(run: Run, result: dict, recorded: list[float | None]) -> list[str]:
    """A problem, if a loss is another now, computed in what the result was where this machine has it."""
    profile, began = run.profile, began_in(result)
    dtype = fast_dtype() if began == "bfloat16" else began
    source: ItemSource
    if run.kind == "train":
        seed = result["training"].get("seed", run.seed)  # another where that training stayed silent
        model, source, config = new_model(profile.model, seed), recipes.supervised(profile, seed), profile.train
    else:
        model, teacher = (checkpoint.load(run.its_start.weights_folder()) for _ in range(2))
        unlabelled, config = recipes.unlabelled_of(profile), profile.finetune.train
        source = recipes.finetuning_items(profile, run.target, run.seed, unlabelled, teacher)
    now = first_losses(model, source, with_values(config, {"precision": dtype}), profile.loss, len(recorded))
    close = CLOSE if result["device"].startswith("CPU") and dtype == began else ROUGHLY_CLOSE
    for step, (then, again) in enumerate(zip(recorded, now, strict=True)):
        same = then is again if then is None or again is None else abs(then - again) <= close * abs(then)
        if not same:
            other = "" if dtype == began else f" in {dtype} instead of {began}"
            return [f"differs: step {step} of run {run.id} had the loss {then}, replayed{other} it has {again}"]
    return []


def began_in(result: dict) -> str:
    """What the first steps of a finished training were computed in; before that was recorded, in what was asked for."""
    if arithmetic := result["training"].get("arithmetic"):
        return arithmetic.get("began", arithmetic["got"])
    settings = result["config"]["finetune"] if result["kind"] == "finetune" else result["config"]
    return settings["train"].get("precision", "float32")


def songs_are_here(run: Run) -> bool:
    """Whether the songs that a training learns from lie on this machine."""
    data, wanted = run.profile.data, run.profile.finetune.unlabelled if run.kind == "finetune" else "none"
    if data.source == "embedded":
        splits = ["train", "train-amateurs"]
        if wanted != "none" and not data.labelled_songs:  # else the unlabelled ones are training songs
            splits.append("unlabelled-matched")
        return not needs.unrendered(data, paths.data(), splits)
    if not run.available() or not (Path(data.folder) if data.folder else paths.data() / data.source).is_dir():
        return False
    try:
        return bool(songs.load(data, "train", targets=(run.target,), sample_rate=run.profile.model.sample_rate))
    except DataError:
        return False
