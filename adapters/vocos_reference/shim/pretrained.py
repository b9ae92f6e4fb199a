"""The module ``vocos.pretrained``."""

from vocos_reference.backbones import Backbone
from vocos_reference.codes import EncodecFeatures
from vocos_reference.construction import instantiate_class
from vocos_reference.extractors import FeatureExtractor
from vocos_reference.fourier_heads import FourierHead
from vocos_reference.names import refuse_names
from vocos_reference.pretrained import Vocos

__all__ = ["Backbone", "EncodecFeatures", "FeatureExtractor", "FourierHead", "Vocos", "instantiate_class"]

__getattr__ = refuse_names("vocos.pretrained")
