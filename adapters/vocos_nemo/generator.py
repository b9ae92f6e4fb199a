"""Vocos as what NeMo calls a generator: mels of one convention in, ``(B, 1, N)`` out, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.mel import MelConvention, align


class VocosGenerator(nn.Module):
    """Computes what `vocos_plugins.inference.frames.decode_frames` gives, differentiably and unchecked.

    Args:
        vocos: a mel model.
        source: the convention of the mels that come in; they are aligned to the model's own.

    Raises:
        MelMismatch: they can't be.
    """

    def __init__(self, vocos: Vocos, source: MelConvention) -> None:
        super().__init__()
        self.alignment = align(source, vocos.mel)
        self.vocos = vocos

    @property
    def source(self) -> MelConvention:
        """The convention of the mels that come in."""
        return self.alignment.source

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``(B, n_mels, T)`` -> ``(B, 1, T * hop_length)``; with ``lengths``, ``(B,)``, a row is 0 past its end."""
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
    """Frames of each row before those at its end that hold nothing but ``pad_value``.

    NeMo's preprocessor overwrites what lies past an item's end with it, since version 2.5 the last frame too; in a log
    mel, its 0 is louder than speech.

    Args:
        mel: ``(B, n_mels, T)``.
        pad_value: of the convention; None where it promises none.

    Shape: int64 ``(B,)``; None where no row has such frames.
    """
    if pad_value is None:
        return None
    value = torch.tensor(pad_value, dtype=mel.dtype, device=mel.device)
    if bool((mel[..., -1:] != value).any(dim=1).all()):
        return None
    heard = (mel != value).any(dim=1)
    count = torch.arange(1, mel.shape[-1] + 1, device=mel.device) * heard
    return F.pad(count, (1, 0)).amax(dim=1)
