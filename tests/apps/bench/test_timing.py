"""Turns, medians, and detection of other programs' load."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from vocos_plugins.apps.bench import timing
from vocos_plugins.apps.bench.timing import Timing, measure

TURNS = 3


def replay(clock, *turns: tuple[float, float]) -> Callable[[], None]:
    """Makes a call whose turns take these seconds and shares, after two calls that warm up."""
    script = iter([turns[0], turns[0], *turns])
    return lambda: clock.work(*next(script))


def test_contestants_take_turns(clock) -> None:
    """Each warms up first; then no contestant has two turns in a row."""
    order: list[str] = []
    calls = {name: lambda name=name: (order.append(name), clock.work(1)) for name in "abc"}
    measure(calls, turns=TURNS)
    assert "".join(order) == "aabbcc" + TURNS * "abc"


def test_figures_are_of_the_turns(clock) -> None:
    """The median, fastest and slowest turn are reported; warm-up calls don't count."""
    calls = {"a": replay(clock, (5, 1), (1, 1), (2, 1))}
    assert measure(calls, turns=TURNS) == {"a": Timing(2, 1, 5, 1, False)}


def test_a_turn_is_as_many_calls_as_fill_it(clock, monkeypatch) -> None:
    """A turn has several calls, and the result is the time of one call."""
    monkeypatch.setattr(timing, "TURN_S", 10.0)
    calls = []
    timings = measure({"a": lambda: (calls.append(0), clock.work(2.5))}, turns=TURNS)
    assert timings["a"].seconds == 2.5
    assert len(calls) == 2 + TURNS * 4


def test_a_disturbed_turn_is_repeated(clock) -> None:
    """Its time doesn't count if a repetition is undisturbed."""
    timings = measure({"a": replay(clock, (1, 1), (1, 0.2), (1, 1), (1, 1))}, turns=TURNS)
    assert timings["a"] == Timing(1, 1, 1, 1, False)


def test_a_call_that_waits_by_itself_is_not_disturbed(clock) -> None:
    """A runtime that doesn't keep all processors busy gets the same share each time."""
    timings = measure({"a": replay(clock, *TURNS * [(1, 0.6)])}, turns=TURNS)
    assert not timings["a"].disturbed
    assert timings["a"].share == pytest.approx(0.6)


def test_lasting_load_is_reported(clock) -> None:
    """Repetitions are bounded; the best attempt counts, and is marked."""
    turns = [(1, 1), *(timing.RETRIES + 1) * [(1, 0.5)], *(timing.RETRIES + 1) * [(1, 0.4)]]
    timings = measure({"a": replay(clock, *turns)}, turns=TURNS)
    assert timings["a"].disturbed
    assert timings["a"].share == pytest.approx(0.5)


def test_a_machine_that_is_always_loaded_is_reported(clock, monkeypatch) -> None:
    """The calls' own shares don't show it; the share of the matrix product does."""
    monkeypatch.setattr(timing, "_probe", lambda: lambda: clock.work(1, 0.5))
    assert measure({"a": replay(clock, *TURNS * [(1, 0.5)])}, turns=TURNS)["a"].disturbed


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Starts two processes per processor that do nothing but compute."""
    n_processes = 2 * (os.cpu_count() or 1)
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_processes)]
    yield
    for process in processes:
        process.kill()
        process.wait()


def test_a_busy_machine_is_noticed(busy_machine) -> None:
    """Real load of other processes is noticed by real clocks."""
    timings = measure({"sum": lambda: sum(range(10**6))}, turns=TURNS)
    assert timings["sum"].disturbed
    assert timings["sum"].share < 0.8


def test_seconds_are_seconds() -> None:
    """The CPU time of a turn agrees with this thread's own clock."""
    import time

    shares = []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.thread_time()
        turn = timing.take_turn(lambda: sum(range(10**5)), 3)
        wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
        assert 3 * turn.seconds <= wall
        shares.append(turn.share * 3 * turn.seconds / cpu)
    assert statistics.median(shares) == pytest.approx(1, abs=0.1)
