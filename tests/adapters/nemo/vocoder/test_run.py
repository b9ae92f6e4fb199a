"""``python -m vocos_nemo.run``: scripts that don't import Vocos."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from vocos_nemo import run

pytestmark = pytest.mark.xdist_group("nemo")

# Relative to the peak: another process may sum in another order.
SAME = 1e-5

# A hydra script of NeMo's kind, with its configuration next to it.
SCRIPT = """
import numpy
import torch
from nemo.core.config import hydra_runner
import neighbour

@hydra_runner(config_path="conf", config_name="synthesis")
def main(cfg):
    from nemo.collections.tts.models import HifiGanModel

    vocoder = HifiGanModel.restore_from(cfg.vocoder).eval()
    spec = torch.full((1, 80, cfg.n_frames), neighbour.LEVEL)
    numpy.save(cfg.out, vocoder.convert_spectrogram_to_audio(spec=spec))

if __name__ == "__main__":
    main()
"""
CONFIG = """
vocoder: ???
out: ???
n_frames: 1
hydra: {run: {dir: .}, output_subdir: null}
"""
PLAIN = """
import sys
is_main = vars(sys.modules["__main__"]) is globals()
raise SystemExit({"name": __name__, "argv": list(sys.argv), "path": sys.path[0], "main": is_main})
"""


@pytest.fixture
def start(monkeypatch):
    """Runs `main` with arguments in this process, which has imported NeMo; returns the script's exit value."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["vocos_nemo/run.py", *map(str, arguments)])
        monkeypatch.setattr(sys, "path", list(sys.path))
        with pytest.raises(SystemExit) as caught:
            run.main()
        return caught.value.code

    return call


def test_a_hydra_script_in_a_fresh_process(vocoder, make_vocos, tmp_path):
    """A script that restores a HiFi-GAN gets a Vocos; its configuration, neighbours and arguments are found."""
    model = vocoder.wrap(make_vocos())
    model.save_to(str(tmp_path / "vocos.nemo"))
    folder = tmp_path / "scripts"
    (folder / "conf").mkdir(parents=True)
    (folder / "synthesis.py").write_text(SCRIPT)
    (folder / "neighbour.py").write_text("LEVEL = -5.0")
    (folder / "conf" / "synthesis.yaml").write_text(CONFIG)
    arguments = [f"vocoder={tmp_path / 'vocos.nemo'}", f"out={tmp_path / 'audio.npy'}", "n_frames=7"]
    finished = subprocess.run(
        [sys.executable, "-m", "vocos_nemo.run", "scripts/synthesis.py", *arguments],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    audio = np.load(tmp_path / "audio.npy")
    expected = model.convert_spectrogram_to_audio(spec=torch.full((1, 80, 7), -5.0))
    np.testing.assert_allclose(audio, expected, atol=SAME * float(expected.abs().max()))


def test_scripts(start, tmp_path):
    """The script runs as if started directly, also with options that look like `run`'s own."""
    script = tmp_path / "script.py"
    script.write_text(PLAIN)
    assert start(script, "-m", "--config-name", "x", "a=b") == {
        "name": "__main__",
        "argv": [str(script), "-m", "--config-name", "x", "a=b"],
        "path": str(tmp_path),
        "main": True,
    }


def test_modules(start, tmp_path, monkeypatch):
    """With ``-m``, a module runs as with ``python -m``."""
    (tmp_path / "a_module.py").write_text(PLAIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = start("-m", "a_module", "--help")
    assert seen["name"] == "__main__"
    assert seen["argv"] == [str(tmp_path / "a_module.py"), "--help"]


def test_wrong_usage(start, capsys, monkeypatch, tmp_path):
    """A missing argument, a missing script and a missing NeMo end with a message."""
    assert start() == 2
    assert "usage: python -m vocos_nemo.run" in capsys.readouterr().err
    assert start("nowhere.py") == 2
    assert "there is no script nowhere.py" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (tmp_path / "script.py").write_text(PLAIN)
    assert start(tmp_path / "script.py") == "NeMo isn't installed: pip install 'vocos-plugins[nemo]'"
