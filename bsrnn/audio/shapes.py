"""Audio as our functions take it: (channels, samples), and not soundfile's (samples, channels)."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from bsrnn.errors import DataError

if TYPE_CHECKING:  # who reads files need not wait for torch
    import torch

Audio: TypeAlias = "np.ndarray | torch.Tensor"
# More are samples: sound comes in up to 9.1.6. Each channel is separated on its own, so that 200 samples the wrong way
# round would take as long as 200 songs.
MOST_CHANNELS = 16


def as_array(audio) -> np.ndarray:
    """An array, or a tensor of any device and dtype, as an array; a list as the array that NumPy makes of it.

    Raises:
        DataError: rows of unequal length.
    """
    if hasattr(audio, "detach"):  # a tensor
        tensor = audio.detach().cpu()
        narrow = tensor.is_floating_point() and tensor.element_size() < 4  # NumPy has no bfloat16
        return (tensor.float() if narrow else tensor).numpy()
    try:
        return np.asarray(audio)
    except ValueError as error:
        raise DataError(f"got audio that is no array ({error}): expected (channels, samples)") from error


def check_channels_first(shape: tuple[int, ...], what: str, axes: str = "(channels, samples)") -> None:
    """Refuse audio whose last two axes are not channels and samples, in this order.

    Channels are taken for samples where there are more than `MOST_CHANNELS`, or more than two and more than samples.
    No samples at all are fine.

    Args:
        what: "a mixture", for the message.
        axes: all of the axes, by name: "(batch, channels, samples)" has three.

    Raises:
        DataError: another number of axes, no channel, or the two the other way round.
    """
    shape = tuple(shape)
    if len(shape) != axes.count(",") + 1:
        hint = "; one channel is audio[None]" if len(shape) == 1 else ""
        raise DataError(f"got {what} of shape {shape}, expected {axes}{hint}")
    channels, samples = shape[-2:]
    if channels > MOST_CHANNELS or 0 < samples < channels > 2:
        raise DataError(f"got {what} of shape {shape}, expected {axes}, at most {MOST_CHANNELS} channels; transpose it")
    if channels < 1:
        raise DataError(f"got {what} of shape {shape}, expected {axes} with a channel or more")


# usual order of a file's channels: left, right, centre, or - for low frequencies
LAYOUTS = {1: "c", 2: "lr", 3: "lrc", 4: "lrlr", 5: "lrclr", 6: "lrc-lr", 7: "lrc-clr", 8: "lrc-lrlr"}


def to_stereo(audio: np.ndarray) -> np.ndarray:
    """Mix (C, L) down to (2, L), or double a mono signal, by the usual order of channels (ITU-R BS.775, WAVE).

    Front left and right count fully, the others 3 dB less; the low-frequency channel is left out. The sum is divided by
    its largest possible gain, so that full scale stays full scale, as `ffmpeg -ac 2` does.

    Raises:
        DataError: more than 8 channels, whose order nobody knows.
    """
    if len(audio) == 2:
        return audio
    if len(audio) == 1:
        return np.repeat(audio, 2, axis=0)
    if len(audio) not in LAYOUTS:
        raise DataError(
            f"got {len(audio)} channels, expected at most {max(LAYOUTS)}; mix them down to 2 first, with "
            "`ffmpeg -i IN -ac 2 OUT` for instance"
        )
    layout = LAYOUTS[len(audio)]
    weights = np.array(
        [[(place in (side, "c")) * (1.0 if at < 2 else 0.5**0.5) for at, place in enumerate(layout)] for side in "lr"],
        np.float32,
    )  # (2, C)
    return weights / weights.sum(1, keepdims=True) @ audio
