"""The warning before Coqui TTS plays a vocoder that was exported for another model."""

from __future__ import annotations

import json
import shutil

import pytest
from vocos_coqui.mismatch import warn_of_mismatch

from helpers.paths import ROOT

# Exported for coqui-ljspeech.
EXPORT = ROOT / "tests" / "golden" / "previous" / "coqui" / "config.json"
LJSPEECH = {"sample_rate": 22050, "mel_fmax": 8000.0, "log_func": "np.log", "spec_gain": 1.0}


@pytest.fixture
def warning(tmp_path, capsys):
    """Returns a function that returns the warning for a TTS's audio block and a vocoder's configuration."""

    def read(audio, vocoder=EXPORT):
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"model": "glow_tts", "audio": audio}))
        warn_of_mismatch(["--text", "Hello.", "--config_path", str(file), "--vocoder_config_path", str(vocoder)])
        return capsys.readouterr().err

    return read


def test_the_same_mel(warning):
    """Statistics and levels don't matter, since Coqui TTS undoes them."""
    assert warning({**LJSPEECH, "signal_norm": False}) == ""
    assert warning({**LJSPEECH, "signal_norm": True, "stats_path": "/trainer/scale_stats.npy"}) == ""


@pytest.mark.parametrize(
    ("fields", "found"),
    [({"sample_rate": 44100}, "sample_rate: 44100 against 22050"), ({"log_func": "np.log10"}, "log: log10 against")],
)
def test_another_mel(warning, fields, found):
    """It names the fields, and the command that exports for this TTS."""
    message = warning({**LJSPEECH, **fields})
    assert found in message
    assert "vocos export coqui OUT --tts" in message


def test_other_vocoders_and_arguments(warning, tmp_path, capsys):
    """Coqui TTS's own vocoders, unreadable files and missing arguments are left to Coqui TTS."""
    other = tmp_path / "vocoder.json"
    shutil.copy(EXPORT, other)
    other.write_text(other.read_text().replace('"vocos"', '"hifigan"'))
    assert warning({"sample_rate": 44100, "signal_norm": False}, other) == ""
    assert warning({"sample_rate": "fast", "signal_norm": False}) == ""
    warn_of_mismatch(["--model_name", "tts_models/en/x/y", "--vocoder_config_path", str(EXPORT)])
    warn_of_mismatch([])
    assert capsys.readouterr().err == ""
