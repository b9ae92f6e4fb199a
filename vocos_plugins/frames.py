"""Decoding in step with a text-to-speech model: as many samples as its frames last."""

from __future__ import annotations

import torch
from torch import Tensor

from .checks import check_shape, frame_mask
from .mel.convention import MelConvention
from .model import Vocos


def decode_frames(
    vocos: Vocos,
    mel: Tensor,
    *,
    lengths: Tensor | None = None,
    source: MelConvention | None = None,
    strict: bool = False,
) -> Tensor:
    """Mel to exactly ``T * hop_length`` samples, which is what toolkits count on; `Vocos.decode` gives a hop less.

    A centred frame's last half hop, and that of the frame which isn't there, is filled by holding the last frame.
    Frame ``t`` of a centred mel stays at sample ``t * hop_length``: nothing is delayed.

    Args:
        vocos: a mel model.
        mel: ``(B, n_mels, T)``, in the convention ``source``.
        lengths: frames of each row of a ragged batch, ``(B,)``; a row is 0 past its end.
        source, strict: as for `Vocos.decode`.

    Shape: ``(B, T * hop_length)``; where the model has another sample rate or hop, as long in seconds.

    Raises:
        MelMismatch, TypeError, ValueError: as `Vocos.decode`.
    """
    convention = source or vocos.mel
    if convention is None or convention.framing == "same":
        return vocos.decode(mel, lengths=lengths, source=source, strict=strict)
    check_shape(mel, convention.n_mels)
    held = torch.cat([mel, mel[..., -1:]], dim=-1)
    if lengths is not None:
        counts = frame_mask(lengths, len(mel), mel.shape[-1], mel.device).sum(dim=1)
        rows = torch.arange(len(mel), device=mel.device)
        held[rows, :, counts] = mel[rows, :, (counts - 1).clamp_min(0)]
        lengths = counts + (counts > 0)
    return vocos.decode(held, lengths=lengths, source=source, strict=strict)
