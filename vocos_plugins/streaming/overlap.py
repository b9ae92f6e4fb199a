"""Frames that overlap become samples as soon as no later frame reaches them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import ISTFT, Head, WaveNeXt, head_grid
from ..spectral import ENVELOPE_FLOOR, frame_padding, overlap_add


class Overlap:
    """What a head does after its `frames`, piece by piece: sums, the windows' envelope, the cut at the start, clipping.

    Args:
        options: the head's.
        window: of an inverse STFT, whose squares are summed up, too; else None.
        silence: zeros ``(B, 0)`` of the precision and on the device of the audio.

    Attributes:
        n_final: samples that no later frame changes.
    """

    def __init__(self, options: Head, window: Tensor | None, silence: Tensor) -> None:
        self.hop_length, framing = head_grid(options)
        length = frame_length(options)
        left, _ = frame_padding(length, self.hop_length, framing)
        self.clip = bool(getattr(options, "clip_audio", False))
        self.silence = silence
        self.weights = None if window is None else window.square()[None, :, None]
        # A row more, for the envelope. The first frame begins before sample 0.
        self.sums = silence.new_zeros(len(silence) + (window is not None), length - self.hop_length)
        self.position, self.n_final = -left, -left

    def push(self, frames: Tensor) -> None:
        """Adds frames ``(B, length, n)``."""
        if self.weights is not None:
            frames = torch.cat([frames, self.weights.expand(-1, -1, frames.shape[2])])
        n_samples = frames.shape[2] * self.hop_length
        self.sums = F.pad(self.sums, (0, n_samples))
        self.sums[:, self.n_final - self.position :] += overlap_add(frames, self.hop_length)
        self.n_final += n_samples

    def pop(self, until: int) -> Tensor:
        """The audio ``(B, n)`` from where the last one ended up to sample ``until``."""
        if until <= max(self.position, 0):
            return self.silence
        taken = self.sums[:, max(0, -self.position) : until - self.position]
        self.sums = self.sums[:, until - self.position :].clone()
        self.position = until
        # A tensor of its own, with which gradients can be taken, though the sums were made in inference mode.
        taken = taken.clone() if self.weights is None else taken[:-1] / taken[-1:].clamp_min(ENVELOPE_FLOOR)
        return taken.clamp_(-1.0, 1.0) if self.clip else taken


def frame_length(options: Head) -> int:
    """Samples that each frame of a head gives."""
    match options:
        case ISTFT():
            return options.n_fft
        case WaveNeXt():
            return options.hop_length
        case _:
            return options.frame_length


def overlapping_frames(options: Head) -> int:
    """How many frames after a frame reach samples before its middle."""
    hop_length, _ = head_grid(options)
    return max(0, frame_length(options) // 2 - 1) // hop_length
