"""A denoiser as HiFi-GAN's users know it: it takes away what a vocoder adds to silence.

It subtracts a spectrum from the magnitudes of the audio and keeps the phases (Boll, 1979), as WaveGlow's denoiser does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..mel.spectrogram import MelSpectrogram
from ..network.network import Network
from ..spectral import istft, stft
from .decode import decode_every_frame

# The number that HiFi-GAN's users pass.
STRENGTH = 0.00025
N_FFT, HOP_LENGTH = 1024, 256
SILENCE = 16 * N_FFT  # samples


class Denoiser(nn.Module):
    """Removes from audio what a model makes of silence.

    Args:
        vocos: a mel model.

    Attributes:
        bias: the magnitudes of what the model makes of silence, ``(n_fft // 2 + 1,)``, divided by the strength that
            removes them.

    Raises:
        ValueError: the model takes EnCodec codes, which have no silence of their own.
    """

    bias: Tensor
    window: Tensor

    def __init__(self, vocos: Network) -> None:
        super().__init__()
        if vocos.mel is None:
            raise ValueError("a denoiser needs a mel model; this one takes EnCodec codes")
        device = next(vocos.parameters()).device
        silence = torch.zeros(1, SILENCE + vocos.mel.n_fft)
        audio = decode_every_frame(vocos, MelSpectrogram(vocos.mel)(silence).to(device), postfilter=False).float()
        self.register_buffer("window", torch.hann_window(N_FFT, device=device), persistent=False)
        # Frames at the ends see the zeros beyond them.
        magnitude = self._spectrum(audio).abs()[0, :, N_FFT // HOP_LENGTH : -N_FFT // HOP_LENGTH]
        self.register_buffer("bias", magnitude.mean(dim=1) / STRENGTH, persistent=False)

    @torch.no_grad()
    def forward(self, audio: Tensor, strength: float = STRENGTH) -> Tensor:
        """Returns audio without the bias.

        Args:
            audio: ``(B, N)`` or ``(N,)``.
            strength: 0.00025 removes what the model makes of silence, twice as much removes twice its magnitudes, and 0
                changes nothing.

        Shape: that of the audio.

        Raises:
            ValueError: the audio has another shape, or the strength is negative.
        """
        if audio.dim() not in (1, 2):
            raise ValueError(f"audio must be (B, N) or (N,), got shape {tuple(audio.shape)}")
        if strength < 0:
            raise ValueError(f"strength must be at least 0, got {strength}")
        n_samples = audio.shape[-1]
        spectrum = self._spectrum(audio.reshape(-1, n_samples).float())
        magnitude = spectrum.abs()
        kept = (magnitude - strength * self.bias[:, None]).clamp_min(0) / magnitude.clamp_min(1e-12)
        denoised = istft(spectrum * kept, self.window, n_fft=N_FFT, hop_length=HOP_LENGTH)
        return denoised[:, :n_samples].reshape(audio.shape).to(audio.dtype)

    def _spectrum(self, audio: Tensor) -> Tensor:
        padded = F.pad(audio, (0, -audio.shape[1] % HOP_LENGTH + HOP_LENGTH))
        return stft(padded, self.window, n_fft=N_FFT, hop_length=HOP_LENGTH, pad_mode="constant")
