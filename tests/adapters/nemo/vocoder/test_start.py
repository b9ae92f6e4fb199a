"""docs/start/nemo.md, walked by a stranger: a FastPitch with random weights speaks."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

pytestmark = pytest.mark.xdist_group("nemo")

PAGE = Path(__file__).parents[4] / "docs" / "start" / "nemo.md"


@pytest.fixture
def workplace(fastpitch, tmp_path, monkeypatch) -> Path:
    """A folder with the FastPitch that the pages read."""
    fastpitch.save_to(str(tmp_path / "fastpitch.nemo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, vocoder, workplace) -> None:
    """It ends with speech in a file, by a VocosModel: 256 samples a frame."""
    names = markdown.run(PAGE, workplace)
    assert type(names["vocoder"]) is vocoder.VocosModel
    assert soundfile.info("lamb.wav").frames == names["spectrogram"].shape[-1] * 256
