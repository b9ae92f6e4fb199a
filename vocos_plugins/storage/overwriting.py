"""Whether an export may take the place of the files that are at its target."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from .safe_files import CheckpointError


def check_replaceable(
    files: Iterable[Path], *, is_own: Callable[[], bool], overwrite: bool, inputs: Iterable[Path] = ()
) -> None:
    """Refuses to replace files that the same export did not write. Call it before anything is written.

    Args:
        files: the files that the export writes.
        is_own: whether an earlier export of the same kind wrote those that exist; called only if one does.
        overwrite: the user allows to replace any file but an input.
        inputs: files that the export reads, or folders whose files it reads: they are never replaced.

    Raises:
        CheckpointError: a file would be lost; the message names it and says what to do.
    """
    # Not exists(): a link that leads nowhere would be replaced as well.
    existing = [file for file in files if os.path.lexists(file)]
    inputs = list(inputs)
    for file in existing:
        if any(is_same(file, each) or (each.is_dir() and is_same(file.parent, each)) for each in inputs):
            raise CheckpointError(f"{file} is an input of this command and is never replaced: choose another target")
    if existing and not overwrite and not is_own():
        raise CheckpointError(
            f"{existing[0]} belongs to another model or program and is kept: choose another target, or replace it with "
            "--overwrite (in Python overwrite=True)"
        )


def is_same(file: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder, by links too; False if either does not exist."""
    try:
        return file.samefile(other)
    except OSError:
        return False
