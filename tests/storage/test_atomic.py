"""Atomic writes: the new file or the old one, never half of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocos_plugins.storage.atomic import atomic_write, atomic_writes


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    """The new file replaces the old one, and no temporary file remains."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A block that raises leaves the old file, and no temporary file."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("ne")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - raised three lines above
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_of_several_files_all_are_written_or_none(tmp_path: Path) -> None:
    """The first file keeps its old content until the last one is complete."""
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    paths[0].write_text("old")

    def fail_at_the_second() -> None:
        with atomic_writes(paths) as (first, _):
            first.write_text("new")

    with pytest.raises(FileNotFoundError):
        fail_at_the_second()
    assert paths[0].read_text() == "old"
    assert list(tmp_path.iterdir()) == paths[:1]
    with atomic_writes(paths) as temporaries:
        for temporary in temporaries:
            temporary.write_text("new")
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == paths
