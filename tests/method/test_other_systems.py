"""Earlier systems behind BSRNN's surface: identities of what surrounds them, and that the one loop trains them."""

import math
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train import weights
from whole_training import fit

import bsrnn
from bsrnn import checkpoint, recipes
from bsrnn.audio import files as audio
from bsrnn.config import (
    PEERS,
    DataConfig,
    LossConfig,
    MixingConfig,
    PeerConfig,
    SeparateConfig,
    TrainConfig,
)
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.loss import Objective, gradients, objective
from bsrnn.models import other_systems
from bsrnn.models.other_systems import DEPTHS, Peer, build
from bsrnn.runtime import overrides
from bsrnn.runtime.files import read_json, write_json
from bsrnn.study import compute, costs, profiles, runs
from bsrnn.study.profiles import Profile
from bsrnn.tool import cards
from bsrnn.train import new_model

pytest.importorskip("torchaudio")
pytest.importorskip("openunmix")

RATE = 44100
SMALL = {
    "hdemucs": PeerConfig("hdemucs", width=4, depth=5, window=1024),
    "umx": PeerConfig("umx", width=8, depth=2, window=512, n_fft=512, hop_samples=128),
    "convtasnet": PeerConfig("convtasnet", width=4, depth=3, window=32, n_fft=512, hop_samples=256),
    "convtasnet-stft": PeerConfig("convtasnet-stft", width=4, depth=3, window=512, n_fft=512, hop_samples=128),
}
systems = pytest.mark.parametrize("system", SMALL)


def make(system, **changes):
    return new_model(replace(SMALL[system], **changes), 0).eval()


def noise(*shape, seed=1):
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------ what comes out


@systems
def test_any_length_and_several_targets(system):
    model = make(system, targets=("a", "b"))

    @settings(max_examples=4, deadline=None)
    @given(st.integers(1, 5000), st.integers(1, 2))
    def check(samples, channels):
        with torch.inference_mode():
            estimates = model(noise(1, channels, samples))
        assert estimates.shape == (1, 2, channels, samples) and estimates.isfinite().all()

    check()


@systems
def test_items_of_a_batch_are_apart_and_mono_is_the_same_signal_twice(system):
    model, mixture = make(system), noise(2, 2, 4000)
    with torch.inference_mode():
        both = model(mixture)
        each = torch.cat([model(item[None]) for item in mixture])
        torch.testing.assert_close(both, each, rtol=1e-4, atol=1e-6)
        mono = model(mixture[:, :1])
        twice = model(mixture[:, :1].expand(-1, 2, -1))
    torch.testing.assert_close(mono, twice.mean(2, keepdim=True), rtol=1e-4, atol=1e-6)


@systems
def test_channels_are_apart_where_the_settings_say_so(system):
    model, mixture = make(system), noise(1, 2, 4000)
    changed = torch.stack([mixture[:, 0], noise(1, 4000, seed=2)], 1)
    with torch.inference_mode():
        first, other = (model(x)[:, 0, 0] for x in (mixture, changed))
    assert torch.allclose(first, other, rtol=1e-5, atol=1e-7) == model.config.channels_apart
    assert model.config.channels_apart == (system in ("convtasnet", "convtasnet-stft"))
    swapped = model(mixture.flip(1))
    assert torch.allclose(swapped, model(mixture).flip(2), atol=1e-6) == model.config.channels_apart


def test_an_open_unmix_that_masks_nothing_gives_the_mixture():
    """Its last scale at zero, and the mean after it at one, are a mask of ones in every bin."""
    model = make("umx")
    torch.nn.init.zeros_(model.system.models[0].output_scale)
    mixture = noise(2, 2, 5001)
    torch.testing.assert_close(model(mixture), mixture[:, None], rtol=0, atol=1e-6)
    torch.nn.init.constant_(model.system.models[0].output_mean, 0.5)
    torch.testing.assert_close(model(mixture), mixture[:, None] / 2, rtol=0, atol=1e-6)


def test_the_masks_of_a_tasnet_over_an_stft():
    """With its last layer's weights at zero the bias b is all that is left: a mask sigmoid(b) for each bin."""
    model, mixture = make("convtasnet-stft", targets=("a", "b")), noise(1, 3, 5001)
    last = model.system.network.output_conv
    torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.view(2, -1)[:] = torch.tensor([[0.0], [2.0]])
        estimates = model(mixture)
    expected = torch.stack([mixture / 2, mixture / (1 + math.exp(-2))], 1)
    torch.testing.assert_close(estimates, expected, rtol=0, atol=1e-6)
    with torch.no_grad():
        last.bias.view(2, -1)[0, 101:] = -200.0  # nothing above bin 100: a low pass
        spectrum = torch.fft.rfft(model(mixture)[0, 0, 0] * torch.hann_window(5001)).abs().square()
    above = math.ceil(106 / 512 * 5001)  # five bins on: the windows' side lobes
    assert spectrum[above:].sum() < 1e-5 * spectrum.sum()


@systems
def test_bfloat16_is_near_and_keeps_float32_outside(system):
    exact, fast = make(system), make(system).compute_in(torch.bfloat16)
    with torch.inference_mode():
        expected, got = exact(noise(1, 2, 4000)), fast(noise(1, 2, 4000))
    assert got.dtype == torch.float32 and torch.equal(weights(exact), weights(fast))
    error_db = 10 * torch.log10((expected - got).square().sum() / expected.square().sum())
    assert -70 < error_db < -25


# ------------------------------------------------------------------------------------------------------ the loss


@systems
def test_the_loss_is_equation_one_of_the_estimate(system):
    model, mixture, target = make(system), noise(2, 2, 3000), noise(2, 1, 2, 3000, seed=2)
    window = torch.hann_window(model.config.n_fft)
    estimate = model(mixture)
    parts = [
        torch.stft(x.reshape(4, 3000), model.config.n_fft, model.config.hop_samples, window=window, return_complex=True)
        for x in (estimate, target)
    ]
    real, imaginary = (parts[0] - parts[1]).real.abs(), (parts[0] - parts[1]).imag.abs()
    waveform = (estimate - target).abs()
    expected = real.mean() + imaginary.mean() + waveform.mean()
    torch.testing.assert_close(objective(model, mixture, target), expected)
    expected = real.sum() + imaginary.sum() + 3 * waveform.sum()
    torch.testing.assert_close(objective(model, mixture, target, LossConfig(1.0, 3.0, "sum")), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@systems
def test_every_weight_learns(system, precision):
    model = make(system).train()
    gradients(Objective(model, LossConfig(), precision), noise(2, 2, 4000), noise(2, 1, 2, 4000, seed=2), LossConfig())
    got = {name: p.grad for name, p in model.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in got.values())
    still = {name for name, grad in got.items() if not grad.any()}
    # rectified away or, of an Open-Unmix, bins above 16 kHz; never most of a network
    assert len(still) < 0.1 * len(got), still


def test_batch_norm_sees_a_batch_whole_whatever_the_threads_and_pieces():
    """Its statistics would be those of a piece, and the pieces' threads would race to set them."""
    batch, results = (noise(4, 2, 3000), noise(4, 1, 2, 3000, seed=2)), []
    before = torch.get_num_threads()
    for threads, pieces in ((1, 0), (2, 0), (1, 2)):
        torch.set_num_threads(threads)
        try:
            model = make("umx").train()
            value = gradients(Objective(model, LossConfig()), *batch, LossConfig(), pieces)
        finally:
            torch.set_num_threads(before)
        results.append((value.item(), model.system.models[0].bn1.running_mean.clone()))
        assert model.system.models[0].bn1.num_batches_tracked == 1
    for value, mean in results[1:]:
        assert value == pytest.approx(results[0][0], rel=1e-5)
        torch.testing.assert_close(mean, results[0][1])


# -------------------------------------------------------------------------------------------- settings, checkpoints


@systems
def test_a_checkpoint_gives_the_same_estimates(system, tmp_path):
    model = make(system).train()
    model(noise(2, 2, 3000))  # so that Open-Unmix's statistics are not those of the start
    model.eval()
    loaded = bsrnn.load(checkpoint.save(model, tmp_path))
    assert type(loaded) is Peer and loaded.config == model.config and not loaded.training
    state = loaded.state_dict()
    assert all(value.dtype == state[name].dtype for name, value in model.state_dict().items())
    assert torch.equal(loaded(noise(1, 2, 3000)), model(noise(1, 2, 3000)))
    stems = bsrnn.separate(loaded, noise(2, 9000).numpy(), RATE, 0.1, 0.05)
    assert stems["vocals"].shape == (2, 9000)
    values = {
        "hdemucs": "# Hybrid Demucs: vocals",
        "umx": "# Open-Unmix: vocals",
        "convtasnet": "# Conv-TasNet: vocals",
        "convtasnet-stft": "# Conv-TasNet on an STFT: vocals",
    }
    assert values[system] in cards.write(tmp_path).read_text()


@systems
def test_weights_come_from_the_seed(system):
    first, again, other = (new_model(SMALL[system], seed) for seed in (1, 1, 2))
    assert torch.equal(weights(first), weights(again)) and not torch.equal(weights(first), weights(other))


def test_a_checkpoint_of_an_unknown_system_or_setting(tmp_path):
    checkpoint.save(make("umx"), tmp_path)
    described = read_json(tmp_path / "config.json")
    for change, said in (
        ({"system": "spleeter"}, "got peer.system 'spleeter': expected one of hdemucs, umx, convtasnet, conv"),
        ({"system": 3}, "got peer.system 3: expected one of"),
        ({"features": 16}, "unknown model setting 'features'"),
    ):
        write_json(tmp_path / "config.json", described | {"model": described["model"] | change})
        with pytest.raises(ConfigError, match=said):
            bsrnn.load(tmp_path)
    write_json(tmp_path / "config.json", described | {"model": described["model"] | {"width": 16}})
    with pytest.raises(DataError, match="does not fit"):
        bsrnn.load(tmp_path)


@pytest.mark.parametrize("window, depth", [(window, depth) for window, depths in DEPTHS.items() for depth in depths])
def test_every_hybrid_demucs_that_is_let_through_works(window, depth):
    model = build(PeerConfig("hdemucs", width=4, depth=depth, window=window))
    estimate = model(noise(1, 2, 3001))
    assert estimate.shape == (1, 1, 2, 3001)
    torch.autograd.grad(estimate.abs().sum(), list(model.parameters()))  # fails if one is not used


@pytest.mark.parametrize(
    "settings, said",
    [
        (PeerConfig("hdemucs", window=4096, depth=4), "window of 1024 with depth 5; 2048"),
        (PeerConfig("hdemucs", window=1000, depth=5), "got hdemucs with window 1000"),
        (PeerConfig("hdemucs", width=6), "a multiple of 4"),
        (PeerConfig("umx", width=7), "multiples of 2 and 4"),
        (PeerConfig("convtasnet", window=33), "an even number"),
        (PeerConfig("convtasnet-stft", window=34), "a multiple of 4"),
    ],
)
def test_settings_that_make_no_model(settings, said):
    with pytest.raises(ConfigError, match=said):
        build(settings)


@pytest.mark.parametrize(
    "system, package",
    [("hdemucs", "torchaudio"), ("umx", "openunmix"), ("convtasnet", "torchaudio"), ("convtasnet-stft", "torchaudio")],
)
def test_a_missing_package_is_named(system, package, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BSRNNError, match=rf"{package} .*pip install 'bsrnn\[peers\]'"):
        make(system)


def test_inputs_that_cannot_be_separated():
    with pytest.raises(DataError, match="got 3 channels: umx separates mono and stereo"):
        make("umx")(noise(1, 3, 100))
    assert make("convtasnet")(noise(1, 3, 100)).shape == (1, 1, 3, 100)
    with pytest.raises(ValueError, match=r"expected \(batch, channels, samples\)"):
        make("umx")(noise(2, 100))


# ---------------------------------------------------------------------------------------------------------- costs


def test_operations_of_an_open_unmix_are_the_closed_form():
    """Three linear layers and the LSTMs, a frame: those of the mixture's two channels lie side by side."""
    h, samples = 8, 5000
    settings = replace(SMALL["umx"], targets=("a", "b"))
    frames, bins, seen = 1 + samples // 128, 257, 186  # 512 / 4; 16 kHz of 22.05
    lstms = 2 * (2 * 4 * (h // 2) * (h + h // 2))  # two layers of two directions of 4H (inputs + H), H = h / 2
    linear = 2 * seen * h + 2 * h * h + h * 2 * bins
    expected = 2 * 2 * frames * (linear + lstms)  # two targets
    assert costs.forward_operations(settings, samples / RATE) == expected


def test_operations_of_a_conv_tasnet_are_the_closed_form():
    width, depth, kernel, samples = 4, 3, 32, 16 * 300
    wide, blocks, frames = 4 * width, 3 * depth, samples // 16 + 1
    products = 2 * kernel * wide  # encoder, decoder
    products += 2 * wide * width  # into and out of the blocks
    products += blocks * (wide * width + 3 * wide + 2 * width * wide) - width * wide  # the last has no residual
    assert costs.forward_operations(SMALL["convtasnet"], samples / RATE) == 2 * 2 * frames * products
    settings, frames, bins = SMALL["convtasnet-stft"], samples // 128 + 1, 257
    products = 2 * bins * width + blocks * (wide * width + 3 * wide + 2 * width * wide) - width * wide
    assert costs.forward_operations(settings, samples / RATE) == 2 * 2 * frames * products


@pytest.mark.parametrize("layers, both", [(1, False), (3, True)])
def test_operations_of_an_lstm_are_those_of_its_matrices(layers, both):
    lstm = torch.nn.LSTM(5, 7, num_layers=layers, bidirectional=both)
    matrices = sum(p.numel() for name, p in lstm.named_parameters() if name.startswith("weight"))
    assert other_systems.lstm_operations(lstm, torch.zeros(11, 3, 5)) == 2 * 11 * 3 * matrices


@systems
def test_what_a_training_keeps_grows_with_items_and_seconds(system):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    peer = SMALL[system]
    short, long = (costs.training_gb(peer, seconds, 1) for seconds in (0.2, 0.4))
    state = 4 * 4 * build(peer).count_parameters() / 1e9
    torch.set_rng_state(before)
    assert costs.parameters_gb(peer) == pytest.approx(state)
    assert 1.6 < (long - state) / (short - state) < 2.2
    assert costs.training_gb(peer, 0.2, 3) - state == pytest.approx(3 * (short - state))
    run = runs.Run("x", "train", replace(profiles.TINY, model=peer), "vocals")
    cost = costs.of_run(run)
    assert cost.seconds > 0 and costs.PYTHON_GB < cost.memory_gb < 2 * costs.PYTHON_GB


def test_counting_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    other_systems.count.cache_clear()
    other_systems.count(SMALL["umx"], 0.1)
    assert torch.equal(torch.rand(3), expected)


# --------------------------------------------------------------------------------------------------- the one loop


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five songs of 7 s: vocals low, drums high, both noise."""
    root = tmp_path_factory.mktemp("songs")
    for index in range(5):
        sound = np.random.default_rng(index).standard_normal((2, 2, 7 * RATE)) * 0.1
        vocals, drums = sound[0] + np.roll(sound[0], 1, axis=1), sound[1] - np.roll(sound[1], 1, axis=1)
        for stem, signal in (("vocals", vocals), ("drums", drums)):
            audio.write(root / f"song{index}" / f"{stem}.wav", signal.astype(np.float32), RATE)
    return root


def profile_of(folder, model, **train):
    whole = SeparateConfig(7.0, 7.0)
    settings = {"batch_items": 2, "schedule": "cosine", "max_items": 6, "validate_items": 2, "patience": 0}
    return Profile(
        "mine", data=DataConfig(source="folder", folder=str(folder)), model=model, targets=("vocals",),
        train=TrainConfig(**settings | {"loader_workers": 0} | train), mixing=MixingConfig(chunk_seconds=0.2),
        separate=whole, validate=whole, table_one=(), finetuned=(),
    )  # fmt: skip


@pytest.mark.parametrize("decay", [0.0, 0.5])
@systems
def test_a_training_goes_on_bit_for_bit_and_lowers_the_loss(system, decay, folder, tmp_path):
    """With a decay the average of the weights is what is kept, and items have one channel where the model lets them."""
    profile = profile_of(folder, SMALL[system], learning_rate=3e-3, ema_decay=decay)
    if decay and profile.model.channels_apart:
        profile = overrides.changed(profile, "mixing.item_channels=one")
    source = recipes.supervised(profile, 0)
    scores = iter([1.0, 2.0, 3.0] * 2)  # every validation is the best, so that the last weights stay
    whole = new_model(profile.model, 0)
    progress = fit(whole, source, lambda _: next(scores), profile.train, tmp_path / "whole")
    assert progress.history[-1]["loss"] < progress.history[0]["loss"]

    class Break(RuntimeError):
        pass

    def broken(_):
        if (score := next(scores)) == 3.0:
            raise Break
        return score

    with pytest.raises(Break):
        fit(new_model(profile.model, 0), source, broken, profile.train, tmp_path / "broken")
    torch.manual_seed(99)  # another process has another random state
    again = new_model(profile.model, 0)
    fit(again, source, lambda _: 4.0, profile.train, tmp_path / "broken")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    if system == "umx":  # its count of batches and its statistics are not averaged
        assert whole.state_dict()["system.models.0.bn1.num_batches_tracked"] == 3


def test_a_run_of_a_peer_has_a_key_and_a_result_of_its_own(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BSRNN_ROOT", str(tmp_path))
    (tmp_path / "_config.yml").touch()
    profile = profile_of(folder, SMALL["umx"], max_items=2, precision="bfloat16")
    run = runs.Run("vocals-umx-s0", "train", profile, "vocals")
    other = replace(run, profile=replace(profile, model=replace(profile.model, width=16)))
    assert run.train_key != other.train_key
    result = compute.compute(run)
    model = bsrnn.load(run.weights_folder())
    assert result["config"]["model"] == asdict(profile.model) and result["training"]["bands"] == 0
    assert result["training"]["parameters"] == model.count_parameters()
    assert np.isfinite(result["scores"]["summary"]["usdr_mean"])


def test_the_peers_sizes_are_those_of_the_profiles_table():
    assert {name: peer.system for name, peer in PEERS.items()} == {name: name for name in SMALL}
    assert overrides.changed(replace(profiles.TINY, model=PEERS["umx"]), "model.width=64").model.width == 64
