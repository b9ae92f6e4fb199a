"""Deeper valleys between the harmonics of a predicted spectrum.

What is trained by distances of spectra gives the middle of what a bin may be, and passes of the refinement fill valleys
up: they come out too shallow. In training it would be unlearnt again, so it is for use alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import ISTFT
from .refinement import TINY

# Bins to each side that a bin is compared with, as a part of the transform's samples: about a harmonic of a voice.
REACH = 0.01


def contrasted(magnitude: Tensor, options: ISTFT, dim: int) -> Tensor:
    """Magnitudes that lie ``options.contrast`` times as far, in decibels, from the root mean square around them.

    Peaks, which are near it, hardly change, and with them neither does the level of a band.

    Args:
        magnitude: of any shape, none negative.
        options: of the head; a contrast of 1 leaves all as it is.
        dim: along which the bins of a frame lie.
    """
    if options.contrast == 1.0:
        return magnitude
    power, last = magnitude * magnitude + TINY, magnitude.dim() - 1
    n_bins, reach = options.n_fft // 2 + 1, round(REACH * options.n_fft)
    place = torch.arange(n_bins, device=power.device)
    counts = place.clamp_max(reach) + 1 + (n_bins - 1 - place).clamp_max(reach)
    sums = moving_sum(F.pad(power.transpose(dim, last), (reach, reach)), 2 * reach + 1)
    above = (power.transpose(dim, last) * counts / sums).transpose(dim, last)
    return magnitude * (above.log() * ((options.contrast - 1) / 2)).exp()  # a third of the time that pow takes


def moving_sum(values: Tensor, length: int) -> Tensor:
    """Sums of so many neighbours, ``(..., N)`` -> ``(..., N - length + 1)``, by sums of powers of two of them."""
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
