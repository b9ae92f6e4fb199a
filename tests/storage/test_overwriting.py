"""Exports replace what an earlier export wrote, anything else only if the user says so, and an input never."""

from __future__ import annotations

import pytest

from vocos_plugins.storage.overwriting import check_replaceable
from vocos_plugins.storage.safe_files import CheckpointError


def is_allowed(files, *, own=False, overwrite=False, inputs=()) -> bool:
    """Whether the files may be replaced."""
    try:
        check_replaceable(files, is_own=lambda: own, overwrite=overwrite, inputs=inputs)
    except CheckpointError:
        return False
    return True


def test_what_may_be_replaced(tmp_path):
    """Nothing is lost where nothing is; what exists must be our own, or named by the user."""
    file = tmp_path / "file"
    assert is_allowed([file])
    file.write_text("another program's")
    assert not is_allowed([tmp_path / "new", file])
    assert is_allowed([file], own=True)
    assert is_allowed([file], overwrite=True)
    with pytest.raises(CheckpointError, match=r"file belongs to another model or program.*--overwrite"):
        check_replaceable([file], is_own=lambda: False, overwrite=False)


def test_a_link_that_leads_nowhere_is_kept(tmp_path):
    """Its name is used, though there is no file."""
    (tmp_path / "link").symlink_to(tmp_path / "unmounted")
    assert not is_allowed([tmp_path / "link"])


def test_an_input_is_never_replaced(tmp_path):
    """By any of its names: its own, a link's, a hard link's, or as a file of the input's folder."""
    file = tmp_path / "file"
    file.write_text("input")
    (tmp_path / "link").symlink_to(file)
    (tmp_path / "hard").hardlink_to(file)
    for source in (file, tmp_path / "link", tmp_path / "hard", tmp_path / ".." / tmp_path.name):
        assert not is_allowed([file], own=True, overwrite=True, inputs=[source])
        assert not is_allowed([tmp_path / "link"], own=True, overwrite=True, inputs=[source])
    assert is_allowed([tmp_path / "new"], inputs=[tmp_path])
