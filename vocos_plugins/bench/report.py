"""The whole measurement of one model, and what is told of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from .alone import alone
from .contestants import Contestant, Source, load
from .first_call import FirstCall, first_call
from .grid import Case, Row, compare
from .roofline import Machine, Roofline, rooflines

CPU_INFO = Path("/proc/cpuinfo")
PROFILED_S = 10.0  # of audio, or the longest that is asked for if that is less


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        source: the model.
        contestants: the first is what the others are compared with.
        cases: batches and lengths.
        n_threads: numbers of threads; stages and first calls are told for the largest.
        first_calls: contestants whose first call is measured, each in processes of its own.
    """

    source: Source
    contestants: Sequence[Contestant]
    cases: Sequence[Case]
    n_threads: Sequence[int]
    first_calls: Sequence[Contestant]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a plan.

    Attributes:
        model: its name.
        parameters: how many it has.
        machine: the processor, and versions.
        rows: speeds.
        absent: contestants that couldn't take part, with the reason.
        limits: what the machine reaches.
        rooflines: stages, by precision.
        first_calls: against steady ones.
    """

    model: str
    parameters: int
    machine: dict[str, str]
    rows: list[Row]
    absent: dict[str, str]
    limits: Machine
    rooflines: list[Roofline]
    first_calls: list[FirstCall]


def bench(plan: Plan, tell: Callable[[str], None]) -> Report:
    """Measures, each part in a process of its own; ``tell`` hears what is going on."""
    rows: list[Row] = []
    absent: dict[str, str] = {}
    for n_threads in plan.n_threads:
        tell(f"decoding with {threads(n_threads)}")
        found, missing = alone(n_threads, compare, plan.contestants, plan.source, plan.cases, n_threads)
        rows += found
        absent |= missing
    most, lengths = max(plan.n_threads), sorted({case.seconds for case in plan.cases})
    present = [contestant for contestant in plan.contestants if contestant.name not in absent]
    profiled = max((length for length in lengths if length <= PROFILED_S), default=lengths[0])
    tell("stages and the machine's limits")
    precisions = tuple(contestant.precision for contestant in present if contestant.backend == "torch")
    limits, stages = alone(most, rooflines, plan.source, profiled, most, precisions)
    first_calls = []
    for contestant in plan.first_calls:
        if contestant.name in absent:
            continue
        tell(f"first call of {contestant.name}")
        for length in sorted({lengths[0], profiled}):
            first_calls.append(alone(most, first_call, contestant, plan.source, length, most))
    return Report(
        model=plan.source if isinstance(plan.source, str) else "random weights",
        parameters=sum(parameter.numel() for parameter in load(plan.source).parameters()),
        machine=this_machine(),
        rows=rows,
        absent=absent,
        limits=limits,
        rooflines=stages,
        first_calls=first_calls,
    )


def this_machine() -> dict[str, str]:
    """What measurements are to be read with."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": str(cores),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vocos-plugins": __version__,
    }


def threads(number: int) -> str:
    """In words."""
    return f"{number} thread" if number == 1 else f"{number} threads"


def as_data(report: Report) -> dict[str, Any]:
    """For JSON."""
    return asdict(report)


def _processor() -> str:
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
