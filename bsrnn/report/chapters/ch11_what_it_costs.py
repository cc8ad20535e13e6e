"""What benchmarks/ measured, as tables and a figure for the chapter on costs; and what follows for larger trainings.

Everything comes from benchmarks/results.json, which `make bench` writes; it says itself on which machine.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from bsrnn.errors import MissingResult
from bsrnn.report import figures
from bsrnn.runtime import paths
from bsrnn.runtime.files import read_json
from bsrnn.study import costs, profiles, runs

DAY = 86400.0
HALF = 0.5
COLOURS = {"fp32": "#0072B2", "bf16": "#D55E00"}
WHY_LEFT_OUT = "as this machine would emulate bfloat16"
MARKS = {"RNN along time": "o", "RNN along bands": "s", "linear layer": "^", "normalisation": "v",
         "band split": "D", "mask estimation": "P", "STFT": "X"}  # fmt: skip


def load() -> dict[str, dict]:
    """Benchmark -> what it measured.

    Raises:
        MissingResult: there is no results.json, or it is of toy sizes.
    """
    path = paths.root() / "benchmarks" / "results.json"
    measured = read_json(path)["benchmarks"] if path.is_file() else {}
    if not measured or any(part.get("toy") for part in measured.values()):
        raise MissingResult(f"no measurements in {path.relative_to(paths.root())}: `make bench` makes them, on an idle "
                            "machine in half an hour")  # fmt: skip
    return measured


def machine(measured: Mapping[str, dict]) -> str:
    """What it was measured on, in a line; should there be several machines, each with what it measured."""
    parts: dict[str, list[str]] = {}
    for name, part in measured.items():
        m = part["machine"]
        line = f"{m['processor']}, {m['threads']} threads, {m['gpu'] or 'no GPU'}, PyTorch {m['torch']}, "
        parts.setdefault(f"{line}Python {m['python']}", []).append(_in_words(name))
    several = len(parts) > 1
    lines = [line + f" ({', '.join(sorted(names))})" * several for line, names in parts.items()]
    return "measured on: " + "; ".join(sorted(lines))


def left_out(measured: Mapping[str, dict]) -> list[str]:
    """Which numbers there are not, in a line, as the machine has no bfloat16; none where it has them all."""
    names = [name for part in measured.values() for name in part.get("left_out", ())]
    return [f"left out, {WHY_LEFT_OUT}: {', '.join(names)}"] if names else []


def lost_by_bfloat16(measured: Mapping[str, dict]) -> pd.DataFrame:
    """uSDR that bfloat16 loses, a row a model; none where the machine has none."""
    lost = measured["bfloat16_loss"].get("lost_by_bfloat16", {})
    return pd.DataFrame.from_dict(lost, "index", columns=None if lost else ["usdr_mean_float32", "lost_db", "songs"])


def in_words(measured: Mapping[str, dict]) -> str:
    """What the page finds: seconds for 3 s of stereo at the paper's size, and where they go."""
    seconds_of = {name: value["median"] for name, value in measured["separation"]["seconds"].items()}
    roof = measured["roofline"]
    share, gemm = (roof[name]["median"] for name in ("rnn_share_of_time_fp32", "rnn_gemm_share_fp32"))
    faster = f", {seconds_of['ours, bfloat16']:.1f} s in bfloat16" if "ours, bfloat16" in seconds_of else ""
    slow = "So the model is slow, not the program." if share > HALF and gemm > HALF else ""
    return (
        f"At the paper's size, 3 s of stereo take {seconds_of['ours, float32']:.1f} s in float32{faster}; the "
        f"textbook's version takes {seconds_of['textbook, float32']:.1f} s. In float32 the LSTMs have {share:.0%} of "
        f"the time, and run at {gemm:.0%} of the machine's best matrix product. {slow}"
    ).strip()


def ratios(parts: Mapping[str, dict]) -> pd.DataFrame:
    """Every measured number of some benchmarks: median, quartiles, rounds."""
    rows = {}
    for part in parts.values():
        for name, value in part.items():
            if isinstance(value, dict) and "median" in value:
                rows[_in_words(name)] = [value[key] for key in ("median", "quartile_low", "quartile_high", "rounds")]
            elif isinstance(value, float):
                rows[_in_words(name)] = [value, None, None, 1]
    return pd.DataFrame.from_dict(rows, "index", columns=["median", "lower quartile", "upper quartile", "rounds"])


def _in_words(name: str) -> str:
    """The name of a benchmark's number for a reader: "plain call bf16 against textbook"."""
    return name.replace("_vs_", " against ").replace("_", " ")


def seconds(part: Mapping[str, dict]) -> pd.DataFrame:
    """Seconds of each task of a benchmark, the fastest first."""
    rows = {name: value["median"] for name, value in part["seconds"].items()}
    return pd.DataFrame({"seconds": rows}).sort_values("seconds")


def roofline(measured: Mapping[str, dict]) -> Figure:
    """Each piece of the model under the machine's roof: its memory's bandwidth, then its best matrix product."""
    pieces, products = measured["pieces"], measured["roofline"]
    bandwidth = pieces["bandwidth_gb_per_second"]["median"]
    figure = figures.new_figure(3.6)
    axes = figure.subplots()
    figures.style(axes, "FLOPs per byte that must move", "GFLOP/s")
    low, high = 0.3, 2000.0
    for short, colour in COLOURS.items():
        if f"gemm_gflops_{short}" not in products:
            continue  # a machine without bfloat16
        roof = products[f"gemm_gflops_{short}"]["median"]
        corner = roof / bandwidth
        axes.plot([low, corner, high], [low * bandwidth, roof, roof], color=colour, linewidth=1.2,
                  linestyle="-" if short == "fp32" else "--", label=f"roof, {short}: {roof:.0f} GFLOP/s")  # fmt: skip
    for name, piece in pieces["pieces"].items():
        kind, short = name.rsplit(", ", 1)
        axes.plot(piece["flops_per_byte"], piece["gflops"], MARKS[kind], color=COLOURS[short], markersize=6,
                  fillstyle="full" if short == "fp32" else "none", linestyle="none",
                  label=f"{kind}, {short}")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.legend(fontsize=figures.SMALL_POINTS, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def training_rate(measured: Mapping[str, dict]) -> float:
    """Floating point operations a second of the measured training step."""
    part = measured["training"]
    return 1e9 * part["train_gflop"] / part["seconds"]["ours"]["median"]


def projection(measured: Mapping[str, dict], profile_name: str = "paper") -> pd.DataFrame:
    """Days that a profile's trainings take one after the other, at the measured rate and at some that a GPU may reach.

    A training that stops early takes less: this is up to ``max_items``.
    """
    rates = {"this machine": training_rate(measured)}
    rates |= {f"at {rate} TFLOP/s": rate * 1e12 for rate in (10, 50, 150)}
    base = [run for run in runs.grid(profile_name).values() if "base" in run.roles]
    rows = {}
    for run in base:
        training, _ = costs.work(run)
        rows[run.id] = {"PFLOP": training / 1e15} | {f"days {name}": training / r / DAY for name, r in rates.items()}
    table = pd.DataFrame.from_dict(rows, "index")
    table.loc["all"] = table.sum()
    return table


def steps(profile_name: str = "paper") -> str:
    """What is counted for a training, in words."""
    settings = profiles.profile(profile_name)
    items = f"{settings.train.max_items:,}".replace(",", " ")
    return f"up to {items} items of {settings.mixing.chunk_seconds:g} s a model"
