"""A `Network` of modules that belong to somebody else, so that a fast engine can compute them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from vocos_plugins.config import EncodecCodes, Features, Head, VocosConfig
from vocos_plugins.config.parts import head_grid
from vocos_plugins.inference.backend import KNOWN_MODULES
from vocos_plugins.mel.convention import MelConvention
from vocos_plugins.network.backbone import ConvNeXtBackbone, ResNetBackbone
from vocos_plugins.network.network import EngineSource, Network

from .backbones import VocosBackbone, VocosResNetBackbone
from .blocks import AdaLayerNorm, ConvNeXtBlock
from .codes import EncodecFeatures
from .extractors import MelSpectrogramFeatures
from .fourier_heads import IMDCTCosHead, IMDCTSymExpHead, ISTFTHead
from .transforms import IMDCT, ISTFT

EXTRACTORS = (MelSpectrogramFeatures, EncodecFeatures)
BACKBONES = (VocosBackbone, VocosResNetBackbone)
CORE_BACKBONES = (ConvNeXtBackbone, ResNetBackbone)
HEADS = (ISTFTHead, IMDCTSymExpHead, IMDCTCosHead)
# These classes compute as their base classes do. Of a subclass nobody knows: an engine leaves it to its modules.
KNOWN_MODULES.update({VocosBackbone, ConvNeXtBlock, AdaLayerNorm, *HEADS, ISTFT, IMDCT})


class SharedNetwork(Network):
    """A view: it owns no weights, and is made for each decode, so that it never misses an exchanged part.

    Args:
        config: of these parts.
        parts: feature extractor, backbone and head.
        provenance: of the weights.
        backend: keeps the engine from one view to the next.
    """

    def __init__(
        self,
        config: VocosConfig,
        parts: tuple[nn.Module, nn.Module, nn.Module],
        provenance: Mapping[str, Any],
        backend: EngineSource,
    ) -> None:
        nn.Module.__init__(self)
        self.config, self.provenance, self.backend = config, dict(provenance), backend
        owner: Any = self  # the base class names the types that it builds itself
        owner.feature_extractor, owner.backbone, owner.head = parts
        self.postfilter = None


def config_of(extractor: nn.Module, backbone: nn.Module, head: nn.Module) -> VocosConfig | None:
    """Returns the configuration of parts; None if backbone or head is not exactly of a class that is known here."""
    if type(backbone) not in BACKBONES or type(head) not in HEADS:
        return None
    parts: list[Any] = [extractor, backbone, head]
    candidates = [parts[0].options] if type(extractor) in EXTRACTORS else []
    for features in (*candidates, *_stand_ins(backbone, parts[2].options)):
        try:
            return VocosConfig(features=features, backbone=parts[1].options, head=parts[2].options)
        except ValueError:  # a head of another hop or padding than the features: decoding doesn't mind
            continue
    return None


def config_now(config: VocosConfig, backbone: nn.Module, head: nn.Module) -> VocosConfig | None:
    """Returns the configuration of the core's own modules as they are now; None if others have taken their place."""
    if type(backbone) not in CORE_BACKBONES or type(head) not in KNOWN_MODULES:
        return None
    part: Any = head  # its number of refinement steps can change
    return dataclasses.replace(config, head=part.options)


def _stand_ins(backbone: Any, head: Head) -> list[Features]:
    """Features of the right size, for an extractor that is unknown: decoding reads nothing else of them."""
    hop_length, framing = head_grid(head)
    try:
        mel = MelConvention(
            sample_rate=EncodecCodes().sample_rate,
            n_fft=2 * hop_length,
            win_length=2 * hop_length,
            hop_length=hop_length,
            n_mels=backbone.input_channels,
        )
        return [dataclasses.replace(mel, framing=framing)]
    except ValueError:
        return []
