"""The typed configuration of a model, and its YAML form.

A configuration names its parts from a closed table: it never chooses what is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..mel.convention import MelConvention
from ..mel.shown import shown
from ..spectral import output_length
from .mapping import ConfigError, check_keys, read_part, write_part
from .parts import (
    ISTFT,
    OPTIONAL_PARTS,
    PARTS,
    AdaptivePostfilter,
    Backbone,
    ConvNeXt,
    EncodecCodes,
    Features,
    Head,
    IMDCTCos,
    IMDCTSymExp,
    Postfilter,
    WaveNeXt,
    head_grid,
)

# Thirty times the published models.
MOST_WEIGHTS = 500_000_000


@dataclass(frozen=True, kw_only=True)
class VocosConfig:
    """Configuration of a whole model: features -> postfilter, if there is one -> backbone -> head."""

    features: Features
    backbone: Backbone
    head: Head
    postfilter: Postfilter | None = None

    def __post_init__(self) -> None:
        if self.n_weights > MOST_WEIGHTS:
            raise ConfigError(
                f"expected at most {MOST_WEIGHTS:,} weights in a model, these sizes give {self.n_weights:,}"
            )
        hop_length, framing = head_grid(self.head)
        if hop_length != self.features.hop_length * self.upsample:
            times = "" if self.upsample == 1 else f" and head.upsample is {self.upsample}"
            raise ConfigError(
                f"the head produces {hop_length} samples per frame, "
                f"but features.hop_length is {self.features.hop_length}{times}"
            )
        # Codes have no framing of their own: whichever the head was trained with is right.
        if isinstance(self.features, MelConvention) and framing != self.features.framing:
            raise ConfigError(
                f"the head's framing is {shown(framing)}, but features.framing is {self.features.framing!r}"
            )
        if isinstance(self.head, ISTFT) and self.head.amplitude_prior:
            _check_prior(self.head, self.features)
        if self.postfilter is not None and not isinstance(self.features, MelConvention):
            raise ConfigError("postfilter needs mel features; codes are not predicted band by band")
        if isinstance(self.postfilter, AdaptivePostfilter):
            _check_logarithm(self.features)
        if isinstance(self.backbone, ConvNeXt) and isinstance(self.features, EncodecCodes):
            embeddings, needed = self.backbone.adanorm_num_embeddings, len(self.features.bandwidths)
            if embeddings is not None and embeddings < needed:  # more do no harm: the surplus is never chosen
                raise ConfigError(f"adanorm_num_embeddings is {embeddings}, but the features have {needed} bandwidths")

    @property
    def n_features(self) -> int:
        """Number of feature channels."""
        return self.features.n_mels if isinstance(self.features, MelConvention) else self.features.codebook_dim

    @property
    def upsample(self) -> int:
        """The audio's sample rate as a multiple of the features'."""
        return self.head.upsample if isinstance(self.head, ISTFT) else 1

    @property
    def sample_rate(self) -> int:
        """Sample rate of the audio, Hz."""
        return self.features.sample_rate * self.upsample

    @property
    def hop_length(self) -> int:
        """Samples of audio per frame."""
        return self.features.hop_length * self.upsample

    @property
    def n_bandwidths(self) -> int | None:
        """Number of bandwidths that the backbone is conditioned on; None for an unconditioned model."""
        embeddings = self.backbone.adanorm_num_embeddings if isinstance(self.backbone, ConvNeXt) else None
        if embeddings is not None and isinstance(self.features, EncodecCodes):
            return len(self.features.bandwidths)
        return embeddings

    @property
    def n_weights(self) -> int:
        """Number of values in the model's matrices, found without building it; biases and norms are not counted."""
        backbone, head = self.backbone, self.head
        if isinstance(backbone, ConvNeXt):
            inside = backbone.dim * (7 * self.n_features + 2 * backbone.num_layers * backbone.intermediate_dim)
        else:
            # Each block has six convolutions of three taps.
            inside = 3 * backbone.dim * (self.n_features + 6 * backbone.num_blocks * backbone.dim)
        match head:
            case ISTFT():
                outside = backbone.dim * (head.n_fft + 2)
            case WaveNeXt():
                outside = (backbone.dim + head.hop_length) * (head.n_fft + 2)
            case IMDCTSymExp():
                outside = backbone.dim * head.frame_length // 2
            case IMDCTCos():
                outside = backbone.dim * head.frame_length
        if isinstance(self.features, EncodecCodes):
            outside += self.features.n_codebooks * self.features.codebook_size * self.features.codebook_dim
        if self.postfilter is not None:
            outside += self.n_features**2
        return inside + outside

    def n_samples(self, n_frames: int) -> int:
        """Returns the number of samples that ``n_frames`` frames decode to."""
        return output_length(n_frames, *head_grid(self.head))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> VocosConfig:
        """Reads the YAML form. Unknown, missing and mistyped keys are refused by name (`ConfigError`)."""
        check_keys(mapping, {*PARTS, *OPTIONAL_PARTS}, set(PARTS), "the configuration")
        tables: dict[str, Mapping[str, type[Any]]] = {**PARTS, **OPTIONAL_PARTS}
        return cls(**{name: read_part(part, tables[name], name) for name, part in mapping.items()})

    def to_dict(self) -> dict[str, Any]:
        """Returns the YAML form; see `mapping.write_part`."""
        written = {name: write_part(getattr(self, name), table) for name, table in PARTS.items()}
        for name, table in OPTIONAL_PARTS.items():
            if (part := getattr(self, name)) is not None:
                written[name] = write_part(part, table)
        return written


def _check_logarithm(mel: Features) -> None:
    if isinstance(mel, MelConvention) and (mel.log, mel.log_gain, mel.normalization) != ("natural", 1.0, None):
        raise ConfigError(
            "an adaptive postfilter needs a mel in natural logarithms, whose steps it measures; the features have "
            f"log={mel.log}, log_gain={mel.log_gain}, normalization={mel.normalization}"
        )


def _check_prior(head: ISTFT, mel: Features) -> None:
    if not isinstance(mel, MelConvention):
        raise ConfigError("amplitude_prior needs mel features; EnCodec features hold no magnitudes")
    n_fft = head.n_fft // head.upsample
    if (mel.n_fft, mel.win_length) != (n_fft, n_fft) or head.n_fft % head.upsample or mel.window != "hann":
        per_sample = "" if head.upsample == 1 else f" for {head.upsample} samples in place of one"
        raise ConfigError(
            "amplitude_prior needs a mel computed from the same Hann STFT as the head's: the head has "
            f"n_fft={head.n_fft}{per_sample}, but the mel has n_fft={mel.n_fft}, win_length={mel.win_length}, "
            f"window={mel.window}"
        )
