"""Mel spectrograms: conventions as typed values, and the front end that computes them."""

from .convention import LevelNormalization, MeanStdNormalization, MelConvention
from .spectrogram import MelSpectrogram

__all__ = ["LevelNormalization", "MeanStdNormalization", "MelConvention", "MelSpectrogram"]
