"""Which files a batch reads and where it writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ..corpus.jobs import Job
from ..corpus.search import Search


def plan(inputs: Sequence[str], search: Search, write: frozenset[str]) -> list[Job]:
    """Finds the inputs and gives each its output.

    A folder is searched for files with a suffix that can be read and its structure is kept below ``search.out``; a
    pattern with ``*``, ``?`` or ``[`` is expanded; lists are read. ``search.out`` is a file if it has a suffix in
    ``write`` and one file comes in, else a folder.

    Raises:
        ValueError: two inputs would write one file, or an input would be overwritten.
    """
    out = search.out
    jobs = list(dict.fromkeys(search.jobs(inputs)))
    if out.suffix.lower() in write:
        found = sum(job.error is None for job in jobs)
        if found > 1:
            raise ValueError(f"{found} inputs can't be written to the one file {out}; give a folder")
        jobs = [dataclasses.replace(job, target=out) for job in jobs]
    elif out.is_file():
        raise ValueError(f"{out} is a file; give a folder, or a name that ends in {', '.join(sorted(write))}")
    _check_clashes([job for job in jobs if job.error is None])
    return jobs


def _check_clashes(jobs: list[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs}
    targets: dict[Path, Job] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise ValueError(f"{job.target} would overwrite the input {sources[target]}; choose another output")
        if target in targets:
            raise ValueError(f"{targets[target].label} and {job.label} would both be written to {job.target}")
        targets[target] = job
