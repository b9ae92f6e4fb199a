"""The transforms of ``vocos.spectral_ops``: `vocos_plugins.spectral`, as modules with the reference's buffers."""

from __future__ import annotations

import torch
from torch import Tensor

from vocos_plugins.network.heads import WindowBuffer
from vocos_plugins.spectral import FRAMINGS, Framing, imdct, istft, mdct, sine_window


class ISTFT(WindowBuffer):
    """Inverse short-time Fourier transform: complex ``(B, n_fft // 2 + 1, T)`` -> audio ``(B, N)``.

    Args:
        n_fft, hop_length, win_length: samples.
        padding: ``center`` or ``same``.
    """

    def __init__(self, n_fft: int, hop_length: int, win_length: int, padding: str = "same") -> None:
        super().__init__(torch.hann_window(win_length))
        self.padding = check_padding(padding)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length

    def forward(self, spec: Tensor) -> Tensor:
        return istft(spec, self.window, n_fft=self.n_fft, hop_length=self.hop_length, framing=self.padding)


class _MDCTBase(WindowBuffer):
    """The part that both directions share: a window, and the reference's tables.

    The tables are there for checkpoints that hold them; the transforms compute theirs in float64.
    """

    pre_twiddle: Tensor
    post_twiddle: Tensor

    def __init__(self, frame_len: int, padding: str, pre_twiddle: Tensor, post_twiddle: Tensor) -> None:
        super().__init__(sine_window(frame_len))
        self.padding = check_padding(padding)
        self.frame_len = frame_len
        # As real numbers: half precision and some devices know no complex ones.
        self.register_buffer("pre_twiddle", torch.view_as_real(pre_twiddle))
        self.register_buffer("post_twiddle", torch.view_as_real(post_twiddle))


class MDCT(_MDCTBase):
    """Modified discrete cosine transform: audio ``(B, N)`` -> coefficients ``(B, T, frame_len // 2)``."""

    def __init__(self, frame_len: int, padding: str = "same") -> None:
        half = frame_len // 2
        shift = (half + 1) / 2
        pre_twiddle = torch.exp(-1j * torch.pi * torch.arange(frame_len) / frame_len)
        post_twiddle = torch.exp(-1j * torch.pi * shift * (torch.arange(half) + 0.5) / half)
        super().__init__(frame_len, padding, pre_twiddle, post_twiddle)

    def forward(self, audio: Tensor) -> Tensor:
        return mdct(audio, self.window, framing=self.padding)


class IMDCT(_MDCTBase):
    """Inverse of `MDCT`: coefficients ``(B, T, frame_len // 2)`` -> audio ``(B, N)``."""

    def __init__(self, frame_len: int, padding: str = "same") -> None:
        half = frame_len // 2
        shift = (half + 1) / 2
        pre_twiddle = torch.exp(1j * torch.pi * shift * torch.arange(frame_len) / half)
        post_twiddle = torch.exp(1j * torch.pi * (torch.arange(frame_len) + shift) / frame_len)
        super().__init__(frame_len, padding, pre_twiddle, post_twiddle)

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803 - the reference's name
        return imdct(X, self.window, framing=self.padding)


def check_padding(padding: str) -> Framing:
    """Returns a framing; raises ValueError for anything but ``center`` and ``same``."""
    if padding not in FRAMINGS:
        raise ValueError(f"padding must be 'center' or 'same', got {padding!r}")
    return "center" if padding == "center" else "same"
