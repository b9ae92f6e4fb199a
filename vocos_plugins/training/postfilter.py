"""Fits a postfilter: the linear map that gives predicted mels the mean and the covariance of recordings' mels.

Of all such maps it moves mels the least: the optimal transport between two normal distributions (Knott and Smith, 1984;
Peyre and Cuturi, arXiv 1803.00567, remark 2.31). It is found in closed form, from a few minutes of speech, and the
sentences of both sides need not be the same. Nor need the voice: what mels of any voice have in common, the covariance
within a recording, gives most of the gain, and the predicted mels keep their own mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Added to every variance, as a share of the mean variance: it keeps directions that a model never uses from becoming
# loud. 0.0001 to 0.01 sound alike (recipes/tts's SpeechBrain model: DistillMOS 3.16, 3.25 and 3.19).
SHRINKAGE = 1e-3
# Frames per band that are needed on each side. Covariances of fewer are mostly chance.
FRAMES_PER_BAND = 10
# Of a map that all models share. 1 gains 0.1 DistillMOS more on the mels of recipes/tts, and loses 0.3 on recordings'
# mels that were blurred by a band; 0.8 the reverse (docs/training-log.md).
STRENGTH = 0.9


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
        self._means = torch.zeros(n_mels, n_mels, dtype=torch.float64)  # of each mel, times themselves

    def add(self, mel: Tensor) -> None:
        """Adds the frames of a mel ``(n_mels, T)``."""
        frames = mel.detach().cpu().double()
        total = frames.sum(dim=1)
        self.n_frames += frames.shape[1]
        self._sum += total
        self._products += frames @ frames.T
        self._means += torch.outer(total, total) / max(1, frames.shape[1])

    @property
    def mean(self) -> Tensor:
        """``(n_mels,)``."""
        return self._sum / self.n_frames

    @property
    def covariance(self) -> Tensor:
        """``(n_mels, n_mels)``."""
        return self._products / self.n_frames - torch.outer(self.mean, self.mean)

    @property
    def covariance_within(self) -> Tensor:
        """``(n_mels, n_mels)``: about each mel's own mean, which a voice and a microphone determine."""
        return (self._products - self._means) / self.n_frames


def fit_postfilter(
    predicted: Moments, recorded: Moments, *, same_voice: bool = True, shrinkage: float = SHRINKAGE
) -> LinearMap:
    """Fits the postfilter that `Vocos.set_postfilter` takes.

    Args:
        predicted: of the mels that an acoustic model predicts, in the convention of the vocoder's mel.
        recorded: of recordings, in the same convention. Different sentences need more of both sides: with 10 sentences
            they should be the same, with 100 it makes little difference.
        same_voice: whether the recordings are of the voice that the acoustic model predicts. Otherwise the predicted
            mels keep their mean, and their covariance about each mel's mean becomes the recordings'.
        shrinkage: added to every variance, as a share of the side's mean variance.

    Raises:
        ValueError: a side has too few frames, or no variance.
    """
    _check_frames(predicted, recorded)
    sides = (predicted, recorded)
    covariances = [side.covariance if same_voice else side.covariance_within for side in sides]
    weight = _transport(*(_shrunk(covariance, shrinkage) for covariance in covariances))
    wanted = recorded.mean if same_voice else predicted.mean
    return LinearMap(weight.float(), (wanted - weight @ predicted.mean).float())


def fit_shared_postfilter(
    predicted: Sequence[Moments], recorded: Moments, *, strength: float = STRENGTH, shrinkage: float = SHRINKAGE
) -> Tensor:
    """Fits the weight of an adaptive postfilter that serves many acoustic models: the mean of the map of each.

    Args:
        predicted: for each acoustic model, of the first of `network.postfilter.AdaptivePostfilter.parts` of its mels.
        recorded: the same of recordings.
        strength: exponent of the mean; 1 for all of it.
        shrinkage: as for `fit_postfilter`.

    Shape: ``(n_mels, n_mels)``, float32.

    Raises:
        ValueError: as for `fit_postfilter`.
    """
    for moments in predicted:
        _check_frames(moments, recorded)
    after = _shrunk(recorded.covariance, shrinkage)
    maps = [_transport(_shrunk(moments.covariance, shrinkage), after) for moments in predicted]
    return _power(torch.stack(maps).mean(dim=0), strength).float()


def _check_frames(predicted: Moments, recorded: Moments) -> None:
    needed = FRAMES_PER_BAND * len(predicted.mean)
    for name, moments in (("predicted mels", predicted), ("recordings", recorded)):
        if moments.n_frames < needed:
            raise ValueError(f"the {name} have {moments.n_frames} frames, expected at least {needed}: add sentences")


def _transport(before: Tensor, after: Tensor) -> Tensor:
    """Returns the symmetric matrix that turns a covariance into another: the optimal transport."""
    root, inverse = _power(before, 0.5), _power(before, -0.5)
    return inverse @ _power(root @ after @ root, 0.5) @ inverse


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
