"""The ISTFT head over frames by bins: no transposes, and the overlap-add is a sum of shifted rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ..contrast import contrasted
from ..heads import MAX_MAGNITUDE, ISTFTHead
from ..refinement import MOMENTUM, ahead, gain
from ..spectral import ENVELOPE_FLOOR, frame_padding, output_length
from .onednn import ROWS, Linear


class FastISTFT:
    """What `ISTFTHead` computes, for one item: hidden ``(T, dim)``, features ``(C, T)`` -> audio ``(N,)``."""

    def __init__(self, head: ISTFTHead) -> None:
        self.head = head
        self.out = Linear(head.out.weight.detach(), head.out.bias.detach())
        n_fft, hop_length = head.options.n_fft, head.options.hop_length
        self.window = head.istft.window
        self.overlap = n_fft // hop_length
        self.power = self.window.square().view(self.overlap, hop_length)

    def __call__(self, hidden: Tensor, features: Tensor) -> Tensor:
        options, n_frames = self.head.options, len(hidden)
        n_samples = output_length(n_frames, options.hop_length, options.framing)
        if n_samples == 0:
            return hidden.new_zeros(0)
        left, _ = frame_padding(options.n_fft, options.hop_length, options.framing)
        envelope = self._envelope(n_frames)
        magnitudes: list[Tensor] = []
        signal = self._signal(self._spectra(hidden, features, magnitudes), envelope)
        previous: Tensor | None = None
        for _ in range(options.refinement_steps):
            signal[:left] = signal[left + n_samples :] = 0.0  # of which the forward transform knows nothing
            restored = self._restored(ahead(signal, previous, MOMENTUM), magnitudes)
            previous, signal = signal, self._signal(restored, envelope)
        return signal[left : left + n_samples]

    def _restored(self, signal: Tensor, magnitudes: list[Tensor]) -> Iterator[Tensor]:
        """Spectra ``(t, F)`` of a signal's phases and of these magnitudes."""
        frames = torch.split(signal.unfold(0, self.head.options.n_fft, self.head.options.hop_length), ROWS)
        for piece, magnitude in zip(frames, magnitudes, strict=True):
            spectrum = torch.fft.rfft(piece * self.window, dim=1)
            yield spectrum.mul_(gain(spectrum, magnitude))

    def _signal(self, spectra: Iterable[Tensor], envelope: Tensor) -> Tensor:
        """Spectra ``(t, F)`` to the sum of their frames, all the samples that a frame reaches."""
        n_fft, hop_length = self.head.options.n_fft, self.head.options.hop_length
        summed, start = torch.zeros_like(envelope), 0
        for spectrum in spectra:
            frames = torch.fft.irfft(spectrum, n_fft, dim=1).mul_(self.window)
            for shift, part in enumerate(frames.view(len(frames), self.overlap, hop_length).unbind(1)):
                summed[start + shift : start + shift + len(frames)].add_(part)
            start += len(frames)
        return summed.div_(envelope).flatten()

    def _spectra(self, hidden: Tensor, features: Tensor, magnitudes: list[Tensor]) -> Iterator[Tensor]:
        """Complex ``(t, n_fft // 2 + 1)``, piece by piece; a refinement's magnitudes are added to a list."""
        for start in range(0, len(hidden), ROWS):
            rows = slice(start, start + ROWS)
            log_magnitude, phase = self.out(hidden[rows]).chunk(2, dim=1)
            magnitude = log_magnitude.exp()
            if self.head.prior is not None:
                magnitude.mul_(self.head.prior.magnitude(features[None, :, rows])[0].t())
            magnitude = contrasted(magnitude.clamp_max_(MAX_MAGNITUDE), self.head.options, dim=1)
            if self.head.options.refinement_steps:
                magnitudes.append(magnitude)
            yield torch.complex(magnitude * phase.cos(), magnitude * phase.sin())

    def _envelope(self, n_frames: int) -> Tensor:
        """Sum of the squared windows at each hop, ``(n_frames + overlap - 1, hop_length)``."""
        envelope = self.power.new_zeros(n_frames + self.overlap - 1, self.power.shape[1])
        for shift, part in enumerate(self.power):
            envelope[shift : shift + n_frames].add_(part)
        return envelope.clamp_min_(ENVELOPE_FLOOR)


def supports(module: nn.Module) -> bool:
    """Whether a head can be computed so: an ISTFT whose frames overlap by whole hops, in float32."""
    return (
        isinstance(module, ISTFTHead)
        and module.options.n_fft % module.options.hop_length == 0
        and module.out.weight.dtype == torch.float32
    )
