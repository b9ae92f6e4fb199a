"""The module ``vocos.feature_extractors``."""

from vocos_reference.blocks import safe_log
from vocos_reference.codes import EncodecFeatures
from vocos_reference.extractors import FeatureExtractor, MelSpectrogramFeatures
from vocos_reference.names import refuse_names

__all__ = ["EncodecFeatures", "FeatureExtractor", "MelSpectrogramFeatures", "safe_log"]

__getattr__ = refuse_names("vocos.feature_extractors")
