"""Vocos as a drop-in vocoder: the model, mel conventions, loading and saving."""

from .mel import MelConvention, MelSpectrogram
from .model import Vocos

__version__ = "0.1.0"

__all__ = ["MelConvention", "MelSpectrogram", "Vocos", "__version__"]
