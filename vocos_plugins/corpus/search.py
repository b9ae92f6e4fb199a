"""Finds the inputs of a command: files, folders, patterns and lists, one after the other, however many there are."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .jobs import FAILURES, Job, describe

Kind = Literal["audio", "mel"]
FORMATS = ("auto", "files", "list", "nemo", "speechbrain", "ljspeech", "lhotse", "datasets")


@dataclass(frozen=True, kw_only=True)
class Search:
    """What to look for, and where the outputs go.

    Attributes:
        out: folder of the outputs.
        read: suffixes of the files that are taken from a folder.
        suffix: of the outputs.
        kind: what the files hold; None where lists aren't read.
        format: of the lists, one of `FORMATS`; ``auto`` tells it by what they hold; ``files`` reads none.
        root: what relative paths in a list are relative to; the list's own folder if None.
    """

    out: Path
    read: frozenset[str]
    suffix: str
    kind: Kind | None = None
    format: str = "auto"
    root: Path | None = None

    def jobs(self, inputs: Sequence[str]) -> Iterator[Job]:
        """Each output that the inputs make, in their order. An input that isn't there is a job with an error."""
        for given in inputs:
            yield from (self._listed(Path(given)) if self.kind is not None else None) or self._files(given)

    def _listed(self, path: Path) -> Iterator[Job] | None:
        """The jobs of a list; None for what is no list."""
        from .formats import READERS, detect

        name = detect(path, self) if path.exists() else None
        return None if name is None else self._read(name, READERS[name], path)

    def _read(self, name: str, reader: Callable[[Path, Search], Iterator[Job]], path: Path) -> Iterator[Job]:
        try:
            yield from reader(path, self)
        except FAILURES as error:
            yield Job(source=path, target=self.out, error=f"can't be read as {name}: {describe(error)}")

    def _files(self, given: str) -> Iterator[Job]:
        found = False
        for file, relative in expand(given, self.read):
            found = True
            yield Job(source=file, target=self.place(str(relative.with_suffix(""))))
        if not found:
            path = Path(given)
            what = "no such file or folder" if not path.exists() else "no files that can be read in this folder"
            yield Job(source=path, target=self.out, error=what)

    def place(self, name: str) -> Path:
        """The output of a name, which may have folders; raises ValueError for one that would be outside of ``out``."""
        relative = Path(name + self.suffix)
        if not name or relative.is_absolute() or ".." in relative.parts:
            raise ValueError(f"{name!r} can't name an output: it would not lie below {self.out}")
        return self.out / relative

    def resolve(self, text: str, listed: Path) -> Path:
        """The file that a list names."""
        path = Path(text).expanduser()
        return Path(os.path.abspath((self.root or listed.parent) / path))

    def name(self, file: Path, listed: Path) -> str:
        """A name for a file of a list: its path below the list's root, or else from the top, without the suffix."""
        base = Path(os.path.abspath(self.root or listed.parent))
        relative = file.relative_to(base) if file.is_relative_to(base) else file.relative_to(file.anchor)
        return str(relative.with_suffix(""))


def expand(given: str, read: frozenset[str]) -> Iterator[tuple[Path, Path]]:
    """The files that a file, a folder or a pattern stands for, sorted, each with its path below what was given."""
    path = Path(given)
    if path.is_dir():
        for file in _walk(path):
            if file.suffix.lower() in read:
                yield file, file.relative_to(path)
    elif path.exists():
        yield path, Path(path.name)
    elif glob.has_magic(given):
        for name in sorted(glob.iglob(given, recursive=True)):
            if os.path.isfile(name):
                yield Path(name), Path(Path(name).name)


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted; holds the names of one folder at a time."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file():
            yield folder / entry.name
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name)


def unique(jobs: Iterable[Job]) -> Iterator[Job]:
    """The same, but for jobs whose output another one writes, or that would overwrite their input: these fail."""
    seen: set[bytes] = set()
    for job in jobs:
        target = os.path.abspath(job.target)
        digest = hashlib.blake2b(os.fsencode(target), digest_size=16).digest()
        if job.error is not None:
            yield job
        elif digest in seen:
            yield replace(job, error=f"another input is written to {job.target}, too")
        elif target == os.path.abspath(job.source):
            yield replace(job, error="its output would overwrite it; choose another folder")
        else:
            seen.add(digest)
            yield job
