"""Vocos as a drop-in vocoder: the model, mel conventions and their alignment, loading and saving."""

from ._version import __version__
from .mel import MelConvention, MelMismatch, MelSpectrogram, align
from .model import Vocos
from .plugins import adapt

__all__ = ["MelConvention", "MelMismatch", "MelSpectrogram", "Vocos", "__version__", "adapt", "align"]
