"""Time that tests advance, and measurements that stay in this process and are short."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from vocos_plugins.bench import peak, report, timing


@dataclass
class FakeTime:
    """Stands in for the module ``time``; nothing but `work` takes any."""

    wall: float = 0.0
    cpu: float = 0.0

    def perf_counter(self) -> float:
        return self.wall

    def process_time(self) -> float:
        return self.cpu

    def work(self, seconds: float, share: float = 1.0) -> None:
        """So much CPU time on the one thread that tests have, of which the processor gives a share at once."""
        self.wall += seconds / share
        self.cpu += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Time that passes only by `FakeTime.work`; the machine has nothing else to do, and a turn is a call."""
    fake = FakeTime()
    monkeypatch.setattr(timing, "time", fake)
    monkeypatch.setattr(timing, "TURN_S", 0.0)
    monkeypatch.setattr(timing, "_probe", lambda: lambda: fake.work(1.0))
    return fake


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """Real measurements of milliseconds, without processes of their own."""

    def here(_n_threads: int, function: Callable[..., object], *args: object) -> object:
        function, args = pickle.loads(pickle.dumps((function, args)))  # noqa: S301
        return pickle.loads(pickle.dumps(function(*args)))  # noqa: S301

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "TURN_S", 0.0)
        patch.setattr(timing, "PROBE_SIZE", 16)
        patch.setattr(peak, "SIZE", 64)
        patch.setattr(peak, "COPIED_BYTES", 2**20)
        patch.setattr(report, "alone", here)
        yield
