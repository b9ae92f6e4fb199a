"""The module ``vocos.models``."""

from vocos_reference.backbones import Backbone, VocosBackbone, VocosResNetBackbone
from vocos_reference.blocks import AdaLayerNorm, ConvNeXtBlock, ResBlock1
from vocos_reference.names import refuse_names

__all__ = ["AdaLayerNorm", "Backbone", "ConvNeXtBlock", "ResBlock1", "VocosBackbone", "VocosResNetBackbone"]

__getattr__ = refuse_names("vocos.models")
