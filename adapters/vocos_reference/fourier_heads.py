"""The heads of ``vocos.heads``: this package's, with the reference's constructors and modules inside."""

from __future__ import annotations

from torch import Tensor, nn

from vocos_plugins import config
from vocos_plugins.network import heads

from .transforms import IMDCT, ISTFT, check_padding


class FourierHead(nn.Module):
    """Base class of heads: hidden states ``(B, T, dim)`` to audio ``(B, N)``."""

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError("Subclasses must implement the forward method.")


class ISTFTHead(heads.ISTFTHead, FourierHead):
    """Predicts log magnitude and phase of an STFT.

    Args:
        dim: channels of the hidden states.
        n_fft, hop_length: samples.
        padding: ``center`` or ``same``; it should be that of the features.
    """

    def __init__(self, dim: int, n_fft: int, hop_length: int, padding: str = "same") -> None:
        options = config.ISTFT(n_fft=n_fft, hop_length=hop_length, framing=check_padding(padding))
        super().__init__(dim, options, None)
        self.istft = ISTFT(n_fft=n_fft, hop_length=hop_length, win_length=n_fft, padding=padding)

    def forward(self, x: Tensor, features: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Computes audio; ``features`` are read by heads with an amplitude prior only, which these never have."""
        return super().forward(x, x if features is None else features, mask)


class IMDCTSymExpHead(heads.IMDCTSymExpHead, FourierHead):
    """Predicts MDCT coefficients by a symmetric exponential.

    Args:
        dim: channels of the hidden states.
        mdct_frame_len: samples; the hop is half of them.
        padding: ``center`` or ``same``; it should be that of the features.
        sample_rate: Hz; scales the initial weights by frequency.
        clip_audio: keep the audio in [-1, 1]. The reference returns its coefficients then, by mistake.
    """

    def __init__(
        self,
        dim: int,
        mdct_frame_len: int,
        padding: str = "same",
        sample_rate: int | None = None,
        clip_audio: bool = False,
    ) -> None:
        options = config.IMDCTSymExp(
            frame_length=mdct_frame_len,
            framing=check_padding(padding),
            sample_rate=sample_rate,
            clip_audio=clip_audio,
        )
        super().__init__(dim, options)
        self.imdct = IMDCT(frame_len=mdct_frame_len, padding=padding)
        self.clip_audio = clip_audio

    def forward(self, x: Tensor, features: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Computes audio; ``features`` are not read."""
        return super().forward(x, x if features is None else features, mask)


class IMDCTCosHead(heads.IMDCTCosHead, FourierHead):
    """Predicts MDCT coefficients as ``exp(m) * cos(p)``; its arguments are those of `IMDCTSymExpHead`."""

    def __init__(self, dim: int, mdct_frame_len: int, padding: str = "same", clip_audio: bool = False) -> None:
        options = config.IMDCTCos(frame_length=mdct_frame_len, framing=check_padding(padding), clip_audio=clip_audio)
        super().__init__(dim, options)
        self.imdct = IMDCT(frame_len=mdct_frame_len, padding=padding)
        self.clip_audio = clip_audio

    def forward(self, x: Tensor, features: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Computes audio; ``features`` are not read."""
        return super().forward(x, x if features is None else features, mask)
