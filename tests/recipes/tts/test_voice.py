"""What a voice says it spoke: on a stand-in graph, since no voice is installed here."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest


@pytest.fixture
def voice_module(recipe_module):
    return recipe_module("voice")


def test_durations_are_those_of_the_audio(voice_module, stand_in_voice):
    utterance = voice_module.PiperVoice(stand_in_voice).speak("hə, o.")
    assert utterance.phonemes == ["^", "h", "ə", ",", " ", "o", ".", "$"]
    # ceil(n / 8 + 1/2) of each symbol's number n, and the one frame of the blank behind it; none is behind "$".
    assert utterance.durations == [1 + 1, 3 + 1, 8 + 1, 2 + 1, 1 + 1, 4 + 1, 2 + 1, 1]
    assert utterance.audio.shape == (sum(utterance.durations) * voice_module.HOP_LENGTH,)
    assert utterance.audio.dtype == np.float32


def test_unknown_characters_are_told_and_left_out(voice_module, stand_in_voice):
    voice = voice_module.PiperVoice(stand_in_voice)
    assert voice.unknown("hñaß") == "ßñ"
    assert voice.speak("hña").phonemes == ["^", "h", "a", "$"]


@pytest.mark.parametrize("phonemes", ["", "ñß", " ., "])
def test_text_without_a_known_symbol_is_refused(voice_module, stand_in_voice, phonemes):
    with pytest.raises(ValueError, match="no known symbol"):
        voice_module.PiperVoice(stand_in_voice).speak(phonemes)


def test_a_folder_without_a_voice_is_refused(voice_module, tmp_path):
    with pytest.raises(ValueError, match=r"holds 0 \.onnx files"):
        voice_module.PiperVoice(tmp_path)


def test_merging_loses_no_frame(voice_module):
    assert voice_module.merge_blanks(["^", "_", "a", "_", "$"], [1, 2, 3, 4, 5]) == (["^", "a", "$"], [3, 7, 5])
    with pytest.raises(ValueError, match="3 symbols"):
        voice_module.merge_blanks(["_", "a", "$"], [1, 2, 3])


def test_punctuation_stays_between_the_phonemes(recipe_module, monkeypatch):
    """espeak-ng need not be installed here: it is replaced by letters turned round, piece by piece."""
    phonemes = recipe_module("phonemes")

    def run(command, **options):
        return subprocess.CompletedProcess(command, 0, stdout=f" {command[-1][::-1]}\n", stderr="")

    monkeypatch.setattr(phonemes.subprocess, "run", run)
    phonemes.phonemize_piece.cache_clear()
    assert phonemes.phonemize("Stop here, now! Why?") == "ereh potS, won! yhW?"
    assert phonemes.phonemize("...") == "..."
    phonemes.phonemize_piece.cache_clear()
