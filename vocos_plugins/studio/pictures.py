"""Mels as pictures on one scale, and how far one is from another."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..evaluation.picture import png
from ..mel import MelConvention
from ..mel.compression import expand

RANGE_DB = 80.0
# What is drawn as the brightest, at least: silence stays dark.
LEAST_TOP_DB = 0.0
DIFFERENCE_DB = 20.0
MAX_COLUMNS = 640
# Quieter, equal, louder: told apart with any colour vision (Okabe and Ito's blue and vermilion).
QUIETER_LOUDER = ((0, 114, 178), (247, 247, 247), (213, 94, 0))


def levels(mel: Tensor, convention: MelConvention) -> Tensor:
    """The mean magnitude that each cell of a mel stands for: ``(1, n_mels, T)`` -> dB, ``(n_mels, columns)``.

    What a convention does to its values, such as a logarithm, a norm of its bands or statistics, is undone.
    """
    bands = convention.filterbank().double().sum(0)[:, None].clamp_min(1e-12)
    magnitude = (expand(mel[0].double(), convention) / bands).pow(1 / convention.power)
    n_frames = magnitude.shape[1]
    if n_frames > MAX_COLUMNS:
        magnitude = F.adaptive_avg_pool1d(magnitude, MAX_COLUMNS)
    return 20 * magnitude.clamp_min(1e-9).log10()


def top_of(level: Tensor) -> float:
    """The level that is drawn as the brightest, dB."""
    return max(float(level.max()), LEAST_TOP_DB)


def draw(level: Tensor, top: float) -> bytes:
    """A PNG, the highest band first: from black, 80 dB below `top`, to bright."""
    return png(((level - top) / RANGE_DB + 1).clamp(0, 1).flip(0).float().numpy())


def draw_difference(level: Tensor, reference: Tensor, top: float) -> bytes:
    """A PNG of how much louder or quieter than a reference: 20 dB and more have the full colour.

    Both are taken to be at least 80 dB below `top`: what is quieter isn't heard. The longer one is cut.
    """
    n_columns = min(level.shape[1], reference.shape[1])
    heard, wanted = (each[:, :n_columns].clamp_min(top - RANGE_DB) for each in (level, reference))
    difference = (heard - wanted) / (2 * DIFFERENCE_DB) + 0.5
    return png(difference.clamp(0, 1).flip(0).float().numpy(), QUIETER_LOUDER)
