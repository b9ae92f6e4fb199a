"""Keeps a second run out of a command's folder of outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ...storage.claims import FolderInUseError, claim
from ...storage.leftovers import sweep_beside
from .options import fail


@contextmanager
def claimed(out: Path, file_suffixes: Collection[str] = ()) -> Iterator[None]:
    """Claims the folder of a command's outputs, and removes what killed runs left; a folder in use ends the command.

    Args:
        out: the folder; or a single file, which is written under another name and renamed, and needs no claim.
        file_suffixes: suffixes with which it is a file.
    """
    if out.suffix.lower() in file_suffixes:
        sweep_beside(out)
        yield
        return
    with ExitStack() as stack:
        try:
            # What keeps the folder from being written to keeps its outputs from it as well, and they say so.
            with suppress(OSError):
                stack.enter_context(claim(out))
        except FolderInUseError as error:
            fail(str(error))
        yield
