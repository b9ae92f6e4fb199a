"""A folder of outputs belongs to one run at a time, and what killed runs left is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vocos_plugins.storage.atomic import atomic_write, temporary_folder
from vocos_plugins.storage.claims import LOCK, FolderInUseError, claim
from vocos_plugins.storage.leftovers import TEMPORARY, temporary_path

# Holds a claim, leaves half of a file and half of a folder, and says when.
HOLD = """
import os, sys, time
from pathlib import Path
from vocos_plugins.storage.atomic import atomic_write, temporary_folder
from vocos_plugins.storage.claims import claim
out = Path(sys.argv[1])
with claim(out), temporary_folder(out / "model.xml"), atomic_write(out / "a.wav") as temporary:
    temporary.write_bytes(b"half")
    if os.fork() == 0:  # as a training's data loaders do, it outlives its parent by some seconds
        os.closerange(0, 3)
        time.sleep(8)
        os._exit(0)
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_leaves_the_folder_to_the_next(tmp_path) -> None:
    """While it lives another is refused; once it is killed, the next gets the folder and sweeps its half of a file."""
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        with pytest.raises(FolderInUseError, match="another run is writing to"), claim(out):
            pass
        with atomic_write(out / "a.wav") as temporary:  # a neighbour's file is not swept while its process lives
            temporary.write_bytes(b"whole")
        assert len(list(out.glob(".a.wav.*.part"))) == 1
        process.send_signal(signal.SIGKILL)
    assert len(list(out.glob(".*.part"))) == 2
    with temporary_folder(out / "model.xml"):
        assert len(list(out.glob(".model.xml.*.part"))) == 1
    with claim(out):
        assert sorted(path.name for path in out.iterdir()) == [LOCK, "a.wav"]
    assert [path.name for path in out.iterdir()] == ["a.wav"]


def test_only_leftovers_are_swept(tmp_path) -> None:
    """Other hidden files, folders and links stay, and so does what a living process is writing to one file."""
    kept = [".keep.part", "a.wav.1.part", ".a.x1.part", ".b.wav.99.part.txt"]
    for name in (*kept, ".a.wav.12345.part", f".a.wav.{'9' * 5000}.part"[:200] + ".part"):
        (tmp_path / name).touch()
    (tmp_path / ".link.7.part").symlink_to(tmp_path / ".keep.part")
    own = temporary_path(tmp_path / "a.wav")
    own.touch()
    with atomic_write(tmp_path / "a.wav") as temporary:
        temporary.touch()
        assert own.exists()
    with claim(tmp_path):  # containers number their processes alike
        assert not own.exists()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([*kept, ".link.7.part", "a.wav"])


def test_an_empty_folder_goes_with_its_claim(tmp_path) -> None:
    """Only the folders that the claim has made, and only if they are empty."""
    with claim(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").mkdir()
    with claim(tmp_path / "a" / "b"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_threads_refuse_each_other_too(tmp_path) -> None:
    """A second claim of one process is a second run."""
    refused = []

    def try_it() -> None:
        try:
            with claim(tmp_path):
                pass
        except FolderInUseError as error:
            refused.append(str(error))

    with claim(tmp_path):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert str(tmp_path) in refused[0]


def test_temporary_names_hold_their_process() -> None:
    """The name says which process writes, at most 255 bytes long."""
    path = temporary_path(Path("a" * 255))
    match = TEMPORARY.fullmatch(path.name)
    assert match is not None
    assert match[1][:-6] == str(os.getpid())
    assert len(path.name) <= 255
