"""A corpus on a Ray cluster: Ray Data hands blocks of jobs to workers that hold the model, and counts what comes back.

A worker reads its inputs and writes its outputs itself, in folders that all machines share; only what it says of them
travels. A worker that dies is started again and so are its blocks, whose outputs are written atomically.
"""

from __future__ import annotations

import itertools
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody

import ray
import ray.data

from ..inference.backend import PRECISION_VARIABLE
from .jobs import Job, Outcome

if TYPE_CHECKING:
    from .work import Work

# Jobs that a worker is given at a time, and that are done again if it dies; a GPU wants large batches.
BLOCKS = {"cpu": 16, "cuda": 256}
DATASET = 2**15  # jobs that Ray knows of at a time
RETRIES = 3

Row = dict[str, Any]


def run_on_ray(
    jobs: Iterable[Job],
    build: Callable[[str], Work],
    done: Callable[[Outcome], None],
    *,
    address: str | None = None,
    n_workers: int | None = None,
    gpus: bool = True,
    block: int | None = None,
) -> Iterator[Outcome]:
    """Does jobs by the workers of a cluster.

    Args:
        jobs: each with an output of its own; they are taken as they are needed.
        build: makes what is done to them on a device, ``cpu`` or ``cuda``.
        done: called with each outcome, in this process.
        address: of the cluster; ``RAY_ADDRESS`` if None, or else one on this machine that lasts as long as this.
        n_workers: each with a core or a GPU; as many as there are if None.
        gpus: whether GPUs are used where there are any.
        block: jobs that a worker is given at a time; `BLOCKS` if None.

    Yields:
        How each went, as they come. A job whose worker dies with it `RETRIES` times more fails.
    """
    with _cluster(address, n_workers):
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        n_gpus, n_cores = int(resources.get("GPU", 0)) if gpus else 0, int(resources.get("CPU", 1))
        device = "cuda" if n_gpus else "cpu"
        settings: dict[str, Any] = {
            "compute": ray.data.ActorPoolStrategy(size=n_workers or n_gpus or n_cores),
            "fn_constructor_args": (build, device, max(1, n_cores // n_gpus) if n_gpus else 1),
            "max_task_retries": RETRIES,
            "batch_size": None,
            **({"num_gpus": 1} if n_gpus else {"num_cpus": 1}),
        }
        left = iter(jobs)
        while some := list(itertools.islice(left, DATASET)):
            for outcome in _outcomes(some, settings, block or BLOCKS[device]):
                done(outcome)
                yield outcome


def _outcomes(jobs: list[Job], settings: dict[str, Any], block: int) -> Iterator[Outcome]:
    rows = [{"number": number, "job": job.to_json()} for number, job in enumerate(jobs)]
    data = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // block))
    with warnings.catch_warnings():
        # Ray up to 2.63 has no other way to say how often a block is done again, which would be for ever.
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        done = data.map_batches(Worker, **settings)
    lost = set(range(len(rows)))
    for row in done.iter_rows():
        number = int(row["number"])
        lost.discard(number)
        error = row["error"] or None
        yield Outcome(job=jobs[number], duration_s=row["duration_s"], elapsed_s=row["elapsed_s"], error=error)
    for number in sorted(lost):
        what = f"it, or one of {block} jobs with it, ended its worker {1 + RETRIES} times; Ray's log tells more"
        yield Outcome(job=jobs[number], error=what)


class Worker:
    """A process that holds the model.

    Args:
        build, device: what it builds.
        n_threads: that it may have, for reading and writing beside a GPU.
    """

    def __init__(self, build: Callable[[str], Work], device: str, n_threads: int) -> None:
        import torch

        torch.set_num_threads(n_threads)
        self.work = build(device)

    def __call__(self, batch: Row) -> Row:
        """Does a block of jobs: columns ``number`` and ``job``."""
        from .pipeline import run

        jobs = [Job.from_json(text) for text in batch["job"].tolist()]
        places = {job: place for place, job in enumerate(jobs)}
        outcomes = sorted(run(jobs, self.work), key=lambda outcome: places[outcome.job])
        return {
            "number": batch["number"],
            "duration_s": [outcome.duration_s for outcome in outcomes],
            "elapsed_s": [outcome.elapsed_s for outcome in outcomes],
            "error": [outcome.error or "" for outcome in outcomes],
        }


@contextmanager
def _cluster(address: str | None, n_workers: int | None) -> Iterator[None]:
    """The cluster at an address, or one on this machine that ends with this; what is joined already stays so."""
    address = address or os.environ.get("RAY_ADDRESS")
    joined = ray.is_initialized()
    if not joined:
        # The workers compute as this process would.
        variables = {name: os.environ[name] for name in (PRECISION_VARIABLE,) if name in os.environ}
        settings: dict[str, Any] = {
            "runtime_env": {"env_vars": variables},
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        if address is None:
            settings |= {"num_cpus": max(n_workers or 1, os.cpu_count() or 1), "include_dashboard": False}
        ray.init(address=address, **settings)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of plans and progress
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.max_errored_blocks
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    try:
        yield
    finally:
        context.enable_progress_bars, context.max_errored_blocks = before
        if not joined:
            ray.shutdown()
