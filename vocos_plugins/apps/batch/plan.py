"""The inputs and outputs of a batch that is planned before it runs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from .find import find_jobs
from .jobs import Job
from .naming import Search

# Suffixes of recordings and codes that aren't read. A folder may be called after a list: out_list.txt.
FOREIGN = "aac ac3 adts amr ape dsf ecdc m4a m4b mka mp2 mp4 mpga spx tta webm weba wma wv"


def plan(inputs: Sequence[str], search: Search, write: frozenset[str]) -> list[Job]:
    """Finds the inputs and assigns each an output.

    A folder is searched for readable files, and its structure is kept below ``search.out``; a pattern with ``*``,
    ``?`` or ``[`` is expanded; lists are read. ``search.out`` is a folder, or, for a single input, a file with a suffix
    in ``write``.

    Raises:
        ValueError: two inputs would write one file, or an input would be overwritten.
    """
    out = search.out
    check_out(out, write)
    # Without repetitions: a file may be named twice, or match two patterns.
    jobs = list(dict.fromkeys(find_jobs(inputs, search)))
    if out.suffix.lower() in write:
        n_inputs = sum(job.error is None for job in jobs)
        if n_inputs > 1:
            raise ValueError(f"{n_inputs} inputs cannot be written to the single file {out}; choose a folder")
        jobs = [dataclasses.replace(job, target=out) for job in jobs]
    _check_clashes([job for job in jobs if job.error is None])
    return jobs


def check_out(out: Path, write: frozenset[str]) -> None:
    """Checks that an output is a folder, or a file that can be written.

    Raises:
        ValueError: it is a file of another kind, or ``-``.
    """
    # Slow to import, and the command's help is shown without it.
    from ...storage.audio import INPUT_SUFFIXES

    suffix = out.suffix.lower()
    if suffix in write or out.is_dir():
        return
    known = f"a folder, or a name that ends in {', '.join(sorted(write))}"
    if str(out) == "-":
        raise ValueError(f"can't write to standard output; choose {known}")
    if out.exists():
        raise ValueError(f"{out} is a file; choose {known}")
    # A folder's name may have a dot in it, such as run.2; only what names a kind of file is none.
    if suffix in INPUT_SUFFIXES or suffix.removeprefix(".") in FOREIGN.split():
        raise ValueError(f"{out}: can't write {suffix}; choose {known}")


def _check_clashes(jobs: list[Job]) -> None:
    # Resolved, since two paths may lead to one file through links.
    sources = {os.path.realpath(job.source): job.source for job in jobs}
    targets: dict[str, Job] = {}
    for job in jobs:
        target = os.path.realpath(job.target)
        if target in sources:
            raise ValueError(f"{job.target} would overwrite the input {sources[target]}; choose another output")
        if target in targets:
            raise ValueError(f"{targets[target].label} and {job.label} would both be written to {job.target}")
        targets[target] = job
