"""SpeechBrain's run options, applied to the part of the model that they can speed up: the backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# The option for inference wins over the one for training, though SpeechBrain's inference classes read the latter.
PRECISION_OPTIONS = ("eval_precision", "precision")
N_TRACED = 16  # frames; a trace doesn't depend on their number


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of ``speechbrain/utils/run_opts.py`` that concern a decoder.

    Attributes:
        dtype: precision of the backbone's convolutions and matrix products, by autocast; the head stays in float32.
        jit: whether the backbone is traced.
        compile: whether it is compiled, which wins over tracing; with dynamic shapes, since mels have any length.
        compile_mode, compile_using_fullgraph: passed to ``torch.compile``.
    """

    dtype: torch.dtype = torch.float32
    jit: bool = False
    compile: bool = False
    compile_mode: str | None = None
    compile_using_fullgraph: bool = False


def read_run_options(holder: object, module: str, modules: Iterable[str]) -> RunOptions:
    """Returns the options that SpeechBrain has set on an inference object.

    Args:
        holder: the object.
        module: name of the generator among its modules.
        modules: names of all of them.

    Raises:
        ValueError: an option is invalid, or doesn't apply to a vocoder.
    """
    if getattr(holder, "data_parallel_backend", False):
        raise ValueError(
            "data_parallel_backend splits the batches of training; to decode on several GPUs, run one process per GPU"
        )
    known = tuple(modules)
    if _is_wanted(holder, "compile", module, known):
        return RunOptions(
            dtype=_dtype(holder),
            compile=True,
            compile_mode=getattr(holder, "compile_mode", None),
            compile_using_fullgraph=getattr(holder, "compile_using_fullgraph", False),
        )
    return RunOptions(dtype=_dtype(holder), jit=_is_wanted(holder, "jit", module, known))


def _is_wanted(holder: object, option: str, module: str, known: tuple[str, ...]) -> bool:
    """Reads an option as SpeechBrain does: a switch, which a list of modules may narrow."""
    named = getattr(holder, f"{option}_module_keys", None)
    for name in named or ():
        if name not in known:
            raise ValueError(f"{option}_module_keys has {name!r}, but the modules are {', '.join(known)}")
    return bool(getattr(holder, option, False)) and (named is None or module in named)


def _dtype(holder: object) -> torch.dtype:
    for option in PRECISION_OPTIONS:
        name: Any = getattr(holder, option, None) or "fp32"
        if name not in PRECISIONS:
            raise ValueError(f"{option} must be one of {', '.join(PRECISIONS)}, got {name!r}")
        if name != "fp32":
            return PRECISIONS[name]
    return torch.float32


class ConfiguredBackbone(nn.Module):
    """A backbone that runs as the options say and returns its input's precision."""

    def __init__(self, backbone: nn.Module, options: RunOptions) -> None:
        super().__init__()
        self.plain = backbone
        self.options = options
        self.traced = self._trace() if options.jit else None
        self.compiled: Callable[..., Tensor] = backbone
        if options.compile:
            self.compiled = torch.compile(
                backbone, dynamic=True, mode=options.compile_mode, fullgraph=options.compile_using_fullgraph
            )

    @property
    def receptive_field(self) -> int:
        """Frames on each side that influence an output frame."""
        frames: int = self.plain.receptive_field  # type: ignore[assignment]
        return frames

    def forward(self, x: Tensor, bandwidth_id: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        # The trace was recorded without a mask, so ragged batches run the untraced layers.
        if self.traced is not None and mask is None:
            traced: Tensor = self.traced(x)
            return traced.to(x.dtype)
        with self._autocast(x.device):
            return self.compiled(x, bandwidth_id, mask).to(x.dtype)

    def _trace(self) -> nn.Module:
        """Traces the backbone under autocast: its casts become part of the trace, which then runs without it."""
        weight = next(self.plain.parameters())
        n_features: int = self.plain.input_channels  # type: ignore[assignment]
        example = weight.new_zeros(1, n_features, N_TRACED)
        with torch.no_grad(), self._autocast(weight.device):
            traced: nn.Module = torch.jit.trace(self.plain, (example,), check_trace=False)
        return traced

    def _autocast(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, self.options.dtype, enabled=self.options.dtype != torch.float32)
