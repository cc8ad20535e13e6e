"""A step's kernels on a GPU, recorded once and started together (CUDA graphs; ours).

A small model keeps a GPU waiting: its kernels are done sooner than the processor starts the next one. A recording
starts all of them at once.
"""

import torch
from torch import Tensor, nn


class Captured(nn.Module):
    """A module whose forward and backward pass are recorded with the first inputs that it gets, and played for others
    of their shapes; inputs of other shapes take the ordinary way.

    Args:
        module: on a CUDA device, with the same kernels for every input of a shape, and without hooks. Changed in place:
            its own ``forward`` plays the recording. The type of the inputs, whether they have gradients, and autocast
            must stay as they were; nothing else may use the device while it records.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module
        self._shapes: list[torch.Size] = []

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the module gives for them."""
        shapes = [value.shape for value in inputs]
        if not self._shapes:
            # a recording's own stream is not the one that its gradients come from; torch takes care of that
            torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
            with torch.cuda.device(inputs[0].device):
                torch.cuda.make_graphed_callables(self.module, tuple(value.clone() for value in inputs))
            self._shapes = shapes
        return self.module(*inputs) if shapes == self._shapes else type(self.module).forward(self.module, *inputs)
