"""The STFT and its inverse in real arithmetic, as products with matrices: for runtimes without complex numbers and FFT.

A frame of ``N = P * Q`` samples is a matrix of P rows, and its discrete Fourier transform is one over the columns and
then, for each of the results, one over what is left (Cooley and Tukey, 1965): of 1024 samples that is 104,000
multiplications instead of a million. Of a real frame the columns' upper half mirrors the lower one.

Spectra are arrays ``(P // 2 + 1, B, T, 2 * Q)``: the bins ``r + P * q`` for each remainder r, first all real parts and
then all imaginary ones. Bins above ``N / 2`` are among them; each is the conjugate of another.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spectral import ENVELOPE_FLOOR, Framing, frame_padding


class RealSTFT(nn.Module):
    """Windowed frames from spectra and spectra from frames.

    Args:
        window: ``(N,)``, of analysis and synthesis.
    """

    columns: Tensor
    rest: Tensor
    inverse_rest: Tensor
    inverse_columns: Tensor
    window: Tensor
    order: Tensor
    back: Tensor
    sign: Tensor
    back_sign: Tensor

    def __init__(self, window: Tensor) -> None:
        super().__init__()
        n = len(window)
        # As near to a square as possible: the number of multiplications grows with P + Q.
        self.rows = p = max(each for each in range(1, math.isqrt(n) + 1) if n % each == 0)
        self.width = q = n // p
        remainders = torch.arange(p // 2 + 1, dtype=torch.float64)
        columns = _turns(torch.outer(remainders, torch.arange(p)) / p)  # (r, p)
        samples = torch.arange(q, dtype=torch.float64)
        angles = samples[:, None] * (remainders[:, None, None] / n + samples / q)  # (r, sample, bin)
        once = (remainders == 0) | (2 * remainders == p)  # remainders that mirror themselves
        # The other remainders also stand for their mirror images, which are not stored.
        weights = torch.where(once, 1.0, 2.0)[:, None, None] / n
        self._keep("columns", torch.stack([columns.real, -columns.imag], dim=1).flatten(0, 1))
        self._keep("rest", _real(_turns(-angles))[:, None])
        self._keep("inverse_rest", _real(weights * _turns(angles).transpose(1, 2))[:, None])
        self._keep("inverse_columns", torch.stack([columns.real, -columns.imag], dim=1).flatten(0, 1).T.contiguous())
        self._keep("window", window)
        self._keep_order(n)

    def arrange(self, parts: Tensor) -> Tensor:
        """Reorders real and imaginary parts, ``(B, T, 2 * (N // 2 + 1))`` -> spectra."""
        arranged = parts.index_select(2, self.order) * self.sign
        return arranged.view(*parts.shape[:2], -1, 2 * self.width).permute(2, 0, 1, 3)

    def restore(self, spectra: Tensor) -> Tensor:
        """Undoes `arrange`."""
        return spectra.permute(1, 2, 0, 3).flatten(2).index_select(2, self.back) * self.back_sign

    def invert(self, spectra: Tensor) -> Tensor:
        """Transforms spectra into windowed frames ``(B, T, N)``."""
        columns = torch.matmul(spectra, self.inverse_rest).permute(1, 2, 0, 3)
        columns = columns.reshape(columns.shape[0], columns.shape[1], -1, self.width)
        return torch.matmul(self.inverse_columns, columns).flatten(2) * self.window

    def analyse(self, frames: Tensor) -> Tensor:
        """Windows frames ``(B, T, N)`` and transforms them into spectra."""
        rows = (frames * self.window).view(frames.shape[0], frames.shape[1], self.rows, self.width)
        columns = torch.matmul(self.columns, rows)
        columns = columns.view(frames.shape[0], frames.shape[1], -1, 2 * self.width)
        return torch.matmul(columns.permute(2, 0, 1, 3), self.rest)

    def _keep(self, name: str, table: Tensor) -> None:
        # Tables are no part of the state: the network's keys stay those of published checkpoints.
        self.register_buffer(name, table.float() if table.is_floating_point() else table, persistent=False)

    def _keep_order(self, n: int) -> None:
        """Builds the index and sign tables of `arrange` and `restore`."""
        n_bins, p, q = n // 2 + 1, self.rows, self.width
        bins = torch.arange(p // 2 + 1)[:, None] + p * torch.arange(q)  # (r, q)
        # Bins above N / 2 are conjugates of lower ones: the same numbers, the imaginary part negated.
        mirrored = bins >= n_bins
        source = torch.where(mirrored, n - bins, bins)
        self._keep("order", torch.cat([source, n_bins + source], dim=1).flatten())
        signs = torch.where(mirrored, -1.0, 1.0)
        self._keep("sign", torch.cat([torch.ones_like(signs), signs], dim=1).flatten())
        # Only remainders up to P / 2 are stored; bins of the others are found as conjugates, too.
        wanted = torch.arange(n_bins)
        upper = wanted % p > p // 2
        stored = torch.where(upper, n - wanted, wanted)
        real = stored % p * 2 * q + stored // p
        self._keep("back", torch.cat([real, real + q]))
        self._keep("back_sign", torch.cat([torch.ones(n_bins), torch.where(upper, -1.0, 1.0)]))


def _turns(angles: Tensor) -> Tensor:
    """Returns ``exp(2 pi i angle)``."""
    return torch.polar(torch.ones_like(angles), 2 * torch.pi * angles)


def _real(matrices: Tensor) -> Tensor:
    """Turns complex matrices ``(r, m, n)`` into real ones ``(r, 2 m, 2 n)``, which multiply rows of parts."""
    upper = torch.cat([matrices.real, matrices.imag], dim=2)
    return torch.cat([upper, torch.cat([-matrices.imag, matrices.real], dim=2)], dim=1)


class OverlapAdd(nn.Module):
    """Sums frames that start ``hop_length`` samples apart, hop by hop, without convolution or index.

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
            # Which frames reach each hop, at the ends fewer: times their squared windows that is the envelope.
            present = torch.cat(self._delayed(torch.ones_like(frames[:1, :, :1])), dim=2)
            audio = audio / torch.matmul(present, self.power).clamp_min(ENVELOPE_FLOOR)
        n_samples = (frames.shape[1] - self.lost_frames) * self.hop_length
        return audio.flatten(1)[:, self.first_sample : self.first_sample + n_samples]

    def frames(self, audio: Tensor) -> Tensor:
        """Cuts audio into frames, with zeros beyond its ends: ``(B, N)`` -> ``(B, T, L)``."""
        more = self.n_hops - 1
        padded = F.pad(audio, (self.first_sample, (more + self.lost_frames) * self.hop_length - self.first_sample))
        hops = padded.view(padded.shape[0], -1, self.hop_length)
        # An end of 0 would mean an empty slice, None means all of it.
        frames = torch.cat([hops[:, n : n - more or None] for n in range(self.n_hops)], dim=2)
        return frames[..., : self.length]

    def _delayed(self, frames: Tensor) -> list[Tensor]:
        """Delays frames ``(B, T, C)`` by 0, 1, ... hops: each ``(B, T + n_hops - 1, C)``."""
        more = self.n_hops - 1
        padded = F.pad(frames, (0, 0, more, more))
        return [padded[:, more - n : -n or None] for n in range(self.n_hops)]
