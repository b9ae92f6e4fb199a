"""Chooses how a model computes when nobody needs gradients, and keeps what it has built for that."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from torch import Tensor, nn

from ..backbone import ConvNeXtBackbone
from .measured import keeps_quality_in_int8
from .onednn import available, has_bfloat16, has_int8

if TYPE_CHECKING:
    from ..model import Vocos

Engine = Callable[[Tensor, int | None], Tensor]  # features (C, T), bandwidth -> audio (N,)

BackendName = Literal["torch", "onnxruntime", "openvino"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
PRECISIONS: dict[BackendName, tuple[Precision, ...]] = {
    "torch": ("auto", "float32", "bfloat16", "int8"),
    "onnxruntime": ("auto", "float32", "int8"),
    "openvino": ("auto", "float32", "bfloat16", "int8"),
}
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
# For commands of the toolkits, which have no option for it.
VARIABLE = "VOCOS_PLUGINS_PRECISION"


class Backend:
    """How a model computes for inference on a CPU, without gradients.

    What is built from the weights is built by `prepare` or at the first decode, and again when they have changed.

    Args:
        name: ``torch``; ``onnxruntime`` or ``openvino`` compute an export of the model.
        precision: of the backbone's linear layers, nine tenths of the work; everything else is float32. ``auto`` is
            what the environment variable ``VOCOS_PLUGINS_PRECISION`` says, or else the first of these that the
            processor multiplies: ``int8`` for weights that lose nothing by it (`measured`), ``bfloat16``, ``float32``.
            ``int8`` is fitted to the speech that comes with the package.

    Raises:
        ValueError: no such name, or this processor or torch can't.
    """

    def __init__(self, name: BackendName = "torch", precision: Precision = "float32") -> None:
        for value, known, what in ((name, BackendName, "backend"), (precision, Precision, "precision")):
            if value not in get_args(known):
                raise ValueError(f"unknown {what} {value!r}; known are {', '.join(get_args(known))}")
        if precision not in PRECISIONS[name]:
            raise ValueError(f"{name} doesn't compute in {precision}; take one of {', '.join(PRECISIONS[name])}")
        if name != "torch" and importlib.util.find_spec(name) is None:
            raise ValueError(f"{name} is not installed: pip install 'vocos-plugins[{EXTRAS[name]}]'")
        if precision == "bfloat16" and not has_bfloat16():
            raise ValueError("this processor doesn't multiply bfloat16; take precision='float32' or 'auto'")
        if name == "torch" and precision == "int8" and not has_int8():
            raise ValueError("this processor has no 8-bit products (VNNI); take precision='float32' or 'auto'")
        self.name = name
        self.precision = precision
        self._lock = threading.Lock()
        self._built: tuple[object, Engine] | None = None

    def __deepcopy__(self, _memo: object) -> Backend:
        return Backend(self.name, self.precision)

    def __reduce__(self) -> tuple[type[Backend], tuple[str, str]]:
        return Backend, (self.name, self.precision)

    def prepare(self, vocos: Vocos) -> None:
        """Builds what a first decode on the CPU would have to wait for."""
        with torch.no_grad():
            self.engine(vocos, torch.device("cpu"))

    def engine(self, vocos: Vocos, device: torch.device) -> Engine:
        """What computes one item of the model, whose features are on a device."""
        if not applies(device):
            return modules(vocos)
        state = _state(vocos)
        built = self._built
        if built is None or built[0] != state:
            with self._lock:
                built = self._built
                if built is None or built[0] != state:
                    built = self._built = (state, self._build(vocos))
        return built[1]

    def _build(self, vocos: Vocos) -> Engine:
        from .engine import fast

        precision = self._automatic(vocos) if self.precision == "auto" else self.precision
        if self.name != "torch":
            return _exported(vocos, self.name, precision)
        if not available() or not _supports(vocos.backbone):
            return modules(vocos)
        return fast(vocos, precision)

    def _automatic(self, vocos: Vocos) -> Precision:
        asked = os.environ.get(VARIABLE, "auto")
        if asked != "auto":
            return Backend(self.name, cast(Precision, asked)).precision
        if self.name == "torch" and has_int8() and keeps_quality_in_int8(vocos):
            return "int8"
        return "bfloat16" if has_bfloat16() and "bfloat16" in PRECISIONS[self.name] else "float32"


def modules(vocos: Vocos) -> Engine:
    """The model's own modules."""

    def run(features: Tensor, bandwidth: int | None) -> Tensor:
        ids = None if bandwidth is None else torch.tensor([[bandwidth]])
        return vocos.compute(features[None], ids)[0]

    return run


def applies(device: torch.device) -> bool:
    """Whether a call may be computed other than by the model's modules: nothing is trained, traced or elsewhere."""
    return not (
        torch.is_grad_enabled()
        or device.type != "cpu"
        or torch.is_autocast_enabled("cpu")
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.compiler.is_compiling()
    )


def _exported(vocos: Vocos, runtime: str, precision: str) -> Engine:
    from ..export.in_memory import export_to

    synthesize = export_to(runtime, vocos, precision)

    def run(features: Tensor, bandwidth: int | None) -> Tensor:
        return synthesize(features[None], None if bandwidth is None else torch.tensor([[bandwidth]]))[0]

    return run


def _supports(backbone: nn.Module) -> bool:
    return isinstance(backbone, ConvNeXtBackbone) and backbone.embed.weight.dtype == torch.float32


def _state(vocos: Vocos) -> object:
    """What tells a changed model: where each weight lies, how often it has been written, and how the head works."""
    weights = _weights(vocos.backbone, vocos.head)
    written = [0 if weight.is_inference() else weight._version for weight in weights]
    return vocos.config.head, [weight.data_ptr() for weight in weights], written


def _weights(*modules: nn.Module) -> list[Tensor]:
    """Theirs and their children's; ``module.parameters()`` takes three times as long, for the names that it makes."""
    found: list[Tensor | None] = []
    todo: list[nn.Module | None] = list(modules)
    for module in todo:  # grows while it is gone through
        if module is not None:
            found.extend(module._parameters.values())
            todo.extend(module._modules.values())
    return [weight for weight in found if weight is not None]
