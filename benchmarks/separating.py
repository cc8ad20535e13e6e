"""Separation: its speed beside other systems, its FLOP/s, its memory, and what bfloat16 costs in dB."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import bsrnn
from benchmarks import measure, peers, textbook_bsrnn
from benchmarks.subjects import PAPER, RATE, arithmetics, clip, in_bfloat16, paper_model, without_bfloat16
from bsrnn import config
from bsrnn.data import songs
from bsrnn.runtime import paths
from bsrnn.runtime.memory import keep_freed_memory, share_one_arena
from bsrnn.runtime.precision import separating_dtype
from bsrnn.runtime.threads import in_threads, on_each_core
from bsrnn.separation import separate
from bsrnn.study import profiles
from bsrnn.train import new_model


def separation(options) -> dict:
    """3 s of stereo at the paper's size, one target: ours, the textbook's, and other systems."""
    model, mixture = paper_model(options), clip()
    twin, ours = textbook_bsrnn.load(model), {"fp32": ("float32", model)}
    if "bf16" in arithmetics():
        ours["bf16"] = ("bfloat16", in_bfloat16(model))
    tasks: dict[str, Callable] = {}
    for dtype, variant in ours.values():
        tasks[f"ours, {dtype}"] = partial(in_threads, variant, mixture)
        tasks[f"ours, {dtype}, plain call"] = partial(variant, mixture)
    tasks["textbook, float32"] = lambda: twin(mixture)
    available = peers.separators(options.toy)
    tasks |= {name: (lambda peer=peer: peer(mixture)) for name, peer in available.items()}
    keep_freed_memory()  # of all: it belongs to the process
    with torch.inference_mode():
        reference = twin(mixture)
        difference = {
            dtype: float((in_threads(variant, mixture) - reference).abs().max() / reference.abs().max())
            for dtype, variant in ours.values()
        }
        seconds = measure.alternate(tasks, options.rounds)
    ratios = {}
    for short, (dtype, _) in ours.items():
        for kind, ending in (("separate", ""), ("plain_call", ", plain call")):
            ratio = measure.ratio(seconds, "textbook, float32", f"ours, {dtype}{ending}")
            ratios[f"{kind}_{short}_vs_textbook"] = ratio
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        **ratios,
        **without_bfloat16("separate_bf16_vs_textbook", "plain_call_bf16_vs_textbook"),
        "ours_fp32_vs_peers": {name: measure.ratio(seconds, name, "ours, float32") for name in available},
        "largest_relative_difference": difference,
        "peers_not_installed": peers.missing(),
    }


def four_stems(options) -> dict:
    """Four stems of 3 s: one model with a shared encoder in bfloat16 against four models in float32."""
    if left_out := without_bfloat16("four_stems_shared_bf16_vs_four_fp32"):
        return left_out
    shared = in_bfloat16(paper_model(options, targets=config.TARGETS))
    single, mixture = paper_model(options), clip()
    tasks = {
        "shared, bfloat16": lambda: in_threads(shared, mixture),
        "four, float32": lambda: [in_threads(single, mixture) for _ in range(4)],
    }
    keep_freed_memory()
    seconds = measure.alternate(tasks, options.rounds)
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        "four_stems_shared_bf16_vs_four_fp32": measure.ratio(seconds, "four, float32", "shared, bfloat16"),
    }


SIZES = {
    "published model": profiles.SMALL.model,
    "module": replace(PAPER, modules=1),
    "toy": replace(PAPER, features=4, modules=1),
}
ONE_BY_ONE = """
import json, sys
from benchmarks.separating import one_by_one_here
size, kept, rounds = sys.argv[1:]
print(json.dumps(one_by_one_here(size, kept == "kept", int(rounds))))
"""


def one_by_one(options) -> dict:
    """Eight segments of stereo, each core's channels one by one against all at once; freed memory kept, or not."""
    result = {}
    for size in ["toy"] if options.toy else ["published model", "module"]:
        for kept in ("kept", "given back"):
            measured = measure.in_fresh_process(ONE_BY_ONE, size, kept, str(options.rounds))
            result[f"one by one, {size}, freed memory {kept}"] = json.loads(measured)
    return result


def one_by_one_here(size: str, kept: bool, rounds: int) -> dict[str, float | int]:
    """The same in this process, whose memory is asked for as the commands ask, or not at all."""
    if kept:
        share_one_arena()
        keep_freed_memory()
    model, mixture = new_model(SIZES[size], 0).eval(), clip(8)
    items = mixture.flatten(0, 1)[:, None]

    def together(part: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return model(part)

    tasks = {"together": lambda: on_each_core(together, items), "one by one": lambda: in_threads(model, mixture)}
    return measure.ratio(measure.alternate(tasks, rounds), "together", "one by one")


SEPARATE = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from benchmarks.subjects import PAPER
from bsrnn.config import SeparateConfig
from bsrnn.tool.stems import separate_file
from bsrnn.train import new_model
path, out, size, dtype = sys.argv[1:]
small = replace(PAPER, features=4, modules=1)
model = new_model(PAPER if size == "paper" else small, 0).eval()
if dtype == "bfloat16":
    model.compute_in(torch.bfloat16)
separate_file(model, path, Path(out), settings=SeparateConfig(hop_seconds=3.0))
"""


def memory(options) -> dict:
    """Peak memory of separating from disk to disk: 10 and 60 minutes with tiny weights, 10 at the paper's size.

    The last in what `bsrnn separate` takes on this machine.
    """
    import soundfile

    lengths = (1, 2) if options.toy else (10, 60)
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for minutes in lengths:
            path = Path(folder) / f"{minutes}.flac"
            minute = 0.1 * np.random.default_rng(0).standard_normal((60 * RATE, 2)).astype(np.float32)
            with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
                for _ in range(minutes):
                    file.write(minute)
            peaks[minutes] = measure.peak_memory_gb(SEPARATE, str(path), f"{folder}/out", "tiny", "float32")
        short, long = lengths
        result = {f"peak_gb_{minutes}min_tiny": peak for minutes, peak in peaks.items()}
        result[f"peak_memory_{long}min_over_{short}min"] = peaks[long] / peaks[short]
        if not options.toy:
            path = Path(folder) / f"{short}.flac"
            result["peak_gb_10min_paper_size"] = measure.peak_memory_gb(
                SEPARATE, str(path), f"{folder}/out", "paper", separating_dtype()
            )
    return result


def bfloat16_loss(options) -> dict:
    """uSDR lost on the held-out songs of `small` by running the RNNs of the committed models in bfloat16."""
    if left_out := without_bfloat16("lost_by_bfloat16"):
        return left_out
    profile = profiles.profile("tiny" if options.toy else "small")
    lost = {}
    for target in profiles.profile("small").targets:
        folder = paths.results("small") / "checkpoints" / target
        models = {dtype: bsrnn.load(folder, dtype) for dtype in ("float32", "bfloat16")}
        scores = {dtype: [] for dtype in models}
        for song in songs.load(profile.data, "test", targets=(target,)):
            mixture, reference = song.read("mixture"), song.read(target)
            for dtype, model in models.items():
                estimate = separate(model, mixture, song.sample_rate, hop_seconds=3.0)[target]
                scores[dtype].append(bsrnn.usdr(reference, estimate))
        lost[target] = {
            "usdr_mean_float32": float(np.mean(scores["float32"])),
            "lost_db": float(np.mean(scores["float32"]) - np.mean(scores["bfloat16"])),
            "songs": len(scores["float32"]),
        }
    return {"lost_by_bfloat16": lost}
