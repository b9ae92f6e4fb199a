"""The module ``vocos.modules``."""

from vocos_reference.blocks import AdaLayerNorm, ConvNeXtBlock, ResBlock1, safe_log, symexp, symlog
from vocos_reference.names import refuse_names

__all__ = ["AdaLayerNorm", "ConvNeXtBlock", "ResBlock1", "safe_log", "symexp", "symlog"]

__getattr__ = refuse_names("vocos.modules")
