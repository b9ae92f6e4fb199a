"""Fits a postfilter: the linear map that gives predicted mels the mean and the covariance of recordings' mels.

Of all such maps it moves mels the least: the optimal transport between two normal distributions (Knott and Smith, 1984;
Peyre and Cuturi, arXiv 1803.00567, remark 2.31). It is found in closed form, from a few minutes of speech, and the
sentences of both sides need not be the same.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Added to every variance, as a share of the mean variance: it keeps directions that a model never uses from becoming
# loud. 0.0001 to 0.01 sound alike (recipes/tts's SpeechBrain model: DistillMOS 3.16, 3.25 and 3.19).
SHRINKAGE = 1e-3
# Frames per band that are needed on each side. Covariances of fewer are mostly chance.
FRAMES_PER_BAND = 10


class LinearMap(NamedTuple):
    """A map of frames: ``weight`` ``(n_mels, n_mels)``, ``bias`` ``(n_mels,)``, both float32."""

    weight: Tensor
    bias: Tensor


class Moments:
    """Mean and covariance of the frames of any number of mels, in float64."""

    def __init__(self, n_mels: int) -> None:
        self.n_frames = 0
        self._sum = torch.zeros(n_mels, dtype=torch.float64)
        self._products = torch.zeros(n_mels, n_mels, dtype=torch.float64)

    def add(self, mel: Tensor) -> None:
        """Adds the frames of a mel ``(n_mels, T)``."""
        frames = mel.detach().cpu().double()
        self.n_frames += frames.shape[1]
        self._sum += frames.sum(dim=1)
        self._products += frames @ frames.T

    @property
    def mean(self) -> Tensor:
        """``(n_mels,)``."""
        return self._sum / self.n_frames

    @property
    def covariance(self) -> Tensor:
        """``(n_mels, n_mels)``."""
        return self._products / self.n_frames - torch.outer(self.mean, self.mean)


def fit_postfilter(predicted: Moments, recorded: Moments, *, shrinkage: float = SHRINKAGE) -> LinearMap:
    """Fits the postfilter that `Vocos.set_postfilter` takes.

    Args:
        predicted: of the mels that an acoustic model predicts, in the convention of the vocoder's mel.
        recorded: of recordings of the same voice, in the same convention. Different sentences need more of both sides:
            with 10 sentences they should be the same, with 100 it makes little difference.
        shrinkage: added to every variance, as a share of the side's mean variance.

    Raises:
        ValueError: a side has too few frames, or no variance.
    """
    n_mels = len(predicted.mean)
    needed = FRAMES_PER_BAND * n_mels
    for name, moments in (("predicted mels", predicted), ("recordings", recorded)):
        if moments.n_frames < needed:
            raise ValueError(f"the {name} have {moments.n_frames} frames, expected at least {needed}: add sentences")
    before, after = (_shrunk(moments.covariance, shrinkage) for moments in (predicted, recorded))
    root = _power(before, 0.5)
    inverse = _power(before, -0.5)
    weight = inverse @ _power(root @ after @ root, 0.5) @ inverse
    return LinearMap(weight.float(), (recorded.mean - weight @ predicted.mean).float())


def _shrunk(covariance: Tensor, shrinkage: float) -> Tensor:
    variance = covariance.diagonal().mean()
    if not variance > 0:
        raise ValueError("all frames of a side are the same; expected mels of speech")
    return covariance + shrinkage * variance * torch.eye(len(covariance), dtype=covariance.dtype)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Returns a power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    powers = values.clamp_min(torch.finfo(values.dtype).tiny).pow(exponent)
    power: Tensor = vectors * powers @ vectors.T
    return power
