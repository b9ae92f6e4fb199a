"""Accelerated Griffin-Lim (`refinement`) over spectra that come in pieces.

A pass goes from frames to audio and back, so that a frame needs those that overlap it: each pass is some frames behind
the one before it, as a convolution is. The last frames that go in may be guesses; what is kept is of real frames only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import ISTFT
from ..refinement import ahead, gain, least_power
from ..spectral import ENVELOPE_FLOOR, frame_padding, istft_frames, output_length, overlap_add


class Pass:
    """One pass over a stream.

    Attributes:
        reach: frames on each side of a frame that it needs.
    """

    def __init__(self, options: ISTFT, window: Tensor, batch: int) -> None:
        self.options, self.window = options, window
        self.reach = -(-options.n_fft // options.hop_length) - 1
        self.n_in = self.n_out = 0  # real frames so far
        self.frames = window.new_zeros(batch, options.n_fft, 0)
        # What is kept of each frame whose spectrum isn't settled: the wanted magnitude, and `ahead`'s other value.
        self.waiting = [window.new_zeros(batch, size, 0) for size in (options.n_fft // 2 + 1, options.n_fft)]

    def __call__(
        self, spectrum: Tensor, magnitude: Tensor, before: Tensor | None, n_real: int, last: bool
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        """Goes on with frames of which the first ``n_real`` are no guesses.

        Args:
            spectrum: complex, ``(B, F, n)``.
            magnitude: that is wanted of them, ``(B, F, n)``.
            before: for `ahead`, from the pass before, windowed frames in time ``(B, n_fft, n)``; None for the first.
            n_real: see above.
            last: no more will come.

        Returns:
            The next frames of the better spectrum; their magnitude, and what the next pass has to know as `before`; how
            many of them no guess has touched.
        """
        first, end = self.n_in - self.frames.shape[2], self.n_in + spectrum.shape[2]
        given = istft_frames(spectrum, self.window, self.options.n_fft)
        further, before = ahead(given, before)
        frames = torch.cat([self.frames, further], dim=2)
        beside = [torch.cat(pair, dim=2) for pair in zip(self.waiting, (magnitude, before), strict=True)]
        self.n_in += n_real
        stop, settled = (number if last else max(self.n_out, number - self.reach) for number in (end, self.n_in))
        rebuilt = self._rebuild(frames, first, stop, end if last else None)
        magnitude, before = (tensor[:, :, : stop - self.n_out] for tensor in beside)
        better = rebuilt * gain(rebuilt, magnitude, least_power(magnitude))
        self.frames = frames[:, :, max(0, settled - self.reach - first) : self.n_in - first].clone()
        self.waiting = [tensor[:, :, settled - self.n_out : self.n_in - self.n_out].clone() for tensor in beside]
        n_settled, self.n_out = settled - self.n_out, settled
        return better, magnitude, before, n_settled

    def _rebuild(self, frames: Tensor, first: int, stop: int, n_frames: int | None) -> Tensor:
        """Spectra of the frames from ``n_out`` to ``stop``, of the audio that windowed frames from ``first`` on make.

        The audio is zero outside of the samples that ``n_frames`` frames stand for; None where more will come.
        """
        options, hop_length = self.options, self.options.hop_length
        if stop == self.n_out:
            return frames.new_zeros(len(frames), options.n_fft // 2 + 1, 0, dtype=frames.dtype.to_complex())
        weights = self.window.square()[None, :, None].expand(1, -1, frames.shape[2])
        audio = overlap_add(frames, hop_length) / overlap_add(weights, hop_length).clamp_min(ENVELOPE_FLOOR)
        left, _ = frame_padding(options.n_fft, hop_length, options.framing)
        position = first * hop_length - left
        audio[:, : max(0, -position)] = 0
        if n_frames is not None:
            audio[:, max(0, output_length(n_frames, hop_length, options.framing) - position) :] = 0
        wanted = audio[:, (self.n_out - first) * hop_length : (stop - 1 - first) * hop_length + options.n_fft]
        spectra: Tensor = torch.fft.rfft(wanted.unfold(1, options.n_fft, hop_length) * self.window)
        return spectra.transpose(1, 2)
