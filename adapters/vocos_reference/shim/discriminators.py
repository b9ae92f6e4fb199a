"""The module ``vocos.discriminators``."""

from vocos_reference.discriminators import MultiPeriodDiscriminator, MultiResolutionDiscriminator
from vocos_reference.names import refuse_names

__all__ = ["MultiPeriodDiscriminator", "MultiResolutionDiscriminator"]

__getattr__ = refuse_names("vocos.discriminators")
