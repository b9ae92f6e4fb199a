"""Heads in real arithmetic, for exporters and runtimes that know no complex numbers and no FFT.

The inverse transform is linear: each frame is its coefficients times a fixed matrix. Of the STFT, bins of even number
repeat themselves after half a frame and odd ones with the other sign, so that two matrices of a quarter of the size do:
``n_fft * (n_fft + 2) / 2`` multiplications a frame, for the bundled model a seventh of what the rest costs.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heads import MAX_MAGNITUDE, PRIOR_FLOOR, AmplitudePrior, IMDCTHead, IMDCTSymExpHead, ISTFTHead
from ..mel.compression import expand
from ..model import Vocos
from ..spectral import ENVELOPE_FLOOR, Framing, frame_padding, imdct


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

    def _delayed(self, frames: Tensor) -> list[Tensor]:
        """Frames ``(B, T, C)`` as late as their first, second, ... hop is: each ``(B, T + n_hops - 1, C)``."""
        more = self.n_hops - 1
        padded = F.pad(frames, (0, 0, more, more))
        return [padded[:, more - n : -n or None] for n in range(self.n_hops)]


class PriorMagnitude(nn.Module):
    """`AmplitudePrior` before its logarithm, frames first: mel ``(B, n_mels, T)`` -> ``(B, T, bins)``."""

    inverse: Tensor

    def __init__(self, prior: AmplitudePrior, bins: Tensor) -> None:
        super().__init__()
        self.mel = prior.mel
        self.register_buffer("inverse", prior.inverse[bins].T.contiguous(), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        magnitude = torch.matmul(expand(mel.to(self.inverse.dtype), self.mel).transpose(1, 2), self.inverse)
        if self.mel.power == 2:
            magnitude = magnitude.clamp_min(0.0).sqrt()
        return magnitude.clamp_min(PRIOR_FLOOR)


class RealSpectrum(nn.Module):
    """An `ISTFTHead` up to its spectrum: hidden states -> magnitude, cosine and sine of the phase, ``(B, T, bins)``.

    Args:
        head: of which the weights are copied.
        bins: which bins, in their order; all by default.
    """

    def __init__(self, head: ISTFTHead, bins: Tensor | None = None) -> None:
        super().__init__()
        n_bins = head.options.n_fft // 2 + 1
        chosen = torch.arange(n_bins) if bins is None else bins
        self.out = copy.deepcopy(head.out)
        with torch.no_grad():
            rows = torch.cat([chosen, n_bins + chosen])
            self.out.weight.copy_(head.out.weight[rows])
            self.out.bias.copy_(head.out.bias[rows])
        self.prior = None if head.prior is None else PriorMagnitude(head.prior, chosen)

    def forward(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_magnitude, phase = self.out(hidden).float().chunk(2, dim=2)
        magnitude = log_magnitude.exp()
        if self.prior is not None:
            magnitude = magnitude * self.prior(features)
        return magnitude.clamp_max(MAX_MAGNITUDE), phase.cos(), phase.sin()


class SpectrumHead(nn.Module):
    """`RealSpectrum` with bins first: three times ``(B, n_fft // 2 + 1, T)``."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.spectrum = RealSpectrum(head)

    def forward(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        magnitude, cosine, sine = self.spectrum(hidden, features)
        return magnitude.transpose(1, 2), cosine.transpose(1, 2), sine.transpose(1, 2)


class RealISTFTHead(nn.Module):
    """`ISTFTHead` without complex numbers."""

    even: Tensor
    odd: Tensor
    window: Tensor

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        refuse_refinement(head)
        n_fft = head.options.n_fft
        window = head.istft.window.double()
        bins = torch.arange(n_fft // 2 + 1)
        self.n_even = len(bins[::2])
        self.spectrum = RealSpectrum(head, torch.cat([bins[::2], bins[1::2]]))
        unit = torch.eye(len(bins), dtype=torch.complex128, device=window.device)
        # Windowed sines and cosines over the first half of a frame.
        real, imaginary = (torch.fft.irfft(factor * unit, n_fft)[:, : n_fft // 2] for factor in (1, 1j))
        for name, which in (("even", slice(0, None, 2)), ("odd", slice(1, None, 2))):
            self.register_buffer(name, torch.cat([real[which], imaginary[which]]).float(), persistent=False)
        self.register_buffer("window", window.float(), persistent=False)
        self.overlap_add = OverlapAdd(n_fft, head.options.hop_length, head.options.framing, window)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        magnitude, cosine, sine = self.spectrum(hidden, features)
        real, imaginary, n = magnitude * cosine, magnitude * sine, self.n_even
        even = torch.matmul(torch.cat([real[..., :n], imaginary[..., :n]], dim=2), self.even)
        odd = torch.matmul(torch.cat([real[..., n:], imaginary[..., n:]], dim=2), self.odd)
        audio: Tensor = self.overlap_add(torch.cat([even + odd, even - odd], dim=2) * self.window)
        return audio


class RealIMDCTHead(nn.Module):
    """`IMDCTHead` without complex numbers."""

    basis: Tensor

    def __init__(self, head: IMDCTHead) -> None:
        super().__init__()
        self.head = head
        half = head.options.frame_length // 2
        window = head.imdct.window.double()
        # Of three frames, the middle one is left over by itself.
        unit = torch.zeros(half, 3, half, dtype=torch.float64, device=window.device)
        unit[:, 1] = torch.eye(half, dtype=torch.float64, device=window.device)
        self.register_buffer("basis", imdct(unit, window).float(), persistent=False)
        self.overlap_add = OverlapAdd(2 * half, half, head.options.framing)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        outputs = self.head.out(hidden).float()
        if isinstance(self.head, IMDCTSymExpHead):  # expm1, which keeps tiny values exact, is no operation of ONNX
            coefficients = (outputs.sign() * (outputs.abs().exp() - 1)).clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE)
        else:
            coefficients = self.head.coefficients(outputs)
        audio: Tensor = self.overlap_add(torch.matmul(coefficients, self.basis))
        return audio.clamp(-1.0, 1.0) if self.head.options.clip_audio else audio


def build_real_head(head: nn.Module) -> nn.Module:
    """A head that can be traced and exported, of the same weights; WaveNeXt's own can."""
    if isinstance(head, ISTFTHead):
        return RealISTFTHead(head)
    return RealIMDCTHead(head) if isinstance(head, IMDCTHead) else head


@contextmanager
def real_head(vocos: Vocos) -> Iterator[None]:
    """Gives a model a head that can be traced and exported; its own is back when the block ends."""
    head = vocos.head
    vocos.head = build_real_head(head)  # type: ignore[assignment]
    try:
        yield
    finally:
        vocos.head = head


def refuse_refinement(head: ISTFTHead) -> None:
    """Raises ValueError for a head that refines its phases, which no exported file does."""
    steps = getattr(head.options, "refinement_steps", 0)
    if steps:
        raise ValueError(f"refinement_steps={steps} is not exported; export the model with refinement_steps=0")


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise ValueError("an exported head takes no mask; decode the rows of a ragged batch one by one")
