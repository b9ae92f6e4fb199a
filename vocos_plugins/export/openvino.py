"""Models as OpenVINO's intermediate representation, converted from the ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from ..network.network import Network
from ..storage.atomic import publish, temporary_folder
from ..storage.overwriting import check_replaceable
from .exportable import Exportable
from .int8 import POINTWISE, smooth
from .metadata import SIGNATURE, describe
from .onnx import trace

if TYPE_CHECKING:
    from openvino import Model

OPENVINO_PRECISIONS = ("float32", "bfloat16", "int8")
MODEL_NAME = "model.xml"
METADATA = "vocos"  # where the metadata is in the model's runtime information


def export_openvino(
    network: Network,
    target: str | Path,
    *,
    precision: str = "float32",
    outputs: str = "audio",
    overwrite: bool = False,
) -> Path:
    """Writes an ``.xml`` file and the ``.bin`` file with its weights, and returns the path of the first.

    Args:
        network: the model.
        target: the ``.xml`` file, or a folder for ``model.xml``. Folders are made.
        precision: ``bfloat16`` and ``int8`` are for the blocks' pointwise layers, on CPUs that support them.
        outputs: as for `export_onnx`.
        overwrite: replace files that this function did not write.

    Raises:
        CheckpointError: there are such files.
        ImportError: the extra ``openvino`` is not installed.
        ValueError: the model does not support these options; the message says why.
        OSError: the files cannot be written.
    """
    # An extra, and slow to import.
    import openvino

    target = Path(target)
    target = target if target.suffix == ".xml" else target / MODEL_NAME
    files = [target, target.with_suffix(".bin")]
    check_replaceable(files, is_own=lambda: _is_own(target), overwrite=overwrite)
    model = openvino_model(network, precision=precision, outputs=outputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Next to the target, since files can be renamed only within a file system.
    with temporary_folder(target) as folder:
        written = folder / target.name
        # OpenVINO would store weights in float16 by default.
        try:
            openvino.save_model(model, written, compress_to_fp16=False)
        except RuntimeError as error:
            raise OSError(f"could not write {target} (is the disk full?): {' '.join(str(error).split())}") from error
        # The .xml comes last: wherever it is, its weights already are.
        publish({written.with_suffix(suffix): target.with_suffix(suffix) for suffix in (".bin", ".xml")})
    return target


def openvino_model(
    network: Network, *, precision: str = "float32", outputs: str = "audio", postfilter: bool = True
) -> Model:
    """Exports to OpenVINO in memory; options, inputs and outputs are those of `onnx_model`."""
    import openvino

    if precision not in OPENVINO_PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(OPENVINO_PRECISIONS)}, got {precision!r}")
    exportable = Exportable(network, outputs, bfloat16=precision == "bfloat16", postfilter=postfilter)
    if precision == "int8":
        smooth(exportable.backbone, network)
    graph = trace(exportable, "features" if network.mel is None else "mel").SerializeToString()
    model = openvino.Core().read_model(graph, b"")
    if precision == "int8":
        _compress_weights(model)
    for key, value in describe(network, outputs=outputs, precision=precision).items():
        model.set_rt_info(value, [METADATA, key])
    return model


def _is_own(file: Path) -> bool:
    """Whether `export_openvino` wrote this ``.xml`` file."""
    # OpenVINO itself would need the weights, too.
    try:
        return ElementTree.parse(file).find(f"rt_info/{METADATA}/{SIGNATURE}") is not None  # noqa: S314 - no entities
    except (OSError, ElementTree.ParseError):
        return False


def _compress_weights(model: Model) -> None:
    """Stores pointwise weights in 8 bits, with a scale per output; OpenVINO then quantizes the inputs, in groups of 32.

    With groups this is closer to float32 than ONNX's int8, which has one scale for a whole input.
    """
    from openvino import opset13 as ops

    for node in model.get_ops():
        if node.get_type_name() == "MatMul" and node.get_friendly_name().endswith(POINTWISE):
            weight = node.input_value(1).get_node().get_data()
            scale = np.maximum(np.abs(weight).max(axis=0, keepdims=True), np.finfo(np.float32).tiny) / 127
            # Integers that are converted and scaled before the product: OpenVINO recognizes this as compressed weights.
            whole = ops.constant(np.round(weight / scale).astype(np.int8).T.copy())
            restored = ops.multiply(ops.convert(whole, "f32"), ops.constant(scale.astype(np.float32).T.copy()))
            product = ops.matmul(node.input_value(0), restored, False, True)
            for consumer in node.output(0).get_target_inputs():
                consumer.replace_source_output(product.output(0))
    model.validate_nodes_and_infer_types()
