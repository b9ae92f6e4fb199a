"""Finds the inputs of a command one by one: files, folders, patterns and lists of any length."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .formats import READERS, detect
from .jobs import FAILURES, Job, describe
from .naming import Search


def find_jobs(inputs: Sequence[str], search: Search) -> Iterator[Job]:
    """Yields a job for each output of the inputs, in their order. A missing input is a job with an error."""
    for text in inputs:
        listed = None if search.kind is None else _listed(Path(text), search)
        yield from _files(text, search) if listed is None else listed


def _listed(path: Path, search: Search) -> Iterator[Job] | None:
    """Returns the jobs of a list; None for a path that is not a list."""
    name = detect(path, search) if path.exists() else None
    return None if name is None else _read(name, READERS[name], path, search)


def _read(name: str, reader: Callable[[Path, Search], Iterator[Job]], path: Path, search: Search) -> Iterator[Job]:
    try:
        yield from reader(path, search)
    except FAILURES as error:
        yield Job(source=path, target=search.out, error=f"cannot be read as {name}: {describe(error)}")


def _files(text: str, search: Search) -> Iterator[Job]:
    any_file = False
    for file, relative in expand(text, search.read):
        any_file = True
        yield Job(source=file, target=search.output_path(str(relative.with_suffix(""))))
    if not any_file:
        path = Path(text)
        error = "no such file or folder" if not path.exists() else "no readable files in this folder"
        yield Job(source=path, target=search.out, error=error)


def expand(text: str, read: frozenset[str]) -> Iterator[tuple[Path, Path]]:
    """Yields the files of a path or pattern, sorted, each with its path below the folder that was named.

    Args:
        text: a file, a folder or a pattern.
        read: suffixes of the files that are taken from a folder.
    """
    path = Path(text)
    if path.is_dir():
        for file in _walk(path):
            if file.suffix.lower() in read:
                yield file, file.relative_to(path)
    # Before patterns: a file's own name may contain [ or *.
    elif path.exists():
        yield path, Path(path.name)
    elif glob.has_magic(text):
        for name in sorted(glob.iglob(text, recursive=True)):
            if os.path.isfile(name):
                yield Path(name), Path(Path(name).name)


def _walk(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, sorted; holds the names of one folder at a time."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file():
            yield folder / entry.name
        # A link to a folder above would never end.
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name)


def reject_clashes(jobs: Iterable[Job]) -> Iterator[Job]:
    """Yields the jobs; one that would overwrite another job's output or its own input comes with an error."""
    # Digests instead of paths: there may be a million jobs.
    seen: set[bytes] = set()
    for job in jobs:
        target = os.path.abspath(job.target)
        # fsencode: on Linux a name may be bytes that are not UTF-8.
        digest = hashlib.blake2b(os.fsencode(target), digest_size=16).digest()
        if job.error is not None:
            yield job
        elif digest in seen:
            yield replace(job, error=f"another input is also written to {job.target}")
        elif target == os.path.abspath(job.source):
            yield replace(job, error="its output would overwrite it; choose another folder")
        else:
            seen.add(digest)
            yield job
