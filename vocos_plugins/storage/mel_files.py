"""Reads mel spectrograms from files that other programs wrote. Nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..mel.inputs import as_tensor
from ..mel.shown import shown
from .arrays import open_npz, read_member, read_npy
from .limits import MAX_EXPANDED_VALUES
from .reading import reading
from .safe_files import read_pickle, read_weights

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
    if tensor.numel() > max(n_stored, MAX_EXPANDED_VALUES):
        raise ValueError(f"its shape {shape} repeats {n_stored} stored values; save mel.contiguous()")
    mel = tensor.detach()  # a file can hold a tensor that records gradients
    return mel if mel.dim() == 3 else mel[None]


def _read_npy(path: Path) -> Tensor:
    return _mel_of(read_npy(path))


def _read_npz(path: Path) -> Tensor:
    with open_npz(path) as arrays:
        return _mel_of(read_member(_pick(arrays)))


def _mel_of(array: NDArray[Any]) -> Tensor:
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected an array of floating-point numbers, got {array.dtype}")
    return as_tensor(array, "mel")


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
        raise ValueError(f"expected a tensor, found {type(tensor).__name__} {shown(tensor)}")
    return tensor


def _pick(content: Mapping[str, Value]) -> Value:
    """Returns the value called ``mel``, or the only one."""
    if "mel" in content or len(content) == 1:
        return content["mel"] if "mel" in content else next(iter(content.values()))
    names = [shown(name) if not isinstance(name, str) else name[:60] for name in list(content)[:MAX_NAMED]]
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
