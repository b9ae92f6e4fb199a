"""Reads speech back by an offline recogniser, pocketsphinx, whose wheel carries a model of American English.

It reads plain words of a clear voice with few errors, and rare words and names with many: compare rates of the same
sentences, and don't read them as a listener's.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)

RATE = 16000  # Hz, the rate of the model
PACKAGES = ("pocketsphinx", "jiwer", "whisper_normalizer")


def is_installed() -> bool:
    """Whether there are a recogniser and what compares its words."""
    return all(find_spec(package) is not None for package in PACKAGES)


def transcribe(samples: Audio, sample_rate: int) -> str:
    """Returns the words that are recognised in mono audio, in lower case; empty if there are none.

    Args:
        samples: ``(N,)``; peaks beyond 1 are clipped.
        sample_rate: Hz.
    """
    audio = (soxr.resample(samples, sample_rate, RATE).clip(-1, 1) * 32767).astype(np.int16)
    if not len(audio):
        return ""
    decoder = _decoder()
    decoder.reinit_feat()  # it adapts to what it has heard, and would read a file by those before it
    decoder.start_utt()
    decoder.process_raw(audio.tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return found.hypstr if found is not None else ""


def normalize(text: str) -> str:
    """Returns a text as Whisper's evaluation compares it: British spellings, numbers, short forms and marks agree."""
    # It keeps some stops and signs that stand alone.
    return " ".join(word for word in str(_normalizer()(text)).split() if any(map(str.isalnum, word)))


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Returns the words that are wrong, missing or too many, as a share of all the references' words.

    Raises:
        ValueError: there is not one hypothesis for each reference, or a reference has no word.
    """
    import jiwer

    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} texts and {len(hypotheses)} transcripts; expected one for each text")
    expected = [normalize(text) for text in references]
    for text, plain in zip(references, expected, strict=True):
        if not plain:
            raise ValueError(f"no word in {text!r}; give a text that can be read back")
    return float(jiwer.wer(expected, [normalize(text) for text in hypotheses]))


@functools.lru_cache(maxsize=1)
def _normalizer() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@functools.lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=RATE, loglevel="FATAL")
