"""Fixtures: a clock that tests advance, and short measurements that stay in this process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from vocos_plugins.apps.bench import report, roofline, timing


@dataclass
class FakeTime:
    """Replaces the module ``time``; its time passes only in `work`."""

    wall: float = 0.0
    cpu: float = 0.0

    def perf_counter(self) -> float:
        return self.wall

    def process_time(self) -> float:
        return self.cpu

    def work(self, seconds: float, share: float = 1.0) -> None:
        """Uses CPU time on the only thread of the tests, which gets the given share of the processor."""
        self.wall += seconds / share
        self.cpu += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """A clock that passes only by `FakeTime.work`, on a machine that is otherwise idle; a turn is one call."""
    fake = FakeTime()
    monkeypatch.setattr(timing, "time", fake)
    monkeypatch.setattr(timing, "TURN_S", 0.0)
    monkeypatch.setattr(timing, "_probe", lambda: lambda: fake.work(1.0))
    return fake


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """Makes measurements take milliseconds, and keeps them in this process."""

    def in_this_process(_n_threads: int, function: Callable[..., object], *args: object) -> object:
        function, args = pickle.loads(pickle.dumps((function, args)))  # noqa: S301
        return pickle.loads(pickle.dumps(function(*args)))  # noqa: S301

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "TURN_S", 0.0)
        patch.setattr(timing, "PROBE_SIZE", 16)
        patch.setattr(roofline, "SIZE", 64)
        patch.setattr(roofline, "COPIED_BYTES", 2**20)
        patch.setattr(report, "in_fresh_process", in_this_process)
        yield
