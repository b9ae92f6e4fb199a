"""Heads in real arithmetic, for exporters and runtimes that know no complex numbers and no FFT.

The transforms are products with fixed matrices (`export.transforms`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..network.heads import MAX_MAGNITUDE, IMDCTHead, IMDCTSymExpHead, ISTFTHead, polar
from ..network.network import Engine, Network, module_engine
from ..network.refinement import TINY, power_floor, refine
from ..spectral import imdct
from .transforms import OverlapAdd, RealSTFT


class RealISTFTHead(nn.Module):
    """An `ISTFTHead` in real arithmetic."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        # In float64 until the tables of the transform are made.
        options, window = head.options, head.istft.window.double()
        self.out = head.out
        self.prior = head.prior
        self.options = options
        self.stft = RealSTFT(window)
        self.overlap_add = OverlapAdd(options.n_fft, options.hop_length, options.framing, window)

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


class SpectrumHead(nn.Module):
    """`RealISTFTHead` up to its spectrum, bins first: three times ``(B, n_fft // 2 + 1, T)``."""

    def __init__(self, head: ISTFTHead) -> None:
        super().__init__()
        self.head = RealISTFTHead(head)

    def forward(self, hidden: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        magnitude, x, y = self.head.spectrum(hidden, features)
        return magnitude.transpose(1, 2), x.transpose(1, 2), y.transpose(1, 2)


class RealIMDCTHead(nn.Module):
    """An `IMDCTHead` in real arithmetic."""

    basis: Tensor

    def __init__(self, head: IMDCTHead) -> None:
        super().__init__()
        self.head = head
        half = head.options.frame_length // 2
        window = head.imdct.window.double()
        # The inverse transform of each unit vector, as the middle one of three frames: its neighbours are zero, so its
        # samples come out as they are.
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
    """Returns a head with the same weights that can be traced and exported; WaveNeXt's own already can."""
    if isinstance(head, ISTFTHead):
        return RealISTFTHead(head)
    return RealIMDCTHead(head) if isinstance(head, IMDCTHead) else head


class ModuleBackend:
    """An `EngineSource` that always runs the network's modules: what is exported, in the precision of the weights."""

    def engine(self, network: Network, device: torch.device, *, completely: bool = False) -> Engine:
        """Returns the modules as an engine, which has no copies of weights to compare."""
        return module_engine(network)


@contextmanager
def exported_form(network: Network) -> Iterator[None]:
    """Lets a network compute what an export of it computes, until the block ends.

    Its head is one that can be traced, and no backend decodes in another precision: exporters compare their file with
    the network that it was made from.
    """
    head, backend = network.head, network.backend
    network.head, network.backend = build_real_head(head), ModuleBackend()  # type: ignore[assignment]
    try:
        yield
    finally:
        network.head, network.backend = head, backend


def _refuse(mask: Tensor | None) -> None:
    if mask is not None:
        raise ValueError("an exported head takes no mask; decode the rows of a ragged batch one by one")
