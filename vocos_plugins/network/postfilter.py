"""A linear postfilter: gives mels that an acoustic model predicted the mean and the covariance of recordings' mels.

Models that minimize a distance predict means where detail can't be known: formants become flat, and the vocoder sounds
dull. `training.postfilter` fits the map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearPostfilter(nn.Module):
    """Multiplies the bands of each frame by a matrix and adds a bias: ``(B, n_mels, T)`` -> same.

    Both are buffers: they are fitted in closed form, and no optimizer changes them. A new one changes nothing.

    Attributes:
        weight: ``(n_mels, n_mels)``.
        bias: ``(n_mels,)``, in the unit of the mel.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.eye(n_mels))
        self.register_buffer("bias", torch.zeros(n_mels))

    def forward(self, mel: Tensor) -> Tensor:
        # In the mel's own precision: in bfloat16, the products of a band and its neighbours would not cancel.
        return self.weight.to(mel.dtype) @ mel + self.bias.to(mel.dtype)[:, None]
