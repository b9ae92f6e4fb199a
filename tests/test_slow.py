"""The list of tests that CI leaves out is in order: each is there, and named once."""

from __future__ import annotations

import pytest

from helpers.paths import ROOT

LINES = [line for line in (ROOT / "tests" / "slow.txt").read_text().splitlines() if line and line[0] != "#"]


@pytest.mark.parametrize("line", LINES)
def test_it_is_there(line) -> None:
    """In its file, by its name."""
    file, _, name = line.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_none_is_named_twice() -> None:
    """Neither alone nor with its cases."""
    assert len(set(LINES)) == len(LINES)
    assert not [line for line in LINES if "[" in line and line.partition("[")[0] in LINES]


def test_marks(request) -> None:
    """They have the mark by which `make test` leaves them out; of what is collected, no others do."""
    for item in request.session.items:
        name = item.nodeid.rpartition("@")[0] or item.nodeid
        listed = name in LINES or name.partition("[")[0] in LINES
        assert listed == (item.get_closest_marker("slow") is not None)
