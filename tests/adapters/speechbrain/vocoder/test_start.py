"""Runs docs/start/speechbrain.md as a new user would; a folder with random weights has the published name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("speechbrain")

PAGE = ROOT / "docs" / "start" / "speechbrain.md"


@pytest.fixture
def workplace(tmp_path, monkeypatch, published_tacotron2) -> Path:
    """Returns a folder in which SpeechBrain finds a Tacotron2 by its published name."""
    shutil.copytree(published_tacotron2, tmp_path / "speechbrain" / "tts-tacotron2-ljspeech")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, workplace) -> None:
    """The page ends with speech in a file: 256 samples per frame."""
    names = markdown.run(PAGE, workplace)
    assert soundfile.info("lamb.wav").frames == names["mel"].shape[-1] * 256
    assert sorted(path.name for path in (workplace / "vocos").iterdir()) == ["generator.ckpt", "hyperparams.yaml"]
