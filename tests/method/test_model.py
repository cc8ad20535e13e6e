"""The model against closed forms and against a slow twin, the textbook's, that loops over the subbands."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import textbook_bsrnn
from bsrnn.bands import band_widths
from bsrnn.config import ModelConfig
from bsrnn.errors import ConfigError
from bsrnn.loss import objective
from bsrnn.models.bsrnn import BSRNN, BandSplit, MaskEstimator
from bsrnn.models.layers import EPS, BandNorm
from bsrnn.models.obsrnn import FrameAttention, HeadMap, TransformAverageConcatenate
from bsrnn.study.profiles import PAPER

WIDTHS = (1, 2, 2, 3, 3, 3, 8, 11)  # of 33 bins; runs of one, two and three equal widths
TINY = ModelConfig(band_split=WIDTHS, n_fft=64, hop_samples=16, sample_rate=1000, features=4, modules=1)


def make(seed=0, **changes):
    """A tiny model whose every value is random: biases and affine maps too, so that none can hide."""
    torch.manual_seed(seed)
    model = BSRNN(replace(TINY, **changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------------------------------------- parameter arithmetic


def parameters_by_hand(widths, n, modules, mask_layers, targets=1, tac=0, heads=0, e=4):
    """Trained values of a BSRNN; H = 2N is the LSTM's hidden size, M = 4N the mask MLP's.

    A band of G bins has 2G inputs and needs, at the split, 2 * 2G for its normalisation and (2G + 1) N for its linear
    layer; at the mask, 2N for its normalisation, (N + 1) M and then (M + 1) M for its hidden layers, (M + 1) 4G for its
    GLU.
    The stereo module has hidden size t N: three linear layers and one slope. A head of the attention has E features for
    query and key, N / heads for the value; each map has a slope and an affine map for each of its features and bands.
    One direction of an LSTM has four gates, each with an N x H and an H x H matrix and two biases (PyTorch's habit).
    """
    h, m = 2 * n, 4 * n
    split = sum(2 * 2 * g + (2 * g + 1) * n for g in widths)
    one_rnn = 2 * n + 2 * 4 * h * (n + h + 2) + (2 * h + 1) * n
    stereo = (n + 1) * tac * n + (tac * n + 1) * tac * n + (2 * tac * n + 1) * n + 1 if tac else 0
    maps = [e, e, n // heads] * heads + [n] if heads else []
    attention = sum((n + 1) * outputs + 1 + 2 * outputs * len(widths) for outputs in maps)
    hidden = (n + 1) * m + (mask_layers - 1) * (m + 1) * m
    mask = sum(2 * n + hidden + (m + 1) * 4 * g for g in widths)
    return split + modules * (2 * one_rnn + stereo + attention) + targets * mask


@pytest.mark.parametrize("scheme", ["v1", "v7", "bass", "drums"])
@pytest.mark.parametrize("mask_layers", [1, 2])
def test_parameters_of_the_papers_size_equal_the_closed_form(scheme, mask_layers):
    with torch.device("meta"):  # counted, not allocated
        model = BSRNN(replace(PAPER.model, band_split=scheme, mlp_layers=mask_layers))
    assert model.count_parameters() == parameters_by_hand(band_widths(scheme), 128, 12, mask_layers)


def test_the_papers_model_has_25_6_million_parameters_and_36_4_with_two_mask_layers():
    # By hand for V7 (K 41, F 1025): split 4*1025 + 2*1025*128 + 41*128 = 271 748; one residual RNN, of 24, is
    # 256 + 2048*386 + 65 664 = 856 448; mask 41*(256 + 66 048) + 513*4*1025 = 4 821 764, and 41*262 656 with a second
    # hidden layer.
    assert parameters_by_hand(band_widths("v7"), 128, 12, 1) == 271_748 + 24 * 856_448 + 4_821_764 == 25_648_264
    assert parameters_by_hand(band_widths("v7"), 128, 12, 2) == 25_648_264 + 41 * 262_656 == 36_417_160
    with torch.device("meta"):
        assert round(BSRNN(PAPER.model).count_parameters() / 1e6, 1) == 25.6
        assert round(BSRNN(replace(PAPER.model, mlp_layers=2)).count_parameters() / 1e6, 1) == 36.4


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mlp_layers": 2},
        {"targets": ("a", "b", "c")},
        {"modules": 3, "features": 6},
        {"tac_factor": 3},
        {"attention_heads": 2, "modules": 2},
        {"attention_heads": 4, "attention_features": 3, "tac_factor": 1},
    ],
)
def test_parameters_of_small_models_equal_the_closed_form(changes):
    config = replace(TINY, **changes)
    variants = (config.tac_factor, config.attention_heads, config.attention_features)
    sizes = (config.features, config.modules, config.mlp_layers, len(config.targets), *variants)
    expected = parameters_by_hand(WIDTHS, *sizes)
    assert BSRNN(config).count_parameters() == expected


# --------------------------------------------------------------------------------------------------- STFT and masks


@pytest.mark.parametrize("samples", [33, 64, 100, 1000, 1023])
@pytest.mark.parametrize("axes", [(2, 2), (1, 1), (3, 1, 2)])
def test_stft_then_istft_is_the_identity(samples, axes):
    model, audio = BSRNN(TINY), noise(*axes, samples)
    spectrogram = model.stft(audio)
    assert spectrogram.shape == (*axes, 33, 1 + samples // 16) and spectrogram.dtype == torch.complex64
    assert (model.istft(spectrogram, samples) - audio).abs().max() < 1e-6 * audio.abs().max()


def test_stft_then_istft_is_the_identity_at_the_papers_size():
    model, audio = BSRNN(ModelConfig(features=1, modules=1)), noise(2, 44100).clamp(-1, 1)
    assert (model.istft(model.stft(audio), 44100) - audio).abs().max() < 1e-6


def test_the_stft_is_the_textbooks():
    """Frame t is the Fourier sum over the Hann-windowed samples around 16 t."""
    model, audio = BSRNN(TINY), noise(1, 200)
    got = model.stft(audio)[0, :, 6]  # centred at sample 96, far from the edges
    n = torch.arange(64, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * torch.pi * n / 64)
    phases = torch.exp(-2j * torch.pi * torch.outer(torch.arange(33), n) / 64)
    expected = (phases * (window * audio[0, 96 - 32 : 96 + 32].double())).sum(1)
    assert (got - expected).abs().max() < 1e-5


def constant_mask(model, value):
    """Set the output layers so that every mask is ``value`` in every bin: GLU(a, 0) = a / 2."""
    with torch.no_grad():
        for estimator in model.masks:
            for layer in estimator.output:
                layer.weight.zero_()
                layer.bias.zero_()
                g = layer.bias.shape[-1] // 4  # real, imaginary, and their gates
                layer.bias[..., :g] = 2 * value.real
                layer.bias[..., g : 2 * g] = 2 * value.imag
    return model


@pytest.mark.parametrize("normalisation", ["group", "layer"])
def test_a_unit_mask_gives_back_the_mixture(normalisation):
    model = constant_mask(make(targets=("a", "b"), normalisation=normalisation), 1 + 0j)
    mixture = noise(2, 2, 500)
    estimates = model(mixture)
    assert estimates.shape == (2, 2, 2, 500)
    assert (estimates - mixture[:, None]).abs().max() < 1e-5


def test_the_mask_is_a_complex_product():
    """i times a spectrum turns every sine by a quarter: the estimate is the Hilbert transform, and i i = -1."""
    model, mixture = constant_mask(make(), 1j), noise(1, 1, 500)
    spectrogram = model.stft(mixture)
    once = model.estimate(spectrogram)[:, 0]
    assert (once - 1j * spectrogram).abs().max() < 1e-4
    assert (model.estimate(once)[:, 0] + spectrogram).abs().max() < 1e-4


def test_shapes_and_the_order_of_targets():
    model = make(targets=("vocals", "drums", "bass"))
    mixture = noise(2, 2, 300)
    estimates = model(mixture)
    assert estimates.shape == (2, 3, 2, 300) and estimates.dtype == torch.float32
    for index in range(3):  # one estimator alone gives that target's slice
        alone = make()
        alone.split, alone.core, alone.masks = model.split, model.core, nn.ModuleList([model.masks[index]])
        assert (alone(mixture)[:, 0] - estimates[:, index]).abs().max() < 1e-6


# -------------------------------------------------------------------------------------------------------- slow twin


@pytest.mark.parametrize("normalisation", ["group", "layer"])
@pytest.mark.parametrize("changes", [{}, {"mlp_layers": 2, "modules": 2}, {"targets": ("a", "b")}])
def test_equals_the_slow_twin(normalisation, changes):
    model = make(normalisation=normalisation, **changes)
    mixture = noise(2, 2, 700)
    mixture[0, 1, 200:450] = 0  # a rest inside the item
    with torch.no_grad():
        fast, slow = model(mixture), textbook_bsrnn.load(model)(mixture)
    assert fast.abs().max() > 0.1
    assert (fast - slow).abs().max() < 1e-5 * max(1, slow.abs().max())


def test_equals_the_slow_twin_on_the_papers_split():
    model = make(band_split="v7", n_fft=2048, hop_samples=512, sample_rate=44100)
    mixture = 0.3 * noise(1, 1, 6000)
    with torch.no_grad():
        fast, slow = model(mixture), textbook_bsrnn.load(model)(mixture)
    assert (fast - slow).abs().max() < 1e-5 * max(1, slow.abs().max())


@pytest.mark.parametrize("normalisation", ["group", "layer"])
def test_the_papers_loss_sends_gradients_into_every_parameter(normalisation):
    """The waveform alone would not do: bin 0 of a real signal has no imaginary part, so its mask's is free there."""
    model = make(normalisation=normalisation, mlp_layers=2, modules=2, targets=("a", "b")).train()
    objective(model, noise(2, 2, 300), noise(2, 2, 2, 300, seed=2)).backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        assert gradient is not None and torch.isfinite(gradient).all(), name
        # the spectrum of a real signal has no imaginary part in bins 0 and F - 1: nothing comes in through these two
        no_input = 2 * 4 if name.startswith("split.linear") else 2 if name.startswith("split.norm") else 0
        assert (gradient == 0).sum() <= no_input, name


# -------------------------------------------------------------------------------------- what depends on what


@pytest.mark.parametrize("normalisation", ["group", "layer"])
def test_items_and_channels_do_not_touch_each_other(normalisation):
    model, mixture = make(normalisation=normalisation), noise(3, 2, 400)
    together = model(mixture)
    for b in range(3):
        for c in range(2):
            alone = model(mixture[b : b + 1, c : c + 1])
            assert (together[b, :, c] - alone[0, :, 0]).abs().max() < 1e-5


def test_a_subband_touches_the_others_only_through_the_core():
    """Split and mask work band by band: a change in one band's bins changes that band's features and mask alone."""
    model, k, first = make(normalisation="layer"), 5, sum(WIDTHS[:5])
    x = torch.view_as_complex(noise(1, 33, 9, 2))
    other = x.clone()
    other[:, first : first + WIDTHS[k]] *= 3 - 1j
    changed = (model.split(x) - model.split(other)).abs().amax((0, 1, 3))  # (K,)
    assert changed[k] > 1e-2 and (changed[torch.arange(8) != k] == 0).all()
    z = noise(9, 1, 8, 4)
    moved = z.clone()
    moved[:, :, k] += noise(9, 1, 4, seed=3)
    changed = (model.masks[0](z) - model.masks[0](moved)).abs().amax((0, 2))  # (F,)
    inside = (torch.arange(33) >= first) & (torch.arange(33) < first + WIDTHS[k])
    assert (changed[inside] > 1e-4).all() and (changed[~inside] == 0).all()


@pytest.mark.parametrize("normalisation, mixes_frames", [("group", True), ("layer", False)])
def test_only_group_normalisation_takes_statistics_over_frames(normalisation, mixes_frames):
    model = make(normalisation=normalisation)
    x = torch.view_as_complex(noise(1, 33, 9, 2))
    louder = x.clone()
    louder[..., 8] *= 10
    same = (model.split(x)[:8] - model.split(louder)[:8]).abs().max() == 0
    assert bool(same) != mixes_frames
    assert model.split(x).shape == (9, 1, 8, 4)


def test_every_frame_and_subband_sees_every_other_through_the_core():
    model = make(normalisation="layer")
    z = noise(6, 1, 8, 4)
    for t, k in ((0, 7), (5, 0)):
        moved = z.clone()
        moved[t, 0, k] += 1
        assert ((model.core(moved) - model.core(z)).abs().amax((1, 3)) > 0).all()


def test_band_norm_normalises():
    x = 3 + 5 * noise(2, 50, 3, 8)  # (K, T, B, features)
    group, layer = BandNorm(2, 8, "group")(x), BandNorm(2, 8, "layer")(x)
    for y, axes in ((group, (1, 3)), (layer, (3,))):
        assert y.mean(axes).abs().max() < 1e-5
        assert (y.var(axes, correction=0) - 1).abs().max() < 1e-4


@pytest.mark.parametrize("normalisation", ["group", "layer"])
@pytest.mark.parametrize("level", [0.0, 1e-8, 1e4])
def test_silence_and_extreme_levels_stay_finite(normalisation, level):
    model = make(normalisation=normalisation)
    mixture = (level * noise(1, 2, 300)).requires_grad_()
    estimates = model(mixture)
    estimates.abs().sum().backward()
    assert torch.isfinite(estimates).all() and torch.isfinite(mixture.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    if level == 0:
        assert (estimates == 0).all()


# --------------------------------------------------------------------------------- variants: stereo module, attention

# test_import_replication.py has its slow twin
VARIANT = {"tac_factor": 3, "attention_heads": 2, "normalisation_eps": 1e-7}


def test_the_stereo_module_by_hand():
    """N 1, hidden 1, every layer the identity or a sum: channels 1 and 3 -> their mean 2 -> x + (x + 2)."""
    stereo = TransformAverageConcatenate(1, 1)
    with torch.no_grad():
        for layer in (stereo.transform, stereo.average, stereo.concatenate):
            layer.weight.fill_(1)
            layer.bias.zero_()
        z = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
        assert stereo(z, 2).flatten().tolist() == [1 + (1 + 2), 3 + (3 + 2)]
        assert stereo(z, 1).flatten().tolist() == [1 + (1 + 1), 3 + (3 + 3)]  # two items of one channel each
        stereo.slope.fill_(0.5)  # -2 -> -1 by the first layer -> mean -1 -> -0.5; -1.5 -> -0.75 by the last
        assert stereo(-2 * torch.ones(1, 1, 1, 1), 1).flatten().tolist() == [-2.75]


def test_the_channels_of_an_item_see_each_other_and_items_do_not():
    model, mixture = make(**VARIANT), noise(3, 2, 400)
    together = model(mixture)
    for b in range(3):
        assert (together[b] - model(mixture[b : b + 1])[0]).abs().max() < 1e-5
    other = mixture.clone()
    other[0, 1] *= -2
    changed = (model(other) - together).abs().amax((1, 3))  # (B, C)
    assert changed[0, 0] > 1e-3 and (changed[1:] < 1e-6).all()
    apart = make(**(VARIANT | {"tac_factor": 0}))
    assert (apart(other)[0, :, 0] - apart(mixture)[0, :, 0]).abs().max() < 1e-6


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_the_order_of_channels_does_not_matter_to_the_stereo_module(channels):
    model, mixture = make(**VARIANT), noise(1, channels, 400)
    assert (model(mixture.flip(1)).flip(2) - model(mixture)).abs().max() < 1e-5


def test_mono_is_two_equal_channels_to_the_stereo_module():
    model, mono = make(**VARIANT), noise(2, 1, 400)
    for channels in (2, 5):
        many = model(mono.expand(-1, channels, -1))
        assert (many - model(mono)).abs().max() < 1e-5


def test_attention_that_looks_everywhere_alike_gives_the_mean_frame():
    """Queries of zero: every weight is 1 / T, so each frame takes the mean of the values."""
    config = replace(TINY, attention_heads=2)
    torch.manual_seed(0)
    attention, z = FrameAttention(8, config), noise(6, 3, 8, 4)
    with torch.no_grad():
        attention.query.weight.zero_()
        mean = attention.value(z).mean(0, keepdim=True).flatten(3).expand(6, -1, -1, -1)
        assert (attention(z) - (z + attention.output(mean).flatten(3))).abs().max() < 1e-5


def test_attention_by_hand_in_one_frame():
    """One frame can only look at itself, whatever query and key are."""
    attention, z = FrameAttention(8, replace(TINY, attention_heads=1)), noise(1, 2, 8, 4)
    with torch.no_grad():
        expected = z + attention.output(attention.value(z).flatten(3)).flatten(3)
        assert (attention(z) - expected).abs().max() < 1e-6


def test_heads_are_normalised_over_bands_and_features_of_a_frame():
    block = HeadMap(8, 4, 2, 3)
    y = block(5 * noise(6, 2, 8, 4) + 1)  # (T, B, K, heads, outputs)
    assert y.shape == (6, 2, 8, 2, 3)
    assert y.mean((2, 4)).abs().max() < 1e-5 and (y.var((2, 4), correction=0) - 1).abs().max() < 1e-3


def test_eps_is_what_the_settings_say():
    """A signal of variance v comes out with variance v / (v + eps)."""
    x = 1e-3 * noise(1, 500, 1, 4)
    x = (x - x.mean()) / x.std(correction=0) * 1e-3
    for eps in (1e-6, 1e-7, EPS):
        assert BandNorm(1, 4, "group", eps)(x).var(correction=0).item() == pytest.approx(1e-6 / (1e-6 + eps), rel=1e-4)
    model = make(**(VARIANT | {"normalisation_eps": 0.5}))
    blocks = [module for module in model.modules() if hasattr(module, "eps")]
    assert len(blocks) == 6 + 2 + 4 and all(module.eps == 0.5 for module in blocks)
    assert EPS == torch.finfo(torch.float32).eps


def test_variants_send_gradients_into_every_parameter_and_stay_finite_in_silence():
    model = make(**VARIANT, mlp_layers=2, targets=("a", "b")).train()
    objective(model, noise(2, 2, 300), noise(2, 2, 2, 300, seed=2)).backward()
    for name, parameter in model.named_parameters():
        # the split is tested above; what is added to every key alike, softmax takes away again
        if "split" not in name and not name.endswith("key.bias"):
            assert (parameter.grad == 0).sum() == 0 and torch.isfinite(parameter.grad).all(), name
    silent = make(**VARIANT)(torch.zeros(1, 2, 300))
    assert (silent == 0).all()


def test_options_that_are_off_leave_seeded_weights_as_they_were():
    """No random number is drawn for what is not there: a run's weights depend on its seed as before."""
    torch.manual_seed(5)
    BSRNN(replace(TINY, tac_factor=0, attention_heads=0, attention_features=7))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    BSRNN(TINY)
    assert torch.equal(drawn, torch.rand(1))


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("shape", [(300,), (2, 300), (1, 1, 2, 300), (1, 2, 32), (1, 2, 0)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="expected"):
        make()(torch.zeros(shape))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"band_split": (3, 3)}, "does not fill the spectrum"),
        ({"band_split": "v8"}, "unknown band split"),
        ({"band_edges": "ceil"}, "got model.band_edges 'ceil': expected one of floor, nearest"),
        ({"normalisation": "batch"}, "got model.normalisation 'batch': expected one of group, layer"),
        ({"normalisation_eps": 0.0}, "normalisation_eps 0.0: expected a number above 0"),
        ({"tac_factor": -1}, "tac_factor -1"),
        ({"attention_heads": -1}, "attention_heads -1"),
        ({"attention_heads": 3}, "got 3 attention_heads: expected a divisor of features, 4"),
        ({"attention_heads": 2, "attention_features": 0}, "attention_features 0"),
        ({"targets": ("../vocals",)}, "can be the names of files"),
        ({"targets": ("",)}, "can be the names of files"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        BSRNN(replace(TINY, **changes))


def test_modules_stand_alone_with_the_shapes_of_their_docstrings():
    x = torch.view_as_complex(noise(2, 33, 5, 2))
    z = BandSplit(list(WIDTHS), TINY)(x)
    assert z.shape == (5, 2, 8, 4) and z.is_contiguous()
    mask = MaskEstimator(list(WIDTHS), TINY)(z)
    assert mask.shape == x.shape and mask.dtype == torch.complex64
