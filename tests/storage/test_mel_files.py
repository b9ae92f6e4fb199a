"""Reading mels that other programs wrote."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from vocos_plugins.storage.mel_files import read_mel

MEL = torch.arange(24, dtype=torch.float32).reshape(4, 6)


class Malice:
    """An object whose unpickling creates a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("shape", [(4, 6), (1, 4, 6)])
@pytest.mark.parametrize("kind", ["npy", "pt", "pt-dict", "safetensors", "safetensors-two"])
def test_every_format_is_read_as_a_batch_of_one(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    """A mel may have two dimensions or three, and be alone or called ``mel`` among other tensors."""
    mel = MEL.reshape(shape)
    path = tmp_path / f"a.{kind.split('-', maxsplit=1)[0]}"
    if kind == "npy":
        np.save(path, mel.numpy())
    elif kind.startswith("pt"):
        torch.save({"mel": mel, "id": torch.zeros(1)} if kind == "pt-dict" else mel, path)
    else:
        others = {"length": torch.tensor([6])} if kind == "safetensors-two" else {}
        safetensors.torch.save_file({"mel": mel, **others}, path)
    assert torch.equal(read_mel(path), MEL[None])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.npy", b"", "empty"),
        ("a.npy", b"\x93NUMPY nonsense", "not a readable"),
        ("a.npy", b"PK\x03\x04 nonsense", "not a readable"),
        ("a.pt", b"nonsense", "damaged"),
        ("a.safetensors", b"nonsense nonsense", "damaged"),
        ("a.txt", b"1 2 3", "unknown suffix '.txt'"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    """A damaged file is a ValueError that says what is wrong."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        read_mel(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros(5), r"shape \(5,\)"),
        (np.zeros((1, 2, 3, 4)), r"shape \(1, 2, 3, 4\)"),
        (np.zeros((3, 4, 6)), "a batch of 3"),
        (np.array(["a", "b"]), "floating-point numbers"),
        (np.zeros((4, 6), complex), "floating-point numbers"),
    ],
)
def test_arrays_that_are_no_mel_are_refused(tmp_path: Path, array: np.ndarray, expected: str) -> None:
    """The error names the array's shape or type."""
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=expected):
        read_mel(tmp_path / "a.npy")


def test_two_tensors_without_a_mel_are_refused(tmp_path: Path) -> None:
    """The error lists the tensors' names; there is no guessing."""
    torch.save({"x": MEL, "y": MEL}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="found x, y"):
        read_mel(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.pt", "a.npy"])
def test_nothing_in_a_file_is_run(tmp_path: Path, name: str) -> None:
    """A pickle that would run code is refused, and the code has not run."""
    marker = tmp_path / "ran"
    if name == "a.npy":
        np.save(tmp_path / name, np.array([Malice(marker)], dtype=object), allow_pickle=True)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(Malice(marker), protocol=2))
    with pytest.raises(ValueError, match=r"refused|allow_pickle"):
        read_mel(tmp_path / name)
    assert not marker.exists()
