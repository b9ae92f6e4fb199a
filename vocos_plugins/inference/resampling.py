"""Audio at another sample rate, cut to a length that was promised."""

from __future__ import annotations

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor


def resample(audio: Tensor, sample_rate: int, wanted: int, n_samples: int) -> Tensor:
    """Resamples and then cuts, or fills up with zeros; both concern the last sample or two.

    Args:
        audio: ``(B, N)`` at ``sample_rate``.
        sample_rate, wanted: Hz.
        n_samples: length at the rate that is wanted.

    Shape: ``(B, n_samples)``, on the audio's device and in its precision.
    """
    if sample_rate != wanted:
        rows = [soxr.resample(row, sample_rate, wanted) for row in audio.cpu().numpy()]
        audio = torch.from_numpy(np.stack(rows)).to(audio)
    missing = n_samples - audio.shape[-1]
    return F.pad(audio, (0, missing)) if missing > 0 else audio[..., :n_samples]
