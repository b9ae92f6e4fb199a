"""A network laid out for speed: its weights folded, rounded and reordered once, then no modules in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ...network.backbone import ConvNeXtBackbone, ConvNeXtBlock
from ...network.heads import ISTFTHead
from ...network.network import Engine, Network
from ..calibration import measure_ranges, speech_features
from .backbone import FastBackbone
from .head import FastISTFT, has_fast_path
from .mlp import FloatMlp, Int8Mlp, Mlp
from .onednn import edge_dtype


@dataclass(frozen=True)
class FastEngine:
    """An `Engine` whose parts can also be used by themselves, as a stream does.

    Attributes:
        run: decodes an item.
        mlps: the pointwise layers of each block of the backbone.
        edge_dtype: precision of the first and the last layer.
    """

    run: Engine
    mlps: list[Mlp]
    edge_dtype: torch.dtype

    def __call__(self, features: Tensor, bandwidth: int | None) -> Tensor:
        return self.run(features, bandwidth)


def build_fast_engine(network: Network, precision: str) -> FastEngine:
    """Builds an engine from a network with a ConvNeXt backbone.

    Args:
        network: whose weights are copied.
        precision: of the blocks' linear layers; `onednn.edge_dtype` chooses that of the first and last layer.
    """
    backbone, head = network.backbone, network.head
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
    edge = edge_dtype(precision)
    hidden_states = FastBackbone(backbone, mlps, edge)
    if isinstance(head, ISTFTHead) and has_fast_path(head):
        synthesis = FastISTFT(head, edge)
        return FastEngine(
            lambda features, bandwidth: synthesis(hidden_states(features, bandwidth), features), mlps, edge
        )
    return FastEngine(
        lambda features, bandwidth: head(hidden_states(features, bandwidth)[None], features[None])[0], mlps, edge
    )
