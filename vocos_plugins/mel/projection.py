"""From the mels of one convention to those of another that has other bands, frames or rate: an approximation.

A mel says what a group of frequency bins holds together, not each of them. So the way is: undo the logarithm, share
each band out over its bins without negative values and so that the bands come out right again (Richardson and Lucy's
iteration, which minimizes the Kullback-Leibler distance and keeps the energy), resample the bins along frequency and
the frames along time, and apply the other filterbank. `benchmarks/alignment.py` compares it with the clamped
pseudo-inverse that is usual.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..spectral import frame_padding, output_length
from .compression import compress, expand
from .convention import MelConvention
from .difference import top_frequency
from .spectrogram import make_window

ITERATIONS = 10  # no better after them on speech
TINY = 1e-12
FRAMES_AT_ONCE = 4096  # bins take six times the room of bands
# Frames are averaged, not interpolated, where the other window is longer by a spread of this many frames.
LEAST_SPREAD = 0.35
SPREADS = 3  # how far a Gaussian average reaches


class MelProjection:
    """Callable on mels ``(B, n_mels, T)`` of ``source``; gives those of ``target``, ``(B, n_mels', T')``, in float64.

    ``T'`` frames cover the `n_samples` that the source's stand for.
    """

    def __init__(self, source: MelConvention, target: MelConvention) -> None:
        self.source, self.target = source, target
        self.weights = source.filterbank().double()
        self.to_target = _bin_mapping(source, target)
        self.spread = _spread_in_frames(source, target)

    def __call__(self, mel: Tensor) -> Tensor:
        bands = torch.cat([self._project(piece) for piece in torch.split(mel, FRAMES_AT_ONCE, dim=-1)], dim=-1)
        return compress(self._resample(bands), self.target)

    def _project(self, mel: Tensor) -> Tensor:
        """The target's linear bands of the source's frames."""
        linear = expand(mel.double(), self.source)
        bins = spread_over_bins(linear, self.weights.to(mel.device))
        if self.source.power == 2:
            bins = bins.sqrt()
        bins = torch.matmul(self.to_target.to(mel.device), bins)
        if self.target.power == 2:
            bins = bins.square()
        return torch.matmul(self.target.filterbank().to(bins).T, bins)

    def n_samples(self, n_frames: int) -> int:
        """Samples at the target's rate that ``n_frames`` of the source's frames stand for."""
        n_source = output_length(n_frames, self.source.hop_length, self.source.framing)
        return round(n_source * self.target.sample_rate / self.source.sample_rate)

    def _resample(self, mel: Tensor) -> Tensor:
        n_frames = -(-self.n_samples(mel.shape[-1]) // self.target.hop_length)
        n_frames += 1 if self.target.framing == "center" else 0
        seconds = (
            torch.arange(n_frames, dtype=torch.float64, device=mel.device) * self.target.hop_length
            + first_frame(self.target)
        ) / self.target.sample_rate
        position = (seconds * self.source.sample_rate - first_frame(self.source)) / self.source.hop_length
        if self.spread > LEAST_SPREAD:
            return _average(mel.square(), position, self.spread).sqrt()
        return _interpolate(mel.clamp_min(TINY).log(), position).exp()


def first_frame(convention: MelConvention) -> int:
    """The sample in the middle of frame 0."""
    left, _ = frame_padding(convention.n_fft, convention.hop_length, convention.framing)
    return convention.n_fft // 2 - left


def known_bands(source: MelConvention, target: MelConvention) -> Tensor:
    """Which of the target's bands have their centre inside what the source's bands cover: bool ``(n_mels',)``."""
    weights = target.filterbank().double()
    frequency = torch.arange(len(weights), dtype=torch.float64) * target.sample_rate / target.n_fft
    centre = (weights * frequency[:, None]).sum(0) / weights.sum(0).clamp_min(TINY)
    empty = weights.sum(0) == 0  # a band narrower than a bin holds nothing in either
    return empty | ((centre >= source.f_min) & (centre <= top_frequency(source)))


def spread_over_bins(linear: Tensor, weights: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Bins whose bands are ``linear``, none negative, as smooth as the bands allow.

    Args:
        linear: mel, ``(B, n_mels, T)``, float64.
        weights: filterbank, ``(F, n_mels)``, float64.
        iterations: of Richardson and Lucy, from the bands' own densities.

    Shape: ``(B, F, T)``; 0 in bins that no band covers.
    """
    per_bin = weights.sum(1, keepdim=True).clamp_min(TINY)
    bins = torch.matmul(weights, linear / weights.sum(0)[:, None].clamp_min(TINY)) / per_bin
    for _ in range(iterations):
        ratio = linear / torch.matmul(weights.T, bins).clamp_min(TINY)
        bins = bins * torch.matmul(weights, ratio) / per_bin
    return bins


def _bin_mapping(source: MelConvention, target: MelConvention) -> Tensor:
    """Magnitudes at the target's bins from the source's, ``(F', F)``; nothing above what the source's bands cover."""
    frequency = torch.arange(target.n_fft // 2 + 1, dtype=torch.float64) * target.sample_rate / target.n_fft
    position = frequency * source.n_fft / source.sample_rate
    distance = (position[:, None] - torch.arange(source.n_fft // 2 + 1, dtype=torch.float64)).abs()
    mapping = (1 - distance).clamp_min(0.0)
    emphasis = _emphasis(target, frequency) / _emphasis(source, frequency).clamp_min(1e-2)
    return mapping * emphasis[:, None] * level(source, target)


def level(source: MelConvention, target: MelConvention) -> float:
    """What a window and a rate do to the magnitude of noise; that of a tone follows the window's sum instead.

    Speech lies between the two; on speech, the noise's factor comes out best.
    """

    def power(convention: MelConvention) -> float:
        return convention.sample_rate * float(make_window(convention).double().square().sum())

    return math.sqrt(power(target) / power(source))


def _emphasis(convention: MelConvention, frequency: Tensor) -> Tensor:
    """Gain of a convention's pre-emphasis at frequencies in Hz."""
    angle = 2 * torch.pi * frequency / convention.sample_rate
    return (1 - convention.pre_emphasis * torch.polar(torch.ones_like(angle), -angle)).abs()


def _spread_in_frames(source: MelConvention, target: MelConvention) -> float:
    """By how much the target's window averages longer than the source's: a standard deviation in source frames."""

    def spread_s(convention: MelConvention) -> float:
        power = make_window(convention).double().square()
        place = torch.arange(len(power), dtype=torch.float64)
        middle = (power * place).sum() / power.sum()
        return float(((power * (place - middle) ** 2).sum() / power.sum()).sqrt()) / convention.sample_rate

    longer = spread_s(target) ** 2 - spread_s(source) ** 2
    return math.sqrt(max(0.0, longer)) * source.sample_rate / source.hop_length


def _interpolate(values: Tensor, position: Tensor) -> Tensor:
    """Cubic (Catmull and Rom's) between frames, the ends held: ``(..., T)`` at positions ``(T',)`` -> ``(..., T')``."""
    base = position.floor().long()
    t = position - base
    weights = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    return _weighted_frames(values, base - 1, weights)


def _average(values: Tensor, position: Tensor, spread: float) -> Tensor:
    """Gaussian average around positions; ``spread`` is its standard deviation in frames."""
    reach = math.ceil(SPREADS * spread)
    base = position.round().long()
    offsets = range(-reach, reach + 1)
    weights = [torch.exp(-0.5 * ((base + offset - position) / spread) ** 2) for offset in offsets]
    total = torch.stack(weights).sum(0)
    return _weighted_frames(values, base - reach, [weight / total for weight in weights])


def _weighted_frames(values: Tensor, first: Tensor, weights: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    last = values.shape[-1] - 1
    result = values.new_zeros(*values.shape[:-1], len(first))
    for offset, weight in enumerate(weights):
        result += weight * values[..., (first + offset).clamp(0, last)]
    return result
