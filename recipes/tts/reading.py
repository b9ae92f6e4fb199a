"""Reads speech back by an offline recogniser, pocketsphinx, whose wheel carries a model of American English.

It reads plain words of a clear voice with few errors, and rare words and names with many: compare rates of the same
sentences, and don't read them as a listener's.
"""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

RATE = 16000
PACKAGES = ("pocketsphinx", "jiwer")
MISSING = f"there is no recogniser to read speech back; pip install {' '.join(PACKAGES)}"
NO_WORD = re.compile(r"[^a-z' ]+")


def is_installed() -> bool:
    """Whether there is a recogniser."""
    return all(find_spec(package) is not None for package in PACKAGES)


def transcribe(audio: NDArray[np.float32], sample_rate: int) -> str:
    """Returns the words that are recognised in audio ``(N,)``, in lower case; empty if there are none."""
    decoder = _decoder()
    samples = (soxr.resample(audio, sample_rate, RATE).clip(-1, 1) * 32767).astype(np.int16)
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found is not None else ""


def has_words(text: str) -> bool:
    """Whether a text has words in Latin letters, which is all that the recogniser writes."""
    return bool(_words(text))


def word_error_rate(text: str, heard: str) -> float:
    """Returns the words that are wrong, missing or too many, for each word of the text; case and marks don't count.

    Raises:
        ValueError: the text has no word.
    """
    import jiwer  # noqa: PLC0415 - needed only where there is a recogniser

    if not has_words(text):
        raise ValueError(f"no word in {text!r}")
    return float(jiwer.wer(_words(text), _words(heard)))


def read_back(audio: NDArray[np.float32], sample_rate: int, text: str) -> tuple[str, float]:
    """Returns what is read, and the share of the text's words that are read wrong."""
    heard = transcribe(audio, sample_rate)
    return heard, word_error_rate(text, heard)


def _words(text: str) -> str:
    return " ".join(NO_WORD.sub(" ", text.lower().replace("’", "'")).split())  # noqa: RUF001 - a typographer's apostrophe


@functools.lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder  # noqa: PLC0415 - needed only where it is installed

    return Decoder(samprate=RATE, loglevel="FATAL")
