"""The mel extractor of ``vocos.feature_extractors``, and the linear mel inside it, which replaces torchaudio's."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocos_plugins.mel.convention import MelConvention
from vocos_plugins.mel.spectrogram import MelFilterbank, Spectrogram

from .blocks import safe_log
from .transforms import check_padding

FLOOR = 1e-7  # of `safe_log`


class FeatureExtractor(nn.Module):
    """Base class of feature extractors: audio ``(B, N)`` to features ``(B, C, T)``."""

    def forward(self, audio: Tensor, **kwargs: Any) -> Tensor:
        raise NotImplementedError("Subclasses must implement the forward method.")


class LinearMel(nn.Module):
    """The part of torchaudio's ``MelSpectrogram`` that the reference uses: ``(..., N)`` -> linear mel ``(..., M, T)``.

    Args:
        sample_rate: Hz.
        n_fft, hop_length: samples; the window is as long as the transform.
        n_mels: bands.
        center: mirror the signal at its ends. Without it, frames lie within the signal.
    """

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int, n_mels: int, *, center: bool) -> None:
        super().__init__()
        self.sample_rate, self.n_mels = sample_rate, n_mels
        self.n_fft = self.win_length = n_fft
        self.hop_length = hop_length
        self.center = center
        convention = MelConvention(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            guard_value=FLOOR,
        )
        self.spectrogram = Spectrogram(convention)
        self.mel_scale = MelFilterbank(convention)

    def forward(self, waveform: Tensor) -> Tensor:
        rows = waveform.reshape(-1, waveform.shape[-1]).to(self.spectrogram.window)
        mel: Tensor = self.mel_scale(self.spectrogram(rows) if self.center else self._inside(rows))
        return mel.reshape(*waveform.shape[:-1], *mel.shape[1:])

    def _inside(self, rows: Tensor) -> Tensor:
        window = self.spectrogram.window
        spectrum: Tensor = torch.stft(
            rows, self.n_fft, self.hop_length, window=window, center=False, return_complex=True
        )
        return spectrum.abs()


class MelSpectrogramFeatures(FeatureExtractor):
    """Log mel of audio: ``(B, N)`` -> ``(B, n_mels, T)``.

    Args:
        sample_rate: Hz.
        n_fft, hop_length: samples.
        n_mels: bands.
        padding: ``center`` or ``same``.
    """

    def __init__(
        self,
        sample_rate: int = 24000,
        n_fft: int = 1024,
        hop_length: int = 256,
        n_mels: int = 100,
        padding: str = "center",
    ) -> None:
        super().__init__()
        self.padding = check_padding(padding)
        self.mel_spec = LinearMel(sample_rate, n_fft, hop_length, n_mels, center=padding == "center")

    @property
    def options(self) -> MelConvention:
        """The mel's convention."""
        return dataclasses.replace(self.mel_spec.spectrogram.convention, framing=self.padding)

    def forward(self, audio: Tensor, **_: Any) -> Tensor:
        if self.padding == "same":
            pad = (self.mel_spec.win_length - self.mel_spec.hop_length) // 2
            audio = F.pad(audio, (pad, pad), mode="reflect")
        return safe_log(self.mel_spec(audio))
