"""Heads over frames that come in pieces: each frame's samples, refined if the head is, and their overlap-add.

As in `streaming.backbone`, the last frames of a piece may be guesses about the future. They are used for samples that
must come out early, and computed again when the real frames are there.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import ISTFT, Head, WaveNeXt, head_grid
from ..network.heads import IMDCTHead, ISTFTHead, WaveNeXtHead
from ..network.refinement import extrapolate, magnitude_ratio, power_floor
from ..spectral import ENVELOPE_FLOOR, frame_padding, istft_frames, output_length, overlap_add

AnyHead = ISTFTHead | IMDCTHead | WaveNeXtHead


class FrameSource:
    """Turns hidden states into the frames of a head, each frame once.

    Attributes:
        look_ahead: frames by which the output lags behind hidden states.
    """

    look_ahead = 0

    def __init__(self, head: AnyHead) -> None:
        self.head = head
        self.n_real = self.n_given = 0

    def __call__(self, hidden: Tensor, features: Tensor, n_real: int, last: bool) -> Tensor | None:
        """Continues with hidden states.

        Args:
            hidden: ``(B, n, dim)``; the first ``n_real`` of them are real, and follow those of the last call.
            features: of the same frames, ``(B, C, n)``.
            n_real: see above.
            last: no more will come.

        Returns:
            The frames that were not returned before, ``(B, length, n)``, or None.
        """
        skipped = self._skip(n_real, hidden.shape[1])
        if skipped >= hidden.shape[1]:
            return None
        return self.head.frames(hidden[:, skipped:], features[:, :, skipped:])

    def _skip(self, n_real: int, n: int) -> int:
        """How many of the next ``n`` frames were returned before, as guesses. From now on, all of them were."""
        skipped = self.n_given - self.n_real
        self.n_given = max(self.n_given, self.n_real + n)
        self.n_real += n_real
        return skipped


class RefinedFrameSource(FrameSource):
    """The frames of an ISTFT head that refines its spectrum."""

    def __init__(self, head: ISTFTHead, batch: int) -> None:
        super().__init__(head)
        self.window, self.n_fft = head.istft.window, head.options.n_fft
        self.spectrum = head.spectrum
        self.passes = [RefinementPass(head.options, self.window, batch) for _ in range(head.options.refinement_steps)]
        self.look_ahead = sum(each.reach for each in self.passes)

    def __call__(self, hidden: Tensor, features: Tensor, n_real: int, last: bool) -> Tensor | None:
        if hidden.shape[1] == 0:
            return None
        spectrum = self.spectrum(hidden, features)
        # Every pass returns to the magnitudes that the model predicted, so they travel along.
        magnitude, before = spectrum.abs(), None
        for each in self.passes:
            spectrum, magnitude, before, n_real = each(spectrum, magnitude, before, n_real, last)
            if spectrum.shape[2] == 0:
                return None
        skipped = self._skip(n_real, spectrum.shape[2])
        if skipped >= spectrum.shape[2]:
            return None
        return istft_frames(spectrum[:, :, skipped:], self.window, self.n_fft)


class RefinementPass:
    """One pass of `network.refinement` over spectra that come in pieces.

    A pass goes from frames to audio and back, so a frame needs those that overlap it: each pass is some frames behind
    the one before it, as a convolution is.

    Attributes:
        reach: frames on each side of a frame that it needs.
    """

    def __init__(self, options: ISTFT, window: Tensor, batch: int) -> None:
        self.options, self.window = options, window
        # Frames that are further apart share no sample.
        self.reach = -(-options.n_fft // options.hop_length) - 1
        self.n_in = self.n_out = 0  # real frames so far
        self.frames = window.new_zeros(batch, options.n_fft, 0)
        # Kept of each frame whose spectrum is not final: the wanted magnitude, and `extrapolate`'s second value.
        self.waiting = [window.new_zeros(batch, size, 0) for size in (options.n_fft // 2 + 1, options.n_fft)]

    def __call__(
        self, spectrum: Tensor, magnitude: Tensor, before: Tensor | None, n_real: int, last: bool
    ) -> tuple[Tensor, Tensor, Tensor, int]:
        """Continues with frames of which the first ``n_real`` are real.

        Args:
            spectrum: complex, ``(B, F, n)``.
            magnitude: the wanted one, ``(B, F, n)``.
            before: for `extrapolate`, from the pass before, windowed frames in time ``(B, n_fft, n)``; None for the
                first pass.
            n_real: see above.
            last: no more will come.

        Returns:
            The next frames of the refined spectrum; their magnitude, and the next pass's `before`; how many of them
            depend on no guess.
        """
        first, end = self.n_in - self.frames.shape[2], self.n_in + spectrum.shape[2]
        # Extrapolated as frames, which the signal is a sum of: the step is linear.
        points, before = extrapolate(istft_frames(spectrum, self.window, self.options.n_fft), before)
        frames = torch.cat([self.frames, points], dim=2)
        waiting = [torch.cat(pair, dim=2) for pair in zip(self.waiting, (magnitude, before), strict=True)]
        self.n_in += n_real
        # `stop` ends the frames that can be computed, guesses included; `settled` those that no later frame changes.
        stop, settled = (number if last else max(self.n_out, number - self.reach) for number in (end, self.n_in))
        rebuilt = self._rebuild(frames, first, stop, end if last else None)
        magnitude, before = (tensor[:, :, : stop - self.n_out] for tensor in waiting)
        refined = rebuilt * magnitude_ratio(rebuilt, magnitude, power_floor(magnitude))
        # Real frames only, and of these the ones that overlap frames still to come.
        self.frames = frames[:, :, max(0, settled - self.reach - first) : self.n_in - first].clone()
        self.waiting = [tensor[:, :, settled - self.n_out : self.n_in - self.n_out].clone() for tensor in waiting]
        n_settled, self.n_out = settled - self.n_out, settled
        return refined, magnitude, before, n_settled

    def _rebuild(self, frames: Tensor, first: int, stop: int, n_frames: int | None) -> Tensor:
        """Spectra of the frames from ``n_out`` to ``stop``, of the audio that windowed frames from ``first`` on make.

        The audio is zero outside the samples of ``n_frames`` frames; ``n_frames`` is None while more will come.
        """
        options, hop_length = self.options, self.options.hop_length
        if stop == self.n_out:
            return frames.new_zeros(len(frames), options.n_fft // 2 + 1, 0, dtype=frames.dtype.to_complex())
        weights = self.window.square()[None, :, None].expand(1, -1, frames.shape[2])
        audio = overlap_add(frames, hop_length) / overlap_add(weights, hop_length).clamp_min(ENVELOPE_FLOOR)
        left, _ = frame_padding(options.n_fft, hop_length, options.framing)
        position = first * hop_length - left
        # As in a whole decode, a pass sees zeros beyond the ends (`ISTFTHead.refined`).
        audio[:, : max(0, -position)] = 0
        if n_frames is not None:
            audio[:, max(0, output_length(n_frames, hop_length, options.framing) - position) :] = 0
        wanted = audio[:, (self.n_out - first) * hop_length : (stop - 1 - first) * hop_length + options.n_fft]
        spectra: Tensor = torch.fft.rfft(wanted.unfold(1, options.n_fft, hop_length) * self.window)
        return spectra.transpose(1, 2)


class StreamingOverlapAdd:
    """Sums frames piece by piece: overlaps, the windows' envelope, the cut at the start, clipping.

    Args:
        options: the head's.
        window: of an inverse STFT, whose squares are summed too; None for other heads.
        silence: zeros ``(B, 0)`` of the audio's precision and device.

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
        # One row more, for the envelope. The first frame begins before sample 0.
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
        """Returns the audio ``(B, n)`` from the end of the last call's to sample ``until``."""
        if until <= max(self.position, 0):
            return self.silence
        taken = self.sums[:, max(0, -self.position) : until - self.position]
        self.sums = self.sums[:, until - self.position :].clone()
        self.position = until
        # A new tensor, with which gradients can be taken, though the sums were made in inference mode.
        taken = taken.clone() if self.weights is None else taken[:-1] / taken[-1:].clamp_min(ENVELOPE_FLOOR)
        return taken.clamp_(-1.0, 1.0) if self.clip else taken


def head_frames(head: AnyHead, options: Head, batch: int) -> FrameSource:
    """Returns the source of a head's frames for ``batch`` rows, at the start of a stream."""
    if isinstance(options, ISTFT) and options.refinement_steps:
        return RefinedFrameSource(cast(ISTFTHead, head), batch)
    return FrameSource(head)


def frame_length(options: Head) -> int:
    """Returns the samples of each frame of a head."""
    match options:
        case ISTFT():
            return options.n_fft
        case WaveNeXt():
            return options.hop_length
        case _:
            return options.frame_length


def overlapping_frames(options: Head) -> int:
    """Returns how many frames after a frame reach samples before its middle."""
    hop_length, _ = head_grid(options)
    # Frame t + k begins half a frame before its own middle: before the middle of frame t if k hops are less than that.
    return max(0, frame_length(options) // 2 - 1) // hop_length
