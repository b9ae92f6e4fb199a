"""The typed configuration of a model, and its YAML form.

A configuration names its parts from a closed table: it never chooses what is imported.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .mel.convention import LevelNormalization, MeanStdNormalization, MelConvention
from .spectral import Framing, output_length

T = TypeVar("T")


class ConfigError(ValueError):
    """A configuration that can't be read: says where, what was found and what was expected."""


@dataclass(frozen=True, kw_only=True)
class EncodecCodes:
    """Features of an EnCodec model: sums of codebook vectors (Defossez et al., arXiv 2210.13438).

    Attributes:
        sample_rate: Hz.
        hop_length: samples between code frames.
        bandwidths: kb/s that the model was trained for; ``bandwidth_id`` counts them from 0.
        n_codebooks: codebooks in the checkpoint, enough for the largest bandwidth.
        codebook_size: entries in each.
        codebook_dim: length of an entry.

    """

    sample_rate: int = 24000
    hop_length: int = 320
    bandwidths: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0)
    n_codebooks: int = 16
    codebook_size: int = 1024
    codebook_dim: int = 128


@dataclass(frozen=True, kw_only=True)
class ConvNeXt:
    """The paper's backbone. ``adanorm_num_embeddings`` conditions it on that many bandwidths."""

    dim: int
    intermediate_dim: int
    num_layers: int
    layer_scale_init_value: float | None = None
    adanorm_num_embeddings: int | None = None


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """The paper's ablation: HiFi-GAN's residual blocks without upsampling."""

    dim: int
    num_blocks: int
    layer_scale_init_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class ISTFT:
    """Magnitude and phase of an STFT. ``amplitude_prior`` makes the magnitude a residual over the mel's own."""

    n_fft: int
    hop_length: int
    framing: Framing = "center"
    amplitude_prior: bool = False


@dataclass(frozen=True, kw_only=True)
class IMDCTSymExp:
    """MDCT coefficients as ``sign(x) * (exp(|x|) - 1)``; ``sample_rate`` scales the initial weights by frequency."""

    frame_length: int
    framing: Framing = "center"
    sample_rate: int | None = None
    clip_audio: bool = False


@dataclass(frozen=True, kw_only=True)
class IMDCTCos:
    """MDCT coefficients as ``exp(m) * cos(p)``."""

    frame_length: int
    framing: Framing = "center"
    clip_audio: bool = False


@dataclass(frozen=True, kw_only=True)
class WaveNeXt:
    """Two linear layers to ``hop_length`` samples a frame instead of an inverse FFT (Okamoto et al., ASRU 2023)."""

    n_fft: int
    hop_length: int


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
NORMALIZATIONS: dict[str, type[Any]] = {"level": LevelNormalization, "mean-std": MeanStdNormalization}
TABLES = (FEATURES, BACKBONES, HEADS, NORMALIZATIONS)


@dataclass(frozen=True, kw_only=True)
class VocosConfig:
    """A whole model: features -> backbone -> head."""

    features: Features
    backbone: Backbone
    head: Head

    def __post_init__(self) -> None:
        hop_length, framing = head_grid(self.head)
        if hop_length != self.features.hop_length:
            raise ConfigError(
                f"the head makes {hop_length} samples a frame, the features have hop_length={self.features.hop_length}"
            )
        if isinstance(self.features, MelConvention) and framing != self.features.framing:
            raise ConfigError(f"the head's framing is {framing!r}, the mel's {self.features.framing!r}")
        if isinstance(self.head, ISTFT) and self.head.amplitude_prior:
            _check_prior(self.head, self.features)

    @property
    def n_features(self) -> int:
        """Channels of the features."""
        return self.features.n_mels if isinstance(self.features, MelConvention) else self.features.codebook_dim

    @property
    def n_bandwidths(self) -> int | None:
        """Bandwidths that the backbone is conditioned on, None for an unconditioned model."""
        return self.backbone.adanorm_num_embeddings if isinstance(self.backbone, ConvNeXt) else None

    def n_samples(self, n_frames: int) -> int:
        """Samples that ``n_frames`` frames decode to."""
        return output_length(n_frames, *head_grid(self.head))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> VocosConfig:
        """Reads the YAML form. Unknown, missing and mistyped keys are refused by name (`ConfigError`)."""
        _check_keys(mapping, {"features", "backbone", "head"}, {"features", "backbone", "head"}, "the configuration")
        return cls(
            features=_read_part(mapping["features"], FEATURES, "features"),
            backbone=_read_part(mapping["backbone"], BACKBONES, "backbone"),
            head=_read_part(mapping["head"], HEADS, "head"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The YAML form; every field is written, defaults too, so that a later default changes nothing."""
        return {part: _write_part(getattr(self, part)) for part in ("features", "backbone", "head")}


def head_grid(head: Head) -> tuple[int, Framing]:
    """Samples a frame and framing of a head."""
    match head:
        case ISTFT():
            return head.hop_length, head.framing
        case WaveNeXt():
            return head.hop_length, "same"
        case _:
            return head.frame_length // 2, head.framing


def _check_prior(head: ISTFT, mel: Features) -> None:
    if not isinstance(mel, MelConvention):
        raise ConfigError("amplitude_prior needs mel features; EnCodec features hold no magnitudes")
    if (mel.n_fft, mel.win_length) != (head.n_fft, head.n_fft) or mel.window != "hann":
        raise ConfigError(
            "amplitude_prior needs a mel of the head's own Hann STFT: the head has "
            f"n_fft={head.n_fft}, the mel n_fft={mel.n_fft}, win_length={mel.win_length}, window={mel.window}"
        )


def _read_part(mapping: Any, table: dict[str, type[T]], where: str) -> T:
    if not isinstance(mapping, Mapping) or "kind" not in mapping:
        raise ConfigError(f"{where}: expected a mapping with a key 'kind' ({', '.join(table)}), got {mapping!r}")
    kind = mapping["kind"]
    if not isinstance(kind, str) or kind not in table:
        raise ConfigError(f"{where}: unknown kind {kind!r}; known are {', '.join(table)}")
    return read_dataclass(table[kind], {key: value for key, value in mapping.items() if key != "kind"}, where)


def read_dataclass(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """Builds a configuration dataclass from plain values.

    Raises:
        ConfigError: a key is unknown or missing, a value has another type or is out of range.

    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    _check_keys(mapping, set(fields), required, where)
    hints = typing.get_type_hints(cls)
    values = {name: _convert(value, hints[name], f"{where}.{name}") for name, value in mapping.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_keys(mapping: Any, known: set[str], required: set[str], where: str) -> None:
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {mapping!r}")
    for key in mapping:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
    if missing := required - set(mapping):
        raise ConfigError(f"{where}: missing {', '.join(sorted(missing))}")


def _convert(value: Any, hint: Any, where: str) -> Any:
    """``value`` as the annotated type, where that loses nothing."""
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        if option is type(None) and value is None:
            return None
        if typing.get_origin(option) is typing.Literal and value in typing.get_args(option):
            return value
        if typing.get_origin(option) is tuple and isinstance(value, (list, tuple)):
            return tuple(_convert(item, typing.get_args(option)[0], where) for item in value)
        if option in (bool, int, str) and type(value) is option:
            return value
        if option is float and type(value) in (int, float):
            return float(value)
        if option in NORMALIZATIONS.values() and isinstance(value, Mapping):
            return _read_part(value, NORMALIZATIONS, where)
    raise ConfigError(f"{where}: expected {_describe(options)}, got {value!r}")


def _describe(options: tuple[Any, ...]) -> str:
    names: list[str] = []
    for option in options:
        if typing.get_origin(option) is typing.Literal:
            names.extend(map(repr, typing.get_args(option)))
        else:
            names.append("null" if option is type(None) else getattr(option, "__name__", str(option)))
    return " or ".join(names)


def _write_part(part: Any) -> dict[str, Any]:
    kind = next(name for table in TABLES for name, cls in table.items() if cls is type(part))
    written: dict[str, Any] = {"kind": kind}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if type(value) in NORMALIZATIONS.values():
            value = _write_part(value)
        written[field.name] = list(value) if isinstance(value, tuple) else value
    return written
