"""A model handed to a runtime without a file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..model import Vocos
from .onnx import onnx_model
from .openvino import openvino_model
from .runtime import BACKENDS, OnnxSession, OpenVinoSession, Session

Synthesize = Callable[[Tensor, "Tensor | None"], Tensor]


def export_to(backend: str, vocos: Vocos, precision: str = "float32", *, n_threads: int | None = None) -> Synthesize:
    """What a runtime makes of a model: in place of `Vocos.synthesize`, for inference.

    Args:
        backend: ``onnxruntime`` or ``openvino``.
        vocos: the model, of which the weights are copied.
        precision: ``float32`` or ``int8``; for OpenVINO also ``bfloat16``.
        n_threads: threads; `runtime.usable_threads` by default.

    Returns:
        A function of features ``(B, C, T)`` and bandwidth ids ``(B, 1)``, ``(1, 1)`` or ``(B,)``, or None, that gives
        float32 audio ``(B, N)`` on the CPU.

    Raises:
        ImportError: the runtime isn't installed.
        ValueError: there is no such backend, or it hasn't this precision, or the model can't be exported; says why.
    """
    session: Session
    match backend:
        case "onnxruntime":
            session = OnnxSession(onnx_model(vocos, precision=precision).SerializeToString(), n_threads=n_threads)
        case "openvino":
            session = OpenVinoSession(openvino_model(vocos, precision=precision), n_threads=n_threads)
        case _:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")

    def synthesize(features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor:
        ids = None if bandwidth_id is None else bandwidth_id.cpu().numpy()
        return torch.from_numpy(session(features.detach().float().cpu().numpy(), ids))

    return synthesize
