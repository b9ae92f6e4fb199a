"""The STFT and its inverse in real arithmetic, as products with matrices: for runtimes without complex numbers and FFT.

Of a frame's bins, those of even number repeat themselves after half a frame, and the odd ones with the other sign. So
two matrices of a quarter of the size do: ``n_fft * (n_fft + 2) / 2`` multiplications a frame. Arrays here are frames by
bins, with the even bins before the odd ones.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spectral import ENVELOPE_FLOOR, Framing, frame_padding


def even_first(n_fft: int) -> Tensor:
    """Numbers of the bins in the order of this module."""
    bins = torch.arange(n_fft // 2 + 1)
    return torch.cat([bins[::2], bins[1::2]])


class RealSTFT(nn.Module):
    """Windowed frames from spectra and spectra from frames.

    Args:
        window: ``(n_fft,)``, of analysis and synthesis.
        forward_too: whether `analyse` will be called.
    """

    inverse_even: Tensor
    inverse_odd: Tensor
    forward_even: Tensor
    forward_odd: Tensor
    window: Tensor

    def __init__(self, window: Tensor, *, forward_too: bool) -> None:
        super().__init__()
        n_fft = len(window)
        self.n_even = n_fft // 4 + 1
        unit = torch.eye(n_fft // 2 + 1, dtype=torch.complex128, device=window.device)
        real, imaginary = (torch.fft.irfft(factor * unit, n_fft)[:, : n_fft // 2] for factor in (1, 1j))
        self._keep("inverse_even", torch.cat([real[::2], imaginary[::2]]))
        self._keep("inverse_odd", torch.cat([real[1::2], imaginary[1::2]]))
        self._keep("window", window)
        if forward_too:
            spectra = torch.fft.rfft(torch.eye(n_fft, dtype=torch.float64, device=window.device))[: n_fft // 2]
            self._keep("forward_even", torch.cat([spectra.real[:, ::2], spectra.imag[:, ::2]], dim=1))
            self._keep("forward_odd", torch.cat([spectra.real[:, 1::2], spectra.imag[:, 1::2]], dim=1))

    def invert(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """``(B, T, n_fft // 2 + 1)`` twice -> windowed frames ``(B, T, n_fft)``."""
        n = self.n_even
        even = torch.matmul(torch.cat([real[..., :n], imaginary[..., :n]], dim=2), self.inverse_even)
        odd = torch.matmul(torch.cat([real[..., n:], imaginary[..., n:]], dim=2), self.inverse_odd)
        return torch.cat([even + odd, even - odd], dim=2) * self.window

    def analyse(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames ``(B, T, n_fft)``, not yet windowed -> ``(B, T, n_fft // 2 + 1)`` twice."""
        first, second = (frames * self.window).chunk(2, dim=2)
        even = torch.matmul(first + second, self.forward_even).chunk(2, dim=2)
        odd = torch.matmul(first - second, self.forward_odd).chunk(2, dim=2)
        return torch.cat([even[0], odd[0]], dim=2), torch.cat([even[1], odd[1]], dim=2)

    def _keep(self, name: str, table: Tensor) -> None:
        self.register_buffer(name, table.float(), persistent=False)


class OverlapAdd(nn.Module):
    """Sums frames that start ``hop_length`` samples apart, as whole hops: no convolution, no index.

    Args:
        length: samples of a frame.
        hop_length, framing: as in `vocos_plugins.spectral`.
        window: ``(L,)``; if given, the sum is divided by that of its squares.

    Shape: ``(B, T, L)`` -> ``(B, N)``.
    """

    power: Tensor | None

    def __init__(self, length: int, hop_length: int, framing: Framing, window: Tensor | None = None) -> None:
        super().__init__()
        self.length = length
        self.hop_length = hop_length
        self.n_hops = -(-length // hop_length)
        self.missing = self.n_hops * hop_length - length
        self.first_sample = frame_padding(length, hop_length, framing)[0]
        self.lost_frames = 1 if framing == "center" else 0
        power = None if window is None else F.pad(window.square(), (0, self.missing)).view(self.n_hops, -1).float()
        self.register_buffer("power", power, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        delayed = self._delayed(F.pad(frames, (0, self.missing)) if self.missing else frames)
        hops = [frame.narrow(2, n * self.hop_length, self.hop_length) for n, frame in enumerate(delayed)]
        audio = functools.reduce(torch.add, hops)
        if self.power is not None:
            present = torch.cat(self._delayed(torch.ones_like(frames[:1, :, :1])), dim=2)
            audio = audio / torch.matmul(present, self.power).clamp_min(ENVELOPE_FLOOR)
        n_samples = (frames.shape[1] - self.lost_frames) * self.hop_length
        return audio.flatten(1)[:, self.first_sample : self.first_sample + n_samples]

    def frames(self, audio: Tensor) -> Tensor:
        """The frames of audio, with zeros beyond its ends: ``(B, N)`` -> ``(B, T, L)``."""
        more = self.n_hops - 1
        padded = F.pad(audio, (self.first_sample, (more + self.lost_frames) * self.hop_length - self.first_sample))
        hops = padded.view(padded.shape[0], -1, self.hop_length)
        frames = torch.cat([hops[:, n : n - more or None] for n in range(self.n_hops)], dim=2)
        return frames[..., : self.length]

    def _delayed(self, frames: Tensor) -> list[Tensor]:
        """Frames ``(B, T, C)`` as late as their first, second, ... hop is: each ``(B, T + n_hops - 1, C)``."""
        more = self.n_hops - 1
        padded = F.pad(frames, (0, 0, more, more))
        return [padded[:, more - n : -n or None] for n in range(self.n_hops)]
