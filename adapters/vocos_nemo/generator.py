"""Vocos as a generator in NeMo's sense: from mels of one convention to ``(B, 1, N)``, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.inference.frames import hold_last, synthesize_frames
from vocos_plugins.mel import MelConvention, align


class VocosGenerator(nn.Module):
    """Decodes as `vocos_plugins.inference.frames.decode_frames` does, differentiably and without checks.

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

    # The name `x` is NeMo's: FastPitchModel_SSL calls vocoder.generator(x=...) (3.0, tts/models/fastpitch_ssl.py).
    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Synthesizes ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``; rows are 0 past ``lengths`` ``(B,)``."""
        if lengths is None:
            return synthesize_frames(self.vocos, x, self.alignment)[:, None]
        n_samples = self.alignment.n_samples(hold_last(x, self.source).shape[-1])
        rows = [x.new_zeros(1, 0)] * len(x)
        for row, n_frames in enumerate(lengths.tolist()):
            if n_frames > 0:
                rows[row] = synthesize_frames(self.vocos, x[row, None, :, :n_frames], self.alignment)
        return torch.stack([F.pad(row, (0, n_samples - row.shape[-1])) for row in rows])
