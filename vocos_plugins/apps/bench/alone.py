"""Fresh processes for measurements, each with its own memory, and its threads pinned to as many processors."""

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

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

STATUS = Path("/proc/self/status")
QUIET = "6"  # keeps torch's profiler from logging its start and end on standard error


def in_fresh_process(
    n_threads: int, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Calls a function in a fresh process, which then ends, and returns its result.

    Args:
        n_threads: number of threads of torch and of other runtimes; on Linux they are pinned to as many processors.
        function: a function at the top level of a module; its arguments and its result must be picklable.
        args, kwargs: its arguments.
    """
    # Spawned, not forked: a fork would inherit this process's threads, caches and memory.
    context = multiprocessing.get_context("spawn")
    # OpenMP reads its variable when it is loaded, so the child must inherit it.
    with _environment_of_children(n_threads), ProcessPoolExecutor(1, context, _settle, (n_threads,)) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_memory() -> float:
    """Returns the most memory that this process has held so far, in bytes."""
    if STATUS.exists():  # getrusage would also count the parent's memory when it started this process
        fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return 1024 * float(fields["VmHWM"].split()[0])
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, other systems KiB.
    return peak if sys.platform == "darwin" else 1024 * peak


@contextmanager
def _environment_of_children(n_threads: int) -> Iterator[None]:
    variables = {"OMP_NUM_THREADS": str(n_threads), "KINETO_LOG_LEVEL": QUIET}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
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
    os.dup2(2, 1)  # a toolkit's prints must not end up in a table on standard output
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])
