"""The ISTFT head over frames by bins: no transposes, and the overlap-add is one sum over a view of the frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..contrast import contrasted
from ..heads import MAX_MAGNITUDE, AmplitudePrior, ISTFTHead
from ..mel.compression import expand
from ..refinement import MOMENTUM, ahead, gain, least_power
from ..spectral import ENVELOPE_FLOOR, frame_padding, output_length
from .onednn import Linear

# Spectra at once: so many stay in the processor's caches between two steps.
ROWS = 256


class Wanted(NamedTuple):
    """What `gain` has to know of some frames."""

    magnitude: Tensor
    least: Tensor


class FastISTFT:
    """What `ISTFTHead` computes, for one item: hidden ``(T, dim)``, features ``(C, T)`` -> audio ``(N,)``.

    Args:
        head: whose weights are taken.
        dtype: of its linear layer.
    """

    def __init__(self, head: ISTFTHead, dtype: torch.dtype = torch.float32) -> None:
        self.head = head
        self.dtype = dtype
        weight, bias = head.out.weight.detach().to(dtype), head.out.bias.detach().to(dtype)
        # Apart, as exponentials and sines of every second part of a row take twice as long.
        self.log_magnitude, self.phase = map(Linear, weight.chunk(2), bias.chunk(2))
        self.prior = None if head.prior is None else FastPrior(head.prior)
        n_fft, hop_length = head.options.n_fft, head.options.hop_length
        self.window = head.istft.window
        self.overlap = n_fft // hop_length
        self.power = self.window.square().view(self.overlap, hop_length)

    def __call__(self, hidden: Tensor, features: Tensor) -> Tensor:
        options, n_frames = self.head.options, len(hidden)
        n_samples = output_length(n_frames, options.hop_length, options.framing)
        if n_samples == 0:
            return hidden.new_zeros(0)
        left, _ = frame_padding(options.n_fft, options.hop_length, options.framing)
        weights = self._weights(n_frames)
        # Of what lies outside the forward transform knows nothing.
        weights.view(-1)[:left] = weights.view(-1)[left + n_samples :] = 0.0
        # One for all passes: pages that are given back after each would have to be cleared anew. Those at both ends
        # stay empty, so that what meets in a hop is at equal steps.
        frames = hidden.new_zeros(min(ROWS, n_frames) + 2 * (self.overlap - 1), options.n_fft)
        wanted: list[Wanted] = []
        signal = self._signal(self._spectra(hidden, features, wanted), weights, frames)
        previous: Tensor | None = None
        for _ in range(options.refinement_steps):
            restored = self._restored(ahead(signal, previous, MOMENTUM), wanted, frames)
            previous, signal = signal, self._signal(restored, weights, frames)
        return signal[left : left + n_samples]

    def _restored(self, signal: Tensor, wanted: list[Wanted], frames: Tensor) -> Iterator[Tensor]:
        """Spectra ``(t, F)`` of a signal's phases and of these magnitudes."""
        pieces = torch.split(signal.unfold(0, self.head.options.n_fft, self.head.options.hop_length), ROWS)
        for piece, (magnitude, least) in zip(pieces, wanted, strict=True):
            rows = frames[self.overlap - 1 : self.overlap - 1 + len(piece)]
            spectrum = torch.fft.rfft(torch.mul(piece, self.window, out=rows), dim=1)
            yield spectrum.mul_(gain(spectrum, magnitude, least))

    def _spectra(self, hidden: Tensor, features: Tensor, wanted: list[Wanted]) -> Iterator[Tensor]:
        """Complex ``(t, n_fft // 2 + 1)``, piece by piece; what a refinement wants of them is added to a list."""
        for start in range(0, len(hidden), ROWS):
            rows = slice(start, start + ROWS)
            given = hidden[rows].to(self.dtype)
            magnitude, phase = self.log_magnitude(given).float().exp_(), self.phase(given).float()
            if self.prior is not None:
                magnitude.mul_(self.prior(features[:, rows]))
            magnitude = contrasted(magnitude.clamp_max_(MAX_MAGNITUDE), self.head.options, dim=1)
            if self.head.options.refinement_steps:
                wanted.append(Wanted(magnitude, least_power(magnitude)))
            yield torch.complex(phase.cos().mul_(magnitude), phase.sin_().mul_(magnitude))

    def _signal(self, spectra: Iterable[Tensor], weights: Tensor, frames: Tensor) -> Tensor:
        """Spectra ``(t, F)`` to the weighted sum of their frames, all the samples that a frame reaches."""
        n_fft, hop_length = self.head.options.n_fft, self.head.options.hop_length
        around = self.overlap - 1
        total, start = torch.zeros_like(weights), 0
        for spectrum in spectra:
            n_hops = around + len(spectrum)
            torch.mul(torch.fft.irfft(spectrum, n_fft, dim=1), self.window, out=frames[around:n_hops])
            if n_hops + around < len(frames):  # fewer than before
                frames[n_hops : n_hops + around] = 0.0
            meeting = (n_hops, self.overlap, hop_length), (n_fft, n_fft - hop_length, 1), around * hop_length
            total[start : start + n_hops].add_(frames.as_strided(*meeting).sum(dim=1))
            start += len(spectrum)
        return total.mul_(weights).flatten()

    def _weights(self, n_frames: int) -> Tensor:
        """What brings a sum of frames to the level of one, ``(n_frames + overlap - 1, hop_length)``."""
        envelope = self.power.new_zeros(n_frames + self.overlap - 1, self.power.shape[1])
        for shift, part in enumerate(self.power):
            envelope[shift : shift + n_frames].add_(part)
        return envelope.clamp_min_(ENVELOPE_FLOOR).reciprocal_()


class FastPrior:
    """`AmplitudePrior.magnitude` of one item's features: ``(C, T)`` -> ``(T, n_fft // 2 + 1)``."""

    def __init__(self, prior: AmplitudePrior) -> None:
        self.prior = prior
        self.inverse = Linear(prior.inverse, None)

    def __call__(self, features: Tensor) -> Tensor:
        return self.prior.bounded(self.inverse(expand(features, self.prior.mel).t().contiguous()))


def supports(module: nn.Module) -> bool:
    """Whether a head can be computed so: an ISTFT whose frames overlap by whole hops, in float32."""
    return (
        isinstance(module, ISTFTHead)
        and module.options.n_fft % module.options.hop_length == 0
        and module.out.weight.dtype == torch.float32
    )
