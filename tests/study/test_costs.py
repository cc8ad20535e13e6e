"""What a run takes: the count of work against torch's own, and what is asked of a queue."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from places import REPOSITORY
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bsrnn.config import ModelConfig
from bsrnn.models.bsrnn import BSRNN
from bsrnn.study import costs, profiles, runs


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()


def test_an_item_of_one_channel_is_half_of_one_of_both_and_no_other_system_has_fewer_operations():
    small = profiles.SMALL
    assert small.mixing.item_channels == "one"
    both = replace(small, mixing=replace(small.mixing, item_channels="both"))
    assert costs.item_operations(both) == 2 * costs.item_operations(small)
    ours, *others = (costs.item_operations(runs.planned("small")[f"vocals{name}-s0"].profile)
                     for name in ("", *(f"-{peer}" for peer in small.peers)))  # fmt: skip
    assert len(others) == 3 and ours < min(others)  # book/plan.md: at equal items and no less operations


@pytest.mark.parametrize(
    "changed", [{}, {"mlp_layers": 2, "targets": ("a", "b")}, {"tac_factor": 3}, {"attention_heads": 2}]
)
def test_the_count_of_operations_is_torchs_and_the_lstms_closed_form(changed):
    """torch counts products of matrices alone; those inside an LSTM are 2 * 8H (N + H) a position."""
    settings = ModelConfig(**({"band_split": "v1", "features": 8, "modules": 2} | changed))
    model = BSRNN(settings)
    seconds = 20 * 512 / 44100
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        model(torch.zeros(1, 2, 20 * 512))
    hidden, places = 2 * 8, costs.positions(settings, seconds)
    lstms = 2 * places * 2 * 2 * 2 * 4 * hidden * (8 + hidden)  # two a multiplication; modules, RNNs, directions
    counted = counter.get_total_flops()
    assert costs.forward_operations(settings, seconds) in (
        pytest.approx(counted + lstms, rel=0.02),
        pytest.approx(counted, rel=0.02),  # a torch that counts LSTMs, too
    )


def test_parameters_are_nearly_all_counted():
    settings = replace(profiles.PAPER.model, band_split="v7")
    assert costs.parameters_gb(settings) == pytest.approx(16 * 25.6e6 / 1e9, rel=0.2)


def test_trainings_took_about_what_is_estimated(monkeypatch):
    """By the committed results, of a core of a machine that did two runs and other things at a time."""
    monkeypatch.setenv("BSRNN_ROOT", str(REPOSITORY))
    for name in ("vocals-s0", "vocals-v1-s0", "vocals-items10000-s0", "drums-s2"):
        run = runs.get("small", name)
        result = runs.load(run)
        measured = result["training"]["seconds"] + result["score_seconds"]
        assert measured / 2 < costs.of_run(run).seconds < 2 * measured, name


def test_what_is_asked_follows_settings_device_and_processes():
    grid = runs.grid("paper")
    base, v1, hop = grid["vocals-s0"], grid["vocals-v1-s0"], grid["vocals-hop3-s0"]
    assert costs.of_run(v1).seconds < costs.of_run(base).seconds
    assert costs.of_run(v1).memory_gb < costs.of_run(base).memory_gb
    one, eight = costs.of_run(base, "cuda"), costs.of_run(base, "cuda", 8)
    assert one.seconds / 8 < eight.seconds < one.seconds / 7
    assert one.memory_gb == eight.memory_gb  # two items at a time on either
    assert costs.asked(base, "cuda", 8)["gpu"] == 8 and costs.asked(base)["gpu"] == 0
    assert costs.asked(hop, "cuda")["runtime"] < costs.asked(base, "cuda")["runtime"] == 2880
    whole = replace(base, profile=replace(base.profile, train=replace(base.profile.train, micro_items=0)))
    assert costs.of_run(whole, "cuda").memory_gb > 5 * one.memory_gb
    control, finetuned = grid["vocals-control-s0"], grid["vocals-finetuned-s0"]
    assert costs.of_run(finetuned).seconds > 1.2 * costs.of_run(control).seconds
    # the teacher's labels are shared out, too: a forward pass beside one and a backward one of two
    alone, together = costs.work(control)[0], costs.work(finetuned)[0]
    labels = control.profile.finetune.train.max_items * costs.forward_operations(control.profile.model, 3.0)
    assert together - alone == pytest.approx(labels)
    saved = costs.of_run(finetuned, "cuda").seconds - costs.of_run(finetuned, "cuda", 8).seconds
    assert saved == pytest.approx(together / costs.GPU_RATE * 7 / 8)


def test_the_real_recording_is_scored_alone():
    """One clip of 6 s, and not the data set's 50 songs of four minutes."""
    real = runs.planned("paper")["vocals-real-s0"]
    separating = costs.work(real)[1] / costs.CORE_RATE
    assert costs.of_run(real).seconds - separating == pytest.approx(6 / 20)


def test_an_item_of_one_channel_takes_half_of_a_stereo_one_and_validations_what_they_did():
    for name in ("vocals-s0", "drums-finetuned-s0"):
        mono = runs.grid("small")[name]
        run = replace(mono, profile=replace(mono.profile, mixing=replace(mono.profile.mixing, item_channels="both")))
        passes, train = (3, run.profile.train) if run.kind == "train" else (4, run.profile.finetune.train)
        items = train.max_items * passes * costs.forward_operations(run.profile.model, 3.0)
        assert costs.work(run)[0] - costs.work(mono)[0] == pytest.approx(items / 2)
        assert costs.work(run)[1] == costs.work(mono)[1]
        weights = costs.parameters_gb(run.profile.model)
        activations = costs.learning_gb(run) - costs.PYTHON_GB - weights
        assert costs.learning_gb(mono) - costs.PYTHON_GB - weights == pytest.approx(activations / 2)


def test_the_summary_adds_up_what_every_run_costs():
    table = pd.DataFrame(costs.summary(["paper", "previews"], processes=4)).set_index(["runs of profile", "what"])
    grid = runs.grid("paper").values()
    trained = [run for run in grid if run.kind == "train"]
    row = table.loc["paper", "trainings, scored"]
    assert row["runs"] == len(trained)
    for column, where in (("hours on one core", ("cpu", 1)), ("on one GPU", ("cuda", 1)), ("on 4 GPUs", ("cuda", 4))):
        assert row[column] == f"{sum(costs.of_run(run, *where).seconds for run in trained) / 3600:,.0f}"
    assert row["GB"] == f"{max(costs.of_run(run, 'cuda').memory_gb for run in trained):.0f}"
    assert ("previews", "finetunings, scored") not in table.index  # it has no unlabelled songs
    assert float(table.loc["previews", "weights scored again"]["on one GPU"]) < 1
