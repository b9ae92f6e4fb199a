"""Tables that compare other vocoders with ours: ratio of times, peak memory, checkpoint size.

The vocoders of a group take turns in one process, see `vocos_plugins.apps.bench.timing`. Memory is measured in one
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
Build = Callable[[str], Contestant]  # by name; defined at a script's top level, so that another process can import it
Make = Callable[[int, float], Any]  # the input to decode, from batch size and seconds
Times = dict[Case, dict[str, Timing]]


def time_all(build: Build, names: Iterable[str], make: Make, cases: Iterable[Case], n_threads: int) -> Times:
    """Measures every case in this process."""
    calls = {name: build(name)[0] for name in names}
    torch.set_num_threads(n_threads)  # importing Coqui TTS can set it to 1
    times = {}
    for case in cases:
        features = make(case.batch, case.seconds)
        turns = TURNS if case.batch * case.seconds <= LONG_S else LONG_TURNS
        times[case] = measure({name: functools.partial(call, features) for name, call in calls.items()}, turns=turns)
    return times


def weigh(build: Build, name: str, make: Make, seconds: float) -> tuple[float, float]:
    """Returns how much a call adds to this process's peak memory, and the size of the checkpoint, both in MB."""
    call, module = build(name)
    with tempfile.NamedTemporaryFile() as file:
        torch.save(module.state_dict(), file.name)
        size = Path(file.name).stat().st_size
    features = make(1, seconds)
    before = peak_memory()
    call(features)
    return (peak_memory() - before) / 1e6, size / 1e6


def ratios(times: Times, rival: str, own: str) -> list[str]:
    """Returns how many times longer a rival takes, case by case."""
    cells = []
    for timings in times.values():
        mark = "?" if timings[rival].disturbed or timings[own].disturbed else ""
        cells.append(f"{timings[rival].seconds / timings[own].seconds:.1f}{mark}")
    return cells


def compare(build: Build, make: Make, rivals: list[str], ours: list[str], args: argparse.Namespace) -> Iterator[str]:
    """Yields the lines of `print_table`, one for each pair of a rival and a vocoder of ours.

    Args:
        build: returns a contestant from its name.
        make: returns the input of a call.
        rivals, ours: names.
        args: the result of `parse`.
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
            cells = [*ratios(times, rival, own), *(f"{ours_mb:.0f} / {rival_mb:.0f}" for ours_mb, rival_mb in pairs)]
            yield f"| {rival} | {own} | {' | '.join(cells)} |"


def parse(description: str | None, add: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """Parses the options that these benchmarks share, and those that ``add`` adds."""
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
    """Prints the lines of `compare` as they come, below a heading; writes them to ``--out`` at the end."""
    longest = max(case.seconds for case in args.cases)
    headings = [case.name for case in args.cases]
    headings += [f"peak memory at {longest:g} s, MB: Vocos / baseline", "checkpoint, MB: Vocos / baseline"]
    lines = [f"| baseline | replaced by | {' | '.join(headings)} |", f"|---|---|{'--:|' * len(headings)}"]
    print("\n".join(lines), flush=True)
    for row in rows:
        lines.append(row)
        print(row, flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
