"""Approximate conversion of mels to a convention with other bands, frames or sample rate.

A mel holds the sum over a group of frequency bins, not each bin. The conversion therefore

1. undoes the logarithm;
2. distributes each band over its bins, without negative values and so that the bands are reproduced. This is the
   Richardson-Lucy iteration, which minimizes the Kullback-Leibler divergence and keeps the energy;
3. resamples the bins along frequency and the frames along time;
4. applies the other filterbank.

`benchmarks/alignment.py` compares it with the usual method, a clamped pseudo-inverse.
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

ITERATIONS = 10  # more bring no gain on speech
TINY = 1e-12
FRAMES_AT_ONCE = 4096  # bins take six times the memory of bands
# Frames are averaged rather than interpolated if the target's window is longer by this many frames of spread.
MIN_SPREAD = 0.35
SPREADS = 3  # how far a Gaussian average reaches, in standard deviations


class MelProjection:
    """Converts mels ``(B, n_mels, T)`` of ``source`` into mels ``(B, n_mels', T')`` of ``target``, in float64.

    The ``T'`` frames cover the same `n_samples` as the source's frames.
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
        """Returns the target's linear bands at the source's frames."""
        linear = expand(mel.double(), self.source)
        bins = spread_over_bins(linear, self.weights.to(mel.device))
        if self.source.power == 2:
            bins = bins.sqrt()
        # `to_target` maps magnitudes, whatever the power of the two mels.
        bins = torch.matmul(self.to_target.to(mel.device), bins)
        if self.target.power == 2:
            bins = bins.square()
        return torch.matmul(self.target.filterbank().to(bins).T, bins)

    def n_samples(self, n_frames: int) -> int:
        """Returns how many samples, at the target's rate, ``n_frames`` of the source's frames cover."""
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
        if self.spread > MIN_SPREAD:
            # A longer window adds up energy, so squares are averaged.
            return _average(mel.square(), position, self.spread).sqrt()
        # Speech rises and falls exponentially, and a cubic through logarithms cannot go below zero.
        return _interpolate(mel.clamp_min(TINY).log(), position).exp()


def first_frame(convention: MelConvention) -> int:
    """Returns the sample in the middle of frame 0."""
    left, _ = frame_padding(convention.n_fft, convention.hop_length, convention.framing)
    return convention.n_fft // 2 - left


def known_bands(source: MelConvention, target: MelConvention) -> Tensor:
    """Returns which of the target's bands have their centre inside the source's band range: bool ``(n_mels',)``."""
    weights = target.filterbank().double()
    frequency = torch.arange(len(weights), dtype=torch.float64) * target.sample_rate / target.n_fft
    centre = (weights * frequency[:, None]).sum(0) / weights.sum(0).clamp_min(TINY)
    empty = weights.sum(0) == 0  # a band narrower than a bin is empty in both conventions
    return empty | ((centre >= source.f_min) & (centre <= top_frequency(source)))


def spread_over_bins(linear: Tensor, weights: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Distributes bands over bins: non-negative, reproducing the bands, and as smooth as they allow.

    Args:
        linear: mel, ``(B, n_mels, T)``, float64.
        weights: filterbank, ``(F, n_mels)``, float64.
        iterations: Richardson-Lucy steps, starting from each band's mean density.

    Shape: ``(B, F, T)``; 0 in bins that no band covers.
    """
    per_bin = weights.sum(1, keepdim=True).clamp_min(TINY)
    bins = torch.matmul(weights, linear / weights.sum(0)[:, None].clamp_min(TINY)) / per_bin
    for _ in range(iterations):
        # Multiplicative steps keep every bin non-negative, which a pseudo-inverse does not.
        ratio = linear / torch.matmul(weights.T, bins).clamp_min(TINY)
        bins = bins * torch.matmul(weights, ratio) / per_bin
    return bins


def _bin_mapping(source: MelConvention, target: MelConvention) -> Tensor:
    """Returns the map from magnitudes at the source's bins to the target's, ``(F', F)``.

    Rows of bins above the source's Nyquist frequency are zero.
    """
    frequency = torch.arange(target.n_fft // 2 + 1, dtype=torch.float64) * target.sample_rate / target.n_fft
    position = frequency * source.n_fft / source.sample_rate
    distance = (position[:, None] - torch.arange(source.n_fft // 2 + 1, dtype=torch.float64)).abs()
    # Linear interpolation between the two nearest bins, as a matrix.
    mapping = (1 - distance).clamp_min(0.0)
    # A pre-emphasis near 1 has hardly any gain at 0 Hz; the bound keeps its inverse from magnifying noise there.
    emphasis = _emphasis(target, frequency) / _emphasis(source, frequency).clamp_min(1e-2)
    return mapping * emphasis[:, None] * noise_gain(source, target)


def noise_gain(source: MelConvention, target: MelConvention) -> float:
    """Returns the ratio of the magnitudes of white noise in two conventions, from their windows and sample rates.

    The magnitude of a tone follows the window's sum instead. Speech lies between the two, and on speech the factor for
    noise has the smaller error.
    """

    def power(convention: MelConvention) -> float:
        return convention.sample_rate * float(make_window(convention).double().square().sum())

    return math.sqrt(power(target) / power(source))


def _emphasis(convention: MelConvention, frequency: Tensor) -> Tensor:
    """Returns the gain of a convention's pre-emphasis at frequencies in Hz."""
    angle = 2 * torch.pi * frequency / convention.sample_rate
    return (1 - convention.pre_emphasis * torch.polar(torch.ones_like(angle), -angle)).abs()


def _spread_in_frames(source: MelConvention, target: MelConvention) -> float:
    """Returns how much longer the target's window averages: a standard deviation in frames of the source."""

    def spread_s(convention: MelConvention) -> float:
        power = make_window(convention).double().square()
        place = torch.arange(len(power), dtype=torch.float64)
        middle = (power * place).sum() / power.sum()
        return float(((power * (place - middle) ** 2).sum() / power.sum()).sqrt()) / convention.sample_rate

    longer = spread_s(target) ** 2 - spread_s(source) ** 2
    return math.sqrt(max(0.0, longer)) * source.sample_rate / source.hop_length


def _interpolate(values: Tensor, position: Tensor) -> Tensor:
    """Interpolates frames ``(..., T)`` at positions ``(T',)`` by Catmull-Rom cubics, with the ends held."""
    base = position.floor().long()
    # Catmull-Rom: the cubic through the two nearest frames, with the slopes that their neighbours imply.
    t = position - base
    weights = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    return _weighted_frames(values, base - 1, weights)


def _average(values: Tensor, position: Tensor, spread: float) -> Tensor:
    """Averages frames around positions with a Gaussian whose standard deviation is ``spread`` frames."""
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
