"""A benchmark of one model: all its measurements, and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ... import __version__
from ...inference.processor import processor_name
from .alone import in_fresh_process
from .contestants import Contestant, Source, auto_choice, load
from .grid import Case, FirstCall, Measurement, first_call, measure_grid
from .roofline import Limits, Roofline, rooflines

PROFILED_S = 10.0  # seconds of audio; stages are measured on the longest requested item up to this length


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The measurements to take.

    Attributes:
        source: the model.
        contestants: the contestants; the others are compared with the first.
        cases: batches and lengths.
        n_threads: numbers of threads; stages and first calls are measured with the largest.
        first_calls: contestants whose first call is measured, each in fresh processes.
    """

    source: Source
    contestants: Sequence[Contestant]
    cases: Sequence[Case]
    n_threads: Sequence[int]
    first_calls: Sequence[Contestant]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of a plan.

    Attributes:
        model: the model's name.
        parameters: its number of parameters.
        machine: the processor, and versions.
        rows: the speed of each contestant in each case.
        absent: contestants that aren't available, with the reason.
        limits: the machine's peaks.
        rooflines: stages, one roofline for each precision.
        first_calls: first calls compared with later ones.
        choice: what the precision ``auto`` is on this machine, with the most threads, and why; empty if the model's
            modules run it.
    """

    model: str
    parameters: int
    machine: dict[str, str]
    rows: list[Measurement]
    absent: dict[str, str]
    limits: Limits
    rooflines: list[Roofline]
    first_calls: list[FirstCall]
    choice: str = ""


def bench(plan: Plan, show_progress: Callable[[str], None]) -> Report:
    """Takes all measurements, each in a fresh process; calls ``show_progress`` with a description of each step."""
    rows: list[Measurement] = []
    absent: dict[str, str] = {}
    for n_threads in plan.n_threads:
        show_progress(f"decoding with {threads(n_threads)}")
        measurements, missing = in_fresh_process(
            n_threads, measure_grid, plan.contestants, plan.source, plan.cases, n_threads
        )
        rows += measurements
        absent |= missing
    most, lengths = max(plan.n_threads), sorted({case.seconds for case in plan.cases})
    present = [contestant for contestant in plan.contestants if contestant.name not in absent]
    profiled = max((length for length in lengths if length <= PROFILED_S), default=lengths[0])
    show_progress("stages and the machine's limits")
    precisions = tuple(contestant.precision for contestant in present if contestant.backend == "torch")
    limits, stages = in_fresh_process(most, rooflines, plan.source, profiled, most, precisions)
    first_calls = []
    for contestant in plan.first_calls:
        if contestant.name in absent:
            continue
        show_progress(f"first call of {contestant.name}")
        for length in sorted({lengths[0], profiled}):
            first_calls.append(in_fresh_process(most, first_call, contestant, plan.source, length, most))
    return Report(
        model=plan.source if isinstance(plan.source, str) else "random weights",
        parameters=sum(parameter.numel() for parameter in load(plan.source).parameters()),
        machine=this_machine(),
        rows=rows,
        absent=absent,
        limits=limits,
        rooflines=stages,
        first_calls=first_calls,
        choice=in_fresh_process(most, auto_choice, plan.source),
    )


def this_machine() -> dict[str, str]:
    """Returns a description of this machine: its processor, cores, system and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor_name(),
        "cores": str(cores),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vocos-plugins": __version__,
    }


def threads(number: int) -> str:
    """Returns the thread count as text."""
    return f"{number} thread" if number == 1 else f"{number} threads"


def as_data(report: Report) -> dict[str, Any]:
    """Returns the report as plain values."""
    return asdict(report)
