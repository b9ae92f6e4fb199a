"""The module ``vocos.loss``."""

from vocos_reference.blocks import safe_log
from vocos_reference.losses import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss, MelSpecReconstructionLoss
from vocos_reference.names import refuse_names

__all__ = ["DiscriminatorLoss", "FeatureMatchingLoss", "GeneratorLoss", "MelSpecReconstructionLoss", "safe_log"]

__getattr__ = refuse_names("vocos.loss")
