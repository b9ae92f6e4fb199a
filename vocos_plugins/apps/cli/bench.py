"""``vocos bench``: how fast a model decodes on this machine, and how close that is to the machine's limits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from .options import DEFAULT_MODEL, Json, Model, fail, load_model

REFERENCE = "reference"


def bench(
    model: Model = DEFAULT_MODEL,
    seconds: Annotated[
        list[float] | None, typer.Option(help="Length at batch size 1; may be repeated. By default 1, 10 and 60.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(help="Batch size, with items of 1 s; may be repeated. By default 8.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="Number of threads; may be repeated. By default all processors.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(help="float32, bfloat16, int8 or auto; may be repeated. By default the first three."),
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="torch, onnxruntime or openvino; may be repeated. By default torch.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="'reference': also measure the package vocos 0.1.0 with the same architecture.")
    ] = None,
    as_json: Json = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the report to this file, and its JSON next to it.")
    ] = None,
) -> None:
    """Measure real-time factors by length, batch size, threads, precision and backend, side by side.

    The report also shows where the time goes, how much of the machine's peak is reached, and how the first call
    compares with later ones. Backends that are not installed are reported and skipped. Figures measured while the
    machine was busy with other work are marked.
    """
    from ...inference.backend import BackendName, Precision
    from ...storage.atomic import write_text
    from ...storage.leftovers import temporary_path
    from ..bench.contestants import Contestant, list_contestants
    from ..bench.grid import Case
    from ..bench.report import Plan, as_data
    from ..bench.report import bench as run
    from ..bench.tables import markdown

    for values, known, option in ((backend, BackendName, "backend"), (precision, Precision, "precision")):
        for value in values or ():
            if value not in get_args(known):
                fail(f"unknown {option} {value!r}; available: {', '.join(get_args(known))}")
    if against not in (None, REFERENCE):
        fail(f"--against takes {REFERENCE}, got {against!r}")
    # The CPUs that this process may use, which a container or taskset can limit. Not on macOS and Windows.
    n_usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for n_threads in threads or ():
        if not 1 <= n_threads <= n_usable:
            fail(f"--threads must be 1 to {n_usable} on this machine, got {n_threads}")
    if min([*(seconds or ()), *(batch or ()), 1]) <= 0:
        fail("--seconds and --batch must be positive")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(out)  # fails now instead of after an hour
        probe.touch()
        probe.unlink()
    # Only to report a wrong name now: each measurement loads the model again, in a fresh process.
    load_model(model)
    # The tables compare all contestants with the first one.
    contestants = [Contestant(REFERENCE)] * (against is not None)
    # Every precision of a backend is wanted unless some are named; what the machine can't do is reported and skipped.
    contestants += list_contestants(
        cast(list[BackendName], backend or ["torch"]), cast("list[Precision] | None", precision)
    )
    cases = [Case(1, length) for length in sorted(seconds or (1, 10, 60))]
    cases += [Case(items, 1) for items in batch or (8,)]
    plan = Plan(
        source=model,
        contestants=contestants,
        cases=cases,
        n_threads=threads or [n_usable],
        first_calls=contestants,
    )
    report = run(plan, lambda step: typer.echo(f"{step} ...", err=True))
    data = json.dumps(as_data(report), indent=2)
    typer.echo(data if as_json else markdown(report))
    if out:
        write_text(out, markdown(report))
        write_text(out.with_suffix(".json"), data + "\n")
    raise typer.Exit(0 if report.rows else 1)
