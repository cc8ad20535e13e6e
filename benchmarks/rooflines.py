"""How close to the machine's limit: FLOP/s of the whole RNN core, and of each piece of the model."""

import math
from collections.abc import Callable
from functools import partial

import torch

import bsrnn
from benchmarks import measure
from benchmarks.subjects import arithmetics, clip, in_bfloat16, paper_model, without_bfloat16
from bsrnn.models.layers import project, standardise
from bsrnn.runtime.memory import keep_freed_memory
from bsrnn.runtime.threads import in_threads

OF_EACH_DTYPE = ("products_gflops", "rnn_gflops", "gemm_gflops", "rnn_gemm_share", "rnn_share_of_time")
PIECES_OF_EACH_DTYPE = ("RNN along time", "RNN along bands", "linear layer", "normalisation")


class CoreAlone:
    """The RNN core of a model, called as :func:`bsrnn.runtime.threads.in_threads` calls a model: with numbers of
    items."""

    def __init__(self, model: bsrnn.BSRNN, z: torch.Tensor):
        self.config, self.core, self.z = model.config, model.core, z

    def __call__(self, numbers: torch.Tensor) -> torch.Tensor:  # (b, 1, 1) -> (b, 1, 1, T K N)
        return self.core(self.z[:, numbers.flatten()]).transpose(0, 1).flatten(1)[:, None, None]


def roofline(options) -> dict:
    """FLOP/s of the RNN core against the machine's best matrix product in the same dtype."""
    model, mixture = paper_model(options), clip()
    result: dict = {"rnn_gflop": measure.rnn_flops(model.config, 2, mixture.shape[-1]) / 1e9}
    result |= without_bfloat16(*(f"{name}_bf16" for name in OF_EACH_DTYPE))
    keep_freed_memory()
    for short, dtype in arithmetics().items():
        variant = model if dtype == torch.float32 else in_bfloat16(model)
        products, product_flops = measure.products(dtype, 256 if options.toy else 2048)
        with torch.inference_mode():
            z = model.split(model.stft(mixture).flatten(0, 1)).to(dtype)
        core, numbers = CoreAlone(variant, z), torch.arange(z.shape[1]).view(1, -1, 1)
        tasks = {"core": partial(in_threads, core, numbers), "whole": partial(in_threads, variant, mixture)} | products
        seconds = measure.alternate(tasks, options.rounds)
        reached = [result["rnn_gflop"] / s for s in seconds["core"]]
        best = [product_flops / 1e9 / min(times) for times in zip(*(seconds[name] for name in products), strict=True)]
        result |= {
            f"products_gflops_{short}": {
                name: measure.spread([product_flops / 1e9 / s for s in seconds[name]])["median"] for name in products
            },
            f"rnn_gflops_{short}": measure.spread(reached),
            f"gemm_gflops_{short}": measure.spread(best),
            f"rnn_gemm_share_{short}": measure.spread([a / b for a, b in zip(reached, best, strict=True)]),
            f"rnn_share_of_time_{short}": measure.spread(
                [a / b for a, b in zip(seconds["core"], seconds["whole"], strict=True)]
            ),
        }
    return result


def pieces(options) -> dict:
    """FLOP/s and intensity of each piece of the model, for the roofline figure; with the memory's bandwidth.

    Intensity is FLOPs over bytes that must move at least: inputs, outputs and weights, each once.
    """
    mixture = clip()
    keep_freed_memory()
    buffer = torch.zeros(1 << (20 if options.toy else 26))
    other = torch.empty_like(buffer)
    copies = measure.alternate({"copy": lambda: other.copy_(buffer)}, options.rounds)["copy"]
    result: dict = {
        "bandwidth_gb_per_second": measure.spread([2 * buffer.nbytes / 1e9 / s for s in copies]),
        "pieces": {},
        **without_bfloat16(*(f"{name}, bf16" for name in PIECES_OF_EACH_DTYPE)),
    }
    for short, dtype in arithmetics().items():
        model = paper_model(options) if dtype == torch.float32 else in_bfloat16(paper_model(options))
        with torch.inference_mode():
            work = _pieces(model, mixture, dtype)
            seconds = measure.alternate({name: task for name, (task, _, _) in work.items()}, options.rounds)
        for name, (_, flops, size) in work.items():
            result["pieces"][f"{name}, {short}"] = {
                "gflops": measure.spread([flops / 1e9 / s for s in seconds[name]])["median"],
                "flops_per_byte": flops / size,
                "milliseconds": 1e3 * measure.spread(seconds[name])["median"],
            }
    return result


def _pieces(model: bsrnn.BSRNN, mixture: torch.Tensor, dtype: torch.dtype) -> dict[str, tuple[Callable, float, float]]:
    """Name -> (task, FLOPs, bytes): one of each kind."""
    settings, block = model.config, model.core[0].time
    n, hidden = settings.features, settings.lstm_hidden
    spectrogram = model.stft(mixture).flatten(0, 1)
    z = model.split(spectrogram)
    frames, items, bands, _ = z.shape
    x = z.to(dtype).flatten(1, 2)  # (steps, sequences, N)
    across = z.to(dtype).permute(2, 0, 1, 3).reshape(bands, frames * items, n)
    h = block.rnn(x)[0]
    places, width = frames * items * bands, dtype.itemsize
    rnn = places * 2 * 2 * 4 * hidden * (n + hidden), (places * (n + 2 * hidden) + 8 * hidden * (n + hidden)) * width
    linear = places * 2 * 2 * hidden * n, (places * (2 * hidden + n) + 2 * hidden * n) * width
    tasks = {
        "RNN along time": (lambda: block.rnn(x), *rnn),
        "RNN along bands": (lambda: block.rnn(across), *rnn),
        "linear layer": (lambda: project(block.linear, h), *linear),
        "normalisation": (lambda: standardise(x, (0, 2), 1e-7), 5 * x.numel(), 2 * x.nbytes),
    }
    if dtype == torch.float32:  # these stay in float32
        bins, wide = sum(model.widths), settings.mlp_hidden
        split = 2 * frames * items * 2 * bins * n, spectrogram.nbytes + z.nbytes + 4 * 2 * bins * n
        inner = n * wide + (settings.mlp_layers - 1) * wide**2
        mask = (
            2 * frames * items * (bands * inner + 4 * bins * wide),
            spectrogram.nbytes + z.nbytes + 4 * (bands * inner + 4 * bins * wide),
        )
        fft = 5 * settings.n_fft * math.log2(settings.n_fft) / 2 * frames * items, mixture.nbytes + spectrogram.nbytes
        tasks |= {
            "band split": (lambda: model.split(spectrogram), *split),
            "mask estimation": (lambda: model.masks[0](z), *mask),
            "STFT": (lambda: model.stft(mixture), *fft),
        }
    return tasks
