"""Mel spectrograms: conventions as typed values, the front end that computes them, and the way from one to another."""

from .alignment import Alignment, MelMismatch, MelMismatchWarning, align
from .convention import ConventionError, LevelNormalization, MeanStdNormalization, MelConvention
from .spectrogram import MelSpectrogram

__all__ = [
    "Alignment",
    "ConventionError",
    "LevelNormalization",
    "MeanStdNormalization",
    "MelConvention",
    "MelMismatch",
    "MelMismatchWarning",
    "MelSpectrogram",
    "align",
]
