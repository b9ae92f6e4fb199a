"""Heads in real arithmetic, for exporters, runtimes and devices that know no complex numbers and no FFT.

The transforms are products with fixed matrices (`real_transforms`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..spectral import imdct
from .heads import MAX_MAGNITUDE, IMDCTHead, IMDCTSymExpHead, ISTFTHead, polar
from .real_transforms import OverlapAdd, RealSTFT
from .refinement import TINY, power_floor, refine


class RealISTFTHead(nn.Module):
    """An `ISTFTHead` in real arithmetic."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        device = head.istft.window.device
        # In float64, which not every device has, until the tables of the transform are made.
        options, window = head.options, head.istft.window.cpu().double()
        self.out = head.out
        self.prior = head.prior
        self.options = options
        self.stft = RealSTFT(window).to(device)
        self.overlap_add = OverlapAdd(options.n_fft, options.hop_length, options.framing, window).to(device)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        _refuse(mask)
        return self._audio(self._refined(*self.predicted(hidden, features)))

    def spectrum(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns magnitude, cosine and sine of the phase, each ``(B, T, n_fft // 2 + 1)``, refined if the head is."""
        magnitude, x, y = self.predicted(hidden, features)
        if self.options.refinement_steps:
            parts = self.stft.restore(self._refined(magnitude, x, y))
            x, y = (parts / torch.cat([magnitude, magnitude], dim=2).clamp_min(TINY)).chunk(2, dim=2)
        return magnitude, x, y

    def predicted(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns magnitude, cosine and sine as the layers predict them."""
        log_magnitude, phase = self.out(hidden).float().chunk(2, dim=2)
        prior = None if self.prior is None else self.prior(features).transpose(1, 2)
        return polar(log_magnitude, phase, prior, options=self.options, contrast=self.options.contrast, dim=2)

    def _refined(self, magnitude: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Returns refined spectra, in the order of `RealSTFT`."""
        spectra = self.stft.arrange(torch.cat([magnitude * x, magnitude * y], dim=2))
        if self.options.refinement_steps == 0:
            return spectra
        # `arrange` negates the imaginary parts of mirrored bins. These are magnitudes, hence abs().
        wanted = self.stft.arrange(torch.cat([magnitude, magnitude], dim=2)).abs()
        floor = power_floor(wanted)

        def project(signal: Tensor) -> Tensor:
            rebuilt = self.stft.analyse(self.overlap_add.frames(signal))
            real, imaginary = rebuilt.square().chunk(2, dim=3)
            power = real + imaginary
            return rebuilt * wanted * (torch.cat([power, power], dim=3) + floor).rsqrt()

        return refine(spectra, self._audio, project, n_iter=self.options.refinement_steps)

    def _audio(self, spectra: Tensor) -> Tensor:
        audio: Tensor = self.overlap_add(self.stft.invert(spectra))
        return audio


class RealIMDCTHead(nn.Module):
    """An `IMDCTHead` in real arithmetic."""

    basis: Tensor

    def __init__(self, head: IMDCTHead) -> None:
        super().__init__()
        self.head = head
        half = head.options.frame_length // 2
        device, window = head.imdct.window.device, head.imdct.window.cpu().double()
        # The inverse transform of each unit vector, as the middle one of three frames: its neighbours are zero, so its
        # samples come out as they are.
        unit = torch.zeros(half, 3, half, dtype=torch.float64)
        unit[:, 1] = torch.eye(half, dtype=torch.float64)
        self.register_buffer("basis", imdct(unit, window).float().to(device), persistent=False)
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
    """Returns a head with the same weights that can be traced and exported; WaveNeXt's own already can."""
    if isinstance(head, ISTFTHead):
        return RealISTFTHead(head)
    return RealIMDCTHead(head) if isinstance(head, IMDCTHead) else head


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise ValueError("a head in real arithmetic takes no mask; decode the rows of a ragged batch one by one")
