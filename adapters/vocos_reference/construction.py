"""Builds the parts of a model: by a path to their class, by a configuration of either kind."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from torch import nn

from vocos_plugins.config import ISTFT, ConvNeXt, EncodecCodes, IMDCTCos, IMDCTSymExp, VocosConfig, WaveNeXt
from vocos_plugins.storage.bounded_yaml import load_yaml

from .backbones import Backbone, VocosBackbone, VocosResNetBackbone
from .codes import EncodecFeatures
from .extractors import FeatureExtractor, MelSpectrogramFeatures
from .finder import PACKAGE, SHIM, missing
from .fourier_heads import FourierHead, IMDCTCosHead, IMDCTSymExpHead, ISTFTHead

KINDS = {"feature_extractor": FeatureExtractor, "backbone": Backbone, "head": FourierHead}


def instantiate_class(args: Any, init: dict[str, Any]) -> Any:
    """Calls a class, which is imported by its path, as ``vocos.pretrained.instantiate_class`` does.

    Args:
        args: positional arguments; one that is no tuple is the only one.
        init: ``class_path``, and keyword arguments as ``init_args``.

    Raises:
        ImportError, AttributeError: there is no such class.
    """
    found = _find_class(init["class_path"])
    return found(*(args if isinstance(args, tuple) else (args,)), **init.get("init_args", {}))


def build_parts(path: str | Path) -> dict[str, Any]:
    """Builds a model's parts from a YAML file in the reference's format.

    Such files are downloaded, so they never choose what is imported: a class of somebody else is found only in a module
    that the program has imported.

    Raises:
        OSError: the file can't be read.
        ValueError: a part is missing, or its class is unknown.
    """
    config = load_yaml(Path(path).read_bytes())
    return {name: _build(config, name, kind, path) for name, kind in KINDS.items()}


def parts_of(config: VocosConfig) -> dict[str, Any] | None:
    """Builds the parts of a configuration with the reference's classes; None if these can't compute it."""
    if config.postfilter is not None:
        return None
    extractor, head = _extractor(config), _head(config)
    return (
        None
        if extractor is None or head is None
        else {"feature_extractor": extractor, "backbone": _backbone(config), "head": head}
    )


def _find_class(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] != PACKAGE:
        return getattr(importlib.import_module(module), name)
    file = module.removeprefix(PACKAGE)
    if not (SHIM / f"{file[1:] or '__init__'}.py").is_file():
        raise ModuleNotFoundError(missing(f"the module {module}"), name=module)
    # By its name inside this package, which is right whether or not it stands in for `vocos` in this process.
    return getattr(importlib.import_module(f"{__package__}.shim{file}"), name)


def _build(config: Any, name: str, kind: type[nn.Module], path: str | Path) -> Any:
    part = config.get(name) if isinstance(config, dict) else None
    class_path = part.get("class_path") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(class_path, str):
        raise ValueError(f"{path}: {name} must be a mapping with class_path and init_args, got {part!r}")
    module = class_path.rpartition(".")[0]
    if module.partition(".")[0] != PACKAGE and module not in sys.modules:
        raise ValueError(
            f"{path}: {name} is a {class_path}, whose module isn't imported; a file never chooses what is imported: "
            f"import {module or 'it'} before reading the file"
        )
    found = _find_class(class_path)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"{path}: {name} must be a {kind.__name__}, got {class_path}")
    return found(**(part.get("init_args") or {}))


def _extractor(config: VocosConfig) -> nn.Module | None:
    features = config.features
    if isinstance(features, EncodecCodes):
        extractor = EncodecFeatures(bandwidths=features.bandwidths)
        return extractor if extractor.options == features else None
    mel = MelSpectrogramFeatures(
        features.sample_rate, features.n_fft, features.hop_length, features.n_mels, features.framing
    )
    return mel if mel.options == features else None


def _backbone(config: VocosConfig) -> nn.Module:
    part = config.backbone
    if isinstance(part, ConvNeXt):
        return VocosBackbone(
            config.n_features,
            part.dim,
            part.intermediate_dim,
            part.num_layers,
            part.layer_scale_init_value,
            part.adanorm_num_embeddings,
        )
    return VocosResNetBackbone(config.n_features, part.dim, part.num_blocks, part.layer_scale_init_value)


def _head(config: VocosConfig) -> nn.Module | None:
    part, dim = config.head, config.backbone.dim
    head: ISTFTHead | IMDCTSymExpHead | IMDCTCosHead
    match part:
        case ISTFT():
            head = ISTFTHead(dim, part.n_fft, part.hop_length, part.framing)
        case IMDCTSymExp():
            head = IMDCTSymExpHead(dim, part.frame_length, part.framing, part.sample_rate, part.clip_audio)
        case IMDCTCos():
            head = IMDCTCosHead(dim, part.frame_length, part.framing, part.clip_audio)
        case WaveNeXt():
            return None
    return head if head.options == part else None
