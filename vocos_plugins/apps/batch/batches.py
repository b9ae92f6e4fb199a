"""Batches for a GPU: items of similar length together, so that little computation goes into padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...inference.decode import decode_every_frame

if TYPE_CHECKING:
    from ...model import Vocos

BATCH_FRAMES = 2**15  # with padding
MAX_WASTE = 0.1


def by_length(lengths: Sequence[int], max_frames: int, max_waste: float = MAX_WASTE) -> list[list[int]]:
    """Returns batches of item indices, the longest items first.

    Args:
        lengths: number of frames of each item.
        max_frames: largest size of a batch, with its padding; only a batch of one item may be larger.
        max_waste: largest share of padding in a batch, in [0, 1).
    """
    batches: list[list[int]] = []
    longest = total = 0
    # Longest first: a batch is as long as its first item, and the next ones are the most similar in length.
    for item in sorted(range(len(lengths)), key=lambda each: lengths[each], reverse=True):
        padded = longest * (len(batches[-1]) + 1) if batches else 0
        if not batches or padded > max_frames or total + lengths[item] < (1 - max_waste) * padded:
            batches.append([])
            longest, total = lengths[item], 0
        batches[-1].append(item)
        total += lengths[item]
    return batches


def decode_together(vocos: Vocos, items: Sequence[Tensor], max_frames: int = BATCH_FRAMES) -> list[Tensor]:
    """Decodes features ``(C, T)`` of any lengths to audio ``(N,)`` on the CPU, each equal to its own decode.

    Without a postfilter: features of recordings need none, and `decode_windows` has applied it to predicted ones.
    """
    lengths = [item.shape[1] for item in items]
    audio = [items[0].new_empty(0)] * len(items)
    for batch in by_length(lengths, max_frames):
        counts = torch.tensor([lengths[item] for item in batch])
        # In a log mel zeros are loud, but `lengths` masks them.
        padded = items[0].new_zeros(len(batch), items[0].shape[0], int(counts.max()))
        for row, item in zip(padded, batch, strict=True):
            row[:, : lengths[item]] = items[item]
        decoded = decode_every_frame(vocos, padded, lengths=counts.to(padded.device), postfilter=False).cpu()
        for row, item in zip(decoded, batch, strict=True):
            audio[item] = row[: vocos.config.n_samples(lengths[item])]
    return audio
