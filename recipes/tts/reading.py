"""Reads speech back by `vocos_plugins.evaluation.recognition`, where its packages are installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vocos_plugins.evaluation.recognition import is_installed, normalize, transcribe, word_error_rate

__all__ = ["MISSING", "has_words", "is_installed", "read_back", "word_error_rate"]

MISSING = "there is no recogniser to read speech back; pip install 'vocos-plugins[eval]'"


def has_words(text: str) -> bool:
    """Whether a text has words that can be read wrong."""
    return bool(normalize(text))


def read_back(audio: NDArray[np.float32], sample_rate: int, text: str) -> tuple[str, float]:
    """Returns what is read, and the share of the text's words that are read wrong.

    Raises:
        ValueError: the text has no word.
    """
    heard = transcribe(audio, sample_rate)
    return heard, word_error_rate([text], [heard])
