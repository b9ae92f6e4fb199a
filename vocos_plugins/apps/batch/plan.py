"""The inputs and outputs of a batch that is planned before it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from .find import find_jobs
from .jobs import Job
from .naming import Search


def plan(inputs: Sequence[str], search: Search, write: frozenset[str]) -> list[Job]:
    """Finds the inputs and assigns each an output.

    A folder is searched for readable files, and its structure is kept below ``search.out``; a pattern with ``*``,
    ``?`` or ``[`` is expanded; lists are read. ``search.out`` is a folder, or, for a single input, a file with a suffix
    in ``write``.

    Raises:
        ValueError: two inputs would write one file, or an input would be overwritten.
    """
    out = search.out
    # Without repetitions: a file may be named twice, or match two patterns.
    jobs = list(dict.fromkeys(find_jobs(inputs, search)))
    if out.suffix.lower() in write:
        n_inputs = sum(job.error is None for job in jobs)
        if n_inputs > 1:
            raise ValueError(f"{n_inputs} inputs cannot be written to the single file {out}; choose a folder")
        jobs = [dataclasses.replace(job, target=out) for job in jobs]
    elif out.is_file():
        raise ValueError(f"{out} is a file; choose a folder, or a name that ends in {', '.join(sorted(write))}")
    _check_clashes([job for job in jobs if job.error is None])
    return jobs


def _check_clashes(jobs: list[Job]) -> None:
    # Resolved, since two paths may lead to one file through links.
    sources = {job.source.resolve(): job.source for job in jobs}
    targets: dict[Path, Job] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise ValueError(f"{job.target} would overwrite the input {sources[target]}; choose another output")
        if target in targets:
            raise ValueError(f"{targets[target].label} and {job.label} would both be written to {job.target}")
        targets[target] = job
