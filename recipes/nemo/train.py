"""Trains Vocos with NeMo: from scratch, from a checkpoint, or resuming a run. README.md has the commands."""

import lightning.pytorch as pl
from nemo.core.config import hydra_runner
from nemo.utils.exp_manager import exp_manager
from omegaconf import DictConfig
from vocos_nemo.vocoder import VocosModel

from vocos_plugins.training.divergence import DivergenceError


@hydra_runner(config_path="conf", config_name="fastpitch_22050")
def main(cfg: DictConfig) -> None:
    trainer = pl.Trainer(**cfg.trainer)
    exp_manager(trainer, cfg.get("exp_manager"))
    model = VocosModel(cfg=cfg.model, trainer=trainer)
    # Reads NeMo's init_from_ options and ours, init_from_vocos. A run that is resumed loads its own checkpoint in
    # fit().
    model.maybe_init_from_pretrained_checkpoint(cfg=cfg)
    try:
        trainer.fit(model)
    except DivergenceError as error:
        raise SystemExit(str(error)) from error  # exit code 1


if __name__ == "__main__":
    main()
