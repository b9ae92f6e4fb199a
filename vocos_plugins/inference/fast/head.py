"""The ISTFT head over frames by bins: no transposes, and the overlap-add is one sum over a view of the frames.

A long item is computed in pieces of frames that stay in the processor's caches between two steps. Pieces exchange sums
of overlapping frames only, hop by hop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...mel.compression import expand
from ...network.heads import AmplitudePrior, ISTFTHead, polar
from ...network.refinement import magnitude_ratio, power_floor, refine
from ...spectral import ENVELOPE_FLOOR, frame_padding, output_length
from .onednn import Linear

# Frames of a piece: about this many spectra fit into the caches.
ROWS = 256


class FastISTFT:
    """Computes an `ISTFTHead` for one item: hidden ``(T, dim)``, features ``(C, T)`` -> audio ``(N,)``.

    Args:
        head: whose weights are copied.
        dtype: of its linear layer.
    """

    def __init__(self, head: ISTFTHead, dtype: torch.dtype = torch.float32) -> None:
        self.head = head
        self.dtype = dtype
        weight, bias = head.out.weight.detach().to(dtype), head.out.bias.detach().to(dtype)
        # Two layers: exponentials and sines over halves of rows, which are not contiguous, take twice as long.
        self.log_magnitude, self.phase = map(Linear, weight.chunk(2), bias.chunk(2))
        self.prior = None if head.prior is None else FastPrior(head.prior)
        n_fft, hop_length = head.options.n_fft, head.options.hop_length
        self.window = head.istft.window
        self.overlap = n_fft // hop_length
        self.power = self.window.square().view(self.overlap, hop_length)

    def __call__(self, hidden: Tensor, features: Tensor) -> Tensor:
        # Read once: another thread may call `set_refinement_steps` while this one decodes.
        options, n_frames = self.head.options, len(hidden)
        n_samples = output_length(n_frames, options.hop_length, options.framing)
        if n_samples == 0:
            return hidden.new_zeros(0)
        left, _ = frame_padding(options.n_fft, options.hop_length, options.framing)
        weights = self._weights(n_frames)
        # The forward transform of a pass sees zeros beyond the ends, not the samples that frames reach there.
        weights.view(-1)[:left] = weights.view(-1)[left + n_samples :] = 0.0
        # Filled by `_initial`, a generator that the first sum consumes: complete before the first pass reads it.
        pieces: list[HeadPiece] | None = [] if options.refinement_steps else None
        sums = refine(
            self._initial(hidden, features, pieces),
            lambda sums: self._signal(sums, weights),
            lambda signal: self._refined(signal, pieces or []),
            n_iter=options.refinement_steps,
        )
        return self._signal(sums, weights)[left : left + n_samples]

    def _initial(self, hidden: Tensor, features: Tensor, pieces: list[HeadPiece] | None) -> Iterator[Tensor]:
        """Yields each piece's sums of frames, hop by hop, of the predicted spectra; appends the pieces to refine."""
        frames: FrameBuffer | None = None
        length = piece_length(len(hidden))
        for start in range(0, len(hidden), length):
            rows = slice(start, start + length)
            spectra, magnitude = self._spectra(hidden[rows], features[:, rows])
            # Pieces of one length share a buffer: each pass over a piece overwrites it.
            if frames is None or len(frames.frames) != len(spectra):
                frames = FrameBuffer(len(spectra), self.window, self.head.options.hop_length)
            if pieces is not None:
                pieces.append(HeadPiece(rows, frames, magnitude, power_floor(magnitude)))
            yield frames.hops(spectra)

    def _spectra(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predicts spectra from hidden states ``(t, dim)``: complex ``(t, n_fft // 2 + 1)``, and their magnitudes."""
        inputs, options = hidden.to(self.dtype), self.head.options
        prior = None if self.prior is None else self.prior(features)
        log_magnitude, phase = self.log_magnitude(inputs).float(), self.phase(inputs).float()
        magnitude, cosine, sine = polar(
            log_magnitude, phase, prior, contrast=self.head.contrast, n_fft=options.n_fft, dim=1, in_place=True
        )
        return torch.complex(cosine.mul_(magnitude), sine.mul_(magnitude)), magnitude

    def _refined(self, signal: Tensor, pieces: list[HeadPiece]) -> Iterator[Tensor]:
        """Yields each piece's sums of frames, with a signal's phases and the predicted magnitudes."""
        framed = signal.unfold(0, self.head.options.n_fft, self.head.options.hop_length)
        for piece in pieces:
            spectra = piece.frames.spectra(framed[piece.rows])
            # A pass is bound by memory: writing over the spectrum takes half of the time.
            yield piece.frames.hops(spectra.mul_(magnitude_ratio(spectra, piece.magnitude, piece.floor)))

    def _signal(self, sums: Iterator[Tensor], weights: Tensor) -> Tensor:
        """Adds pieces' sums where they overlap and weights them: all the samples that a frame reaches."""
        n_frames = len(weights) - self.overlap + 1
        # A single piece overlaps with no other, so nothing needs to be cleared and added.
        if piece_length(n_frames) == n_frames:
            return next(sums).mul_(weights).flatten()
        total, start = torch.zeros_like(weights), 0
        for hops in sums:
            total[start : start + len(hops)].add_(hops)
            start += len(hops) - self.overlap + 1
        return total.mul_(weights).flatten()

    def _weights(self, n_frames: int) -> Tensor:
        """The inverse of the summed squared windows, ``(n_frames + overlap - 1, hop_length)``."""
        envelope = self.power.new_zeros(n_frames + self.overlap - 1, self.power.shape[1])
        for shift, part in enumerate(self.power):
            envelope[shift : shift + n_frames].add_(part)
        return envelope.clamp_min_(ENVELOPE_FLOOR).reciprocal_()


class FrameBuffer:
    """A piece's windowed frames between the two transforms, in memory that all passes over it share.

    Zero frames lie around them, so that the parts of frames that are summed into a hop lie at equal steps: their sum is
    one call over a strided view. Memory that was freed after each pass would have to be zeroed again.

    Args:
        n_frames: of the piece.
        window: ``(n_fft,)``.
        hop_length: samples, of which ``n_fft`` is a multiple.
    """

    def __init__(self, n_frames: int, window: Tensor, hop_length: int) -> None:
        self.n_fft = len(window)
        self.window = window
        overlap = self.n_fft // hop_length
        margin = overlap - 1
        n_hops = n_frames + margin
        buffer = window.new_zeros(n_hops + margin, self.n_fft)
        self.frames = buffer[margin:n_hops]
        # Hop h of the signal is the sum over p of part p of frame h - p. From the last part of the oldest of these
        # frames, the next one lies one frame on and one part back: a step of n_fft - hop_length.
        steps = (self.n_fft, self.n_fft - hop_length, 1)
        self.overlapping = buffer.as_strided((n_hops, overlap, hop_length), steps, margin * hop_length)

    def spectra(self, signal: Tensor) -> Tensor:
        """Transforms a signal's frames ``(t, n_fft)``, which may overlap: complex ``(t, n_fft // 2 + 1)``."""
        spectra: Tensor = torch.fft.rfft(torch.mul(signal, self.window, out=self.frames), dim=1)
        return spectra

    def hops(self, spectra: Tensor) -> Tensor:
        """Sums the frames of spectra ``(t, n_fft // 2 + 1)``: ``(t + n_fft // hop_length - 1, hop_length)``."""
        torch.mul(torch.fft.irfft(spectra, self.n_fft, dim=1), self.window, out=self.frames)
        return self.overlapping.sum(dim=1)


class HeadPiece(NamedTuple):
    """Frames of an item to refine: which they are, their buffer, the wanted magnitudes and their `power_floor`."""

    rows: slice
    frames: FrameBuffer
    magnitude: Tensor
    floor: Tensor


class FastPrior:
    """Computes an `AmplitudePrior` for one item's features: ``(C, T)`` -> ``(T, n_fft // 2 + 1)``."""

    def __init__(self, prior: AmplitudePrior) -> None:
        self.prior = prior
        self.inverse = Linear(prior.inverse, None)

    def __call__(self, features: Tensor) -> Tensor:
        return self.prior.bounded(self.inverse(expand(features, self.prior.mel).t().contiguous()))


def piece_length(n_frames: int) -> int:
    """Returns the frames of each piece of an item but the last, which can have fewer; no piece is much shorter."""
    return -(-n_frames // max(1, round(n_frames / ROWS)))


def has_fast_path(module: nn.Module) -> bool:
    """Whether `FastISTFT` can compute a head: an ISTFT head in float32 whose frames overlap by whole hops."""
    return (
        isinstance(module, ISTFTHead)
        and module.options.n_fft % module.options.hop_length == 0
        and module.out.weight.dtype == torch.float32
    )
