"""Heads in real arithmetic, for exporters that know no complex numbers and no FFT.

The inverse transform is linear: each frame is its coefficients times a fixed matrix, and one transposed convolution
does that and the overlap-add. That costs ``n_fft * (n_fft + 2)`` multiplications a frame, for the bundled model a
third of what the rest costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins import Vocos
from vocos_plugins.heads import MAX_MAGNITUDE, IMDCTHead, IMDCTSymExpHead, ISTFTHead
from vocos_plugins.spectral import ENVELOPE_FLOOR, Framing, frame_padding, imdct


class OverlapAdd(nn.Module):
    """Frames from coefficients, added up ``hop_length`` samples apart.

    Args:
        basis: ``(C, L)``, what each coefficient adds to a frame, windowed.
        hop_length, framing: as in `vocos_plugins.spectral`.
        window: ``(L,)``; if given, the sum is divided by that of its squares.

    Shape: ``(B, C, T)`` -> ``(B, N)``.
    """

    basis: Tensor
    power: Tensor | None

    def __init__(self, basis: Tensor, hop_length: int, framing: Framing, window: Tensor | None = None) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.padding = frame_padding(basis.shape[1], hop_length, framing)
        self.register_buffer("basis", basis[:, None].float(), persistent=False)
        power = None if window is None else window.square()[None, None].float()
        self.register_buffer("power", power, persistent=False)

    def forward(self, coefficients: Tensor) -> Tensor:
        audio = F.conv_transpose1d(coefficients, self.basis, stride=self.hop_length)[:, 0]
        if self.power is not None:
            ones = torch.ones_like(coefficients[:1, :1])
            audio = audio / F.conv_transpose1d(ones, self.power, stride=self.hop_length)[:, 0].clamp_min(ENVELOPE_FLOOR)
        left, right = self.padding
        return audio[:, left : audio.shape[1] - right]


class RealISTFTHead(nn.Module):
    """`ISTFTHead` without complex numbers."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.head = head
        n_fft = head.options.n_fft
        window = head.istft.window.double()
        unit = torch.eye(n_fft // 2 + 1, dtype=torch.complex128, device=window.device)
        basis = torch.cat([torch.fft.irfft(unit, n_fft), torch.fft.irfft(1j * unit, n_fft)]) * window
        self.overlap_add = OverlapAdd(basis, head.options.hop_length, head.options.framing, window)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        log_magnitude, phase = self.head.out(hidden).float().transpose(1, 2).chunk(2, dim=1)
        if self.head.prior is not None:
            log_magnitude = log_magnitude + self.head.prior(features)
        magnitude = log_magnitude.exp().clamp_max(MAX_MAGNITUDE)
        audio: Tensor = self.overlap_add(torch.cat([magnitude * phase.cos(), magnitude * phase.sin()], dim=1))
        return audio


class RealIMDCTHead(nn.Module):
    """`IMDCTHead` without complex numbers."""

    def __init__(self, head: IMDCTHead) -> None:
        super().__init__()
        self.head = head
        half = head.options.frame_length // 2
        window = head.imdct.window.double()
        # Of three frames, the middle one is left over by itself.
        unit = torch.zeros(half, 3, half, dtype=torch.float64, device=window.device)
        unit[:, 1] = torch.eye(half, dtype=torch.float64, device=window.device)
        self.overlap_add = OverlapAdd(imdct(unit, window), half, head.options.framing)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        outputs = self.head.out(hidden).float()
        if isinstance(self.head, IMDCTSymExpHead):  # expm1, which keeps tiny values exact, is no operation of ONNX
            coefficients = (outputs.sign() * (outputs.abs().exp() - 1)).clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE)
        else:
            coefficients = self.head.coefficients(outputs)
        audio: Tensor = self.overlap_add(coefficients.transpose(1, 2))
        return audio.clamp(-1.0, 1.0) if self.head.options.clip_audio else audio


@contextmanager
def real_head(vocos: Vocos) -> Iterator[None]:
    """Gives a model a head that can be traced and exported; its own is back when the block ends."""
    head = vocos.head
    if isinstance(head, ISTFTHead):
        vocos.head = RealISTFTHead(head)
    elif isinstance(head, IMDCTHead):
        vocos.head = RealIMDCTHead(head)
    try:
        yield
    finally:
        vocos.head = head


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise ValueError("an exported head takes no mask; decode the rows of a ragged batch one by one")
