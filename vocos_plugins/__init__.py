"""Vocos as a drop-in vocoder: the model, mel conventions, loading and saving."""

from .mel import MelConvention
from .model import Vocos

__version__ = "0.1.0"

__all__ = ["MelConvention", "Vocos", "__version__"]
