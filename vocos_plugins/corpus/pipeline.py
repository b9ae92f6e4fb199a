"""Reads, computes and writes at once: threads for each, and queues of bounded length between them.

On a CPU each core computes windows of its own, so that nothing is padded. A GPU computes batches of windows of similar
length. A long file is several windows, so that it needs no more memory than a short one, and all cores.
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

from ..inference.items import core_threads
from ..inference.windows import Window
from ..storage.audio import AudioWriter
from .jobs import FAILURES, Job, Outcome, describe
from .work import Work

N_WRITERS = 8  # they wait for the disk most of the time

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Begun:
    """A job whose first windows are read."""

    job: Job
    at: float
    windows: Iterator[Window]


Event = tuple[_Begun, "Window | Exception"]
Heard = tuple[_Begun, "Tensor | Exception"]


def run(jobs: Iterable[Job], work: Work, done: Callable[[Outcome], None] | None = None) -> Iterator[Outcome]:
    """Does jobs, with as many threads as torch has.

    Args:
        jobs: each with an output of its own; they are taken as they are needed.
        work: what is done to them.
        done: called with each outcome as soon as its file has its name, by whichever thread wrote it.

    Yields:
        How each went. A file that fails fails alone: see `FAILURES`.
    """
    n_threads = torch.get_num_threads()
    on_cpu = work.group_frames is None
    n_readers = max(2, n_threads // 4 if on_cpu else n_threads)  # beside a GPU, cores have nothing else to do
    with (
        ThreadPoolExecutor(n_readers, "read") as readers,
        ThreadPoolExecutor(1, "device") as device,
        ThreadPoolExecutor(N_WRITERS, "write") as writers,
    ):
        begun = in_order(readers, functools.partial(_begin, work), jobs, 4 * n_readers)
        groups = _grouped(_events(begun), work)
        pool, limit = (core_threads(n_threads), 2 * n_threads) if on_cpu else (device, 2)
        heard = itertools.chain.from_iterable(in_order(pool, functools.partial(_compute, work), groups, limit))
        writings = _writings(heard, work.sample_rate, done)
        yield from in_order(writers, lambda write: write(), writings, 2 * N_WRITERS)


def in_order(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], limit: int) -> Iterator[Result]:
    """`map` by a pool's threads, in order; at most ``limit`` items are begun and not yet given."""
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) >= limit:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()


def _begin(work: Work, job: Job) -> _Begun:
    """Reads the first two windows: all that most files have."""
    at = time.perf_counter()
    try:
        if job.error is not None:
            raise ValueError(job.error)
        windows = work.windows(job)
        first = list(itertools.islice(windows, 2))
    except FAILURES as error:
        return _Begun(job, at, _raising(error))
    return _Begun(job, at, itertools.chain(first, windows))


def _raising(error: Exception) -> Iterator[Window]:
    yield from ()
    raise error


def _events(begun: Iterable[_Begun]) -> Iterator[Event]:
    """Every window; and what a job fails by, in its place."""
    for each in begun:
        empty = True
        try:
            for window in each.windows:
                empty = False
                yield each, window
            if empty:
                raise ValueError("nothing to write: there are no samples")
        except FAILURES as error:
            yield each, error


def _grouped(events: Iterable[Event], work: Work) -> Iterator[list[Event]]:
    group: list[Event] = []
    n_frames = 0
    for begun, what in events:
        group.append((begun, what))
        n_frames += 0 if isinstance(what, Exception) else work.n_frames(what)
        if work.group_frames is None or n_frames >= work.group_frames:
            yield group
            group, n_frames = [], 0
    if group:
        yield group


def _compute(work: Work, group: list[Event]) -> list[Heard]:
    windows = [what for _, what in group if isinstance(what, Window)]
    audio: Iterator[Tensor | Exception]
    try:
        audio = iter(work.compute(windows) if windows else [])
    except FAILURES:  # one of them: which?
        audio = iter([_attempt(work, window) for window in windows])
    return [(begun, next(audio) if isinstance(what, Window) else what) for begun, what in group]


def _attempt(work: Work, window: Window) -> Tensor | Exception:
    try:
        return work.compute([window])[0]
    except FAILURES as error:
        return error


def _writings(
    heard: Iterable[Heard], sample_rate: int, done: Callable[[Outcome], None] | None
) -> Iterator[Callable[[], Outcome]]:
    """What writes each file. One of many pieces is written here and now, as they come."""
    for begun, events in itertools.groupby(heard, key=lambda each: each[0]):
        pieces = (audio for _, audio in events)
        first = list(itertools.islice(pieces, 2))
        write = functools.partial(_write, begun, itertools.chain(first, pieces), sample_rate, done)
        yield write if len(first) < 2 else functools.partial(_same, write())


def _same(outcome: Outcome) -> Outcome:
    return outcome


def _write(
    begun: _Begun, pieces: Iterable[Tensor | Exception], sample_rate: int, done: Callable[[Outcome], None] | None
) -> Outcome:
    job, audio = begun.job, _unless_failed(pieces)
    try:
        first = next(audio)  # a file that can't be read leaves no folder
        with AudioWriter(job.target, sample_rate) as writer:
            writer.write(first)
            for piece in audio:
                writer.write(piece)
    except FAILURES as error:
        outcome = Outcome(job=job, error=describe(error))
    else:
        elapsed_s = time.perf_counter() - begun.at
        outcome = Outcome(job=job, duration_s=writer.n_samples / sample_rate, elapsed_s=elapsed_s)
    if done is not None:
        done(outcome)
    return outcome


def _unless_failed(pieces: Iterable[Tensor | Exception]) -> Iterator[Tensor]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece
