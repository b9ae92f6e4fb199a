"""The record of what is done, by which a run goes on where another one was stopped, at whatever moment.

``.vocos-done.jsonl`` in the folder of the outputs: a line that says how they are made, then a line for each output, on
the disk before the next one. An output is done if its input, as it is now, is in the record, and it is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from filelock import FileLock, Timeout

from .jobs import Job, Outcome

DONE, FAILED, LOCK = ".vocos-done.jsonl", ".vocos-failed.jsonl", ".vocos-lock"
TEMPORARY = re.compile(r"\..+\.\d+\.part")  # `AudioWriter` calls them so


class RecordError(ValueError):
    """The folder belongs to another run, or holds what another model or command made."""


class Record:
    """Opens, or makes, the record of a folder; use as a context manager, which keeps other runs out of the folder.

    Args:
        folder: of the outputs; made if need be.
        settings: by their names, all that outputs depend on beside their inputs.

    Raises:
        RecordError: another run is at work there, or its outputs were made otherwise.
        OSError: no permission, or a full disk.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = dict(settings)
        self.n_done_before = self.n_done = self.n_failed = 0
        self._done: dict[bytes, bytes] = {}  # of digests: an entry takes 200 bytes
        self._begun: dict[Job, dict[str, Any]] = {}
        self._n_written = self._n_on_disk = 0
        self._guard, self._on_disk = threading.Lock(), threading.Lock()

    def __enter__(self) -> Record:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RecordError(
                f"another run is writing to {self.folder}; wait for it, or give another folder"
            ) from error
        try:
            self._lines: IO[str] = self._open()
        except BaseException:
            self._lock.release()
            raise
        self._failures: IO[str] = (self.folder / FAILED).open("w", encoding="utf-8")
        self._sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._failures.close()
        if not self.n_failed:
            self.failures_path.unlink()
        self._sweep()
        self._lock.release()

    @property
    def failures_path(self) -> Path:
        """A line for each job of this run that failed; not there if none did."""
        return self.folder / FAILED

    def remaining(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Those that are not done, or whose input has changed since."""
        for job in jobs:
            facts = self._facts(job)
            if job.error is None and self._done.get(_digest(facts["output"])) == _digest(facts) and job.target.exists():
                self.n_done_before += 1
                continue
            with self._guard:
                self._begun[job] = facts
            yield job

    def add(self, outcome: Outcome) -> None:
        """Writes down how a job went; by any thread."""
        with self._guard:
            facts = self._begun.pop(outcome.job, {})
            if outcome.error is not None:
                self.n_failed += 1
                self._failures.write(json.dumps(outcome.report()) + "\n")
                self._failures.flush()
                return
            self.n_done += 1
            self._lines.write(json.dumps({**facts, "duration_s": round(outcome.duration_s, 3)}) + "\n")
            self._lines.flush()
            self._n_written += 1
            number = self._n_written
        with self._on_disk:  # what others have written meanwhile goes along
            if self._n_on_disk < number:
                number = self._n_written
                os.fsync(self._lines.fileno())
                self._n_on_disk = number

    def _facts(self, job: Job) -> dict[str, Any]:
        """What is written down of a job, and what its input has to be like to count as done."""
        try:
            stat = (job.source if job.row is None else job.source / "state.json").stat()
        except OSError:
            stat = None
        names = ("start_s", "duration_s", "channels", "row", "features")
        part = {name: getattr(job, name) for name in names}
        return {
            "output": os.path.relpath(job.target, self.folder),
            "input": os.path.abspath(job.source),
            "part": {name: value for name, value in part.items() if value},
            "size": stat and stat.st_size,
            "mtime_ns": stat and stat.st_mtime_ns,
        }

    def _open(self) -> IO[str]:
        path = self.folder / DONE
        if path.exists():
            with path.open("r+b") as file:
                os.truncate(file.fileno(), _end_of_last_line(file))  # a line that was being written
        if not path.exists() or path.stat().st_size == 0:
            path.write_text(json.dumps({"settings": self.settings}) + "\n", encoding="utf-8")
            return path.open("a", encoding="utf-8")
        with path.open(encoding="utf-8") as lines:
            self._check(json.loads(next(lines))["settings"])
            for line in lines:
                facts = json.loads(line)
                del facts["duration_s"]
                self._done[_digest(facts["output"])] = _digest(facts)
        return path.open("a", encoding="utf-8")

    def _check(self, before: dict[str, str]) -> None:
        names = sorted(before.keys() | self.settings.keys())
        changed = [name for name in names if before.get(name) != self.settings.get(name)]
        if changed:
            told = ", ".join(f"{name} was {before.get(name)}, is {self.settings.get(name)}" for name in changed)
            raise RecordError(
                f"{self.folder} holds outputs that were made otherwise: {told}. Give another folder, or delete "
                f"{self.folder / DONE} to make all of them anew"
            )

    def _sweep(self) -> None:
        """Removes what killed processes were writing; no other run is at work here."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if TEMPORARY.fullmatch(name):
                    Path(folder, name).unlink(missing_ok=True)


def _end_of_last_line(file: IO[bytes]) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 2**16)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).digest()
