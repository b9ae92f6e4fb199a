"""Heads in real arithmetic, for exporters and runtimes that know no complex numbers and no FFT.

The inverse transform is a product with a fixed matrix (`real_transforms`), for the bundled model a seventh of what the
rest costs; each pass of a refinement takes twice as much again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..heads import MAX_MAGNITUDE, PRIOR_FLOOR, AmplitudePrior, IMDCTHead, IMDCTSymExpHead, ISTFTHead
from ..mel.compression import expand
from ..model import Vocos
from ..refinement import FADE, MOMENTUM, TINY
from ..spectral import imdct
from .real_transforms import OverlapAdd, RealSTFT, even_first


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


class RealISTFTHead(nn.Module):
    """`ISTFTHead` without complex numbers."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        options, window = head.options, head.istft.window.double()
        bins = even_first(options.n_fft)
        self.out = copy.deepcopy(head.out)
        with torch.no_grad():
            rows = torch.cat([bins, len(bins) + bins])
            self.out.weight.copy_(head.out.weight[rows])
            self.out.bias.copy_(head.out.bias[rows])
        self.prior = None if head.prior is None else PriorMagnitude(head.prior, bins)
        self.refinement_steps = options.refinement_steps
        self.stft = RealSTFT(window, forward_too=self.refinement_steps > 0)
        self.overlap_add = OverlapAdd(options.n_fft, options.hop_length, options.framing, window)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        magnitude, x, y = self.spectrum(hidden, features)
        return self._audio(magnitude * x, magnitude * y)

    def spectrum(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Magnitude, and cosine and sine of the phase, ``(B, T, n_fft // 2 + 1)``, even bins before odd ones."""
        log_magnitude, phase = self.out(hidden).float().chunk(2, dim=2)
        magnitude = log_magnitude.exp()
        if self.prior is not None:
            magnitude = magnitude * self.prior(features)
        magnitude = magnitude.clamp_max(MAX_MAGNITUDE)
        return (magnitude, *self._refined(magnitude, phase.cos(), phase.sin()))

    def _refined(self, magnitude: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """As `refinement.refine`."""
        previous: tuple[Tensor, Tensor] | None = None
        for _ in range(self.refinement_steps):
            audio = self._audio(magnitude * x, magnitude * y)
            real, imaginary = ahead = self.stft.analyse(self.overlap_add.frames(audio))
            if previous is not None:
                share = MOMENTUM / (1 + MOMENTUM)
                ahead = real - share * previous[0], imaginary - share * previous[1]
            power = ahead[0].square() + ahead[1].square() + FADE * magnitude.square() + TINY
            x, y = ahead[0] * power.rsqrt(), ahead[1] * power.rsqrt()
            previous = real, imaginary
        return x, y

    def _audio(self, real: Tensor, imaginary: Tensor) -> Tensor:
        audio: Tensor = self.overlap_add(self.stft.invert(real, imaginary))
        return audio


class SpectrumHead(nn.Module):
    """`RealISTFTHead` up to its spectrum, bins first and in their own order: three times ``(B, n_fft // 2 + 1, T)``."""

    bins: Tensor

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.head = RealISTFTHead(head)
        self.register_buffer("bins", even_first(head.options.n_fft).argsort(), persistent=False)

    def forward(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        magnitude, x, y = (part.index_select(2, self.bins) for part in self.head.spectrum(hidden, features))
        return magnitude.transpose(1, 2), x.transpose(1, 2), y.transpose(1, 2)


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


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise ValueError("an exported head takes no mask; decode the rows of a ragged batch one by one")
