"""Runs recipes/coqui/README.md from top to bottom: from recordings to speech."""

from __future__ import annotations

import os
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

from helpers.paths import ROOT
from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("coqui")

README = ROOT / "recipes" / "coqui" / "README.md"
# Shortens runs to three epochs of one step, and runs console scripts in the environment that `vocos enable` changes.
FUNCTIONS = """
python() {
  case "$*" in
    *train_voco*) command python "$@" --coqpit.epochs 3 --coqpit.batch_size 4 --coqpit.eval_split_size 4 \\
      --coqpit.seq_len 8192 --coqpit.lr_gen 1e-3 --coqpit.plot_step 1 --coqpit.num_loader_workers 0 \\
      --coqpit.num_eval_loader_workers 0 \\
      --coqpit.discriminators '{"period_channels": [4, 8], "resolution_channels": 4}' ;;
    *) command python "$@" ;;
  esac
}
vocos() { command python -c "from vocos_plugins.apps.cli import main; main()" "$@"; }
tts() { command python -m TTS.bin.synthesize "$@"; }
"""
NATURAL = {"log_func": "np.log", "spec_gain": 1, "signal_norm": False}


@pytest.fixture
def environment(tmp_path) -> Path:
    """The scripts folder of a separate environment that sees this one's packages."""
    venv.create(tmp_path / "environment", symlinks=True)
    places = sysconfig.get_paths(vars={"base": str(tmp_path / "environment")})
    paths = [path for path in sys.path if Path(path).is_absolute() and Path(path).is_dir()]
    Path(places["purelib"], "parent.pth").write_text("\n".join(paths))
    return Path(places["scripts"])


@pytest.fixture
def tts(make_tts, corpus, lj_speech) -> Path:
    """``tts``, a GlowTTS with random weights that lists the recordings."""
    (lj_speech.parent / "tts").mkdir()
    for path in make_tts("glow_tts", **NATURAL).iterdir():
        (lj_speech.parent / "tts" / path.name).write_bytes(
            path.read_bytes().replace(str(corpus).encode(), b"LJSpeech-1.1")
        )
    return lj_speech.parent / "tts"


def test_walkthrough(walk, environment, tts, logged, is_sound) -> None:
    """Trains four times, the last on predicted mels, whose loss falls; the result speaks and converts."""
    output = walk(README, FUNCTIONS, PATH=f"{environment}{os.pathsep}{os.environ['PATH']}")
    folder = tts.parent
    assert output.count("EPOCH: 2/2") == 4
    assert "8 of 8 clips have predicted mels" in output
    # Folders are named by the minute, so two runs may share one.
    run = max(folder.glob("output/vocos-22khz-small-*"), key=lambda path: path.stat().st_mtime)
    (first, start), *_, (last, end) = logged(run, "TrainIterStats/G_mel")[-3:]
    assert (first, last) == (0, 2)
    assert end < start
    assert logged(run, "TrainIterStats/current_lr_1")[-3][1] == pytest.approx(
        1e-3
    )  # a restored run starts at the full rate
    assert is_sound(folder / "hello.wav")
    assert Vocos.from_pretrained(folder / "my-vocos").provenance["trained_with"] == "Coqui TTS"
    assert is_sound(folder / "out.wav")
    with tarfile.open(folder / "my-vocos.nemo") as archive:
        assert {"./model_config.yaml", "./model_weights.ckpt"} <= set(archive.getnames())
    assert "my-vocos" in (folder / "evaluation" / "results.json").read_text()
