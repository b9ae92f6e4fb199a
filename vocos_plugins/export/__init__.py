"""Models for other runtimes: ONNX, OpenVINO, `torch.export` and TorchScript. See docs/export.md."""

from .exportable import Exportable
from .in_memory import export_to
from .onnx import export_onnx
from .openvino import export_openvino
from .sessions import OnnxSession, OpenVinoSession, Session, load_session

__all__ = [
    "Exportable",
    "OnnxSession",
    "OpenVinoSession",
    "Session",
    "export_onnx",
    "export_openvino",
    "export_to",
    "load_session",
]
