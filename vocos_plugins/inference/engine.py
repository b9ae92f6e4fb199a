"""A model computed for speed: its weights folded, rounded and laid out once, then no modules in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..backbone import ConvNeXtBackbone, ConvNeXtBlock
from ..heads import ISTFTHead
from ..model import Vocos
from . import backbone as fast_backbone
from . import head as fast_head
from .backend import Engine
from .mlp import FloatMlp, Int8Mlp, Mlp
from .onednn import around
from .ranges import observe


@dataclass(frozen=True)
class FastEngine:
    """An `Engine` whose parts can be used otherwise, as a stream does.

    Attributes:
        run: computes an item.
        mlps: what it computes of each frame by itself in each block of the backbone.
        around: what the first and the last layer are computed in.
    """

    run: Engine
    mlps: list[Mlp]
    around: torch.dtype

    def __call__(self, features: Tensor, bandwidth: int | None) -> Tensor:
        return self.run(features, bandwidth)


def fast(vocos: Vocos, precision: str) -> FastEngine:
    """The same by oneDNN; ``precision`` is that of the blocks' linear layers, `onednn.around` tells of the others."""
    backbone, head = vocos.backbone, vocos.head
    assert isinstance(backbone, ConvNeXtBackbone)  # noqa: S101
    blocks = cast(Iterable[ConvNeXtBlock], backbone.convnext)
    mlps: list[Mlp]
    if precision == "int8":
        mlps = [Int8Mlp(block, ranges) for block, ranges in zip(blocks, observe(vocos), strict=True)]
    else:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        mlps = [FloatMlp(block, dtype) for block in blocks]
    outer = around(precision)
    hidden_states = fast_backbone.FastBackbone(backbone, mlps, outer)
    if isinstance(head, ISTFTHead) and fast_head.supports(head):
        synthesis = fast_head.FastISTFT(head, outer)
        return FastEngine(
            lambda features, bandwidth: synthesis(hidden_states(features, bandwidth), features), mlps, outer
        )
    return FastEngine(
        lambda features, bandwidth: head(hidden_states(features, bandwidth)[None], features[None])[0], mlps, outer
    )
