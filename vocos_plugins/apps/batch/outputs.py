"""Keeps outputs from becoming inputs, where the folder of the outputs lies among the inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...storage.folders import is_inside
from .jobs import Job
from .naming import Search

DONE = ".vocos-done.jsonl"  # the record of a folder of outputs


class OutputFilter:
    """Says which files and folders below a searched folder are outputs, of this run or of an earlier one.

    They are the run's own folder or file of outputs, and every folder with a record. The searched folder itself is no
    output, since the user has named it.

    Args:
        root: the folder that is searched.
        out: the run's folder of outputs, or its single output file.
    """

    def __init__(self, root: Path, out: Path) -> None:
        self.root = os.path.realpath(root)
        self.out = os.path.realpath(out)
        self.out_name = out.name
        self._known: dict[str, bool] = {}

    def is_output(self, path: Path) -> bool:
        """Returns whether a folder is one of outputs, which the search leaves out with all that is in it."""
        real = os.path.realpath(path)
        if real == self.root:
            return False
        # A link may lead into the folder of the outputs.
        if is_inside(real, self.out) and not is_inside(self.root, self.out):
            return True
        return os.path.lexists(os.path.join(real, DONE))

    def is_below_output(self, path: Path) -> bool:
        """Returns whether a file is in a folder of outputs below the searched one."""
        folder = os.path.dirname(os.path.abspath(path))
        if folder not in self._known:
            real = os.path.realpath(folder)
            parent = real != self.root and is_inside(real, self.root) and self.is_below_output(Path(folder))
            self._known[folder] = parent or self.is_output(Path(folder))
        return self._known[folder]

    def is_output_file(self, path: Path) -> bool:
        """Returns whether a file is the run's single output."""
        return path.name == self.out_name and os.path.realpath(path) == self.out


def protect_inputs(
    jobs: Iterable[Job], inputs: Sequence[str], search: Search, is_known: Callable[[Path], bool]
) -> Iterator[Job]:
    """Yields the jobs; one whose output could replace an input that was not read yet comes with an error.

    Args:
        jobs: found lazily.
        inputs: the command's arguments, from which the jobs were found.
        search: how they were found.
        is_known: returns whether an existing file is an output of an earlier run.
    """
    # Only where inputs lie in the folder of the outputs; a folder of outputs inside of an input has no inputs.
    out = os.path.realpath(search.out)
    folders = {os.path.realpath(text if os.path.isdir(text) else os.path.dirname(text) or ".") for text in inputs}
    shared = [folder for folder in folders if is_inside(folder, out)] if search.suffix in search.read else []
    for job in jobs:
        exists = shared and job.error is None and os.path.lexists(job.target) and not is_known(job.target)
        if exists and any(is_inside(os.path.realpath(job.target), folder) for folder in shared):
            error = f"{job.target} exists, and could be an input; choose another folder for the outputs"
            yield replace(job, error=error)
        else:
            yield job
