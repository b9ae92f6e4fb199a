"""A network laid out for speed: its weights folded, rounded and reordered once, then no modules in the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from ...network.backbone import ConvNeXtBackbone, ConvNeXtBlock
from ...network.heads import ISTFTHead
from ...network.network import Network
from ..calibration import measure_ranges, speech_features
from .backbone import FastBackbone
from .compiled import Compiled
from .head import FastISTFT, has_fast_path
from .joined import join
from .mlp import FloatMlp, Int8Mlp, Mlp
from .onednn import edge_dtype


class FastEngine:
    """An `Engine` that can also decode joined items, and whose parts a stream uses by themselves.

    Args:
        network: whose head it computes.
        backbone: the backbone, laid out.
        mlps: the pointwise layers of each of its blocks.
        precision: of these; `onednn.edge_dtype` chooses that of the first and last layer.

    Attributes:
        compiled: what decodes single short items in its place; None without a library of this model.
    """

    compiled: Compiled | None = None

    def __init__(self, network: Network, backbone: FastBackbone, mlps: list[Mlp], precision: str) -> None:
        self.backbone, self.mlps, self.precision = backbone, mlps, precision
        self.head, self.gap = network.head, backbone.reach
        self.synthesis: FastISTFT | None = None
        if isinstance(network.head, ISTFTHead) and has_fast_path(network.head):
            self.synthesis = FastISTFT(network.head, edge_dtype(precision))
            self.gap = max(self.gap, self.synthesis.overlap - 1)

    def __call__(self, features: Tensor, bandwidth: int | None) -> Tensor:
        if self.compiled is not None and bandwidth is None and self.compiled.fits(features):
            return self.compiled.run(features)
        return self.decode_joined([features], bandwidth)[0]

    def decode_joined(self, items: Sequence[Tensor], bandwidth: int | None) -> list[Tensor]:
        """Decodes items ``(C, T)`` as one sequence of frames: audio ``(N,)`` of each, as when it is decoded alone.

        Several items have at most `head.SHORT_FRAMES` frames each: those are computed by the same operators alone.
        """
        joined = join(items, self.gap)
        hidden = self.backbone(joined.features, bandwidth, joined.silence)
        if self.synthesis is not None:
            return self.synthesis.each(hidden, joined)
        return [self.head(hidden[None, span], joined.features[None, :, span])[0] for span in joined.items]


def build_fast_engine(network: Network, precision: str) -> FastEngine:
    """Builds an engine from a network with a ConvNeXt backbone.

    Args:
        network: whose weights are copied.
        precision: of the blocks' linear layers.
    """
    backbone = network.backbone
    # `Backend` builds this engine for no other backbone.
    assert isinstance(backbone, ConvNeXtBackbone)  # noqa: S101
    blocks = cast(Iterable[ConvNeXtBlock], backbone.convnext)
    mlps: list[Mlp]
    if precision == "int8":
        block_ranges = measure_ranges(backbone, speech_features(network))
        mlps = [Int8Mlp(block, ranges) for block, ranges in zip(blocks, block_ranges, strict=True)]
    else:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        mlps = [FloatMlp(block, dtype) for block in blocks]
    return FastEngine(network, FastBackbone(backbone, mlps, edge_dtype(precision)), mlps, precision)
