"""The losses of ``vocos.loss``, with the reference's sums over sub-discriminators and lists of their parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import safe_log
from .extractors import LinearMel


class MelSpecReconstructionLoss(nn.Module):
    """L1 distance of log mels.

    Args:
        sample_rate: Hz.
        n_fft, hop_length: samples.
        n_mels: bands.
    """

    def __init__(self, sample_rate: int = 24000, n_fft: int = 1024, hop_length: int = 256, n_mels: int = 100) -> None:
        super().__init__()
        self.mel_spec = LinearMel(sample_rate, n_fft, hop_length, n_mels, center=True)

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        return F.l1_loss(safe_log(self.mel_spec(y)), safe_log(self.mel_spec(y_hat)))


class GeneratorLoss(nn.Module):
    """Hinge loss of a generator: the sum ``(1,)`` over sub-discriminators, and the terms."""

    def forward(self, disc_outputs: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        terms = [F.relu(1 - score).mean() for score in disc_outputs]
        return torch.stack(terms).sum()[None], terms


class DiscriminatorLoss(nn.Module):
    """Hinge loss of discriminators: the sum ``(1,)``, the terms of real signals, and those of generated ones."""

    def forward(
        self, disc_real_outputs: Sequence[Tensor], disc_generated_outputs: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        pairs = list(zip(disc_real_outputs, disc_generated_outputs, strict=False))
        real = [F.relu(1 - score).mean() for score, _ in pairs]
        generated = [F.relu(1 + score).mean() for _, score in pairs]
        return torch.stack([*real, *generated]).sum()[None], real, generated


class FeatureMatchingLoss(nn.Module):
    """Sum ``(1,)`` of the L1 distances of all layer outputs."""

    def forward(self, fmap_r: Sequence[Sequence[Tensor]], fmap_g: Sequence[Sequence[Tensor]]) -> Tensor:
        terms = [
            F.l1_loss(generated, real)
            for of_real, of_generated in zip(fmap_r, fmap_g, strict=False)
            for real, generated in zip(of_real, of_generated, strict=False)
        ]
        return torch.stack(terms).sum()[None]
