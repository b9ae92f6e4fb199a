"""Finds files in folders: in a fixed order, through links, without what only looks like a recording."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

APPLE_DOUBLE = "._"  # macOS writes such a file beside each file on a foreign disk; it holds no audio

# Called with a folder that can't be read.
OnError = Callable[[Path, OSError], object]
Skip = Callable[[Path], bool]


def walk(folder: Path, on_error: OnError, skip: Skip = lambda _: False) -> Iterator[Path]:
    """Yields the files below a folder, sorted; holds the names of one folder at a time.

    Links to other folders are followed, each of them once; one that leads to a folder above or inside is not.

    Args:
        folder: where to start.
        on_error: called with each folder that can't be read; the others are still searched.
        skip: returns whether to leave out a folder.
    """
    yield from _Walk(folder, on_error, skip).files(folder)


class _Walk:
    def __init__(self, folder: Path, on_error: OnError, skip: Skip) -> None:
        self.on_error = on_error
        self.skip = skip
        self.searched = [os.path.realpath(folder)]  # grows with the links that were followed

    def files(self, folder: Path) -> Iterator[Path]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.on_error(folder, error)
            return
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(APPLE_DOUBLE):
                continue
            if entry.is_file():
                yield path
            elif entry.is_dir() and not self.skip(path) and (not entry.is_symlink() or self._leads_elsewhere(path)):
                yield from self.files(path)

    def _leads_elsewhere(self, link: Path) -> bool:
        target = os.path.realpath(link)
        # What is inside is found anyway, and a link to a folder above would never end.
        if any(is_inside(target, each) or is_inside(each, target) for each in self.searched):
            return False
        self.searched.append(target)
        return True


def is_inside(path: str, folder: str) -> bool:
    """Returns whether an absolute path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
