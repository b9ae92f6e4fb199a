"""Reads mel spectrograms from files that other programs wrote. Nothing in them is ever executed."""

from __future__ import annotations

import math
import os
import reprlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import torch
from torch import Tensor

from .reading import reading
from .safe_files import read_pickle, read_weights

MAX_UNPACKED_BYTES = 2**30  # of an array in an .npz: ten hours of a mel; a small file can claim any size
MAX_EXPANDED = 10**7  # values of a tensor that stores fewer
MAX_NAMED = 5

Value = TypeVar("Value")


def read_mel(path: Path) -> Tensor:
    """Reads one mel, ``(1, n_mels, T)``.

    Args:
        path: ``.npy``, ``.npz``, ``.pt``, ``.pth`` or ``.safetensors``. In a file with several tensors, one must be
            called ``mel``.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: it is damaged, in another format, would run code, or does not hold exactly one mel.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"unknown suffix {path.suffix!r}; expected one of {', '.join(sorted(READERS))}")
    with reading(path):
        return _as_mel(reader(path))


def _as_mel(tensor: Tensor) -> Tensor:
    """Returns a dense tensor ``(1, n_mels, T)``; raises a ValueError for what is no mel."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        kind = "quantized" if tensor.is_quantized else "meta" if tensor.is_meta else str(tensor.layout)
        raise ValueError(
            f"expected a dense tensor of numbers, got a {kind} one; save it after .dequantize()/.to_dense()"
        )
    shape = tuple(tensor.shape)
    if tensor.dim() not in (2, 3):
        raise ValueError(f"expected a mel (bands, frames) or (1, bands, frames), got shape {shape}")
    if tensor.dim() == 3 and shape[0] != 1:
        raise ValueError(f"expected one mel, got a batch of {shape[0]}: shape {shape}; save each to its own file")
    n_stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() > max(n_stored, MAX_EXPANDED):
        raise ValueError(f"its shape {shape} repeats {n_stored} stored values; save mel.contiguous()")
    mel = tensor.detach()
    return mel if mel.dim() == 3 else mel[None]


def _read_npy(path: Path) -> Tensor:
    with path.open("rb") as file:  # np.load takes other files for pickles and advises loading them
        return _read_array(file, path.stat().st_size, ".npy")


def _read_npz(path: Path) -> Tensor:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            info = _pick(members)
            if info.file_size > MAX_UNPACKED_BYTES:
                raise ValueError(f"its array unfolds to {info.file_size} bytes; at most {MAX_UNPACKED_BYTES} are read")
            with archive.open(info) as file:
                return _read_array(file, info.file_size, ".npz")
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a readable .npz: {error}") from error


def _read_array(file: IO[bytes], size: int, kind: str) -> Tensor:
    """Reads an array in NumPy's format from a file of that size; nothing is allocated for what can't be there."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        promised, left = math.prod(shape) * dtype.itemsize, size - file.tell()
        if promised > left and not dtype.hasobject:
            raise ValueError(f"truncated: its header promises {promised} bytes of values, but it has {left}")
        file.seek(0, os.SEEK_SET)
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # what NumPy raises for a damaged header has no common class
        raise ValueError(f"not a readable {kind}: {' '.join(str(error).split())[:200]}") from error
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected an array of floating-point numbers, got {array.dtype}")
    # torch knows neither another byte order than the machine's, nor NumPy's long doubles.
    native = array.dtype.newbyteorder("=") if array.dtype.itemsize <= 8 else np.dtype(np.float64)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=native))


def _read_pt(path: Path) -> Tensor:
    content = read_pickle(path)
    return content if isinstance(content, Tensor) else _only_tensor(content)


def _read_safetensors(path: Path) -> Tensor:
    return _only_tensor(read_weights(path))


def _only_tensor(content: object) -> Tensor:
    if not isinstance(content, Mapping):
        inside = f" of {len(content)}" if isinstance(content, (list, tuple)) else ""
        raise ValueError(
            f"expected one tensor, or one called 'mel'; found a {type(content).__name__}{inside}: save the tensor "
            "itself"
        )
    tensor = _pick(content)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"expected a tensor, found {type(tensor).__name__} {reprlib.repr(tensor)}")
    return tensor


def _pick(content: Mapping[str, Value]) -> Value:
    """Returns the value called ``mel``, or the only one."""
    if "mel" in content or len(content) == 1:
        return content["mel"] if "mel" in content else next(iter(content.values()))
    names = [reprlib.repr(name) if not isinstance(name, str) else name[:60] for name in list(content)[:MAX_NAMED]]
    more = f" and {len(content) - MAX_NAMED} more" if len(content) > MAX_NAMED else ""
    raise ValueError(f"expected one tensor, or one called 'mel'; found {', '.join(names) or 'nothing'}{more}")


READERS: dict[str, Callable[[Path], Tensor]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pt": _read_pt,
    ".pth": _read_pt,
    ".safetensors": _read_safetensors,
}
MEL_SUFFIXES = frozenset(READERS)
