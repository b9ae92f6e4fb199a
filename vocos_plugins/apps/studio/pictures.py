"""Pictures of mels on one scale, and of the difference between two mels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...evaluation.picture import png
from ...mel import MelConvention
from ...mel.compression import expand

RANGE_DB = 80.0
# The least level that is drawn as the brightest, so that silence stays dark.
LEAST_TOP_DB = 0.0
DIFFERENCE_DB = 20.0
MAX_COLUMNS = 640
# Quieter, equal, louder, distinct in every kind of colour vision (Okabe and Ito's blue and vermilion).
QUIETER_LOUDER = ((0, 114, 178), (247, 247, 247), (213, 94, 0))


def levels(mel: Tensor, convention: MelConvention) -> Tensor:
    """Converts a mel to the mean magnitude of each cell: ``(1, n_mels, T)`` -> dB, ``(n_mels, columns)``.

    The convention's own processing of the values, such as a logarithm, a norm of the bands or statistics, is undone.
    """
    # A band narrower than the distance of two bins can be empty: its sum is 0.
    bands = convention.filterbank().double().sum(0)[:, None].clamp_min(1e-12)
    magnitude = (expand(mel[0].double(), convention) / bands).pow(1 / convention.power)
    n_frames = magnitude.shape[1]
    if n_frames > MAX_COLUMNS:
        magnitude = F.adaptive_avg_pool1d(magnitude, MAX_COLUMNS)
    return 20 * magnitude.clamp_min(1e-9).log10()


def top_of(level: Tensor) -> float:
    """Returns the level that is drawn as the brightest, in dB."""
    return max(float(level.max()), LEAST_TOP_DB)


def draw(level: Tensor, top: float) -> bytes:
    """Returns a PNG with the highest band at the top, from black, 80 dB below `top`, to bright."""
    return png(((level - top) / RANGE_DB + 1).clamp(0, 1).flip(0).float().numpy())


def draw_difference(level: Tensor, reference: Tensor, top: float) -> bytes:
    """Returns a PNG of how much louder or quieter a mel is than a reference; 20 dB and more have the full colour.

    Levels more than 80 dB below `top` are inaudible and are raised to that floor. The longer mel is cut.
    """
    n_columns = min(level.shape[1], reference.shape[1])
    actual, expected = (each[:, :n_columns].clamp_min(top - RANGE_DB) for each in (level, reference))
    difference = (actual - expected) / (2 * DIFFERENCE_DB) + 0.5
    return png(difference.clamp(0, 1).flip(0).float().numpy(), QUIETER_LOUDER)
