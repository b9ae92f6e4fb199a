"""Runs recipes/speechbrain/README.md from top to bottom: from recordings to speech."""

from __future__ import annotations

import shutil
import tarfile

import pytest

from helpers.paths import ROOT

pytestmark = pytest.mark.xdist_group("speechbrain")

README = ROOT / "recipes" / "speechbrain" / "README.md"
# Shortens runs to six steps, two per epoch, with small discriminators.
FUNCTIONS = """
python() {
  case "$*" in
    train.py*) set -- "$@" --device cpu --max_steps 6 --batch_size 3 --crops 1 --segment_size 8192 \\
      --learning_rate 0.001 --num_workers 0 ;;
  esac
  case "$*" in
    *hparams/vocos.yaml*) set -- "$@" --discriminators "{period_channels: '(4, 8)', resolution_channels: 4}" ;;
  esac
  command python "$@"
}
"""


def test_walkthrough(walk, lj_speech, published_tacotron2, losses, is_sound) -> None:
    """Trains three times, the last on predicted mels; the loss falls, and the second result speaks and goes to NeMo."""
    folder = lj_speech.parent / "recipes" / "speechbrain"
    shutil.copytree(published_tacotron2, folder / "speechbrain" / "tts-tacotron2-ljspeech")
    output = walk(README, FUNCTIONS)
    assert "did not fit" not in output
    assert len(list(folder.glob("mels/wavs/*.npy"))) == 8
    for name in ("vocos", "vocos_finetune", "vocos_predicted"):
        run = folder / "results" / name / "1234"
        assert len(losses(run)) == 3
        assert list(run.glob("save/CKPT+*/generator.ckpt"))
        assert {path.name for path in run.iterdir()} >= {"speechbrain", "model", "train_log.txt", "tensorboard"}
    assert losses(run)[-1] < losses(run)[0]
    assert is_sound(folder / "lamb.wav")
    assert is_sound(folder / "out.wav")
    with tarfile.open(folder / "my-vocos.nemo") as archive:
        assert {"./model_config.yaml", "./model_weights.ckpt"} <= set(archive.getnames())
    assert "results/vocos_finetune/1234/model" in (folder / "evaluation" / "results.json").read_text()
