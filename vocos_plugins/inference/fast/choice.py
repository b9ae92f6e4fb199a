"""Finds out which precision is fastest on this machine, by timing one of a model's blocks in each.

What a processor has instructions for says little: there are ones where a product in bfloat16 takes longer than in
float32, and others where it takes half as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from ...network.backbone import AdaLayerNorm, ConvNeXtBlock
from ..calibration import BlockRange
from ..cores import core_threads
from .mlp import FloatMlp, Int8Mlp, Mlp
from .remembered import machine_key, recall, remember

FRAMES = (96, 384)  # of a short and of a long item
LIMIT_S = 0.06  # of all timings together
# A precision with fewer digits is chosen only if it takes at most this share of the time.
WORTH_IT = 0.95
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The precisions of a model's blocks that can be used, the one to use first.

    Attributes:
        order: precisions; empty if none runs.
        relative: time of each, as a multiple of the fastest one's; empty if there was nothing to choose from.
        failed: why others don't run, by precision.
    """

    order: tuple[str, ...]
    relative: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        times = ", ".join(f"{name} {time:.2f}" for name, time in self.relative.items())
        failed = "; ".join(f"{name} doesn't run: {why}" for name, why in self.failed.items())
        return "; ".join(filter(None, [f"relative times: {times}" if times else "", failed]))


_chosen: dict[str, Choice] = {}


def choose_precision(block: ConvNeXtBlock, precisions: Sequence[str]) -> Choice:
    """Times a block in each precision, and remembers the outcome for blocks of this size, here and on disk.

    Args:
        block: one of the blocks of a model.
        precisions: those that keep the model's quality, the most exact first.
    """
    key = machine_key(*block.pwconv1.weight.shape, *precisions)
    if key not in _chosen:
        _chosen[key] = _recall(key, precisions) or _measure_and_remember(key, block, precisions)
    return _chosen[key]


def _recall(key: str, precisions: Sequence[str]) -> Choice | None:
    """Returns the choice of an earlier process, if there is one that makes sense."""
    entry = recall(key)
    try:
        found = None if entry is None else Choice(**{**entry, "order": tuple(entry["order"])})
        # A file can hold anything. Its texts and numbers are only shown.
        return found if found is not None and {*found.order, *found.failed} == set(precisions) else None
    except (TypeError, KeyError):
        return None


def _measure_and_remember(key: str, block: ConvNeXtBlock, precisions: Sequence[str]) -> Choice:
    choice = _measure(block, precisions)
    if choice.relative:  # otherwise there was nothing to choose from
        remember(key, asdict(choice))
    return choice


@torch.inference_mode()
def _measure(block: ConvNeXtBlock, precisions: Sequence[str]) -> Choice:
    runs: dict[str, Callable[[], object]] = {}
    failed: dict[str, str] = {}
    for name in precisions:
        try:
            runs[name] = _trial(_build(block, name), block)
            runs[name]()
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            runs.pop(name, None)
            failed[name] = " ".join(str(error).split()) or type(error).__name__
    if len(runs) < 2:
        return Choice(order=tuple(runs), failed=failed)
    seconds = _take_turns(runs)
    fastest = min(seconds.values())
    relative = {name: taken / fastest for name, taken in seconds.items()}
    return Choice(order=_order(relative), relative=relative, failed=failed)


def _build(block: ConvNeXtBlock, precision: str) -> Mlp:
    if precision != "int8":
        return FloatMlp(block, DTYPES[precision])
    dim = block.pwconv1.in_features
    # Any ranges do: they change the numbers, not the time.
    return Int8Mlp(block, BlockRange(low=-torch.ones(dim), high=torch.ones(dim), hidden=(0.01, 17)))


def _trial(mlp: Mlp, block: ConvNeXtBlock) -> Callable[[], list[Tensor]]:
    bandwidth = 0 if isinstance(block.norm, AdaLayerNorm) else None
    inputs = [torch.ones(n_frames, block.pwconv1.in_features) for n_frames in FRAMES]
    return lambda: [mlp(rows, bandwidth) for rows in inputs]


def _take_turns(runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the shortest time of each on one core: what a busy machine does to it meanwhile does not count.

    On several cores each product would wait for the slowest of them, which another program may use.
    """

    def measure() -> dict[str, float]:
        best = dict.fromkeys(runs, float("inf"))
        end = time.perf_counter() + LIMIT_S
        with torch.inference_mode():  # it is set per thread
            while True:
                for name, run in runs.items():
                    start = time.thread_time()
                    run()
                    best[name] = min(best[name], time.thread_time() - start)
                if time.perf_counter() >= end:
                    return best

    return core_threads(torch.get_num_threads()).submit(measure).result()


def _order(relative: Mapping[str, float]) -> tuple[str, ...]:
    """Returns precisions from the one to use on; of two that are nearly as fast, the more exact one comes first."""
    order: list[str] = []
    left = dict(relative)
    while left:
        limit = min(left.values()) / WORTH_IT
        order.append(next(name for name, taken in left.items() if taken <= limit))
        del left[order[-1]]
    return tuple(order)
