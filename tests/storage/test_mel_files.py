"""Reading mels that other programs wrote."""

from __future__ import annotations

import os
import pickle
import warnings
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


def quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has announced that it will drop them
        return torch.quantize_per_tensor(MEL, 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (MEL.to_sparse, "got a torch.sparse_coo one"),
        (MEL.to_sparse_csr, "got a torch.sparse_csr one"),
        (lambda: MEL.to("meta"), "got a meta one"),
        (quantized, "quantized"),
        (
            lambda: torch.zeros(1, 1).expand(80, 10**9),
            "would take 320000000000 bytes; save x.contiguous",
        ),
        (lambda: [MEL], "found a list of 1: save the tensor itself"),
        (lambda: (MEL, MEL), "found a tuple of 2"),
        (lambda: None, "found a NoneType"),
        (lambda: "mel", "found a str"),
        (lambda: {"mel": [1.0]}, "expected a tensor, found list"),
        (lambda: {}, "found nothing"),
        (lambda: dict.fromkeys(range(1000), MEL), "found 0, 1, 2, 3, 4 and 995 more"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_pt_files_that_hold_no_dense_tensor_are_refused(tmp_path: Path, make, expected) -> None:
    """The error says what was found; every reader raises one family of errors."""
    torch.save(make(), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=expected):
        read_mel(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"6)", b"6 ", "not a readable"),
        (b"(4, 6)", b"(4,60)", "header promises 960 bytes of values, but it has 96"),
        (b"(4, 6), }      ", b"(4, 6), }, }\0\0\0", "not a readable"),
        (b"(4, 6), }          ", b"(4, 10000000000000)", "not a readable"),
        (b"(4, 6), }             ", b"(4, 10000000000000), }", "promises 160000000000000 bytes"),
        (b"'<f4'", b"'|O8'", "Object arrays|allow_pickle"),
    ],
)
def test_damaged_headers_are_refused(tmp_path: Path, old, new, expected) -> None:
    """Whatever NumPy raises for them; no memory is taken for values that are not there."""
    np.save(tmp_path / "a.npy", MEL.numpy())
    content = (tmp_path / "a.npy").read_bytes()
    assert old in content
    (tmp_path / "a.npy").write_bytes(content.replace(old, new, 1))
    with pytest.raises(ValueError, match=expected):
        read_mel(tmp_path / "a.npy")


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f2", np.longdouble])
def test_every_kind_of_float_is_read(tmp_path: Path, dtype) -> None:
    """Other byte orders and sizes hold the same values."""
    np.save(tmp_path / "a.npy", np.asfortranarray(MEL.numpy()).astype(dtype))
    assert torch.equal(read_mel(tmp_path / "a.npy").float(), MEL[None])


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_npz_files_are_read(tmp_path: Path, write) -> None:
    """The array is called ``mel``, or the only one."""
    write(tmp_path / "a.npz", mel=MEL.numpy(), text=np.array("words"))
    write(tmp_path / "B.NPZ", MEL.numpy())
    (tmp_path / "B.NPZ.npz").rename(tmp_path / "B.NPZ")
    write(tmp_path / "c.npz", MEL.numpy(), MEL.numpy())
    assert torch.equal(read_mel(tmp_path / "a.npz"), MEL[None])
    assert torch.equal(read_mel(tmp_path / "B.NPZ"), MEL[None])
    with pytest.raises(ValueError, match="found arr_0, arr_1"):
        read_mel(tmp_path / "c.npz")
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        read_mel(tmp_path / "a.npz")


def test_an_npz_is_not_unfolded_beyond_its_limit(tmp_path: Path) -> None:
    """A small file that claims a large array is refused before anything is allocated."""
    np.savez_compressed(tmp_path / "a.npz", np.zeros((80, 300_000), np.float32))
    with pytest.raises(ValueError, match="unfolds to"):
        read_mel(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["A.PT", "a.pth", "A.SAFETENSORS", "A.NPY"])
def test_suffixes_in_any_case(tmp_path: Path, name: str) -> None:
    """Files from Windows and cameras have upper-case suffixes."""
    path = tmp_path / name
    if "SAFE" in name:
        safetensors.torch.save_file({"mel": MEL}, path)
    elif "NPY" in name:
        with path.open("wb") as file:
            np.save(file, MEL.numpy())
    else:
        torch.save(torch.nn.Parameter(MEL), path)
    mel = read_mel(path)
    assert torch.equal(mel, MEL[None])
    assert not mel.requires_grad


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A pipe would wait for ever, and a device has no end."""
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="it is a pipe"):
        read_mel(tmp_path / "a.npy")
    (tmp_path / "b.npy").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="it is a device"):
        read_mel(tmp_path / "b.npy")


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
