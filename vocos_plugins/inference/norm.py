"""Layer norms of a model that is only used: what chooses and changes their scale and shift is computed once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backbone import NORM_EPS, AdaLayerNorm


class FastNorm:
    """What a `LayerNorm`, or an `AdaLayerNorm` of a bandwidth, computes: ``(T, C)`` -> ``(T, C)``.

    Args:
        norm: whose weights are taken.
        gain, offset: each ``(C,)`` or one for all; the output is multiplied by the one, and moved by the other.
    """

    def __init__(self, norm: nn.Module, gain: Tensor | float = 1.0, offset: float = 0.0) -> None:
        scales, shifts = _tables(norm)
        self.of_bandwidths = list(zip(scales * gain, shifts * gain + offset, strict=True))

    def __call__(self, x: Tensor, bandwidth: int | None) -> Tensor:
        scale, shift = self.of_bandwidths[bandwidth or 0]
        return torch.layer_norm(x, scale.shape, scale, shift, NORM_EPS)


def _tables(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scales and shifts, each ``(n_bandwidths, C)``, or ``(1, C)`` of a norm that knows none."""
    if isinstance(norm, AdaLayerNorm):
        return norm.scale.weight.detach(), norm.shift.weight.detach()
    assert isinstance(norm, nn.LayerNorm)  # noqa: S101
    return norm.weight.detach()[None], norm.bias.detach()[None]
