"""Exports to a runtime without a file."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..network.network import Network
from .onnx import onnx_model
from .openvino import openvino_model
from .sessions import BACKENDS, OnnxSession, OpenVinoSession, Session

Synthesize = Callable[[Tensor, "Tensor | None"], Tensor]


def export_to(
    backend: str, network: Network, precision: str = "float32", *, n_threads: int | None = None
) -> Synthesize:
    """Returns a function that decodes with another runtime, in place of `Vocos.synthesize`: without a postfilter.

    Args:
        backend: ``onnxruntime`` or ``openvino``.
        network: the model; its weights are copied.
        precision: ``float32`` or ``int8``; for OpenVINO also ``bfloat16``.
        n_threads: threads; `sessions.usable_threads` by default.

    Returns:
        A function of features ``(B, C, T)`` and bandwidth ids ``(B, 1)``, ``(1, 1)`` or ``(B,)``, or None, that returns
        float32 audio ``(B, N)`` on the CPU.

    Raises:
        ImportError: the runtime is not installed.
        ValueError: the backend is unknown, it does not support the precision, or the model cannot be exported.
    """
    session: Session
    match backend:
        case "onnxruntime":
            session = OnnxSession(
                onnx_model(network, precision=precision, postfilter=False).SerializeToString(), n_threads=n_threads
            )
        case "openvino":
            session = OpenVinoSession(
                openvino_model(network, precision=precision, postfilter=False), n_threads=n_threads
            )
        case _:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")

    def synthesize(features: Tensor, bandwidth_id: Tensor | None = None) -> Tensor:
        ids = None if bandwidth_id is None else bandwidth_id.cpu().numpy()
        return torch.from_numpy(session(features.detach().float().cpu().numpy(), ids))

    return synthesize
