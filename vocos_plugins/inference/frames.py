"""A piece's windowed frames between the two transforms, in memory that all passes over it share."""

from __future__ import annotations

import torch
from torch import Tensor


class Frames:
    """Room for some frames, with empty ones around them, so that what meets in a hop lies at equal steps.

    Memory that is given back after each pass would have to be cleared anew.

    Args:
        n_frames: of the piece.
        window: ``(n_fft,)``.
        hop_length: samples, of which ``n_fft`` is a multiple.
    """

    def __init__(self, n_frames: int, window: Tensor, hop_length: int) -> None:
        self.n_fft = len(window)
        self.window = window
        overlap = self.n_fft // hop_length
        around = overlap - 1
        n_hops = n_frames + around
        room = window.new_zeros(n_hops + around, self.n_fft)
        self.frames = room[around:n_hops]
        steps = (self.n_fft, self.n_fft - hop_length, 1)
        self.meeting = room.as_strided((n_hops, overlap, hop_length), steps, around * hop_length)

    def spectra(self, signal: Tensor) -> Tensor:
        """Of a signal's frames ``(t, n_fft)``, which may overlap: complex ``(t, n_fft // 2 + 1)``."""
        spectra: Tensor = torch.fft.rfft(torch.mul(signal, self.window, out=self.frames), dim=1)
        return spectra

    def hops(self, spectra: Tensor) -> Tensor:
        """The sum of the frames of spectra ``(t, n_fft // 2 + 1)``: ``(t + n_fft // hop_length - 1, hop_length)``."""
        torch.mul(torch.fft.irfft(spectra, self.n_fft, dim=1), self.window, out=self.frames)
        return self.meeting.sum(dim=1)
