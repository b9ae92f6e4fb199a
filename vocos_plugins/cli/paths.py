"""Which files a batch reads and where it writes."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """One file of a batch; ``error`` says why it can't even be tried."""

    source: Path
    target: Path
    error: str | None = None


def plan(inputs: Sequence[str], out: Path, *, read: frozenset[str], write: frozenset[str], suffix: str) -> list[Job]:
    """Finds the inputs and gives each its output.

    A folder is searched for files with a suffix in ``read`` and its structure is kept below ``out``; a pattern with
    ``*``, ``?`` or ``[`` is expanded. ``out`` is a file if it has a suffix in ``write`` and one file comes in, else a
    folder.

    Raises:
        ValueError: two inputs would write one file, or an input would be overwritten.
    """
    found: list[tuple[Path, Path]] = []
    jobs: list[Job] = []
    for given in inputs:
        files = list(_expand(given, read))
        found += files
        if not files:
            what = "no such file or folder" if not Path(given).exists() else "no files that can be read in this folder"
            jobs.append(Job(source=Path(given), target=out, error=what))
    if out.suffix.lower() in write:
        if len(found) > 1:
            raise ValueError(f"{len(found)} inputs can't be written to the one file {out}; give a folder")
        jobs += [Job(source=source, target=out) for source, _ in found]
    else:
        if out.is_file():
            raise ValueError(f"{out} is a file; give a folder, or a name that ends in {', '.join(sorted(write))}")
        jobs += [Job(source=source, target=out / relative.with_suffix(suffix)) for source, relative in found]
    _check_clashes([job for job in jobs if job.error is None])
    return jobs


def _expand(given: str, read: frozenset[str]) -> list[tuple[Path, Path]]:
    """Files with the path that each keeps below the output folder."""
    path = Path(given)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in read and file.is_file())
        return [(file, file.relative_to(path)) for file in files]
    if path.exists():
        return [(path, Path(path.name))]
    if glob.has_magic(given):
        return [
            (Path(file), Path(Path(file).name))
            for file in sorted(glob.glob(given, recursive=True))
            if Path(file).is_file()
        ]
    return []


def _check_clashes(jobs: list[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs}
    targets: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise ValueError(f"{job.target} would overwrite the input {sources[target]}; choose another output")
        if target in targets and targets[target] != job.source:
            raise ValueError(f"{targets[target]} and {job.source} would both be written to {job.target}")
        targets[target] = job.source
