"""``make bench``: measure, and write benchmarks/results.json and benchmarks/results.md.

Every ratio is measured alternately in one process and given as median and quartiles over rounds. The machine should
be otherwise idle. ``python -m benchmarks NAME...`` measures some of them and keeps the other results.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import bsrnn
from benchmarks import measure, peers, textbook_bsrnn
from bsrnn import config, metrics, paths, songs
from bsrnn.files import atomic_write, read_json, write_json
from bsrnn.separate import separate
from bsrnn.train import adam, keep_freed_memory, new_model, objective

RESULTS = Path(__file__).parent / "results.json"
RATE, SECONDS = 44100, 3
PAPER = replace(config.PAPER.model, mlp_layers=2)  # 36.4 M parameters, as the authors' code has it
BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict]] = {}


def benchmark(function: Callable) -> Callable:
    """Enter a function into the list of benchmarks under its name."""
    BENCHMARKS[function.__name__] = function
    return function


def paper_model(options, **changes) -> bsrnn.BSRNN:
    """The paper's model with random weights; a toy one with ``--toy``, for trying the script."""
    size = {"features": 8, "modules": 1} if options.toy else {}
    return new_model(replace(PAPER, **(size | changes)), 0).eval()


def in_bfloat16(model: bsrnn.BSRNN) -> bsrnn.BSRNN:
    """A copy whose RNN core runs in bfloat16, as bsrnn.load(dtype="bfloat16") gives it."""
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    copy.core.to(torch.bfloat16)
    return copy.eval()


def clip(batch: int = 1, seconds: float = SECONDS) -> torch.Tensor:
    """Noise, (B, 2, L): the time of none of these depends on what is heard."""
    return 0.1 * torch.randn(batch, 2, round(seconds * RATE), generator=torch.Generator().manual_seed(1))


@benchmark
def separation(options) -> dict:
    """3 s of stereo at the paper's size, one target: ours, the textbook's, and other systems."""
    model, mixture = paper_model(options), clip()
    half, twin = in_bfloat16(model), textbook_bsrnn.load(model)
    tasks = {
        "ours, float32": lambda: model(mixture),
        "ours, bfloat16": lambda: half(mixture),
        "textbook, float32": lambda: twin(mixture),
    }
    available = peers.separators(options.toy)
    tasks |= {name: (lambda peer=peer: peer(mixture)) for name, peer in available.items()}
    with torch.inference_mode():
        reference = twin(mixture)
        difference = {
            name: float((estimate - reference).abs().max() / reference.abs().max())
            for name, estimate in (("float32", model(mixture)), ("bfloat16", half(mixture)))
        }
        seconds = measure.alternate(tasks, options.rounds)
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        "separate_fp32_vs_textbook": measure.ratio(seconds, "textbook, float32", "ours, float32"),
        "separate_bf16_vs_textbook": measure.ratio(seconds, "textbook, float32", "ours, bfloat16"),
        "ours_fp32_vs_peers": {name: measure.ratio(seconds, name, "ours, float32") for name in available},
        "largest_relative_difference": difference,
        "peers_not_installed": peers.missing(),
    }


@benchmark
def four_stems(options) -> dict:
    """Four stems of 3 s: one model with a shared encoder in bfloat16 against four models in float32."""
    shared = in_bfloat16(paper_model(options, targets=config.TARGETS))
    single, mixture = paper_model(options), clip()
    tasks = {"shared, bfloat16": lambda: shared(mixture), "four, float32": lambda: [single(mixture) for _ in range(4)]}
    with torch.inference_mode():
        seconds = measure.alternate(tasks, options.rounds)
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        "four_stems_shared_bf16_vs_four_fp32": measure.ratio(seconds, "four, float32", "shared, bfloat16"),
    }


@benchmark
def roofline(options) -> dict:
    """FLOP/s of the RNN core against the machine's own matrix product in the same dtype."""
    model, mixture = paper_model(options), clip()
    result: dict = {"rnn_gflop": measure.rnn_flops(model.config, 2, mixture.shape[-1]) / 1e9}
    for short, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        variant = model if dtype == torch.float32 else in_bfloat16(model)
        product, product_flops = measure.gemm(dtype)
        with torch.inference_mode():
            z = model.split(model.stft(mixture).flatten(0, 1)).to(dtype)
            tasks = {"core": lambda variant=variant, z=z: variant.core(z), "gemm": product}
            tasks |= {"whole": lambda variant=variant: variant(mixture)}
            seconds = measure.alternate(tasks, options.rounds)
        core = [result["rnn_gflop"] / s for s in seconds["core"]]
        gemm = [product_flops / 1e9 / s for s in seconds["gemm"]]
        result |= {
            f"rnn_gflops_{short}": measure.spread(core),
            f"gemm_gflops_{short}": measure.spread(gemm),
            f"rnn_gemm_share_{short}": measure.spread([a / b for a, b in zip(core, gemm, strict=True)]),
            f"rnn_share_of_time_{short}": measure.spread(
                [a / b for a, b in zip(seconds["core"], seconds["whole"], strict=True)]
            ),
        }
    return result


@benchmark
def training(options) -> dict:
    """A training step at N 64, 8 modules, batch 2 x 3 s of stereo: ours against the textbook's."""
    model = paper_model(options, **({} if options.toy else {"features": 64, "modules": 8})).train()
    twin = textbook_bsrnn.load(model)
    mixture, target = clip(2), clip(2)[:, None]
    settings = replace(config.PAPER.train, learning_rate=1e-5)
    steps = {}
    for name, learner, loss in (
        ("ours", model, lambda: objective(model, mixture, target)),
        ("textbook", twin, lambda: twin.loss(mixture, target)),
    ):
        optimiser = adam(learner, settings)

        def step(learner=learner, loss=loss, optimiser=optimiser):
            optimiser.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.clip_norm)
            optimiser.step()
            return value.item()

        steps[name] = step
    keep_freed_memory()  # of both: it belongs to the process
    first = {name: step() for name, step in steps.items()}
    seconds = measure.alternate(steps, options.rounds)
    return {
        "seconds": {name: measure.spread(values) for name, values in seconds.items()},
        "train_step_vs_textbook": measure.ratio(seconds, "textbook", "ours"),
        "relative_difference_of_the_first_loss": abs(first["ours"] - first["textbook"]) / first["textbook"],
    }


@benchmark
def evaluation(options) -> dict:
    """cSDR of a 4-minute song with four targets: ours against museval, which is run once."""
    import museval

    seconds = 10 if options.toy else 240
    generator = np.random.default_rng(0)
    references = {name: 0.1 * generator.standard_normal((2, seconds * RATE)) for name in config.TARGETS}
    estimates = {name: audio + 0.05 * generator.standard_normal(audio.shape) for name, audio in references.items()}
    found = {}

    def theirs():
        stacked = [np.stack([part[name].T for name in config.TARGETS]) for part in (references, estimates)]
        sdr = museval.evaluate(*stacked, win=RATE, hop=RATE)[0]
        found["museval"] = dict(zip(config.TARGETS, np.nanmedian(sdr, axis=1), strict=True))

    def ours():
        found["ours"] = metrics.csdr(references, estimates)

    once = measure.alternate({"museval": theirs}, 1, warm_up=0)["museval"][0]
    mine = measure.alternate({"ours": ours}, options.rounds)["ours"]
    difference = max(abs(found["ours"][name] - found["museval"][name]) for name in config.TARGETS)
    return {
        "seconds": {"museval, once": once, "ours": measure.spread(mine)},
        "csdr_vs_museval": measure.spread([once / value for value in mine]),
        "largest_difference_db": float(difference),
    }


SEPARATE = """
import sys
from dataclasses import replace
from pathlib import Path
from benchmarks.__main__ import PAPER
from bsrnn.stems import separate_file
from bsrnn.train import new_model
path, out, size, dtype = sys.argv[1:]
small = replace(PAPER, features=4, modules=1)
model = new_model(PAPER if size == "paper" else small, 0).eval()
if dtype == "bfloat16":
    model.core.bfloat16()
separate_file(model, path, Path(out), hop_seconds=3.0)
"""


@benchmark
def memory(options) -> dict:
    """Peak memory of separating from disk to disk: 10 and 60 minutes with tiny weights, 10 at the paper's size."""
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
                SEPARATE, str(path), f"{folder}/out", "paper", "bfloat16"
            )
    return result


@benchmark
def bfloat16_loss(options) -> dict:
    """uSDR lost on the held-out songs of `small` by running the RNNs of the committed models in bfloat16."""
    profile = config.profile("tiny" if options.toy else "small")
    lost = {}
    for target in config.profile("small").targets:
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


def machine() -> dict:
    """What it was measured on."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def table(results: dict) -> str:
    """The ratios as Markdown."""
    lines = ["| what | median | quartiles | rounds |", "| --- | --- | --- | --- |"]
    for part in results["benchmarks"].values():
        for name, value in part.items():
            if isinstance(value, dict) and "median" in value:
                quartiles = f"{value['quartile_low']:.2f} to {value['quartile_high']:.2f}"
                lines.append(f"| `{name}` | {value['median']:.2f} | {quartiles} | {value['rounds']} |")
            elif isinstance(value, float):
                lines.append(f"| `{name}` | {value:.3g} | – | 1 |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after each benchmark, so that an interrupted run keeps what it has."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each task is timed (default: 5)")
    parser.add_argument("--toy", action="store_true", help="toy sizes, to try the script; the numbers mean nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"default: {RESULTS.relative_to(paths.root())}")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {unknown[0]!r}: expected some of {', '.join(BENCHMARKS)}")
    results = read_json(options.out) if options.out.is_file() else {"benchmarks": {}}
    for name in options.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].__doc__}", file=sys.stderr)
        results["benchmarks"][name] = BENCHMARKS[name](options) | {"machine": machine(), "toy": options.toy}
        write_json(options.out, results)
        with atomic_write(options.out.with_suffix(".md")) as temporary:
            temporary.write_text(table(results), encoding="utf-8")
    print(table(results), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
