"""Reads speech back by `vocos_plugins.evaluation.recognition`, where its packages are installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from vocos_plugins.evaluation.recognition import normalise, transcribe, word_error_rate

PACKAGES = ("pocketsphinx", "jiwer", "whisper_normalizer")
MISSING = "there is no recogniser to read speech back; pip install 'vocos-plugins[eval]'"


def is_installed() -> bool:
    """Whether there is a recogniser."""
    return all(find_spec(package) is not None for package in PACKAGES)


def has_words(text: str) -> bool:
    """Whether a text has words that can be read wrong."""
    return bool(normalise(text))


def read_back(audio: NDArray[np.float32], sample_rate: int, text: str) -> tuple[str, float]:
    """Returns what is read, and the share of the text's words that are read wrong.

    Raises:
        ValueError: the text has no word.
    """
    heard = transcribe(audio, sample_rate)
    return heard, word_error_rate([text], [heard])
