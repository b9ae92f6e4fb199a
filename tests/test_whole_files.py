"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocos_plugins.storage.atomic import whole_file


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    """And leaves nothing beside it."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Half of a file never takes its name."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("ne")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - ours, from three lines above
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
