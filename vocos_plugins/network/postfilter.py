"""Postfilters: they give mels that an acoustic model predicted the detail of recordings' mels.

Models that minimize a distance predict means where detail can't be known: formants become flat, and the vocoder sounds
dull. `training.postfilter` fits the maps.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import config

MAX_LEVEL = 40.0  # nepers
# Fewer frames say too little about a mel: the roughness of a recording's first frames may be below all others'.
MIN_FRAMES = 8


class LinearPostfilter(nn.Module):
    """Multiplies the bands of each frame by a matrix and adds a bias: ``(B, n_mels, T)`` -> same.

    Both are buffers: they are fitted in closed form, and no optimizer changes them. A new one changes nothing.

    Attributes:
        weight: ``(n_mels, n_mels)``.
        bias: ``(n_mels,)``, in the unit of the mel.
        past_frames: frames before a frame that its result depends on.
    """

    weight: Tensor
    bias: Tensor
    past_frames = 0

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.eye(n_mels))
        self.register_buffer("bias", torch.zeros(n_mels))

    def forward(self, mel: Tensor) -> Tensor:
        # In the mel's own precision: in bfloat16, the products of a band and its neighbours would not cancel.
        return self.weight.to(mel) @ mel + self.bias.to(mel)[:, None]


class AdaptivePostfilter(nn.Module):
    """Sharpens what is blurred and leaves the rest as it is: ``(B, n_mels, T)`` -> same, of logarithmic mels.

    Recordings' mels are rough from band to band: harmonics and noise show. Predicted mels are smooth. The roughness of
    the last frames, their mean absolute second difference from band to band, decides how much of the map is applied, to
    the deviation from their mean. Frames count by the root of their amplitude: in pauses, recordings may be smooth too.
    No frame depends on a later one, so that a stream equals the whole.

    Attributes:
        weight: ``(n_mels, n_mels)``, the map for mels that are as blurred as `config.AdaptivePostfilter.blurred`.
        past_frames: frames before a frame that its result depends on.
    """

    weight: Tensor

    def __init__(self, n_mels: int, options: config.AdaptivePostfilter) -> None:
        super().__init__()
        self.options = options
        self.past_frames = options.window_frames - 1
        self.register_buffer("weight", torch.eye(n_mels))

    def forward(self, mel: Tensor) -> Tensor:
        deviation, share = self.parts(mel)
        return mel + share * (self.weight.to(mel) @ deviation - deviation)

    def parts(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what the map is applied to, and how much of it each frame gets.

        Shape: the difference to the mean of the frames up to each, ``(B, n_mels, T)``, and 0 to 1, ``(B, 1, T)``.
        """
        # Within bounds that no sound reaches, so that sums are neither 0 nor infinite.
        amplitude = mel.clamp(-MAX_LEVEL, MAX_LEVEL).exp().sum(dim=1, keepdim=True).sqrt()
        steps = (mel[:, 2:] - 2 * mel[:, 1:-1] + mel[:, :-2]).abs().mean(dim=1, keepdim=True)
        # All sums at once: for short mels, the number of operators is what costs time.
        sums = self._recent(torch.cat([mel, amplitude * steps, amplitude, torch.ones_like(amplitude)], dim=1))
        total, rough, weight, count = sums[:, :-3], sums[:, -3:-2], sums[:, -2:-1], sums[:, -1:]
        options = self.options
        share = ((options.sharp - rough / weight) / (options.sharp - options.blurred)).clamp(0, 1)
        return mel - total / count, share * (count >= MIN_FRAMES)

    def _recent(self, values: Tensor) -> Tensor:
        """Returns the sum of the last `window_frames` frames up to each: ``(B, C, T)`` -> same."""
        sums, n_summed = F.pad(values, (self.past_frames, 0)), 1
        while n_summed < self.options.window_frames:
            sums, n_summed = sums[:, :, n_summed:] + sums[:, :, :-n_summed], 2 * n_summed
        return sums


def build_postfilter(n_mels: int, options: config.Postfilter) -> LinearPostfilter | AdaptivePostfilter:
    """Returns a new postfilter, which changes nothing."""
    if isinstance(options, config.AdaptivePostfilter):
        return AdaptivePostfilter(n_mels, options)
    return LinearPostfilter(n_mels)
