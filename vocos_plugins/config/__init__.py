"""The typed configuration of a model, and its YAML form."""

from .architecture import VocosConfig
from .parts import (
    BACKBONES,
    FEATURES,
    HEADS,
    ISTFT,
    PARTS,
    Backbone,
    ConvNeXt,
    EncodecCodes,
    Features,
    Head,
    IMDCTCos,
    IMDCTSymExp,
    ResNet,
    WaveNeXt,
    head_grid,
)

__all__ = [
    "BACKBONES",
    "FEATURES",
    "HEADS",
    "ISTFT",
    "PARTS",
    "Backbone",
    "ConvNeXt",
    "EncodecCodes",
    "Features",
    "Head",
    "IMDCTCos",
    "IMDCTSymExp",
    "ResNet",
    "VocosConfig",
    "WaveNeXt",
    "head_grid",
]
