"""Reads mel spectrograms from files that other programs wrote. Nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .safe_files import read_pickle, read_weights


def read_mel(path: Path) -> Tensor:
    """Reads one mel, ``(1, n_mels, T)``.

    Args:
        path: ``.npy``, ``.pt`` or ``.safetensors``. In a file with several tensors, one must be called ``mel``.

    Raises:
        OSError: the file does not exist or can't be opened.
        ValueError: it is damaged, in another format, would run code, or does not hold exactly one mel.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"unknown suffix {path.suffix!r}; expected one of {', '.join(sorted(READERS))}")
    if path.stat().st_size == 0:
        raise ValueError("the file is empty (0 bytes)")
    mel = reader(path)
    if mel.dim() not in (2, 3):
        raise ValueError(f"expected a mel (bands, frames) or (1, bands, frames), got shape {tuple(mel.shape)}")
    if mel.dim() == 3 and mel.shape[0] != 1:
        raise ValueError(
            f"expected one mel, got a batch of {mel.shape[0]}: shape {tuple(mel.shape)}; save each to its own file"
        )
    return mel if mel.dim() == 3 else mel[None]


def _read_npy(path: Path) -> Tensor:
    try:
        with path.open("rb") as file:  # np.load takes other files for pickles and advises loading them
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"not a readable .npy: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected an array of floating-point numbers, got {array.dtype}")
    return torch.from_numpy(array)


def _read_pt(path: Path) -> Tensor:
    content = read_pickle(path)
    return _only_tensor(content if isinstance(content, dict) else {"mel": content})


def _read_safetensors(path: Path) -> Tensor:
    return _only_tensor(dict(read_weights(path)))


def _only_tensor(content: dict[str, object]) -> Tensor:
    tensor = content.get("mel", next(iter(content.values()), None) if len(content) == 1 else None)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"expected one tensor, or one called 'mel'; found {', '.join(map(str, content)) or 'nothing'}")
    return tensor


READERS: dict[str, Callable[[Path], Tensor]] = {
    ".npy": _read_npy,
    ".pt": _read_pt,
    ".safetensors": _read_safetensors,
}
MEL_SUFFIXES = frozenset(READERS)
