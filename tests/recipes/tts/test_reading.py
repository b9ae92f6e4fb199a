"""Speech read back by the recogniser."""

from __future__ import annotations

import numpy as np
import pytest

from vocos_plugins.mel.speech import CLIPS, read_clip


@pytest.fixture
def reading(recipe_module):
    return recipe_module("reading")


def test_a_recording_is_read(reading):
    """Of fourteen words, some may be read wrong; of silence, all."""
    clip = next(clip for clip in CLIPS if clip.path.stem == "arctic-2")
    heard, wrong = reading.read_back(read_clip(clip, 22050).numpy(), 22050, clip.text)
    assert wrong <= 0.4, heard
    assert reading.read_back(np.zeros(22050, np.float32), 22050, clip.text)[1] == 1


@pytest.mark.parametrize(
    ("heard", "wrong"),
    [("it's a lamb", 0.0), ("IT\u2019S - a lamb!", 0.0), ("it's lamb", 1 / 3), ("is a a lamb", 2 / 3), ("", 1.0)],
)
def test_case_and_marks_do_not_count(reading, heard, wrong):
    assert reading.word_error_rate("It's a lamb.", heard) == pytest.approx(wrong)


def test_a_text_without_words_has_no_rate(reading):
    assert not reading.has_words("1 2")
    with pytest.raises(ValueError, match="no word in '1 2'"):
        reading.word_error_rate("1 2", "one two")
