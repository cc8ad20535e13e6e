"""The chapter on costs shows what was measured, and computes with it what it says."""

import pytest

from bsrnn.errors import MissingResult
from bsrnn.report.chapters import ch11_what_it_costs as chapter
from bsrnn.runtime import paths
from bsrnn.runtime.files import write_json
from bsrnn.study import costs, runs

MACHINE = {"processor": "a processor", "threads": 2, "gpu": None, "torch": "2.11.0", "python": "3.11.7"}


def spread(value):
    return {"median": value, "quartile_low": 0.9 * value, "quartile_high": 1.1 * value, "rounds": 5}


@pytest.fixture
def measured():
    pieces = {"RNN along time, fp32": {"gflops": 150.0, "flops_per_byte": 500.0, "milliseconds": 200.0}}
    parts = {
        "separation": {"seconds": {"slow": spread(8.0), "fast": spread(2.0)}, "slow_vs_fast": spread(4.0)},
        "training": {"seconds": {"ours": spread(8.0)}, "train_gflop": 1600.0},
        "roofline": {"gemm_gflops_fp32": spread(200.0), "gemm_gflops_bf16": spread(400.0)},
        "pieces": {"bandwidth_gb_per_second": spread(20.0), "pieces": pieces},
    }
    return {name: part | {"machine": MACHINE, "toy": False} for name, part in parts.items()}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    return tmp_path / "benchmarks" / "results.json"


def test_nothing_measured_is_said_with_the_command(here, measured):
    with pytest.raises(MissingResult, match="make bench"):
        chapter.load()
    here.parent.mkdir()
    write_json(here, {"benchmarks": measured})
    assert chapter.load() == measured
    measured["training"]["toy"] = True
    write_json(here, {"benchmarks": measured})
    with pytest.raises(MissingResult, match="make bench"):
        chapter.load()


def test_every_machine_is_named(measured):
    line = "a processor, 2 threads, no GPU, PyTorch 2.11.0, Python 3.11.7"
    assert chapter.machine(measured) == f"measured on: {line}"
    measured["training"]["machine"] = MACHINE | {"gpu": "a GPU"}
    assert chapter.machine(measured) == (
        f"measured on: {line.replace('no GPU', 'a GPU')} (training); {line} (pieces, roofline, separation)"
    )


def test_a_machine_without_bfloat16_says_what_it_has_not_and_is_drawn_without_it(measured):
    assert chapter.left_out(measured) == []
    lost = {"usdr_mean_float32": 2.5, "lost_db": 0.01, "songs": 3}
    measured["bfloat16_loss"] = {"lost_by_bfloat16": {"vocals": lost}}
    assert chapter.lost_by_bfloat16(measured).loc["vocals"].tolist() == [2.5, 0.01, 3]
    del measured["roofline"]["gemm_gflops_bf16"]
    measured["roofline"]["left_out"] = ["gemm_gflops_bf16"]
    measured["bfloat16_loss"] = {"left_out": ["lost_by_bfloat16"]}
    said = "left out, as this machine would emulate bfloat16: gemm_gflops_bf16, lost_by_bfloat16"
    assert chapter.left_out(measured) == [said]
    lost = chapter.lost_by_bfloat16(measured)
    assert lost.empty and list(lost.columns) == ["usdr_mean_float32", "lost_db", "songs"]
    [axes] = chapter.roofline(measured).axes
    assert [line.get_label() for line in axes.lines] == ["roof, fp32: 200 GFLOP/s", "RNN along time, fp32"]
    assert "rnn gflops bf16" not in chapter.ratios({"roofline": measured["roofline"]}).index


def test_tables_hold_what_was_measured(measured):
    table = chapter.ratios(measured)
    assert list(table.loc["slow against fast"]) == [4.0, pytest.approx(3.6), pytest.approx(4.4), 5]
    assert table.loc["train gflop", "median"] == 1600 and table.loc["train gflop", "rounds"] == 1
    assert list(chapter.seconds(measured["separation"]).index) == ["fast", "slow"]


def test_the_projection_is_work_over_rate(measured):
    assert chapter.training_rate(measured) == pytest.approx(200e9)
    table = chapter.projection(measured, "paper")
    work = {run.id: costs.work(run)[0] for run in runs.grid("paper").values() if run.id in table.index}
    assert {"vocals-s0", "drums-s0", "bass-s0", "other-s0"} <= set(work)
    for name, operations in work.items():
        assert table.loc[name, "days this machine"] == pytest.approx(operations / 200e9 / 86400)
        assert table.loc[name, "days at 10 TFLOP/s"] == pytest.approx(operations / 1e13 / 86400)
    assert table.loc["all", "PFLOP"] == pytest.approx(sum(work.values()) / 1e15)


def test_the_roof_is_bandwidth_then_the_best_product(measured):
    (axes,) = chapter.roofline(measured).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["RNN along time, fp32"] == [[500.0, 150.0]]
    low, corner, high = lines["roof, fp32: 200 GFLOP/s"]
    assert corner == [10.0, 200.0] and high[1] == 200.0 and low[1] == pytest.approx(20 * low[0])


def test_the_page_says_what_is_slow(measured):
    measured["separation"]["seconds"] |= {"ours, float32": spread(5.5), "textbook, float32": spread(6.75)}
    measured["roofline"] |= {"rnn_share_of_time_fp32": spread(0.96), "rnn_gemm_share_fp32": spread(0.9)}
    said = chapter.in_words(measured)
    assert "5.5 s in float32; the textbook's version takes 6.8 s" in said and "96% of the time" in said
    assert said.endswith("So the model is slow, not the program.")
    measured["roofline"]["rnn_gemm_share_fp32"] = spread(0.25)
    assert chapter.in_words(measured).endswith("25% of the machine's best matrix product.")
