"""A model's cost, counted from its layers: its matrix products, and the least number of bytes to and from memory.

Each weight of a convolution or a linear layer is multiplied once per frame, and a multiplication with its addition is
two floating point operations. Norms, activations and FFTs are not matrix products and are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from ...inference.fast.head import has_fast_path
from ...inference.fast.onednn import edge_dtype
from ...model import Vocos
from ...network.backbone import ConvNeXtBlock, ResBlock
from ...network.heads import ISTFTHead, WaveNeXtHead

FLOAT_BYTES = 4
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
STAGES = ("embed", "blocks", "head", "inverse STFT", "refinement")


@dataclass(frozen=True)
class StageCost:
    """The cost of one stage.

    Attributes:
        flops: floating point operations, by the precision of their inputs.
        bytes: bytes to and from memory if each weight is read once, and each layer's frames are read and written once;
            in float32 for all but the linear layers of the blocks.
    """

    flops: Mapping[str, int]
    bytes: int


def count(vocos: Vocos, n_frames: int, precision: str = "float32") -> dict[str, StageCost]:
    """Counts the cost of each of `STAGES` for one item.

    Args:
        vocos: the model.
        n_frames: the item's length.
        precision: precision of the blocks' linear layers, which do nine tenths of the operations.
    """
    backbone, head, dim = vocos.backbone, vocos.head, vocos.config.backbone.dim
    blocks = [module for module in backbone.modules() if isinstance(module, (ConvNeXtBlock, ResBlock))]
    # A precision applies to these layers only; ResNet blocks have none of them.
    pointwise = sum(_weights(b.pwconv1) + _weights(b.pwconv2) for b in blocks if isinstance(b, ConvNeXtBlock))
    embed, convolutions, out = _weights(backbone.embed), sum(map(_weights, blocks)) - pointwise, _weights(head)
    prior = head.prior.inverse.numel() if isinstance(head, ISTFTHead) and head.prior is not None else 0
    n_outputs = next(layer.out_features for layer in reversed(list(head.modules())) if isinstance(layer, nn.Linear))
    # An inverse transform reads the head's outputs and writes one hop of audio per frame; WaveNeXt has none.
    n_transformed = 0 if isinstance(head, WaveNeXtHead) else n_outputs + vocos.hop_length
    n_passes = head.options.refinement_steps if isinstance(head, ISTFTHead) else 0

    def floats(n_weights: int, width: int) -> int:
        return FLOAT_BYTES * (n_weights + width * n_frames)

    def flops(*products: tuple[str, int]) -> Counter[str]:
        total: Counter[str] = Counter()
        for inputs, n_weights in products:
            total[inputs] += 2 * n_weights * n_frames
        return total

    # 8-bit blocks run between an embedding and a head that compute in bfloat16 if the processor supports it.
    outer = "bfloat16" if edge_dtype(precision) == torch.bfloat16 else "float32"
    last = outer if has_fast_path(head) else "float32"
    return {
        "embed": StageCost(flops((outer, embed)), floats(embed, vocos.config.n_features + dim)),
        "blocks": StageCost(
            flops((precision, pointwise), ("float32", convolutions)),
            BYTES[precision] * pointwise + floats(convolutions, 2 * dim * len(blocks)),
        ),
        "head": StageCost(flops((last, out), ("float32", prior)), floats(out + prior, dim + n_outputs)),
        "inverse STFT": StageCost({}, floats(0, n_transformed)),
        # Each pass transforms forward and back.
        "refinement": StageCost({}, floats(0, 2 * n_passes * n_transformed)),
    }


def _weights(module: nn.Module) -> int:
    layers = (layer for layer in module.modules() if isinstance(layer, (nn.Conv1d, nn.Linear)))
    return sum(layer.weight.numel() for layer in layers)
