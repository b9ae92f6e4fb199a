"""Backbones that take frames in pieces and continue where they stopped.

A convolution's output needs frames that are yet to come, so each layer is some frames behind the one before it, and a
residual waits for the branch that is added to it. Before the first frame and after the last one, every convolution sees
its own zeros, as it does when the whole is decoded.

The last frames of a piece may be guesses about the future. Their outputs are used, but layers keep real frames only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..inference.fast.engine import FastEngine
from ..inference.fast.mlp import Mlp
from ..network.backbone import LEAKY_SLOPE, ConvNeXtBackbone, ConvNeXtBlock, ResBlock, ResNetBackbone, apply_norm
from ..network.network import Network

LayerState = list[Tensor]
Pointwise = Callable[[Tensor, "Tensor | None"], Tensor]  # (B, T, C), bandwidths -> (B, T, C)


class ConvOutput(NamedTuple):
    """The result of a `Convolution`.

    Attributes:
        outputs: ``(B, C', n)``.
        inputs: of the same frames, ``(B, C, n)``.
        n_real: the number of outputs that depend on no guess; they come first.
        kept: real inputs that further outputs need.
    """

    outputs: Tensor
    inputs: Tensor
    n_real: int
    kept: Tensor


class Convolution:
    """A convolution over frames that come in pieces; together its outputs equal those over the whole.

    Attributes:
        reach: frames on each side of a frame that its output needs.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        self.weight = conv.weight.detach()  # once: a weight norm computes it at every access
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.channels, self.dilation, self.groups = conv.in_channels, conv.dilation[0], conv.groups
        self.depthwise = self.groups == self.channels and self.dilation == 1
        self.reach = self.dilation * (conv.kernel_size[0] - 1) // 2

    def start(self, batch: int) -> Tensor:
        """Returns the state before the first frame: the zero padding."""
        return self.weight.new_zeros(batch, self.channels, self.reach)

    def __call__(self, x: Tensor, n_real: int, kept: Tensor, last: bool) -> ConvOutput:
        """Continues with more frames.

        Args:
            x: ``(B, C, t)``, any ``t``.
            n_real: how many of them are real; they come first.
            kept: the state before.
            last: no more frames will come.
        """
        # At the end the zero padding is as real as a frame: its outputs are final.
        n_real += kept.shape[2] + (self.reach if last else 0)
        x = torch.cat([kept, x, self.start(len(x))] if last else [kept, x], dim=2)
        n, n_settled = (max(0, count - 2 * self.reach) for count in (x.shape[2], n_real))
        # Cloned, since a view would keep the whole chunk in memory.
        inputs, kept = x[:, :, self.reach : self.reach + n], x[:, :, n_settled:n_real].clone()
        return ConvOutput(self._convolve(x, n), inputs, n_settled, kept)

    def _convolve(self, x: Tensor, n: int) -> Tensor:
        if n == 0:
            return x.new_zeros(len(x), len(self.weight), 0)
        if n == 1 and self.depthwise and self.bias is not None:
            # On a CPU, setting up a convolution takes five times as long as these products of a single frame.
            return (x * self.weight[:, 0]).sum(dim=2, keepdim=True) + self.bias[:, None]
        return F.conv1d(x, self.weight, self.bias, dilation=self.dilation, groups=self.groups)


class ConvNeXtLayers:
    """Streams through the layers of a `ConvNeXtBackbone`.

    Args:
        backbone: whose layers they are.
        pointwise: computed in place of each block's `ConvNeXtBlock.pointwise`, if given.

    Attributes:
        look_ahead: frames by which outputs lag behind inputs.
    """

    def __init__(self, backbone: ConvNeXtBackbone, pointwise: list[Pointwise] | None = None) -> None:
        self.backbone = backbone
        blocks = cast("list[ConvNeXtBlock]", list(backbone.convnext))
        self.pointwise = pointwise or [block.pointwise for block in blocks]
        self.convolutions = [Convolution(conv) for conv in (backbone.embed, *(block.dwconv for block in blocks))]
        self.look_ahead = sum(conv.reach for conv in self.convolutions)

    def start(self, batch: int) -> LayerState:
        """Returns the state before the first frame."""
        return [conv.start(batch) for conv in self.convolutions]

    def __call__(
        self, x: Tensor, n_real: int, state: LayerState, bandwidth_id: Tensor | None, last: bool
    ) -> tuple[Tensor, int, LayerState]:
        """Continues with features ``(B, C, t)``, of which the first ``n_real`` are real.

        Returns:
            The next hidden states ``(B, n, dim)``; how many of them depend on no guess; the next state.
        """
        embed, *convolutions = self.convolutions
        mixed, _, n_real, kept = embed(x, n_real, state[0], last)
        after = [kept]
        hidden = apply_norm(self.backbone.norm, mixed.transpose(1, 2), bandwidth_id).transpose(1, 2)
        for pointwise, conv, before in zip(self.pointwise, convolutions, state[1:], strict=True):
            # The convolution returns the inputs of its output frames: the residual, as late as the branch.
            mixed, residual, n_real, kept = conv(hidden, n_real, before, last)
            hidden = residual + pointwise(mixed.transpose(1, 2), bandwidth_id).transpose(1, 2)
            after.append(kept)
        normed: Tensor = self.backbone.final_layer_norm(hidden.transpose(1, 2))
        return normed, n_real, after


class ResNetLayers:
    """Streams through the layers of a `ResNetBackbone`; see `ConvNeXtLayers`."""

    def __init__(self, backbone: ResNetBackbone) -> None:
        self.embed = Convolution(backbone.embed)
        self.pairs = [
            (Convolution(cast("nn.Conv1d", conv1)), Convolution(cast("nn.Conv1d", conv2)), gamma.detach())
            for block in cast("list[ResBlock]", list(backbone.resnet))
            for conv1, conv2, gamma in zip(block.convs1, block.convs2, block.gamma, strict=True)
        ]
        self.look_ahead = self.embed.reach + sum(conv1.reach + conv2.reach for conv1, conv2, _ in self.pairs)

    def start(self, batch: int) -> LayerState:
        """Returns the state before the first frame: two convolutions' and the waiting residual, for each pair."""
        state = [self.embed.start(batch)]
        for conv1, conv2, _ in self.pairs:
            # The residual begins empty: it waits for the branch and is never padded.
            state += [conv1.start(batch), conv2.start(batch), conv1.start(batch)[:, :, :0]]
        return state

    def __call__(
        self, x: Tensor, n_real: int, state: LayerState, bandwidth_id: Tensor | None, last: bool
    ) -> tuple[Tensor, int, LayerState]:
        hidden, _, n_real, kept = self.embed(x, n_real, state[0], last)
        after = [kept]
        for number, (conv1, conv2, gamma) in enumerate(self.pairs):
            before1, before2, waiting = state[3 * number + 1 : 3 * number + 4]
            inner, _, n_inner, kept1 = conv1(F.leaky_relu(hidden, LEAKY_SLOPE), n_real, before1, last)
            inner, _, n_inner, kept2 = conv2(F.leaky_relu(inner, LEAKY_SLOPE), n_inner, before2, last)
            # The branch is two convolutions late: the residual's newest frames wait for it.
            n_waiting = waiting.shape[2] + n_real
            waiting = torch.cat([waiting, hidden], dim=2)
            hidden, n_real = gamma * inner + waiting[:, :, : inner.shape[2]], n_inner
            after += [kept1, kept2, waiting[:, :, n_real:n_waiting].clone()]
        return hidden.transpose(1, 2), n_real, after


def streaming_backbone(network: Network) -> ConvNeXtLayers | ResNetLayers:
    """Returns the layers that stream through a network's backbone.

    The linear layers of a ConvNeXt, nine tenths of the work, are computed as the network's backend does.

    Raises:
        TypeError: the backbone is not one of this package.
    """
    backbone = network.backbone
    if isinstance(backbone, ConvNeXtBackbone):
        return ConvNeXtLayers(backbone, _fast_pointwise(network))
    if isinstance(backbone, ResNetBackbone):
        return ResNetLayers(backbone)
    name = type(backbone).__name__
    raise TypeError(f"streaming supports ConvNeXt and ResNet backbones, not {name}; restore the model's own")


def _fast_pointwise(network: Network) -> list[Pointwise] | None:
    """The pointwise layers of the network's engine; None if the engine has none that can be used by themselves."""
    with torch.no_grad():
        # A stream keeps the engine as it is, and can run for hours.
        engine = network.backend.engine(network, next(network.backbone.parameters()).device, completely=True)
    if not isinstance(engine, FastEngine):
        return None
    return [_batched(mlp) for mlp in engine.mlps]


def _batched(mlp: Mlp) -> Pointwise:
    """Turns a function of frames of one bandwidth into one of batches."""

    def run(mixed: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        # Without bandwidths, or with one for all, the rows of the batch are just more frames.
        bandwidths = [None] if bandwidth_id is None else bandwidth_id.flatten().tolist()
        items = mixed.reshape(len(bandwidths), -1, mixed.shape[2])
        return torch.stack([mlp(*arguments) for arguments in zip(items, bandwidths, strict=True)]).view(mixed.shape)

    return run
