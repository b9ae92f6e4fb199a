"""A process of its own for a measurement: its own threads, pinned to as many processors, and its own memory."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

STATUS = Path("/proc/self/status")
QUIET = "6"  # of torch's profiler, which tells of its own start and end on standard error


def alone(n_threads: int, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """What a function gives in a fresh process, which ends with it.

    Args:
        n_threads: of torch and of other runtimes; on Linux they keep to so many processors.
        function: of a module's top level; it, what it takes and what it gives can be pickled.
        args, kwargs: what it takes.
    """
    context = multiprocessing.get_context("spawn")
    with _environment_of_children(n_threads), ProcessPoolExecutor(1, context, _settle, (n_threads,)) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_memory() -> float:
    """The most memory that this process has held so far, in bytes."""
    if STATUS.exists():  # getrusage also counts what the parent held when it started this process
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * float(fields["VmHWM"].split()[0])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@contextmanager
def _environment_of_children(n_threads: int) -> Iterator[None]:
    wanted = {"OMP_NUM_THREADS": str(n_threads), "KINETO_LOG_LEVEL": QUIET}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _settle(n_threads: int) -> None:
    warnings.simplefilter("ignore")
    os.dup2(2, 1)  # what a toolkit prints is no part of a table
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])
