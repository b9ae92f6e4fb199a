"""A decode's stages against the machine's limits: the speed of its matrix products and of its memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...inference.backend import Precision
from ...inference.fast.onednn import Int8Linear, Linear, has_bfloat16, has_int8, has_onednn
from .contestants import Source, last_bandwidth, load, make_features
from .operations import StageCost, count
from .stages import operators, stage_seconds
from .timing import Call, measure, take_turn

ROWS, SIZE = 256, 1024  # of the matrix product: all of it fits in the caches, and more rows are no faster
COPIED_BYTES = 2**28  # far more than the caches hold
TURNS = 8


@dataclass(frozen=True)
class Stage:
    """One stage of a decode.

    Attributes:
        seconds: measured seconds.
        flops: floating point operations of its matrix products.
        bytes: the least number of bytes to and from memory.
        product_seconds: seconds of the products at the machine's peak, each in its precision.
        limit: the least number of seconds: those of the products, or of the memory traffic if that takes longer.
    """

    seconds: float
    flops: int
    bytes: int
    product_seconds: float
    limit: float


@dataclass(frozen=True)
class Roofline:
    """The stages of a decode of one item, by torch in one precision.

    Attributes:
        stages: the stages by name.
        operators: torch's operators, by share of the time.
        disturbed: whether other programs used the processors.
    """

    precision: str
    audio_seconds: float
    stages: dict[str, Stage]
    operators: dict[str, float]
    disturbed: bool

    @property
    def seconds(self) -> float:
        """Seconds of the whole decode."""
        return sum(stage.seconds for stage in self.stages.values())

    @property
    def peak_share(self) -> float:
        """Share of the machine's peak in matrix products that the decode reaches."""
        return sum(stage.product_seconds for stage in self.stages.values()) / self.seconds

    @property
    def limit_share(self) -> float:
        """Share of the roofline that the decode reaches; at 1, only fewer operations would make it faster."""
        return sum(stage.limit for stage in self.stages.values()) / self.seconds


@dataclass(frozen=True)
class Limits:
    """The machine's peaks: floating point operations per second by precision, and memory bytes per second."""

    peaks: dict[str, float]
    bandwidth: float


def rooflines(
    source: Source, audio_seconds: float, n_threads: int, precisions: tuple[Precision, ...]
) -> tuple[Limits, list[Roofline]]:
    """Measures a decode in each precision, except those that the machine doesn't support.

    To be called in a fresh process (see `in_fresh_process`).
    """
    torch.set_num_threads(n_threads)
    vocos = load(source)
    features, bandwidth_id = make_features(vocos, 1, audio_seconds)[0], last_bandwidth(vocos)
    # The speed of a virtual machine wanders: its peak is the most of several measurements between the decodes.
    moments, seconds = [measure_limits()], {}
    for precision in precisions:
        if precision in moments[0].peaks:
            seconds[precision] = stage_seconds(vocos, precision, features, bandwidth_id)
            moments.append(measure_limits())
    limits = Limits(
        {precision: max(moment.peaks[precision] for moment in moments) for precision in moments[0].peaks},
        max(moment.bandwidth for moment in moments),
    )
    results = []
    for precision, stage_times in seconds.items():
        stages = _stages(count(vocos, features.shape[1], precision), stage_times, limits)
        # The profiler slows the decode, so it runs apart from the timed decodes.
        profile = operators(vocos, precision, features, bandwidth_id)
        decode = functools.partial(vocos.decode, features[None], bandwidth_id=bandwidth_id)
        results.append(Roofline(precision, audio_seconds, stages, profile, measure({"": decode})[""].disturbed))
    return limits, results


def measure_limits() -> Limits:
    """Measures the speed that the machine's matrix products and memory reach at this moment."""
    return Limits(peak_flops(), memory_bandwidth())


@torch.no_grad()
def peak_flops() -> dict[str, float]:
    """Returns the floating point operations per second of the fastest product, by precision the processor supports."""
    rows, weight, bias = torch.rand(ROWS, SIZE), torch.rand(SIZE, SIZE) - 0.5, torch.zeros(SIZE)
    products: dict[str, Call] = {"float32": functools.partial(nn.functional.linear, rows, weight, bias)}
    if has_onednn():
        products["float32"] = _bind(Linear(weight, bias), rows)
    if has_bfloat16():
        products["bfloat16"] = _bind(Linear(weight.bfloat16(), bias.bfloat16()), rows.bfloat16())
    if has_int8():
        products["int8"] = _bind(Int8Linear(weight, bias, 1 / 255, 0), (255 * rows).to(torch.uint8))
    return {precision: 2 * ROWS * SIZE**2 / fastest(product) for precision, product in products.items()}


def memory_bandwidth() -> float:
    """Returns the bytes per second, read and written, of a copy that no cache can hold."""
    source = torch.ones(COPIED_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / fastest(lambda: target.copy_(source))


def fastest(call: Call) -> float:
    """Returns the seconds of the fastest of several calls."""
    # Not timed: the first call may build something.
    call()
    return min(take_turn(call, 1).seconds for _ in range(TURNS))


def _bind(product: Callable[[Tensor], Tensor], rows: Tensor) -> Call:
    return lambda: product(rows)


def _stages(costs: Mapping[str, StageCost], seconds: Mapping[str, float], limits: Limits) -> dict[str, Stage]:
    stages = {}
    for name, cost in costs.items():
        products = sum(flops / limits.peaks[inputs] for inputs, flops in cost.flops.items())
        limit = max(products, cost.bytes / limits.bandwidth)
        stages[name] = Stage(seconds[name], sum(cost.flops.values()), cost.bytes, products, limit)
    return stages
