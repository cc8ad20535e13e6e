"""What was tried for speed, one piece at a time, at the paper's size: what paid is in the library, the rest is not."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import torch
from torch import Tensor, nn

from benchmarks import measure
from benchmarks.subjects import arithmetics, clip, in_bfloat16, paper_model, without_bfloat16
from bsrnn.models.layers import project, standardise
from bsrnn.runtime.memory import keep_freed_memory

IN_BFLOAT16, COMPILED = "LSTM in bfloat16", "torch.compile of the model, bfloat16"


def tried(options) -> dict:
    """Each change against what it would replace; above 1 it is faster."""
    model, mixture = paper_model(options), clip()
    n = model.config.features
    bands, frames = len(model.widths), 1 + mixture.shape[-1] // model.config.hop_samples
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(frames, 2 * bands, n, generator=generator)  # as the RNN along time reads it
    block = model.core[0].time
    h = block.rnn(x)[0].detach()
    batch_first = nn.LSTM(n, model.config.lstm_hidden, bidirectional=True, batch_first=True).eval()
    batch_first.load_state_dict(block.rnn.state_dict())
    across = x.transpose(0, 1).contiguous()
    forward, backward = _directions(block.rnn)
    pool = ThreadPoolExecutor(2)
    keep_freed_memory()
    pairs = {
        "means one axis at a time against var_mean": (lambda: _var_mean(x), lambda: standardise(x, (0, 2), 1e-7)),
        "linear layer as a 1x1 convolution": (lambda: block.linear(h), lambda: project(block.linear, h)),
        "time-major LSTM against batch-first": (lambda: batch_first(across), lambda: block.rnn(x)),
        "the two directions in two threads": (
            lambda: block.rnn(x),
            lambda: list(pool.map(_alone, (forward, backward), (x, x.flip(0)))),
        ),
        "LSTM with int8 weights": (lambda: block.rnn(x), _int8(block.rnn, x)),
    }
    if "bf16" in arithmetics():
        pairs[IN_BFLOAT16] = (lambda: block.rnn(x), _bfloat16(block.rnn, x))
        if not options.toy:
            half = in_bfloat16(model)
            pairs[COMPILED] = (lambda: half(mixture), _compiled(half, mixture))
    result: dict = without_bfloat16(IN_BFLOAT16, *[COMPILED] * (not options.toy))
    for name, (old, new) in pairs.items():
        with torch.inference_mode():
            seconds = measure.alternate({"old": old, "new": new}, options.rounds)
        result[name] = measure.ratio(seconds, "old", "new")
    return result


def _var_mean(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, (0, 2), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-7)


def _directions(rnn: nn.LSTM) -> tuple[nn.LSTM, nn.LSTM]:
    """The forward and the backward half of a bidirectional LSTM, each an LSTM of its own."""
    halves = []
    for ending in ("", "_reverse"):
        half = nn.LSTM(rnn.input_size, rnn.hidden_size)
        names = [name for name, _ in half.named_parameters()]
        half.load_state_dict({name: getattr(rnn, name + ending) for name in names})
        halves.append(half.eval())
    return halves[0], halves[1]


def _alone(rnn: nn.LSTM, x: Tensor) -> Tensor:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return rnn(x)[0]
    finally:
        torch.set_num_threads(threads)


def _bfloat16(rnn: nn.LSTM, x: Tensor):
    rnn, x = deepcopy(rnn).bfloat16(), x.bfloat16()
    return lambda: rnn(x)


def _int8(rnn: nn.LSTM, x: Tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is on its way out of PyTorch
        quantised = torch.ao.quantization.quantize_dynamic(nn.Sequential(rnn), {nn.LSTM})
    return lambda: quantised(x)


def _compiled(model: nn.Module, mixture: Tensor):
    compiled = torch.compile(model)
    return lambda: compiled(mixture)
