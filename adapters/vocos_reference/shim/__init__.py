"""The package ``vocos`` 0.1.0, as far as vocos-plugins has its parts. `vocos_reference.finder` serves these files."""

from vocos_reference.names import refuse_names
from vocos_reference.pretrained import Vocos

__all__ = ["Vocos", "__version__"]

__version__ = "0.1.0"  # of the package whose place this takes
__shadow__ = True  # for programs that have to distinguish the two packages

__getattr__ = refuse_names("vocos")
