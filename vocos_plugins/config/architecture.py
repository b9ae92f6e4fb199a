"""The typed configuration of a model, and its YAML form.

A configuration names its parts from a closed table: it never chooses what is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..mel.convention import MelConvention
from ..spectral import FRAMINGS, Framing, output_length
from .mapping import ConfigError, check_keys, read_part, write_part


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
    not in training (`contrast.contrasted`).
    """

    n_fft: int
    hop_length: int
    framing: Framing = "center"
    amplitude_prior: bool = False
    refinement_steps: int = 0
    contrast: float = 1.0

    def __post_init__(self) -> None:
        _check_sizes(self, "hop_length")
        _check_even(self, "n_fft")
        _check_framing(self.framing)
        if self.n_fft < self.hop_length:
            raise ValueError(f"n_fft={self.n_fft} leaves gaps between frames of hop_length={self.hop_length}")
        if self.refinement_steps < 0:
            raise ValueError(f"refinement_steps must not be negative, got {self.refinement_steps}")
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


Features = MelConvention | EncodecCodes
Backbone = ConvNeXt | ResNet
Head = ISTFT | IMDCTSymExp | IMDCTCos | WaveNeXt

FEATURES: dict[str, type[Any]] = {"mel": MelConvention, "encodec": EncodecCodes}
BACKBONES: dict[str, type[Any]] = {"convnext": ConvNeXt, "resnet": ResNet}
HEADS: dict[str, type[Any]] = {
    "istft": ISTFT,
    "imdct-symexp": IMDCTSymExp,
    "imdct-cos": IMDCTCos,
    "wavenext": WaveNeXt,
}
PARTS = {"features": FEATURES, "backbone": BACKBONES, "head": HEADS}


@dataclass(frozen=True, kw_only=True)
class VocosConfig:
    """Configuration of a whole model: features -> backbone -> head."""

    features: Features
    backbone: Backbone
    head: Head

    def __post_init__(self) -> None:
        hop_length, framing = head_grid(self.head)
        if hop_length != self.features.hop_length:
            raise ConfigError(
                f"the head produces {hop_length} samples per frame, "
                f"but features.hop_length is {self.features.hop_length}"
            )
        # Codes have no framing of their own: whichever the head was trained with is right.
        if isinstance(self.features, MelConvention) and framing != self.features.framing:
            raise ConfigError(f"the head's framing is {framing!r}, but features.framing is {self.features.framing!r}")
        if isinstance(self.head, ISTFT) and self.head.amplitude_prior:
            _check_prior(self.head, self.features)
        if isinstance(self.backbone, ConvNeXt) and isinstance(self.features, EncodecCodes):
            embeddings, needed = self.backbone.adanorm_num_embeddings, len(self.features.bandwidths)
            if embeddings is not None and embeddings < needed:  # more do no harm: the surplus is never chosen
                raise ConfigError(f"adanorm_num_embeddings is {embeddings}, but the features have {needed} bandwidths")

    @property
    def n_features(self) -> int:
        """Number of feature channels."""
        return self.features.n_mels if isinstance(self.features, MelConvention) else self.features.codebook_dim

    @property
    def n_bandwidths(self) -> int | None:
        """Number of bandwidths that the backbone is conditioned on; None for an unconditioned model."""
        embeddings = self.backbone.adanorm_num_embeddings if isinstance(self.backbone, ConvNeXt) else None
        if embeddings is not None and isinstance(self.features, EncodecCodes):
            return len(self.features.bandwidths)
        return embeddings

    def n_samples(self, n_frames: int) -> int:
        """Returns the number of samples that ``n_frames`` frames decode to."""
        return output_length(n_frames, *head_grid(self.head))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> VocosConfig:
        """Reads the YAML form. Unknown, missing and mistyped keys are refused by name (`ConfigError`)."""
        check_keys(mapping, set(PARTS), set(PARTS), "the configuration")
        return cls(**{name: read_part(mapping[name], table, name) for name, table in PARTS.items()})

    def to_dict(self) -> dict[str, Any]:
        """Returns the YAML form. Every field is written, so that a later change of a default has no effect."""
        return {name: write_part(getattr(self, name), table) for name, table in PARTS.items()}


def head_grid(head: Head) -> tuple[int, Framing]:
    """Returns a head's samples per frame and its framing."""
    match head:
        case ISTFT():
            return head.hop_length, head.framing
        case WaveNeXt():
            return head.hop_length, "same"  # each frame is one hop of samples, without overlap
        case _:
            return head.frame_length // 2, head.framing  # frames of an MDCT overlap by half


def _check_prior(head: ISTFT, mel: Features) -> None:
    if not isinstance(mel, MelConvention):
        raise ConfigError("amplitude_prior needs mel features; EnCodec features hold no magnitudes")
    if (mel.n_fft, mel.win_length) != (head.n_fft, head.n_fft) or mel.window != "hann":
        raise ConfigError(
            "amplitude_prior needs a mel computed from the same Hann STFT as the head's: the head has "
            f"n_fft={head.n_fft}, but the mel has n_fft={mel.n_fft}, win_length={mel.win_length}, window={mel.window}"
        )


def _check_sizes(part: object, *names: str) -> None:
    for name in names:
        value = getattr(part, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _check_even(part: object, name: str) -> None:
    value = getattr(part, name)
    if value < 2 or value % 2:
        raise ValueError(f"{name} must be even and at least 2, got {value}")


def _check_framing(framing: str) -> None:
    if framing not in FRAMINGS:
        raise ValueError(f"framing must be one of {', '.join(FRAMINGS)}, got {framing!r}")
