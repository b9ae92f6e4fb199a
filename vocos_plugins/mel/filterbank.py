"""Triangular mel filterbanks, HTK and Slaney.

They are built in float32 with the steps of ``torchaudio.functional.melscale_fbanks``, as in published checkpoints and
toolkits. A bank that is built in float64 and rounded at the end changes a log mel near its floor by 4e-5.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

MelScale = Literal["htk", "slaney"]
MelNorm = Literal["slaney"]
MEL_SCALES: tuple[str, ...] = get_args(MelScale)

# Slaney's Auditory Toolbox (1998): linear below 1 kHz, 27 steps for each factor of 6.4 above.
SLANEY_HZ_PER_MEL = 200.0 / 3
SLANEY_LOG_START_HZ = 1000.0
SLANEY_LOG_START_MEL = SLANEY_LOG_START_HZ / SLANEY_HZ_PER_MEL
SLANEY_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(frequency: float, scale: MelScale) -> float:
    """Returns the mel value of a frequency in Hz."""
    if scale == "htk":
        # HTK's formula (O'Shaughnessy, 1987).
        return 2595.0 * math.log10(1.0 + frequency / 700.0)
    if frequency < SLANEY_LOG_START_HZ:
        return frequency / SLANEY_HZ_PER_MEL
    return SLANEY_LOG_START_MEL + math.log(frequency / SLANEY_LOG_START_HZ) / SLANEY_LOG_STEP


def mel_to_hz(mels: Tensor, scale: MelScale) -> Tensor:
    """Returns the frequencies in Hz of mel values."""
    if scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    linear = SLANEY_HZ_PER_MEL * mels
    logarithmic = SLANEY_LOG_START_HZ * torch.exp(SLANEY_LOG_STEP * (mels - SLANEY_LOG_START_MEL))
    return torch.where(mels >= SLANEY_LOG_START_MEL, logarithmic, linear)


def mel_filterbank(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float = 0.0,
    f_max: float | None = None,
    mel_scale: MelScale = "htk",
    mel_norm: MelNorm | None = None,
) -> Tensor:
    """Returns the weights from frequency bins to mel bands.

    Args:
        sample_rate: Hz.
        n_fft: samples.
        n_mels: bands.
        f_min, f_max: edges in Hz; ``f_max=None`` is the Nyquist frequency.
        mel_scale: spacing of the bands.
        mel_norm: ``slaney`` for triangles of unit area, None for unit height.

    Shape: ``(n_fft // 2 + 1, n_mels)``, float32. A band narrower than a bin can be all zero.
    """
    nyquist = sample_rate / 2
    # The last bin of an odd n_fft lies below the Nyquist frequency. torchaudio places it there nevertheless.
    bins = torch.linspace(0, n_fft // 2 * sample_rate / n_fft, n_fft // 2 + 1)
    ends = hz_to_mel(f_min, mel_scale), hz_to_mel(nyquist if f_max is None else f_max, mel_scale)
    corners = mel_to_hz(torch.linspace(*ends, n_mels + 2), mel_scale)
    widths = corners[1:] - corners[:-1]
    distance = corners - bins[:, None]
    rising = -distance[:, :-2] / widths[:-1]
    falling = distance[:, 2:] / widths[1:]
    weights = torch.minimum(rising, falling).clamp_min(0.0)
    if mel_norm == "slaney":
        # The area of a triangle of unit height is half its base, in Hz.
        weights = weights * (2.0 / (corners[2:] - corners[:-2]))
    return weights
