"""Reads audio back by a recogniser, where one is installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

PACKAGE = "pocketsphinx"
MISSING = f"there is no recogniser to read speech back; pip install {PACKAGE}"


def is_installed() -> bool:
    """Whether there is a recogniser."""
    return find_spec(PACKAGE) is not None


def read_back(audio: NDArray[np.float32], sample_rate: int, text: str) -> tuple[str, float]:
    """Returns what is read, and the share of the text's words that are read wrong."""
    from vocos_plugins.evaluation.recognition import transcribe, word_error_rate  # noqa: PLC0415 - slow to import

    heard = transcribe(audio, sample_rate)
    return heard, word_error_rate(text, heard)
