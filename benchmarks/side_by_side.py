"""Tables of rivals against our vocoders: how many times longer they take, what memory and what checkpoint they need.

All of a group take turns in one process, as `vocos_plugins.apps.bench.timing` describes; memory is measured in one
process each. ``?`` marks a ratio that other work on the machine disturbed.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from vocos_plugins.apps.bench.alone import in_fresh_process, peak_memory
from vocos_plugins.apps.bench.grid import LONG_S, LONG_TURNS, Case
from vocos_plugins.apps.bench.timing import TURNS, Timing, measure

Contestant = tuple[Callable[[Any], Any], torch.nn.Module]
Build = Callable[[str], Contestant]  # by name; of a script's top level, so that another process finds it
Make = Callable[[int, float], Any]  # what is decoded, from batch and seconds
Times = dict[Case, dict[str, Timing]]


def time_all(build: Build, names: Iterable[str], make: Make, cases: Iterable[Case], n_threads: int) -> Times:
    """Every case, in this process."""
    calls = {name: build(name)[0] for name in names}
    torch.set_num_threads(n_threads)  # importing Coqui TTS can set it to 1
    found = {}
    for case in cases:
        given = make(case.batch, case.seconds)
        turns = TURNS if case.batch * case.seconds <= LONG_S else LONG_TURNS
        found[case] = measure({name: functools.partial(call, given) for name, call in calls.items()}, turns=turns)
    return found


def weigh(build: Build, name: str, make: Make, seconds: float) -> tuple[float, float]:
    """What a call adds to this process's peak memory, and the size of the module's checkpoint, in MB."""
    call, module = build(name)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(module.state_dict(), file.name)
        size = Path(file.name).stat().st_size
    given = make(1, seconds)
    before = peak_memory()
    call(given)
    return (peak_memory() - before) / 1e6, size / 1e6


def ratios(times: Times, rival: str, own: str) -> list[str]:
    """How many times longer a rival takes, case by case."""
    cells = []
    for timings in times.values():
        mark = "?" if timings[rival].disturbed or timings[own].disturbed else ""
        cells.append(f"{timings[rival].seconds / timings[own].seconds:.1f}{mark}")
    return cells


def compare(build: Build, make: Make, rivals: list[str], ours: list[str], args: argparse.Namespace) -> Iterator[str]:
    """Lines of `print_table`: each rival with each of ours.

    Args:
        build: a contestant from its name.
        make: what it is called on.
        rivals, ours: names.
        args: of `parse`.
    """
    try:
        times = in_fresh_process(args.threads, time_all, build, [*rivals, *ours], make, args.cases, args.threads)
    except ImportError as error:
        yield f"Not measured: {', '.join(rivals)}: {error}."
        return
    longest = max(case.seconds for case in args.cases)
    weights = {name: in_fresh_process(args.threads, weigh, build, name, make, longest) for name in (*rivals, *ours)}
    for rival in rivals:
        for own in ours:
            pairs = zip(weights[own], weights[rival], strict=True)
            cells = [*ratios(times, rival, own), *(f"{mine:.0f} / {theirs:.0f}" for mine, theirs in pairs)]
            yield f"| {rival} | {own} | {' | '.join(cells)} |"


def parse(description: str | None, add: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """The options of every benchmark here, and those that ``add`` adds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add(parser)
    parser.add_argument("--seconds", nargs="+", type=float, default=[1, 3, 10, 60], help="lengths at batch 1")
    parser.add_argument("--batch", type=int, default=8, help="items of 1 s at once")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    args = parser.parse_args()
    args.cases = [*(Case(1, seconds) for seconds in args.seconds), Case(args.batch, 1)]
    return args


def print_table(args: argparse.Namespace, rows: Iterable[str]) -> None:
    """Prints lines of `compare` as they come, under their heading; writes them to ``--out`` at the end."""
    longest = max(case.seconds for case in args.cases)
    headings = [case.name for case in args.cases]
    headings += [f"peak memory at {longest:g} s, MB, ours / theirs", "checkpoint, MB, ours / theirs"]
    lines = [f"| against | with | {' | '.join(headings)} |", f"|---|---|{'--:|' * len(headings)}"]
    print("\n".join(lines), flush=True)
    for row in rows:
        lines.append(row)
        print(row, flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
