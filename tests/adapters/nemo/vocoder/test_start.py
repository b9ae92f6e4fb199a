"""Runs docs/start/nemo.md as a new user would, in a folder with this repository's small model."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from helpers.paths import ROOT
from vocos_plugins import Vocos
from vocos_plugins.mel import align
from vocos_plugins.plugins import mel_conventions

pytestmark = pytest.mark.xdist_group("nemo")

PAGE = ROOT / "docs" / "start" / "nemo.md"
SENTENCE = "The captain told the men to bring the boat back before the storm."
# Relative to full scale: the map of the mel rounds differently, and the refinement magnifies that.
ROUNDING = {"rtol": 0, "atol": 1e-4}


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """Returns a folder with the FastPitch that the page reads."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page(markdown, vocoder, workplace, assert_says) -> None:
    """The page says its sentence in two files, by a VocosModel, and a recogniser reads it back."""
    assert SENTENCE in PAGE.read_text(encoding="utf-8")
    names = markdown.run(PAGE, workplace)
    assert type(names["vocoder"]) is vocoder.VocosModel
    spectrogram = names["spectrogram"]
    for file in ("storm.wav", "storm-2.wav"):
        assert_says(workplace / file, SENTENCE)
        assert soundfile.info(file).frames == spectrogram.shape[-1] * 256
    postfilter = load_file(ROOT / "recipes" / "tts" / "models" / "nemo" / "postfilter.safetensors")
    plain = Vocos.from_pretrained("vocos-mel-22khz-small")
    plain.set_postfilter(None)
    own = align(mel_conventions()["nemo-fastpitch-22khz"], plain.mel)(spectrogram)
    expected = plain.decode(postfilter["weight"] @ own + postfilter["bias"][:, None])
    filtered = names["vocoder"].convert_spectrogram_to_audio(spec=spectrogram)
    # NeMo's vocoders add a frame at the end, which reaches back by the network's context.
    same = expected.shape[1] - 256 * plain.context_frames
    torch.testing.assert_close(filtered[:, :same], expected[:, :same], **ROUNDING)
