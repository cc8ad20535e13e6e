"""What a teacher makes of unlabelled songs, held against stems that finetuning does not see. All ours.

A weak teacher may never leave a target 30 dB below its mixture, so that the energy rules of section III never fire.
The embedded unlabelled songs have stems, so each chunk can be judged twice, by the teacher and by the truth, and the
paper's open choices (3 s or 6 s, energies over which of them, channels together or each) can be compared chunk by
chunk, without training.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from bsrnn.activity import salient_segments
from bsrnn.config import ActivityConfig, MixingConfig
from bsrnn.data.songs import Song
from bsrnn.finetune import energy_drops
from bsrnn.metrics import usdr
from bsrnn.mixing import read_chunk
from bsrnn.models.base import Separator

BATCH = 8  # segments that the teacher separates at once


def judge_songs(
    model: Separator,
    songs: Sequence[Song],
    target: str,
    mixing: MixingConfig = MixingConfig(),
    activity: ActivityConfig = ActivityConfig(),
) -> list[dict]:
    """Every chunk of the salient segments of songs, each once, as teacher and truth see it; one dict a chunk.

    Keys, in dB: ``target_down`` and ``residual_down`` below the mixture, of the estimates; ``true_target_down`` and
    ``true_residual_down`` of the stems; ``target_usdr`` and ``residual_usdr`` of the pseudo labels (None where the
    truth is silent); ``mixture_usdr``, of the mixture as a label of the target. The same with ``segment_`` before it
    where the teacher saw the whole segment (6 s), and ``whole_`` where the energies are of that segment, too. Lists
    ``each_target_down``, ``each_residual_down``, ``true_each_target_down``, ``true_each_residual_down``: a value a
    channel.

    The chunks begin at multiples of a chunk from each segment's start; as segments overlap by half, a chunk of 3 s is
    in most cases its segment's second half. Where a chunk's length does not divide a segment's hop, chunks overlap.

    Raises:
        DataError: a song lacks the target's stem.
    """
    rows = []
    index = model.config.targets.index(target)
    for song in songs:
        pieces = _pieces(song, mixing, activity)
        for first in range(0, len(pieces), BATCH):
            batch = pieces[first : first + BATCH]
            mixtures, truths = (
                torch.from_numpy(np.stack([read_chunk(song, stem, start, length) for start, length, _ in batch]))
                for stem in ("mixture", target)
            )  # (B, C, 6 s)
            with torch.inference_mode():
                whole = model(mixtures.to(model.window.device))[:, index].cpu()
            for number, (start, _, offsets) in enumerate(batch):
                samples = round(mixing.chunk_seconds * song.sample_rate)
                cut = [slice(offset, offset + samples) for offset in offsets]
                mixture, truth, seen = (
                    torch.stack([signals[number][:, part] for part in cut]) for signals in (mixtures, truths, whole)
                )  # (chunks, C, L)
                with torch.inference_mode():
                    estimate = model(mixture.to(model.window.device))[:, index].cpu()
                drops = energy_drops(mixtures[number], whole[number])
                starts = [start + offset for offset in offsets]
                rows += _rows(song, starts, _Chunks(mixture, truth, estimate, seen), drops)
    return rows


def _pieces(song: Song, mixing: MixingConfig, activity: ActivityConfig) -> list[tuple[int, int, list[int]]]:
    """(first sample, samples, offsets of the chunks in it) of salient segments; no chunk twice."""
    samples = round(mixing.chunk_seconds * song.sample_rate)
    length = max(samples, round(activity.segment_seconds * song.sample_rate))
    taken: set[int] = set()
    pieces = []
    for start in salient_segments(song, "mixture", activity).tolist():
        inside = min(length, song.frames - start) - samples
        offsets = [offset for offset in range(0, max(inside, 0) + 1, samples) if start + offset not in taken]
        taken.update(start + offset for offset in offsets)
        if offsets:
            pieces.append((start, length, offsets))
    return pieces


class _Chunks(NamedTuple):
    """Of one segment, (chunks, C, L) each."""

    mixture: torch.Tensor
    truth: torch.Tensor  # of the target
    estimate: torch.Tensor  # by a teacher that saw the chunk alone
    seen: torch.Tensor  # by one that saw the segment


def _rows(song: Song, starts: list[int], chunks: _Chunks, whole_drops: tuple[torch.Tensor, torch.Tensor]) -> list[dict]:
    """One dict a chunk of one segment; ``starts``: samples. ``whole_drops``: energy drops of the segment, in dB."""
    mixture, truth, estimate, seen = chunks
    values = {}
    for name, label in (("", estimate), ("segment_", seen), ("true_", truth)):
        values[f"{name}target_down"], values[f"{name}residual_down"] = energy_drops(mixture, label)
    for name, label in (("each_", estimate), ("true_each_", truth)):
        channels = (signal.flatten(0, 1)[:, None] for signal in (mixture, label))
        for which, drops in zip(("target_down", "residual_down"), energy_drops(*channels), strict=True):
            values[name + which] = drops.unflatten(0, mixture.shape[:2])
    rows = []
    for number, start in enumerate(starts):
        row = {
            "song": song.name,
            "set": song.info.get("split", ""),
            "seconds": round(start / song.sample_rate, 3),
        }
        row |= {name: _rounded(value[number]) for name, value in values.items()}
        row |= dict(zip(("whole_target_down", "whole_residual_down"), map(_rounded, whole_drops), strict=True))
        true_target, true_rest = truth[number].numpy(), (mixture - truth)[number].numpy()
        for name, label in (("", estimate), ("segment_", seen)):
            row[f"{name}target_usdr"] = _usdr(true_target, label[number].numpy())
            row[f"{name}residual_usdr"] = _usdr(true_rest, (mixture - label)[number].numpy())
        row["mixture_usdr"] = _usdr(true_target, mixture[number].numpy())
        rows.append(row)
    return rows


def _usdr(reference: np.ndarray, estimate: np.ndarray) -> float | None:
    return round(usdr(reference, estimate), 2) if np.any(reference) else None


def _rounded(value: torch.Tensor) -> float | list[float]:
    return np.round(value.numpy(), 2).tolist()
