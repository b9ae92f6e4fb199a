"""Translation of a model's first and last layer to another mel, so that fine-tuning keeps what the others learned."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from ..mel import MelConvention, MelSpectrogram
from ..mel.difference import differences
from ..mel.projection import noise_gain
from ..mel.speech import CLIPS
from ..storage.audio import read_mono

# These change no band: the head takes care of half a hop, and guards matter only where there is silence.
IGNORED_FIELDS = {"framing", "guard", "guard_value"}
RIDGE = 2e-3  # share of the bands' mean variance; a fifth of it and five times as much made no difference


def needs_translation(own: MelConvention, wanted: MelConvention) -> bool:
    """Returns whether a layer that was trained on one mel would misread the bands of the other."""
    return any(each.field not in IGNORED_FIELDS and each.severity != "negligible" for each in differences(wanted, own))


def translate_input(
    weight: Tensor, bias: Tensor, own: MelConvention, wanted: MelConvention
) -> tuple[Tensor, Tensor, float]:
    """Folds the linear map from the wanted mel's bands to the model's own into a convolution.

    The map is a least-squares fit over both mels of the shipped clips, frame by frame.

    Args:
        weight, bias: of the convolution over ``own``, ``(C, own.n_mels, K)`` and ``(C,)``.
        own, wanted: the mel that the convolution was trained on, and the one that it should read.

    Returns:
        weight ``(C, wanted.n_mels, K)``, bias, and the map's mean error in units of ``own``.

    Raises:
        ValueError: ``own`` cannot have a hop as long in seconds as the wanted mel's.
    """
    source, target = _mels(own, wanted)
    x, y = source - source.mean(0), target - target.mean(0)
    start = x.new_zeros(own.n_mels, wanted.n_mels)
    # The ridge pulls towards a plain rescaling of each band if there are as many bands, as for another logarithm.
    if own.n_mels == wanted.n_mels:
        start = torch.eye(own.n_mels, dtype=torch.float64) * (x * y).sum() / x.square().sum()
    covariance = x.T @ x / len(x)
    ridge = RIDGE * covariance.trace() / wanted.n_mels
    left = covariance + ridge * torch.eye(wanted.n_mels, dtype=torch.float64)
    # A regression of what the starting map leaves over: the ridge then pulls towards that map, and not to 0.
    change = torch.linalg.solve(left, x.T @ (y - x @ start.T) / len(x)).T
    bands = start + change
    offset = target.mean(0) - bands @ source.mean(0)
    error = float((source @ bands.T + offset - target).abs().mean())
    exact = weight.double()
    # The convolution pads a mel with zeros, to which the offset doesn't apply: the frames at the ends are slightly off.
    return (
        torch.einsum("cok,oi->cik", exact, bands).to(weight),
        (bias.double() + torch.einsum("cok,o->c", exact, offset)).to(bias),
        error,
    )


def translate_output(
    weight: Tensor, bias: Tensor, own: MelConvention, wanted: MelConvention, n_fft: int, *, prior: bool
) -> tuple[Tensor, Tensor]:
    """Moves the rows of an inverse-STFT head's layer to the bins of another grid.

    Log magnitudes are interpolated by frequency. Phases are moved by normalized frequency (the bin's share of the
    sample rate), since that sets their steps from frame to frame. From 22.05 to 16 kHz this raised the bundled model's
    PESQ from 1.1 to 3.3.

    Args:
        weight, bias: ``(own n_fft + 2, C)`` and ``(own n_fft + 2,)``, magnitudes first.
        own, wanted: the mel that the model was trained on, and the one that it should read.
        n_fft: FFT size of the new head.
        prior: whether magnitudes are residuals over the mel's own. They are then 0 in bins that the wanted mel covers
            and ``own`` doesn't: there the model has learned to make up for a missing prior, and would be far too loud.

    Returns:
        weight ``(n_fft + 2, C)`` and bias.
    """
    n_own, n_bins = len(bias) // 2, n_fft // 2 + 1
    bins = torch.arange(n_bins, dtype=torch.float64)
    normalized = bins * (n_own - 1) / (n_bins - 1)
    position = (normalized * wanted.sample_rate / own.sample_rate).clamp_max(n_own - 1)
    below = position.floor().long().clamp_max(n_own - 2)
    share = (position - below).to(weight)
    known = _covered(own, position / (n_own - 1)) | ~_covered(wanted, bins / (n_bins - 1))

    def move(rows: Tensor) -> Tensor:
        magnitudes, phases = rows[:n_own], rows[n_own:]
        above = share.view(-1, *[1] * (rows.dim() - 1))
        moved = magnitudes[below].lerp(magnitudes[below + 1], above)
        if prior:
            moved = moved * known.view_as(above)
        # A phase is defined up to a full turn only, so rows of neighbouring bins cannot be interpolated.
        return torch.cat([moved, phases[normalized.round().long()]])

    weight, bias = move(weight), move(bias)
    if not prior:
        # A prior brings the level of the new window and sample rate along; without one the bias has to.
        bias[:n_bins] += math.log(noise_gain(own, wanted))
    return weight, bias


def _covered(mel: MelConvention, position: Tensor) -> Tensor:
    """Returns whether a mel's bands cover frequencies given as shares, 0 to 1, of half its sample rate."""
    weights = mel.filterbank().sum(dim=1)
    return weights[(position * (len(weights) - 1)).round().long()] > 0


def _mels(own: MelConvention, wanted: MelConvention) -> tuple[Tensor, Tensor]:
    """Returns frames of both mels at the same times: ``(T, wanted.n_mels)`` and ``(T, own.n_mels)``."""
    # The model's own mel, with the wanted one's framing and its hop in seconds, so that frames pair up.
    hop_length = round(wanted.hop_length * own.sample_rate / wanted.sample_rate)
    paced = dataclasses.replace(own, framing=wanted.framing, hop_length=hop_length)
    pairs = []
    for clip in CLIPS:
        pair = []
        for mel in (wanted, paced):
            pair.append(MelSpectrogram(mel)(read_mono(clip.path, mel.sample_rate))[0].double())
        n_frames = min(each.shape[1] for each in pair)
        pairs.append([each[:, :n_frames].T for each in pair])
    source, target = (torch.cat(list(each)) for each in zip(*pairs, strict=True))
    return source, target
