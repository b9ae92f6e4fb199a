"""Speech read back by the recogniser; tests/evaluation/test_recognition.py has the rest."""

from __future__ import annotations

import numpy as np
import pytest

from vocos_plugins.mel.speech import CLIPS, read_clip


@pytest.fixture
def reading(recipe_module):
    return recipe_module("reading")


def test_a_recording_is_read(reading):
    """Of nine words, some may be read wrong; of silence, all."""
    assert reading.is_installed()
    clip = next(clip for clip in CLIPS if clip.path.stem == "arctic-2")
    heard, wrong = reading.read_back(read_clip(clip, 22050).numpy(), 22050, clip.text)
    assert wrong <= 0.4, heard
    assert reading.read_back(np.zeros(22050, np.float32), 22050, clip.text)[1] == 1


def test_marks_are_no_words(reading):
    assert reading.has_words("Ten lambs.")
    assert not reading.has_words("... !")
