"""Resampling of audio to an exact length."""

from __future__ import annotations

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor


def resample(audio: Tensor, sample_rate: int, new_rate: int, n_samples: int) -> Tensor:
    """Resamples audio, then cuts it or pads it with zeros; both affect only the last sample or two.

    Between different rates no gradients are recorded.

    Args:
        audio: ``(B, N)`` at ``sample_rate``.
        sample_rate, new_rate: Hz.
        n_samples: length of the result, at ``new_rate``.

    Shape: ``(B, n_samples)``, on the audio's device and in its precision.
    """
    if sample_rate != new_rate and audio.numel():
        # Row by row, since soxr takes a 2-D array as (samples, channels).
        rows = [soxr.resample(row, sample_rate, new_rate) for row in audio.detach().cpu().numpy()]
        audio = torch.from_numpy(np.stack(rows)).to(audio)
    missing = n_samples - audio.shape[-1]
    return F.pad(audio, (0, missing)) if missing > 0 else audio[..., :n_samples]
