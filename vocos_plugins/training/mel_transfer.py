"""A model's first and last layer for another mel, so that a training begins with what the other layers know."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from ..mel import MelConvention, MelSpectrogram
from ..mel.difference import differences
from ..mel.projection import level
from ..mel.speech import CLIPS
from ..storage.audio import read_mono

# What changes no band: half a hop is the head's own affair, and guards count only where there is nothing to hear.
LEFT = {"framing", "guard", "guard_value"}
RIDGE = 2e-3  # of the bands' mean variance; a fifth and five times of it came out alike


def reads_otherwise(own: MelConvention, wanted: MelConvention) -> bool:
    """Whether a layer for one mel misreads the other's bands."""
    return any(each.field not in LEFT and each.severity != "negligible" for each in differences(wanted, own))


def translate_input(
    weight: Tensor, bias: Tensor, own: MelConvention, wanted: MelConvention
) -> tuple[Tensor, Tensor, float]:
    """Puts before a convolution the linear map from the wanted mel's bands to its own.

    The map is the least squares' over both mels of the shipped clips, frame by frame.

    Args:
        weight, bias: of the convolution over ``own``, ``(C, own.n_mels, K)`` and ``(C,)``.
        own, wanted: the mel that it reads, and the one that it shall read.

    Returns:
        weight ``(C, wanted.n_mels, K)``, bias, and the map's mean error in the values of ``own``.

    Raises:
        ValueError: ``own`` has no frames as far apart in seconds as the wanted mel's.
    """
    found, target = _mels(own, wanted)
    x, y = found - found.mean(0), target - target.mean(0)
    start = x.new_zeros(own.n_mels, wanted.n_mels)
    if own.n_mels == wanted.n_mels:  # each band by itself, as of another logarithm
        start = torch.eye(own.n_mels, dtype=torch.float64) * (x * y).sum() / x.square().sum()
    covariance = x.T @ x / len(x)
    ridge = RIDGE * covariance.trace() / wanted.n_mels
    left = covariance + ridge * torch.eye(wanted.n_mels, dtype=torch.float64)
    change = torch.linalg.solve(left, x.T @ (y - x @ start.T) / len(x)).T
    bands = start + change
    offset = target.mean(0) - bands @ found.mean(0)
    error = float((found @ bands.T + offset - target).abs().mean())
    exact = weight.double()
    # Beyond a mel's ends the convolution meets zeros, which the offset doesn't suit: the first frames are a little off.
    return (
        torch.einsum("cok,oi->cik", exact, bands).to(weight),
        (bias.double() + torch.einsum("cok,o->c", exact, offset)).to(bias),
        error,
    )


def translate_output(
    weight: Tensor, bias: Tensor, own: MelConvention, wanted: MelConvention, n_fft: int, *, prior: bool
) -> tuple[Tensor, Tensor]:
    """Moves the rows of an inverse-STFT head's layer to the bins of another grid.

    Log magnitudes go by frequency, interpolated; phases, whose steps from frame to frame go by the bin's part of the
    sample rate, by that. From 22.05 to 16 kHz this took the bundled model's PESQ from 1.1 to 3.3.

    Args:
        weight, bias: ``(own n_fft + 2, C)`` and ``(own n_fft + 2,)``, magnitudes first.
        own, wanted: the mel of the model, and the one that it shall read.
        n_fft: of the head that is wanted.
        prior: magnitudes are residuals over the mel's own. Where the wanted mel knows bins that ``own`` doesn't, they
            are left out: there the model has learnt to make up for nothing, and would be far too loud.

    Returns:
        weight ``(n_fft + 2, C)`` and bias.
    """
    n_own, n_bins = len(bias) // 2, n_fft // 2 + 1
    bins = torch.arange(n_bins, dtype=torch.float64)
    part = bins * (n_own - 1) / (n_bins - 1)
    place = (part * wanted.sample_rate / own.sample_rate).clamp_max(n_own - 1)
    below = place.floor().long().clamp_max(n_own - 2)
    share = (place - below).to(weight)
    known = _covered(own, place / (n_own - 1)) | ~_covered(wanted, bins / (n_bins - 1))

    def move(rows: Tensor) -> Tensor:
        magnitudes, phases = rows[:n_own], rows[n_own:]
        above = share.view(-1, *[1] * (rows.dim() - 1))
        moved = magnitudes[below].lerp(magnitudes[below + 1], above)
        if prior:
            moved = moved * known.view_as(above)
        return torch.cat([moved, phases[part.round().long()]])

    weight, bias = move(weight), move(bias)
    if not prior:
        bias[:n_bins] += math.log(level(own, wanted))
    return weight, bias


def _covered(mel: MelConvention, place: Tensor) -> Tensor:
    """Whether a mel's bands hold anything at places from 0 to 1, which is half its sample rate."""
    weights = mel.filterbank().sum(dim=1)
    return weights[(place * (len(weights) - 1)).round().long()] > 0


def _mels(own: MelConvention, wanted: MelConvention) -> tuple[Tensor, Tensor]:
    """Frames of the wanted mel and of its own at the same times: ``(T, wanted.n_mels)``, ``(T, own.n_mels)``."""
    hop_length = round(wanted.hop_length * own.sample_rate / wanted.sample_rate)
    paced = dataclasses.replace(own, framing=wanted.framing, hop_length=hop_length)
    pairs = []
    for clip in CLIPS:
        pair = []
        for mel in (wanted, paced):
            pair.append(MelSpectrogram(mel)(read_mono(clip.path, mel.sample_rate))[0].double())
        n_frames = min(each.shape[1] for each in pair)
        pairs.append([each[:, :n_frames].T for each in pair])
    found, target = (torch.cat(list(each)) for each in zip(*pairs, strict=True))
    return found, target
