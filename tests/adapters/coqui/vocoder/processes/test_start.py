"""Runs docs/start/coqui.md as a new user would, with a GlowTTS of random weights."""

from __future__ import annotations

import shutil

import pytest
import soundfile

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("coqui")

PAGE = ROOT / "docs" / "start" / "coqui.md"


def test_page(markdown, make_tts, tmp_path, monkeypatch) -> None:
    """The page ends with speech in two files, from the command line and from Python."""
    fields = {"mel_fmax": 8000, "log_func": "np.log", "spec_gain": 1, "signal_norm": False}
    shutil.copytree(make_tts(**fields), tmp_path / "my-tts")
    monkeypatch.chdir(tmp_path)
    names = markdown.run(PAGE, tmp_path)
    for file in ("lamb.wav", "lamb-2.wav"):
        assert soundfile.info(file).frames > 22050 / 4
    assert type(names["tts"].synthesizer.vocoder_model).__module__ == "vocos_coqui.vocoder"
