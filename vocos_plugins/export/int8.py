"""Eight bits for the blocks' pointwise layers, where nearly all of the work is.

Dynamic quantization gives a layer's whole input one scale, and the inputs' channels differ by a factor of hundreds. So
channels are brought nearer to each other first (SmoothQuant, arXiv 2211.10438), by a factor that the norm before the
layer takes and the layer's weights give back: it costs nothing at run time. The head, whose outputs are exponents and
angles, stays in float32. docs/export.md has the measurements.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..backbone import ConvNeXtBlock
from ..model import Vocos
from .exportable import blocks
from .speech import speech_features

if TYPE_CHECKING:
    from onnx import ModelProto

MIGRATION = 0.5  # how much of the channels' differences goes into the weights
SMALLEST = 1e-5  # of a channel's peak: silent channels keep their scale
POINTWISE = ("/pwconv1/MatMul", "/pwconv2/MatMul")


@torch.no_grad()
def equalize(backbone: nn.Module, vocos: Vocos) -> None:
    """Changes weights so that pointwise layers take channels of more even range; what the backbone gives stays.

    Args:
        backbone: a copy of the model's.
        vocos: the model: its `speech_features` tell the ranges.

    Raises:
        ValueError: the backbone has no pointwise layers.
    """
    found = blocks(backbone)
    if not found:
        raise ValueError("only a ConvNeXt backbone has pointwise layers to compute in 8 bits; use float32")
    peaks = [torch.full((block.pwconv1.in_features,), SMALLEST) for block in found]

    def watch(index: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            peaks[index] = torch.maximum(peaks[index], inputs[0].abs().amax(dim=(0, 1)))

        return hook

    hooks = [block.pwconv1.register_forward_pre_hook(watch(index)) for index, block in enumerate(found)]
    for features, bandwidth_id in speech_features(vocos):
        backbone(features, bandwidth_id)
    for hook in hooks:
        hook.remove()
    for block, peak in zip(found, peaks, strict=True):
        _move(block, peak)


def _move(block: ConvNeXtBlock, peak: Tensor) -> None:
    weight = block.pwconv1.weight
    largest = weight.abs().amax(dim=0)
    scale = peak**MIGRATION / largest.clamp_min(SMALLEST) ** (1 - MIGRATION)
    weight.mul_(scale)
    if isinstance(block.norm, nn.LayerNorm):
        block.norm.weight.div_(scale)
        block.norm.bias.div_(scale)
    else:
        block.norm.scale.weight.div_(scale)
        block.norm.shift.weight.div_(scale)


def quantize_onnx(model: ModelProto) -> ModelProto:
    """Pointwise layers in 8 bits: weights by output channel, inputs by the range that they have at run time."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it asks for a preparation of which nothing is needed here
        try:
            quantize_dynamic(
                model,
                target,
                op_types_to_quantize=["MatMul"],
                nodes_to_quantize=[node.name for node in model.graph.node if node.name.endswith(POINTWISE)],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.root.setLevel(level)
        return onnx.load(target)
