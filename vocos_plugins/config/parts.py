"""The parts that a model is made of: features, backbones and heads, and how large each may be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..mel import convention
from ..mel.convention import MelConvention
from ..mel.shown import shown
from ..spectral import FRAMINGS, Framing
from .mapping import NEWER

# Far beyond any published model. A file may ask for more, which would take all memory or never end.
LARGEST = {
    **convention.LARGEST,
    "frame_length": 1 << 16,
    "n_codebooks": 1024,
    "codebook_size": 1 << 16,
    "codebook_dim": 1 << 14,
    "dim": 1 << 14,
    "intermediate_dim": 1 << 16,
    "num_layers": 256,
    "num_blocks": 256,
    "adanorm_num_embeddings": 1024,
    "refinement_steps": 1000,
    "window_frames": 1 << 14,
    "upsample": 8,
}


@dataclass(frozen=True, kw_only=True)
class EncodecCodes:
    """Features of an EnCodec model: sums of codebook vectors (Defossez et al., arXiv 2210.13438).

    Attributes:
        sample_rate: Hz.
        hop_length: samples between code frames.
        bandwidths: kb/s that the model was trained for; ``bandwidth_id`` counts them from 0.
        n_codebooks: codebooks in the checkpoint, enough for the largest bandwidth.
        codebook_size: entries in each codebook.
        codebook_dim: length of an entry.
    """

    sample_rate: int = 24000  # facebook/encodec_24khz, with the bandwidths of charactr/vocos-encodec-24khz
    hop_length: int = 320
    bandwidths: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0)
    n_codebooks: int = 16
    codebook_size: int = 1024
    codebook_dim: int = 128

    def __post_init__(self) -> None:
        _check_sizes(self, "sample_rate", "hop_length", "n_codebooks", "codebook_size", "codebook_dim")
        if not all(math.isfinite(bandwidth) for bandwidth in self.bandwidths):
            raise ValueError(f"bandwidths must be finite, got {list(self.bandwidths)}")
        if self.codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {self.codebook_size}")
        if not self.bandwidths or max(self.codebook_counts) > self.n_codebooks or min(self.codebook_counts) < 1:
            raise ValueError(
                f"bandwidths {list(self.bandwidths)} kb/s need {self.codebook_counts} codebooks, "
                f"but n_codebooks is {self.n_codebooks}"
            )

    @property
    def codebook_counts(self) -> list[int]:
        """Number of codebooks for each bandwidth: its bit rate over frames per second and bits per code."""
        bits_per_s = self.sample_rate / self.hop_length * (self.codebook_size - 1).bit_length()
        return [round(1000 * bandwidth / bits_per_s) for bandwidth in self.bandwidths]


@dataclass(frozen=True, kw_only=True)
class ConvNeXt:
    """The paper's backbone. ``adanorm_num_embeddings`` conditions it on that many bandwidths."""

    dim: int
    intermediate_dim: int
    num_layers: int
    layer_scale_init_value: float | None = None
    adanorm_num_embeddings: int | None = None

    def __post_init__(self) -> None:
        _check_sizes(self, "dim", "intermediate_dim", "num_layers", "adanorm_num_embeddings")


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """The paper's ablation: HiFi-GAN's residual blocks without upsampling."""

    dim: int
    num_blocks: int
    layer_scale_init_value: float | None = None

    def __post_init__(self) -> None:
        _check_sizes(self, "dim", "num_blocks")


@dataclass(frozen=True, kw_only=True)
class ISTFT:
    """Magnitude and phase of an STFT.

    ``amplitude_prior`` makes the magnitude a residual over the mel's own. ``refinement_steps`` is the number of passes
    of fast Griffin-Lim over the result (`refinement`). ``contrast`` deepens the valleys of the spectrum at inference,
    not in training (`contrast.contrasted`). ``upsample`` is the audio's sample rate as a multiple of the features':
    ``n_fft`` and ``hop_length`` count samples of the audio.
    """

    n_fft: int
    hop_length: int
    framing: Framing = "center"
    amplitude_prior: bool = False
    refinement_steps: int = 0
    contrast: float = 1.0
    upsample: int = field(default=1, metadata=NEWER)

    def __post_init__(self) -> None:
        _check_sizes(self, "hop_length", "upsample")
        _check_even(self, "n_fft")
        _check_framing(self.framing)
        if self.n_fft < self.hop_length:
            raise ValueError(f"n_fft={self.n_fft} leaves gaps between frames of hop_length={self.hop_length}")
        if not 0 <= self.refinement_steps <= LARGEST["refinement_steps"]:
            raise ValueError(
                f"refinement_steps must be between 0 and {LARGEST['refinement_steps']}, got {self.refinement_steps}"
            )
        if not 0.5 <= self.contrast <= 2.0:
            raise ValueError(
                f"contrast must be between 0.5 and 2, got {self.contrast}; 1 leaves magnitudes as they are"
            )


@dataclass(frozen=True, kw_only=True)
class IMDCTSymExp:
    """MDCT coefficients as ``sign(x) * (exp(|x|) - 1)``; ``sample_rate`` scales the initial weights by frequency."""

    frame_length: int
    framing: Framing = "center"
    sample_rate: int | None = None
    clip_audio: bool = False

    def __post_init__(self) -> None:
        _check_even(self, "frame_length")
        _check_framing(self.framing)


@dataclass(frozen=True, kw_only=True)
class IMDCTCos:
    """MDCT coefficients as ``exp(m) * cos(p)``."""

    frame_length: int
    framing: Framing = "center"
    clip_audio: bool = False

    def __post_init__(self) -> None:
        _check_even(self, "frame_length")
        _check_framing(self.framing)


@dataclass(frozen=True, kw_only=True)
class WaveNeXt:
    """Two linear layers to ``hop_length`` samples per frame, instead of an inverse FFT (Okamoto et al., ASRU 2023)."""

    n_fft: int
    hop_length: int

    def __post_init__(self) -> None:
        _check_sizes(self, "n_fft", "hop_length")


@dataclass(frozen=True, kw_only=True)
class LinearPostfilter:
    """A linear map of a predicted mel's bands, before the backbone (`network.postfilter`). It has no options."""


@dataclass(frozen=True, kw_only=True)
class AdaptivePostfilter:
    """A linear map that is applied as far as a mel is blurred, for natural logarithms (`network.postfilter`).

    Attributes:
        window_frames: frames up to the present one over which the roughness is measured, a power of two. Roughness is
            the mean absolute second difference from band to band, in nepers.
        blurred: the roughness at which and below which the whole map is applied.
        sharp: the roughness from which a mel stays as it is.
    """

    window_frames: int = 128
    blurred: float = 0.28
    sharp: float = 0.42

    def __post_init__(self) -> None:
        _check_sizes(self, "window_frames")
        if self.window_frames.bit_count() != 1:
            raise ValueError(f"window_frames must be a power of two, got {self.window_frames}")
        if not 0 <= self.blurred < self.sharp:
            raise ValueError(f"expected 0 <= blurred < sharp, got blurred={self.blurred}, sharp={self.sharp}")


Features = MelConvention | EncodecCodes
Backbone = ConvNeXt | ResNet
Head = ISTFT | IMDCTSymExp | IMDCTCos | WaveNeXt
Postfilter = LinearPostfilter | AdaptivePostfilter

FEATURES: dict[str, type[Any]] = {"mel": MelConvention, "encodec": EncodecCodes}
BACKBONES: dict[str, type[Any]] = {"convnext": ConvNeXt, "resnet": ResNet}
HEADS: dict[str, type[Any]] = {
    "istft": ISTFT,
    "imdct-symexp": IMDCTSymExp,
    "imdct-cos": IMDCTCos,
    "wavenext": WaveNeXt,
}
POSTFILTERS: dict[str, type[Any]] = {"linear": LinearPostfilter, "adaptive": AdaptivePostfilter}
PARTS = {"features": FEATURES, "backbone": BACKBONES, "head": HEADS}
# A model without such a part has no key for it.
OPTIONAL_PARTS = {"postfilter": POSTFILTERS}


def head_grid(head: Head) -> tuple[int, Framing]:
    """Returns a head's samples per frame and its framing."""
    match head:
        case ISTFT():
            return head.hop_length, head.framing
        case WaveNeXt():
            return head.hop_length, "same"  # each frame is one hop of samples, without overlap
        case _:
            return head.frame_length // 2, head.framing  # frames of an MDCT overlap by half


def _check_sizes(part: object, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
        _check_largest(name, value)


def _check_even(part: object, name: str) -> None:
    value = getattr(part, name)
    if value < 2 or value % 2:
        raise ValueError(f"{name} must be even and at least 2, got {value}")
    _check_largest(name, value)


def _check_largest(name: str, value: int | None) -> None:
    if value is not None and value > LARGEST[name]:
        raise ValueError(f"{name} must be at most {LARGEST[name]}, got {value}")


def _check_framing(framing: str) -> None:
    if framing not in FRAMINGS:
        raise ValueError(f"framing must be one of {', '.join(FRAMINGS)}, got {shown(framing)}")
