"""Mels that FastPitch predicts for recordings: of the same length, in the layout that the recipe reads."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("nemo")


def test_one_mel_for_each_recording(predicted_manifest, manifest) -> None:
    """The manifest keeps its entries, their order and their fields; a mel has one frame per hop."""
    entries = [json.loads(line) for line in predicted_manifest.read_text().splitlines()]
    given = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert len(entries) == len(given) == 8
    for number, (entry, before) in enumerate(zip(entries, given, strict=True)):
        assert Path(entry["audio_filepath"]) == manifest.parent / before["audio_filepath"]
        assert (entry["text"], entry["duration"]) == (before["text"], before["duration"])
        mel = np.load(entry["mel_filepath"])
        assert mel.shape == (80, (22050 + 700 * number) // 256)
        assert np.isfinite(mel).all()


def test_failures_are_listed(recipe, tiny_fastpitch, manifest, write_manifest, tmp_path, capsys) -> None:
    """A missing recording and texts that can't be spoken or are too long are named with their lines; exit code 1."""
    audio = str(manifest.parent / "0.wav")
    entries = [
        {"audio_filepath": "gone.wav", "text": "A text."},
        {"audio_filepath": audio, "text": "A text. " * 50},
        {"audio_filepath": audio, "text": "A text."},
        {"audio_filepath": audio, "text": "Ein Gruß, ein Wort."},
        {"audio_filepath": audio, "text": "... - !"},
    ]
    script = runpy.run_path(str(recipe / "generate_mels.py"))
    source = write_manifest(tmp_path / "some.json", *entries)
    arguments = ["--fastpitch-model-ckpt", tiny_fastpitch, "--input-json-manifests", source, "--cpu"]
    assert script["main"]([*map(str, arguments), "--output-json-manifest-root", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert f"{source}:1: {tmp_path / 'gone.wav'}" in errors
    assert "tokens cannot be aligned with 86 frames" in errors
    assert f"{source}:4: {audio}: the model has no pronunciation of 'Gruß'" in errors
    assert f"{source}:5: {audio}: no known symbol in '... - !'" in errors
    assert len((tmp_path / "out" / "some_mel.json").read_text().splitlines()) == 1
