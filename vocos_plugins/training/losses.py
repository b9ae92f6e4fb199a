"""Losses of a vocoder: adversarial and spectral distances between a generated signal and the real one.

Everything is computed in float32 or better, also under autocast. Losses and gradients stay finite on silence.

Real recordings often end below half their sample rate. ``bandwidth_hz`` is the bandwidth of each row, and the generator
is free above it: `MelLoss` and `PhaseLoss` leave those frequencies out, and `low_pass` removes them from both signals
before the discriminators.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..mel.convention import MelConvention
from ..mel.filterbank import MelNorm, MelScale
from ..mel.spectrogram import MelSpectrogram
from ..spectral import Float32Buffers, stft

# A Hann window spreads a tone over two bins to each side.
MAIN_LOBE_BINS = 2
# Added under the root of squared magnitudes to keep the gradient finite at zero.
MAGNITUDE_EPS = 1e-10
# Phases are weighted by magnitudes to this power: strong partials count more, weak ones still count.
PHASE_WEIGHT_EXPONENT = 0.5
# The gain of the low-pass falls from one to zero over this share of the bandwidth, just below it.
TRANSITION = 0.05
# Mirrored samples at each end. For bandwidths from 2 kHz, the impulse response has decayed to 1e-5 of its peak by then.
LOW_PASS_PADDING = 1024


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Computes the hinge loss (paper, section 3.4): ``1/K sum_k mean(max(0, 1 - real_k)) + mean(max(0, 1 + fake_k))``.

    Args:
        real, fake: the scores of K sub-discriminators, of any shapes.
    """
    # The reference sums over sub-discriminators in its losses, and divides by their number in its training step.
    pairs = zip(real, fake, strict=True)
    return torch.stack([F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in pairs]).mean()


def generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """Computes the generator's hinge loss of K scores (paper, section 3.4): ``1/K sum_k mean(max(0, 1 - fake_k))``."""
    return torch.stack([F.relu(1 - score.float()).mean() for score in fake]).mean()


def feature_matching_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Computes the distance of layer outputs (paper, section 3.4): ``1/K sum_k sum_l mean(|real_kl - fake_kl|)``.

    No gradient flows into the real side, which doesn't depend on the generator.

    Args:
        real, fake: the layer outputs of each of K sub-discriminators.
    """
    distances = [
        torch.stack([F.l1_loss(f.float(), r.detach().float()) for r, f in zip(of_real, of_fake, strict=True)]).sum()
        for of_real, of_fake in zip(real, fake, strict=True)
    ]
    return torch.stack(distances).mean()


class MelDistance(Float32Buffers):
    """One resolution of `MelLoss`, with the same arguments."""

    top: Tensor

    def __init__(self, convention: MelConvention) -> None:
        super().__init__()
        self.convention = convention
        self.mel = MelSpectrogram(convention)
        frequencies = _frequencies(convention.n_fft, convention.sample_rate)
        # The highest bin that each band weighs.
        top = (frequencies[:, None] * (self.mel.mel_scale.fb > 0)).amax(dim=0)
        self.register_buffer("top", top, persistent=False)

    def forward(self, fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None) -> Tensor:
        dtype = self.top.dtype
        distance: Tensor = (self.mel(fake.to(dtype)) - self.mel(real.to(dtype))).abs()
        if bandwidth_hz is None:
            return distance.mean()
        known = _within(self.top, bandwidth_hz, self.convention.sample_rate, self.convention.n_fft).to(dtype)
        return (distance * known[:, :, None]).sum() / (known.sum() * distance.shape[2]).clamp_min(1.0)


class MelLoss(nn.Module):
    """L1 distance of natural-log mels (paper, section 3.4), averaged over resolutions.

    A single resolution ``(1024, 256, 100)`` at 24 kHz is the reference's loss.

    Args:
        sample_rate: sample rate of the signals in Hz.
        resolutions: ``(n_fft, hop_length, n_mels)`` of each: samples, samples, bands.
        f_min, f_max: edges in Hz; ``f_max=None`` is the Nyquist frequency.
        mel_scale, mel_norm: see `mel_filterbank`.
        floor: smallest linear mel; weaker values count as equal.

    Args of ``forward``:
        fake, real: ``(B, N)``.
        bandwidth_hz: ``(B,)``; bands that reach above it, or come within two bins of it, are left out. None keeps all.

    Shape: a scalar; 0 if no band is left.

    Raises:
        ValueError: the sizes are invalid, signals or bandwidths have other shapes, or signals are too short for a
            frame.
    """

    def __init__(
        self,
        sample_rate: int,
        resolutions: Sequence[Sequence[int]],
        *,
        f_min: float = 0.0,
        f_max: float | None = None,
        mel_scale: MelScale = "htk",
        mel_norm: MelNorm | None = None,
        floor: float = 1e-7,
    ) -> None:
        super().__init__()
        self.distances = nn.ModuleList(
            MelDistance(
                MelConvention(
                    sample_rate=sample_rate,
                    n_fft=n_fft,
                    win_length=n_fft,
                    hop_length=hop_length,
                    n_mels=n_mels,
                    f_min=f_min,
                    f_max=f_max,
                    mel_scale=mel_scale,
                    mel_norm=mel_norm,
                    guard_value=floor,
                )
            )
            for n_fft, hop_length, n_mels in resolutions
        )

    def forward(self, fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None = None) -> Tensor:
        return _mean_distance(self.distances, fake, real, bandwidth_hz)


class PhaseDistance(Float32Buffers):
    """One resolution of `PhaseLoss`, with the same arguments."""

    window: Tensor

    def __init__(self, n_fft: int, sample_rate: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.sample_rate = sample_rate
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None) -> Tensor:
        fake, real = (
            stft(audio.to(self.window.dtype), self.window, n_fft=self.n_fft, hop_length=self.n_fft // 4)
            for audio in (fake, real)
        )
        weight = _magnitude(real.detach()) ** PHASE_WEIGHT_EXPONENT
        if bandwidth_hz is not None:
            edges = _frequencies(self.n_fft, self.sample_rate).to(weight.device)
            weight = weight * _within(edges, bandwidth_hz, self.sample_rate, self.n_fft)[:, :, None]
        turns = [spectrum / _magnitude(spectrum) for spectrum in (fake, real)]
        total = weight.new_zeros(())
        # For numbers of magnitude 1, |z' conj(z) - r' conj(r)| equals |z' conj(r') - z conj(r)|, which takes half of
        # the time. It was reverted: with the constant in `_magnitude`, equal quiet signals then had a distance above 0.
        for axis in (1, 2):
            last = weight.shape[axis] - 1
            of_fake, of_real = (turn.narrow(axis, 1, last) * turn.narrow(axis, 0, last).conj() for turn in turns)
            # A step belongs to two bins: the geometric mean of their weights.
            both = (weight.narrow(axis, 1, last) * weight.narrow(axis, 0, last)).sqrt()
            # The root's value at zero is subtracted, so that equal signals have a distance of 0.
            chord = _magnitude(of_fake - of_real) - MAGNITUDE_EPS**0.5
            total = total + (both * chord).sum() / both.sum().clamp_min(torch.finfo(both.dtype).tiny)
        return total


class PhaseLoss(nn.Module):
    """Distance of the phase steps along time and along frequency, averaged over resolutions.

    A phase step is the rotation from one bin to the next, ``z' conj(z) / |z' z|``. Two steps are compared by the chord
    between them, 0 to 2, so that phase never needs unwrapping. Chords are weighted by the real signal's compressed
    magnitude, and their weighted means along time and frequency are added. This follows the anti-wrapping losses of
    group delay and instantaneous frequency in APNet (arXiv 2305.07952). A phase shift common to all bins costs nothing,
    a short delay little.

    Args:
        n_ffts: samples, one resolution each; the hop is a quarter.
        sample_rate: sample rate of the signals in Hz.

    Args of ``forward``:
        fake, real: ``(B, N)``.
        bandwidth_hz: ``(B,)``; bins above it, or within two bins of it, are left out. None keeps all.

    Shape: a scalar, 0 to 4; 0 if no bin is left.

    Raises:
        ValueError: signals or bandwidths have other shapes, or signals are too short for a frame.
    """

    def __init__(self, n_ffts: Sequence[int], sample_rate: int) -> None:
        super().__init__()
        self.distances = nn.ModuleList(PhaseDistance(n_fft, sample_rate) for n_fft in n_ffts)

    def forward(self, fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None = None) -> Tensor:
        return _mean_distance(self.distances, fake, real, bandwidth_hz)


def low_pass(audio: Tensor, bandwidth_hz: Tensor, sample_rate: int) -> Tensor:
    """Removes the frequencies above each row's bandwidth without delay; for both real and generated signals.

    The gain is 1 up to 95% of the bandwidth and falls to 0 at the bandwidth as a raised cosine. Ends are mirrored. Rows
    whose bandwidth is the Nyquist frequency or more come back bit for bit.

    Args:
        audio: ``(B, N)``.
        bandwidth_hz: ``(B,)``, positive.
        sample_rate: Hz.

    Shape: ``(B, N)``, differentiable.
    """
    _check_alike(audio, audio, bandwidth_hz)
    whole = bandwidth_hz >= sample_rate / 2
    if bool(whole.all()):
        return audio
    n_samples = audio.shape[1]
    pad = min(LOW_PASS_PADDING, n_samples - 1)
    with torch.autocast(audio.device.type, enabled=False):
        exact = audio if audio.dtype == torch.float64 else audio.float()
        padded = F.pad(exact, (pad, pad), mode="reflect")
        length = -(-padded.shape[1] // LOW_PASS_PADDING) * LOW_PASS_PADDING  # small factors make the FFT fast
        frequency = torch.fft.rfftfreq(length, 1 / sample_rate, device=audio.device, dtype=exact.dtype)
        edge = bandwidth_hz.to(exact)[:, None]
        fall = ((frequency - (1 - TRANSITION) * edge) / (TRANSITION * edge)).clamp(0.0, 1.0)
        gain = 0.5 + 0.5 * torch.cos(torch.pi * fall)
        # A real gain shifts no phase, so there is no delay to undo.
        passed = torch.fft.irfft(torch.fft.rfft(padded, length) * gain, length)[:, pad : pad + n_samples]
    return torch.where(whole[:, None], audio, passed.to(audio.dtype))


def _mean_distance(distances: nn.ModuleList, fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None) -> Tensor:
    _check_alike(fake, real, bandwidth_hz)
    with torch.autocast(fake.device.type, enabled=False):
        return torch.stack([distance(fake, real, bandwidth_hz) for distance in distances]).mean()


def _frequencies(n_fft: int, sample_rate: int) -> Tensor:
    """Returns the frequencies of the bins in Hz, ``(n_fft // 2 + 1,)``."""
    return torch.arange(n_fft // 2 + 1) * (sample_rate / n_fft)


def _magnitude(spectrum: Tensor) -> Tensor:
    return (spectrum.real.square() + spectrum.imag.square() + MAGNITUDE_EPS).sqrt()


def _within(edges: Tensor, bandwidth_hz: Tensor, sample_rate: int, n_fft: int) -> Tensor:
    """Returns whether each upper edge ``(K,)`` of a band or bin lies in each row's bandwidth: bool ``(B, K)``."""
    reach = (edges + MAIN_LOBE_BINS * sample_rate / n_fft).clamp_max(sample_rate / 2)
    return reach <= bandwidth_hz[:, None]


def _check_alike(fake: Tensor, real: Tensor, bandwidth_hz: Tensor | None) -> None:
    if fake.dim() != 2 or fake.shape != real.shape:
        raise ValueError(f"expected two signals (B, N), got shapes {tuple(fake.shape)} and {tuple(real.shape)}")
    if bandwidth_hz is not None and bandwidth_hz.shape != fake.shape[:1]:
        raise ValueError(f"bandwidth_hz must be ({len(fake)},), got shape {tuple(bandwidth_hz.shape)}")
