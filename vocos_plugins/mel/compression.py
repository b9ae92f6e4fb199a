"""Conversion of a linear mel to the values that a convention stores, and back."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .convention import LevelNormalization, MeanStdNormalization, MelConvention

# A mel amplitude that no speech reaches. It keeps an absurd log mel from becoming infinite.
MAX_LINEAR = 1e6


def compress(linear: Tensor, convention: MelConvention) -> Tensor:
    """Applies guard, logarithm, gain and normalization to a linear mel ``(..., n_mels, T)``."""
    if convention.log is None:
        values = linear
    else:
        guard = convention.guard_value
        guarded = linear.clamp_min(guard) if convention.guard == "clamp" else linear + guard
        values = torch.log(guarded) if convention.log == "natural" else torch.log10(guarded)
        values = values if convention.log_gain == 1.0 else values * convention.log_gain
    match convention.normalization:
        case LevelNormalization() as level:
            return _to_range(values, level)
        case MeanStdNormalization() as stats:
            return (values - _per_band(stats.mean, values)) / _per_band(stats.std, values)
    return values


def expand(mel: Tensor, convention: MelConvention) -> Tensor:
    """Undoes `compress`: returns the linear mel, clamped to [0, `MAX_LINEAR`].

    Values that a guard or a clip has cut off are not recovered; they come back as the bound.
    """
    values = mel
    match convention.normalization:
        case LevelNormalization() as level:
            values = _from_range(values, level)
        case MeanStdNormalization() as stats:
            values = values * _per_band(stats.std, values) + _per_band(stats.mean, values)
    if convention.log is None:
        return values.clamp(0.0, MAX_LINEAR)
    to_natural = (1.0 if convention.log == "natural" else math.log(10.0)) / convention.log_gain
    # Clamped before the exponential too: its gradient would be NaN where it overflows.
    exponent = (values * to_natural).clamp_max(math.log(2 * MAX_LINEAR))
    linear = torch.exp(exponent)
    return (linear if convention.guard == "clamp" else linear - convention.guard_value).clamp(0.0, MAX_LINEAR)


def _to_range(values: Tensor, level: LevelNormalization) -> Tensor:
    unit = (values - level.ref_level - level.min_level) / -level.min_level
    low = -level.max_norm if level.symmetric else 0.0
    scaled = unit * (level.max_norm - low) + low
    return scaled.clamp(low, level.max_norm) if level.clip else scaled


def _from_range(values: Tensor, level: LevelNormalization) -> Tensor:
    low = -level.max_norm if level.symmetric else 0.0
    # A model may predict values outside the range, which `_to_range` never produces: they count as its ends.
    scaled = values.clamp(low, level.max_norm) if level.clip else values
    return (scaled - low) / (level.max_norm - low) * -level.min_level + level.min_level + level.ref_level


def _per_band(statistic: float | tuple[float, ...], like: Tensor) -> Tensor:
    # A column, so that statistics go by band and not by frame.
    return torch.as_tensor(statistic, dtype=like.dtype, device=like.device).reshape(-1, 1)
