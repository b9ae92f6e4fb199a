"""The part of a ConvNeXt block that is nine tenths of its work: norm, two linear layers and GELU, in three precisions.

Each takes the depthwise convolution's output, ``(T, C)``, and a bandwidth, and gives what is added to the residual, in
float32 or bfloat16. The layer scale is folded into the second linear layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..backbone import ConvNeXtBlock
from .norm import FastNorm
from .onednn import Int8Linear, Linear
from .ranges import BlockRange

Mlp = Callable[[Tensor, int | None], Tensor]


class FloatMlp:
    """In float32, or with weights and hidden states in bfloat16 and sums in float32."""

    def __init__(self, block: ConvNeXtBlock, dtype: torch.dtype) -> None:
        first = block.pwconv1
        weight, bias = folded(block)
        self.dtype = dtype
        self.norm = FastNorm(block.norm)
        self.first = Linear(first.weight.detach().to(dtype), first.bias.detach().to(dtype), gelu=True)
        self.second = Linear(weight.to(dtype), bias.to(dtype))

    def __call__(self, mixed: Tensor, bandwidth: int | None) -> Tensor:
        return self.second(self.first(self.norm(mixed, bandwidth).to(self.dtype)))


class Int8Mlp:
    """With weights, inputs and hidden states in 8 bits, sums in 32, and the output in float32.

    A channel's share of the range is balanced between inputs and weights (SmoothQuant, arXiv 2211.10438), which costs
    nothing: the norm's scale and shift also turn its output into steps of the 8-bit range.
    """

    def __init__(self, block: ConvNeXtBlock, ranges: BlockRange) -> None:
        first = block.pwconv1.weight.detach()
        balance = (ranges.channels / first.abs().amax(dim=0).clamp_min(1e-4)).sqrt()
        step, zero_point = ranges.steps_of_input(balance)
        # Conversion to integers cuts off.
        self.norm = FastNorm(block.norm, 1 / (balance * step), zero_point + 0.5)
        self.first = Int8Linear(
            first * balance, block.pwconv1.bias.detach(), step, zero_point, gelu=True, output=ranges.hidden
        )
        self.second = Int8Linear(*folded(block), *ranges.hidden)

    def __call__(self, mixed: Tensor, bandwidth: int | None) -> Tensor:
        steps = self.norm(mixed, bandwidth).clamp_(0, 255)
        # By way of 32 bits, as torch's conversion from float32 to unsigned 8 bits takes twice as long.
        return self.second(self.first(steps.to(torch.int32).to(torch.uint8)))


def folded(block: ConvNeXtBlock) -> tuple[Tensor, Tensor]:
    """Weight and bias of the second linear layer with the layer scale in them."""
    weight, bias = block.pwconv2.weight.detach(), block.pwconv2.bias.detach()
    if block.gamma is None:
        return weight, bias
    gamma = block.gamma.detach()
    return weight * gamma[:, None], bias * gamma
