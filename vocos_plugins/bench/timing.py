"""Contestants take turns on one machine, medians are told, and so is other work that went on meanwhile.

A turn is as many calls as fill a tenth of a second. CPU time stands beside wall time: a turn that got less of the
processors than the same call's other turns is taken again. That can't tell a machine that is loaded all the time, so a
matrix product, which keeps every processor busy, takes part: what it doesn't get, something else does.
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
    """Some calls one after the other.

    Attributes:
        seconds: of each.
        share: of the processors that the threads could have had.
    """

    seconds: float
    share: float


@dataclass(frozen=True)
class Timing:
    """What the turns of one call come to.

    Attributes:
        seconds: of a call, the median of its turns.
        fastest, slowest: among its turns.
        share: of the processors, the median.
        disturbed: other work went on, and the time is too long by what that took.
    """

    seconds: float
    fastest: float
    slowest: float
    share: float
    disturbed: bool


def measure(calls: Mapping[str, Call], *, turns: int = TURNS) -> dict[str, Timing]:
    """Times calls that take turns, after a call of each that warms up.

    Args:
        calls: by their names.
        turns: of each.
    """
    probe = _probe()
    n_calls = {name: _calls_a_turn(call) for name, call in calls.items()}
    n_probes = _calls_a_turn(probe)
    taken: dict[str, list[Turn]] = {name: [] for name in calls}
    probes = []
    for _ in range(turns):
        probes.append(take_turn(probe, n_probes))
        for name, call in calls.items():
            taken[name].append(_undisturbed(call, n_calls[name], taken[name]))
    loaded = statistics.median(turn.share for turn in probes) < BUSY
    return {name: summarize(own, loaded=loaded) for name, own in taken.items()}


def summarize(turns: Sequence[Turn], *, loaded: bool) -> Timing:
    """The turns of one call; ``loaded`` says that the machine was busy with other work all along."""
    seconds = [turn.seconds for turn in turns]
    share, best = statistics.median(turn.share for turn in turns), max(turn.share for turn in turns)
    disturbed = loaded or share < BUSY * best
    return Timing(statistics.median(seconds), min(seconds), max(seconds), share, disturbed)


def take_turn(call: Call, n_calls: int) -> Turn:
    """Calls so many times."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(n_calls):
        call()
    elapsed = time.perf_counter() - wall
    return Turn(elapsed / n_calls, (time.process_time() - cpu) / elapsed / torch.get_num_threads())


def _undisturbed(call: Call, n_calls: int, before: Sequence[Turn]) -> Turn:
    """A turn; taken again while it gets less of the processors than those before, and the best of them."""
    usual = max((turn.share for turn in before), default=0.0)
    attempts = [take_turn(call, n_calls)]
    while attempts[-1].share < BUSY * usual and len(attempts) <= RETRIES:
        attempts.append(take_turn(call, n_calls))
    return max(attempts, key=lambda turn: turn.share)


def _calls_a_turn(call: Call) -> int:
    call()  # builds what it needs
    return max(1, math.ceil(TURN_S / take_turn(call, 1).seconds))


def _probe() -> Call:
    matrix = torch.ones(PROBE_SIZE, PROBE_SIZE)
    return lambda: torch.mm(matrix, matrix)
