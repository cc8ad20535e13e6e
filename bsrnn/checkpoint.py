"""Models on disk: ``config.json`` + ``model.safetensors``. Nothing is ever unpickled."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import load_file, save_file

from bsrnn.config import ModelConfig, PeerConfig
from bsrnn.errors import ConfigError, DataError
from bsrnn.models.base import Separator
from bsrnn.models.other_systems import build
from bsrnn.runtime import hub
from bsrnn.runtime.files import atomic_write, read_json, refuse_pointer, write_json
from bsrnn.runtime.limits import named
from bsrnn.runtime.precision import usable_dtype
from bsrnn.runtime.system_errors import check_readable, reading
from bsrnn.runtime.terminal import listed, shown

CONFIG, WEIGHTS = hub.CONFIG, hub.WEIGHTS
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save(model: Separator, folder: Path, info: dict | None = None, dtype: str = "float32") -> Path:
    """Write a model into ``folder``; ``info`` (run, data, seeds, scores) goes into its config.json.

    Args:
        dtype: of the stored weights; ``"float16"`` halves the file.

    Raises:
        ConfigError: unknown dtype. BSRNNError: the disk is full; an older model in ``folder`` is intact.
    """
    folder = Path(folder)
    kept = named("dtype", dtype, DTYPES)
    tensors = {name: _stored(value, kept) for name, value in model.state_dict().items()}
    with atomic_write(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary)
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())  # a full disk shows here, before either file is replaced
        write_json(folder / CONFIG, {"model": asdict(model.config), "info": info or {}})
    return folder


def load(path_or_hub_id: str | Path, dtype: str = "float32", device: str | torch.device = "cpu") -> Separator:
    """A model in eval mode from a folder with config.json and model.safetensors, or from the Hugging Face Hub.

    Args:
        path_or_hub_id: a folder, or ``"user/name"`` (:mod:`bsrnn.runtime.hub`: offline first; needs huggingface_hub).
        dtype: ``"bfloat16"``: see :meth:`bsrnn.BSRNN.compute_in`; input and output stay float32. Where the device would
            emulate it, a line on standard error says so and float32 is taken; ``compute_in`` itself emulates.
        device: where the model is put.

    Raises:
        DataError: no such folder or model, or a file that is missing, corrupt or of another model.
        ConfigError: unknown dtype, or a configuration that this version does not know.
    """
    folder = hub.locate(path_or_hub_id)
    if dtype not in ("float32", "bfloat16"):
        raise ConfigError(f"unknown dtype {dtype!r}: expected 'float32' or 'bfloat16'")
    with reading(folder, "a model"):
        complete = (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()
    if not complete:
        raise DataError(f"no model in {folder}: expected a folder with {CONFIG} and {WEIGHTS}, as `bsrnn train` writes")
    refuse_pointer(folder / CONFIG)
    values = read_json(folder / CONFIG)
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise DataError(
            f"{folder / CONFIG} describes no model: expected its settings under 'model'; get or train it again"
        )
    try:
        config = model_config(values["model"])
        with torch.device("meta"):  # shapes only: nothing is allocated before they are known to be the file's
            expected = build(config).state_dict()
    except ConfigError as error:
        raise ConfigError(f"{folder / CONFIG}: {error}") from error
    tensors = read_tensors(folder / WEIGHTS)
    if problems := misfits(tensors, expected) or _no_weights(tensors, expected):
        raise DataError(f"{folder / WEIGHTS} does not fit {folder / CONFIG}: {problems}; get or train it again")
    model = build(config)
    model.load_state_dict({name: _stored(value, torch.float32) for name, value in tensors.items()})
    return model.compute_in(DTYPES[usable_dtype(dtype, device)]).to(device).eval()


def misfits(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Which tensors a model lacks, does not know, or has in another shape, in words; "" where all fit."""
    problems = {
        "missing": [name for name in expected if name not in tensors],
        "unknown": [shown(name) for name in tensors if name not in expected],
        "of another shape": [
            f"{name} is {tuple(tensors[name].shape)}, expected {tuple(wanted.shape)}"
            for name, wanted in expected.items()
            if name in tensors and tensors[name].shape != wanted.shape
        ],
    }
    return "; ".join(f"{words}: {listed(names)}" for words, names in problems.items() if names)


def _no_weights(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Which tensors cannot be a model's weights, though they have the shapes: of another kind, or not finite; ""."""
    other = [
        f"{name} is {value.dtype}"
        for name, value in tensors.items()
        if value.is_floating_point() != expected[name].is_floating_point()
    ]
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    problems = {"of another kind": other, "not finite": broken}
    return "; ".join(f"{words}: {listed(names)}" for words, names in problems.items() if names)


def info_of(folder: Path) -> dict:
    """What :func:`save` was given beside a model; {} where no model lies, or it says nothing of itself.

    Raises:
        DataError: the config.json in ``folder`` describes no model.
    """
    path = folder / CONFIG
    values = read_json(path) if path.is_file() else {}
    info = values.get("info", {}) if isinstance(values, dict) else None
    if not isinstance(info, dict):
        raise DataError(f"{path} describes no model: expected what is known of it under 'info'; get or train it again")
    return info


def _stored(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Values in ``dtype``; whole numbers, which count something, stay what they are."""
    return value.detach().to("cpu", dtype if value.is_floating_point() else value.dtype).contiguous()


def model_config(values: dict) -> ModelConfig | PeerConfig:
    """Settings from JSON's plain lists and numbers; ConfigError names an unknown setting or one that cannot be.

    What names a ``system`` is one of :mod:`bsrnn.models.other_systems`, all else a BSRNN.
    """
    kind = PeerConfig if "system" in values else ModelConfig
    for name in values.keys() - {field.name for field in fields(kind)}:
        raise ConfigError(f"unknown model setting {name!r}: the file may come from a newer version")
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return kind(**settings)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], state: dict | None = None) -> None:
    """Tensors and a JSON ``state`` into one safetensors file, atomically."""
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"state": json.dumps(state)} if state is not None else None)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file; DataError if it cannot be read, is truncated or corrupt."""
    check_readable(path, "a model's weights")  # safetensors says of what it may not read that it is not there
    refuse_pointer(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as safetensors ({error}): truncated or corrupt; delete it and make it again"
        ) from error


def parse_tensors(data: bytes) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and state of what :func:`write_tensors` wrote; DataError if it is truncated, corrupt, or has no state."""
    try:
        tensors = parse(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise DataError(f"cannot be read as safetensors ({error}): truncated or corrupt") from error
    state = header.get("__metadata__", {}).get("state")
    if state is None:
        raise DataError("holds tensors alone, expected the state of a training beside them")
    return tensors, json.loads(state)
