"""Vocos as a generator in NeMo's sense: from mels of one convention to ``(B, 1, N)``, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.mel import MelConvention, align


class VocosGenerator(nn.Module):
    """Computes what `vocos_plugins.inference.fast.frames.decode_frames` gives, differentiably and unchecked.

    Args:
        vocos: a mel model.
        source: convention of the input mels, which are aligned with the model's own.

    Raises:
        MelMismatch: the mels can't be aligned.
    """

    def __init__(self, vocos: Vocos, source: MelConvention) -> None:
        super().__init__()
        self.alignment = align(source, vocos.mel)
        self.vocos = vocos

    @property
    def source(self) -> MelConvention:
        """The convention of the input mels."""
        return self.alignment.source

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Synthesizes ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``; rows are 0 past ``lengths`` ``(B,)``."""
        if lengths is None:
            return self._synthesize(x)[:, None]
        n_samples = self.alignment.n_samples(x.shape[-1] + self._n_held)
        rows = [x.new_zeros(1, 0)] * len(x)
        for row, n_frames in enumerate(lengths.tolist()):
            if n_frames > 0:
                rows[row] = self._synthesize(x[row, None, :, :n_frames])
        return torch.stack([F.pad(row, (0, n_samples - row.shape[-1])) for row in rows])

    @property
    def _n_held(self) -> int:
        """Frames that are held at the end: a centred one stands for half a hop on each side."""
        return 1 if self.source.framing == "center" else 0

    def _synthesize(self, mel: Tensor) -> Tensor:
        held = torch.cat([mel, mel[..., -1:]], dim=-1) if self._n_held else mel
        audio = self.vocos.synthesize(self.alignment(held))
        return self.alignment.trim(audio, held.shape[-1])


def filled_lengths(mel: Tensor, pad_value: float | None) -> Tensor | None:
    """Returns the frames of each row without those at its end that hold only ``pad_value``.

    NeMo's preprocessor writes it past an item's end, and since version 2.5 over the last frame too; in a log mel, its 0
    is louder than speech.

    Args:
        mel: ``(B, n_mels, T)``.
        pad_value: that of the convention; None if it has none.

    Shape: int64 ``(B,)``; None if no row has such frames.
    """
    if pad_value is None:
        return None
    value = torch.tensor(pad_value, dtype=mel.dtype, device=mel.device)
    if bool((mel[..., -1:] != value).any(dim=1).all()):
        return None
    # The largest number among the frames that hold anything else is the length.
    filled = (mel != value).any(dim=1)
    count = torch.arange(1, mel.shape[-1] + 1, device=mel.device) * filled
    return F.pad(count, (1, 0)).amax(dim=1)
