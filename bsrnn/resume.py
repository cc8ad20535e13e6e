"""Where a training is, on disk: it goes on from there bit for bit as if it had not stopped.

One safetensors file holds weights, moments, the average of the weights, the source's tensors and, as its metadata, all
else. Items follow from the seed and their number, so that there is no random state to keep.
"""

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch.optim.swa_utils import AveragedModel

from bsrnn import checkpoint
from bsrnn.errors import DataError
from bsrnn.models.base import Separator
from bsrnn.runtime import distributed
from bsrnn.runtime.files import remove_leftovers
from bsrnn.runtime.system_errors import reading, writing
from bsrnn.runtime.terminal import say

DIGITS = 12  # of a resume file's name: how many items were learnt from
OURS = re.compile(rf"\d{{{DIGITS}}}\.safetensors")
RESUME_FILES = 2  # kept: should the newest be truncated, the one before is used


@dataclass
class Progress:
    """Where a training is: with the weights and the optimiser's moments, all that resuming needs."""

    items: int = 0
    best: float | None = None  # mean validation uSDR in dB of the weights that are kept: the highest, or the last
    best_items: int = 0
    worse: int = 0  # validations since
    loss_sum: float = 0.0  # since the last validation
    steps: int = 0  # likewise
    bad_steps: int = 0  # consecutive, non-finite
    skipped: int = 0  # in all
    seconds: float = 0.0
    first_losses: list[float | None] = field(default_factory=list)  # of the first steps; None: not finite
    history: list[dict] = field(default_factory=list)
    # "asked": TrainConfig.precision; "got": what this machine has of it; "began": what the first steps were in, where
    # that was on a machine with another
    arithmetic: dict[str, str] = field(default_factory=dict)


def save(
    out: Path, model: Separator, optimiser, source, progress: Progress, average: AveragedModel | None = None
) -> None:
    """Write a resume file, and remove the oldest. ``average``: of the weights, where one is kept."""
    moments = {
        f"optimiser.{name}.{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }
    extra, values = source.state()
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()} | moments
    tensors |= {f"source.{name}": value for name, value in extra.items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()} if average else {}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    path = out / "resume" / f"{progress.items:0{DIGITS}d}.safetensors"
    checkpoint.write_tensors(path, tensors, {"progress": asdict(progress), "source": values})
    for old in files(out)[:-RESUME_FILES]:
        with writing(old, "cannot be removed"):
            old.unlink()


def files(out: Path) -> list[Path]:
    """The resume files of the training in a folder, the oldest first; whatever else lies beside them is not ours."""
    return sorted(path for path in (out / "resume").glob("*.safetensors") if OURS.fullmatch(path.name))


def remove(out: Path) -> None:
    """Remove the resume files of a finished training, and their folder, where nothing else lies in it."""
    with suppress(OSError):  # the training is whole, with or without them
        remove_leftovers(out / "resume")
        for path in files(out):
            path.unlink()
        (out / "resume").rmdir()


def restore(out: Path, model: Separator, optimiser, source, average: AveragedModel | None = None) -> Progress | None:
    """Put all of them where the newest whole file says, in every process; None: there is none."""
    data = distributed.copy_bytes(_newest(out) if distributed.rank() == 0 else None)
    if data is None:
        return None
    tensors, state = checkpoint.parse_tensors(data)
    parts = {
        prefix: {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        for prefix in ("model.", "optimiser.", "source.", "average.")
    }
    model.load_state_dict(parts["model."])
    for name, parameter in model.named_parameters():
        if f"{name}.step" in parts["optimiser."]:
            moments = {key: parts["optimiser."][f"{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            optimiser.state[parameter] = {key: value.to(parameter.device) for key, value in moments.items()}
    source.restore(parts["source."], state["source"])
    if average:
        average.load_state_dict(parts["average."])
    return Progress(**state["progress"])


def peek(out: Path) -> Progress | None:
    """Where an unfinished training is, by the newest whole file's header alone; None: it has saved nothing yet.

    It may be running: nothing is locked, and no tensor is read.
    """
    for path in reversed(files(out)):
        try:
            with safe_open(path, "numpy") as file:
                state = (file.metadata() or {}).get("state")
        except (SafetensorError, OSError):  # replaced by a newer one, or cut off
            continue
        if state is not None:
            return Progress(**json.loads(state)["progress"])
    return None


def _newest(out: Path) -> bytes | None:
    """The newest whole resume file."""
    for path in reversed(files(out)):
        with reading(path, "the state of a training"):
            data = path.read_bytes()
        try:
            checkpoint.parse_tensors(data)
        except DataError as error:
            say("passed over", f"{path}: {error}; going on from the one before it")
            continue
        return data
    return None
