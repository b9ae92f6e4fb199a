"""Audio and features as callers hold them: tensors or NumPy arrays. Errors say what was expected and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = Tensor | NDArray[Any]


def as_tensor(numbers: Numbers, what: str) -> Tensor:
    """Returns a tensor as it is, and a NumPy array as a tensor on the CPU.

    Raises:
        TypeError: it is neither, or an array of something else than numbers.
    """
    if isinstance(numbers, Tensor):
        return numbers
    if not isinstance(numbers, np.ndarray):
        kind = type(numbers).__name__
        raise TypeError(f"{what} must be a torch tensor or a NumPy array, got {kind}; try torch.as_tensor({what})")
    if numbers.dtype.kind not in "biufc":
        raise TypeError(f"{what} must hold numbers, got a NumPy array of {numbers.dtype}")
    # torch takes no other byte order, no negative steps and no long doubles, and warns of memory that is read-only.
    native = np.dtype(np.float64) if numbers.dtype == np.longdouble else numbers.dtype.newbyteorder("=")
    return torch.from_numpy(np.require(numbers, native, ["C", "W"]))


def as_audio(audio: Numbers) -> Tensor:
    """Returns audio as a tensor ``(B, N)``.

    Raises:
        TypeError: it is no tensor or array, or not floating point.
        ValueError: its shape is another.
    """
    audio = as_tensor(audio, "audio")
    if not audio.is_floating_point():
        scale = {torch.int16: 2**15, torch.int32: 2**31}.get(audio.dtype)
        hint = "" if scale is None else f"; try audio / {scale}"
        raise TypeError(f"audio must be floating point in [-1, 1], got {audio.dtype}{hint}")
    if audio.dim() != 2:
        hints = {1: "; add the batch dimension: audio[None]", 3: "; it is mono: audio.mean(dim=1) mixes channels"}
        raise ValueError(f"audio must be (B, N), got shape {tuple(audio.shape)}{hints.get(audio.dim(), '')}")
    return audio
