"""Multi-period and multi-resolution discriminators of waveforms (paper, section 3.4), as in the released code.

The multi-period one is HiFi-GAN's (arXiv 2010.05646). As multi-resolution one, the paper describes UnivNet's, but the
released code, and this module, use the Descript Audio Codec's (arXiv 2306.06546): complex spectra, split into bands.
The default sizes are those of the reference package ``vocos``, whose training checkpoints load, including those with
the old weight norm.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ..network.heads import WindowBuffer
from ..spectral import stft
from .discriminator_sizes import Discriminators, bins_of, min_period_samples, min_spectrum_samples

LEAKY_SLOPE = 0.1  # HiFi-GAN's, which the reference uses for both
PEAK = 0.8  # the level that DAC's discriminator sets


class Judgement(NamedTuple):
    """Output of a discriminator for a batch.

    Attributes:
        scores: one for each sub-discriminator: ``(B, n)`` for a period, ``(B, 1, T, n)`` for a resolution.
        features: layer outputs ``(B, C, T, n)`` of each sub-discriminator, without the first; the last is its score.
    """

    scores: list[Tensor]
    features: list[list[Tensor]]


class Layers(nn.ModuleList):
    """Stack of convolutions; returns the output of every one for an input ``(B, C, T, n)``."""

    def forward(self, hidden: Tensor) -> list[Tensor]:
        outputs = []
        for conv in self:
            hidden = F.leaky_relu(conv(hidden), LEAKY_SLOPE)
            outputs.append(hidden)
        return outputs


class SubDiscriminator(nn.Module):
    """Common part of both kinds: a last layer, and the projection on a bandwidth's embedding (arXiv 1802.05637)."""

    def __init__(self, channels: int, kernel: tuple[int, int], options: Discriminators, n_embeddings: int | None):
        super().__init__()
        self.emb: nn.Embedding | None = None
        if n_embeddings is not None:
            # As in the reference, conditioning starts without effect.
            self.emb = nn.Embedding(n_embeddings, channels)
            nn.init.zeros_(self.emb.weight)
        self.conv_post = _conv(channels, 1, kernel, (1, 1), options)

    def judge(self, hidden: Tensor, bandwidth_id: Tensor | None) -> Tensor:
        """Returns the score ``(B, 1, T, n)`` of hidden ``(B, C, T, n)``, with ids ``(B,)`` or ``(1,)``."""
        score: Tensor = self.conv_post(hidden)
        if self.emb is None or bandwidth_id is None:
            return score
        embedding: Tensor = self.emb(bandwidth_id)
        # Added to the score, and so part of the last feature too: the reference adds it in place.
        return score + (embedding[:, :, None, None] * hidden).sum(dim=1, keepdim=True)


class DiscriminatorP(SubDiscriminator):
    """Sub-discriminator of a signal folded into rows of one period."""

    def __init__(self, period: int, options: Discriminators, n_embeddings: int | None = None) -> None:
        widths = (1, *options.period_channels)
        super().__init__(widths[-1], (3, 1), options, n_embeddings)
        self.period = period
        strided = [
            _conv(before, after, (5, 1), (options.period_stride, 1), options) for before, after in pairwise(widths)
        ]
        self.convs = Layers([*strided, _conv(widths[-1], widths[-1], (5, 1), (1, 1), options)])

    @property
    def min_samples(self) -> int:
        """Length of the shortest signal that can be judged."""
        return min_period_samples(self.period)

    def forward(self, audio: Tensor, bandwidth_id: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        # As an image with one period per row: kernels of width 1 then compare samples that are whole periods apart.
        whole = F.pad(audio[:, None], (0, -audio.shape[1] % self.period), mode="reflect")
        features: list[Tensor] = self.convs(whole.reshape(len(audio), 1, -1, self.period))
        score = self.judge(features[-1], bandwidth_id)
        # The reference leaves the first layer's output out of feature matching.
        return score.flatten(1), [*features[1:], score]


class DiscriminatorR(SubDiscriminator):
    """Sub-discriminator of a complex spectrogram at one resolution; each band has its own layers.

    The signal's mean is removed and its peak set to 0.8 first, so that neither offset nor level affects the score.
    """

    def __init__(self, n_fft: int, options: Discriminators, n_embeddings: int | None = None) -> None:
        channels = options.resolution_channels
        super().__init__(channels, (3, 3), options, n_embeddings)
        self.n_fft = n_fft
        self.hop_length = int(n_fft * options.hop_factor)
        self.bands = [bins_of(band, n_fft) for band in options.resolution_bands]
        self.spec_fn = WindowBuffer(torch.hann_window(n_fft))
        last = len(options.frequency_strides) - 1
        self.band_convs = nn.ModuleList(
            Layers(
                _conv(2 if i == 0 else channels, channels, (3, 3 if i == last else 9), (1, stride), options)
                for i, stride in enumerate(options.frequency_strides)
            )
            for _ in self.bands
        )

    @property
    def min_samples(self) -> int:
        """Length of the shortest signal that can be judged."""
        return min_spectrum_samples(self.n_fft)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Returns real and imaginary part as channels, ``(B, 2, T, n_fft // 2 + 1)``, in float32 or better."""
        window = self.spec_fn.window
        # The FFT needs float32; autocast applies again to the convolutions after it.
        with torch.autocast(audio.device.type, enabled=False):
            centred = audio.to(window.dtype)
            centred = centred - centred.mean(dim=1, keepdim=True)
            # The constant is for silent rows, which have no peak to divide by.
            level = centred.abs().amax(dim=1, keepdim=True) + 1e-9
            complex_stft = stft(PEAK * centred / level, window, n_fft=self.n_fft, hop_length=self.hop_length)
        # Real and imaginary part as channels: phases are judged too, not magnitudes alone.
        return torch.view_as_real(complex_stft).permute(0, 3, 2, 1)

    def forward(self, audio: Tensor, bandwidth_id: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        spectrum = self.spectrum(audio)
        stacks: list[list[Tensor]] = [
            convs(spectrum[..., low:high]) for (low, high), convs in zip(self.bands, self.band_convs, strict=True)
        ]
        score = self.judge(torch.cat([stack[-1] for stack in stacks], dim=-1), bandwidth_id)
        return score, [*(feature for stack in stacks for feature in stack[1:]), score]


class Ensemble(nn.Module):
    """Sub-discriminators that judge the same signal.

    Args of ``forward``:
        audio: ``(B, N)``, at least `min_samples` long; real or generated, or both stacked along ``B``.
        bandwidth_id: integers ``(B, 1)``, or ``(1, 1)`` for all rows; None for an unconditioned discriminator.

    Raises:
        ValueError: the audio has another shape or is too short, or ids are missing, unwanted or of another shape.
    """

    def __init__(self, discriminators: list[DiscriminatorP] | list[DiscriminatorR]) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(discriminators)
        self.min_samples = max(discriminator.min_samples for discriminator in discriminators)
        self.is_conditioned = discriminators[0].emb is not None

    def forward(self, audio: Tensor, bandwidth_id: Tensor | None = None) -> Judgement:
        if audio.dim() != 2:
            raise ValueError(f"audio must be (B, N), got shape {tuple(audio.shape)}")
        if audio.shape[1] < self.min_samples:
            raise ValueError(f"audio has {audio.shape[1]} samples, this discriminator needs {self.min_samples}")
        ids = self._ids(bandwidth_id, len(audio))
        judged = [discriminator(audio, ids) for discriminator in self.discriminators]
        return Judgement([score for score, _ in judged], [features for _, features in judged])

    def _ids(self, bandwidth_id: Tensor | None, batch: int) -> Tensor | None:
        if (bandwidth_id is not None) != self.is_conditioned:
            wanted = "needs a" if self.is_conditioned else "is not conditioned on a"
            raise ValueError(f"this discriminator {wanted} bandwidth_id, got {bandwidth_id}")
        if bandwidth_id is None:
            return None
        if bandwidth_id.shape not in ((batch, 1), (1, 1), (batch,), (1,)):
            raise ValueError(f"bandwidth_id must be ({batch}, 1) or (1, 1), got shape {tuple(bandwidth_id.shape)}")
        return bandwidth_id.flatten()


class MultiPeriodDiscriminator(Ensemble):
    """Judges a signal by its samples at several periods; see `Ensemble` for the arguments of ``forward``."""

    def __init__(self, options: Discriminators, num_embeddings: int | None = None) -> None:
        super().__init__([DiscriminatorP(period, options, num_embeddings) for period in options.periods])


class MultiResolutionDiscriminator(Ensemble):
    """Judges a signal by complex spectra at several resolutions; see `Ensemble` for the arguments of ``forward``."""

    def __init__(self, options: Discriminators, num_embeddings: int | None = None) -> None:
        super().__init__([DiscriminatorR(n_fft, options, num_embeddings) for n_fft in options.n_ffts])


def build_discriminators(
    options: Discriminators, num_embeddings: int | None = None
) -> tuple[MultiPeriodDiscriminator, MultiResolutionDiscriminator]:
    """Builds both discriminators, conditioned on ``num_embeddings`` bandwidths if that is set."""
    return MultiPeriodDiscriminator(options, num_embeddings), MultiResolutionDiscriminator(options, num_embeddings)


def _conv(
    before: int, after: int, kernel: tuple[int, int], stride: tuple[int, int], options: Discriminators
) -> nn.Module:
    conv = nn.Conv2d(before, after, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2))
    return weight_norm(conv) if options.weight_norm else conv
