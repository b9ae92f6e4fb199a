"""Runs a batch: goes on past a bad file, shows progress on a long run, and reports at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..corpus.jobs import FAILURES, Job, describe

if TYPE_CHECKING:
    from torch import Tensor

QUIET_S = 2.0  # a run shorter than this shows no progress bar

Result = dict[str, Any]


class BatchProgress:
    """A progress bar that appears on a terminal once a batch has taken two seconds; within a file, it tells how far.

    Args:
        n_jobs: files in the batch; None if nobody knows yet.
        console: where to draw; standard error by default.
    """

    def __init__(self, n_jobs: int | None, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=n_jobs)
        self._started = time.monotonic()

    def show(self, text: str) -> None:
        """Says what is being done."""
        if self._console.is_terminal and time.monotonic() - self._started > QUIET_S:
            self._bar.start()
        self._bar.update(self._task, description=text)

    def advance(self) -> None:
        """One file more is done, or has failed."""
        self._bar.advance(self._task)

    def stop(self) -> None:
        """Takes the bar away."""
        self._bar.stop()


Work = Callable[[Job, BatchProgress], Result]


def run_batch(jobs: Sequence[Job], work: Work, *, as_json: bool) -> None:
    """Calls ``work`` on each job and ends the command with its exit code.

    ``work`` gives what to report of a job: ``output`` and anything else. ValueError, TypeError and OSError are a
    job's failure; anything else is a defect of ours and is not hidden.
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
                done.append({"input": job.label, **work(job, progress)})
            except FAILURES as error:
                failed.append({"input": job.label, "error": describe(error)})
            progress.advance()
    finally:
        progress.stop()
    report(done, failed, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def audio_job(vocode: Callable[[Job], Iterable[Tensor]], sample_rate: int) -> Work:
    """Work for `run_batch`: writes the audio ``(channels, n)`` that a source becomes, piece by piece."""
    from ..storage.audio import AudioWriter

    def work(job: Job, progress: BatchProgress) -> Result:
        started = time.perf_counter()
        with AudioWriter(job.target, sample_rate) as writer:
            for audio in vocode(job):
                writer.write(audio)
                progress.show(f"{job.source.name}: {writer.n_samples / sample_rate:.0f} s")
        duration_s = writer.n_samples / sample_rate
        elapsed_s = time.perf_counter() - started
        return {"output": str(job.target), "duration_s": round(duration_s, 3), "elapsed_s": round(elapsed_s, 3)}

    return work


def report(done: list[Result], failed: list[Result], *, as_json: bool) -> None:
    """Prints what was done and what failed."""
    if as_json:
        typer.echo(json.dumps({"done": done, "failed": failed}, indent=2))
        return
    for result in done:
        typer.echo(f"{result['input']} -> {result['output']}")
    for result in failed:
        typer.secho(f"failed: {result['input']}: {result['error']}", fg="red", err=True)
    if failed:
        typer.secho(f"{len(failed)} of {len(done) + len(failed)} inputs failed", fg="red", err=True)
