"""Deeper valleys between the harmonics of a predicted spectrum.

A network that is trained by distances between spectra predicts the mean of the values that a bin can have, and passes
of the refinement fill valleys: they come out too shallow. Training with the contrast would unlearn it again, so it is
only applied in eval mode.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .refinement import TINY

# Bins on each side that a bin is compared with, as a part of n_fft: about one harmonic of a voice.
REACH = 0.01


def contrasted(magnitude: Tensor, contrast: float, n_fft: int, dim: int, *, upsample: int = 1) -> Tensor:
    """Returns magnitudes that lie ``contrast`` times as far, in decibels, from the root mean square around them.

    Peaks are near it, and so hardly change; neither does the level of a band.

    Args:
        magnitude: of any shape, none negative.
        contrast: 1 leaves the magnitudes as they are.
        n_fft: samples of the transform.
        dim: the dimension of a frame's ``n_fft // 2 + 1`` bins.
        upsample: of the head (`config.ISTFT`): the transform has more bins, which lie as close together.
    """
    if contrast == 1.0:
        return magnitude
    # Silence counts as a flat spectrum of power TINY: its logarithm stays finite, and its factor is 1.
    power, last = magnitude * magnitude + TINY, magnitude.dim() - 1
    n_bins, reach = n_fft // 2 + 1, round(REACH * n_fft / upsample)
    index = torch.arange(n_bins, device=power.device)
    # Bins at the ends have fewer neighbours.
    counts = index.clamp_max(reach) + 1 + (n_bins - 1 - index).clamp_max(reach)
    sums = moving_sum(F.pad(power.transpose(dim, last), (reach, reach)), 2 * reach + 1)
    ratio = (power.transpose(dim, last) * counts / sums).transpose(dim, last)
    return magnitude * (ratio.log() * ((contrast - 1) / 2)).exp()  # a third of the time that pow takes


def moving_sum(values: Tensor, length: int) -> Tensor:
    """Sums ``length`` neighbours: ``(..., N)`` -> ``(..., N - length + 1)``.

    Sums of 1, 2, 4, ... neighbours are made by doubling, and added as the bits of ``length`` say: a tenth of the
    additions of a direct sum, and no differences of running totals, which would lose digits.
    """
    n_sums = values.shape[-1] - length + 1
    total, first, size = None, 0, 1
    while length:
        if length & 1:
            part = values[..., first : first + n_sums]
            total = part if total is None else total + part
            first += size
        length >>= 1
        if length:
            values = values[..., :-size] + values[..., size:]
            size *= 2
    assert total is not None  # noqa: S101
    return total
