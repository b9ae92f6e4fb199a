"""Atomic writes: a file appears complete under its name, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

MAX_STEM_BYTES = 200  # of a name of at most 255


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path next to ``path`` to write to, and renames it when the block ends.

    A block that raises leaves ``path`` as it was, and no temporary file.
    """
    with atomic_writes([path]) as (temporary,):
        yield temporary


def write_text(path: Path, text: str) -> Path:
    """Writes a text file atomically, creates its folder, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def atomic_writes(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yields a temporary path for each of several files; none is renamed before all are complete.

    A block that raises leaves every path as it was, and no temporary file.
    """
    # Process ids are not enough: threads share one, and so may machines that write to the same folder.
    staged = {path.with_name(f".{_shortened(path.name)}.{secrets.randbelow(10**8)}.part"): path for path in paths}
    try:
        yield list(staged)
        publish(staged)
    finally:
        for temporary in staged:
            with suppress(OSError):  # in a folder that cannot be entered, nothing was written
                temporary.unlink(missing_ok=True)


def _shortened(name: str) -> str:
    """Returns the start of a name, which leaves room for what a temporary name adds."""
    return os.fsdecode(os.fsencode(name)[:MAX_STEM_BYTES])


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
