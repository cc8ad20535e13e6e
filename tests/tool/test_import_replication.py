"""Published checkpoints: a slow twin of the replication's network, written from its tensors' names, against ours."""

import hashlib
import json
import os
import shutil
import sys
import types
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from places import REPOSITORY
from safetensors.torch import load_file
from torch import nn

import bsrnn
from bsrnn import checkpoint, cli
from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.tool import import_replication

SHARED = REPOSITORY.parent / "shared" / "checkpoints"
EPS = 1e-7
WIDTHS = (1, 2, 2, 3, 3, 3, 8, 11)  # of 33 bins


# -------------------------------------------------------------------------------------------------------- slow twin


class Window(nn.Module):
    """``stft.transf.window``."""

    def __init__(self, n_fft):
        super().__init__()
        self.transf = nn.Module()
        self.transf.register_buffer("window", torch.hann_window(n_fft))


class Residual(nn.Module):
    """norm -> main_layer -> proj, plus the input; (sequences, steps, N)."""

    def __init__(self, n):
        super().__init__()
        self.norm = nn.GroupNorm(1, n, EPS)
        self.main_layer = nn.LSTM(n, 2 * n, batch_first=True, bidirectional=True)
        self.proj = nn.Linear(4 * n, n)

    def forward(self, x):
        return x + self.proj(self.main_layer(self.norm(x.transpose(1, 2)).transpose(1, 2))[0])


class Stereo(nn.Module):
    """TAC: one PReLU object for three layers; (C, T, K, N)."""

    def __init__(self, n, hidden):
        super().__init__()
        act = nn.PReLU()
        self.transform = nn.Sequential(nn.Linear(n, hidden), act)
        self.average = nn.Sequential(nn.Linear(hidden, hidden), act)
        self.concat = nn.Sequential(nn.Linear(2 * hidden, n), act)

    def forward(self, z):
        each = [self.transform(channel) for channel in z]
        mean = self.average(sum(each) / len(each))
        return torch.stack([x + self.concat(torch.cat([e, mean], -1)) for x, e in zip(z, each, strict=True)])


class OverChannelsAndBands(nn.Module):
    """Normalisation of each frame, (1, features, T, K)."""

    def __init__(self, features, bands):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, features, 1, bands))
        self.beta = nn.Parameter(torch.zeros(1, features, 1, bands))

    def forward(self, x):
        mean = x.mean((1, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean((1, 3), keepdim=True)
        return (x - mean) / torch.sqrt(variance + EPS) * self.gamma + self.beta


class Attention(nn.Module):
    """Over frames, head by head; (C, T, K, N)."""

    def __init__(self, n, bands, heads, features):
        super().__init__()
        self.heads = heads
        for letter, outputs in (("Q", features), ("K", features), ("V", n // heads)):
            for head in range(heads):
                setattr(self, f"attn_conv_{letter}_{head}", self.block(n, outputs, bands))
        self.attn_concat_proj = self.block(n, n, bands)

    @staticmethod
    def block(inputs, outputs, bands):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.PReLU(), OverChannelsAndBands(outputs, bands))

    def forward(self, z):
        items = []
        for channel in z:
            x, mixed = channel.permute(2, 0, 1)[None], []  # (1, N, T, K)
            for head in range(self.heads):
                query, key, value = (getattr(self, f"attn_conv_{letter}_{head}")(x)[0] for letter in "QKV")  # (., T, K)
                q, k = (part.transpose(0, 1).flatten(1) for part in (query, key))  # (T, . K)
                weights = torch.softmax(q @ k.T / q.shape[1] ** 0.5, -1)
                mixed.append(torch.einsum("ts,csk->ctk", weights, value))
            items.append((x + self.attn_concat_proj(torch.cat(mixed)[None]))[0].permute(1, 2, 0))
        return torch.stack(items)


class Module(nn.Module):
    def __init__(self, n, bands, heads, features, tac):
        super().__init__()
        self.time_net, self.band_net = Residual(n), Residual(n)
        self.tac_module = Stereo(n, tac * n) if tac else None
        self.attn_block = Attention(n, bands, heads, features) if heads else None

    def forward(self, z):  # (C, T, K, N)
        z = torch.stack([self.time_net(channel.transpose(0, 1)).transpose(0, 1) for channel in z])
        z = torch.stack([self.band_net(channel) for channel in z])
        z = self.tac_module(z) if self.tac_module else z
        return self.attn_block(z) if self.attn_block else z


class Masker(nn.Module):
    def __init__(self, n, widths, layers):
        super().__init__()
        bands = []
        for g in widths:
            parts = [nn.GroupNorm(1, n, EPS), nn.Conv1d(n, 4 * n, 1), nn.Tanh()]
            for _ in range(layers - 1):
                parts += [nn.Conv1d(4 * n, 4 * n, 1), nn.Tanh()]
            bands.append(nn.Sequential(*parts, nn.Conv1d(4 * n, 4 * g, 1)))
        self.mask = nn.ModuleList(bands)


class Twin(nn.Module):
    """The replication's network from its tensors' names, one channel and one band at a time."""

    def __init__(self, widths=WIDTHS, n=6, modules=1, targets=1, heads=0, features=4, tac=0, layers=2, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.widths, self.n_fft = list(widths), 2 * (sum(widths) - 1)
        self.stft, self.istft = Window(self.n_fft), Window(self.n_fft)
        self.BN = nn.ModuleList(nn.Sequential(nn.GroupNorm(1, 2 * g, EPS), nn.Conv1d(2 * g, n, 1)) for g in self.widths)
        self.separator = nn.Sequential(*(Module(n, len(self.widths), heads, features, tac) for _ in range(modules)))
        self.maskers = nn.ModuleList(Masker(n, self.widths, layers) for _ in range(targets))
        with torch.no_grad():
            for parameter in self.parameters():  # biases and affine maps too, so that none can hide
                parameter.add_(0.2 * torch.randn_like(parameter))

    @torch.no_grad()
    def forward(self, mixture):  # (C, L) -> (S, C, L)
        window = torch.hann_window(self.n_fft)
        x = torch.stft(mixture, self.n_fft, self.n_fft // 4, window=window, return_complex=True)  # (C, F, T)
        bands = x.split(self.widths, 1)
        z = torch.stack(
            [
                torch.stack([layers(torch.cat([band[c].real, band[c].imag])[None])[0].T for c in range(len(x))])
                for band, layers in zip(bands, self.BN, strict=True)
            ],
            2,
        )  # (C, T, K, N)
        z = self.separator(z)
        estimates = []
        for masker in self.maskers:
            parts = []
            for k, (band, layers) in enumerate(zip(bands, masker.mask, strict=True)):
                y = torch.stack([layers(z[c, :, k].T[None])[0] for c in range(len(x))])  # (C, 4G, T)
                value, gate = y.chunk(2, 1)
                real, imaginary = (value * torch.sigmoid(gate)).chunk(2, 1)
                parts.append(torch.complex(real, imaginary) * band)
            spectrum, samples = torch.cat(parts, 1), mixture.shape[1]
            estimates.append(torch.istft(spectrum, self.n_fft, self.n_fft // 4, window=window, length=samples))
        return torch.stack(estimates)


def lightning(twin, **settings):
    """What Lightning saves."""
    return {
        "epoch": 3,
        "global_step": 14,
        "pytorch-lightning_version": "2.5.5",
        "state_dict": twin.state_dict(),
        "hyper_parameters": settings,
    }


def write(path, content, **keywords):
    torch.save(content, path, **keywords)
    return path


def noise(*shape, seed=1):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_parity(twin, folder, channels=2, samples=900):
    mixture = noise(channels, samples)
    model = bsrnn.load(folder)
    with torch.inference_mode():
        got, expected = model(mixture[None])[0], twin(mixture)
    assert got.shape == expected.shape and expected.abs().max() > 0.02
    assert (got - expected).norm() < 1e-5 * expected.norm()
    return model


# ------------------------------------------------------------------------------------------------------- the shared


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("plain_vocals", "vocals", {"tac_factor": 0, "attention_heads": 0}),
        ("obsrnn_drums", "drums", {"tac_factor": 3, "attention_heads": 2, "attention_features": 4}),
    ],
)
def test_shared_files_give_the_recorded_outputs(name, target, expected, tmp_path):
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there")
    assert cli.main(["import", str(SHARED / f"{name}.ckpt"), "--out", str(tmp_path / "model")]) == 0
    model, io = bsrnn.load(tmp_path / "model"), load_file(SHARED / f"{name}.io.safetensors")
    whole = ModelConfig(
        targets=(target,), band_split=target, features=16, modules=2, mlp_layers=2, normalisation_eps=EPS, **expected
    )
    assert model.config == whole
    with torch.inference_mode():
        output = model(io["input"])
    assert output.shape == io["output"].shape == (1, 1, 2, 88200)
    assert (output - io["output"]).norm() < 1e-4 * io["output"].norm()
    assert (output - io["output"]).abs().max() < 1e-4 * io["output"].abs().max()


# ---------------------------------------------------------------------------------------------------------- our own


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n": 4, "modules": 3},
        {"layers": 1},
        {"layers": 3, "n": 1},
        {"tac": 3},
        {"tac": 1, "modules": 2, "n": 5},
        {"heads": 2},
        {"heads": 3, "features": 1, "modules": 2},
        {"heads": 1, "features": 7, "tac": 2, "n": 8},
        {"heads": 2, "tac": 3, "targets": 4},
        {"widths": (33,), "heads": 2},
    ],
    ids=lambda changes: "-".join(f"{name}{value}" for name, value in changes.items()) or "plain",
)
def test_equals_the_slow_twin(changes, tmp_path):
    twin = Twin(**changes)
    names = [f"stem{i}" for i in range(changes.get("targets", 1))]
    path = write(tmp_path / "file.ckpt", lightning(twin, targets=names))
    import_replication.import_checkpoint(path, tmp_path / "model")
    config = assert_parity(twin, tmp_path / "model").config
    assert config.targets == tuple(names) and config.band_split == changes.get("widths", WIDTHS)
    assert (config.features, config.modules, config.mlp_layers) == (
        changes.get("n", 6),
        changes.get("modules", 1),
        changes.get("layers", 2),
    )
    assert (config.attention_heads, config.tac_factor) == (changes.get("heads", 0), changes.get("tac", 0))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(channels, tmp_path):
    twin = Twin(heads=2, tac=3)
    import_replication.import_checkpoint(write(tmp_path / "vocals.ckpt", lightning(twin)), tmp_path / "model")
    assert_parity(twin, tmp_path / "model", channels)


def test_one_encoder_for_four_targets_on_57_bands(tmp_path):
    widths = band_widths("simo")
    assert len(widths) == 57
    twin = Twin(widths, n=4, targets=4, heads=2, tac=3)
    targets = ["vocals", "bass", "drums", "other"]
    path = write(tmp_path / "simo.ckpt", lightning(twin, targets=targets))
    import_replication.import_checkpoint(path, tmp_path / "model")
    config = assert_parity(twin, tmp_path / "model", samples=6000).config
    assert config.band_split == "simo" and config.targets == tuple(targets) and config.n_fft == 2048


def test_the_older_name_of_the_mask_estimator(tmp_path):
    twin = Twin()
    content = lightning(twin)
    content["state_dict"] = OrderedDict(
        (name.replace("maskers.0.mask.", "mask."), value) for name, value in twin.state_dict().items()
    )
    assert any(name.startswith("mask.0.0") for name in content["state_dict"])
    import_replication.import_checkpoint(write(tmp_path / "bass.ckpt", content), tmp_path / "model")
    assert assert_parity(twin, tmp_path / "model").config.targets == ("bass",)


def test_files_older_than_torch_1_6(tmp_path):
    twin = Twin(heads=2, tac=3)
    path = write(tmp_path / "drums.ckpt", lightning(twin), _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:1] == b"\x80"
    import_replication.import_checkpoint(path, tmp_path / "model")
    assert_parity(twin, tmp_path / "model")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types(dtype, tmp_path):
    twin = Twin(tac=3).to(dtype).float()
    content = lightning(twin)
    content["state_dict"] = {name: value.to(dtype) for name, value in twin.state_dict().items()}
    content["state_dict"] |= {name: value for name, value in twin.state_dict().items() if "window" in name}
    import_replication.import_checkpoint(write(tmp_path / "other.ckpt", content), tmp_path / "model")
    assert_parity(twin, tmp_path / "model")


def test_bare_weights_views_and_parameters(tmp_path):
    """A state_dict alone; tensors that are parameters; the weights of a layer as views of one storage."""
    twin = Twin()
    state = {name: nn.Parameter(value) if "BN" in name else value for name, value in twin.state_dict().items()}
    name = "separator.0.time_net.main_layer.weight_ih_l0"
    pool = torch.cat([torch.zeros(7), state[name].T.flatten()])
    state[name] = pool[7:].view(6, 48).T
    assert not state[name].is_contiguous() and state[name].storage_offset() == 7
    import_replication.import_checkpoint(write(tmp_path / "vocals.pt", state), tmp_path / "model")
    assert_parity(twin, tmp_path / "model")


# ----------------------------------------------------------------------------------------------- what is written


def test_config_and_card_say_where_it_came_from(tmp_path, capsys):
    path = write(tmp_path / "obsrnn.ckpt", lightning(Twin(heads=2, tac=3), targets=["drums"], lr=1e-3))
    assert cli.main(["import", str(path), "--out", str(tmp_path / "deep" / "model")]) == 0
    assert "drums: N 6, 1 modules, 8 bands" in capsys.readouterr().out
    folder = tmp_path / "deep" / "model"
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    info = json.loads((folder / "config.json").read_text())["info"]["imported"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert info == {
        "file": "obsrnn.ckpt",
        "sha256": digest,
        "format": import_replication.FORMAT,
        "epoch": 3,
        "global_step": 14,
        "pytorch_lightning_version": "2.5.5",
    }
    card = (folder / "README.md").read_text()
    parameters = bsrnn.load(folder).count_parameters()
    for words in ("# drums, imported", digest, "hidden 3 N", "2 heads", f"{parameters} parameters", "not trained by"):
        assert words in card


def test_bfloat16_core_and_separate_work_on_an_imported_model(tmp_path):
    path = write(tmp_path / "vocals.ckpt", lightning(Twin(heads=2, tac=3)))
    import_replication.import_checkpoint(path, tmp_path / "model")
    exact, fast = bsrnn.load(tmp_path / "model"), bsrnn.load(tmp_path / "model").compute_in(torch.bfloat16)
    assert {p.dtype for p in fast.core.parameters()} == {torch.bfloat16}
    mixture = noise(2, 2000)
    with torch.inference_mode():
        expected, got = exact(mixture[None]), fast(mixture[None])
    assert got.dtype == torch.float32
    assert 1e-4 < (expected - got).norm() / expected.norm() < 0.05
    stems = bsrnn.separate(fast, mixture.numpy(), 44100, 0.02, 0.01)
    assert list(stems) == ["vocals"] and stems["vocals"].shape == (2, 2000)


def test_a_folder_with_a_model_is_left_alone(tmp_path, capsys):
    path = write(tmp_path / "vocals.ckpt", lightning(Twin()))
    import_replication.import_checkpoint(path, tmp_path / "model")
    before = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    assert cli.main(["import", str(path), "--out", str(tmp_path / "model")]) == 1
    assert "holds a model already" in capsys.readouterr().err
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}


# ------------------------------------------------------------------------------------------------------- targets


@pytest.fixture
def omegaconf(monkeypatch):
    """Classes of the names that OmegaConf's have, with the state that they pickle."""

    def fake(module, name):
        parent = sys.modules.get(module) or types.ModuleType(module)
        monkeypatch.setitem(sys.modules, module, parent)
        kind = type(name, (), {"__module__": module, "__init__": lambda self, **state: self.__dict__.update(state)})
        setattr(parent, name, kind)
        return kind

    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    node = fake("omegaconf.nodes", "AnyNode")
    of = {name: fake(f"omegaconf.{name.lower()}", name) for name in ("ListConfig", "DictConfig")}

    def wrap(value):
        if isinstance(value, list):
            return of["ListConfig"](_content=[wrap(part) for part in value], _parent=None)
        if isinstance(value, dict):
            return of["DictConfig"](_content={name: wrap(part) for name, part in value.items()}, _parent=None)
        return node(_val=value)

    return wrap


def test_omegaconf_objects_are_read_as_data_or_passed_over(omegaconf, tmp_path, monkeypatch):
    settings = {"cfg_optim": omegaconf({"lr": 1e-3}), "targets": omegaconf(["bass", "drums"])}
    path = write(tmp_path / "file.ckpt", lightning(Twin(targets=2), **settings))
    for name in [name for name in sys.modules if name.startswith("omegaconf")]:
        monkeypatch.delitem(sys.modules, name)
    model = import_replication.import_checkpoint(path, tmp_path / "model")
    assert model.config.targets == ("bass", "drums")


def test_an_omegaconf_list_that_holds_itself(omegaconf, tmp_path):
    endless = omegaconf([])
    endless._content += [endless] * 3
    path = write(tmp_path / "bass.ckpt", lightning(Twin(n=2), targets=endless))
    assert import_replication.import_checkpoint(path, tmp_path / "model").config.targets == ("bass",)


@pytest.mark.parametrize(
    ("file", "settings", "given", "expected"),
    [
        ("x.ckpt", {"targets": ["bass"]}, [], ("bass",)),
        ("x.ckpt", {"targets": "bass"}, [], ("bass",)),
        ("obsrnn_Drums-v2.ckpt", {}, [], ("drums",)),
        ("drums.ckpt", {"targets": ["bass"]}, [], ("bass",)),
        ("drums.ckpt", {"targets": ["bass"]}, ["piano"], ("piano",)),
        ("drums.ckpt", {"targets": ["bass", "other"]}, [], ("drums",)),
        ("drums.ckpt", {"targets": 7}, [], ("drums",)),
    ],
)
def test_where_the_targets_name_comes_from(file, settings, given, expected, tmp_path):
    path = write(tmp_path / file, lightning(Twin(n=2), **settings))
    assert import_replication.import_checkpoint(path, tmp_path / "model", given).config.targets == expected


@pytest.mark.parametrize(
    ("count", "given", "words"),
    [
        (1, [], "give each in the file's order"),
        (1, ["a", "b"], r"1 target\(s\), and 2 name\(s\)"),
        (4, [], r"4 target\(s\), and 0"),
        (2, ["a", "a"], "each once"),
        (1, ["../x"], "names of files"),
    ],
)
def test_targets_that_cannot_be(count, given, words, tmp_path):
    path = write(tmp_path / "file.ckpt", lightning(Twin(n=2, targets=count)))
    with pytest.raises((ConfigError, DataError), match=words):
        import_replication.import_checkpoint(path, tmp_path / "model", given)
    assert not (tmp_path / "model").exists()


# ------------------------------------------------------------------------------------------------- what is refused


def refused(path, tmp_path, capsys, words):
    """The command fails with one line that has ``words``, and writes nothing."""
    assert cli.main(["import", str(path), "--target", "vocals", "--out", str(tmp_path / "model")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bsrnn import: ") and error.count("\n") == 1
    assert words in error, error
    assert not (tmp_path / "model").exists()


def change(changes, twin=None):
    """A checkpoint whose state_dict has some tensors removed (None), replaced or added."""
    content = lightning(twin or Twin())
    state = dict(content["state_dict"]) | changes
    content["state_dict"] = {name: value for name, value in state.items() if value is not None}
    return content


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BN.3.0.weight": None}, "missing: BN.3.0.weight"),
        ({"BN.0.1.weight": None}, "has no tensor 'BN.0.1.weight'"),
        ({"ema.decay": torch.ones(1)}, "unknown: 'ema.decay'"),
        ({"a\nb" * 99: torch.ones(1)}, "unknown: 'a\\nb"),
        ({f"x{i}": torch.ones(1) for i in range(20)}, "'x7' and 12 more"),
        ({"separator.5.time_net.norm.weight": torch.ones(6)}, "missing: separator.1.time_net.norm.weight"),
        ({"separator.9999999999.time_net.norm.weight": torch.ones(6)}, "unknown: 'separator.9999999999"),
        ({"maskers.0.mask.2.5.bias": torch.ones(9)}, "maskers.0.mask.2.5.bias is (9,), expected (8,)"),
        ({"BN.0.1.weight": torch.ones(6, 2)}, "'BN.0.1.weight' has the shape (6, 2), expected 3 axes"),
        ({"BN.0.1.weight": torch.ones(0, 2, 1)}, "features 0"),
        ({"BN.0.1.weight": torch.ones(6, 0, 1)}, "does not fill the spectrum"),
        ({"BN.0.0.weight": torch.ones(2, dtype=torch.int64)}, "of type torch.int64, expected floats"),
        ({"BN.0.0.weight": torch.tensor([1.0, float("nan")])}, "NaN or infinite"),
        ({"BN.0.0.weight": "text"}, "'BN.0.0.weight' in the 'state_dict' is no tensor"),
        ({"stft.transf.window": torch.ones(64)}, "stft.transf.window is no Hann window of 64 samples"),
        ({"stft.transf.window": torch.hann_window(32)}, "no Hann window"),
    ],
    ids=range(16),
)
def test_tensors_that_do_not_fit(changes, words, tmp_path, capsys):
    refused(write(tmp_path / "file.ckpt", change(changes)), tmp_path, capsys, words)


def test_more_tensors_than_any_model_has(tmp_path, capsys, monkeypatch):
    assert import_replication.MOST_TENSORS > 5 * len(Twin(band_widths("simo"), 1, 1, 4).state_dict())
    monkeypatch.setattr(import_replication, "MOST_TENSORS", 100)
    refused(write(tmp_path / "file.ckpt", change({})), tmp_path, capsys, "tensors, expected at most 100")


def test_both_names_of_the_mask_estimator_at_once(tmp_path, capsys):
    content = change({"mask.0.0.weight": torch.ones(6)})
    refused(write(tmp_path / "file.ckpt", content), tmp_path, capsys, "unknown: 'mask.0.0.weight'")


def test_one_prelu_with_two_values(tmp_path, capsys):
    content = change({"separator.0.tac_module.average.1.weight": torch.tensor([0.7])}, Twin(tac=3))
    refused(write(tmp_path / "file.ckpt", content), tmp_path, capsys, "expected one PReLU for both")


def test_heads_that_do_not_divide_the_features(tmp_path, capsys):
    twin = Twin(heads=2)
    first = {name: value for name, value in twin.state_dict().items() if "_0." in name and "attn_conv" in name}
    more = {name.replace("_0.", f"_{head}."): value for head in (2, 3) for name, value in first.items()}
    refused(write(tmp_path / "file.ckpt", change(more, twin)), tmp_path, capsys, "got 4 attention_heads: expected a di")


def spring(path):
    Path(path).touch()


class Trap:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_whole_checkpoint_with_a_trap(tmp_path, capsys):
    """Either would spring where a pickle is loaded."""
    sprung = tmp_path / "sprung"
    for function, argument in ((os.system, f"touch '{sprung}'"), (spring, str(sprung))):
        content = lightning(Twin(n=2), note={"deep": [Trap(function, argument)]})
        path = write(tmp_path / "file.ckpt", content)
        torch.load(path, weights_only=False)
        sprung.unlink()
        refused(path, tmp_path, capsys, f"asks for '{function.__module__}.{function.__name__}', which no published")
        assert not sprung.exists()


@pytest.mark.parametrize("content", [[], 3, {}, {"state_dict": {}}, {"state_dict": [torch.ones(1)]}, torch.ones(2)])
def test_files_without_weights(content, tmp_path, capsys):
    refused(write(tmp_path / "file.ckpt", content), tmp_path, capsys, "holds no weights")


def test_a_full_disk_leaves_nothing(tmp_path, capsys, monkeypatch):
    path = write(tmp_path / "file.ckpt", lightning(Twin()))

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", no_space)
    refused(path, tmp_path, capsys, "disk full")


def test_missing_and_foreign_files(tmp_path, capsys):
    refused(tmp_path / "nowhere.ckpt", tmp_path, capsys, "nowhere.ckpt: cannot be read: no such file")
    refused(tmp_path, tmp_path, capsys, "cannot be read: a folder is there, and no file, expected a checkpoint")
    if SHARED.is_dir():
        shutil.copy(SHARED / "plain_vocals.io.safetensors", tmp_path / "x.ckpt")
        refused(tmp_path / "x.ckpt", tmp_path, capsys, "is not a checkpoint")
