"""Decimation: a signal at an integer part of its sample rate, differentiably and on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spectral import Float32Buffers

# Of the lower rate's Nyquist frequency: from here to the Nyquist frequency the filter falls, as those of resamplers do.
PASSBAND = 0.91
# Kaiser's window of this beta keeps aliases 100 dB down. Its length follows from both (Kaiser, 1974).
BETA = 10.06
ZERO_CROSSINGS = 72


class Decimation(Float32Buffers):
    """Keeps one sample of ``factor``, after a low-pass filter: ``(B, N)`` -> ``(B, ceil(N / factor))``.

    Beyond its ends, the signal counts as zero. Sample ``n`` of the result lies where sample ``n * factor`` was.

    Attributes:
        reach: samples, at the higher rate, on each side of a sample that it depends on.
    """

    taps: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.reach = ZERO_CROSSINGS * factor
        cutoff = (1 + PASSBAND) / 2 / factor  # the middle of the filter's slope
        time = torch.arange(-self.reach, self.reach + 1, dtype=torch.float64)
        window = torch.kaiser_window(2 * self.reach + 1, periodic=False, beta=BETA, dtype=torch.float64)
        taps = torch.sinc(cutoff * time) * window
        # Not persistent: it follows from the factor.
        self.register_buffer("taps", (taps / taps.sum()).float()[None, None], persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        return F.conv1d(audio[:, None], self.taps, stride=self.factor, padding=self.reach)[:, 0]
