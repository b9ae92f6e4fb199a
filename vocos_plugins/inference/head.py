"""The ISTFT head over frames by bins: no transposes, and the overlap-add is one sum over a view of the frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..contrast import contrasted
from ..heads import MAX_MAGNITUDE, AmplitudePrior, ISTFTHead
from ..mel.compression import expand
from ..refinement import ahead, gain, least_power
from ..spectral import ENVELOPE_FLOOR, frame_padding, output_length
from .frames import Frames
from .onednn import Linear

# Spectra at once: about so many stay in the processor's caches between two steps.
ROWS = 256


class Piece(NamedTuple):
    """Some of an item's frames, which they are, and what `gain` has to know of their spectra."""

    rows: slice
    frames: Frames
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
        pieces: list[Piece] = []
        signal = self._signal(self._begun(hidden, features, pieces), weights)
        before: Tensor | None = None
        for _ in range(options.refinement_steps):
            given, before = ahead(signal, before)
            signal = self._signal(self._refined(given, pieces), weights)
        return signal[left : left + n_samples]

    def _begun(self, hidden: Tensor, features: Tensor, pieces: list[Piece]) -> Iterator[Tensor]:
        """Each piece's sums of frames, hop by hop, of the predicted spectra; pieces to refine are added to a list."""
        frames: Frames | None = None
        length = piece_length(len(hidden))
        for start in range(0, len(hidden), length):
            rows = slice(start, start + length)
            spectra, magnitude = self._spectra(hidden[rows], features[:, rows])
            if frames is None or len(frames.frames) != len(spectra):
                frames = Frames(len(spectra), self.window, self.head.options.hop_length)
            if self.head.options.refinement_steps:
                pieces.append(Piece(rows, frames, magnitude, least_power(magnitude)))
            yield frames.hops(spectra)

    def _spectra(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predicted spectra of hidden states ``(t, dim)``, complex ``(t, n_fft // 2 + 1)``, and their magnitudes."""
        given = hidden.to(self.dtype)
        magnitude, phase = self.log_magnitude(given).float().exp_(), self.phase(given).float()
        if self.prior is not None:
            magnitude.mul_(self.prior(features))
        magnitude = contrasted(magnitude.clamp_max_(MAX_MAGNITUDE), self.head.options, dim=1)
        return torch.complex(phase.cos().mul_(magnitude), phase.sin_().mul_(magnitude)), magnitude

    def _refined(self, signal: Tensor, pieces: list[Piece]) -> Iterator[Tensor]:
        """Each piece's sums of frames, of a signal's phases and of the predicted magnitudes."""
        framed = signal.unfold(0, self.head.options.n_fft, self.head.options.hop_length)
        for piece in pieces:
            spectra = piece.frames.spectra(framed[piece.rows])
            yield piece.frames.hops(spectra.mul_(gain(spectra, piece.magnitude, piece.least)))

    def _signal(self, sums: Iterator[Tensor], weights: Tensor) -> Tensor:
        """The weighted sum of pieces' sums: all the samples that a frame reaches."""
        n_frames = len(weights) - self.overlap + 1
        if piece_length(n_frames) == n_frames:
            return next(sums).mul_(weights).flatten()
        total, start = torch.zeros_like(weights), 0
        for hops in sums:
            total[start : start + len(hops)].add_(hops)
            start += len(hops) - self.overlap + 1
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


def piece_length(n_frames: int) -> int:
    """Frames of each piece of an item, but for the last, which may have some fewer; no piece is much shorter."""
    return -(-n_frames // max(1, round(n_frames / ROWS)))


def supports(module: nn.Module) -> bool:
    """Whether a head can be computed so: an ISTFT whose frames overlap by whole hops, in float32."""
    return (
        isinstance(module, ISTFTHead)
        and module.options.n_fft % module.options.hop_length == 0
        and module.out.weight.dtype == torch.float32
    )
