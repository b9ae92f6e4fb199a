"""Reads the configurations of the reference package (``vocos`` 0.1.0) and of its forks.

Such a YAML file names classes by import path. The paths are looked up in a closed table; nothing is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..config import (
    ISTFT,
    Backbone,
    ConvNeXt,
    EncodecCodes,
    Features,
    Head,
    IMDCTCos,
    IMDCTSymExp,
    ResNet,
    VocosConfig,
    WaveNeXt,
)
from ..config.mapping import ConfigError
from ..mel.convention import MelConvention
from ..mel.shown import shown

PARTS = ("feature_extractor", "backbone", "head")
# The reference's defaults. Its mel pads as `center` and its heads as `same`: a file that sets neither is refused.
MEL = {"sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "n_mels": 100, "padding": "center"}
BANDS = ("f_min", "f_max", "norm", "mel_scale")
ORIGINAL_BANDS = {"f_min": 0.0, "f_max": None, "norm": None, "mel_scale": "htk", "clip_val": 1e-7}
# langtech-bsc/vocos@matcha reads the bands from the configuration; its floor is a constant in its code.
LANGTECH_BANDS = {"f_min": 0.0, "f_max": 8000.0, "norm": "slaney", "mel_scale": "slaney", "clip_val": 1e-5}
ENCODEC = {"encodec_model": "encodec_24khz", "bandwidths": (1.5, 3.0, 6.0, 12.0), "train_codebooks": False}
ENCODEC_BITS_PER_FRAME_PER_BOOK = 10  # codebooks of 1024 entries


class _Class(NamedTuple):
    """A known class: its required arguments, its optional ones with their defaults, and what translates them."""

    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    build: Callable[[dict[str, Any]], Any]


def is_reference(mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping is in the reference package's format, published or for training."""
    parts = _parts(mapping)
    return any(isinstance(parts.get(name), Mapping) and "class_path" in parts[name] for name in PARTS)


def from_reference(mapping: Mapping[str, Any], mel: MelConvention | None = None) -> VocosConfig:
    """Translates a published ``config.yaml``, or a training YAML with its ``model.init_args``.

    Args:
        mapping: the parsed YAML.
        mel: the convention from the checkpoint's card, if it has one; used instead of the file's.

    Raises:
        ConfigError: a class or an argument is unknown, missing, of the wrong type, or disagrees with another part.
    """
    parts = _parts(mapping)
    features: Features = _read(parts, "feature_extractor", FEATURE_EXTRACTORS)
    if mel is not None and isinstance(features, MelConvention):
        features = mel
    (input_channels, backbone) = _read(parts, "backbone", BACKBONES)
    (dim, head) = _read(parts, "head", HEADS)
    n_features = features.n_mels if isinstance(features, MelConvention) else features.codebook_dim
    if input_channels != n_features:
        raise ConfigError(f"backbone: input_channels is {input_channels}, but the features have {n_features} channels")
    if dim != backbone.dim:
        raise ConfigError(f"head: dim is {dim}, but the backbone's is {backbone.dim}")
    return VocosConfig(features=features, backbone=backbone, head=head)


def _parts(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    model = mapping.get("model")
    if isinstance(model, Mapping) and isinstance(model.get("init_args"), Mapping):
        arguments: Mapping[str, Any] = model["init_args"]
        return arguments
    return mapping


def _read(parts: Mapping[str, Any], where: str, known: Mapping[str, _Class]) -> Any:
    part = parts.get(where)
    if not isinstance(part, Mapping) or not isinstance(part.get("class_path"), str):
        raise ConfigError(f"{where}: expected a mapping with class_path and init_args, got {shown(part)}")
    if extra := set(part) - {"class_path", "init_args"}:
        raise ConfigError(f"{where}: unknown key {', '.join(map(repr, sorted(map(str, extra))))}")
    path = part["class_path"]
    if path not in known:
        raise ConfigError(
            f"{where}: unknown class_path {shown(path)}; expected one of {', '.join(known)}. Class paths are looked up "
            "in this list and never imported"
        )
    arguments = part.get("init_args") or {}
    if not isinstance(arguments, Mapping):
        raise ConfigError(f"{where}.init_args: expected a mapping, got {shown(arguments)}")
    cls = known[path]
    allowed = (*cls.required, *cls.defaults)
    if unknown := [key for key in arguments if key not in allowed]:
        raise ConfigError(f"{where}: {path} has no argument {shown(unknown[0])}; it takes {', '.join(allowed)}")
    if missing := [key for key in cls.required if key not in arguments]:
        raise ConfigError(f"{where}: {path} needs {', '.join(missing)}")
    try:
        return cls.build({**cls.defaults, **arguments})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {path}: {error}") from error


def _mel(a: dict[str, Any]) -> MelConvention:
    # `...` marks what the file leaves out. None would not do: it is a value of f_max and norm.
    arguments = {key: a[key] for key in (*BANDS, "clip_val") if a[key] is not ...}
    # wavenext_pytorch's copy takes the floor as clip_val, with the original's defaults for the rest.
    is_langtech = arguments and "clip_val" not in arguments
    bands = {**(LANGTECH_BANDS if is_langtech else ORIGINAL_BANDS), **arguments}
    n_fft = _whole(a, "n_fft")
    return MelConvention(
        sample_rate=_whole(a, "sample_rate"),
        n_fft=n_fft,
        win_length=n_fft,
        hop_length=_whole(a, "hop_length"),
        n_mels=_whole(a, "n_mels"),
        framing=a["padding"],
        f_min=_number(bands, "f_min"),
        f_max=None if bands["f_max"] is None else _number(bands, "f_max"),
        mel_norm=bands["norm"],
        mel_scale=bands["mel_scale"],
        guard_value=_number(bands, "clip_val"),
    )


def _encodec(a: dict[str, Any]) -> EncodecCodes:
    if a["encodec_model"] != "encodec_24khz":
        raise ConfigError(f"encodec_model is {shown(a['encodec_model'])}; only 'encodec_24khz' is supported")
    if not isinstance(a["bandwidths"], (list, tuple)) or not a["bandwidths"]:
        raise ConfigError(f"bandwidths must be a list of kb/s, got {shown(a['bandwidths'])}")
    bandwidths = tuple(_number({"bandwidths": bandwidth}, "bandwidths") for bandwidth in a["bandwidths"])
    frames_per_s = EncodecCodes().sample_rate / EncodecCodes().hop_length
    n_codebooks = round(1000 * max(bandwidths) / (frames_per_s * ENCODEC_BITS_PER_FRAME_PER_BOOK))
    return EncodecCodes(bandwidths=bandwidths, n_codebooks=n_codebooks)


def _convnext(a: dict[str, Any]) -> tuple[int, Backbone]:
    return _whole(a, "input_channels"), ConvNeXt(
        dim=_whole(a, "dim"),
        intermediate_dim=_whole(a, "intermediate_dim"),
        num_layers=_whole(a, "num_layers"),
        layer_scale_init_value=_layer_scale(a),
        adanorm_num_embeddings=_whole(a, "adanorm_num_embeddings") if a["adanorm_num_embeddings"] else None,
    )


def _resnet(a: dict[str, Any]) -> tuple[int, Backbone]:
    return _whole(a, "input_channels"), ResNet(
        dim=_whole(a, "dim"), num_blocks=_whole(a, "num_blocks"), layer_scale_init_value=_layer_scale(a)
    )


def _layer_scale(a: dict[str, Any]) -> float | None:
    """Returns the initial layer scale, None for the default; the reference treats 0 as the default too."""
    return _number(a, "layer_scale_init_value") or None if a["layer_scale_init_value"] is not None else None


def _istft(a: dict[str, Any]) -> tuple[int, Head]:
    return _whole(a, "dim"), ISTFT(n_fft=_whole(a, "n_fft"), hop_length=_whole(a, "hop_length"), framing=_framing(a))


def _imdct_symexp(a: dict[str, Any]) -> tuple[int, Head]:
    return _whole(a, "dim"), IMDCTSymExp(
        frame_length=_whole(a, "mdct_frame_len"),
        framing=_framing(a),
        sample_rate=None if a["sample_rate"] is None else _whole(a, "sample_rate"),
        clip_audio=bool(a["clip_audio"]),
    )


def _imdct_cos(a: dict[str, Any]) -> tuple[int, Head]:
    return _whole(a, "dim"), IMDCTCos(
        frame_length=_whole(a, "mdct_frame_len"), framing=_framing(a), clip_audio=bool(a["clip_audio"])
    )


def _wavenext(a: dict[str, Any]) -> tuple[int, Head]:
    _framing(a)  # checked but without effect, as in WaveNeXt's own code
    return _whole(a, "dim"), WaveNeXt(n_fft=_whole(a, "n_fft"), hop_length=_whole(a, "hop_length"))


def _framing(a: dict[str, Any]) -> Any:
    if a["padding"] not in ("center", "same"):
        raise ConfigError(f"padding must be 'center' or 'same', got {shown(a['padding'])}")
    return a["padding"]


def _whole(a: Mapping[str, Any], name: str) -> int:
    value = a[name]
    if type(value) is not int or value < 1:
        raise ConfigError(f"{name} must be an integer of at least 1, got {shown(value)}")
    return value


def _number(a: Mapping[str, Any], name: str) -> float:
    """Returns an argument as a number; text counts if it is one, since YAML 1.1 reads ``1e-5`` as text."""
    value = a[name]
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise ConfigError(f"{name} must be a number, got {shown(value)}")


FEATURE_EXTRACTORS = {
    "vocos.feature_extractors.MelSpectrogramFeatures": _Class(
        (), {**MEL, **dict.fromkeys((*BANDS, "clip_val"), ...)}, _mel
    ),
    "vocos.feature_extractors.EncodecFeatures": _Class((), ENCODEC, _encodec),
}
BACKBONES = {
    "vocos.models.VocosBackbone": _Class(
        ("input_channels", "dim", "intermediate_dim", "num_layers"),
        {"layer_scale_init_value": None, "adanorm_num_embeddings": None},
        _convnext,
    ),
    "vocos.models.VocosResNetBackbone": _Class(
        ("input_channels", "dim", "num_blocks"), {"layer_scale_init_value": None}, _resnet
    ),
}
HEADS = {
    "vocos.heads.ISTFTHead": _Class(("dim", "n_fft", "hop_length"), {"padding": "same"}, _istft),
    "vocos.heads.IMDCTSymExpHead": _Class(
        ("dim", "mdct_frame_len"), {"padding": "same", "sample_rate": None, "clip_audio": False}, _imdct_symexp
    ),
    "vocos.heads.IMDCTCosHead": _Class(("dim", "mdct_frame_len"), {"padding": "same", "clip_audio": False}, _imdct_cos),
    "vocos.heads.WaveNextHead": _Class(("dim", "n_fft", "hop_length"), {"padding": "same"}, _wavenext),
}
