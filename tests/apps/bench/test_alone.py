"""Fresh processes: their threads, their processors, and their memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vocos_plugins.apps.bench.alone import in_fresh_process, peak_memory

MEBIBYTE = 2**20
HELD = 400 * MEBIBYTE
# Facts about a process, in one expression, since each process takes seconds to start.
FACTS = """{
    "process": __import__("os").getpid(),
    "threads": __import__("torch").get_num_threads(),
    "processors": len(getattr(__import__("os"), "sched_getaffinity", lambda _: [0])(0)),
    "memory": __import__("vocos_plugins.apps.bench.alone").apps.bench.alone.peak_memory(),
}"""


@pytest.fixture(scope="module")
def held() -> Iterator[bytearray]:
    """Memory that this process holds, with every page written."""
    memory = bytearray(HELD)
    memory[::4096] = len(memory[::4096]) * b"x"
    yield memory
    del memory


@pytest.fixture(scope="module")
def facts(held) -> dict[str, float]:
    """The facts of a process with one thread, started by a process whose environment asks for seven."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "7")
        facts = in_fresh_process(1, eval, FACTS)
        assert os.environ["OMP_NUM_THREADS"] == "7"
    return facts


def test_it_is_another_process(facts) -> None:
    """It has the given number of threads and as many processors, independent of the parent."""
    assert facts["process"] != os.getpid()
    assert facts["threads"] == facts["processors"] == 1


def test_memory_is_its_own(held, facts) -> None:
    """The parent's memory is not counted in the child process."""
    assert peak_memory() > len(held)
    assert facts["memory"] < peak_memory() - HELD + 50 * MEBIBYTE
