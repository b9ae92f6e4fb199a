"""Pitch of each frame of a mel: of a tone that is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

# It compiles what the measures of pitch compile.
pytestmark = pytest.mark.xdist_group("measures")

RATE = 22050
TONE = 110.0
CENT = 2 ** (1 / 1200)


@pytest.fixture
def pitch_module(recipe_module):
    return recipe_module("pitch")


@pytest.fixture
def tone():
    """Half a second of silence, then a second of five harmonics."""
    time = np.arange(RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * TONE * n * time) / n for n in range(1, 6))
    return np.concatenate([np.zeros(RATE // 2), 0.2 * harmonics])


def test_pitch_is_that_of_the_tone(pitch_module, tone):
    pitch = pitch_module.find_pitch(tone, RATE, 60, 220)
    assert pitch.shape == (len(tone) // 256 + 1,)
    assert np.all(pitch[:35] == 0)
    assert np.all(np.abs(np.log(pitch[55:120] / TONE)) < 20 * np.log(CENT))


def test_what_is_found_stays(pitch_module, tone, tmp_path, monkeypatch):
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / "wavs" / "a.wav", tone, RATE)
    (tmp_path / "metadata.csv").write_text("a|Ah.|Ah.\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["pitch.py", str(tmp_path), "--workers", "1"])
    pitch_module.main()
    first = pitch_module.read_pitch(tmp_path, "a")
    statistics = json.loads((tmp_path / "pitch.json").read_text(encoding="utf-8"))
    assert statistics["mean"] == pytest.approx(TONE, rel=0.02)
    np.save(tmp_path / "pitch" / "a.npy", first + 1)
    (tmp_path / "pitch.json").write_text("{}", encoding="utf-8")
    pitch_module.main()
    np.testing.assert_array_equal(pitch_module.read_pitch(tmp_path, "a"), first + 1)
    assert (tmp_path / "pitch.json").read_text(encoding="utf-8") == "{}"
