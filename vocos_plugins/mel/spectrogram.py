"""The mel front end: computes a mel from a waveform, as defined by a `MelConvention`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spectral import Float32Buffers, has_complex, stft
from .compression import compress
from .convention import MelConvention, check_convention
from .inputs import Numbers, as_audio


def make_window(convention: MelConvention) -> Tensor:
    """Returns a convention's window, ``(win_length,)``, float32."""
    shape = torch.hann_window if convention.window == "hann" else torch.hamming_window
    return shape(convention.win_length, periodic=convention.periodic)


class Spectrogram(Float32Buffers):
    """Magnitude (or power) spectrogram of a convention: ``(B, N)`` -> ``(B, n_fft // 2 + 1, T)``."""

    window: Tensor

    def __init__(self, convention: MelConvention) -> None:
        super().__init__()
        self.convention = convention
        self.register_buffer("window", make_window(convention))

    def forward(self, audio: Tensor) -> Tensor:
        c = self.convention
        if c.pre_emphasis:
            # The sample before the first one counts as zero, as in scipy.signal.lfilter.
            audio = audio - c.pre_emphasis * F.pad(audio, (1, 0))[..., :-1]
        device, window = audio.device, self.window
        if not has_complex(device.type):
            audio, window = audio.cpu(), window.cpu()
        spectrum = stft(audio, window, n_fft=c.n_fft, hop_length=c.hop_length, framing=c.framing, pad_mode=c.pad_mode)
        # At zero the root has an infinite gradient without eps, whereas that of abs() is 0.
        if c.magnitude_eps:
            magnitude = torch.sqrt(spectrum.real.square() + spectrum.imag.square() + c.magnitude_eps)
        else:
            magnitude = spectrum.abs()
        return (magnitude if c.power == 1 else magnitude**c.power).to(device)


class MelFilterbank(Float32Buffers):
    """Applies a convention's filterbank: ``(B, n_fft // 2 + 1, T)`` -> ``(B, n_mels, T)``."""

    fb: Tensor

    def __init__(self, convention: MelConvention) -> None:
        super().__init__()
        filterbank = convention.filterbank()
        self.register_buffer("fb", filterbank)

    def forward(self, spectrogram: Tensor) -> Tensor:
        return torch.matmul(spectrogram.transpose(-1, -2), self.fb).transpose(-1, -2)


class MelSpectrogram(nn.Module):
    """Computes the mel of a waveform, as defined by `convention`.

    Shape: ``(B, N)`` in [-1, 1] -> ``(B, n_mels, T)``; ``T = N // hop_length + 1`` for ``center`` framing,
    ``N // hop_length`` for ``same``. The audio may have any floating-point type, and be a NumPy array; the mel has the
    module's precision, float32. Submodules are named as in torchaudio's module, so that published checkpoints load.

    Raises:
        TypeError: the audio is not floating point, or the convention is no `MelConvention`.
        ValueError: its shape is another, or it is too short to be mirrored at its ends.
    """

    def __init__(self, convention: MelConvention) -> None:
        super().__init__()
        check_convention(convention)
        self.convention = convention
        self.spectrogram = Spectrogram(convention)
        self.mel_scale = MelFilterbank(convention)

    def forward(self, audio: Numbers) -> Tensor:
        audio = as_audio(audio).to(self.spectrogram.window)
        return compress(self.mel_scale(self.spectrogram(audio)), self.convention)
