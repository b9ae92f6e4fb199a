"""A folder of outputs belongs to one run at a time, which removes what killed runs have left in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .leftovers import sweep

LOCK = ".vocos-lock"


class FolderInUseError(ValueError):
    """Raised for a folder of outputs that another run is writing to."""


@contextmanager
def claim(folder: Path, *, keep_lock: bool = False) -> Iterator[None]:
    """Creates a folder, locks it against other runs, and sweeps it; the system frees the lock of a killed process.

    Args:
        folder: of the outputs. At the end it is removed again if this has created it and it is still empty.
        keep_lock: whether the lock's file stays in the folder.

    Raises:
        FolderInUseError: another run is writing to the folder.
        OSError: no permission, a full disk, or a file in the folder's place.
    """
    created = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            message = f"another run is writing to {folder}; wait for it, or use another folder"
            raise FolderInUseError(message) from error
        try:
            sweep(folder)
            yield
            sweep(folder)
        finally:
            if not keep_lock:
                with suppress(OSError):
                    (folder / LOCK).unlink()  # before the release: afterwards it could be another run's
            lock.release()
    finally:
        with suppress(OSError):  # from the innermost on, up to the first that isn't empty
            for each in created:
                each.rmdir()
