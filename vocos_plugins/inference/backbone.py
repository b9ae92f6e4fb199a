"""The ConvNeXt backbone over frames by channels, with weights laid out for oneDNN."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backbone import NORM_EPS, AdaLayerNorm, ConvNeXtBackbone, ConvNeXtBlock
from .mlp import Mlp
from .onednn import ROWS, Conv


class FastBackbone:
    """What `ConvNeXtBackbone` computes, for one item: features ``(C, T)`` -> hidden states ``(T, dim)``.

    Args:
        backbone: whose weights are taken.
        mlps: the rest of each block, after its convolution.
        dtype: of the first convolution.
    """

    def __init__(self, backbone: ConvNeXtBackbone, mlps: list[Mlp], dtype: torch.dtype = torch.float32) -> None:
        self.embed = Conv(backbone.embed, dtype)
        self.norm, self.final_norm = backbone.norm, backbone.final_layer_norm
        blocks = cast(Iterable[ConvNeXtBlock], backbone.convnext)
        self.blocks = [(Conv(block.dwconv), block.norm, mlp) for block, mlp in zip(blocks, mlps, strict=True)]

    def __call__(self, features: Tensor, bandwidth: int | None) -> Tensor:
        hidden = _normed(self.embed(features.t().contiguous()), self.norm, bandwidth)
        for conv, norm, mlp in self.blocks:
            mixed = conv(hidden)
            scale, shift = affine(norm, bandwidth)
            for rows, given in zip(torch.split(hidden, ROWS), torch.split(mixed, ROWS), strict=True):
                rows.add_(mlp(given, scale, shift))
        return _normed(hidden, self.final_norm, bandwidth)


def affine(norm: nn.Module, bandwidth: int | None) -> tuple[Tensor, Tensor]:
    """A norm's scale and shift, each ``(C,)``."""
    if isinstance(norm, AdaLayerNorm):
        assert bandwidth is not None  # noqa: S101
        return norm.scale.weight[bandwidth], norm.shift.weight[bandwidth]
    assert isinstance(norm, nn.LayerNorm)  # noqa: S101
    return norm.weight, norm.bias


def _normed(x: Tensor, norm: nn.Module, bandwidth: int | None) -> Tensor:
    return F.layer_norm(x, (x.shape[1],), *affine(norm, bandwidth), NORM_EPS)
