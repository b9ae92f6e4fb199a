"""What ``vocos resynth`` and ``vocos decode`` share: lists of inputs, going on after a stop, and clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..corpus.search import FORMATS, Kind, Search
from .batch import BatchProgress, audio_job, report, run_batch
from .options import fail
from .paths import plan

if TYPE_CHECKING:
    from ..corpus.jobs import Job, Outcome
    from ..corpus.work import Work

# What is done to a job here, and what does the same in another process, on ``cpu`` or ``cuda``, if anything can.
Loaded = tuple["Work", "Callable[[str], Work] | None"]

ENGINES = ("local", "ray")
N_SHOWN = 20  # failures that are printed; a record has all of them

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help=f"What a list is: {', '.join(FORMATS[2:])}; or files, for none. Told by what it holds by default.",
    ),
]
Root = Annotated[
    Path | None, typer.Option(help="What relative paths in a list are relative to. The list's folder by default.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where a run with this option was stopped: OUT/.vocos-done.jsonl records what is done. Inputs that "
        "have changed are done again; another model is refused.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine", help="local, or ray: the workers of a Ray cluster, which share OUT and the inputs; with --resume."
    ),
]
Address = Annotated[
    str | None, typer.Option(help="Of the Ray cluster. By default RAY_ADDRESS, or else one on this machine.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Threads; or, of a cluster, processes with a core or a GPU each. All that there are by default."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a command is to go about its jobs: the options of these names."""

    resume: bool
    engine: str
    address: str | None
    workers: int | None
    device: str
    as_json: bool


def make_search(out: Path, read: frozenset[str], kind: Kind, format_: str, root: Path | None) -> Search:
    """What to look for; an unknown format ends the command."""
    if format_ not in FORMATS:
        fail(f"unknown --format {format_!r}; known are {', '.join(FORMATS)}")
    return Search(out=out, read=read, suffix=".wav", kind=kind, format=format_, root=root)


def vocode(
    inputs: Sequence[str],
    search: Search,
    running: Running,
    load: Callable[[], Loaded],
) -> None:
    """Does all jobs and ends the command with its exit code.

    Args:
        inputs: as the user gave them.
        search: finds the jobs.
        running: how.
        load: gives what is done to a job; ends the command where that can't be.
    """
    from ..storage.audio import OUTPUT_FORMATS

    _check(running, search)
    if running.workers is not None and running.engine == "local":
        import torch

        torch.set_num_threads(running.workers)
    if running.resume or running.engine == "ray":
        _recorded(inputs, search, running, *load())
    try:
        jobs = plan(inputs, search, frozenset(OUTPUT_FORMATS))
    except ValueError as error:
        fail(str(error))
    work, _ = load()
    if len(jobs) == 1:
        run_batch(jobs, audio_job(work.stream, work.sample_rate), as_json=running.as_json)
    _at_once(jobs, work, running)


def _check(running: Running, search: Search) -> None:
    from ..storage.audio import OUTPUT_FORMATS

    if running.engine not in ENGINES:
        fail(f"unknown --engine {running.engine!r}; known are {', '.join(ENGINES)}")
    recorded = running.resume or running.engine == "ray"
    if recorded and (search.out.suffix.lower() in OUTPUT_FORMATS or search.out.is_file()):
        fail(f"a record is kept in a folder; {search.out} is a file")
    if running.engine == "local" and running.address is not None:
        fail("--address is that of a Ray cluster: add --engine ray")


def _at_once(jobs: list[Job], work: Work, running: Running) -> NoReturn:
    """Without a record: what is done is told at the end, in the order of the inputs."""
    from ..corpus.pipeline import run

    progress = BatchProgress(len(jobs))
    outcomes = list(_shown(run(jobs, work), progress))
    places = {job: place for place, job in enumerate(jobs)}
    outcomes.sort(key=lambda outcome: places[outcome.job])
    done = [outcome.report() for outcome in outcomes if outcome.error is None]
    failed = [outcome.report() for outcome in outcomes if outcome.error is not None]
    report(done, failed, as_json=running.as_json)
    raise typer.Exit(1 if failed else 0)


def _recorded(
    inputs: Sequence[str], search: Search, running: Running, work: Work, build: Callable[[str], Work] | None
) -> NoReturn:
    """With a record: numbers are told at the end, as there may be a million files."""
    from ..corpus.pipeline import run
    from ..corpus.record import Record, RecordError
    from ..corpus.search import unique

    if running.engine == "ray" and build is None:
        fail("--engine ray decodes mels by a checkpoint, not codes, nor by an exported file")
    failed: list[Any] = []
    try:
        with Record(search.out, work.settings()) as record:
            jobs = record.remaining(unique(search.jobs(inputs)))
            if running.engine == "ray" and build is not None:
                outcomes = _on_ray(jobs, build, running, record.add)
            else:
                outcomes = run(jobs, work, record.add)
            for outcome in _shown(outcomes, BatchProgress(None)):
                if outcome.error is not None and len(failed) < N_SHOWN:
                    failed.append(outcome.report())
    except RecordError as error:
        fail(str(error))
    _tell(record.n_done, record.n_done_before, record.n_failed, failed, record.failures_path, running)
    raise typer.Exit(1 if record.n_failed else 0)


def _on_ray(
    jobs: Iterator[Job], build: Callable[[str], Work], running: Running, done: Callable[[Outcome], None]
) -> Iterator[Outcome]:
    try:
        from ..corpus.on_ray import run_on_ray
    except ImportError as error:
        fail(f"{error}. pip install 'vocos-plugins[ray]'")
    return run_on_ray(
        jobs, build, done, address=running.address, n_workers=running.workers, gpus=running.device != "cpu"
    )


def _shown(outcomes: Iterator[Outcome], progress: BatchProgress) -> Iterator[Outcome]:
    try:
        for outcome in outcomes:
            progress.show(outcome.job.source.name)
            progress.advance()
            yield outcome
    finally:
        progress.stop()


def _tell(n_done: int, n_before: int, n_failed: int, failed: list[Any], path: Path, running: Running) -> None:
    if running.as_json:
        numbers = {"n_done": n_done, "n_done_before": n_before, "n_failed": n_failed, "failed": failed}
        typer.echo(json.dumps(numbers, indent=2))
        return
    typer.echo(f"{n_done} done" + (f", {n_before} were done before" if n_before else ""))
    for result in failed:
        typer.secho(f"failed: {result['input']}: {result['error']}", fg="red", err=True)
    if n_failed:
        total = n_done + n_before + n_failed
        typer.secho(f"{n_failed} of {total} inputs failed, all of them listed in {path}", fg="red", err=True)
