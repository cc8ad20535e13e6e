"""The arithmetic that this machine is fast in: bfloat16 where there are instructions for it, else float32.

Source: ours. The figures are in the book's chapter "What it costs", measured by benchmarks/.
"""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from bsrnn.runtime.terminal import say

# Times that a small LSTM takes in bfloat16 over float32: 0.6 (AMD EPYC) and 1.5 (Intel Xeon) measured where there are
# instructions for it (training may be faster), 2.3 and 4 with AVX-512 without them, 8 with AVX2
EMULATED = 1.9
SMALL, LARGE = 64, 128  # features of the LSTMs that are timed; LARGE: the paper's


def fast_dtype(device: str | torch.device = "cpu") -> str:
    """``"bfloat16"`` where the processor or GPU has instructions for it that torch uses, else ``"float32"``.

    On others bfloat16 is emulated and slower, and a CPU may not train in it at all. Torch is asked, in words and by
    trying: it may be held to fewer instructions than the processor has (``ONEDNN_MAX_CPU_ISA``).
    """
    if torch.device(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    has = any(value for name, value in torch.cpu.get_capabilities().items() if "bf16" in name)
    return "bfloat16" if has and trains_in_bfloat16() and bfloat16_cost() < EMULATED else "float32"


def separating_dtype(device: str | torch.device = "cpu") -> str:
    """The arithmetic that separates sooner here, for whoever asks for none: bfloat16 has to be the faster one.

    Instructions alone do not make it so. Measured at the paper's size: on an AMD EPYC bfloat16 takes 0.55 times as long
    as float32, on an Intel Xeon without AMX 1.6 times.
    """
    dtype = fast_dtype(device)
    if dtype == "float32" or torch.device(device).type == "cuda":
        return dtype
    return dtype if bfloat16_cost(LARGE) < 1 else "float32"


def usable_dtype(asked: str, device: str | torch.device = "cpu") -> str:
    """``asked``, but "float32" for a "bfloat16" that is not fast here: then a line on standard error says so."""
    if asked != "bfloat16" or fast_dtype(device) == asked:
        return asked
    say_emulated(device)
    return "float32"


def say_emulated(device: str | torch.device = "cpu") -> None:
    """One line on standard error: bfloat16 would be emulated, what that would cost, and what is done instead."""
    cost = "" if torch.device(device).type == "cuda" else f" and take {bfloat16_cost():.0f} times as long as float32"
    say("note", f"bfloat16 would be emulated on this machine{cost}: computing in float32 instead")


@cache
def trains_in_bfloat16() -> bool:
    """Whether torch can compute an LSTM forward and backward in bfloat16 on this CPU; tried on a tiny one.

    oneDNN does so on some processors alone, and says it when it is asked to compute one.
    """
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            states, _ = _lstm(8)(torch.zeros(2, 1, 8))
            states.float().sum().backward()
    except RuntimeError:
        return False
    return True


@cache
def bfloat16_cost(features: int = SMALL) -> float:
    """CPU seconds of an LSTM in bfloat16 over those in float32, without gradients; infinite if torch has none.

    The fastest of a few rounds that take turns, on one core and in this thread's own time: other work on the machine
    hardly counts.
    """
    rnn, sound = _lstm(features), torch.zeros(32, 64, features)
    half, half_sound = _lstm(features).bfloat16(), sound.bfloat16()
    seconds: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(4):
                seconds["float32"].append(_thread_seconds(lambda: rnn(sound)))
                seconds["bfloat16"].append(_thread_seconds(lambda: half(half_sound)))
    except RuntimeError:
        return float("inf")
    finally:
        torch.set_num_threads(cores)
    return min(seconds["bfloat16"]) / min(seconds["float32"])


def _lstm(features: int) -> nn.LSTM:
    """One of the model's kind; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return nn.LSTM(features, 2 * features, bidirectional=True)


def _thread_seconds(task: Callable[[], object]) -> float:
    begun = time.thread_time()
    task()
    return time.thread_time() - begun
