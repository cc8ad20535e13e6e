"""The moving average of a model's weights along its training, which is often better than the last of them.

Source: torch's own (`torch.optim.swa_utils`); the paper has none.
"""

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bsrnn.models.base import Separator


def moving_average(model: Separator, optimiser: torch.optim.Optimizer, decay: float) -> AveragedModel | None:
    """The average that every step of the optimiser moves; None for a decay of 0. Its ``module`` is a model.

    It is the first step's weights, then after each step ``decay`` times itself plus ``1 - decay`` times the new
    weights; buffers are the model's own. The weights are the same in all processes, and so is their average.
    """
    if not decay:
        return None
    # moved to its device, though it is there: that lays the weights of LSTMs out as CUDA wants them
    average = AveragedModel(model, model.window.device, multi_avg_fn=get_ema_multi_avg_fn(decay))
    optimiser.register_step_post_hook(lambda *_: average.update_parameters(model))
    return average
