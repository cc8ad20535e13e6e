"""Published checkpoints in our format: ``bsrnn import`` (formats of others are read here and nowhere else).

Known is the replication's (arXiv 2603.09187; weights: Zenodo record 17516442): Lightning ``.ckpt`` files of the plain
BSRNN, of oBSRNN with attention and stereo module, and of oBSRNN-SIMO with several targets. Their tensors' names and
shapes say all that a `ModelConfig` needs but for the sample rate (44.1 kHz) and the hop (a quarter of the window).

=============================================  =====================================================================
``BN.<band>.0|1``                              normalisation and linear layer of the band split
``separator.<i>.time_net|band_net``            ``norm``, ``main_layer`` (LSTM) and ``proj`` of the residual RNNs
``separator.<i>.tac_module``                   ``transform|average|concat``: ``0`` linear layer, ``1`` PReLU
``separator.<i>.attn_block``                   ``attn_conv_Q|K|V_<head>``, ``attn_concat_proj``: ``0`` linear layer,
                                               ``1`` PReLU, ``2`` normalisation
``maskers.<target>.mask.<band>.0|1|3|..``      normalisation and linear layers of the mask estimator
=============================================  =====================================================================
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from bsrnn import checkpoint
from bsrnn.bands import SCHEMES, band_widths
from bsrnn.config import TARGETS, ModelConfig
from bsrnn.errors import BSRNNError, ConfigError, DataError
from bsrnn.models.bsrnn import BSRNN, BandLinear, BandNorm, BandSequence, MaskEstimator
from bsrnn.models.obsrnn import HeadMap
from bsrnn.runtime.files import atomic_write
from bsrnn.runtime.terminal import listed, shown
from bsrnn.tool.torch_files import Placeholder, floats, read

EPS = 1e-7  # replication: of every normalisation
MOST_TENSORS = 20_000  # the largest published model has 3000
WINDOWS = ("stft.transf.window", "istft.transf.window")
CARD, FORMAT = "README.md", "Lightning checkpoint of the replication, arXiv 2603.09187"


def import_checkpoint(path: Path, folder: Path, targets: Sequence[str] = ()) -> BSRNN:
    """Read a published checkpoint and write ``folder`` with config.json, model.safetensors and a model card.

    Args:
        path: the file; nothing that it names is run, see `bsrnn.tool.torch_files`.
        folder: must not hold a model yet.
        targets: names of the targets, in the file's order; () = as the file's settings or else its name say.

    Raises:
        DataError: a file that is truncated, hostile or no such checkpoint; the message names tensors that are missing
            or unknown. ConfigError: targets that do not fit, or a folder that holds a model. Nothing is written then.
    """
    path, folder = Path(path), Path(folder)
    check_free(folder)
    content = read(path)
    tensors, settings = contents(path, content)
    config = infer_config(path, tensors, target_names(path, tensors, settings, targets))
    try:
        with torch.device("meta"):  # shapes only: nothing is allocated before they are known to fit the file's
            expected = layout(BSRNN(config))
    except ConfigError as error:
        raise DataError(f"{path} is no model that we know: {error}") from error
    check_names(path, tensors, expected)
    model = BSRNN(config).eval()
    fill(path, tensors, model)
    info = {"imported": describe(path, content)}
    try:
        with atomic_write(folder / CARD) as temporary:
            temporary.write_text(card(model, info["imported"]), encoding="utf-8", errors="backslashreplace")
            checkpoint.save(model, folder, info)
    except BSRNNError:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    return model


def check_free(folder: Path) -> None:
    """ConfigError for a folder in which something would be replaced."""
    if (folder / checkpoint.CONFIG).exists():
        raise ConfigError(f"{folder} holds a model already: choose another --out, or delete it first")
    for name in (checkpoint.WEIGHTS, CARD):
        if (folder / name).exists():
            raise ConfigError(f"{folder} holds a {name} already, which would be replaced: choose another --out")


# ---- what the file says ----


def contents(path: Path, content: Any) -> tuple[dict[str, Tensor], dict]:
    """Tensors by name, in the newer naming, and the hyper-parameters ({} where there are none)."""
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} holds no weights: expected a Lightning checkpoint with a 'state_dict'")
    if len(state) > MOST_TENSORS:
        raise DataError(f"{path} has {len(state)} tensors, expected at most {MOST_TENSORS}")
    if odd := [shown(name) for name, value in state.items() if not isinstance(value, Tensor)]:
        raise DataError(f"{path}: {listed(odd)} in the 'state_dict' is no tensor")
    if not any(str(name).startswith("maskers.") for name in state):  # older files have one mask estimator, unnumbered
        state = {re.sub(r"^mask\.", "maskers.0.mask.", str(name)): value for name, value in state.items()}
    settings = content.get("hyper_parameters")
    return {str(name): value for name, value in state.items()}, settings if isinstance(settings, dict) else {}


def plain(value: object, depth: int = 3) -> object:
    """An OmegaConf list or value as what it wraps, as deep as a list of names lies; others as they are."""
    if depth and isinstance(value, Placeholder):
        state = value.state if isinstance(value.state, dict) else {}
        return plain(state.get("_content", state.get("_val")), depth - 1)
    if depth and isinstance(value, list):
        return [plain(part, depth - 1) for part in value]
    return value


def target_names(path: Path, tensors: dict[str, Tensor], settings: dict, given: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the targets: those given, those in the settings, or the one in the file's name."""
    count = len(_numbers(tensors, r"maskers\.(\d+)\."))
    named = plain(settings.get("targets"))
    named = [named] if isinstance(named, str) else named
    in_name = [target for target in TARGETS if target in path.stem.lower()]
    if given:
        names = list(given)
    elif isinstance(named, list) and len(named) == count and all(isinstance(name, str) for name in named):
        names = named
    else:
        names = in_name
    if len(names) != count:
        there = listed([*map(shown, names)]) or "none"
        raise ConfigError(
            f"{path} has {count} target(s), and {len(names)} name(s) for them ({there}): "
            "give each in the file's order, as --target vocals --target bass"
        )
    return tuple(names)


def infer_config(path: Path, tensors: dict[str, Tensor], targets: Sequence[str]) -> ModelConfig:
    """The model that the tensors' shapes belong to.

    Raises:
        DataError: a tensor is missing that everything else is counted from.
    """

    def shape(name: str, axes: int) -> tuple[int, ...]:
        if name not in tensors:
            raise DataError(f"{path} is no checkpoint of a BSRNN that we know: it has no tensor {name!r}")
        if len(found := tuple(tensors[name].shape)) != axes:
            raise DataError(f"{path}: {name!r} has the shape {found}, expected {axes} axes")
        return found

    features = shape("BN.0.1.weight", 3)[0]
    widths = tuple(shape(f"BN.{k}.1.weight", 3)[1] // 2 for k in range(len(_numbers(tensors, r"BN\.(\d+)\."))))
    layers = [name for name in tensors if re.fullmatch(r"maskers\.0\.mask\.0\.[1-9]\d*\.weight", name)]
    heads = len(_numbers(tensors, r"separator\.0\.attn_block\.attn_conv_Q_(\d+)\."))
    stereo = "separator.0.tac_module.transform.0.weight"
    n_fft = 2 * (sum(widths) - 1)
    query = "separator.0.attn_block.attn_conv_Q_0.0.weight"
    return ModelConfig(
        targets=tuple(targets),
        band_split=_scheme(widths, n_fft, targets),
        n_fft=n_fft,
        hop_samples=n_fft // 4,
        features=features,
        modules=len(_numbers(tensors, r"separator\.(\d+)\.")),
        mlp_layers=len(layers) - 1,
        normalisation="group",
        normalisation_eps=EPS,
        tac_factor=shape(stereo, 2)[0] // max(features, 1) if stereo in tensors else 0,
        attention_heads=heads,
        attention_features=shape(query, 4)[0] if heads else ModelConfig.attention_features,
    )


def _numbers(tensors: dict, pattern: str) -> set[int]:
    """The different numbers at the pattern's group, among names that begin with it."""
    return {int(found[1]) for name in tensors if (found := re.match(pattern, name)) and len(found[1]) < 7}


def _scheme(widths: tuple[int, ...], n_fft: int, targets: Sequence[str]) -> str | tuple[int, ...]:
    """The name of a band split, the target's own before others; the widths themselves where it has none."""
    if n_fft == 2048:
        for name in [*[target for target in targets if target in SCHEMES], *SCHEMES]:
            if tuple(band_widths(name)) == widths:
                return name
    return widths


# ---- names and tensors ----


def _layer(views: dict[str, Tensor], name: str, weight: Tensor, bias: Tensor, axes: int = 2) -> None:
    """A layer's two tensors; a convolution of length 1 has more ``axes``."""
    views[f"{name}.weight"], views[f"{name}.bias"] = weight[(..., *[None] * (axes - 2))], bias


def _heads(views: dict[str, Tensor], name: str, block: HeadMap) -> None:
    """Those of each head of an attention; ``name`` has a place for its number."""
    of_heads = block.linear.weight.unflatten(0, block.weight.shape[1:])  # (heads, outputs, inputs)
    for h, bias in enumerate(block.linear.bias.unflatten(0, block.weight.shape[1:])):
        head = name.format(h)
        _layer(views, f"{head}.0", of_heads[h], bias, 4)
        views[f"{head}.1.weight"] = block.slope[h]
        views[f"{head}.2.gamma"] = block.weight[:, h].T[None, :, None]  # (1, outputs, 1, K)
        views[f"{head}.2.beta"] = block.bias[:, h].T[None, :, None]


@torch.no_grad()
def layout(model: BSRNN) -> dict[str, Tensor]:
    """The file's name of every tensor -> the place in ``model`` where it belongs, as a view of the file's shape."""
    views: dict[str, Tensor] = {}

    band = 0
    for run, (_, _, count) in enumerate(model.split.runs):
        for i in range(count):
            norm, linear = cast(BandNorm, model.split.norm[run]), cast(BandLinear, model.split.linear[run])
            _layer(views, f"BN.{band}.0", norm.weight[i, 0, 0], norm.bias[i, 0, 0])
            _layer(views, f"BN.{band}.1", linear.weight[i].T, linear.bias[i, 0], 3)
            for s, mask in enumerate(cast(Iterable[MaskEstimator], model.masks)):
                name = f"maskers.{s}.mask.{band}"
                _layer(views, f"{name}.0", mask.norm.weight[band, 0, 0], mask.norm.bias[band, 0, 0])
                for j, hidden in enumerate(cast(Iterable[BandLinear], mask.hidden)):
                    _layer(views, f"{name}.{2 * j + 1}", hidden.weight[band].T, hidden.bias[band, 0], 3)
                last = cast(BandLinear, mask.output[run])
                _layer(views, f"{name}.{2 * len(mask.hidden) + 1}", last.weight[i].T, last.bias[i, 0], 3)
            band += 1
    for m, module in enumerate(cast(Iterable[BandSequence], model.core)):
        for net, block in (("time_net", module.time), ("band_net", module.band)):
            name = f"separator.{m}.{net}"
            _layer(views, f"{name}.norm", block.weight, block.bias)
            views |= {f"{name}.main_layer.{part}": value for part, value in block.rnn.named_parameters()}
            _layer(views, f"{name}.proj", block.linear.weight, block.linear.bias)
        if tac := module.stereo:
            for name, part in (("transform", tac.transform), ("average", tac.average), ("concat", tac.concatenate)):
                _layer(views, f"separator.{m}.tac_module.{name}.0", part.weight, part.bias)
                views[f"separator.{m}.tac_module.{name}.1.weight"] = tac.slope
        if attention := module.attention:
            for name, head_map in (("Q", attention.query), ("K", attention.key), ("V", attention.value)):
                _heads(views, f"separator.{m}.attn_block.attn_conv_{name}_{{}}", head_map)
            _heads(views, f"separator.{m}.attn_block.attn_concat_proj", attention.output)
    return views


def check_names(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """DataError that lists tensors which are missing, unknown, or of another shape than the model's."""
    ours = {name: value for name, value in tensors.items() if name not in WINDOWS}
    if problems := checkpoint.misfits(ours, expected):
        raise DataError(f"{path} does not hold the tensors of a BSRNN that we know; {problems}")


@torch.no_grad()
def fill(path: Path, tensors: dict[str, Tensor], model: BSRNN) -> None:
    """Copy the file's values into the model.

    Raises:
        DataError: another STFT window than Hann's, or tensors that are one in our model and differ in the file.
    """
    views = layout(model)
    done: dict[int, str] = {}
    for name, values in floats(path, tensors):
        if name in WINDOWS:
            if values.shape != model.window.shape or (values - model.window).abs().max() > 0.01:
                raise DataError(f"{path}: {name} is no Hann window of {len(model.window)} samples")
            continue
        first = done.setdefault(views[name].data_ptr(), name)
        if first == name:
            views[name].copy_(values)
        elif not torch.equal(views[name], values):
            raise DataError(f"{path}: {name} and {first} differ, expected one PReLU for both")


# ---- where it came from ----


def describe(path: Path, content: dict) -> dict:
    """File name, hash and what the file says of itself, for config.json."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    info: dict[str, int | str] = {"file": path.name, "sha256": digest, "format": FORMAT}
    for name in ("epoch", "global_step", "pytorch-lightning_version"):
        value = content.get(name)
        if type(value) is int or (isinstance(value, str) and len(value) < 40):
            info[name.replace("-", "_")] = value
    return info


def card(model: BSRNN, info: dict) -> str:
    """The model card of an imported model."""
    config = model.config
    extras = [f"stereo module (TAC, hidden {config.tac_factor} N)"] * bool(config.tac_factor)
    extras += [f"attention over frames ({config.attention_heads} heads)"] * bool(config.attention_heads)
    split = config.band_split if isinstance(config.band_split, str) else "of its own"
    return "\n".join(
        [
            f"# {', '.join(config.targets)}, imported",
            "",
            f"A band-split RNN that separates {', '.join(config.targets)}; converted by `bsrnn import`, not trained by "
            "this project.",
            "",
            f"- From: `{info['file']}` (SHA-256 `{info['sha256']}`), {info['format']}",
            f"- Model: N {config.features}, {config.modules} modules, {len(model.widths)} bands (split {split}), "
            f"{config.mlp_layers} hidden layer(s) in the mask estimator"
            + "".join(f", {extra}" for extra in extras)
            + f"; {model.count_parameters()} parameters",
            f"- Assumed, as the file does not say it: {config.sample_rate} Hz, hop {config.hop_samples} samples",
            "- Training data, scores and licence: those of whoever published the file",
            "",
        ]
    )
