"""A process of its own: its threads, its processors, and its memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vocos_plugins.bench.alone import alone, peak_memory

MEBIBYTE = 2**20
HELD = 400 * MEBIBYTE
# Of a process, in one expression, since each takes seconds to start.
FACTS = """{
    "process": __import__("os").getpid(),
    "threads": __import__("torch").get_num_threads(),
    "processors": len(getattr(__import__("os"), "sched_getaffinity", lambda _: [0])(0)),
    "memory": __import__("vocos_plugins.bench.alone").bench.alone.peak_memory(),
}"""


@pytest.fixture(scope="module")
def held() -> Iterator[bytearray]:
    """Memory that this process has, and touches."""
    found = bytearray(HELD)
    found[::4096] = len(found[::4096]) * b"x"
    yield found
    del found


@pytest.fixture(scope="module")
def facts(held) -> dict[str, float]:
    """Of a process with one thread, started by one that was told to have seven."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")
        found = alone(1, eval, FACTS)
        assert os.environ["OMP_NUM_THREADS"] == "7"
    return found


def test_it_is_another_process(facts) -> None:
    """With as many threads as it is given, and as many processors, whatever this one has."""
    assert facts["process"] != os.getpid()
    assert facts["threads"] == facts["processors"] == 1


def test_memory_is_its_own(held, facts) -> None:
    """What this process holds is counted here and not there, though that one was split off it."""
    assert peak_memory() > len(held)
    assert facts["memory"] < peak_memory() - HELD + 50 * MEBIBYTE
