"""Runs docs/start/nemo.md as a new user would, with a FastPitch of random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("nemo")

PAGE = ROOT / "docs" / "start" / "nemo.md"


@pytest.fixture
def workplace(fastpitch, tmp_path, monkeypatch) -> Path:
    """Returns a folder with the FastPitch that the page reads."""
    fastpitch.save_to(str(tmp_path / "fastpitch.nemo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, vocoder, workplace) -> None:
    """The page ends with speech in a file, by a VocosModel: 256 samples per frame."""
    names = markdown.run(PAGE, workplace)
    assert type(names["vocoder"]) is vocoder.VocosModel
    assert soundfile.info("lamb.wav").frames == names["spectrogram"].shape[-1] * 256
