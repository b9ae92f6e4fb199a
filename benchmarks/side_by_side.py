"""How the benchmarks here measure: contestants take turns in one process, and memory is of a process for each.

Figures are the median of the turns; a turn that got less than nine tenths of the processors that it had (other work was
going on) is taken again, up to a bound, and its ratio is marked with ``?`` if it stayed far from that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

TURNS = 5
LONG_TURNS = 2  # of what is longer than 10 s
BUSY = 0.9
DISTURBED = 0.6
RETRIES = 3

Call = Callable[[Any], Any]
Cases = list[tuple[int, int]]  # batch and seconds
Contestant = tuple[Call, torch.nn.Module]


def turn(call: Call, given: Any) -> tuple[float, float]:
    """Seconds of one call, and the share of the processors that it got."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(given)
    elapsed = time.perf_counter() - wall
    return elapsed, (time.process_time() - cpu) / elapsed / torch.get_num_threads()


def measure(calls: dict[str, Call], given: Any, seconds: float) -> dict[str, dict[str, Any]]:
    """Median seconds of each call on audio of a length, taking turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    disturbed: set[str] = set()
    for number in range(1 + (TURNS if seconds <= 10 else LONG_TURNS)):
        for name, call in calls.items():
            attempts = [turn(call, given)]
            while number and attempts[-1][1] < BUSY and len(attempts) <= RETRIES:
                attempts.append(turn(call, given))
            elapsed, share = max(attempts, key=lambda attempt: attempt[1])
            if number:  # the first warms up
                found[name].append(elapsed)
                if share < DISTURBED and elapsed > 0.2:
                    disturbed.add(name)
    return {name: {"s": statistics.median(times), "disturbed": name in disturbed} for name, times in found.items()}


def time_all(calls: dict[str, Call], make: Callable[[int, int], Any], cases: Cases) -> dict[str, Any]:
    """Every case, in this process and with all its processors."""
    torch.set_num_threads(os.cpu_count() or 1)  # importing Coqui TTS can set it to 1
    return {f"{batch} x {seconds} s": measure(calls, make(batch, seconds), batch * seconds) for batch, seconds in cases}


def weigh(contestant: Contestant, given: Any) -> dict[str, float]:
    """Peak memory of a call, and the size of the module's checkpoint, in MB."""
    call, module = contestant
    with tempfile.NamedTemporaryFile() as file:
        torch.save(module.state_dict(), file.name)
        size = Path(file.name).stat().st_size / 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call(given)
    return {"memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3, "checkpoint_mb": size}


def compare(script: str, group: list[str], rivals: list[str], ours: list[str], cases: Cases) -> Iterator[str]:
    """Rows of a table: how many times longer each rival takes than each of ours, then memory and size.

    Args:
        script: file of the benchmark, which `run` is called by.
        group: its options that choose the contestants.
        rivals, ours: their names.
        cases: what is measured.
    """
    times = _in_process(script, "--child", "time", *group, "--cases", json.dumps(cases))
    longest = str(max(seconds for _, seconds in cases))
    weights = {
        name: _in_process(script, "--child", "weigh", *group, "--name", name, "--seconds", longest)
        for name in (*rivals, *ours)
    }
    for rival in rivals:
        for own in ours:
            cells = []
            for by_name in times.values():
                mark = "?" if by_name[rival]["disturbed"] or by_name[own]["disturbed"] else ""
                cells.append(f"{by_name[rival]['s'] / by_name[own]['s']:.1f}{mark}")
            for what in ("memory_mb", "checkpoint_mb"):
                cells.append(f"{weights[own][what]:.0f} / {weights[rival][what]:.0f}")
            yield f"| {rival} | {own} | {' | '.join(cells)} |"


def parse(description: str | None, add: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """The options of every benchmark here, and those that ``add`` adds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add(parser)
    parser.add_argument("--seconds", nargs="+", type=int, default=[1, 10, 60], help="lengths at batch 1")
    parser.add_argument("--batch", type=int, default=8, help="items of 1 s at once")
    parser.add_argument("--out", type=Path, help="also write the table to a file")
    parser.add_argument("--child", choices=("time", "weigh"), help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--cases", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.cases = args.cases or [*((1, seconds) for seconds in args.seconds), (args.batch, 1)]
    return args


def run_child(args: argparse.Namespace, names: Iterable[str], build: Callable[[str], Contestant], make: Any) -> None:
    """What a benchmark does in a process of its own: prints one measurement as JSON, on the last line."""
    warnings.simplefilter("ignore")
    if args.child == "time":
        result = time_all({name: build(name)[0] for name in names}, make, args.cases)
    else:
        result = weigh(build(args.name), make(1, args.seconds[0]))
    print("\n" + json.dumps(result))


def print_table(args: argparse.Namespace, rows: Iterable[str]) -> None:
    """Prints rows of `compare` as they come, under their heading; writes them to ``--out`` at the end."""
    headings = [f"{batch} x {seconds} s" for batch, seconds in args.cases]
    headings += [f"peak memory at {max(args.seconds)} s, MB, ours / theirs", "checkpoint, MB, ours / theirs"]
    lines = [f"| against | with | {' | '.join(headings)} |", f"|---|---|{'--:|' * len(headings)}"]
    print("\n".join(lines), flush=True)
    for row in rows:
        lines.append(row)
        print(row, flush=True)
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_process(script: str, *arguments: str) -> Any:
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])
