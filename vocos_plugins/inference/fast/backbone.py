"""The ConvNeXt backbone over frames by channels, with weights laid out for oneDNN.

The modules work on ``(B, C, T)`` and transpose twice in each block. Here an item is ``(T, C)`` throughout: a layer norm
and a linear layer then read rows, and the depthwise convolution adds shifted rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from ...network.backbone import ConvNeXtBackbone, ConvNeXtBlock
from .joined import Silence
from .mlp import FastNorm, Mlp
from .onednn import Conv

# Setting up oneDNN's convolution takes as long as the products of a few hundred frames, tap by tap.
FEW_FRAMES = 400


class FastBackbone:
    """Computes a `ConvNeXtBackbone`: features ``(C, T)`` of one item, or of joined ones -> hidden states ``(T, dim)``.

    Args:
        backbone: whose weights are copied.
        mlps: the pointwise layers of each block.
        dtype: of the first convolution.

    Attributes:
        reach: frames on each side that a convolution sees.
    """

    def __init__(self, backbone: ConvNeXtBackbone, mlps: list[Mlp], dtype: torch.dtype = torch.float32) -> None:
        self.embed = Conv(backbone.embed, dtype)
        self.norm, self.final_norm = FastNorm(backbone.norm), FastNorm(backbone.final_layer_norm)
        blocks = list(cast(Iterable[ConvNeXtBlock], backbone.convnext))
        self.blocks = [(Depthwise(block.dwconv), mlp) for block, mlp in zip(blocks, mlps, strict=True)]
        self.reach = max(int(conv.padding[0]) for conv in [backbone.embed, *(block.dwconv for block in blocks)])

    def __call__(self, features: Tensor, bandwidth: int | None, silence: Silence | None = None) -> Tensor:
        hidden = PaddedFrames(self.norm(self.embed(features.t().contiguous()), bandwidth), self.reach)
        for conv, mlp in self.blocks:
            if silence is not None:
                hidden.frames.index_fill_(0, silence.frames, 0.0)
            hidden.frames.add_(mlp(conv(hidden, tap_by_tap=silence is not None), bandwidth))
        # The last norm has no bandwidths, as in the reference.
        return self.final_norm(hidden.frames, None)


class PaddedFrames:
    """Frames with zeros around them, and the rows that each tap of a convolution is multiplied with.

    All blocks write into this one buffer: its zeros are written once, and nothing is padded or copied per block.

    Args:
        frames: ``(T, C)``; they are copied.
        reach: frames on each side that a convolution sees.

    Attributes:
        frames: the copy, which may be written.
        shifted: for each tap the frames that it is multiplied with, ``(T, C)``: views of the same memory.
    """

    def __init__(self, frames: Tensor, reach: int) -> None:
        n_frames, dim = frames.shape
        buffer = frames.new_zeros(n_frames + 2 * reach, dim)
        self.frames = buffer[reach : reach + n_frames].copy_(frames)
        self.shifted = [buffer[tap : tap + n_frames] for tap in range(2 * reach + 1)]


class Depthwise:
    """A depthwise convolution that keeps the length, in float32: `PaddedFrames` -> ``(T, C)``."""

    def __init__(self, module: nn.Conv1d) -> None:
        assert module.bias is not None  # noqa: S101
        self.conv, self.bias = Conv(module), module.bias.detach()
        self.taps = list(module.weight.detach()[:, 0].t().contiguous())

    def __call__(self, padded: PaddedFrames, *, tap_by_tap: bool = False) -> Tensor:
        if padded.frames.shape[0] > FEW_FRAMES and not tap_by_tap:
            return self.conv(padded.frames)
        first, *others = zip(padded.shifted, self.taps, strict=True)
        # The sum begins with the bias: short items are bound by the number of operators.
        mixed = torch.addcmul(self.bias, *first)
        for rows, tap in others:
            mixed.addcmul_(rows, tap)
        return mixed
