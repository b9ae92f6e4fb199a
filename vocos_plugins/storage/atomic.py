"""Atomic writes: a file appears complete under its name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .leftovers import sweep_beside, temporary_path


@contextmanager
def atomic_write(path: Path, *, sweep: bool = True) -> Iterator[Path]:
    """Yields a temporary path next to ``path`` to write to, and renames it when the block ends.

    A block that raises leaves ``path`` as it was, and no temporary file. What a killed process left of the same file is
    removed.

    Args:
        path: of the file.
        sweep: False for one of many files in a folder that was swept already: a sweep lists the folder.
    """
    with atomic_writes([path], sweep=sweep) as (temporary,):
        yield temporary


def write_text(path: Path, text: str) -> Path:
    """Writes a text file atomically, creates its folder, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def atomic_writes(paths: Iterable[Path], *, sweep: bool = True) -> Iterator[list[Path]]:
    """Yields a temporary path for each of several files; none is renamed before all are complete.

    A block that raises leaves every path as it was, and no temporary file. See `atomic_write`.
    """
    staged = {temporary_path(path): path for path in paths}
    try:
        for path in staged.values() if sweep else ():
            sweep_beside(path)
        yield list(staged)
        publish(staged)
    finally:
        for temporary in staged:
            with suppress(OSError):  # in a folder that cannot be entered, nothing was written
                temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder next to ``path`` in which to write it, and removes that folder when the block ends."""
    sweep_beside(path)
    folder = temporary_path(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: Mapping[Path, Path]) -> None:
    """Syncs complete temporary files to the disk, then renames each to its target, in order.

    Args:
        staged: the targets, by their temporary paths.

    Raises:
        OSError: a file could not be synced or renamed.
    """
    # Before any rename: after a power cut, a file that was renamed but not synced could be empty.
    for temporary in staged:
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
    for temporary, target in staged.items():
        temporary.replace(target)
