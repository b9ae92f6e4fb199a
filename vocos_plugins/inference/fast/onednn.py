"""Matrix products and convolutions by oneDNN, with weights laid out in advance and GELU computed within the product.

These are the operators that ``torch.compile`` substitutes for linear layers; called directly they need no compiler.
Rows are frames: every input is ``(T, C)``.
"""

from __future__ import annotations

import functools
import platform
from typing import Any

import torch
from torch import Tensor

# Weights are reordered for about this many frames; for more or fewer they are as fast.
ROWS = 256
SMALL = 16  # channels of a trial

_mkldnn: Any = torch.ops.mkldnn
_onednn: Any = torch.ops.onednn


def has_onednn() -> bool:
    """Whether this build of torch has the operators, this CPU is fast with them, and they run."""
    return (
        platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.cpu._is_avx2_supported()
        and hasattr(_mkldnn, "_linear_pointwise")
        and _runs(torch.float32)
    )


def has_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions, and torch may use them."""
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return has_onednn() and has_instructions and _runs(torch.bfloat16)


def has_int8() -> bool:
    """Whether the CPU has 8-bit dot products (VNNI), and torch the operators."""
    return (
        has_onednn() and torch.cpu._is_vnni_supported() and hasattr(_onednn, "qlinear_pointwise") and _runs(torch.int8)
    )


@functools.cache
def _runs(dtype: torch.dtype) -> bool:
    """Whether a product, and a convolution where there is one, can be laid out and computed.

    What the processor has says too little: `ONEDNN_MAX_CPU_ISA` and `ATEN_CPU_CAPABILITY` limit what oneDNN and torch
    use of it, and operators whose names begin with an underscore may change.
    """
    weight, rows = torch.eye(SMALL), torch.ones(2, SMALL)
    try:
        if dtype == torch.int8:
            Int8Linear(weight, None, 1.0, 0)(rows.to(torch.uint8))
        else:
            Linear(weight.to(dtype), None)(rows.to(dtype))
            Conv(torch.nn.Conv1d(SMALL, SMALL, 3, padding=1).requires_grad_(False), dtype)(rows)
    except (RuntimeError, TypeError, AttributeError):
        return False
    return True


def edge_dtype(precision: str) -> torch.dtype:
    """Returns the precision of a model's first and last layer, given that of the blocks between them.

    Next to 8 bits, bfloat16 makes no difference that can be measured; next to anything else it does.
    """
    return torch.bfloat16 if precision == "int8" and has_bfloat16() else torch.float32


class Linear:
    """``gelu(x @ weight.T + bias)``, or without GELU, in the weights' precision: ``(T, C_in)`` -> ``(T, C_out)``."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> None:
        self.weight = _mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
        self.bias = bias
        self.activation = "gelu" if gelu else "none"

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = _mkldnn._linear_pointwise(x, self.weight, self.bias, self.activation, [], "none")
        return y


class Int8Linear:
    """A `Linear` over 8-bit integers: unsigned inputs, and weights with a symmetric scale per output.

    Args:
        weight, bias: float32.
        scale, zero_point: of the input, whose value is ``scale * (x - zero_point)``.
        gelu: apply GELU to the output.
        output: scale and zero point of an output in 8 bits; None for one in float32.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        scale: float,
        zero_point: int,
        *,
        gelu: bool = False,
        output: tuple[float, int] | None = None,
    ) -> None:
        # Symmetric, -127 to 127, so that zero points are 0. The bound is for rows of zeros.
        scales = weight.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / 127
        rounded = (weight / scales[:, None]).round().to(torch.int8)
        self.weight = _onednn.qlinear_prepack(rounded, [ROWS, weight.shape[1]])
        self.scales, self.zeros = scales, torch.zeros(len(scales), dtype=torch.int64)
        self.bias = bias
        self.input = (scale, zero_point)
        self.output = (*(output or (1.0, 0)), torch.float32 if output is None else torch.uint8)
        self.activation = "gelu" if gelu else "none"

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = _onednn.qlinear_pointwise(
            x, *self.input, self.weight, self.scales, self.zeros, self.bias, *self.output, self.activation, [], "none"
        )
        return y


class Conv:
    """A convolution along time that keeps the length, computed in `dtype`: float32 ``(T, C_in)`` -> ``(T, C_out)``."""

    def __init__(self, module: torch.nn.Conv1d, dtype: torch.dtype = torch.float32) -> None:
        weight = module.weight.detach()[:, :, None].to(dtype)
        self.dtype = dtype
        self.options = ([0, int(module.padding[0])], [1, 1], [1, int(module.dilation[0])], module.groups)
        self.weight = _mkldnn._reorder_convolution_weight(weight, *self.options, [1, module.in_channels, 1, ROWS])
        self.bias = None if module.bias is None else module.bias.detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        # As an image of height 1. Frames by channels is the layout that oneDNN calls channels-last: nothing is copied.
        image = x.to(self.dtype).t()[None, :, None]
        y: Tensor = _mkldnn._convolution_pointwise(image, self.weight, self.bias, *self.options, "none", [], "none")
        return y[0, :, 0].t().float()
