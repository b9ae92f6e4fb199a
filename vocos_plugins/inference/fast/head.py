"""The ISTFT head over frames by bins: no transposes, and the overlap-add is one sum over a view of the frames.

A long item is computed in pieces of frames that stay in the processor's caches between two steps. Pieces exchange sums
of overlapping frames only, hop by hop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...mel.compression import expand
from ...network.heads import AmplitudePrior, ISTFTHead, polar
from ...network.refinement import magnitude_ratio, power_floor, refine
from ...spectral import ENVELOPE_FLOOR, frame_padding, output_length
from .joined import Joined, Silence, join
from .onednn import Linear

# Frames of a piece: about this many spectra fit into the caches.
ROWS = 256
# The longest item that is a single piece; shorter ones can be joined.
SHORT_FRAMES = 383


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
        return self.each(hidden, join([features], gap=0))[0]

    def each(self, hidden: Tensor, joined: Joined) -> list[Tensor]:
        """Computes joined items from their hidden states ``(T, dim)``: audio ``(N,)`` of each."""
        # Read once: another thread may call `set_refinement_steps` while this one decodes.
        options, cuts = self.head.options, cut_rows(joined.items, hidden.shape[0])
        samples = self._samples(joined.items)
        if all(part.start == part.stop for part in samples):
            return [hidden.new_zeros(0) for _ in samples]
        weights = self._weights(hidden.shape[0], joined.silence)
        # The forward transform of a pass sees zeros beyond the ends, not the samples that frames reach there.
        ends = [0, *(part.stop for part in samples)]
        starts = [*(part.start for part in samples), None]
        for end, start in zip(ends, starts, strict=True):
            weights.view(-1)[end:start] = 0.0
        # Filled by `_initial`, a generator that the first sum consumes: complete before the first pass reads it.
        pieces: list[HeadPiece] | None = [] if options.refinement_steps else None
        sums = refine(
            self._initial(hidden, joined, cuts, pieces),
            lambda sums: self._signal(sums, weights, len(cuts)),
            lambda signal: self._refined(signal, pieces or []),
            n_iter=options.refinement_steps,
        )
        audio = self._signal(sums, weights, len(cuts))
        return [audio[part] for part in samples]

    def _samples(self, items: Sequence[slice]) -> list[slice]:
        """The samples of items, among all that a frame reaches."""
        options, samples = self.head.options, []
        left, _ = frame_padding(options.n_fft, options.hop_length, options.framing)
        for item in items:
            first = item.start * options.hop_length + left
            n_samples = output_length(item.stop - item.start, options.hop_length, options.framing)
            samples.append(slice(first, first + n_samples))
        return samples

    def _initial(
        self, hidden: Tensor, joined: Joined, cuts: Sequence[slice], pieces: list[HeadPiece] | None
    ) -> Iterator[Tensor]:
        """Yields each piece's sums of frames, hop by hop, of the predicted spectra; appends the pieces to refine."""
        frames: FrameBuffer | None = None
        for rows in cuts:
            heard = None if joined.silence is None else joined.silence.heard[rows]
            spectra, magnitude = self._spectra(hidden[rows], joined.features[:, rows], heard)
            # Pieces of one length share a buffer: each pass over a piece overwrites it.
            if frames is None or frames.frames.shape[0] != spectra.shape[0]:
                frames = FrameBuffer(spectra.shape[0], self.window, self.head.options.hop_length)
            if pieces is not None:
                pieces.append(HeadPiece(rows, frames, magnitude, power_floor(magnitude)))
            yield frames.hops(spectra)

    def _spectra(self, hidden: Tensor, features: Tensor, heard: Tensor | None) -> tuple[Tensor, Tensor]:
        """Predicts spectra from hidden states ``(t, dim)``: complex ``(t, n_fft // 2 + 1)``, and their magnitudes.

        ``heard`` is 0 for silent frames, as in `joined.Silence`.
        """
        inputs, options = hidden.to(self.dtype), self.head.options
        prior = None if self.prior is None else self.prior(features)
        log_magnitude, phase = self.log_magnitude(inputs).float(), self.phase(inputs).float()
        magnitude, cosine, sine = polar(
            log_magnitude, phase, prior, options=options, contrast=self.head.contrast, dim=1, in_place=True
        )
        if heard is not None:
            magnitude.mul_(heard)
        return torch.complex(cosine.mul_(magnitude), sine.mul_(magnitude)), magnitude

    def _refined(self, signal: Tensor, pieces: list[HeadPiece]) -> Iterator[Tensor]:
        """Yields each piece's sums of frames, with a signal's phases and the predicted magnitudes."""
        framed = signal.unfold(0, self.head.options.n_fft, self.head.options.hop_length)
        for piece in pieces:
            spectra = piece.frames.spectra(framed[piece.rows])
            # A pass is bound by memory: writing over the spectrum takes half of the time.
            yield piece.frames.hops(spectra.mul_(magnitude_ratio(spectra, piece.magnitude, piece.floor)))

    def _signal(self, sums: Iterator[Tensor], weights: Tensor, n_pieces: int) -> Tensor:
        """Adds sums of ``n_pieces`` where they overlap and weights them: all the samples that a frame reaches."""
        # A single piece overlaps with no other, so nothing needs to be cleared and added.
        if n_pieces == 1:
            return next(sums).mul_(weights).flatten()
        total, start = torch.zeros_like(weights), 0
        for hops in sums:
            total[start : start + len(hops)].add_(hops)
            start += len(hops) - self.overlap + 1
        return total.mul_(weights).flatten()

    def _weights(self, n_frames: int, silence: Silence | None) -> Tensor:
        """The inverse of the summed squared windows, ``(n_frames + overlap - 1, hop_length)``."""
        envelope = self.power.new_zeros(n_frames + self.overlap - 1, self.power.shape[1])
        for shift, part in enumerate(self.power):
            envelope[shift : shift + n_frames].add_(part if silence is None else part * silence.heard)
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


def cut_rows(items: Sequence[slice], n_frames: int) -> list[slice]:
    """Cuts one item into pieces of about `ROWS` frames, or joined ones into pieces of whole items and their silence."""
    if len(items) == 1:
        if n_frames <= SHORT_FRAMES:  # said by itself, so that a trace (`compilation`) holds for all of these lengths
            return [slice(0, n_frames)]
        length = -(-n_frames // max(1, round(n_frames / ROWS)))  # no piece is much shorter than the others
        return [slice(start, min(start + length, n_frames)) for start in range(0, n_frames, length)]
    cuts, start = [], 0
    ends = [*(item.start for item in items[1:]), n_frames]
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > SHORT_FRAMES:
            cuts.append(slice(start, end))
            start = end
    return cuts


def has_fast_path(module: nn.Module) -> bool:
    """Whether `FastISTFT` can compute a head: an ISTFT head in float32 whose frames overlap by whole hops."""
    return (
        isinstance(module, ISTFTHead)
        and module.options.n_fft % module.options.hop_length == 0
        and module.out.weight.dtype == torch.float32
    )
