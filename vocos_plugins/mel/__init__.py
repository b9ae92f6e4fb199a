"""Mel spectrograms: conventions as typed values, the front end that computes them, and conversion between them."""

from .alignment import Alignment, MelMismatch, MelMismatchWarning, align
from .convention import ConventionError, ConventionWarning, LevelNormalization, MeanStdNormalization, MelConvention
from .feature_extractors import from_transformers
from .spectrogram import MelSpectrogram

__all__ = [
    "Alignment",
    "ConventionError",
    "ConventionWarning",
    "LevelNormalization",
    "MeanStdNormalization",
    "MelConvention",
    "MelMismatch",
    "MelMismatchWarning",
    "MelSpectrogram",
    "align",
    "from_transformers",
]
