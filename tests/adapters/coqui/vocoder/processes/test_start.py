"""Runs docs/start/coqui.md as a new user would, in a folder with this repository's small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("coqui")

PAGE = ROOT / "docs" / "start" / "coqui.md"
SENTENCE = "The captain told the men to bring the boat back before the storm."


def test_page(espeak, markdown, assert_says, tmp_path, monkeypatch) -> None:
    """The page ends with speech in two files, from the command line and from Python; a recogniser reads it back."""
    assert PAGE.read_text(encoding="utf-8").count(SENTENCE) == 2
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    names = markdown.run(PAGE, tmp_path)
    for file in ("storm.wav", "storm-2.wav"):
        assert_says(Path(file), SENTENCE)
    assert type(names["tts"].synthesizer.vocoder_model).__module__ == "vocos_coqui.vocoder"
