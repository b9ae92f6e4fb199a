"""Backbones that go on where they stopped.

A convolution's output needs frames that are yet to come, so each layer is some frames behind the one before it, and a
residual waits for what is added to it. Before the first frame and after the last one, every convolution sees its own
zeros, as it does in the whole decode.

A state is a list of tensors that are replaced, never written to: who keeps the list can go back to it.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..backbone import LEAKY_SLOPE, ConvNeXtBackbone, ConvNeXtBlock, ResBlock, ResNetBackbone, apply_norm

State = list[Tensor]


class Convolution:
    """A convolution over frames that come in pieces; together its outputs equal those over the whole.

    Attributes:
        reach: frames on each side of a frame that its output needs.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        self.weight = conv.weight.detach()  # a weight norm computes it anew each time
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.channels, self.dilation, self.groups = conv.in_channels, conv.dilation[0], conv.groups
        self.reach = self.dilation * (conv.kernel_size[0] - 1) // 2

    def start(self, batch: int) -> Tensor:
        """What is kept before the first frame: the padding."""
        return self.weight.new_zeros(batch, self.channels, self.reach)

    def __call__(self, x: Tensor, kept: Tensor, last: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Goes on with more frames.

        Args:
            x: ``(B, C, t)``, any ``t``.
            kept: earlier inputs that are still needed.
            last: nothing comes after.

        Returns:
            Outputs ``(B, C', n)``; the inputs of the same frames, ``(B, C, n)``; what to keep.
        """
        x = torch.cat([kept, x], dim=2)
        if last:
            x = F.pad(x, (0, self.reach))
        n = x.shape[2] - 2 * self.reach
        if n <= 0:
            return x.new_zeros(len(x), len(self.weight), 0), x[:, :, :0], x
        y = F.conv1d(x, self.weight, self.bias, dilation=self.dilation, groups=self.groups)
        # A view would keep the whole chunk in memory.
        return y, x[:, :, self.reach : self.reach + n], x[:, :, n:].clone()


class ConvNeXtLayers:
    """Walks over the layers of a `ConvNeXtBackbone`.

    Attributes:
        look_ahead: frames by which outputs are behind inputs.
    """

    def __init__(self, backbone: ConvNeXtBackbone) -> None:
        self.backbone = backbone
        self.blocks = cast("list[ConvNeXtBlock]", list(backbone.convnext))
        self.convolutions = [Convolution(conv) for conv in (backbone.embed, *(block.dwconv for block in self.blocks))]
        self.look_ahead = sum(conv.reach for conv in self.convolutions)

    def start(self, batch: int) -> State:
        """The state before the first frame."""
        return [conv.start(batch) for conv in self.convolutions]

    def __call__(self, x: Tensor, state: State, bandwidth_id: Tensor | None, last: bool) -> tuple[Tensor, State]:
        """Features ``(B, C, t)`` to the next hidden states ``(B, n, dim)``, and the state after them."""
        embed, *convolutions = self.convolutions
        embedded, _, kept = embed(x, state[0], last)
        after = [kept]
        hidden = apply_norm(self.backbone.norm, embedded.transpose(1, 2), bandwidth_id).transpose(1, 2)
        for block, conv, before in zip(self.blocks, convolutions, state[1:], strict=True):
            mixed, residual, kept = conv(hidden, before, last)
            hidden = residual + block.pointwise(mixed.transpose(1, 2), bandwidth_id).transpose(1, 2)
            after.append(kept)
        normed: Tensor = self.backbone.final_layer_norm(hidden.transpose(1, 2))
        return normed, after


class ResNetLayers:
    """Walks over the layers of a `ResNetBackbone`.

    Attributes:
        look_ahead: frames by which outputs are behind inputs.
    """

    def __init__(self, backbone: ResNetBackbone) -> None:
        self.embed = Convolution(backbone.embed)
        self.pairs = [
            (Convolution(cast("nn.Conv1d", conv1)), Convolution(cast("nn.Conv1d", conv2)), gamma.detach())
            for block in cast("list[ResBlock]", list(backbone.resnet))
            for conv1, conv2, gamma in zip(block.convs1, block.convs2, block.gamma, strict=True)
        ]
        self.look_ahead = self.embed.reach + sum(conv1.reach + conv2.reach for conv1, conv2, _ in self.pairs)

    def start(self, batch: int) -> State:
        """The state before the first frame."""
        state = [self.embed.start(batch)]
        for conv1, conv2, _ in self.pairs:
            state += [conv1.start(batch), conv2.start(batch), conv1.weight.new_zeros(batch, conv1.channels, 0)]
        return state

    def __call__(self, x: Tensor, state: State, bandwidth_id: Tensor | None, last: bool) -> tuple[Tensor, State]:
        """Features ``(B, C, t)`` to the next hidden states ``(B, n, dim)``, and the state after them."""
        hidden, _, kept = self.embed(x, state[0], last)
        after = [kept]
        for number, (conv1, conv2, gamma) in enumerate(self.pairs):
            before1, before2, waiting = state[3 * number + 1 : 3 * number + 4]
            inner, _, kept1 = conv1(F.leaky_relu(hidden, LEAKY_SLOPE), before1, last)
            inner, _, kept2 = conv2(F.leaky_relu(inner, LEAKY_SLOPE), before2, last)
            waiting = torch.cat([waiting, hidden], dim=2)
            n = inner.shape[2]
            hidden = gamma * inner + waiting[:, :, :n]
            after += [kept1, kept2, waiting[:, :, n:].clone()]
        return hidden.transpose(1, 2), after


def walk(backbone: nn.Module) -> ConvNeXtLayers | ResNetLayers:
    """What streams through a backbone.

    Raises:
        TypeError: it is none of ours.
    """
    if isinstance(backbone, ConvNeXtBackbone):
        return ConvNeXtLayers(backbone)
    if isinstance(backbone, ResNetBackbone):
        return ResNetLayers(backbone)
    raise TypeError(f"can't stream through a {type(backbone).__name__}; give the model its plain backbone back")
