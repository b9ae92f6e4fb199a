"""How near a decode comes to what the machine can do: its stages against the products and the memory they need."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..inference.backend import Precision
from .contestants import Source, last_bandwidth, load, make_features
from .operations import Work, count
from .peak import bandwidth, peaks
from .stages import operators, stage_seconds
from .timing import measure


@dataclass(frozen=True)
class Stage:
    """One stage of a decode.

    Attributes:
        seconds: measured.
        flops: of its products.
        bytes: to and from memory, at least.
        product_seconds: what the products take at the machine's peak, each in its precision.
        limit: the least that it can take: the products, or the memory if that is longer.
    """

    seconds: float
    flops: int
    bytes: int
    product_seconds: float
    limit: float


@dataclass(frozen=True)
class Roofline:
    """A decode of one item by torch in one precision.

    Attributes:
        stages: by name.
        operators: torch's own, by share of the time.
        disturbed: other work went on.
    """

    precision: str
    audio_seconds: float
    stages: dict[str, Stage]
    operators: dict[str, float]
    disturbed: bool

    @property
    def seconds(self) -> float:
        """Of the whole decode."""
        return sum(stage.seconds for stage in self.stages.values())

    @property
    def peak_share(self) -> float:
        """Share of the machine's matrix-product peak that is reached."""
        return sum(stage.product_seconds for stage in self.stages.values()) / self.seconds

    @property
    def limit_share(self) -> float:
        """Share of the roofline that is reached: 1 would leave nothing to gain without fewer operations."""
        return sum(stage.limit for stage in self.stages.values()) / self.seconds


@dataclass(frozen=True)
class Machine:
    """What the machine reaches: floating point operations a second by precision, bytes a second of memory."""

    peaks: dict[str, float]
    bandwidth: float


def rooflines(
    source: Source, audio_seconds: float, n_threads: int, precisions: tuple[Precision, ...]
) -> tuple[Machine, list[Roofline]]:
    """To be called in a fresh process (`alone`); leaves out the precisions that the machine hasn't."""
    torch.set_num_threads(n_threads)
    vocos = load(source)
    features, bandwidth_id = make_features(vocos, 1, audio_seconds)[0], last_bandwidth(vocos)
    moments, seconds = [this_moment()], {}
    for precision in precisions:
        if precision in moments[0].peaks:
            seconds[precision] = stage_seconds(vocos, precision, features, bandwidth_id)
            moments.append(this_moment())
    machine = Machine(
        {precision: max(moment.peaks[precision] for moment in moments) for precision in moments[0].peaks},
        max(moment.bandwidth for moment in moments),
    )
    found = []
    for precision, of_stages in seconds.items():
        stages = _stages(count(vocos, features.shape[1], precision), of_stages, machine)
        profile = operators(vocos, precision, features, bandwidth_id)
        decode = functools.partial(vocos.decode, features[None], bandwidth_id=bandwidth_id)
        found.append(Roofline(precision, audio_seconds, stages, profile, measure({"": decode})[""].disturbed))
    return machine, found


def this_moment() -> Machine:
    """What the machine reaches now: a virtual one's speed wanders, so that its peak is the most of some moments."""
    return Machine(peaks(), bandwidth())


def _stages(work: Mapping[str, Work], seconds: Mapping[str, float], machine: Machine) -> dict[str, Stage]:
    stages = {}
    for name, each in work.items():
        products = sum(flops / machine.peaks[inputs] for inputs, flops in each.flops.items())
        limit = max(products, each.bytes / machine.bandwidth)
        stages[name] = Stage(seconds[name], sum(each.flops.values()), each.bytes, products, limit)
    return stages
