"""Chooses how a CPU decodes when no gradients are needed, and keeps the engine that it built for that."""

from __future__ import annotations

import os
import threading
from typing import Literal, cast, get_args

import torch
from torch import nn

from ..network import heads
from ..network.backbone import AdaLayerNorm, ConvNeXtBackbone, ConvNeXtBlock, convnext_blocks
from ..network.network import Engine, Network, engine_allowed, module_engine
from .certificate import keeps_quality
from .fast.choice import Choice, choose_precision
from .fast.compiled import find_compiled
from .fast.engine import build_fast_engine
from .fast.onednn import has_bfloat16, has_int8, has_onednn
from .snapshot import Layout, Snapshot, is_ordinary, is_patched, layout_of

BackendName = Literal["torch", "onnxruntime", "openvino"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
PRECISIONS: dict[BackendName, tuple[Precision, ...]] = {
    "torch": ("auto", "float32", "bfloat16", "int8"),
    "onnxruntime": ("auto", "float32", "int8"),
    "openvino": ("auto", "float32", "bfloat16", "int8"),
}
# For the toolkits' commands, which have no option for it.
PRECISION_VARIABLE = "VOCOS_PLUGINS_PRECISION"

# What engines know how to compute. A model with anything else in it, a LoRA layer for instance, is run by its modules.
KNOWN_MODULES = {
    *(ConvNeXtBackbone, ConvNeXtBlock, AdaLayerNorm),
    *(heads.ISTFTHead, heads.IMDCTSymExpHead, heads.IMDCTCosHead, heads.WaveNeXtHead),
    *(heads.WindowBuffer, heads.AmplitudePrior),
    *(nn.ModuleList, nn.Conv1d, nn.Linear, nn.LayerNorm, nn.Embedding),
}


class Backend:
    """Decodes on a CPU with torch's own operators, laid out for speed (`inference.fast`), without gradients.

    An engine is built from the weights by `prepare` or at the first decode, and again when they have changed: see
    `snapshot` for how that is seen.

    Args:
        precision: of the backbone's linear layers, nine tenths of the work; everything else is float32. ``auto`` is
            the value of the environment variable ``VOCOS_PLUGINS_PRECISION``, or else the fastest of these, which is
            found by timing one block of the model: ``float32``, ``bfloat16``, and ``int8`` for weights with a
            certificate that they lose nothing by it (`certificate`). ``int8`` is calibrated on the speech that ships
            with the package.

    Attributes:
        choice: what ``auto`` found when the engine was built; None before, and where nothing was timed.

    Raises:
        ValueError: the precision is unknown, or this CPU or torch does not support it.
    """

    name: BackendName = "torch"
    choice: Choice | None = None

    def __init__(self, precision: Precision = "float32") -> None:
        self.precision = self._supported(precision)
        self._lock = threading.Lock()
        self._built: tuple[Snapshot, Engine] | None = None

    def __deepcopy__(self, _memo: object) -> Backend:
        # A copied model has weights of its own, and so needs an engine of its own.
        return Backend(self.precision)

    def __reduce__(self) -> tuple[type[Backend], tuple[str, ...]]:
        return Backend, (self.precision,)

    def prepare(self, network: Network) -> None:
        """Builds the engine, so that the first decode does not wait for it; again if any weight has changed."""
        with torch.no_grad():
            self.engine(network, torch.device("cpu"), completely=True)

    def engine(self, network: Network, device: torch.device, *, completely: bool = False) -> Engine:
        """Returns the function that decodes one item whose features are on ``device``.

        Args:
            network: whose weights it has.
            device: of the features.
            completely: look at all weights, not at samples: for an engine that is used for long.
        """
        if not engine_allowed(device):
            return module_engine(network)
        try:
            layout = layout_of(network)
        except RuntimeError:  # a transform like vmap is at work: its tensors have no memory
            return module_engine(network)
        # Checked again within the lock: threads that decode at the same time would otherwise each build an engine.
        built = self._built
        if built is None or not built[0].holds(layout, completely=completely):
            with self._lock:
                built = self._built
                if built is None or not built[0].holds(layout := layout_of(network), completely=completely):
                    built = self._build_from(network, layout)
        return built[1]

    def _build_from(self, network: Network, layout: Layout) -> tuple[Snapshot, Engine]:
        if all(map(is_ordinary, layout.tensors)) and not _has_unknown_parts(network) and self._can_build(network):
            # The snapshot comes first: what another thread writes meanwhile is noticed at the next decode.
            self._built = Snapshot(layout), self._build_chosen(network)
        else:
            # Modules compute with the weights as they are: there is nothing to look at.
            self._built = Snapshot(layout._replace(tensors=[])), module_engine(network)
        return self._built

    def _build_chosen(self, network: Network) -> Engine:
        """Builds the engine of the precision that was asked for; for ``auto``, of the fastest one that can be built."""
        candidates = self._candidates(network)
        if self.precision != "auto":
            return self._build(network, candidates[0])
        for precision in candidates:
            try:
                return self._build(network, precision)
            except RuntimeError:  # of torch: an operator that this processor, or its limits, can't do
                continue
        return module_engine(network)

    def _can_build(self, network: Network) -> bool:
        return has_onednn() and _has_fast_path(network.backbone)

    def _build(self, network: Network, precision: Precision) -> Engine:
        engine = build_fast_engine(network, precision)
        if engine.synthesis is not None:
            engine.compiled = find_compiled(network, precision, lambda features: engine(features, None))
        return engine

    def _supported(self, precision: str) -> Precision:
        known = get_args(Precision)
        if precision not in known:
            raise ValueError(f"unknown precision {precision!r}; known are {', '.join(known)}")
        if precision not in PRECISIONS[self.name]:
            supported = ", ".join(PRECISIONS[self.name])
            raise ValueError(f"{self.name} does not support {precision}; use one of {supported}")
        if precision == "bfloat16" and not has_bfloat16():
            raise ValueError("this CPU has no bfloat16 instructions; use precision='float32' or 'auto'")
        if precision == "int8" and self.name == "torch" and not has_int8():
            raise ValueError("this CPU has no 8-bit dot products (VNNI); use precision='float32' or 'auto'")
        return precision

    def _candidates(self, network: Network) -> tuple[Precision, ...]:
        """The precisions to compute in, the preferred one first; one, unless it is ``auto``."""
        if self.precision != "auto":
            return (self.precision,)
        asked = os.environ.get(PRECISION_VARIABLE, "auto")
        if asked != "auto":
            return (self._supported(asked),)
        kept = keeps_quality(network)
        runs = {"float32": True, "bfloat16": has_bfloat16(), "int8": has_int8()}
        return self._by_preference(network, [name for name in PRECISIONS[self.name][1:] if kept[name] and runs[name]])

    def _by_preference(self, network: Network, usable: list[Precision]) -> tuple[Precision, ...]:
        """Puts precisions, the most exact first, into the order in which to try them: the fastest first."""
        self.choice = choose_precision(next(iter(convnext_blocks(network.backbone))), usable)
        return cast(tuple[Precision, ...], self.choice.order)


def _has_fast_path(backbone: nn.Module) -> bool:
    # A model that was converted to half precision or float64 keeps computing in it, by its modules.
    return isinstance(backbone, ConvNeXtBackbone) and backbone.embed.weight.dtype == torch.float32


def _has_unknown_parts(network: Network) -> bool:
    """Whether a model has parts that are not this package's, or that hooks change."""
    modules = list(network.head.modules())
    # A ResNet has classes that its weight norm made; only exports read its weights, and they trace it as it is.
    if isinstance(network.backbone, ConvNeXtBackbone):
        modules += network.backbone.modules()
    return any(type(module) not in KNOWN_MODULES or is_patched(module) for module in modules)
