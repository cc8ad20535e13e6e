"""``make bench``: measure, and write benchmarks/results.json and benchmarks/results.md.

Every ratio is measured alternately in one process and given as median and quartiles over rounds. The machine should
be otherwise idle. ``python -m benchmarks NAME...`` measures some of them and keeps the other results.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import evaluating, rendering, rooflines, separating, training, tried
from bsrnn.report.chapters import ch11_what_it_costs
from bsrnn.runtime import paths
from bsrnn.runtime.files import atomic_write, read_json, write_json
from bsrnn.runtime.memory import share_one_arena

RESULTS = Path(__file__).parent / "results.json"
BENCHMARKS: dict[str, Callable[[argparse.Namespace], dict]] = {
    function.__name__: function
    for function in (
        separating.separation,
        separating.four_stems,
        separating.one_by_one,
        rooflines.roofline,
        rooflines.pieces,
        training.training,
        training.bfloat16_training,
        training.data_loading,
        evaluating.evaluation,
        rendering.rendering,
        tried.tried,
        separating.memory,
        separating.bfloat16_loss,
    )
}


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
    """The ratios as Markdown, and what this machine has not."""
    lines = ["| what | median | quartiles | rounds |", "| --- | --- | --- | --- |"]
    for part in results["benchmarks"].values():
        for name, value in part.items():
            if isinstance(value, dict) and "median" in value:
                quartiles = f"{value['quartile_low']:.2f} to {value['quartile_high']:.2f}"
                lines.append(f"| `{name}` | {value['median']:.2f} | {quartiles} | {value['rounds']} |")
            elif isinstance(value, float):
                lines.append(f"| `{name}` | {value:.3g} | – | 1 |")
    for left_out in ch11_what_it_costs.left_out(results["benchmarks"]):
        lines += ["", left_out]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write after each benchmark, so that an interrupted run keeps what it has."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each task is timed (default: 5)")
    parser.add_argument("--toy", action="store_true", help="toy sizes, to try the script; the numbers mean nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"default: {RESULTS.relative_to(paths.root())}")
    options = parser.parse_args(arguments)
    share_one_arena()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {unknown[0]!r}: expected some of {', '.join(BENCHMARKS)}")
    results = read_json(options.out) if options.out.is_file() else {"benchmarks": {}}
    for name in options.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].__doc__.splitlines()[0]}", file=sys.stderr)
        measured = BENCHMARKS[name](options)
        if keys := measured.get("left_out"):
            print(f"{name}: left out, {ch11_what_it_costs.WHY_LEFT_OUT}: {', '.join(keys)}", file=sys.stderr)
        results["benchmarks"][name] = measured | {"machine": machine(), "toy": options.toy}
        write_json(options.out, results)
        with atomic_write(options.out.with_suffix(".md")) as temporary:
            temporary.write_text(table(results), encoding="utf-8")
    print(table(results), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
