"""The record of finished outputs, with which a run continues after an interruption at any moment.

It is ``.vocos-done.jsonl`` in the folder of the outputs: a line with the settings, then a line for each output, synced
to the disk before the job counts as done. An output is done if it exists and the record has its input, unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ...storage.claims import LOCK, FolderInUseError, claim
from .jobs import Job, Outcome, describe
from .outputs import DONE

__all__ = ["DONE", "FAILED", "LOCK", "Record", "RecordError"]

FAILED = ".vocos-failed.jsonl"


class RecordError(ValueError):
    """Raised for a folder that another run is using, or that was written with other settings."""


class Record:
    """The record of a folder; as a context manager it opens or creates the record and locks the folder for other runs.

    Args:
        folder: of the outputs; created if it does not exist.
        settings: everything that outputs depend on in addition to their inputs, by name.

    Raises:
        RecordError: another run is using the folder, or its outputs were written with other settings.
        OSError: no permission, or a full disk.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = dict(settings)
        self.n_done_before = self.n_done = self.n_failed = 0
        self._done: dict[bytes, bytes] = {}  # digests of output and facts: an entry takes 200 bytes
        self._pending: dict[Job, dict[str, Any]] = {}
        self._n_written = self._n_synced = 0
        # Two locks: while one thread waits for the disk, others can add their lines.
        self._lock, self._disk_lock = threading.Lock(), threading.Lock()

    def __enter__(self) -> Record:
        with ExitStack() as stack:
            try:
                stack.enter_context(claim(self.folder, keep_lock=True))
            except FolderInUseError as error:
                raise RecordError(str(error)) from error
            self._lines: IO[str] = stack.enter_context(self._open())
            # Failed jobs are tried again, so each run starts a new list.
            self._failures: IO[str] = stack.enter_context((self.folder / FAILED).open("w", encoding="utf-8"))
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._opened:  # it holds the folder's lock
            self._lines.close()
            self._failures.close()
            if not self.n_failed:
                self.failures_path.unlink()

    @property
    def failures_path(self) -> Path:
        """The file with a line for each job that failed in this run; it does not exist if none did."""
        return self.folder / FAILED

    def remaining(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yields the jobs that are not done, or whose input has changed since."""
        for found in jobs:
            job, facts = self._with_facts(found)
            if job.error is None and self._is_done(facts) and os.path.exists(job.target):
                self.n_done_before += 1
                continue
            # Before the yield: another thread may report the outcome at once.
            with self._lock:
                self._pending[job] = facts
            yield job

    def knows(self, path: Path) -> bool:
        """Returns whether a file is recorded as an output."""
        return _digest(os.path.relpath(path, self.folder)) in self._done

    def without_outputs(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Yields the jobs whose input is no output of an earlier run in this folder."""
        return (job for job in jobs if job.error is not None or not self.knows(job.source))

    def _is_done(self, facts: Mapping[str, Any]) -> bool:
        return self._done.get(_digest(facts["output"])) == _digest(facts)

    def add(self, outcome: Outcome) -> None:
        """Records the outcome of a job; thread-safe."""
        with self._lock:
            facts = self._pending.pop(outcome.job, {})
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
        # One sync also covers the lines that other threads wrote meanwhile; they skip their own.
        with self._disk_lock:
            if self._n_synced < number:
                number = self._n_written
                os.fsync(self._lines.fileno())
                self._n_synced = number

    def _with_facts(self, job: Job) -> tuple[Job, dict[str, Any]]:
        try:
            return job, self._facts(job)
        except Exception as error:  # of a name that no file can have
            return replace(job, error=job.error or describe(error)), {}

    def _facts(self, job: Job) -> dict[str, Any]:
        """Returns what the record stores of a job; all of it must match for the job to count as done."""
        try:
            # A data set is a folder, whose own size and time say little about its files; `save_to_disk` rewrites this
            # one.
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
                os.truncate(file.fileno(), _end_of_last_line(file))  # an unfinished last line
        if not path.exists() or path.stat().st_size == 0:
            path.write_text(json.dumps({"settings": self.settings}) + "\n", encoding="utf-8")
            return path.open("a", encoding="utf-8")
        with path.open("rb") as lines:
            self._check(_settings(next(lines), path))
            for line in lines:
                # What is damaged does not count: its output is written again.
                with suppress(ValueError, TypeError, KeyError, RecursionError):
                    facts = json.loads(line)
                    # A result, not a property of the job.
                    del facts["duration_s"]
                    self._done[_digest(facts["output"])] = _digest(facts)
        return path.open("a", encoding="utf-8")

    def _check(self, before: dict[str, str]) -> None:
        names = sorted(before.keys() | self.settings.keys())
        changed = [name for name in names if before.get(name) != self.settings.get(name)]
        if changed:
            differences = ", ".join(f"{name} {before.get(name)}, now {self.settings.get(name)}" for name in changed)
            raise RecordError(
                f"{self.folder} was written with other settings: {differences}. Use another folder, or delete "
                f"{self.folder / DONE} to start over"
            )


def _settings(line: bytes, path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(line)["settings"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"the first line of {path} is damaged; delete the file to start over") from error


def _end_of_last_line(file: IO[bytes]) -> int:
    """Returns the position after the last complete line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        # Read from the end: the record may have a million lines, and a line any length.
        start = max(0, end - 2**16)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _digest(value: Any) -> bytes:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).digest()
