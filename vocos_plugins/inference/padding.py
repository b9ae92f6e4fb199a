"""Frames at the end of a mel that its program filled with ``pad_value``: padding, not sound."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..mel.convention import MelConvention


def filled_lengths(mel: Tensor, convention: MelConvention | None) -> Tensor | None:
    """Returns the frames of each row without those at its end that hold only the convention's ``pad_value``.

    NeMo's preprocessor writes it past an item's end, and since version 2.5 over the last frame too; in a log mel, its 0
    is louder than speech.

    Args:
        mel: ``(B, n_mels, T)``; a tensor of another shape has no such frames, and is refused where it is decoded.
        convention: the mel's.

    Shape: int64 ``(B,)``; None if no row has such frames.
    """
    if convention is None or convention.pad_value is None or mel.dim() != 3:
        return None
    value = torch.tensor(convention.pad_value, dtype=mel.dtype, device=mel.device)
    # One frame decides in most cases, without looking at the whole mel.
    if bool((mel[..., -1:] != value).any(dim=1).all()):
        return None
    # The largest number among the frames that hold anything else is the length.
    filled = (mel != value).any(dim=1)
    count = torch.arange(1, mel.shape[-1] + 1, device=mel.device) * filled
    return F.pad(count, (1, 0)).amax(dim=1)


def longest_filled(mel: Tensor, convention: MelConvention | None) -> int:
    """Returns how many frames the longest row has without its padding; see `filled_lengths`."""
    lengths = filled_lengths(mel, convention)
    return mel.shape[-1] if lengths is None else int(lengths.max())
