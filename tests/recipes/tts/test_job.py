"""What toolkits' processes share: what is said, what isn't, and the time that it takes."""

from __future__ import annotations

import time

import numpy as np
import pytest


@pytest.fixture
def job(recipe_module):
    return recipe_module("job")


def test_the_vocoder_is_timed_inside_the_pipeline(job):
    """The rest of the pipeline isn't counted as the vocoder's; silence at the end is cut off; the mels are kept."""

    def vocode(mel):
        time.sleep(0.02)
        return np.append(np.ones(3), np.zeros(5))

    def speak(text):
        time.sleep(0.02)
        return watch(mel=np.ones((1, 80, 2)))

    watch = job.Stopwatch(vocode)
    say = job.timed(speak, watch)
    for _ in range(2):
        said = say("")
        assert 0.02 <= said.vocoder_s <= said.total_s - 0.02
        assert said.audio.tolist() == [1, 1, 1]
        assert said.mel.shape == (80, 2)


def test_the_median_of_the_rounds_after_the_first_counts(job):
    seconds = iter([9.0, 1.0, 5.0, 2.0])
    vocoder = job.Vocoder("Vocos")

    def say(text):
        now = next(seconds)
        return job.Said(np.full(1, now), np.ones((80, 1)), now, now / 2)

    said = job._say_in_turns({vocoder: say}, "", rounds=3)[vocoder]
    assert (said.total_s, said.vocoder_s) == (2, 1)


def test_what_cannot_be_said_is_named_with_its_id(job):
    class Pipeline:
        def missing(self, text):
            if text == "?":
                raise ValueError("no known symbol in '?'")
            return ["ʈ", "“"]

    problems = []
    said = [job._is_sayable(Pipeline(), row_id, text, problems) for row_id, text in (("a", "?"), ("b", "“ʈ”"))]
    assert said == [False, True]
    assert problems == ["a: no known symbol in '?'", "b: the model has no symbol for 'ʈ' of '“ʈ”'; left out"]
