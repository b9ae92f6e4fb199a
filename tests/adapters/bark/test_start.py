"""Runs docs/start/bark.md as a new user would; folders with random weights have the published names."""

from __future__ import annotations

import soundfile

from helpers.paths import ROOT

PAGE = ROOT / "docs" / "start" / "bark.md"


def test_page(markdown, tiny, bark_model, processor, tmp_path, monkeypatch) -> None:
    """The page ends with speech in a file, and with the same codes through both decoders."""
    bark_model.save_pretrained(tmp_path / "suno" / "bark-small")
    processor.save_pretrained(tmp_path / "suno" / "bark-small")
    tiny.vocos_model(bark_model.codec_model).save_pretrained(tmp_path / "charactr" / "vocos-encodec-24khz")
    monkeypatch.chdir(tmp_path)
    names = markdown.run(PAGE, tmp_path)
    assert soundfile.info("dog.wav").frames == names["audio"].shape[1]
    assert names["by_vocos"].shape == names["by_encodec"].shape
    assert not (names["by_vocos"] == names["by_encodec"]).all()
