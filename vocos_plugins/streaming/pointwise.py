"""The linear layers of ConvNeXt blocks as `Vocos.backend` computes them: nine tenths of a stream's work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..inference.mlp import Mlp
    from ..model import Vocos

Pointwise = Callable[[Tensor, Tensor | None], Tensor]  # (B, T, C), bandwidths -> (B, T, C)


def fast_pointwise(vocos: Vocos) -> list[Pointwise] | None:
    """What stands for each block's `ConvNeXtBlock.pointwise`; None where the backend has nothing of the kind."""
    from ..inference.engine import FastEngine

    with torch.no_grad():
        engine = vocos.backend.engine(vocos, next(vocos.backbone.parameters()).device)
    if not isinstance(engine, FastEngine):
        return None
    return [_in_rows(mlp) for mlp in engine.mlps]


def _in_rows(mlp: Mlp) -> Pointwise:
    """For batches what ``mlp`` is for frames of one bandwidth."""

    def run(mixed: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        bandwidths = [None] if bandwidth_id is None else bandwidth_id.flatten().tolist()
        items = mixed.reshape(len(bandwidths), -1, mixed.shape[2])
        return torch.stack([mlp(*given) for given in zip(items, bandwidths, strict=True)]).view(mixed.shape)

    return run
