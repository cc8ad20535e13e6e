"""Training: the speed of a step beside the textbook's, what bfloat16 does to it, and how long it waits for data."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from benchmarks import measure, textbook_bsrnn
from benchmarks.subjects import SECONDS, clip, paper_model, without_bfloat16
from bsrnn import checkpoint, recipes
from bsrnn.config import TrainConfig
from bsrnn.loss import Objective, gradients
from bsrnn.runtime import paths
from bsrnn.runtime.memory import keep_freed_memory
from bsrnn.study import costs, profiles, runs
from bsrnn.train import adam, new_model


def training(options) -> dict:
    """A training step at N 64, 8 modules, batch 2 x 3 s of stereo: ours against the textbook's."""
    model = paper_model(options, **({} if options.toy else {"features": 64, "modules": 8})).train()
    twin = textbook_bsrnn.load(model)
    mixture, target = clip(2), clip(2)[:, None]
    settings = replace(profiles.PAPER.train, learning_rate=1e-5)
    steps = {}
    for name, learner, loss in (
        ("ours", model, lambda: gradients(Objective(model, profiles.PAPER.loss), mixture, target, profiles.PAPER.loss)),
        ("textbook", twin, lambda: _backward(twin.loss(mixture, target))),
    ):
        optimiser = adam(learner, settings)

        def step(learner=learner, loss=loss, optimiser=optimiser):
            optimiser.zero_grad(set_to_none=True)
            value = loss()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.clip_norm)
            optimiser.step()
            return value.item()

        steps[name] = step
    keep_freed_memory()  # of both: it belongs to the process
    first = {name: step() for name, step in steps.items()}
    seconds = measure.alternate(steps, options.rounds)
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        "train_gflop": 3 * 2 * costs.forward_operations(model.config, SECONDS) / 1e9,  # backward: two forward passes
        "train_step_vs_textbook": measure.ratio(seconds, "textbook", "ours"),
        "relative_difference_of_the_first_loss": abs(first["ours"] - first["textbook"]) / first["textbook"],
    }


def _backward(value: torch.Tensor) -> torch.Tensor:
    value.backward()
    return value


@torch.no_grad()
def _gradient_error(mine: torch.nn.Module, exact: torch.nn.Module) -> float:
    """Relative distance of two models' gradients, taken together."""
    pairs = list(zip(mine.parameters(), exact.parameters(), strict=True))
    off = sum((a.grad - b.grad).square().sum() for a, b in pairs)
    return float((off / sum(b.grad.square().sum() for _, b in pairs)).sqrt())


def bfloat16_training(options) -> dict:
    """A training step with autocast to bfloat16 on the CPU: its speed, and how wrong its gradients are."""
    if left_out := without_bfloat16("train_step_bf16_vs_fp32", "gradient_error_bf16"):
        return left_out
    size = {} if options.toy else {"features": 64, "modules": 8}
    models = {precision: paper_model(options, **size).train() for precision in ("float32", "bfloat16")}
    mixture, target = clip(2), clip(2)[:, None]
    loss = profiles.PAPER.loss

    def step(precision: str) -> None:
        models[precision].zero_grad(set_to_none=True)
        gradients(Objective(models[precision], loss, precision), mixture, target, loss)

    keep_freed_memory()
    seconds = measure.alternate({p: lambda p=p: step(p) for p in models}, options.rounds)
    return {
        "train_step_bf16_vs_fp32": measure.ratio(seconds, "float32", "bfloat16"),
        "gradient_error_bf16": _gradient_error(models["bfloat16"], models["float32"]),
    }


def _waiting(
    batches: Iterator, model: torch.nn.Module, settings: TrainConfig, steps: int, begin: Callable = lambda: None
) -> tuple[float, float]:
    """Share of the time that steps wait for their batch, and seconds of all; ``begin`` ends a first, uncounted step."""
    learner, optimiser = Objective(model.train(), profiles.PAPER.loss), adam(model, settings)
    waited, begun = 0.0, time.perf_counter()
    for number in range(steps + 1):
        asked = time.perf_counter()
        mixture, targets = next(batches)
        waited += time.perf_counter() - asked
        optimiser.zero_grad(set_to_none=True)
        gradients(learner, mixture, targets, profiles.PAPER.loss)
        torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.clip_norm)
        optimiser.step()
        if number == 0:
            begin()
            waited, begun = 0.0, time.perf_counter()
    seconds = time.perf_counter() - begun
    return waited / seconds, seconds


def data_loading(options) -> dict:
    """How much of a training of `small` is waiting for its batches: mixing alone, and finetuning with its teacher.

    The smallest model waits most: making an item takes as long for a large one.
    """
    grid = runs.grid("tiny" if options.toy else "small")
    run, tuned = grid["vocals-s0"], next(run for run in grid.values() if "finetuned" in run.roles)
    profile, steps = run.profile, 1 if options.toy else 48
    keep_freed_memory()
    mixes, threads = recipes.supervised(profile, 0).batches(0), torch.get_num_threads()
    torch.set_num_threads(run.threads)  # as `bsrnn run` has them; what follows is as `bsrnn finetune`, with all cores
    share, _ = _waiting(mixes, new_model(profile.model, 0), profile.train, steps)
    torch.set_num_threads(threads)
    result: dict = {"share_waiting_for_mixes": share}
    start = paths.results("small") / "checkpoints" / tuned.target
    profile = tuned.profile  # whose songs are the labelled and the unlabelled ones
    unlabelled = recipes.unlabelled_of(profile)
    source = recipes.semi_supervised(profile, tuned.target, 0, unlabelled, checkpoint.load(start))
    asked = source.ask_teacher = _Timed(source.ask_teacher)
    share, took = _waiting(source.batches(0), checkpoint.load(start), profile.finetune.train, steps, asked.reset)
    result["share_of_the_teacher"] = asked.seconds / took
    result["share_waiting_for_songs_in_finetuning"] = share - asked.seconds / took
    return result


class _Timed:
    """A function that adds up its seconds."""

    def __init__(self, function):
        self.function, self.seconds = function, 0.0

    def reset(self) -> None:
        self.seconds = 0.0

    def __call__(self, *arguments):
        begun = time.perf_counter()
        result = self.function(*arguments)
        self.seconds += time.perf_counter() - begun
        return result
