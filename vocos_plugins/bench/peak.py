"""What the machine at hand can do at most: matrix products in each precision, and copies of memory."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..inference.fast.onednn import Int8Linear, Linear, has_bfloat16, has_int8, has_onednn
from .timing import Call, take_turn

ROWS, SIZE = 256, 1024  # of the product: all of it is in the caches, and more rows are no faster
COPIED_BYTES = 2**28  # far more than caches hold
TURNS = 8


@torch.no_grad()
def peaks() -> dict[str, float]:
    """Floating point operations a second of the fastest product, by precision; only those that the processor has."""
    rows, weight, bias = torch.rand(ROWS, SIZE), torch.rand(SIZE, SIZE) - 0.5, torch.zeros(SIZE)
    products: dict[str, Call] = {"float32": functools.partial(nn.functional.linear, rows, weight, bias)}
    if has_onednn():
        products["float32"] = _on(Linear(weight, bias), rows)
    if has_bfloat16():
        products["bfloat16"] = _on(Linear(weight.bfloat16(), bias.bfloat16()), rows.bfloat16())
    if has_int8():
        products["int8"] = _on(Int8Linear(weight, bias, 1 / 255, 0), (255 * rows).to(torch.uint8))
    return {precision: 2 * ROWS * SIZE**2 / fastest(product) for precision, product in products.items()}


def bandwidth() -> float:
    """Bytes a second, read and written, of copying what no cache holds."""
    source = torch.ones(COPIED_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / fastest(lambda: target.copy_(source))


def fastest(call: Call) -> float:
    """Seconds of the fastest of some calls."""
    call()
    return min(take_turn(call, 1).seconds for _ in range(TURNS))


def _on(product: Callable[[Tensor], Tensor], rows: Tensor) -> Call:
    return lambda: product(rows)
