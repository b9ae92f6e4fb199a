"""Finds the inputs of a command one by one: files, folders, patterns and lists of any length."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...storage.folders import walk
from .formats import READERS, detect
from .jobs import Job, describe
from .naming import Search
from .outputs import OutputFilter


def find_jobs(inputs: Sequence[str], search: Search) -> Iterator[Job]:
    """Yields a job for each output of the inputs, in their order. A missing or bad input is a job with an error.

    What an earlier run wrote to a folder of outputs inside of a searched folder is no input.
    """
    for text in inputs:
        try:
            listed = None if search.kind is None else _listed(Path(text), search)
            yield from _files(text, search) if listed is None else listed
        except Exception as error:
            yield Job(source=Path(text), target=search.out, error=describe(error))


def _listed(path: Path, search: Search) -> Iterator[Job] | None:
    """Returns the jobs of a list; None for a path that is not a list."""
    name = detect(path, search) if os.path.exists(path) else None
    return None if name is None else _read(name, READERS[name], path, search)


def _read(name: str, reader: Callable[[Path, Search], Iterator[Job]], path: Path, search: Search) -> Iterator[Job]:
    try:
        yield from reader(path, search)
    except Exception as error:
        yield Job(source=path, target=search.out, error=f"cannot be read as {name}: {describe(error)}")


def _files(text: str, search: Search) -> Iterator[Job]:
    found = False
    for file, relative in _expand(text, search):
        found = True
        if isinstance(relative, Job):
            yield relative
            continue
        try:
            yield Job(source=file, target=search.output_path(str(relative.with_suffix(""))))
        except Exception as error:
            yield Job(source=file, target=search.out, error=describe(error))
    if not found:
        path = Path(text)
        reason = "no such file or folder" if not os.path.exists(path) else "no readable files in this folder"
        yield Job(source=path, target=search.out, error=reason)


def _expand(text: str, search: Search) -> Iterator[tuple[Path, Path | Job]]:
    """Yields the files of a path or pattern, sorted, each with its path below the folder that was named.

    A folder that can't be read comes with a job that has failed.
    """
    path = Path(text)
    if path.is_dir():
        unreadable: list[Job] = []
        outputs = OutputFilter(path, search.out)
        for file in walk(path, _collector(unreadable, search), outputs.is_output):
            if file.suffix.lower() in search.read and not outputs.is_output_file(file):
                yield file, file.relative_to(path)
        yield from ((job.source, job) for job in unreadable)
    # Before patterns: a file's own name may contain [ or *.
    elif os.path.exists(path):
        yield path, Path(path.name)
    elif glob.has_magic(text):
        outputs = OutputFilter(_folder_of(text), search.out)
        for name in sorted(glob.iglob(text, recursive=True)):
            file = Path(name)
            if os.path.isfile(name) and not (outputs.is_below_output(file) or outputs.is_output_file(file)):
                yield Path(name), Path(Path(name).name)


def _collector(unreadable: list[Job], search: Search) -> Callable[[Path, OSError], None]:
    return lambda folder, error: unreadable.append(Job(source=folder, target=search.out, error=describe(error)))


def _folder_of(pattern: str) -> Path:
    """Returns the part of a pattern before its first part with wildcards."""
    folder = Path()
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        folder /= part
    return folder


def reject_clashes(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yields the jobs; one that would overwrite another job's output or its own input comes with an error."""
    # Digests instead of paths: there may be a million jobs.
    seen: set[bytes] = set()
    for job in jobs:
        if job.error is not None:
            yield job
            continue
        target = os.path.abspath(job.target)
        # fsencode: on Linux a name may be bytes that are not UTF-8.
        digest = hashlib.blake2b(os.fsencode(target), digest_size=16).digest()
        if digest in seen:
            yield replace(job, error=f"another input is also written to {job.target}")
        elif target == os.path.abspath(job.source):
            yield replace(job, error="its output would overwrite it; choose another folder")
        else:
            seen.add(digest)
            yield job
