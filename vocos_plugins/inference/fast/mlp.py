"""The pointwise part of a ConvNeXt block, nine tenths of its work: norm, two linear layers and GELU.

Each takes the depthwise convolution's output, ``(T, C)``, and a bandwidth, and returns the branch that is added to the
residual, in float32 or bfloat16. The layer scale is folded into the second linear layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...network.backbone import NORM_EPS, AdaLayerNorm, ConvNeXtBlock
from ..calibration import BlockRange
from .onednn import Int8Linear, Linear

Mlp = Callable[[Tensor, int | None], Tensor]


class FloatMlp:
    """Pointwise layers in float32, or with weights and hidden states in bfloat16 and sums in float32."""

    def __init__(self, block: ConvNeXtBlock, dtype: torch.dtype) -> None:
        first = block.pwconv1
        weight, bias = block.scaled_pwconv2()
        self.dtype = dtype
        self.norm = FastNorm(block.norm)
        self.first = Linear(first.weight.detach().to(dtype), first.bias.detach().to(dtype), gelu=True)
        self.second = Linear(weight.to(dtype), bias.to(dtype))

    def __call__(self, mixed: Tensor, bandwidth: int | None) -> Tensor:
        return self.second(self.first(self.norm(mixed, bandwidth).to(self.dtype)))


class Int8Mlp:
    """Pointwise layers with weights, inputs and hidden states in 8 bits, sums in 32, and the output in float32.

    Quantizing the input costs nothing: the smoothing factor, the step and the zero point are folded into the norm's
    scale and shift, whose output is then already in steps of the 8-bit range.
    """

    def __init__(self, block: ConvNeXtBlock, ranges: BlockRange) -> None:
        first = block.pwconv1.weight.detach()
        smoothing = ranges.smoothing(first)
        step, zero_point = ranges.input_steps(smoothing)
        # Conversion to integers truncates: half a step more rounds to the nearest.
        self.norm = FastNorm(block.norm, 1 / (smoothing * step), zero_point + 0.5)
        self.first = Int8Linear(
            first * smoothing, block.pwconv1.bias.detach(), step, zero_point, gelu=True, output=ranges.hidden
        )
        # Its input comes out of the first product in 8 bits, with the same scale and zero point.
        self.second = Int8Linear(*block.scaled_pwconv2(), *ranges.hidden)

    def __call__(self, mixed: Tensor, bandwidth: int | None) -> Tensor:
        steps = self.norm(mixed, bandwidth).clamp_(0, 255)
        # By way of 32 bits, as torch's conversion from float32 to unsigned 8 bits takes twice as long.
        return self.second(self.first(steps.to(torch.int32).to(torch.uint8)))


class FastNorm:
    """Computes a `LayerNorm`, or an `AdaLayerNorm` of a bandwidth: ``(T, C)`` -> ``(T, C)``.

    Scale and shift are combined with ``gain`` and ``offset`` once, for each bandwidth.

    Args:
        norm: whose weights are copied.
        gain, offset: each ``(C,)`` or one for all; the output is multiplied by ``gain``, then ``offset`` is added.
    """

    def __init__(self, norm: nn.Module, gain: Tensor | float = 1.0, offset: float = 0.0) -> None:
        scales, shifts = _tables(norm)
        self.by_bandwidth = list(zip(scales * gain, shifts * gain + offset, strict=True))

    def __call__(self, x: Tensor, bandwidth: int | None) -> Tensor:
        scale, shift = self.by_bandwidth[bandwidth or 0]
        return torch.layer_norm(x, scale.shape, scale, shift, NORM_EPS)


def _tables(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scales and shifts, each ``(n_bandwidths, C)``, or ``(1, C)`` for a norm without bandwidths."""
    if isinstance(norm, AdaLayerNorm):
        return norm.scale.weight.detach(), norm.shift.weight.detach()
    assert isinstance(norm, nn.LayerNorm)  # noqa: S101
    return norm.weight.detach()[None], norm.bias.detach()[None]
