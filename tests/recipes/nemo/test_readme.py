"""Runs recipes/nemo/README.md from top to bottom: from recordings to speech."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from helpers.paths import ROOT
from vocos_plugins import Vocos

pytestmark = pytest.mark.xdist_group("nemo")

README = ROOT / "recipes" / "nemo" / "README.md"
# Shortens runs to six steps of two short clips, with a smaller model in place of the full size, and no GPU.
FUNCTIONS = """
SHORT="trainer.max_steps=6 trainer.accelerator=cpu n_samples=8192
  model.train_ds.dataloader_params.batch_size=2 model.train_ds.dataloader_params.num_workers=0
  model.validation_ds.dataloader_params.num_workers=0 model.optimization.learning_rate=1e-3"
SMALL="model.generator.backbone.dim=32 model.generator.backbone.intermediate_dim=64
  model.discriminators.period_channels=[4,8] model.discriminators.resolution_channels=4"
python() {
  case "$*" in
    train.py*fastpitch_22050_small*) command python "$@" $SHORT trainer.val_check_interval=3 ;;
    train.py*) command python "$@" $SHORT $SMALL trainer.strategy=auto ;;
    *) command python "$@" ;;
  esac
}
torchrun() { command torchrun --standalone "$@" $SHORT $SMALL +exp_manager.seconds_to_sleep=1; }
"""
FULL, BUNDLED = "Vocos-fastpitch_22050", "Vocos-fastpitch_22050_small"


def test_walkthrough(walk, lj_speech, tiny_fastpitch, is_sound) -> None:
    """Trains from scratch, fine-tunes, on predicted mels and by two processes; the results speak in each toolkit."""
    folder = lj_speech.parent / "recipes" / "nemo"
    folder.mkdir(parents=True)
    shutil.copy(tiny_fastpitch, folder / "fastpitch.nemo")
    output = walk(README, FUNCTIONS)
    assert "did not fit" not in output
    assert len(list(folder.glob("predicted/mels/*/*.npy"))) == 8
    for run in (f"runs/{FULL}", f"runs/{BUNDLED}", f"tuned/{FULL}", f"tuned/{BUNDLED}", f"runs-on-two/{FULL}"):
        checkpoints = folder / run / "checkpoints"
        (last,) = checkpoints.glob("*-last.ckpt")
        state = torch.load(last, weights_only=False)
        weights = [value for value in state["state_dict"].values() if value.is_floating_point()]
        assert state["global_step"] == 6
        assert all(value.dtype == torch.float32 and bool(value.isfinite().all()) for value in weights)
        assert Vocos.from_pretrained(checkpoints / Path(run).name).mel.name == "nemo-fastpitch-22khz"
    names = " ".join(path.name for path in folder.glob(f"tuned/{BUNDLED}/checkpoints/*.ckpt"))
    losses = {epoch: float(loss) for loss, epoch in re.findall(r"val_loss=([\d.]+)-epoch=(\d).ckpt", names)}
    assert losses["1"] < losses["0"]
    assert is_sound(folder / "lamb.wav")
    assert is_sound(folder / "out.wav")
    assert (folder / "exported" / "config.json").exists()
    assert (folder / "exported-too" / "hyperparams.yaml").exists()
    assert f"runs/{BUNDLED}" in (folder / "evaluation" / "results.json").read_text()
