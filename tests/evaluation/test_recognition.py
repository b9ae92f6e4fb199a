"""The recogniser, on shipped speech, and the word error rate."""

from __future__ import annotations

import numpy as np
import pytest

from vocos_plugins.evaluation.recognition import normalise, transcribe, word_error_rate
from vocos_plugins.mel.speech import CLIPS, read_clip

ARCTIC = CLIPS[:2]


def test_it_reads_clean_speech_at_any_rate_and_in_any_order() -> None:
    said = [clip.text for clip in ARCTIC]
    assert word_error_rate(said, [transcribe(read_clip(clip, 22050).numpy(), 22050) for clip in ARCTIC]) == 0
    first = transcribe(read_clip(ARCTIC[0], 16000).numpy(), 16000)
    assert word_error_rate(said[:1], [first]) == 0


def test_it_reads_nothing_from_nothing() -> None:
    assert transcribe(np.zeros(0, np.float32), 16000) == ""
    assert word_error_rate(["two words"], [transcribe(np.zeros(16000, np.float32), 16000)]) == 1


def test_spelling_numbers_and_punctuation_do_not_count() -> None:
    assert word_error_rate(["The harbour's colour: twenty-three greys!"], ["the harbor's color 23 grays"]) == 0
    assert normalise("Mr. Smith, um, paid five pounds.") == "mister smith paid £5"


def test_each_word_counts_the_same() -> None:
    assert word_error_rate(["one", "a b c d e f g"], ["two", "a b c d e f g"]) == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [(["a"], [], "1 references and 0 hypotheses"), (["..."], ["a"], "no reference has a word")],
)
def test_texts_that_cannot_be_compared(references: list[str], hypotheses: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        word_error_rate(references, hypotheses)
