"""The module ``vocos.heads``."""

from vocos_reference.blocks import symexp
from vocos_reference.fourier_heads import FourierHead, IMDCTCosHead, IMDCTSymExpHead, ISTFTHead
from vocos_reference.names import refuse_names
from vocos_reference.transforms import IMDCT, ISTFT

__all__ = ["IMDCT", "ISTFT", "FourierHead", "IMDCTCosHead", "IMDCTSymExpHead", "ISTFTHead", "symexp"]

__getattr__ = refuse_names("vocos.heads")
