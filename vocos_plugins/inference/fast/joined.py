"""Items joined into one sequence of frames: a product or a transform over all of them takes one call.

Between two items lie silent frames, as many as a convolution or an overlap reaches. They are set to 0 before anything
that looks at neighbours, so that each item sees what it sees when it is decoded by itself: zeros beyond its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Silence(NamedTuple):
    """The frames after items: their indices ``(n,)``; and 0 for each of them, 1 for any other, float32 ``(T, 1)``."""

    frames: Tensor
    heard: Tensor


class Joined(NamedTuple):
    """Items one after the other.

    Attributes:
        features: ``(C, T)``.
        items: the frames of each item.
        silence: the frames after each item; None for a single item, which needs none.
    """

    features: Tensor
    items: Sequence[slice]
    silence: Silence | None


def join(items: Sequence[Tensor], gap: int) -> Joined:
    """Joins the features of items, each ``(C, t)``, with ``gap`` silent frames after each."""
    if len(items) == 1:
        return Joined(items[0], [slice(0, items[0].shape[1])], None)
    spans, start = [], 0
    for item in items:
        spans.append(slice(start, start + item.shape[1]))
        start += item.shape[1] + gap
    features, heard = items[0].new_zeros(len(items[0]), start), torch.zeros(start, 1)
    for item, span in zip(items, spans, strict=True):
        features[:, span] = item
        heard[span] = 1.0
    return Joined(features, spans, Silence((heard[:, 0] == 0).nonzero()[:, 0], heard))
