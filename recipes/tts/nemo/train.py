"""Trains NeMo's FastPitch; the same command goes on from the last checkpoint.

python recipes/tts/nemo/train.py corpus=CORPUS exp_manager.exp_dir=runs
"""

import lightning.pytorch as pl
from nemo.collections.tts.models import FastPitchModel
from nemo.core.config import hydra_runner
from nemo.utils.exp_manager import exp_manager
from omegaconf import DictConfig


@hydra_runner(config_path=".", config_name="fastpitch")
def main(cfg: DictConfig) -> None:
    trainer = pl.Trainer(**cfg.trainer)
    exp_manager(trainer, cfg.get("exp_manager"))
    model = FastPitchModel(cfg=cfg.model, trainer=trainer)
    print(f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M parameters")
    trainer.fit(model)


if __name__ == "__main__":
    main()
