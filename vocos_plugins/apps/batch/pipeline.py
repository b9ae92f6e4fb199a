"""Reads, computes and writes concurrently: threads for each, and bounded queues between them.

On a CPU each core computes single windows, so nothing is padded. A GPU computes batches of windows of similar length. A
long file is cut into several windows: it needs no more memory than a short one, and all cores share it.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ...inference.cores import core_threads
from ...inference.windows import Window
from ...storage.audio_writer import AudioWriter
from .jobs import Job, Outcome, describe
from .work import Task

N_WRITERS = 8  # more than cores: they mostly wait for the disk

Item = TypeVar("Item")
Result = TypeVar("Result")


# Compared by identity, by which groupby separates the files.
@dataclass(frozen=True, eq=False)
class _OpenJob:
    """A job whose first windows have been read."""

    job: Job
    started: float
    windows: Iterator[Window]


Event = tuple[_OpenJob, "Window | Exception"]
Computed = tuple[_OpenJob, "Tensor | Exception"]


def run(jobs: Iterable[Job], task: Task, done: Callable[[Outcome], None] | None = None) -> Iterator[Outcome]:
    """Runs jobs with as many threads as torch has.

    Args:
        jobs: each with a different output; read lazily.
        task: what to do with them.
        done: called with each outcome as soon as its file is complete, by the thread that wrote it.

    Yields:
        The outcomes, in the order of the jobs. An exception fails only its own job; a request to stop ends the run.
    """
    n_threads = torch.get_num_threads()
    on_cpu = task.group_frames is None
    n_readers = max(2, n_threads // 4 if on_cpu else n_threads)  # with a GPU, the cores only read and write
    with (
        ThreadPoolExecutor(n_readers, "read") as readers,
        ThreadPoolExecutor(1, "device") as device,
        ThreadPoolExecutor(N_WRITERS, "write") as writers,
    ):
        # All stages are lazy. Whoever takes an outcome pulls jobs through them, and each stage limits how many are
        # waiting.
        open_jobs = in_order(readers, functools.partial(_open, task), jobs, 4 * n_readers)
        groups = _grouped(_events(open_jobs), task)
        # A GPU computes one batch while the next one waits. On a CPU, each core has a window waiting.
        pool, limit = (core_threads(n_threads), 2 * n_threads) if on_cpu else (device, 2)
        computed = itertools.chain.from_iterable(in_order(pool, functools.partial(_compute, task), groups, limit))
        writes = _writers(computed, task.sample_rate, done)
        yield from in_order(writers, lambda write: write(), writes, 2 * N_WRITERS)


def in_order(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], limit: int) -> Iterator[Result]:
    """Like `map`, by a pool's threads and in order, with at most ``limit`` items submitted and not yet yielded."""
    submitted: deque[Future[Result]] = deque()
    try:
        for item in items:
            submitted.append(pool.submit(function, item))
            if len(submitted) >= limit:
                yield submitted.popleft().result()
        while submitted:
            yield submitted.popleft().result()
    finally:
        # The consumer may stop early: what waits must not start.
        for future in submitted:
            future.cancel()


def _open(task: Task, job: Job) -> _OpenJob:
    """Reads the first two windows of a job."""
    started = time.perf_counter()
    try:
        if job.error is not None:
            raise ValueError(job.error)
        windows = task.windows(job)
        # Read here, so that readers work in parallel; most files have no more. Later windows are read one by one.
        first = list(itertools.islice(windows, 2))
    except Exception as error:
        return _OpenJob(job, started, _raising(error))
    return _OpenJob(job, started, itertools.chain(first, windows))


def _raising(error: Exception) -> Iterator[Window]:
    # Makes this a generator, so that the error comes in the order of the jobs.
    yield from ()
    raise error


def _events(jobs: Iterable[_OpenJob]) -> Iterator[Event]:
    """Yields the windows of all jobs; the exception of a job that fails comes after its windows."""
    for job in jobs:
        empty = True
        try:
            for window in job.windows:
                empty = False
                yield job, window
            if empty:
                raise ValueError("nothing to write: there are no samples")
        except Exception as error:
            yield job, error


def _grouped(events: Iterable[Event], task: Task) -> Iterator[list[Event]]:
    group: list[Event] = []
    n_frames = 0
    for job, item in events:
        group.append((job, item))
        n_frames += 0 if isinstance(item, Exception) else task.n_frames(item)
        if task.group_frames is None or n_frames >= task.group_frames:
            yield group
            group, n_frames = [], 0
    if group:
        yield group


def _compute(task: Task, group: list[Event]) -> list[Computed]:
    windows = [item for _, item in group if isinstance(item, Window)]
    audio: Iterator[Tensor | Exception]
    try:
        audio = iter(task.compute(windows) if windows else [])
    except Exception:  # compute one by one to find the window that fails
        audio = iter([_attempt(task, window) for window in windows])
    return [(job, next(audio) if isinstance(item, Window) else item) for job, item in group]


def _attempt(task: Task, window: Window) -> Tensor | Exception:
    try:
        return task.compute([window])[0]
    except Exception as error:
        return error


def _writers(
    computed: Iterable[Computed], sample_rate: int, done: Callable[[Outcome], None] | None
) -> Iterator[Callable[[], Outcome]]:
    """Yields a function for each file that writes it."""
    for job, events in itertools.groupby(computed, key=lambda each: each[0]):
        pieces = (audio for _, audio in events)
        first = list(itertools.islice(pieces, 2))
        write = functools.partial(_write, job, itertools.chain(first, pieces), sample_rate, done)
        # The pieces of a long file come from the shared iterator, so they are written before the next file's are read.
        yield write if len(first) < 2 else functools.partial(_identity, write())


def _identity(outcome: Outcome) -> Outcome:
    return outcome


def _write(
    open_job: _OpenJob, pieces: Iterable[Tensor | Exception], sample_rate: int, done: Callable[[Outcome], None] | None
) -> Outcome:
    job, audio = open_job.job, _raise_failures(pieces)
    try:
        first = next(audio)  # before the folder is created: a bad input leaves none
        with AudioWriter(job.target, sample_rate) as writer:
            writer.write(first)
            for piece in audio:
                writer.write(piece)
    except Exception as error:
        outcome = Outcome(job=job, error=describe(error))
    else:
        elapsed_s = time.perf_counter() - open_job.started
        outcome = Outcome(job=job, duration_s=writer.n_samples / sample_rate, elapsed_s=elapsed_s)
    if done is not None:
        done(outcome)
    return outcome


def _raise_failures(pieces: Iterable[Tensor | Exception]) -> Iterator[Tensor]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece
