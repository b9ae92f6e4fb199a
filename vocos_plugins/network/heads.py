"""Heads: hidden states to a waveform through an inverse transform (paper, section 3.3 and appendix).

Every head takes hidden states ``(B, T, C)``, the features that they came from and the mask of a ragged batch, and
returns audio ``(B, N)``. Whatever the precision of the layers before, exponentials, phases and transforms run in
float32 or better.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import config
from ..mel.compression import expand
from ..mel.convention import MelConvention
from ..mel.filterbank import hz_to_mel, mel_to_hz
from ..spectral import Float32Buffers, imdct, imdct_frames, istft, istft_frames, output_length, sine_window, stft
from .contrast import contrasted
from .refinement import magnitude_projection, refine

# Upper bound of magnitudes and MDCT coefficients: an untrained model, or one that gets a wrong mel, stays finite. The
# value is the reference's.
MAX_MAGNITUDE = 1e2
PRIOR_FLOOR = 1e-4  # FreeV's; trained checkpoints depend on it


class WindowBuffer(Float32Buffers):
    """Holds a transform's window under its name in published checkpoints."""

    window: Tensor

    def __init__(self, window: Tensor, *, persistent: bool = True) -> None:
        super().__init__()
        self.register_buffer("window", window, persistent=persistent)


class AmplitudePrior(Float32Buffers):
    """The magnitudes that a mel itself implies (FreeV, arXiv 2406.08196): its filterbank's pseudo-inverse.

    Args:
        mel: the convention.
        upsample: sample rate of the audio, as a multiple of the mel's. Its frames have as many times the samples, and
            magnitudes. About the bins above its own band a mel says nothing: they get the floor.

    Shape: mel ``(B, n_mels, T)`` -> magnitude ``(B, upsample * n_fft // 2 + 1, T)``.
    """

    inverse: Tensor

    def __init__(self, mel: MelConvention, upsample: int = 1) -> None:
        super().__init__()
        self.mel = mel
        self.floor = PRIOR_FLOOR * upsample
        inverse = torch.linalg.pinv(mel.filterbank().double().T).float()
        if upsample > 1:
            inverse = inverse * upsample**mel.power
            inverse = F.pad(inverse, (0, 0, 0, mel.n_fft * upsample // 2 + 1 - len(inverse)))
        # Not persistent: checkpoints with and without a prior have the same keys, so that either loads into the other.
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        linear = expand(mel.to(self.inverse.dtype), self.mel)
        with torch.autocast(linear.device.type, enabled=False):  # in bfloat16, bins between bands go astray
            return self.bounded(torch.matmul(self.inverse, linear))

    def bounded(self, inverted: Tensor) -> Tensor:
        """Turns results of the pseudo-inverse, in any order, into magnitudes: they can be negative or zero."""
        if self.mel.power == 2:
            inverted = inverted.clamp_min(0.0).sqrt()
        return inverted.clamp_min(self.floor)


def polar(
    log_magnitude: Tensor,
    phase: Tensor,
    prior: Tensor | None,
    *,
    options: config.ISTFT,
    contrast: float,
    dim: int,
    in_place: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Turns the outputs of an ISTFT head's linear layer into magnitude, and cosine and sine of the phase.

    Args:
        log_magnitude, phase: of the same shape, the bins along ``dim``.
        prior: an `AmplitudePrior`'s magnitudes; None for a head without one.
        options: of the head.
        contrast, dim: as for `contrasted`.
        in_place: overwrite ``log_magnitude`` and ``phase``; not for training.
    """

    def out(tensor: Tensor) -> Tensor | None:
        # New memory of this size is mapped and zeroed at every call, which takes as long as the exponential.
        return tensor if in_place else None

    magnitude = torch.exp(log_magnitude, out=out(log_magnitude))
    if prior is not None:
        magnitude = torch.mul(magnitude, prior, out=out(magnitude))
    magnitude = torch.clamp(magnitude, max=MAX_MAGNITUDE * options.upsample, out=out(magnitude))
    # A phase counts by its cosine and sine alone, so it can be any number and is never wrapped. The cosine comes first,
    # as the sine may overwrite the phase.
    magnitude = contrasted(magnitude, contrast, options.n_fft, dim, upsample=options.upsample)
    return magnitude, phase.cos(), torch.sin(phase, out=out(phase))


class ISTFTHead(nn.Module):
    """Predicts log magnitude and phase of an STFT; ``T`` frames become `spectral.output_length` samples."""

    def __init__(self, dim: int, options: config.ISTFT, mel: MelConvention | None) -> None:
        super().__init__()
        self.options = options
        # Log magnitude and phase of n_fft // 2 + 1 bins.
        self.out = nn.Linear(dim, options.n_fft + 2)
        self.istft = WindowBuffer(torch.hann_window(options.n_fft))
        self.prior = AmplitudePrior(mel, options.upsample) if options.amplitude_prior and mel is not None else None

    @property
    def contrast(self) -> float:
        """The options' contrast; 1, which changes nothing, in a training step."""
        # Toolkits decode with models that are still in train mode, NeMo for instance after `restore_from`.
        return 1.0 if self.training and torch.is_grad_enabled() else self.options.contrast

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        spectrum = self.spectrum(hidden, features)
        if self.options.refinement_steps:
            spectrum = self.refined(spectrum, mask)
        return self._inverse(spectrum, mask)

    def refined(self, spectrum: Tensor, mask: Tensor | None = None) -> Tensor:
        """Returns the same magnitudes with phases that agree better with them and with each other."""
        o = self.options
        if output_length(spectrum.shape[2], o.hop_length, o.framing) == 0 or spectrum.shape[0] == 0:
            return spectrum

        def analyse(audio: Tensor) -> Tensor:
            window = self.istft.window
            # Zeros beyond the ends, as a row of a ragged batch has them.
            return stft(audio, window, n_fft=o.n_fft, hop_length=o.hop_length, framing=o.framing, pad_mode="constant")

        project = magnitude_projection(spectrum.abs(), analyse)
        return refine(spectrum, lambda estimate: self._inverse(estimate, mask), project, n_iter=o.refinement_steps)

    def _inverse(self, spectrum: Tensor, mask: Tensor | None) -> Tensor:
        o = self.options
        return istft(spectrum, self.istft.window, n_fft=o.n_fft, hop_length=o.hop_length, framing=o.framing, mask=mask)

    def frames(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Returns each frame's samples before frames overlap: ``(B, n_fft, T)``."""
        return istft_frames(self.spectrum(hidden, features), self.istft.window, self.options.n_fft)

    def spectrum(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Returns the complex STFT, ``(B, n_fft // 2 + 1, T)``; with the head's `contrast`."""
        log_magnitude, phase = _at_least_float32(self.out(hidden)).transpose(1, 2).chunk(2, dim=1)
        prior = None if self.prior is None else self.prior(features)
        magnitude, cosine, sine = polar(
            log_magnitude, phase, prior, options=self.options, contrast=self.contrast, dim=1
        )
        return torch.complex(magnitude * cosine, magnitude * sine)


class IMDCTHead(nn.Module):
    """The common part of the two IMDCT heads: a linear layer, a mapping to coefficients, the inverse transform."""

    n_outputs_per_bin = 1

    def __init__(self, dim: int, options: config.IMDCTSymExp | config.IMDCTCos) -> None:
        super().__init__()
        self.options = options
        self.out = nn.Linear(dim, options.frame_length // 2 * self.n_outputs_per_bin)
        # Not persistent: published checkpoints hold other tables here, which loading skips (`storage.weights.FOREIGN`).
        self.imdct = WindowBuffer(sine_window(options.frame_length), persistent=False)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        coefficients = self.coefficients(_at_least_float32(self.out(hidden)))
        audio = imdct(coefficients, self.imdct.window, framing=self.options.framing, mask=mask)
        # The reference returns its clipped coefficients here instead of the audio.
        return audio.clamp(-1.0, 1.0) if self.options.clip_audio else audio

    def frames(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Returns each frame's samples before frames overlap: ``(B, frame_length, T)``."""
        return imdct_frames(self.coefficients(_at_least_float32(self.out(hidden))), self.imdct.window)

    def coefficients(self, outputs: Tensor) -> Tensor:
        """Turns outputs of the linear layer into MDCT coefficients ``(B, T, frame_length / 2)``."""
        raise NotImplementedError


class IMDCTSymExpHead(IMDCTHead):
    """An IMDCT head whose coefficients are a symmetric exponential of the outputs."""

    def __init__(self, dim: int, options: config.IMDCTSymExp) -> None:
        super().__init__(dim, options)
        if options.sample_rate is not None:
            # As in the reference: the higher a bin, the smaller its initial weights, along the mel scale.
            bins = torch.linspace(0, hz_to_mel(options.sample_rate / 2, "htk"), self.out.out_features)
            frequencies = mel_to_hz(bins, "htk")
            with torch.no_grad():
                self.out.weight.mul_((1 - frequencies / frequencies.max())[:, None])

    def coefficients(self, outputs: Tensor) -> Tensor:
        # expm1, since exp(x) - 1 loses the digits of small coefficients.
        return (outputs.sign() * torch.expm1(outputs.abs())).clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE)


class IMDCTCosHead(IMDCTHead):
    """An IMDCT head whose coefficients are an exponential magnitude times the cosine of a phase."""

    n_outputs_per_bin = 2

    def coefficients(self, outputs: Tensor) -> Tensor:
        log_magnitude, phase = outputs.chunk(2, dim=2)
        return log_magnitude.exp().clamp_max(MAX_MAGNITUDE) * phase.cos()


class WaveNeXtHead(nn.Module):
    """Predicts each frame's samples directly; they are clipped to [-1, 1], as the published checkpoint expects."""

    def __init__(self, dim: int, options: config.WaveNeXt) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(dim, options.n_fft + 2)
        self.linear_2 = nn.Linear(options.n_fft + 2, options.hop_length, bias=False)
        nn.init.trunc_normal_(self.linear_1.weight, std=0.02)
        nn.init.trunc_normal_(self.linear_2.weight, std=0.02)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        frames = self.frames(hidden, features)
        if mask is not None:
            frames = frames.masked_fill(~mask[:, None], 0.0)
        return frames.transpose(1, 2).flatten(1)

    def frames(self, hidden: Tensor, features: Tensor) -> Tensor:
        """Returns the samples of each frame, ``(B, hop_length, T)``."""
        return _at_least_float32(self.linear_2(self.linear_1(hidden))).clamp(-1.0, 1.0).transpose(1, 2)


def build_head(dim: int, options: config.Head, mel: MelConvention | None) -> ISTFTHead | IMDCTHead | WaveNeXtHead:
    """Builds the module of a configured head; ``mel`` is the convention that an amplitude prior inverts."""
    match options:
        case config.ISTFT():
            return ISTFTHead(dim, options, mel)
        case config.IMDCTSymExp():
            return IMDCTSymExpHead(dim, options)
        case config.IMDCTCos():
            return IMDCTCosHead(dim, options)
        case config.WaveNeXt():
            return WaveNeXtHead(dim, options)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
