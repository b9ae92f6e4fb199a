"""Models as ONNX files, the inverse STFT inside the graph."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..network.network import Network
from ..storage.atomic import atomic_write
from ..storage.overwriting import check_replaceable
from .exportable import OUTPUT_NAMES, Exportable
from .int8 import quantize_onnx, smooth
from .metadata import SIGNATURE, describe

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX_PRECISIONS = ("float32", "int8")
OPSET = 17  # the first with layer normalization: the most runtimes


def export_onnx(
    network: Network,
    target: str | Path,
    *,
    precision: str = "float32",
    outputs: str = "audio",
    overwrite: bool = False,
) -> None:
    """Writes an ONNX file atomically. Folders are made.

    Args:
        network: the model.
        target: the file.
        precision: ``int8`` computes the blocks' pointwise layers in 8 bits; `quality.measure` measures the difference.
        outputs: ``audio``, or ``spectrum``: magnitude, and cosine and sine of the phase, for a runtime that has its own
            inverse STFT.
        overwrite: replace a file that this function did not write.

    Raises:
        CheckpointError: there is such a file.
        ImportError: the extra ``onnx`` is not installed.
        ValueError: the model does not support these options; the message says why.
        OSError: the file cannot be written.
    """
    target = Path(target)
    check_replaceable([target], is_own=lambda: _is_own(target), overwrite=overwrite)
    model = onnx_model(network, precision=precision, outputs=outputs)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        temporary.write_bytes(model.SerializeToString())


def onnx_model(
    network: Network, *, precision: str = "float32", outputs: str = "audio", postfilter: bool = True
) -> ModelProto:
    """Exports to ONNX in memory, with the model's postfilter if it has one and ``postfilter`` is true.

    Inputs: ``mel`` float32 ``(batch, n_mels, frames)``; for an EnCodec model ``features`` ``(batch, codebook_dim,
    frames)`` and ``bandwidth_id`` int64 ``(batch)``. Outputs: ``audio`` ``(batch, samples)``; or ``mag``, ``x`` and
    ``y``, ``(batch, n_fft // 2 + 1, frames)``: the STFT is ``mag * (x + iy)``.
    """
    if precision not in ONNX_PRECISIONS:
        hint = "; OpenVINO supports it: vocos export openvino" if precision == "bfloat16" else ""
        raise ValueError(f"precision must be one of {', '.join(ONNX_PRECISIONS)}, got {precision!r}{hint}")
    exportable = Exportable(network, outputs, postfilter=postfilter)
    if precision == "int8":
        # Before tracing: this changes weights, whereas the quantization below changes the graph.
        smooth(exportable.backbone, network)
    model = trace(exportable, "features" if network.mel is None else "mel")
    if precision == "int8":
        model = quantize_onnx(model)
    sign(model, describe(network, outputs=outputs, precision=precision))
    return model


def trace(exportable: Exportable, input_name: str) -> ModelProto:
    """Traces a model into a graph without metadata."""
    # An extra, and slow to import.
    import onnx

    outputs = OUTPUT_NAMES[exportable.outputs]
    inputs = (input_name, "bandwidth_id") if exportable.conditioned else (input_name,)
    last_axis = "samples" if outputs == ("audio",) else "frames"
    axes = {name: {0: "batch", (1 if last_axis == "samples" else 2): last_axis} for name in outputs}
    axes |= {input_name: {0: "batch", 2: "frames"}, "bandwidth_id": {0: "batch"}}
    written = io.BytesIO()
    with warnings.catch_warnings():
        # torch calls this exporter legacy, and warns; the one by torch.export takes ten times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exportable,
            exportable.example(),
            written,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: axes[name] for name in (*inputs, *outputs)},
        )
    model = onnx.load_model_from_string(written.getvalue())
    _share_constants(model)
    return model


def _share_constants(model: ModelProto) -> None:
    """Merges equal constants: the tables of a transform are written once for each of its uses."""
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            output = node.output[0]
            same[output] = first.setdefault(node.attribute[0].SerializeToString(), output)
            if same[output] != output:
                continue
        for index, name in enumerate(node.input):
            node.input[index] = same.get(name, name)
        kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _is_own(file: Path) -> bool:
    """Whether `export_onnx` wrote this file."""
    import onnx

    try:
        properties = onnx.load(str(file), load_external_data=False).metadata_props
    except Exception:  # protobuf's own, or OSError
        return False
    return any(each.key == SIGNATURE for each in properties)


def sign(model: ModelProto, metadata: dict[str, str]) -> None:
    """Replaces a graph's metadata."""
    model.producer_name, model.producer_version = "vocos-plugins", metadata[SIGNATURE]
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
