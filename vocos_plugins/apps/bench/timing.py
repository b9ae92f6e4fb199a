"""Timing of calls that take turns on one machine, with detection of other programs' load.

A turn is as many calls as fill a tenth of a second, and a result is the median of the turns. CPU time is measured in
addition to wall time: a turn that got less of the processors than the same call's other turns is repeated. That doesn't
detect a machine that is loaded all the time. Therefore a matrix product, which keeps every processor busy, takes turns
with the calls: any share of the processors that it doesn't get is used by other programs.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

TURNS = 5
TURN_S = 0.1
BUSY = 0.9
RETRIES = 2
PROBE_SIZE = 1024

Call = Callable[[], object]


@dataclass(frozen=True)
class Turn:
    """Several calls, one after the other.

    Attributes:
        seconds: wall time per call.
        share: CPU time per thread, as a share of the wall time.
    """

    seconds: float
    share: float


@dataclass(frozen=True)
class Timing:
    """A summary of the turns of one call.

    Attributes:
        seconds: seconds per call, the median of its turns.
        fastest, slowest: seconds per call of its fastest and slowest turn.
        share: share of the processors, the median of its turns.
        disturbed: whether other programs used the processors, which makes the time too long.
    """

    seconds: float
    fastest: float
    slowest: float
    share: float
    disturbed: bool


def measure(calls: Mapping[str, Call], *, turns: int = TURNS) -> dict[str, Timing]:
    """Times calls that take turns, after a warm-up call of each.

    Args:
        calls: the calls by name.
        turns: number of turns of each call.
    """
    probe = _probe()
    n_calls = {name: _calls_per_turn(call) for name, call in calls.items()}
    n_probes = _calls_per_turn(probe)
    taken: dict[str, list[Turn]] = {name: [] for name in calls}
    probes = []
    for _ in range(turns):
        probes.append(take_turn(probe, n_probes))
        for name, call in calls.items():
            taken[name].append(_undisturbed(call, n_calls[name], taken[name]))
    loaded = statistics.median(turn.share for turn in probes) < BUSY
    return {name: summarize(own, loaded=loaded) for name, own in taken.items()}


def summarize(turns: Sequence[Turn], *, loaded: bool) -> Timing:
    """Summarizes the turns of one call; ``loaded`` means that other programs used the machine all the time."""
    seconds = [turn.seconds for turn in turns]
    share, best = statistics.median(turn.share for turn in turns), max(turn.share for turn in turns)
    # Compared with its own best turn, since a call that waits by itself never keeps all processors busy.
    disturbed = loaded or share < BUSY * best
    return Timing(statistics.median(seconds), min(seconds), max(seconds), share, disturbed)


def take_turn(call: Call, n_calls: int) -> Turn:
    """Calls `n_calls` times and measures the time."""
    # CPU time over wall time shows what the call got of the processors: less than usual means that others used them.
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(n_calls):
        call()
    elapsed = time.perf_counter() - wall
    return Turn(elapsed / n_calls, (time.process_time() - cpu) / elapsed / torch.get_num_threads())


def _undisturbed(call: Call, n_calls: int, before: Sequence[Turn]) -> Turn:
    """Takes a turn, repeats it while it gets less of the processors than earlier ones, and returns the best attempt."""
    usual = max((turn.share for turn in before), default=0.0)
    attempts = [take_turn(call, n_calls)]
    while attempts[-1].share < BUSY * usual and len(attempts) <= RETRIES:
        attempts.append(take_turn(call, n_calls))
    return max(attempts, key=lambda turn: turn.share)


def _calls_per_turn(call: Call) -> int:
    call()  # the first call may build something
    return max(1, math.ceil(TURN_S / take_turn(call, 1).seconds))


def _probe() -> Call:
    matrix = torch.ones(PROBE_SIZE, PROBE_SIZE)
    return lambda: torch.mm(matrix, matrix)
