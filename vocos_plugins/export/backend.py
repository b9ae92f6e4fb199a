"""A model that decodes by another runtime, through an export that is made in memory."""

from __future__ import annotations

import importlib.util
from typing import get_args

import torch
from torch import Tensor

from ..inference.backend import Backend, BackendName, Precision
from ..network.network import Engine, Network
from .in_memory import export_to

EXTRAS: dict[BackendName, str] = {"onnxruntime": "onnx", "openvino": "openvino"}


class RuntimeBackend(Backend):
    """Decodes on a CPU with an export of the model in ``onnxruntime`` or ``openvino``.

    Args:
        name: of the runtime.
        precision: as for `Backend`, as far as the runtime supports it.

    Raises:
        ValueError: the runtime is not installed, or it or this CPU does not support the precision.
    """

    def __init__(self, name: BackendName, precision: Precision = "float32") -> None:
        self.name = name
        # Looked for but not imported: the import is slow, and waits until an engine is built.
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"{name} is not installed: pip install 'vocos-plugins[{EXTRAS[name]}]'")
        super().__init__(precision)

    def __deepcopy__(self, _memo: object) -> RuntimeBackend:
        return RuntimeBackend(self.name, self.precision)

    def __reduce__(self) -> tuple[type[RuntimeBackend], tuple[str, ...]]:
        return RuntimeBackend, (self.name, self.precision)

    def _can_build(self, network: Network) -> bool:
        return True

    def _by_preference(self, network: Network, usable: list[Precision]) -> tuple[Precision, ...]:
        # Certificates are of torch's 8 bits, and the runtime's own bfloat16 is fast wherever the processor has it.
        return ("bfloat16" if "bfloat16" in usable else "float32",)

    def _build(self, network: Network, precision: Precision) -> Engine:
        synthesize = export_to(self.name, network, precision)

        def run(features: Tensor, bandwidth: int | None) -> Tensor:
            return synthesize(features[None], None if bandwidth is None else torch.tensor([[bandwidth]]))[0]

        return run


def choose_backend(name: BackendName = "torch", precision: Precision = "float32") -> Backend:
    """Returns the backend of a name: ``torch``, ``onnxruntime`` or ``openvino``.

    Raises:
        ValueError: the name is unknown; or see `Backend` and `RuntimeBackend`.
    """
    if name not in get_args(BackendName):
        raise ValueError(f"unknown backend {name!r}; known are {', '.join(get_args(BackendName))}")
    return Backend(precision) if name == "torch" else RuntimeBackend(name, precision)
