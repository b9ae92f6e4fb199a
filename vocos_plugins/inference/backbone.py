"""The ConvNeXt backbone over frames by channels, with weights laid out for oneDNN."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor

from ..backbone import ConvNeXtBackbone, ConvNeXtBlock
from .depthwise import Depthwise, Neighbours
from .mlp import Mlp
from .norm import FastNorm
from .onednn import Conv


class FastBackbone:
    """What `ConvNeXtBackbone` computes, for one item: features ``(C, T)`` -> hidden states ``(T, dim)``.

    Args:
        backbone: whose weights are taken.
        mlps: the rest of each block, after its convolution.
        dtype: of the first convolution.
    """

    def __init__(self, backbone: ConvNeXtBackbone, mlps: list[Mlp], dtype: torch.dtype = torch.float32) -> None:
        self.embed = Conv(backbone.embed, dtype)
        self.norm, self.final_norm = FastNorm(backbone.norm), FastNorm(backbone.final_layer_norm)
        blocks = list(cast(Iterable[ConvNeXtBlock], backbone.convnext))
        self.blocks = [(Depthwise(block.dwconv), mlp) for block, mlp in zip(blocks, mlps, strict=True)]
        self.reach = max((int(block.dwconv.padding[0]) for block in blocks), default=0)

    def __call__(self, features: Tensor, bandwidth: int | None) -> Tensor:
        hidden = Neighbours(self.norm(self.embed(features.t().contiguous()), bandwidth), self.reach)
        for conv, mlp in self.blocks:
            hidden.frames.add_(mlp(conv(hidden), bandwidth))
        return self.final_norm(hidden.frames, None)
