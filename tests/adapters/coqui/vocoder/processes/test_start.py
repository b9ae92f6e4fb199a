"""Runs docs/start/coqui.md as a new user would, with the small model of this repository."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import soundfile

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("coqui")

PAGE = ROOT / "docs" / "start" / "coqui.md"
SENTENCE = "The captain told the men to bring the boat back before the storm."
MOST_WRONG = 0.3  # the recogniser reads one of the 13 words wrong in the voice's own audio, too


def test_page(markdown, tmp_path, monkeypatch) -> None:
    """The page ends with speech in two files, from the command line and from Python; a recogniser reads it back."""
    assert SENTENCE in PAGE.read_text(encoding="utf-8")
    (tmp_path / "my-tts").symlink_to(ROOT / "recipes" / "tts" / "models" / "coqui")
    monkeypatch.chdir(tmp_path)
    names = markdown.run(PAGE, tmp_path)
    monkeypatch.syspath_prepend(ROOT / "recipes" / "tts")
    reading = importlib.import_module("reading")
    for file in map(Path, ("storm.wav", "storm-2.wav")):
        heard, wrong = reading.read_back(*soundfile.read(file, dtype="float32"), SENTENCE)
        assert wrong <= MOST_WRONG, heard
    assert type(names["tts"].synthesizer.vocoder_model).__module__ == "vocos_coqui.vocoder"
