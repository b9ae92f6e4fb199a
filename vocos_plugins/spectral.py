"""Short-time Fourier and modified discrete cosine transforms in the two framings that vocoders use.

Shapes here and in the whole package: ``B`` batch, ``F`` frequency bins, ``T`` frames, ``N`` samples.

``framing`` sets where frame ``t`` lies on the signal:

- ``center``: its middle is at sample ``t * hop_length``; ``T`` frames make ``(T - 1) * hop_length`` samples;
- ``same``: its middle is at ``(t + 1/2) * hop_length``; ``T`` frames make ``T * hop_length`` samples.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Framing = Literal["center", "same"]
FRAMINGS: tuple[str, ...] = get_args(Framing)

# A sample whose summed squared windows are below this lies in no frame. torch.istft has the same bound.
ENVELOPE_FLOOR = 1e-11


@functools.cache
def has_complex(device_type: str) -> bool:
    """Whether a kind of device has complex numbers and Fourier transforms, found by trying."""
    try:
        samples = torch.ones(8, device=device_type)
        spectrum = torch.fft.rfft(samples)
        torch.fft.irfft(torch.complex(spectrum.real, spectrum.imag) * spectrum.abs())
    except (RuntimeError, TypeError):  # of which NotImplementedError is one
        return False
    return True


def frame_padding(n_fft: int, hop_length: int, framing: Framing) -> tuple[int, int]:
    """Returns the number of samples to add before and after a signal for its frames to lie as in ``framing``."""
    if framing == "center":
        return n_fft // 2, n_fft // 2
    missing = n_fft - hop_length
    return missing // 2, missing - missing // 2


def output_length(n_frames: int, hop_length: int, framing: Framing) -> int:
    """Returns the number of samples that ``n_frames`` frames decode to; 0 for no frames."""
    return max(n_frames - 1, 0) * hop_length if framing == "center" else n_frames * hop_length


def stft(
    audio: Tensor,
    window: Tensor,
    *,
    n_fft: int,
    hop_length: int,
    framing: Framing = "center",
    pad_mode: str = "reflect",
) -> Tensor:
    """Computes the complex spectrogram. A window shorter than ``n_fft`` is centred in its frame.

    Shape: ``(B, N)`` -> ``(B, n_fft // 2 + 1, T)``; ``T = N // hop_length + 1`` for ``center`` (even ``n_fft``),
    ``N // hop_length`` for ``same``.

    Raises:
        ValueError: the signal is too short to be mirrored at its ends or to fill a frame.
    """
    left, right = frame_padding(n_fft, hop_length, framing)
    n_samples = audio.shape[-1]
    # `reflect` mirrors around the outermost sample, so a signal needs one sample more than its padding.
    needed = max(n_fft - left - right, max(left, right) + 1 if pad_mode == "reflect" else 0)
    if n_samples < needed:
        raise ValueError(
            f"audio has {n_samples} samples, but frames of n_fft={n_fft}, hop_length={hop_length} with "
            f"{pad_mode} padding need at least {needed}; pad it with zeros first"
        )
    if audio.shape[0] == 0:  # the FFT rejects an empty batch
        n_frames = (n_samples + left + right - n_fft) // hop_length + 1
        return audio.new_zeros(0, n_fft // 2 + 1, n_frames, dtype=window.dtype.to_complex())
    # Padded here, since torch's own center=True knows no `same` framing.
    padded = F.pad(audio, (left, right), mode=pad_mode)
    spectrum: Tensor = torch.stft(
        padded, n_fft, hop_length, window.shape[0], window, center=False, onesided=True, return_complex=True
    )
    return spectrum


def overlap_add(frames: Tensor, hop_length: int) -> Tensor:
    """Sums frames that start ``hop_length`` samples apart: ``(B, L, T)`` -> ``(B, (T - 1) * hop_length + L)``."""
    length, n_frames = frames.shape[1:]
    n_samples = (n_frames - 1) * hop_length + length
    # `fold` sums overlapping patches of an image, here one that is a single sample high.
    folded = F.fold(frames, (1, n_samples), kernel_size=(1, length), stride=(1, hop_length))
    return folded[:, 0, 0]


def istft(
    spectrum: Tensor,
    window: Tensor,
    *,
    n_fft: int,
    hop_length: int,
    framing: Framing = "center",
    mask: Tensor | None = None,
) -> Tensor:
    """Computes the least-squares inverse of `stft` (Griffin and Lim, 1984).

    Args:
        spectrum: complex, ``(B, n_fft // 2 + 1, T)``.
        window: ``(win_length,)``, the window of the analysis.
        n_fft, hop_length: samples.
        framing: see the module.
        mask: bool ``(B, T)``, True for the valid frames of a ragged batch. Each row then equals its own single
            inverse, and is 0 past its end.

    Shape: ``(B, N)`` with ``N = (T - 1) * hop_length`` for ``center``, ``T * hop_length`` for ``same``.
    """
    batch, _, n_frames = spectrum.shape
    n_samples = output_length(n_frames, hop_length, framing)
    # A single centred frame spans no samples. torch.istft raises there; a vocoder returns empty audio.
    if n_samples == 0 or batch == 0:
        return window.new_zeros(batch, n_samples)
    # Not torch.istft: it has no `same` framing, whose ends fail its check that windows overlap (pytorch issue 62323).
    frames = istft_frames(spectrum, window, n_fft)
    weights = _centred(window, n_fft).square()[None, :, None].expand(1, n_fft, n_frames)
    if mask is not None:
        # Padding must not count in the envelope either, or the last valid frame would be too quiet.
        frames = frames.masked_fill(~mask[:, None], 0.0)
        weights = weights * mask[:, None]
    envelope = overlap_add(weights, hop_length).clamp_min(ENVELOPE_FLOOR)
    left, _ = frame_padding(n_fft, hop_length, framing)
    audio = (overlap_add(frames, hop_length) / envelope)[:, left : left + n_samples]
    return audio if mask is None else _silence_past_end(audio, mask, hop_length, framing)


def istft_frames(spectrum: Tensor, window: Tensor, n_fft: int) -> Tensor:
    """Returns the windowed frames that `istft` sums: ``(B, n_fft // 2 + 1, T)`` -> ``(B, n_fft, T)``."""
    frames: Tensor = torch.fft.irfft(spectrum, n_fft, dim=1)
    return frames * _centred(window, n_fft)[:, None]


def mdct(audio: Tensor, window: Tensor, *, framing: Framing = "center") -> Tensor:
    """Computes the modified discrete cosine transform: orthonormal, with a hop of half a frame.

    Shape: ``(B, N)`` -> ``(B, T, L / 2)`` for a window of ``L`` samples. The ends are padded with zeros.
    """
    length = window.shape[0]
    half = length // 2
    # The transform as an FFT of the same length, between two rotations of the phase.
    frames = F.pad(audio, frame_padding(length, half, framing)).unfold(-1, length, half) * window
    turned = frames * _rotation(-_count(length, audio) / length, window)
    # The time shift of (half + 1) / 2 samples is what makes the aliases of neighbouring frames cancel.
    shift = -(half + 1) / 2 * (_count(half, audio) + 0.5) / half
    spectrum = torch.fft.fft(turned, dim=-1)[..., :half] * _rotation(shift, window)
    real: Tensor = spectrum.real
    return real * math.sqrt(2 / half)


def imdct(coefficients: Tensor, window: Tensor, *, framing: Framing = "center", mask: Tensor | None = None) -> Tensor:
    """Computes the inverse of `mdct` for a window that meets the Princen-Bradley condition.

    Shape: ``(B, T, L / 2)`` -> ``(B, N)``, ``N = (T - 1) * L / 2`` for ``center``, ``T * L / 2`` for ``same``.
    ``mask`` works as in `istft`.
    """
    batch, n_frames, half = coefficients.shape
    n_samples = output_length(n_frames, half, framing)
    if n_samples == 0 or batch == 0:
        return window.new_zeros(batch, n_samples)
    frames = imdct_frames(coefficients, window)
    if mask is not None:
        frames = frames.masked_fill(~mask[:, None], 0.0)
    left, _ = frame_padding(2 * half, half, framing)
    audio = overlap_add(frames, half)[:, left : left + n_samples]
    return audio if mask is None else _silence_past_end(audio, mask, half, framing)


def imdct_frames(coefficients: Tensor, window: Tensor) -> Tensor:
    """Returns the windowed frames that `imdct` sums: ``(B, T, L / 2)`` -> ``(B, L, T)``."""
    half = coefficients.shape[2]
    length = 2 * half
    # The real part over the lower half of the bins is already the whole sum of cosines. The reference also sums the
    # mirrored upper half, with the wrong sign for an odd `half`.
    turned = coefficients * _rotation((half + 1) / 2 * _count(half, window) / half, window)
    shift = (_count(length, window) + (half + 1) / 2) / length
    frames = torch.fft.ifft(turned, n=length, dim=-1) * _rotation(shift, window)
    real: Tensor = frames.real
    # torch's ifft divides by `length`, which is undone here.
    return (real * window * (length * math.sqrt(2 / half))).transpose(1, 2)


def sine_window(length: int) -> Tensor:
    """Returns the MDCT's window, which meets the Princen-Bradley condition; scipy calls it ``cosine``."""
    return torch.sin(torch.pi / length * (torch.arange(length, dtype=torch.float64) + 0.5)).float()


class Float32Buffers(nn.Module):
    """A module whose buffers stay in float32 under ``.half()`` and ``.bfloat16()``.

    A window or filterbank that is rounded to three digits is audible, and the inverse FFT runs in float32 anyway.
    """

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Float32Buffers:
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in exact.items():
            moved = getattr(self, name)
            if moved.dtype in (torch.float16, torch.bfloat16):
                # From the copy made before: converting back would not restore the rounded digits.
                setattr(self, name, buffer.to(moved.device))
        return self


def _centred(window: Tensor, n_fft: int) -> Tensor:
    missing = n_fft - window.shape[0]
    return F.pad(window, (missing // 2, missing - missing // 2))


def _count(n: int, like: Tensor) -> Tensor:
    """Returns ``0 .. n - 1`` in float64; angles computed in float32 would lose digits in long frames."""
    return torch.arange(n, dtype=torch.float64, device=like.device)


def _rotation(half_turns: Tensor, like: Tensor) -> Tensor:
    """Returns ``exp(i pi half_turns)`` in the precision of ``like``."""
    angle = torch.pi * half_turns
    return torch.polar(torch.ones_like(angle), angle).to(
        torch.complex128 if like.dtype == torch.float64 else torch.complex64
    )


def _silence_past_end(audio: Tensor, mask: Tensor, hop_length: int, framing: Framing) -> Tensor:
    n_frames = mask.sum(dim=1, keepdim=True)
    ends = (n_frames - 1 if framing == "center" else n_frames).clamp_min(0) * hop_length
    return audio.masked_fill(torch.arange(audio.shape[1], device=audio.device) >= ends, 0.0)
