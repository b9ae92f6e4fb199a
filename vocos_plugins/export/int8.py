"""Eight bits for the blocks' pointwise layers, where nearly all of the work is.

Dynamic quantization has one scale for a layer's whole input, and the channels differ by a factor of hundreds. So
channels are smoothed first (`inference.calibration`), by a factor that the norm before the layer divides by and the
layer's weights are multiplied with: it costs nothing at run time. The head, whose outputs are exponents and angles,
stays in float32. docs/export.md has the measurements.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..inference.calibration import measure_ranges, speech_features
from ..network.backbone import ConvNeXtBlock, convnext_blocks
from ..network.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto

POINTWISE = ("/pwconv1/MatMul", "/pwconv2/MatMul")


@torch.no_grad()
def smooth(backbone: nn.Module, network: Network) -> None:
    """Changes weights in place so that pointwise layers get channels of more even range. The output stays the same.

    Args:
        backbone: a copy of the network's.
        network: the model; its `speech_features` are the calibration data.

    Raises:
        ValueError: the backbone has no pointwise layers.
    """
    blocks = convnext_blocks(backbone)
    if not blocks:
        raise ValueError("only a ConvNeXt backbone has pointwise layers to compute in 8 bits; use float32")
    for block, ranges in zip(blocks, measure_ranges(backbone, speech_features(network)), strict=True):
        _divide_channels(block, ranges.smoothing(block.pwconv1.weight))


def _divide_channels(block: ConvNeXtBlock, factor: Tensor) -> None:
    block.pwconv1.weight.mul_(factor)
    if isinstance(block.norm, nn.LayerNorm):
        block.norm.weight.div_(factor)
        block.norm.bias.div_(factor)
    else:
        block.norm.scale.weight.div_(factor)
        block.norm.shift.weight.div_(factor)


def quantize_onnx(model: ModelProto) -> ModelProto:
    """Quantizes pointwise layers: weights per output channel, inputs by their range at run time."""
    import onnx  # an extra, and slow to import
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it recommends a preparation that this graph does not need
        try:
            quantize_dynamic(
                model,
                target,
                op_types_to_quantize=["MatMul"],
                # By name: the head and the transforms are MatMul nodes too, and stay in float32.
                nodes_to_quantize=[node.name for node in model.graph.node if node.name.endswith(POINTWISE)],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.root.setLevel(level)
        return onnx.load(target)
