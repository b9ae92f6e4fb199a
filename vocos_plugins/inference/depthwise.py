"""The convolution at the start of a ConvNeXt block: each channel by itself, over a few neighbouring frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .onednn import Conv

# To set oneDNN's convolution up takes as long as the products of a few hundred frames, tap by tap.
FEW_FRAMES = 400


class Neighbours:
    """Frames with zeros around them, and what each tap of a convolution meets.

    Args:
        frames: ``(T, C)``; they are copied.
        reach: frames on each side that a convolution sees.

    Attributes:
        frames: the copy, which may be written.
        shifted: for each tap the frames that it meets, ``(T, C)``: views of the same memory.
    """

    def __init__(self, frames: Tensor, reach: int) -> None:
        n_frames, dim = frames.shape
        room = frames.new_zeros(n_frames + 2 * reach, dim)
        self.frames = room[reach : reach + n_frames].copy_(frames)
        self.shifted = [room[tap : tap + n_frames] for tap in range(2 * reach + 1)]


class Depthwise:
    """A depthwise convolution that keeps the length, in float32: `Neighbours` -> ``(T, C)``."""

    def __init__(self, module: nn.Conv1d) -> None:
        assert module.bias is not None  # noqa: S101
        self.conv, self.bias = Conv(module), module.bias.detach()
        self.taps = list(module.weight.detach()[:, 0].t().contiguous())

    def __call__(self, neighbours: Neighbours) -> Tensor:
        if len(neighbours.frames) > FEW_FRAMES:
            return self.conv(neighbours.frames)
        first, *others = zip(neighbours.shifted, self.taps, strict=True)
        mixed = torch.addcmul(self.bias, *first)
        for met, tap in others:
            mixed.addcmul_(met, tap)
        return mixed
