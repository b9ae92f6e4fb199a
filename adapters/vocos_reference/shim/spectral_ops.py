"""The module ``vocos.spectral_ops``."""

from vocos_reference.names import refuse_names
from vocos_reference.transforms import IMDCT, ISTFT, MDCT

__all__ = ["IMDCT", "ISTFT", "MDCT"]

__getattr__ = refuse_names("vocos.spectral_ops")
