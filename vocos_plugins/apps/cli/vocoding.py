"""The common part of ``vocos resynth`` and ``vocos decode``: lists of inputs, resumed runs, and clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..batch.find import find_jobs, reject_clashes
from ..batch.jobs import describe, printable
from ..batch.naming import FORMATS, Kind, Search
from ..batch.outputs import protect_inputs
from ..batch.plan import check_out, plan
from .batch import BatchProgress, audio_job, report, run_batch
from .claiming import claimed
from .options import fail

if TYPE_CHECKING:
    from ..batch.jobs import Job, Outcome
    from ..batch.record import Record
    from ..batch.work import Task

# The task for this process, and a function that builds it in another one on ``cpu`` or ``cuda``; None if it can't.
Loaded = tuple["Task", "Callable[[str], Task] | None"]

ENGINES = ("local", "ray")
N_SHOWN = 20  # failures that are printed; the record lists all of them

Format = Annotated[
    str,
    typer.Option(
        "--format",
        help=f"Format of the lists: {', '.join(FORMATS[2:])}; or files, to read no lists. "
        "Detected from the content by default.",
    ),
]
Root = Annotated[
    Path | None, typer.Option(help="Folder that relative paths in a list start from. By default the list's folder.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted run with this option: OUT/.vocos-done.jsonl records finished outputs. Changed "
        "inputs are processed again; a run with another model is refused.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: the workers of a Ray cluster, which must all see OUT and the inputs. ray implies "
        "--resume.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Address of the Ray cluster. By default RAY_ADDRESS, or else a new cluster on this machine."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of threads; on a cluster, of processes with a core or a GPU each. By default all that there are.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of a command that say how its jobs run."""

    resume: bool
    engine: str
    address: str | None
    workers: int | None
    device: str
    as_json: bool


def make_search(out: Path, read: frozenset[str], kind: Kind, format_: str, root: Path | None) -> Search:
    """Returns the search for a command's inputs; an unknown format ends the command."""
    if format_ not in FORMATS:
        fail(f"unknown --format {format_!r}; available: {', '.join(FORMATS)}")
    return Search(out=out, read=read, suffix=".wav", kind=kind, format=format_, root=root)


def vocode(
    inputs: Sequence[str],
    search: Search,
    options: RunOptions,
    load: Callable[[], Loaded],
) -> None:
    """Runs all jobs and ends the command with its exit code.

    Args:
        inputs: the command's arguments.
        search: finds the jobs.
        options: how to run them.
        load: returns the task; ends the command if it can't be loaded.
    """
    from ...storage.audio_writer import OUTPUT_FORMATS

    _check(options, search)
    if options.workers is not None and options.engine == "local":
        import torch

        # `pipeline.run` uses as many threads as torch.
        torch.set_num_threads(options.workers)
    # The model is loaded first here, as the record compares its digest. Otherwise the inputs are found first, so that
    # mistakes in them are reported at once.
    if options.resume or options.engine == "ray":
        _run_recorded(inputs, search, options, *load())
    try:
        jobs = plan(inputs, search, frozenset(OUTPUT_FORMATS))
    except ValueError as error:
        fail(str(error))
    task, _ = load()
    with claimed(search.out, OUTPUT_FORMATS):
        if len(jobs) == 1:
            # A single file is streamed with all threads, and the bar shows the progress within it.
            run_batch(jobs, audio_job(task.stream, task.sample_rate), as_json=options.as_json)
        _run_unrecorded(jobs, task, options)


def _check(options: RunOptions, search: Search) -> None:
    from ...storage.audio_writer import OUTPUT_FORMATS

    if options.engine not in ENGINES:
        fail(f"unknown --engine {options.engine!r}; available: {', '.join(ENGINES)}")
    recorded = options.resume or options.engine == "ray"
    try:
        check_out(search.out, frozenset(OUTPUT_FORMATS))
    except ValueError as error:
        fail(str(error))
    if recorded and (search.out.suffix.lower() in OUTPUT_FORMATS or search.out.is_file()):
        fail(f"--resume and --engine ray keep a record in the output folder; {search.out} is a file")
    if options.engine == "local" and options.address is not None:
        fail("--address needs a Ray cluster: add --engine ray")


def _run_unrecorded(jobs: list[Job], task: Task, options: RunOptions) -> NoReturn:
    """Runs jobs without a record, and reports each of them at the end in the order of the inputs."""
    from ..batch.pipeline import run

    progress = BatchProgress(len(jobs))
    outcomes = list(_with_progress(run(jobs, task), progress))
    positions = {job: position for position, job in enumerate(jobs)}
    outcomes.sort(key=lambda outcome: positions[outcome.job])
    done = [outcome.report() for outcome in outcomes if outcome.error is None]
    failed = [outcome.report() for outcome in outcomes if outcome.error is not None]
    report(done, failed, as_json=options.as_json)
    raise typer.Exit(1 if failed else 0)


def _run_recorded(
    inputs: Sequence[str], search: Search, options: RunOptions, task: Task, build: Callable[[str], Task] | None
) -> NoReturn:
    """Runs jobs with a record, and reports only their numbers: there may be a million files."""
    from ..batch.pipeline import run
    from ..batch.record import Record, RecordError

    if options.engine == "ray" and build is None:
        fail("--engine ray only decodes mels with a checkpoint, not codes, nor with an exported file")
    failed: list[dict[str, Any]] = []
    try:
        with Record(search.out, task.settings()) as record:
            found = record.without_outputs(find_jobs(inputs, search))
            jobs = record.remaining(reject_clashes(protect_inputs(found, inputs, search, record.knows)))
            if options.engine == "ray" and build is not None:
                outcomes = _run_on_ray(jobs, build, options, record.add)
            else:
                outcomes = run(jobs, task, record.add)
            for outcome in _with_progress(outcomes, BatchProgress(None)):  # inputs are found as they are needed
                if outcome.error is not None and len(failed) < N_SHOWN:
                    failed.append(outcome.report())
    except RecordError as error:
        fail(str(error))
    except OSError as error:  # of the folder or the record: an item's own errors are in its outcome
        fail(f"can't write to {search.out}: {describe(error)}")
    _print_summary(record, failed, as_json=options.as_json)
    raise typer.Exit(1 if record.n_failed else 0)


def _run_on_ray(
    jobs: Iterator[Job], build: Callable[[str], Task], options: RunOptions, done: Callable[[Outcome], None]
) -> Iterator[Outcome]:
    try:
        from ..batch.on_ray import run_on_ray
    except ImportError as error:
        fail(f"{error}. pip install 'vocos-plugins[ray]'")
    return run_on_ray(
        jobs, build, done, address=options.address, n_workers=options.workers, gpus=options.device != "cpu"
    )


def _with_progress(outcomes: Iterator[Outcome], progress: BatchProgress) -> Iterator[Outcome]:
    try:
        for outcome in outcomes:
            progress.show(outcome.job.source.name)
            progress.advance()
            yield outcome
    finally:
        progress.stop()


def _print_summary(record: Record, failed: list[dict[str, Any]], *, as_json: bool) -> None:
    n_done, n_before, n_failed = record.n_done, record.n_done_before, record.n_failed
    if as_json:
        numbers = {"n_done": n_done, "n_done_before": n_before, "n_failed": n_failed, "failed": failed}
        typer.echo(json.dumps(numbers, indent=2))
        return
    typer.echo(f"{n_done} done" + (f", {n_before} already done" if n_before else ""))
    for result in failed:
        typer.secho(printable(f"failed: {result['input']}: {result['error']}"), fg="red", err=True)
    if n_failed:
        total = n_done + n_before + n_failed
        message = f"{n_failed} of {total} inputs failed; {record.failures_path} lists all of them"
        typer.secho(message, fg="red", err=True)
