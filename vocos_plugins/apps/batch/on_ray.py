"""Batches on a Ray cluster: Ray Data hands blocks of jobs to workers that hold the model, and collects the outcomes.

Workers read inputs and write outputs themselves, in folders that all machines share; only paths and outcomes pass
through Ray. A worker that dies is restarted and its block is run again; outputs are written atomically.
"""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry

import ray
import ray.data

from ...inference.backend import PRECISION_VARIABLE
from .jobs import Job, Outcome

if TYPE_CHECKING:
    from .work import Task

# Jobs that a worker receives at a time, and that are run again if it dies; a GPU needs large batches.
BLOCKS = {"cpu": 16, "cuda": 256}
DATASET = 2**15  # jobs that Ray holds at a time
RETRIES = 3

Row = dict[str, Any]


def run_on_ray(
    jobs: Iterable[Job],
    build: Callable[[str], Task],
    done: Callable[[Outcome], None],
    *,
    address: str | None = None,
    n_workers: int | None = None,
    gpus: bool = True,
    block: int | None = None,
) -> Iterator[Outcome]:
    """Runs jobs on the workers of a cluster.

    Args:
        jobs: each with a different output; read lazily.
        build: builds the task on a device, ``cpu`` or ``cuda``.
        done: called with each outcome, in this process.
        address: of the cluster. If None, ``RAY_ADDRESS``, or else a new cluster on this machine for this call.
        n_workers: number of workers, each with a core or a GPU; if None, as many as the cluster has.
        gpus: whether to use the cluster's GPUs.
        block: number of jobs that a worker receives at a time; `BLOCKS` if None.

    Yields:
        The outcomes as they arrive. A job fails after its worker has died 1 + `RETRIES` times.
    """
    with _cluster(address, n_workers):
        # The whole cluster's, not this machine's.
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        n_gpus, n_cores = int(resources.get("GPU", 0)) if gpus else 0, int(resources.get("CPU", 1))
        device = "cuda" if n_gpus else "cpu"
        settings: dict[str, Any] = {
            "compute": ray.data.ActorPoolStrategy(size=n_workers or n_gpus or n_cores),
            "fn_constructor_args": (build, device, max(1, n_cores // n_gpus) if n_gpus else 1),
            "max_task_retries": RETRIES,
            "batch_size": None,  # a batch is a whole block
            **({"num_gpus": 1} if n_gpus else {"num_cpus": 1}),
        }
        remaining = iter(jobs)
        while chunk := list(itertools.islice(remaining, DATASET)):
            for outcome in _outcomes(chunk, settings, block or BLOCKS[device]):
                done(outcome)
                yield outcome


def _outcomes(jobs: list[Job], settings: dict[str, Any], block: int) -> Iterator[Outcome]:
    rows = [{"number": number, "job": job.to_json()} for number, job in enumerate(jobs)]
    data = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // block))
    with warnings.catch_warnings():
        # Ray up to 2.63 has no other option that limits the retries of a block; without one it retries for ever.
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        done = data.map_batches(Worker, **settings)
    # A block that is given up yields no rows, so its jobs are found by what is missing.
    lost = set(range(len(rows)))
    for row in done.iter_rows():
        number = int(row["number"])
        lost.discard(number)
        error = row["error"] or None
        yield Outcome(job=jobs[number], duration_s=row["duration_s"], elapsed_s=row["elapsed_s"], error=error)
    for number in sorted(lost):
        error = f"its worker died {1 + RETRIES} times on this job or another of the {block} in its block; see Ray's log"
        yield Outcome(job=jobs[number], error=error)


class Worker:
    """A worker process, which holds the model.

    Args:
        build: builds the task.
        device: passed to ``build``.
        n_threads: number of threads; next to a GPU they read and write.
    """

    def __init__(self, build: Callable[[str], Task], device: str, n_threads: int) -> None:
        import torch

        torch.set_num_threads(n_threads)
        self.task = build(device)

    def __call__(self, batch: Row) -> Row:
        """Runs a block of jobs, with the columns ``number`` and ``job``."""
        from .pipeline import run

        jobs = [Job.from_json(text) for text in batch["job"].tolist()]
        positions = {job: position for position, job in enumerate(jobs)}
        # The columns belong together by position, and "number" is in the order of the batch.
        outcomes = sorted(run(jobs, self.task), key=lambda outcome: positions[outcome.job])
        return {
            "number": batch["number"],
            "duration_s": [outcome.duration_s for outcome in outcomes],
            "elapsed_s": [outcome.elapsed_s for outcome in outcomes],
            "error": [outcome.error or "" for outcome in outcomes],
        }


@contextmanager
def _cluster(address: str | None, n_workers: int | None) -> Iterator[None]:
    """Connects to a cluster, or starts one on this machine and ends it afterwards; keeps an existing connection."""
    address = address or os.environ.get("RAY_ADDRESS")
    joined = ray.is_initialized()
    if not joined:
        # Workers must compute in the same precision as this process.
        variables = {name: os.environ[name] for name in (PRECISION_VARIABLE,) if name in os.environ}
        settings: dict[str, Any] = {
            "runtime_env": {"env_vars": variables},
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        if address is None:
            # Ray starts no more workers than its CPUs; the user may ask for more workers than there are cores.
            settings |= {"num_cpus": max(n_workers or 1, os.cpu_count() or 1), "include_dashboard": False}
        ray.init(address=address, **settings)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs plans and progress
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.max_errored_blocks
    # -1: a block that is given up doesn't end the run.
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    try:
        yield
    finally:
        context.enable_progress_bars, context.max_errored_blocks = before
        if not joined:
            ray.shutdown()
