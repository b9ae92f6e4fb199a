"""docs/examples/onnx_numpy.py needs numpy and onnxruntime, and nothing else that isn't in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from helpers.paths import ROOT
from vocos_plugins.export import export_onnx

EXAMPLE = ROOT / "docs" / "examples" / "onnx_numpy.py"
# Whatever imports one of these fails.
BLOCKED = ("torch", "vocos_plugins", "soundfile", "scipy", "librosa", "onnx")
RUN = f"""
import runpy, sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def run(tmp_path):
    """Runs the example in a process where importing torch raises."""

    def start(*arguments: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", RUN, str(EXAMPLE), *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done

    return start


def test_a_mel_becomes_speech(run, make_model, in_torch, noise, tmp_path) -> None:
    """The model's own audio, and the mel that the file wants is printed."""
    vocos, mel = make_model("mel", "convnext", "prior", "center"), noise(1, 12, 40) - 5
    export_onnx(vocos, tmp_path / "vocos.onnx")
    np.save(tmp_path / "mel.npy", mel[0].numpy())
    done = run(tmp_path / "vocos.onnx", tmp_path / "mel.npy", tmp_path / "speech.wav")
    assert "'mel_n_fft': '64'" in done.stdout
    audio, rate = soundfile.read(tmp_path / "speech.wav", dtype="float32")
    expected = in_torch(vocos, mel)[0].clamp(-1, 1).numpy()
    assert rate == 16000
    assert np.abs(audio - expected).max() < 1e-4  # 3 quanta of 16 bits


def test_another_mel_is_refused(run, make_model, tmp_path) -> None:
    """By the number of bands, which the file tells."""
    export_onnx(make_model(), tmp_path / "vocos.onnx")
    np.save(tmp_path / "mel.npy", np.zeros((80, 10), np.float32))
    done = run(tmp_path / "vocos.onnx", tmp_path / "mel.npy", tmp_path / "speech.wav", code=1)
    assert "expected a mel (12, frames), got (80, 10)" in done.stderr
