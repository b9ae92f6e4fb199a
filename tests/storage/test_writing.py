"""Failed saves: the old files stay, and nothing is left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
from pathlib import Path

import pytest

from helpers.checkpoints import load_float32
from vocos_plugins.storage.safe_files import CheckpointError

# The user that owns nothing.
NOBODY = 65534


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@contextlib.contextmanager
def full_disk(monkeypatch):
    """Makes the disk full when a file's content is synced."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        yield


@contextlib.contextmanager
def limited_file_size(monkeypatch):
    """Makes the kernel refuse to write more than a kilobyte to any file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def failing_rename(monkeypatch):
    """Makes renames fail."""

    def fail(self: Path, target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        yield


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (full_disk, "No space left on device"),
        (limited_file_size, "File too large"),
        (failing_rename, "Input/output error"),
    ],
)
def test_failed_writes_leave_the_old_files(failure, message, saved, make_model, monkeypatch) -> None:
    """A failed write leaves the old files unchanged, and no temporary file."""
    before = contents(saved[1])
    with (
        failure(monkeypatch),
        pytest.raises(CheckpointError, match=rf"{message}.*what was there before is unchanged"),
    ):
        make_model(seed=7).save_pretrained(saved[1])
    assert contents(saved[1]) == before


def test_no_permission(saved, make_model) -> None:
    """Saving to someone else's directory is an error. Root, whom no permission stops, acts as another user."""
    directory = saved[1]
    before = contents(directory)
    directory.chmod(0o555)
    user = os.geteuid()
    opened = [
        parent for parent in directory.parents if parent.stat().st_uid == user and parent.stat().st_mode & 0o077 == 0
    ]
    for parent in opened:
        parent.chmod(0o755)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(CheckpointError, match="Permission denied"):
            make_model(seed=7).save_pretrained(directory)
    finally:
        os.seteuid(user)
        for parent in opened:
            parent.chmod(0o700)
        directory.chmod(0o755)
    assert contents(directory) == before


def test_a_file_in_the_way(make_model, tmp_path) -> None:
    """A file in place of the directory, or of its parent, is an error."""
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CheckpointError, match="could not be written"):
            make_model().save_pretrained(target)
    assert (tmp_path / "file").read_text() == "mine"


def test_provenance_must_be_plain(make_model, tmp_path) -> None:
    """An object that YAML can't hold is refused before anything is written."""
    model = make_model()
    model.provenance = {"data": object()}
    with pytest.raises(CheckpointError, match="provenance"):
        model.save_pretrained(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_loads_anywhere(saved, tmp_path) -> None:
    """A directory can be copied to a path with spaces and non-ASCII letters, and loads there."""
    elsewhere = tmp_path / "ein Ort für später"
    shutil.copytree(saved[1], elsewhere)
    assert load_float32(elsewhere).config == saved[0].config
