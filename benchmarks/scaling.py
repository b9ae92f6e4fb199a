"""Measures the throughput of batch resynthesis with threads of one process and with workers of a local Ray cluster.

    python benchmarks/scaling.py --out docs/scaling-table.md             # a few minutes on quiet cores
    TMPDIR=/dev/shm python benchmarks/scaling.py --minutes 5             # a quick look, without waiting for a disk

The recordings are the shipped speech cut into pieces of 2 to 15 s, read from FLAC and written as WAV. Each row is
measured in its own process, pinned to as many CPUs as it has workers; with Ray, these share them with Ray's own
processes. Times start with the first output, so that loading and starting a cluster don't count; that time has its own
column. CPU time, on Linux, includes all child processes and is sampled twice per second. If it is less than the number
of workers, something waited, or other work was running. The last row of each engine only writes a hundredth of a second
per file: it shows how many files per second the machinery itself can handle.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from vocos_plugins.apps.batch.find import find_jobs
from vocos_plugins.apps.batch.jobs import Job, Outcome
from vocos_plugins.apps.batch.naming import Search
from vocos_plugins.apps.batch.pipeline import run
from vocos_plugins.apps.batch.record import Record
from vocos_plugins.apps.batch.remote import resynthesis
from vocos_plugins.apps.batch.work import StreamedTask, Task
from vocos_plugins.apps.bench.alone import in_fresh_process
from vocos_plugins.apps.bench.report import this_machine
from vocos_plugins.apps.bench.tables import machine_line, table
from vocos_plugins.mel.speech import CLIPS

MODEL = "vocos-mel-22khz-small"
RATE = 24000
PROCESSES = Path("/proc")
LOOK_S = 0.5
N_EMPTY = 3000


@dataclass(frozen=True)
class Row:
    """Measurements of one run.

    Attributes:
        n_files, audio_s: files and seconds of audio after the first output.
        wall_s, cpu_s: time for these; CPU time is that of all processes.
        start_s: time until the first output.
    """

    engine: str
    n_workers: int
    n_files: int
    audio_s: float
    wall_s: float
    cpu_s: float
    start_s: float


def write_corpus(folder: Path, minutes: float) -> None:
    """Writes recordings of 2 to 15 s at 24 kHz."""
    clips = [soundfile.read(clip.path, dtype="float32") for clip in CLIPS]
    speech = np.concatenate([soxr.resample(samples, rate, RATE) for samples, rate in clips])
    generator, written, number = np.random.default_rng(0), 0, 0
    while written < 60 * minutes * RATE:
        start, length = generator.integers(len(speech)), int(generator.uniform(2, 15) * RATE)
        cut = np.resize(np.roll(speech, -start), length)
        soundfile.write(folder / f"{number:05d}.flac", cut, RATE)
        written, number = written + length, number + 1


def _by_value() -> Callable[[str], Task]:
    """Builds work that costs nothing but a file; workers can't import this script, so Ray sends what is nested."""

    def build(_: str) -> Task:
        def hundredth(_: Job) -> Iterator[torch.Tensor]:
            yield torch.zeros(1, RATE // 100)

        return StreamedTask(RATE, hundredth, dict)

    return build


def measure(engine: str, n_workers: int, kind: str, folder: Path) -> Row:
    """Does files here, or by the workers that are started, with a record as the command keeps it."""
    source, out = folder / kind, folder / f"{engine}-{n_workers}-{kind}"
    build: Callable[[str], Task] = functools.partial(resynthesis, MODEL) if kind == "speech" else _by_value()
    search = Search(out=out, read=frozenset({".flac"}), suffix=".wav")
    started = time.perf_counter()
    with Record(out, {}) as record, watched() as cpu:
        jobs = record.remaining(find_jobs([str(source)], search))
        outcomes = _local(jobs, build, record, n_workers) if engine == "local" else _ray(jobs, build, record, n_workers)
        first = next(outcomes)
        at, before = time.perf_counter(), sum(cpu.values())
        rest = list(outcomes)
        wall_s = time.perf_counter() - at
    failed = [outcome.error for outcome in (first, *rest) if outcome.error is not None]
    if failed:
        raise RuntimeError(failed[0])
    audio_s = sum(outcome.duration_s for outcome in rest)
    return Row(engine, n_workers, len(rest), audio_s, wall_s, sum(cpu.values()) - before, at - started)


def _local(jobs: Iterator[Job], build: Callable[[str], Task], record: Record, n_workers: int) -> Iterator[Outcome]:
    torch.set_num_threads(n_workers)
    return run(jobs, build("cpu"), record.add)


def _ray(jobs: Iterator[Job], build: Callable[[str], Task], record: Record, n_workers: int) -> Iterator[Outcome]:
    from vocos_plugins.apps.batch.on_ray import run_on_ray

    return run_on_ray(jobs, build, record.add, n_workers=n_workers, gpus=False)


@contextmanager
def watched() -> Iterator[dict[int, float]]:
    """Yields the CPU seconds by process id of this process and its descendants, including those that have ended."""
    seconds = cpu_of_family()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            seconds.update(cpu_of_family())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()
        seconds.update(cpu_of_family())


def cpu_of_family() -> dict[int, float]:
    """Returns the CPU seconds of this process and its descendants; empty if there is no /proc."""
    parents, seconds = {}, {}
    for path in PROCESSES.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            seconds[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return {process: seconds[process] for process in family & seconds.keys()}


def rows_of(engines: list[str], workers: list[int], folder: Path) -> Iterator[tuple[str, Row]]:
    for engine in engines:
        for n_workers in workers:
            yield "speech", in_fresh_process(n_workers, measure, engine, n_workers, "speech", folder)
        yield "empty", in_fresh_process(workers[-1], measure, engine, workers[-1], "empty", folder)


def line(kind: str, row: Row) -> tuple[str, ...]:
    what = row.engine if kind == "speech" else f"{row.engine}, files only"
    speech = (f"{row.audio_s / row.wall_s:.0f}", f"{row.audio_s / max(row.cpu_s, 1e-9):.0f}")
    rest = (
        f"{row.n_files / row.wall_s:.0f}",
        f"{row.wall_s:.1f}",
        f"{row.cpu_s / row.wall_s:.2f}",
        f"{row.start_s:.1f}",
    )
    return (what, str(row.n_workers), *(speech if kind == "speech" else ("", "")), *rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="minutes of speech")
    parser.add_argument("--workers", type=int, action="append", help="1 and all CPUs by default")
    parser.add_argument("--engine", action="append", choices=("local", "ray"), help="both by default")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    workers = args.workers or sorted({1, os.cpu_count() or 1})
    header = (
        *("", "workers", "hours of audio per hour", "per hour of CPU time", "files per second"),
        *("s", "CPU s per second", "s to the first output"),
    )
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("speech", "empty"):
            (folder / kind).mkdir()
        write_corpus(folder / "speech", args.minutes)
        for number in range(N_EMPTY):
            (folder / "empty" / f"{number}.flac").touch()
        for kind, row in rows_of(args.engine or ["local", "ray"], workers, folder):
            lines.append(line(kind, row))
            print(" | ".join(lines[-1]), flush=True)
    text = f"{machine_line(this_machine())} `python benchmarks/scaling.py`\n\n{table(header, lines)}\n"
    print(f"\n{text}")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
