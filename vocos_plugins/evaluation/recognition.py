"""What a speech recogniser hears: PocketSphinx, which runs offline, and the word error rate of its transcripts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]  # (N,)

SAMPLE_RATE = 16000  # Hz; of the model in pocketsphinx's wheel


def transcribe(samples: Audio, sample_rate: int) -> str:
    """Writes down English speech, in lower case and without punctuation; empty if nothing is recognised.

    It is a small recogniser of 2015: on clean read speech it gets about one word in ten wrong. Compare its error rates
    with those of the recordings, not with those of other recognisers.

    Args:
        samples: ``(N,)``, any level.
        sample_rate: Hz.
    """
    if len(samples) == 0:
        return ""
    audio = soxr.resample(np.ascontiguousarray(samples, dtype=np.float32), sample_rate, SAMPLE_RATE)
    pcm = (np.clip(audio, -1, 1) * 32767).round().astype(np.int16)
    decoder = _decoder()
    # It would go on from the cepstral mean of the utterance before, and the result depend on the order.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Word errors over all texts per word of the references; 0 is equal, above 1 is possible.

    Both sides are normalised as Whisper's authors do: spelling is made American, numbers become digits, and
    punctuation and hesitations are dropped.

    Args:
        references: what was to be said; at least one has a word.
        hypotheses: what was understood, as many.

    Raises:
        ValueError: the numbers of texts differ, or no reference has a word.
    """
    import jiwer

    if len(references) != len(hypotheses):
        raise ValueError(f"there are {len(references)} references and {len(hypotheses)} hypotheses")
    said = [normalise(text) for text in references]
    heard = [normalise(text) for text in hypotheses]
    if not any(said):
        raise ValueError("no reference has a word that counts")
    return float(jiwer.wer(said, heard))


def normalise(text: str) -> str:
    """Returns English text in the form in which two transcripts can be compared."""
    words = str(_normaliser()(text)).split()
    # The normaliser keeps some stops and signs that stand alone.
    return " ".join(word for word in words if any(map(str.isalnum, word)))


@functools.lru_cache(maxsize=1)
def _normaliser() -> Any:
    # Imported when needed, as all measures are: they are an extra.
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()


@functools.lru_cache(maxsize=1)
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
