"""Speech read back by the recogniser."""

from __future__ import annotations

import numpy as np
import pytest

from vocos_plugins.evaluation.recognition import transcribe, word_error_rate
from vocos_plugins.mel.speech import CLIPS, read_clip

CLIP = CLIPS[0]


def test_a_recording_is_read() -> None:
    """A clear sentence is read without an error, and silence as nothing."""
    audio = read_clip(CLIP, 22050).numpy()
    assert word_error_rate([CLIP.text], [transcribe(audio, 22050)]) == 0
    assert transcribe(np.zeros(22050, np.float32), 22050) == transcribe(np.zeros(0, np.float32), 22050) == ""


def test_what_was_heard_before_does_not_count() -> None:
    """The recogniser adapts to its input; a noisy clip is still read in one way."""
    audio = read_clip(CLIP, 16000).numpy()
    noise = np.random.default_rng(0).standard_normal(len(audio)).astype(np.float32)
    noisy = audio + 0.02 * noise
    first = transcribe(noisy, 16000)
    transcribe(0.1 * audio, 16000)
    assert transcribe(noisy, 16000) == first


@pytest.mark.parametrize(
    ("text", "heard", "rate"),
    [
        ("Mr. Smith's favourite colour!", "mister smith's favorite color", 0.0),
        ("Twenty-one lambs won't do.", "21 lambs will not do", 0.0),
        ("It's a lamb.", "it's the lamb", 1 / 4),
        ("It's a lamb.", "", 1.0),
    ],
)
def test_spellings_and_marks_do_not_count(text: str, heard: str, rate: float) -> None:
    """Both sides are normalized; only other words count."""
    assert word_error_rate([text], [heard]) == pytest.approx(rate)


def test_every_word_counts_the_same() -> None:
    """The rate is of all words, not the mean of the sentences' rates."""
    assert word_error_rate(["lamb", "one two three"], ["ham", "one two three"]) == pytest.approx(1 / 2)


def test_texts_that_cannot_be_compared() -> None:
    """A text without words, and texts that don't pair up, are refused."""
    with pytest.raises(ValueError, match=r"no word in '\?!'"):
        word_error_rate(["?!"], ["one"])
    with pytest.raises(ValueError, match="1 texts and 0 transcripts"):
        word_error_rate(["lamb"], [])
