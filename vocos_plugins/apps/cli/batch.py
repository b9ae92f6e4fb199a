"""Runs a batch of jobs: continues past failures, shows progress on long runs, and reports at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..batch.jobs import Job, describe, printable
from .options import fail

if TYPE_CHECKING:
    from torch import Tensor

    from ...evaluation.evaluate import Failure

QUIET_S = 2.0  # a run shorter than this shows no progress bar

Result = dict[str, Any]


class BatchProgress:
    """A progress bar on a terminal, which appears after two seconds and also shows the progress within a file.

    Args:
        n_jobs: number of files in the batch; None if unknown.
        console: where to draw; standard error by default.
    """

    def __init__(self, n_jobs: int | None, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=n_jobs)
        self._started = time.monotonic()

    def show(self, text: str) -> None:
        """Shows the current file, or the progress within it."""
        if self._console.is_terminal and time.monotonic() - self._started > QUIET_S:
            # A short run ends before the bar appears. Rich ignores further calls of start().
            self._bar.start()
        # A file's name may look like markup, or hold bytes that can't be printed.
        self._bar.update(self._task, description=escape(printable(text)))

    def advance(self) -> None:
        """Counts one more file, finished or failed."""
        self._bar.advance(self._task)

    def stop(self) -> None:
        """Removes the bar."""
        self._bar.stop()


@contextmanager
def until_done(progress: BatchProgress) -> Iterator[None]:
    """Removes the bar at the end of the block; an error of a value or a file ends the command with its message."""
    try:
        try:
            yield
        finally:
            progress.stop()
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))


def end_with(failures: Sequence[Failure]) -> NoReturn:
    """Names the files that failed, and ends the command: with exit code 1 if there are any."""
    for failure in failures:
        typer.secho(f"failed: {failure.file}: {failure.error}", fg="red", err=True)
    raise typer.Exit(1 if failures else 0)


JobFunction = Callable[[Job, BatchProgress], Result]


def run_batch(jobs: Sequence[Job], process: JobFunction, *, as_json: bool) -> None:
    """Calls a function on each job, prints the report and ends the command with its exit code.

    Args:
        jobs: run one after the other.
        process: returns the report of a job: ``output`` and any other fields. An exception is the job's failure; only
            a request to stop ends the command.
        as_json: whether to print the report as JSON.
    """
    done: list[Result] = []
    failed: list[Result] = []
    progress = BatchProgress(len(jobs))
    try:
        for job in jobs:
            progress.show(job.source.name)
            try:
                if job.error is not None:
                    raise ValueError(job.error)
                done.append({"input": job.label, **process(job, progress)})
            except Exception as error:
                failed.append({"input": job.label, "error": describe(error)})
            progress.advance()
    finally:
        progress.stop()
    report(done, failed, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def audio_job(vocode: Callable[[Job], Iterable[Tensor]], sample_rate: int) -> JobFunction:
    """Returns a function for `run_batch` that writes a job's audio piece by piece.

    Args:
        vocode: yields the audio of a job in pieces ``(channels, N)``.
        sample_rate: of the audio, Hz.
    """
    from ...storage.audio_writer import AudioWriter

    def process(job: Job, progress: BatchProgress) -> Result:
        started = time.perf_counter()
        with AudioWriter(job.target, sample_rate) as writer:
            for audio in vocode(job):
                writer.write(audio)
                progress.show(f"{job.source.name}: {writer.n_samples / sample_rate:.0f} s")
        duration_s = writer.n_samples / sample_rate
        elapsed_s = time.perf_counter() - started
        return {"output": str(job.target), "duration_s": round(duration_s, 3), "elapsed_s": round(elapsed_s, 3)}

    return process


def report(done: list[Result], failed: list[Result], *, as_json: bool) -> None:
    """Prints the finished jobs and the failures."""
    if as_json:
        typer.echo(json.dumps({"done": done, "failed": failed}, indent=2))
        return
    for result in done:
        typer.echo(printable(f"{result['input']} -> {result['output']}"))
    for result in failed:
        typer.secho(printable(f"failed: {result['input']}: {result['error']}"), fg="red", err=True)
    if failed:
        typer.secho(f"{len(failed)} of {len(done) + len(failed)} inputs failed", fg="red", err=True)
