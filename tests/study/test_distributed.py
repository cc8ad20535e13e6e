"""Several processes for one training: two real ones over gloo against one, and the rules around them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from places import PYTHONPATH, REPOSITORY

from bsrnn import checkpoint, recipes
from bsrnn.audio.files import write
from bsrnn.config import (
    DataConfig,
    FinetuneConfig,
    LossConfig,
    MixingConfig,
    ModelConfig,
    SeparateConfig,
    TrainConfig,
)
from bsrnn.data.songs import read_mixtures
from bsrnn.errors import ConfigError
from bsrnn.loss import Objective, gradients, objective
from bsrnn.runtime import distributed
from bsrnn.runtime.files import read_json
from bsrnn.study.profiles import Profile
from bsrnn.train import ItemSource, new_model

RATE = 44100
MODEL = ModelConfig(targets=("low",), band_split=(8, 16, 233), n_fft=512, hop_samples=256, features=4, modules=1)
TRAIN = TrainConfig(batch_items=4, schedule="cosine", max_items=16, validate_items=8, patience=0, loader_workers=0)


def profile(folder, **train):
    return Profile(
        "tests",
        data=DataConfig(source="folder", folder=str(folder)),
        model=MODEL,
        train=replace(TRAIN, **train),
        mixing=MixingConfig(chunk_seconds=0.5),
        targets=("low",),
        validate=SeparateConfig(segment_seconds=1.0, hop_seconds=1.0),
        finetune=FinetuneConfig(train=TRAIN, teacher_batch=8),
    )


def recipe(songs):
    """Items of one channel, equal weights of spectrum and waveform, averaged weights."""
    one, unit = MixingConfig(chunk_seconds=0.5, item_channels="one"), LossConfig(stft_scale="unit")
    return replace(profile(songs, ema_decay=0.5), mixing=one, loss=unit)


def finetune(songs, start, folder):
    """Two groups of two batches, the teacher replaced between them if the student is better; their training.json."""
    music = read_mixtures(songs.parent / "music")
    return recipes.finetune_model(profile(songs), 0, recipes.Teaching("low", start, music), folder)


def labels(songs):
    """Batches of a finetuning by name, and how many chunks this process's teacher has separated at a time."""
    music = read_mixtures(songs.parent / "music")
    source, seen = recipes.finetuning_items(profile(songs), "low", 0, music, new_model(MODEL, 0)), []
    real = source._separated
    source._separated = lambda mixtures: seen.append(len(mixtures)) or real(mixtures)
    made = {}
    for number, (mixture, targets) in enumerate(source.batches(0)):
        made |= {f"mixture{number}": mixture, f"targets{number}": targets}
    return made, seen


def killed_after(steps, end):
    """Run ``end`` in place of the loss once so many pieces are done; a resume file after each step before."""
    patch, done = pytest.MonkeyPatch(), []
    patch.setattr("bsrnn.train.SAVE_SECONDS", -1)

    def failing(*arguments, **named):
        done.append(1)
        return end() if len(done) > steps else objective(*arguments, **named)

    patch.setattr("bsrnn.loss.objective", failing)


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 2, 4000, generator=generator), torch.randn(4, 1, 2, 4000, generator=generator)


class Whole(ItemSource):
    """A source that cannot make a share by itself, as finetuning's pools: it takes its slice of the whole."""

    def __init__(self, inner):
        self.inner = inner

    def batches(self, first_item):
        return self.inner.batches(first_item)


# ---- what each of two processes does ----


def worker(folder: Path, songs: Path) -> None:
    with distributed.started("cpu"):
        rank = distributed.rank()
        for reduction in ("mean", "sum"):
            for micro in (0, 1):
                learner = distributed.wrap(Objective(new_model(MODEL, rank), LossConfig(reduction=reduction)))
                if rank == 0:  # DDP gives every process the weights of the first
                    learner.module.model.load_state_dict(new_model(MODEL, 0).state_dict())
                learner = distributed.wrap(learner.module)
                part = distributed.share(4)
                mixture, targets = (tensor[part] for tensor in batch())
                value = gradients(learner, mixture, targets, LossConfig(reduction=reduction), micro)
                found = {name: p.grad for name, p in learner.module.model.named_parameters()} | {"value": value}
                checkpoint.write_tensors(folder / f"{reduction}-{micro}-{rank}.safetensors", found)
        assert distributed.copy_bytes(b"ab\0c" if rank == 0 else None) == b"ab\0c"
        assert distributed.copy_bytes(b"" if rank == 0 else None) == b""
        assert distributed.copy_bytes(None) is None
        assert distributed.agree(rank == 0) and not distributed.agree(rank == 1)
        assert distributed.all_agree(True) and not distributed.all_agree(rank == 0)
        assert distributed.gather(torch.tensor([rank])).tolist() == [0, 1]
        with pytest.raises(ConfigError, match="a batch of 3 items cannot be shared equally by 2 processes"):
            distributed.share(3)
        writes, real = [], os.replace
        os.replace = lambda source, target: writes.append(str(target)) or real(source, target)
        for name in ("pair", "resumed"):
            trained = recipes.train_model(profile(songs), 0, folder / name)
            assert trained["items"] == 16
        recipes.train_model(recipe(songs), 0, folder / "recipe")
        real_source = recipes.Supervised
        recipes.Supervised = lambda *arguments: Whole(real_source(*arguments))
        recipes.train_model(profile(songs), 0, folder / "whole-batches")
        made, seen = labels(songs)
        assert seen == [4, 4]  # of groups of eight
        finetune(songs, folder / "start", folder / "finetuned")
        five, asked = torch.arange(5.0)[:, None], []
        doubled = distributed.by_shares(
            lambda items: asked.append(len(items)) or torch.stack([items, 2 * items], 1), five
        )
        assert asked == [3] and torch.equal(doubled, torch.stack([five, 2 * five], 1))
        assert distributed.by_shares(lambda items: items + 1, five[:1]).tolist() == [[1.0]]
        assert distributed.by_shares(lambda items: items, five[:0]).shape == (0, 1)
        assert bool(writes) == (rank == 0)
        checkpoint.write_tensors(folder / f"labels-{rank}.safetensors", made)
        (folder / f"reached-{rank}").touch()
        killed_after(3, lambda: os.kill(os.getpid(), signal.SIGKILL))
        recipes.train_model(profile(songs), 0, folder / "begun")


if __name__ == "__main__":
    worker(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.exit()


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Seven songs of 7 s, of which three validate: noise below and above; and beside them music without stems."""
    root = tmp_path_factory.mktemp("sounds") / "songs"
    for split, count in (("train", 4), ("valid", 3)):
        for index in range(count):
            noise = np.random.default_rng(index).standard_normal((2, 2, 7 * RATE)) * 0.1
            for stem, sign, sound in (("low", 1, noise[0]), ("high", -1, noise[1])):
                audio = (sound + sign * np.roll(sound, 1, axis=1)).astype(np.float32)
                write(root / split / f"song{index}" / f"{stem}.wav", audio, RATE)
    for index in range(3):
        noise = np.random.default_rng(10 + index).standard_normal((2, 8 * RATE)).astype(np.float32)
        write(root.parent / "music" / f"music{index}.wav", 0.1 * noise, RATE)
    return root


class Killed(Exception):
    """Stands for the process's end."""


def cut_off(songs, folder, steps):
    """A training in one process that ends after so many steps, with a resume file after each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bsrnn.train.SAVE_SECONDS", -1)
        done = []

        def failing(*arguments, **named):
            done.append(1)
            if len(done) > 2 * steps:  # two pieces a step
                raise Killed
            return objective(*arguments, **named)

        patch.setattr("bsrnn.loss.objective", failing)
        with pytest.raises(Killed):
            recipes.train_model(profile(songs), 0, folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory, songs):
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("pair")
    cut_off(songs, folder / "resumed", steps=3)
    checkpoint.save(new_model(MODEL, 0), folder / "start")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), str(songs)],
            env=os.environ | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": PYTHONPATH},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=200)[1] for process in processes]
    finally:  # where one has failed the other waits for it
        for process in processes:
            process.kill()
            process.communicate()
    reached = all((folder / f"reached-{rank}").exists() for rank in range(2))
    assert reached and all(process.returncode == -signal.SIGKILL for process in processes), "\n".join(errors)
    return folder


@pytest.mark.parametrize("micro", [0, 1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_two_processes_with_two_items_each_have_the_gradients_of_one_with_four(pair, reduction, micro):
    loss, model = LossConfig(reduction=reduction), new_model(MODEL, 0)
    value = objective(model, *batch(), loss)
    value.backward()
    scale = max(p.grad.abs().max().item() for p in model.parameters())
    for rank in (0, 1):
        found = checkpoint.read_tensors(pair / f"{reduction}-{micro}-{rank}.safetensors")
        torch.testing.assert_close(found.pop("value"), value.detach(), rtol=1e-5, atol=0)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-5 * max(1.0, scale))


@pytest.mark.parametrize("micro", [1, 2, 3, 4, 5])
def test_pieces_of_a_batch_give_its_gradients(micro):
    expected, model = new_model(MODEL, 0), new_model(MODEL, 0)
    value = objective(expected, *batch())
    value.backward()
    got = gradients(Objective(model, LossConfig()), *batch(), LossConfig(), micro)
    torch.testing.assert_close(got, value.detach())
    for one, other in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
    if micro >= 4:  # one piece is the very same computation
        assert all(torch.equal(p.grad, q.grad) for p, q in zip(model.parameters(), expected.parameters(), strict=True))


@pytest.fixture(scope="module")
def alone(tmp_path_factory, songs):
    """What one process has written."""
    folder = tmp_path_factory.mktemp("alone")
    recipes.train_model(profile(songs), 0, folder)
    return folder


def test_two_processes_train_as_one_does_wherever_they_begin(pair, alone):
    """The same items in the same order: losses and validations differ by rounding, from the first step and resumed."""
    unbroken = read_json(alone / "training.json")
    assert len(unbroken["history"]) == 2 and len(unbroken["first_losses"]) == 3
    for name in ("pair", "resumed", "whole-batches"):
        trained = read_json(pair / name / "training.json")
        np.testing.assert_allclose(trained["first_losses"], unbroken["first_losses"], rtol=1e-4)
        for one, other in zip(trained["history"], unbroken["history"], strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
            assert one["valid_usdr"] == pytest.approx(other["valid_usdr"], abs=0.02)
        assert not (pair / name / "resume").exists()
    shares, slices = (checkpoint.read_tensors(pair / name / "model.safetensors") for name in ("pair", "whole-batches"))
    assert all(torch.equal(shares[name], slices[name]) for name in shares)


def test_two_processes_average_their_weights_as_one_does(pair, songs, alone, tmp_path):
    recipes.train_model(recipe(songs), 0, tmp_path / "alone")
    assert weights_apart(tmp_path / "alone", pair / "recipe") <= 1e-5
    assert weights_apart(tmp_path / "alone", alone) > 1e-3


def weights_apart(one, other):
    """Largest difference of two models' weights."""
    first, second = (checkpoint.read_tensors(folder / "model.safetensors") for folder in (one, other))
    return max((first[name] - second[name]).abs().max().item() for name in first)


def test_a_killed_training_goes_on_with_another_number_of_processes_to_the_same_weights(pair, songs, alone, tmp_path):
    """Three of four steps by two processes that are killed, then one alone, and the reverse.

    To 1e-5, a hundredth of a step at a learning rate of 1e-3: Adam divides by a gradient's size, so that the rounding
    of a tiny one may show. The weights have moved by more than two steps since the start.
    """
    begun = shutil.copytree(pair / "begun", tmp_path / "begun")
    assert [int(path.stem) for path in sorted((begun / "resume").glob("*.safetensors"))] == [8, 12]
    assert not (begun / "training.json").exists()
    trained = recipes.train_model(profile(songs), 0, begun)
    assert (trained["items"], len(trained["history"])) == (16, 2)
    for folder in (begun, pair / "resumed", pair / "pair"):
        assert weights_apart(alone, folder) <= 1e-5
    assert weights_apart(alone, pair / "start") > 2e-3


def test_the_teachers_labels_are_shared_out_and_the_same_in_all_processes(pair, songs):
    """Each process separates half of the chunks; batches agree to the bit, and with one process's to rounding."""
    alone, seen = labels(songs)
    assert seen == [8, 8] and len(alone) == 8
    one, other = (checkpoint.read_tensors(pair / f"labels-{rank}.safetensors") for rank in range(2))
    for name, expected in alone.items():
        assert torch.equal(one[name], other[name])
        torch.testing.assert_close(one[name], expected, rtol=0, atol=1e-6)


def test_two_processes_finetune_as_one_does(pair, songs, tmp_path):
    """The same decisions, and weights that differ by rounding alone."""
    alone = finetune(songs, pair / "start", tmp_path / "alone")
    together = read_json(pair / "finetuned" / "training.json")
    assert [entry["teacher"] for entry in alone["history"]] == [0, 1]
    for one, other in zip(together["history"], alone["history"], strict=True):
        for key in ("counts", "teacher", "teacher_replaced"):
            assert one[key] == other[key]
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    assert weights_apart(tmp_path / "alone", pair / "finetuned") <= 5e-5  # a twentieth of a step


def test_a_training_of_two_processes_goes_on_in_one(pair, songs, tmp_path):
    """What rank 0 has written is all that one process needs: here of a training that had nothing left to do."""
    shutil.copytree(pair / "pair", tmp_path / "copy")
    again = recipes.train_model(profile(songs), 0, tmp_path / "copy")
    assert again == read_json(pair / "pair" / "training.json")


# ---- where processes find each other ----


def test_an_ordinary_process_is_alone(monkeypatch):
    """So is the batch script of a SLURM job, and a job step: torch's own variables are all that is read."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    job = {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_STEP_NODELIST": "gpu1,gpu2"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    with distributed.started("cuda:3") as device:
        assert (device, distributed.rank(), distributed.size()) == ("cuda:3", 0, 1)
    assert distributed.share(16) == slice(0, 16)


def test_a_torchrun_on_each_machine_finds_the_others(tmp_path):
    """As book/cluster.md has srun start them: two machines, here one, with two processes each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from bsrnn.runtime import distributed\n"
        "with distributed.started('cpu') as device:\n"
        "    ranks = distributed.gather(torch.tensor([distributed.rank()])).tolist()\n"
        "    Path(sys.argv[1], f'{distributed.rank()}').write_text(f'{distributed.size()} {ranks}')\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-id", "1", "--rdzv-endpoint", endpoint, str(program), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    machines = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        errors = [machine.communicate(timeout=120)[1] for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
            machine.communicate()
    assert all(machine.returncode == 0 for machine in machines), "\n".join(errors)
    assert [(tmp_path / str(rank)).read_text() for rank in range(4)] == ["4 [0, 1, 2, 3]"] * 4


def test_several_processes_want_a_gpu_each(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for device, message in (("cuda:1", "expected cuda"), ("cuda", "process 1 of this machine finds 1 GPU")):
        with pytest.raises(ConfigError, match=message), distributed.started(device):
            pass
