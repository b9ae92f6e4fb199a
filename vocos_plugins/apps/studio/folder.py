"""The only folder that the studio and Gradio write to."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...storage.leftovers import is_alive

PREFIX = "vocos-studio-"
OURS = re.compile(PREFIX + r"(\d+)-\w+")  # the number is the process


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Creates a folder, makes it the process's temporary folder, and removes it with its contents at the end.

    Folders of studios that were killed are removed as well.
    """
    remove_leftovers(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        before = tempfile.tempdir
        tempfile.tempdir = folder  # uploads are spooled to it first
        os.environ.update(GRADIO_TEMP_DIR=folder, GRADIO_ANALYTICS_ENABLED="False")
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


def remove_leftovers(parent: Path) -> None:
    """Removes the folders of studios that were killed, whose uploads nobody would delete."""
    if os.name != "posix":  # elsewhere there is no safe way to ask whether a process lives
        return
    for folder in parent.glob(f"{PREFIX}*"):
        match = OURS.fullmatch(folder.name)
        try:
            if match and folder.lstat().st_uid == os.getuid() and not is_alive(int(match[1])):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another studio was faster
            continue


def make_room(folder: Path, *, n_files: int, n_bytes: int) -> None:
    """Removes the oldest files of a studio's folder until it has fewer than `n_files`, and at most `n_bytes`.

    Raises:
        ValueError: this is not a studio's folder; its files are not ours to remove.
    """
    if not OURS.fullmatch(folder.name):
        raise ValueError(f"{folder} is not the studio's own folder")
    files = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # Gradio removes files of its own accord
            if not path.is_dir():
                files.append((path.lstat(), path))
    files.sort(key=lambda file: file[0].st_mtime)
    total = sum(stat.st_size for stat, _ in files)
    for index, (stat, path) in enumerate(files):
        if len(files) - index < n_files and total <= n_bytes:
            break
        path.unlink(missing_ok=True)
        total -= stat.st_size
