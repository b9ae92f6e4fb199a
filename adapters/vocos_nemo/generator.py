"""Vocos as a generator in NeMo's sense: from mels of one convention to ``(B, 1, N)``, with gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.inference.frames import at_rate_of, hold_last, synthesize_frames
from vocos_plugins.mel import MelConvention, align


class VocosGenerator(nn.Module):
    """Decodes as `vocos_plugins.inference.frames.decode_in_step` does, differentiably and without checks.

    If the model has another sample rate than the mels, no gradients are recorded; NeMo can't train it then.

    Args:
        vocos: a mel model.
        source: convention of the input mels, which are aligned with the model's own.

    Raises:
        MelMismatch: the mels can't be aligned.
    """

    def __init__(self, vocos: Vocos, source: MelConvention) -> None:
        super().__init__()
        self.alignment = align(source, vocos.mel, upsample=vocos.config.upsample)
        self.vocos = vocos

    @property
    def source(self) -> MelConvention:
        """The convention of the input mels."""
        return self.alignment.source

    # The name `x` is NeMo's: FastPitchModel_SSL calls vocoder.generator(x=...) (3.0, tts/models/fastpitch_ssl.py).
    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Synthesizes ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``; rows are 0 past ``lengths`` ``(B,)``."""
        if lengths is None:
            audio = synthesize_frames(self.vocos, x, self.alignment, postfilter=True)
        else:
            n_samples = self.alignment.n_samples(hold_last(x, self.source).shape[-1])
            rows = [x.new_zeros(1, 0)] * len(x)
            for row, n_frames in enumerate(lengths.tolist()):
                if n_frames > 0:
                    rows[row] = synthesize_frames(
                        self.vocos, x[row, None, :, :n_frames], self.alignment, postfilter=True
                    )
            audio = torch.cat([F.pad(row, (0, n_samples - row.shape[-1])) for row in rows])
        return at_rate_of(self.source, audio, self.vocos.sample_rate, x, lengths)[:, None]

    def traceable(self, x: Tensor) -> Tensor:
        """Synthesizes ``(B, n_mels, T)`` to ``(B, 1, T * hop_length)``, and leaves out padding, without conditions.

        In place of padding the last other frame is held, and silenced afterwards.
        """
        pad_value = self.source.pad_value
        if pad_value is None:
            audio: Tensor = self(x)
            return audio
        frame = torch.arange(x.shape[-1], device=x.device)
        # The largest number among the frames that hold anything else is the length, as in `filled_lengths`.
        filled = (x != pad_value).to(frame.dtype).amax(dim=1)
        count = ((frame + 1) * filled).amax(dim=1, keepdim=True)
        index = torch.minimum(frame[None], (count - 1).clamp_min(0))
        audio = self(x.gather(2, index[:, None].expand(-1, x.shape[1], -1)))
        sounds = (frame[None] < count).to(audio.dtype)[:, None]
        return audio * sounds.repeat_interleave(self.source.hop_length, dim=2)
