"""Runs a batch: goes on past a bad file, shows progress on a long run, and reports at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .paths import Job

if TYPE_CHECKING:
    from torch import Tensor

QUIET_S = 2.0  # a run shorter than this shows no progress bar

Result = dict[str, Any]


def run_batch(jobs: Sequence[Job], work: Callable[[Job], Result], *, as_json: bool) -> None:
    """Calls ``work`` on each job and ends the command with its exit code.

    ``work`` gives what to report of a job: ``output`` and anything else. ValueError, TypeError and OSError are a
    job's failure; anything else is a defect of ours and is not hidden.
    """
    console = Console(stderr=True)
    done: list[Result] = []
    failed: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("", total=len(jobs))
    started = time.monotonic()
    try:
        for job in jobs:
            if console.is_terminal and time.monotonic() - started > QUIET_S:
                progress.start()
            progress.update(task, description=job.source.name)
            try:
                if job.error is not None:
                    raise ValueError(job.error)
                done.append({"input": str(job.source), **work(job)})
            except (ValueError, TypeError, OSError) as error:
                failed.append({"input": str(job.source), "error": describe(error)})
            progress.advance(task)
    finally:
        progress.stop()
    _report(done, failed, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def audio_job(vocode: Callable[[Path], Iterable[Tensor]], sample_rate: int) -> Callable[[Job], Result]:
    """Work for `run_batch`: writes the audio ``(channels, n)`` that a source becomes, piece by piece."""
    from ..audio_files import AudioWriter

    def work(job: Job) -> Result:
        started = time.perf_counter()
        with AudioWriter(job.target, sample_rate) as writer:
            for audio in vocode(job.source):
                writer.write(audio)
        duration_s = writer.n_samples / sample_rate
        elapsed_s = time.perf_counter() - started
        return {"output": str(job.target), "duration_s": round(duration_s, 3), "elapsed_s": round(elapsed_s, 3)}

    return work


def describe(error: Exception) -> str:
    """An error as one line; for the operating system's, its own words and the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())


def _report(done: list[Result], failed: list[Result], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"done": done, "failed": failed}, indent=2))
        return
    for result in done:
        typer.echo(f"{result['input']} -> {result['output']}")
    for result in failed:
        typer.secho(f"failed: {result['input']}: {result['error']}", fg="red", err=True)
    if failed:
        typer.secho(f"{len(failed)} of {len(done) + len(failed)} inputs failed", fg="red", err=True)
